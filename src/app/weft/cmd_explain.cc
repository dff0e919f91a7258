// weft explain: what a running sidecar would do with a request, and why.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "app/weft/cli.h"
#include "app/weft/explain_text.h"
#include "base/ip.h"
#include "base/text.h"

namespace weft::app {
namespace {

using control::Node;

constexpr std::string_view kManual = R"(weft explain - what would become of a request, and why

  weft explain [METHOD] http[s]://HOST[:PORT]/PATH --from WHO [-H 'NAME: VALUE']...
  weft explain tcp://HOST:PORT --from WHO [--server-name NAME]
  weft explain [service] NAME [--from WHO]

Prints, in the order in which they act, the objects that decide on the request: name, destination, route
(and which rules before it were missed, and by what), policies with the origin of each value, instances
with their share and why some are left out, TLS, authorization; and what would happen.

From a Gateway (--from edge, if `weft gateway edge` runs) the request is one from outside, and its
listener comes first: by port, by the server name of https, by the Host. The port is the listener's.

The answer comes from the running sidecar of WHO, an instance or a service: from the same code and the
same state that would serve the request. Nothing is sent anywhere. "default" as an origin means that no
object says anything. Without a request it shows what is in force for a service.
An app's own https is not opened, so only its server name counts; a Gateway's HTTPS listener ends it.

OPTIONS
      --from WHO           the caller: an instance (web-7f3a9c) or a service (its first instance that
                           answers); or a Gateway. Default: any instance of the namespace
  -H, --header 'N: V'      a header field of the request; Host and content-type count as they would
      --server-name NAME   that TLS asks for (SNI). Default: the HOST of https://
  -n, --namespace NAME     where WHO runs (default: default)
  -o, --output FORM        table (default), json or yaml
      --socket PATH        the server's socket (default: $WEFT_SOCKET, or where `weft server` puts it)

EXAMPLES
  weft explain GET http://cart/items -H 'x-canary: 1' --from web
  weft explain https://shop.example/items --from edge
  weft explain tcp://postgres:5432 --from cart-7f3a9c
  weft explain cart

EXIT STATUS
  0 explained   1 the sidecar could not be asked   2 wrong usage   3 no server answers
  4 there is no such instance   5 this user may not
)";

struct Url {
  std::string scheme, host, target;
  uint16_t port = 0;  // 0: none was given
};

// "http://cart:80/items?x", "cart:5432"
Result<Url> parse_url(std::string_view text) {
  Url url;
  std::string_view rest = text;
  if (const size_t colon = text.find("://"); colon != std::string_view::npos) {
    url.scheme = to_lower(text.substr(0, colon));
    rest = text.substr(colon + 3);
  }
  const size_t slash = rest.find_first_of("/?#");
  std::string_view authority = rest.substr(0, slash);
  url.target = slash == std::string_view::npos ? "" : rest.substr(slash, rest.find('#') - slash);
  if (!url.target.starts_with('/')) url.target.insert(0, "/");
  const size_t colon = authority.rfind(':');
  if (colon != std::string_view::npos && authority.find(']', colon) == std::string_view::npos) {
    const auto port = parse_port(authority.substr(colon + 1));
    if (!port) return fail(ErrorKind::kInvalid, fmt::format("'{}' has no valid port", text));
    url.port = *port;
    authority = authority.substr(0, colon);
  }
  if (authority.starts_with('[') && authority.ends_with(']')) {
    authority = authority.substr(1, authority.size() - 2);
  }
  if (authority.empty()) return fail(ErrorKind::kInvalid, fmt::format("'{}' names no host", text));
  url.host = authority;
  return url;
}

Node number(uint64_t value) { return Node::integer(static_cast<int64_t>(value)); }

// Of a question for the request, or for the TLS it is in.
Result<void> add_request(const CommandLine& line, const std::string& method, const Url& url,
                         uint16_t default_port, Node& body) {
  body.add("method", method);
  body.add("target", url.target);
  std::string authority = url.host.find(':') == std::string::npos ? url.host : "[" + url.host + "]";
  if (url.port != 0 && url.port != default_port) authority += ":" + std::to_string(url.port);
  Node fields = Node::list();
  for (const std::string& header : line.values("header")) {
    const auto parts = split_once(header, ':');
    if (!parts || trim(parts->first).empty()) {
      return fail(ErrorKind::kInvalid, fmt::format("'{}' is not NAME: VALUE", header));
    }
    if (equals_ignoring_case(trim(parts->first), "host")) {
      authority = trim(parts->second);
      continue;
    }
    Node field = Node::map();
    field.add("name", trim(parts->first));
    field.add("value", trim(parts->second));
    fields.items.push_back(std::move(field));
  }
  body.add("authority", authority);
  body.add("fields", std::move(fields));
  return {};
}

Node connection_question(const CommandLine& line, const Url& url, uint16_t port, bool https) {
  // A client names no server that it has only the address of (RFC 6066 section 3).
  const std::string implied = https && !IpAddress::parse(url.host) ? url.host : "";
  Node body = Node::map();
  body.add("kind", "connection");
  body.add("host", url.host);
  body.add("port", number(port));
  body.add("tls", Node::boolean(https || line.has("server-name")));
  body.add("serverName", line.value("server-name", implied));
  return body;
}

Result<Node> web_question(const CommandLine& line, const std::string& method, const Url& url) {
  const bool https = url.scheme == "https";
  const uint16_t usual = https ? 443 : 80, port = url.port == 0 ? usual : url.port;
  Node body = Node::map();
  if (https) {
    body = connection_question(line, url, port, true);
  } else {
    body.add("kind", "request");
    body.add("host", url.host);
    body.add("port", number(port));
  }
  auto added = add_request(line, method, url, usual, body);
  if (!added) return std::unexpected(std::move(added.error()));
  return body;
}

Result<Node> question_of(const CommandLine& line) {
  const std::vector<std::string>& words = line.words();
  if (words.empty() || words.size() > 2) {
    return fail(ErrorKind::kInvalid, "what? [METHOD] URL, tcp://HOST:PORT, or a service");
  }
  const std::string& what = words.back();
  const std::string first = words.size() == 2 ? words.front() : "";
  const bool service = first == "service" || first == "svc";
  if (service || (first.empty() && what.find("://") == std::string::npos &&
                  what.find_first_of("/:") == std::string::npos)) {
    Node body = Node::map();
    body.add("kind", "service");
    body.add("host", what);
    return body;
  }
  auto url = parse_url(what);
  if (!url) return std::unexpected(std::move(url.error()));
  if (first == "tcp" || url->scheme == "tcp") {
    if (url->port == 0) return fail(ErrorKind::kInvalid, "which port? tcp://HOST:PORT");
    return connection_question(line, *url, url->port, false);
  }
  if (!url->scheme.empty() && url->scheme != "http" && url->scheme != "https") {
    return fail(ErrorKind::kInvalid, fmt::format("'{}' is not http, https or tcp", url->scheme));
  }
  return web_question(line, first.empty() ? "GET" : first, *url);
}

}  // namespace

int verb_explain(std::span<char* const> args) {
  const Option options[] = {
      {"from"}, {"header", 'H'}, {"server-name"}, kOutput, kNamespace, kSocket, kHelp};
  auto line = CommandLine::parse(args, options);
  if (!line) return usage_error("explain", line.error().message());
  if (line->has("help")) return print(kManual), kExitOk;
  auto form = output_form(*line);
  if (!form) return usage_error("explain", form.error().message());
  auto question = question_of(*line);
  if (!question) return usage_error("explain", question.error().message());
  question->add("from", line->value("from"));
  question->add("namespace", line->value("namespace", "default"));
  auto reply = ask(*line, "POST", "/v1/explain", control::to_json(*question));
  if (!reply) return report("explain", reply.error());
  if (reply->status != 200) return report("explain", *reply);
  if (*form == OutputForm::kTable) {
    print(explanation_text(reply->body));
  } else {
    print_node(reply->body, *form);
  }
  return kExitOk;
}

}  // namespace weft::app
