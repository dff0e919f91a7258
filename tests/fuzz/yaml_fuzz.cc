// YAML decoding: whatever a user writes, the answer is objects or problems, never a crash and never
// both silence and nothing. What was read must survive being written and read again, and an accepted
// object's canonical body must decode to itself.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "control/kinds.h"
#include "control/yaml.h"

namespace {

using namespace weft::control;

void check_tree(const Node& node) {
  for (const std::string& text : {to_json(node), to_yaml(node)}) {
    Problems problems;
    const auto again = read_yaml("again", text, problems);
    if (!problems.empty() || again.size() > 1) std::abort();
    // A document that is null reads as no document.
    if (!again.empty() && to_json(again.front()) != to_json(node)) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 16 * 1024) return 0;  // longer texts find nothing new, slowly
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  Problems problems;
  for (const Node& document : read_yaml("input", text, problems)) check_tree(document);

  Problems wrong;
  const auto objects = decode_objects("input", text, wrong);
  for (const Problem& problem : wrong) {
    if (problem.what.empty() || problem.at.line == 0 || problem.at.column == 0) std::abort();
  }
  for (const DecodedObject& decoded : objects) {
    Problems none;
    const auto again = decode_objects("body", decoded.object.body, none);
    if (!none.empty() || again.size() != 1 || again.front().object.body != decoded.object.body) {
      std::abort();
    }
  }
  return 0;
}
