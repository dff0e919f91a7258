// weft get: objects as they are stored, and the rows of the server's status.
#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "app/weft/cli.h"
#include "app/weft/kinds_text.h"
#include "app/weft/views.h"
#include "base/text.h"
#include "control/kinds.h"

namespace weft::app {
namespace {

constexpr std::string_view kManual = R"(weft get - show what there is

  weft get KIND [NAME...] [-n NAMESPACE] [-o table|json|yaml]

KINDS
  services (svc)        names, virtual addresses, ports, how many instances are ready
  routes (httproutes)   HTTPRoutes, their parents and rules
  workloads (wl)        running instances, their mesh addresses, and why one is not served
  edges                 who called whom in the last minute, and how that went
  certificates (certs)  the mesh's own certificates and when they expire
  tokens                join tokens (never their secrets)
  backendpolicies (bp), faultpolicies (fault), ratelimitpolicies (rlp)
                        policies, their targets, and why one does not act
  tlsroutes, gateways…  any other kind of object (`weft apply --help` lists them): whether it is in force
  all                   services, routes and workloads

With -o yaml or json objects are whole, status included; `weft apply -f -` takes
them back. "Served by N of M" counts the sidecars that use an object and hold its present version.

OPTIONS
  -n, --namespace NAME  only of this namespace (default: of all)
  -o, --output FORM     table (default), json or yaml
      --socket PATH     the server's socket (default: $WEFT_SOCKET, or where `weft server` puts it)

EXAMPLES
  weft get services
  weft get route cart-split -o yaml
  weft get workloads -n shop -o json

EXIT STATUS
  0 shown   2 wrong usage   3 no server answers   4 a NAME does not exist   5 this user may not
)";

struct Kind {
  const char* name;
  std::vector<std::string_view> aliases;
  const char* list;    // its rows in /v1/status; "" when it has none
  const char* object;  // its kind of object; "" when it is none
};

const std::vector<Kind>& table_of_kinds() {
  static const std::vector<Kind> kKinds = {
      {"services", {"services", "service", "svc"}, "services", "Service"},
      {"routes", {"routes", "route", "httproutes", "httproute"}, "routes", "HTTPRoute"},
      {"grpcroutes", {"grpcroutes", "grpcroute"}, "routes", "GRPCRoute"},
      {"workloads", {"workloads", "workload", "wl", "instances", "instance"}, "instances", ""},
      {"edges", {"edges", "edge"}, "edges", ""},
      {"certificates", {"certificates", "certificate", "certs", "cert"}, "certificates", ""},
      {"tokens", {"tokens", "token"}, "", ""}};
  return kKinds;
}

std::optional<Kind> find_kind(std::string_view word) {
  const std::string wanted = to_lower(word);
  for (const Kind& kind : table_of_kinds()) {
    if (std::ranges::find(kind.aliases, wanted) != kind.aliases.end()) return kind;
  }
  const auto object = control::parse_kind(word);
  const control::Kind* kind = object ? control::find_kind(*object) : nullptr;
  if (!kind) return std::nullopt;
  return Kind{kind->plural, {}, "", kind->kind};
}

// Does the row or object have this name, namespace and kind? Empty = any.
struct Filter {
  std::vector<std::string> names;
  std::string ns;
  std::string kind = "";

