// Absent fields read as empty: an older server must not make a newer CLI fall over.
#include "app/weft/views.h"

#include <fmt/format.h>

#include <cstdlib>
#include <ctime>

#include "app/weft/object_status.h"
#include "base/text.h"

namespace weft::app {
namespace {

using control::Node;

const std::vector<Node>& items(const Node* list) {
  static const std::vector<Node> kNone;
  return list ? list->items : kNone;
}

std::string text(const Node& row, std::string_view name) {
  const Node* node = row.find(name);
  return node ? node->text : "";
}

double real(const Node& row, std::string_view name) {
  return std::strtod(text(row, name).c_str(), nullptr);
}

int64_t unix_seconds(std::string_view time) {
  std::tm parts{};
  const std::string z(time);
  return strptime(z.c_str(), "%Y-%m-%dT%H:%M:%SZ", &parts) ? timegm(&parts) : 0;
}

// "shop/cart" of spiffe://mesh/ns/shop/sa/cart: the trust domain is the same for all.
std::string short_identity(const std::string& uri) {
  const size_t ns = uri.find("/ns/");
  const size_t name = uri.find("/sa/");
  if (ns == std::string::npos || name == std::string::npos || name < ns) return uri;
  return uri.substr(ns + 4, name - ns - 4) + "/" + uri.substr(name + 4);
}

std::string ports_text(const Node* ports) {
  std::string out;
  for (const Node& port : items(ports)) {
    out +=
        fmt::format("{}{}/{}", out.empty() ? "" : ",", text(port, "port"), text(port, "protocol"));
  }
  return out;
}

std::string milliseconds(double value) {
  if (value <= 0) return "-";
  return value < 10 ? fmt::format("{:.2f} ms", value) : fmt::format("{:.0f} ms", value);
}

}  // namespace

std::string joined(const Node* list, std::string_view separator) {
  std::string out;
  for (const Node& item : items(list))
    out += (out.empty() ? "" : std::string(separator)) + item.text;
  return out;
}

std::string served_text(const Node* served) {
  if (!served) return "";
  if (const Node* problem = served->find("problem"))
    return (served->find("withheld") ? "not sent: " : "refused: ") + problem->text;
  if (text(*served, "users") == "0") return "no user yet";
  return fmt::format("{} of {}", text(*served, "current"), text(*served, "users"));
}

std::string conditions_text(const Node* conditions) {
  for (const Node& condition : items(conditions)) {
    if (condition.text_of("status") != "True") return text(condition, "reason");
  }
  return "in force";
}

std::string problems_text(const Node* rows, std::string_view kind) {
  std::string out;
  for (const Node& row : items(rows)) {
    for (const Node& condition : items(row.find("conditions"))) {
      if (condition.text_of("status") == "True") continue;
      out += "! ";
      const std::string_view own = row.text_of("kind");
      append_escaped(out, fmt::format("{} {}/{}: {}: {}", own.empty() ? kind : own,
                                      text(row, "namespace"), text(row, "name"),
                                      text(condition, "reason"), text(condition, "message")));
      out += "\n";
    }
  }
  return out;
}

std::string time_left(std::string_view now, std::string_view then) {
  if (then.empty()) return "";
  const int64_t seconds = unix_seconds(then) - unix_seconds(now);
  if (seconds < 0) return "expired";
  if (seconds < 120) return fmt::format("{} s", seconds);
  if (seconds < 7200) return fmt::format("{} min", seconds / 60);
  if (seconds < 48 * 3600) return fmt::format("{} h", seconds / 3600);
  return fmt::format("{} days", seconds / 86400);
}

Table services_table(const Node* rows) {
  Table table({"NAME", "NAMESPACE", "ADDRESS", "PORTS", "READY", "SERVED BY", "STATE"});
  for (const Node& row : items(rows)) {
    const Node* addresses = row.find("addresses");
    const bool implicit = text(row, "fromClaims") == "true";
    table.add({text(row, "name"), text(row, "namespace"),
               text(row, "headless") == "true" ? "headless"
               : items(addresses).empty()      ? ""
                                               : addresses->items[0].text,
               ports_text(row.find("ports")),
               fmt::format("{} of {}", text(row, "ready"), text(row, "instances")),
               served_text(row.find("served")),
               implicit ? "from workloads" : conditions_text(row.find("conditions"))});
  }
  return table;
}

Table workloads_table(const Node* rows, std::string_view now) {
  Table table({"NAME", "NAMESPACE", "STATE", "SERVICES", "IDENTITY", "MESH ADDRESSES", "SIDECAR",
               "CERTIFICATE", "WHY"});
  for (const Node& row : items(rows)) {
    std::string why = text(row, "why");
    const std::string notes = joined(row.find("notes"), "; ");
    if (!notes.empty()) why += (why.empty() ? "" : "; ") + notes;
    table.add({text(row, "name"), text(row, "namespace"), text(row, "state"),
               joined(row.find("services"), ","), short_identity(text(row, "identity")),
               joined(row.find("meshAddresses"), ","), text(row, "address"),
               time_left(now, text(row, "certificateExpires")), why});
  }
  return table;
}

Table routes_table(const Node* rows) {
  Table table({"KIND", "NAME", "NAMESPACE", "OF", "SERVED BY", "STATE", "RULES"});
  for (const Node& row : items(rows)) {
    table.add({text(row, "kind"), text(row, "name"), text(row, "namespace"),
               joined(row.find("parents"), ","), served_text(row.find("served")),
               conditions_text(row.find("conditions")), joined(row.find("rules"), " · ")});
  }
  return table;
}

Table edges_table(const Node* rows) {
  Table table({"FROM", "TO", "SERVICE", "PROTOCOL", "MTLS", "PER SECOND", "SUCCESS", "P50", "P99"});
  for (const Node& row : items(rows)) {
    const std::string port = text(row, "port");
    table.add({short_identity(text(row, "source")), short_identity(text(row, "destination")),
               text(row, "service") + (port.empty() || port == "0" ? "" : ":" + port),
               text(row, "protocol"), text(row, "mtls") == "true" ? "yes" : "no",
               fmt::format("{:.1f}", real(row, "requestsPerSecond")),
               fmt::format("{:.2f} %", 100 * real(row, "successRatio")),
               milliseconds(real(row, "p50Ms")), milliseconds(real(row, "p99Ms"))});
  }
  return table;
}

Table certificates_table(const Node* rows, std::string_view now) {
  Table table({"WHICH", "FROM", "UNTIL", "LEFT", "NOTE"});
  for (const Node& row : items(rows)) {
    table.add({text(row, "what"), text(row, "notBefore"), text(row, "notAfter"),
               time_left(now, text(row, "notAfter")), text(row, "note")});
  }
  return table;
}

Table objects_table(const Node* objects) {
  Table table({"NAME", "NAMESPACE", "STATE", "WHY"});
  for (const Node& object : items(objects)) {
    std::string state = "in force", why;
    each_condition(object, [&](std::string_view of, const Node& condition) {
      if (!why.empty() || is_well(condition)) return;
      state = condition.text_of("reason");
      why = fmt::format("{}{}{}", of, of.empty() ? "" : ": ", condition.text_of("message"));
    });
    const Node* metadata = object.find("metadata");
    if (metadata) table.add({text(*metadata, "name"), text(*metadata, "namespace"), state, why});
  }
  return table;
}

Table object_summaries_table(const Node* rows, std::string_view now) {
  Table table({"KIND", "NAME", "NAMESPACE", "OF", "SERVED BY", "STATE", "ENDS IN"});
  for (const Node& row : items(rows)) {
    table.add({text(row, "kind"), text(row, "name"), text(row, "namespace"),
               joined(row.find("of"), ","), served_text(row.find("served")), text(row, "state"),
               time_left(now, row.text_of("expires"))});
  }
  return table;
}

std::string object_problems_text(const Node* rows) {
  std::string out;
  for (const Node& row : items(rows)) {
    if (!row.find("why")) continue;
    out += "! ";
    append_escaped(out, fmt::format("{} {}/{}: {}: {}", text(row, "kind"), text(row, "namespace"),
                                    text(row, "name"), text(row, "state"), text(row, "why")));
    out += "\n";
  }
  return out;
}

Table policies_table(const Node* objects, std::string_view now) {
  Table table({"NAME", "NAMESPACE", "TARGETS", "SERVED BY", "STATE", "ENDS IN"});
  for (const Node& object : items(objects)) {
    const Node* metadata = object.find("metadata");
    const Node* status = object.find("status");
    if (!metadata || !status) continue;
    std::string targets, state;
    for (const Node& ancestor : items(status->find("ancestors"))) {
      const Node* ref = ancestor.find("ancestorRef");
      if (!ref) continue;
      const std::string rule = text(*ref, "sectionName");
      targets += fmt::format("{}{} {}{}", targets.empty() ? "" : ",", text(*ref, "kind"),
                             text(*ref, "name"), rule.empty() ? "" : "/" + rule);
      for (const Node& condition : items(ancestor.find("conditions"))) {
        if (!state.empty() || text(condition, "type") != "Accepted") continue;
        if (text(condition, "status") != "True") state = text(condition, "reason");
      }
    }
    const std::string left = time_left(now, status->text_of("expires"));
    if (state.empty()) state = left == "expired" ? "over" : "in force";
    table.add({text(*metadata, "name"), text(*metadata, "namespace"), targets,
               served_text(status->find("served")), state, left});
  }
  return table;
}

Table tokens_table(const Node* rows) {
  Table table({"ID", "STATE", "NAMESPACE", "SERVICE", "CREATED", "EXPIRES", "USED BY"});
  for (const Node& row : items(rows)) {
    const std::string ns = text(row, "namespace"), service = text(row, "service");
    table.add({text(row, "id"), text(row, "state"), ns.empty() ? "any" : ns,
               service.empty() ? "any" : service, text(row, "created"), text(row, "expires"),
               text(row, "usedBy")});
  }
  return table;
}

}  // namespace weft::app
