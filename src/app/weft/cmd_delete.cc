// weft delete: one request per object; the first failure ends it.
#include <fmt/format.h>

#include "app/weft/cli.h"
#include "base/text.h"

namespace weft::app {
namespace {

constexpr std::string_view kManual = R"(weft delete - take objects away

  weft delete KIND NAME... [-n NAMESPACE]

KIND is workload or a kind of object (`weft apply --help` lists them). Deleting a Service that workloads claim (`weft run --service NAME`)
leaves it in being, made from their claims; without instances it is forgotten, and its address rests for
a day before another service may get it.

Workloads end with their programs. The last one of a service that falls silent without having left is
kept, marked stale and still tried, since silence may mean a broken way to the server only: when it is
gone for good, delete it here. Should its sidecar be alive after all, it comes back by itself. Tokens
end with `weft token revoke`. The server logs who deleted what.

OPTIONS
  -n, --namespace NAME  namespace of the objects (default: default)
  -o, --output FORM     table (default), json or yaml
      --socket PATH     the server's socket (default: $WEFT_SOCKET, or where `weft server` puts it)

EXAMPLES
  weft delete route cart-split
  weft delete service cart -n shop
  weft delete workload cart-7f3a9c

EXIT STATUS
  0 deleted   1 refused (the workload is alive, the service has instances)   2 wrong usage   3 no server answers   4 no such object   5 this user may not
)";

bool is_workload(std::string_view kind) {
  std::string word = to_lower(kind);
  if (word.ends_with('s')) word.pop_back();
  return word == "workload" || word == "wl" || word == "instance";
}

}  // namespace

int verb_delete(std::span<char* const> args) {
  const Option options[] = {kOutput, kNamespace, kSocket, kHelp};
  auto line = CommandLine::parse(args, options);
  if (!line) return usage_error("delete", line.error().message());
  if (line->has("help")) return print(kManual), kExitOk;
  auto form = output_form(*line);
  if (!form) return usage_error("delete", form.error().message());
  if (line->words().size() < 2) return usage_error("delete", "which objects? KIND NAME...");
  const std::string kind = line->words()[0];
  for (size_t i = 1; i < line->words().size(); ++i) {
    const std::string path =
        fmt::format("/v1/{}/{}/{}", is_workload(kind) ? "workloads" : "objects/" + path_step(kind),
                    path_step(line->value("namespace", "default")), path_step(line->words()[i]));
    auto reply = ask(*line, "DELETE", path);
    if (!reply) return report("delete", reply.error());
    if (reply->status != 200) return report("delete", *reply);
    if (*form != OutputForm::kTable) {
      print_node(reply->body, *form);
    } else {
      print(fmt::format("{}/{} deleted\n", kind, line->words()[i]));
    }
  }
  return kExitOk;
}

}  // namespace weft::app