  bool matches(const control::Node& item) const {
    const control::Node* metadata = item.find("metadata");
    const control::Node& at = metadata ? *metadata : item;
    if (!kind.empty() && item.find("kind") && item.text_of("kind") != kind) return false;
    const std::string_view name = at.find("name") ? at.text_of("name") : at.text_of("id");
    if (!ns.empty() && at.find("namespace") && at.text_of("namespace") != ns) return false;
    return names.empty() || std::ranges::find(names, name) != names.end();
  }
};

// Keeps what matches; a NAME that nothing has is said on stderr.
bool filter_items(control::Node& list, const Filter& filter, const char* kind) {
  std::erase_if(list.items, [&](const control::Node& item) { return !filter.matches(item); });
  bool all = true;
  for (const std::string& name : filter.names) {
    const Filter one{{name}, ""};
    if (std::ranges::any_of(list.items, [&](const auto& item) { return one.matches(item); }))
      continue;
    fmt::print(stderr, "weft get: there is no '{}' among the {}\n", name, kind);
    all = false;
  }
  return all;
}

void print_items(control::Node list, OutputForm form, bool single) {
  if (form == OutputForm::kYaml) {
    for (size_t i = 0; i < list.items.size(); ++i) {
      print((i > 0 ? "---\n" : "") + control::to_yaml(list.items[i]));
    }
  } else if (single && list.items.size() == 1) {
    print_node(list.items[0], form);
  } else {
    control::Node out = control::Node::map();
    out.add("apiVersion", "v1");
    out.add("kind", "List");
    out.add("items", std::move(list));
    print_node(out, form);
  }
}

bool is_policy(const Kind& kind) {
  const control::Kind* known = control::find_kind(kind.object);
  return known && known->api_version == std::string_view("weft.dev/v1");
}

Table table_for(const Kind& kind, const control::Node& list, std::string_view now) {
  const std::string_view name = kind.name;
  if (name == "services") return services_table(&list);
  if (kind.list == std::string_view("routes")) return routes_table(&list);
  if (name == "workloads") return workloads_table(&list, now);
  if (name == "edges") return edges_table(&list);
  if (name == "certificates") return certificates_table(&list, now);
  if (is_policy(kind)) return policies_table(&list, now);
  if (*kind.object) return objects_table(&list);
  return tokens_table(&list);
}

int get_one(const CommandLine& line, const Kind& kind, const Filter& filter, OutputForm form) {
  const bool objects = *kind.object && (form != OutputForm::kTable || *kind.list == '\0');
  const bool tokens = *kind.list == '\0' && !objects;
  auto reply = ask(line, "GET",
                   objects  ? fmt::format("/v1/objects/{}", kind.object)
                   : tokens ? "/v1/tokens"
                            : "/v1/status");
  if (!reply) return report("get", reply.error());
  if (reply->status != 200) return report("get", *reply);
  const control::Node* found = reply->body.find(objects || tokens ? "items" : kind.list);
  control::Node list = found ? *found : control::Node::list();
  Filter of_kind = filter;
  of_kind.kind = kind.object;
  const bool all = filter_items(list, of_kind, kind.name);
  if (form != OutputForm::kTable) {
    print_items(std::move(list), form, filter.names.size() == 1);
  } else {
    const control::Node* server = reply->body.find("server");
    const control::Node& at = server ? *server : reply->body;
    const Table table = table_for(kind, list, at.text_of("now"));
    if (!table.empty()) print(table.to_string());
    if (table.empty() && filter.names.empty()) print(fmt::format("no {}\n", kind.name));
  }
  return all ? kExitOk : kExitNotFound;
}

}  // namespace

int verb_get(std::span<char* const> args) {
  const Option options[] = {kOutput, kNamespace, kAllNamespaces, kSocket, kHelp};
  auto line = CommandLine::parse(args, options);
  if (!line) return usage_error("get", line.error().message());
  if (line->has("help")) return print(kManual), kExitOk;
  auto form = output_form(*line);
  if (!form) return usage_error("get", form.error().message());
  if (line->words().empty()) {
    return usage_error("get", "of which kind?");
  }
  const std::string word = line->words().front();
  const Filter filter{{line->words().begin() + 1, line->words().end()}, line->value("namespace")};
  if (word == "all" && filter.names.empty()) {
    int status = kExitOk;
    for (const char* name : {"services", "routes", "workloads"}) {
      if (*form == OutputForm::kTable) print(fmt::format("{}:\n", name));
      status = get_one(*line, *find_kind(name), filter, *form);
      if (status != kExitOk) return status;
      if (*form == OutputForm::kTable) print("\n");
    }
    return status;
  }
  const std::optional<Kind> kind = find_kind(word);
  if (!kind) {
    std::vector<std::string_view> names;
    for (const Kind& one : table_of_kinds()) names.emplace_back(one.name);
    for (const std::string_view one : kind_plurals()) {
      if (std::ranges::find(names, one) == names.end()) names.push_back(one);
    }
    const auto near = nearest(word, names);
    return usage_error("get",
                       fmt::format("Weft knows no kind '{}': {}", word,
                                   near ? fmt::format("did you mean {}?", *near)
                                        : fmt::format("kinds are {}", fmt::join(names, ", "))));
  }
  return get_one(*line, *kind, filter, *form);
}

}  // namespace weft::app
