// weft reference: writes the pages of docs/reference from the tables that decode objects. For whoever
// changes a table; not in the list of verbs.
#include <fmt/format.h>

#include <filesystem>
#include <fstream>

#include "app/weft/verbs.h"
#include "control/reference.h"

namespace weft::app {

int verb_reference(std::span<char* const> args) {
  if (args.size() != 1 || args[0][0] == '-') {
    fmt::print(stderr, "weft reference DIR - write the reference page of each kind of object\n");
    return kExitUsage;
  }
  const std::filesystem::path folder(args[0]);
  for (const control::Kind& kind : control::kinds()) {
    const std::filesystem::path path = folder / control::reference_file(kind);
    std::ofstream out(path, std::ios::binary | std::ios::trunc);
    out << control::reference_page(kind);
    if (!out.flush()) {
      fmt::print(stderr, "weft: cannot write {}\n", path.string());
      return kExitFailed;
    }
  }
  return kExitOk;
}

}  // namespace weft::app
