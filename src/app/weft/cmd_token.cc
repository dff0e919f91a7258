// weft token: the right for another machine to join.
#include <fmt/format.h>

#include "app/weft/cli.h"
#include "app/weft/views.h"
#include "base/text.h"
#include "base/time.h"

namespace weft::app {
namespace {

constexpr std::string_view kManual = R"(weft token - tokens with which other machines join

  weft token create [--service NAME] [--namespace NAME] [--ttl DURATION]
  weft token list
  weft token revoke ID

A token carries the server's address and the fingerprint of its root certificate, joins one machine
once, and allows only what it was made for. The machine then holds a credential of its own and renews
it: later runs there need no token. The server keeps only a hash; a lost token is replaced, not found.

OPTIONS
      --service NAME    the machine may run this service only (default: any)
  -n, --namespace NAME  the machine may use this namespace only (default: any)
      --ttl DURATION    how long the token may be used: 30m, 1h (default), up to 168h
  -o, --output FORM     table (default), json or yaml
      --socket PATH     the server's socket (default: $WEFT_SOCKET, or where `weft server` puts it)

EXAMPLES
  weft token create --service web --ttl 30m
  weft token revoke 4k7q

EXIT STATUS
  0 done   1 failed   2 wrong usage   3 no server answers   4 no such token   5 this user may not
)";

int create(const CommandLine& line, OutputForm form) {
  control::Node request = control::Node::map();
  request.add("namespace", line.value("namespace"));
  request.add("service", line.value("service"));
  const auto ttl = parse_duration_ns(line.value("ttl", "1h"));
  if (!ttl) return usage_error("token", "--ttl: " + ttl.error().message());
  request.add("ttl_seconds", control::Node::integer(Duration::nanos(*ttl).to_seconds()));
  auto reply = ask(line, "POST", "/v1/tokens", control::to_json(request));
  if (!reply) return report("token", reply.error());
  if (reply->status != 200) return report("token", *reply);
  if (form != OutputForm::kTable) {
    print_node(reply->body, form);
  } else {
    print(fmt::format("{}\n", reply->body.text_of("token")));
    fmt::print(stderr, "Token {}, once, until {}. On the other machine:\n  {}\n",
               reply->body.text_of("id"), reply->body.text_of("expires"),
               reply->body.text_of("joinLine"));
  }
  return kExitOk;
}

int list(const CommandLine& line, OutputForm form) {
  auto reply = ask(line, "GET", "/v1/tokens");
  if (!reply) return report("token", reply.error());
  if (reply->status != 200) return report("token", *reply);
  if (form != OutputForm::kTable) {
    print_node(reply->body, form);
    return kExitOk;
  }
  const Table table = tokens_table(reply->body.find("items"));
  print(table.empty() ? "no tokens\n" : table.to_string());
  return kExitOk;
}

int revoke(const CommandLine& line, const std::string& id) {
  auto reply = ask(line, "DELETE", "/v1/tokens/" + path_step(id));
  if (!reply) return report("token", reply.error());
  if (reply->status != 200) return report("token", *reply);
  print(fmt::format("token {} revoked\n", id));
  return kExitOk;
}

}  // namespace

int verb_token(std::span<char* const> args) {
  const Option options[] = {{"service"}, kNamespace, {"ttl"}, kOutput, kSocket, kHelp};
  auto line = CommandLine::parse(args, options);
  if (!line) return usage_error("token", line.error().message());
  if (line->has("help")) return print(kManual), kExitOk;
  auto form = output_form(*line);
  if (!form) return usage_error("token", form.error().message());
  const std::vector<std::string>& words = line->words();
  if (words.size() == 1 && words[0] == "create") return create(*line, *form);
  if (words.size() == 1 && words[0] == "list") return list(*line, *form);
  if (words.size() == 2 && words[0] == "revoke") return revoke(*line, words[1]);
  return usage_error("token", "create, list, or revoke ID");
}

}  // namespace weft::app
