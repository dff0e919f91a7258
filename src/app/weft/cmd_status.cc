// weft status: the whole mesh on one screen.
#include <fmt/format.h>

#include "app/weft/cli.h"
#include "app/weft/views.h"
#include "base/text.h"

namespace weft::app {
namespace {

constexpr std::string_view kManual = R"(weft status - the mesh on one screen

  weft status [-o table|json|yaml]

Shows services and how many of their instances are ready; instances, and why one gets no traffic; the
calls of the last minute with rate, success and latency as the callers' sidecars saw them; routes and
how many sidecars hold their present version ("served by N of M"); Gateways and policies, whether they
are in force and until when; certificates and when they expire.

OPTIONS
  -o, --output FORM     table (default), json or yaml
      --socket PATH     the server's socket (default: $WEFT_SOCKET, or where `weft server` puts it)

EXIT STATUS
  0 shown   2 wrong usage   3 no server answers   5 this user may not
)";

std::string escaped(std::string_view text) {
  std::string out;
  append_escaped(out, text);
  return out;
}

void section(std::string_view title, const Table& table) {
  if (!table.empty()) print(fmt::format("\n{}\n{}", title, table.to_string("  ")));
}

void print_status(const control::Node& status) {
  const control::Node* server = status.find("server");
  if (!server) return;
  const auto text = [&](std::string_view name) {
    const control::Node* node = server->find(name);
    return node ? node->text : "";
  };
  print(fmt::format("Weft {}, trust domain {}, {} sidecars connected, configuration version {}\n",
                    text("version"), text("trustDomain"), text("proxies"),
                    text("configurationVersion")));
  print(fmt::format("Joining and discovery on {}; status page {}\n", text("discovery"),
                    text("statusPage")));
  if (const control::Node* warnings = status.find("warnings")) {
    for (const control::Node& warning : warnings->items) print("! " + escaped(warning.text) + "\n");
  }
  print(problems_text(status.find("services"), "Service"));
  print(problems_text(status.find("routes"), "HTTPRoute"));
  print(object_problems_text(status.find("objects")));
  const std::string now = text("now");
  section("SERVICES", services_table(status.find("services")));
  section("INSTANCES", workloads_table(status.find("instances"), now));
  section("CALLS IN THE LAST MINUTE", edges_table(status.find("edges")));
  section("ROUTES", routes_table(status.find("routes")));
  section("GATEWAYS, POLICIES, OTHER OBJECTS", object_summaries_table(status.find("objects"), now));
  section("CERTIFICATES", certificates_table(status.find("certificates"), now));
}

}  // namespace

int verb_status(std::span<char* const> args) {
  const Option options[] = {kOutput, kSocket, kHelp};
  auto line = CommandLine::parse(args, options);
  if (!line) return usage_error("status", line.error().message());
  if (line->has("help")) return print(kManual), kExitOk;
  auto form = output_form(*line);
  if (!form) return usage_error("status", form.error().message());
  if (!line->words().empty()) {
    return usage_error("status", "takes no names: see `weft get` and `weft describe`");
  }
  auto reply = ask(*line, "GET", "/v1/status");
  if (!reply) return report("status", reply.error());
  if (reply->status != 200) return report("status", *reply);
  if (*form == OutputForm::kTable) {
    print_status(reply->body);
  } else {
    print_node(reply->body, *form);
  }
  return kExitOk;
}

}  // namespace weft::app
