// The server adds nothing to what the sidecar says but who said it.
#include "control/explaining.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "base/text.h"
#include "explain.pb.h"

namespace weft::control {
namespace {

constexpr size_t kBodyLimit = 256 * 1024;
constexpr size_t kTextLimit = 64 * 1024;
constexpr size_t kMostFields = 100;
// A sidecar opens its call for questions a moment after it has connected.
constexpr Duration kOpening = Duration::seconds(3);

struct Asked {
  std::string from, ns;
  v1::Question question;
};

Result<Asked> read_question(const std::string& body) {
  Problems problems;
  const auto documents = read_yaml("request", body, problems, {.bytes = kBodyLimit});
  if (!problems.empty() || documents.size() != 1 || !documents.front().is(Node::Kind::kMap)) {
    return fail(ErrorKind::kInvalid, "the body must be one JSON object");
  }
  const Node& node = documents.front();
  Asked asked{std::string(node.text_of("from")), std::string(node.text_of("namespace")), {}};
  if (asked.ns.empty()) asked.ns = "default";
  v1::Question& question = asked.question;
  const std::string_view kind = node.text_of("kind");
  if (kind == "request") {
    question.set_kind(v1::Question::REQUEST);
  } else if (kind == "connection") {
    question.set_kind(v1::Question::CONNECTION);
  } else if (kind == "service") {
    question.set_kind(v1::Question::SERVICE);
  } else {
    return fail(ErrorKind::kInvalid, "\"kind\" must be request, connection or service");
  }
  question.set_host(std::string(node.text_of("host")));
  question.set_method(std::string(node.text_of("method")));
  question.set_target(std::string(node.text_of("target")));
  question.set_authority(std::string(node.text_of("authority")));
  question.set_server_name(std::string(node.text_of("serverName")));
  if (const Node* tls = node.find("tls")) question.set_tls(tls->number != 0);
  if (const Node* port = node.find("port")) {
    if (!port->is(Node::Kind::kInteger) || port->number < 0 || port->number > 65535) {
      return fail(ErrorKind::kInvalid, "\"port\" must be from 0 to 65535");
    }
    question.set_port(static_cast<uint32_t>(port->number));
  }
  if (const Node* fields = node.find("fields")) {
    if (fields->items.size() > kMostFields) {
      return fail(ErrorKind::kInvalid, fmt::format("at most {} header fields", kMostFields));
    }
    for (const Node& field : fields->items) {
      v1::QuestionField& one = *question.add_fields();
      one.set_name(std::string(field.text_of("name")));
      one.set_value(std::string(field.text_of("value")));
    }
  }
  if (question.host().empty()) return fail(ErrorKind::kInvalid, "\"host\" is missing");
  if (question.ByteSizeLong() > kTextLimit)
    return fail(ErrorKind::kInvalid, "the request is too long");
  return asked;
}

Node number(uint64_t value) { return Node::integer(static_cast<int64_t>(value)); }

Node step_node(const v1::ExplainedStep& step) {
  Node out = Node::map();
  out.add("stage", step.stage());
  if (!step.object().empty()) out.add("object", step.object());
  out.add("says", step.says());
  if (step.values_size() > 0) {
    Node& values = out.add("values", Node::list());
    for (const v1::ExplainedValue& value : step.values()) {
      Node one = Node::map();
      one.add("name", value.name());
      one.add("value", value.value());
      one.add("origin", value.origin().empty() ? "default" : value.origin());
      values.items.push_back(std::move(one));
    }
  }
  if (step.notes_size() > 0) {
    Node& notes = out.add("notes", Node::list());
    for (const std::string& note : step.notes()) notes.items.push_back(Node::string(note));
  }
  return out;
}

Node endpoint_node(const v1::ExplainedEndpoint& endpoint) {
  Node out = Node::map();
  out.add("service", endpoint.service());
  out.add("workload", endpoint.workload());
  out.add("address", endpoint.address());
  out.add("identity", endpoint.identity());
  if (!endpoint.zone().empty()) out.add("zone", endpoint.zone());
  out.add("candidate", Node::boolean(endpoint.candidate()));
  out.add("state", endpoint.state());
  out.add("active", number(endpoint.active()));
  out.add("percent", Node::real(endpoint.share_ppm() / 1e4));
  return out;
}

Node outcome_node(const v1::ExplainedOutcome& outcome) {
  Node out = Node::map();
  out.add("says", outcome.says());
  if (outcome.status() != 0) out.add("status", number(outcome.status()));
  for (const auto& [name, text] :
       {std::pair("flags", &outcome.flags()), std::pair("location", &outcome.location()),
        std::pair("route", &outcome.route()), std::pair("target", &outcome.target()),
        std::pair("authority", &outcome.authority())}) {
    if (!text->empty()) out.add(name, *text);
  }
  out.add("refused", Node::boolean(outcome.refused()));
  Node& endpoints = out.add("endpoints", Node::list());
  for (const std::string& one : outcome.endpoints()) endpoints.items.push_back(Node::string(one));
  return out;
}

// A Gateway's proxy begins with the Gateway; an older one takes the question as an app's.
bool answers_for_gateway(const v1::Explanation& explanation) {
  return explanation.steps_size() > 0 && explanation.steps(0).stage() == "gateway";
}

}  // namespace

Error Explaining::unreachable(const InstanceRecord& record) const {
  const std::string& id = record.instance.id;
  if (discovery_.connected(id)) {
    return {
        ErrorKind::kUnsupported,
        fmt::format(
            "the sidecar of {} (weft-proxy {}) does not answer questions yet: "
            "`weft upgrade {}` gives it one that does",
            id, record.sidecar_version.empty() ? "of an unknown version" : record.sidecar_version,
            id)};
  }
  return {ErrorKind::kUnavailable,
          fmt::format("the sidecar of {} is not connected to this server now", id)};
}

bool Explaining::serves_gateway(const InstanceRecord& record) const {
  const auto gateway = gateway_served(record.instance);
  return gateway && compiler_.object({"Gateway", gateway->ns, gateway->name});
}

// By its own id, else the first by id of those that belong to the service, or serve the Gateway, and can answer.
Result<Explaining::Chosen> Explaining::choose(const std::string& from,
                                              const std::string& ns) const {
  if (const InstanceRecord* record = registry_.find(from)) {
    if (questions_.reaches(from)) return Chosen{from};
    return std::unexpected(unreachable(*record));
  }
  // Of two things of one name the service is meant; a Gateway's clients are asked about where nobody else calls.
  struct Found {
    std::optional<Chosen> chosen;
    const InstanceRecord* silent = nullptr;
  } of_service, of_gateway;
  std::vector<std::string> names;
  for (const auto& [id, record] : registry_.all()) {
    if (record.instance.ns != ns) continue;
    const std::string& account = record.registration.account();
    const auto gateway = gateway_served(record.instance);
    const bool serves_it = from.empty() ? serves_gateway(record) : gateway && gateway->name == from;
    const bool belongs =
        from.empty() || account == from || compiler_.services_of(id).contains({ns, from});
    names.push_back(id);
    names.push_back(account);
    if (gateway) names.push_back(gateway->name);
    if (!belongs && !serves_it) continue;
    Found& found = serves_it ? of_gateway : of_service;
    if (!questions_.reaches(id)) {
      found.silent = &record;
    } else if (found.chosen) {
      ++found.chosen->of;
    } else {
      found.chosen = Chosen{id};
    }
  }
  for (const Found& found : {of_service, of_gateway}) {
    if (found.chosen) return *found.chosen;
    if (found.silent != nullptr) return std::unexpected(unreachable(*found.silent));
  }
  if (from.empty()) {
    return fail(ErrorKind::kNotFound,
                fmt::format("no instance of the namespace {} runs, so nobody can be asked", ns));
  }
  const std::vector<std::string_view> candidates(names.begin(), names.end());
  const auto near = nearest(from, candidates);
  return fail(ErrorKind::kNotFound,
              fmt::format("there is no instance or service '{}' in the namespace '{}'{}", from, ns,
                          near ? fmt::format(": did you mean {}?", *near) : ""));
}

io::Task<Result<Node>> Explaining::explain(std::string body) const {
  auto asked = read_question(body);
  if (!asked) co_return std::unexpected(std::move(asked.error()));
  auto chosen = choose(asked->from, asked->ns);
  const Instant until = questions_.now() + kOpening;
  while (!chosen && chosen.error().kind() == ErrorKind::kUnsupported && questions_.now() < until) {
    co_await questions_.another(until);
    chosen = choose(asked->from, asked->ns);
  }
  if (!chosen) co_return std::unexpected(std::move(chosen.error()));
  auto answer = co_await questions_.ask(chosen->instance, asked->question.SerializeAsString());
  if (!answer) {
    co_return std::unexpected(std::move(answer.error()).context(chosen->instance));
  }
  v1::Explanation explanation;
  if (!explanation.ParseFromString(*answer)) {
    co_return fail(ErrorKind::kProtocol, chosen->instance + " answered what cannot be read");
  }
  const InstanceRecord* record = registry_.find(chosen->instance);
  if (record && serves_gateway(*record) && asked->question.kind() != v1::Question::SERVICE &&
      !answers_for_gateway(explanation)) {
    co_return fail(
        ErrorKind::kUnsupported,
        fmt::format("the proxy of {} (weft-proxy {}) is too old to answer for a Gateway: "
                    "`weft upgrade {}` gives it one that does",
                    chosen->instance, explanation.version(), chosen->instance));
  }
  Node out = Node::map();
  out.add("instance", chosen->instance);
  out.add("instances", number(chosen->of));
  out.add("sidecarVersion", explanation.version());
  out.add("generation", number(explanation.generation()));
  Node& steps = out.add("steps", Node::list());
  for (const auto& step : explanation.steps()) steps.items.push_back(step_node(step));
  Node& endpoints = out.add("endpoints", Node::list());
  for (const auto& one : explanation.endpoints()) endpoints.items.push_back(endpoint_node(one));
  out.add("outcome", outcome_node(explanation.outcome()));
  co_return out;
}

}  // namespace weft::control
