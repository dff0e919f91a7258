// weft describe: one thing with everything the server knows about it, for reading.
#include <fmt/format.h>

#include <algorithm>
#include <functional>
#include <iterator>

#include "app/weft/cli.h"
#include "app/weft/kinds_text.h"
#include "app/weft/object_status.h"
#include "app/weft/views.h"
#include "base/text.h"
#include "control/kinds.h"

namespace weft::app {
namespace {

using control::Node;

constexpr std::string_view kManual = R"(weft describe - all about one object or workload

  weft describe KIND NAME [-n NAMESPACE]

KIND is workload or a kind of object (`weft apply --help` lists them). Shows what it is, whether it is in
force and why not, which sidecars hold its present version, who is behind it, and the calls it takes part
in.

OPTIONS
  -n, --namespace NAME  its namespace (default: default)
      --socket PATH     the server's socket (default: $WEFT_SOCKET, or where `weft server` puts it)

EXAMPLES
  weft describe service cart
  weft describe workload cart-7f3a9c
  weft describe gateway edge

EXIT STATUS
  0 shown   2 wrong usage   3 no server answers   4 it does not exist   5 this user may not
)";

void field(std::string_view name, std::string_view value) {
  std::string clean;
  append_escaped(clean, value);
  print(fmt::format("{:<16}{}\n", name, clean.empty() ? "-" : clean));
}

std::string text(const Node& node, std::string_view name) {
  const Node* value = node.find(name);
  return value ? value->text : "";
}

// The row of a list in the status that has this name and namespace; a route may share both with a GRPCRoute.
const Node* find_row(const Node& status, std::string_view list, std::string_view name,
                     std::string_view ns) {
  const Node* rows = status.find(list);
  if (!rows) return nullptr;
  const auto it = std::ranges::find_if(rows->items, [&](const Node& row) {
    return row.text_of("name") == name && row.text_of("namespace") == ns &&
           row.text_of("kind") != "GRPCRoute";
  });
  return it == rows->items.end() ? nullptr : &*it;
}

void conditions(const Node& row) {
  Table table({"CONDITION", "HOLDS", "REASON", "MESSAGE"});
  const Node* list = row.find("conditions");
  if (!list) return;
  for (const Node& one : list->items) {
    table.add({text(one, "type"), text(one, "status"), text(one, "reason"), text(one, "message")});
  }
  if (!table.empty()) print("\n" + table.to_string());
}

// Which policies act on it.
void policies(const Node& row) {
  const Node* list = row.find("policies");
  if (!list) return;
  for (const Node& one : list->items) field("policy", one.text);
}

// What each parent of a route, target of a policy or listener says of it.
void object_conditions(const Node& object) {
  const Table table = conditions_table(object);
  if (!table.empty()) print("\n" + table.to_string());
}

// Calls whose `side` begins or ends where this thing is.
void calls(const Node& status, const std::function<bool(const Node&)>& concerns) {
  Node chosen = Node::list();
  if (const Node* edges = status.find("edges")) {
    std::ranges::copy_if(edges->items, std::back_inserter(chosen.items), concerns);
  }
  const Table table = edges_table(&chosen);
  if (!table.empty()) print("\ncalls in the last minute\n" + table.to_string("  "));
}

void describe_service(const Node& status, const Node& row) {
  const std::string name = text(row, "name") + "." + text(row, "namespace");
  field("service", name);
  field("made from", text(row, "fromClaims") == "true" ? "claims of workloads (no Service object)"
                                                       : "a Service object");
  field("addresses",
        text(row, "headless") == "true" ? "none: headless" : joined(row.find("addresses")));
  field("names", fmt::format("{}, {}, {}.svc.mesh", text(row, "name"), name, name));
  if (const Node* ports = row.find("ports")) {
    for (const Node& port : ports->items) {
      const std::string name_part =
          text(port, "name").empty() ? "" : " (" + text(port, "name") + ")";
      const bool routed = text(port, "rules") != "0";
      field("port", fmt::format("{}{}, {}{}", text(port, "port"), name_part, text(port, "protocol"),
                                routed ? ", rules: " + text(port, "rules") : ""));
    }
  }
  field("ready", fmt::format("{} of {} instances", text(row, "ready"), text(row, "instances")));
  field("served by", served_text(row.find("served")));
  policies(row);
  conditions(row);
  Node behind = Node::list();
  if (const Node* instances = status.find("instances")) {
    std::ranges::copy_if(instances->items, std::back_inserter(behind.items), [&](const Node& one) {
      const Node* services = one.find("services");
      return services && std::ranges::any_of(services->items, [&](const Node& s) {
               return s.text == name || s.text.starts_with(name + ":");
             });
    });
  }
  const Node* server = status.find("server");
  const Table table = workloads_table(&behind, server ? server->text_of("now") : "");
  if (!table.empty()) print("\ninstances\n" + table.to_string("  "));
  calls(status, [&](const Node& edge) { return edge.text_of("service") == name; });
}

void describe_route(const Node&, const Node& row) {
  field("route", text(row, "namespace") + "/" + text(row, "name"));
  field("of", joined(row.find("parents")));
  field("served by", served_text(row.find("served")));
  if (const Node* rules = row.find("rules")) {
    for (const Node& rule : rules->items) field("rule", rule.text);
  }
  policies(row);
  object_conditions(row);
}

void describe_workload(const Node& status, const Node& row) {
  field("workload", text(row, "name"));
  field("namespace", text(row, "namespace"));
  field("state", text(row, "state") + (text(row, "why").empty() ? "" : ": " + text(row, "why")));
  field("identity", text(row, "identity"));
  field("services", joined(row.find("services")));
  field("mesh addresses", joined(row.find("meshAddresses")));
  const std::string version = text(row, "sidecarVersion");
  field("sidecar", text(row, "address") + (version.empty() ? "" : ", weft-proxy " + version));
  field("machine", text(row, "machine").empty() ? "the server's own" : text(row, "machine"));
  std::string labels;
  if (const Node* map = row.find("labels")) {
    for (const Node::Entry& label : map->entries) {
      labels += (labels.empty() ? "" : ", ") + label.name + "=" + label.value.text;
    }
  }
  field("labels", labels);
  field("registered", text(row, "registered"));
  field("certificate", "until " + text(row, "certificateExpires"));
  field("last heard", text(row, "silentSeconds") + " s ago");
  if (const Node* notes = row.find("notes")) {
    for (const Node& note : notes->items) field("note", note.text);
  }
  const std::string identity = text(row, "identity");
  calls(status, [&](const Node& edge) {
    return edge.text_of("source") == identity || edge.text_of("destination") == identity;
  });
}

// Of the kinds that have no row in the status: the object as it is stored, then what is said of it.
void describe_object(const Node& object) {
  const Node* metadata = object.find("metadata");
  if (!metadata) return;
  const std::string ns = text(*metadata, "namespace");
  field("kind", text(object, "kind"));
  field("name", (ns.empty() ? "" : ns + "/") + text(*metadata, "name"));
  field("applied", fmt::format("{}, generation {}", text(*metadata, "creationTimestamp"),
                               text(*metadata, "generation")));
  if (const Node* served = object.find_path({"status", "served"})) {
    field("served by", served_text(served));
  }
  object_conditions(object);
  if (const Node* spec = object.find("spec")) print("\nspec\n" + control::to_yaml(*spec));
}

struct Describable {
  std::string_view kind;
  std::string_view list;
  void (*describe)(const Node& status, const Node& row);
};

const Describable* find_describable(std::string_view word) {
  static constexpr Describable kAll[] = {
      {"service", "services", describe_service},    {"svc", "services", describe_service},
      {"route", "routes", describe_route},          {"httproute", "routes", describe_route},
      {"workload", "instances", describe_workload}, {"instance", "instances", describe_workload},
      {"wl", "instances", describe_workload}};
  std::string wanted = to_lower(word);
  if (wanted.ends_with('s')) wanted.pop_back();
  const auto it = std::ranges::find(kAll, std::string_view(wanted), &Describable::kind);
  return it == std::end(kAll) ? nullptr : &*it;
}

int no_such(std::string_view kind, std::string_view name, std::string_view ns) {
  fmt::print(stderr, "weft describe: there is no {} '{}' in the namespace '{}'\n", kind, name, ns);
  return kExitNotFound;
}

int describe_stored(const CommandLine& line, const std::string& kind, const std::string& name,
                    const std::string& ns) {
  auto reply =
      ask(line, "GET", fmt::format("/v1/objects/{}/{}/{}", kind, path_step(ns), path_step(name)));
  if (!reply) return report("describe", reply.error());
  if (reply->status == 404) return no_such(kind, name, ns);
  if (reply->status != 200) return report("describe", *reply);
  describe_object(reply->body);
  return kExitOk;
}

}  // namespace

int verb_describe(std::span<char* const> args) {
  const Option options[] = {kNamespace, kSocket, kHelp};
  auto line = CommandLine::parse(args, options);
  if (!line) return usage_error("describe", line.error().message());
  if (line->has("help")) return print(kManual), kExitOk;
  if (line->words().size() != 2) return usage_error("describe", "what? KIND NAME");
  const std::string &word = line->words()[0], &name = line->words()[1];
  const std::string ns = line->value("namespace", "default");
  const Describable* kind = find_describable(word);
  if (!kind) {
    if (const auto stored = control::parse_kind(word))
      return describe_stored(*line, *stored, name, ns);
    return usage_error("describe", fmt::format("'{}' is no kind of object: workloads, {}", word,
                                               fmt::join(kind_plurals(), ", ")));
  }
  auto reply = ask(*line, "GET", "/v1/status");
  if (!reply) return report("describe", reply.error());
  if (reply->status != 200) return report("describe", *reply);
  const Node* row = find_row(reply->body, kind->list, name, ns);
  if (!row) return no_such(kind->kind, name, ns);
  kind->describe(reply->body, *row);
  return kExitOk;
}

}  // namespace weft::app
