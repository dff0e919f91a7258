// One function per endpoint, found by a short chain over method and path. Everything is checked before
// anything is done: who asks, that the body is whole, that it decodes.
#include "control/api.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/text.h"
#include "control/api_json.h"
#include "control/join_service.h"
#include "control/kinds.h"
#include "control/status_page.h"
#include "http/respond.h"

namespace weft::control {
namespace {

constexpr size_t kBodyLimit = 16 * 1024 * 1024;
constexpr const char* kJson = "application/json";
constexpr int64_t kLongestToken = JoinService::kMaxTokenLife.to_seconds();

struct Answer {
  int status = 200;
  std::string type = kJson;
  std::string body;
};

Answer json(int status, const Node& node) { return {status, kJson, to_json(node) + "\n"}; }

int status_of(const Error& error) {
  switch (error.kind()) {
    case ErrorKind::kInvalid: return 400;
    case ErrorKind::kNotFound: return 404;
    case ErrorKind::kConflict: return 409;
    case ErrorKind::kDenied:
    case ErrorKind::kUnauthenticated: return 403;
    case ErrorKind::kLimit: return 413;
    case ErrorKind::kUnsupported: return 422;
    case ErrorKind::kUnavailable: return 503;
    case ErrorKind::kTimeout: return 504;
    case ErrorKind::kIo: return 507;  // nearly always the disk
    default: return 500;
  }
}
Answer failure(const Error& error) { return json(status_of(error), json_error(error.message())); }

Answer not_found(std::string_view path) {
  return json(404, json_error(fmt::format("there is nothing at {}", path)));
}

// "true" of ?dry-run=true.
bool query_flag(std::string_view query, std::string_view name) {
  for (const std::string_view pair : split(query, '&')) {
    if (pair == fmt::format("{}=true", name)) return true;
  }
  return false;
}

class Api {
 public:
  Api(const ControlPlane& plane, int uid) : plane_(plane), uid_(uid) {}

  Answer answer(std::string_view method, std::string_view target, const std::string& body) const {
    std::string_view path = target, query;
    if (const auto parts = split_once(target, '?')) std::tie(path, query) = *parts;
    const std::vector<std::string_view> steps = split(path.substr(path.starts_with('/')), '/');
    if (path == "/metrics" && method == "GET") {
      return {200, "text/plain; version=0.0.4; charset=utf-8", plane_.metrics()};
    }
    if (steps.size() < 2 || steps[0] != "v1") return not_found(path);
    const std::span<const std::string_view> rest(steps.begin() + 2, steps.end());
    if (steps[1] == "apply" && rest.empty() && method == "POST") return apply(query, body);
    if (steps[1] == "objects" && method == "GET") return objects(rest);
    if (steps[1] == "objects" && method == "DELETE") return remove(rest);
    if (steps[1] == "status" && rest.empty() && method == "GET") return status();
    if (steps[1] == "workloads" && rest.empty() && method == "GET") {
      return json(200, json_workloads(plane_.status()));
    }
    if (steps[1] == "workloads" && method == "DELETE") return remove_workload(rest);
    if (steps[1] == "tokens") return tokens(method, rest, body);
    return not_found(path);
  }

 private:
  const Compiler& compiler() const { return plane_.catalog->compiler(); }
  Node show(const Object& object) const {
    return json_object(object, compiler(), plane_.served, *plane_.condition_times);
  }

  Answer apply(std::string_view query, const std::string& body) const {
    Problems problems;
    const auto documents = read_yaml("request", body, problems, {.bytes = kBodyLimit});
    const Node* files = documents.size() == 1 ? documents.front().find("files") : nullptr;
    if (!files || !files->is(Node::Kind::kList)) {
      return json(400,
                  json_error("the body must be {\"files\": [{\"file\": NAME, \"text\": YAML}]}"));
    }
    std::vector<SourceText> sources;
    for (const Node& file : files->items) {
      sources.push_back({std::string(file.text_of("file")), std::string(file.text_of("text"))});
    }
    const bool dry_run = query_flag(query, "dry-run");
    auto outcome = plane_.catalog->apply(sources, dry_run);
    if (!outcome) return failure(outcome.error());
    if (!dry_run && outcome->errors.empty()) {
      for (const ApplyOutcome::Row& row : outcome->rows) {
        if (row.action == "unchanged") continue;
        audit(row.action, row.key.to_string());
        // What changed by this is noted as of now.
        if (const Object* object = compiler().object(row.key)) (void)show(*object);
      }
    }
    return json(outcome->errors.empty() ? 200 : 422, json_outcome(*outcome));
  }

  // KIND/NAMESPACE/NAME; of a kind without namespaces whatever stands there is passed over.
  static ObjectKey key_of(const std::string& kind, std::span<const std::string_view> path) {
    return {kind, find_kind(kind)->namespaced ? std::string(path[1]) : "", std::string(path[2])};
  }

  Answer objects(std::span<const std::string_view> path) const {
    std::optional<std::string> kind;
    if (!path.empty()) {
      kind = parse_kind(path[0]);
      if (!kind) return json(404, json_error(fmt::format("Weft knows no kind '{}'", path[0])));
    }
    if (path.size() > 3) return json(404, json_error("objects are KIND/NAMESPACE/NAME"));
    if (path.size() == 3) return one_object(key_of(*kind, path));
    Node out = Node::map();
    out.add("now", json_time(plane_.status().now));
    Node& items = out.add("items", Node::list());
    for (const Object* object : compiler().objects()) {
      if (kind && object->kind() != *kind) continue;
      if (path.size() == 2 && object->meta.ns != path[1] && !object->meta.ns.empty()) continue;
      items.items.push_back(show(*object));
    }
    for (const model::ServiceName& name : compiler().services()) {
      if ((kind && *kind != "Service") || compiler().object({"Service", name.ns, name.name}))
        continue;
      if (path.size() == 2 && name.ns != path[1]) continue;
      items.items.push_back(json_implicit_service(name, compiler(), plane_.served));
    }
    return json(200, out);
  }

  Answer one_object(const ObjectKey& key) const {
    if (const Object* object = compiler().object(key)) {
      return json(200, show(*object));
    }
    const model::ServiceName name{key.ns, key.name};
    if (key.kind == "Service" && compiler().exists(name)) {
      return json(200, json_implicit_service(name, compiler(), plane_.served));
    }
    return json(404, json_error("there is no " + key.to_string()));
  }

  Answer remove(std::span<const std::string_view> path) const {
    if (path.size() != 3) return json(404, json_error("objects are KIND/NAMESPACE/NAME"));
    const auto kind = parse_kind(path[0]);
    if (!kind) return json(404, json_error(fmt::format("Weft knows no kind '{}'", path[0])));
    const ObjectKey key = key_of(*kind, path);
    const model::ServiceName name{key.ns, key.name};
    // A Service without an object exists by the claims of workloads.
    if (key.kind == "Service" && !compiler().object(key) && compiler().exists(name)) {
      auto forgotten = plane_.catalog->forget_implicit(name);
      if (!forgotten) return failure(forgotten.error());
      audit("deleted", key.to_string());
      return json(200,
                  json_outcome({.rows = {{key, "deleted"}}, .version = plane_.catalog->version()}));
    }
    auto outcome = plane_.catalog->remove({key});
    if (!outcome) return failure(outcome.error());
    audit("deleted", key.to_string());
    return json(200, json_outcome(*outcome));
  }

  Answer remove_workload(std::span<const std::string_view> path) const {
    if (path.size() != 2) return json(404, json_error("workloads are NAMESPACE/NAME"));
    const ObjectKey key{"Workload", std::string(path[0]), std::string(path[1])};
    auto removed = plane_.remove_workload(key.ns, key.name);
    if (!removed) return failure(removed.error());
    audit("deleted", key.to_string());
    return json(200,
                json_outcome({.rows = {{key, "deleted"}}, .version = plane_.catalog->version()}));
  }

  Answer status() const {
    return json(200,
                json_status(plane_.status(), compiler(), plane_.catalog->version(), plane_.served));
  }

  Answer tokens(std::string_view method, std::span<const std::string_view> path,
                const std::string& body) const {
    if (method == "GET" && path.empty()) {
      auto rows = plane_.store->tokens();
      return rows ? json(200, json_tokens(*rows, plane_.status().now)) : failure(rows.error());
    }
    if (method == "POST" && path.empty()) return create_token(body);
    if (method == "DELETE" && path.size() == 1) {
      auto removed = plane_.store->remove_token(path[0]);
      if (!removed) return failure(removed.error());
      audit("deleted", fmt::format("Token/{}", path[0]));
      return json(200, Node::map());
    }
    return json(404, json_error("tokens: GET, POST /v1/tokens, DELETE /v1/tokens/ID"));
  }

  Answer create_token(const std::string& body) const {
    Problems problems;
    const auto documents = read_yaml("request", body, problems);
    if (!problems.empty() || documents.size() != 1) {
      return json(400,
                  json_error("the body must be {\"namespace\", \"service\", \"ttl_seconds\"}"));
    }
    TokenRequest request;
    request.ns = documents.front().text_of("namespace");
    request.service = documents.front().text_of("service");
    for (const std::string& name : {request.ns, request.service}) {
      if (!name.empty() && !model::is_dns_label(name)) {
        return json(400, json_error(fmt::format("'{}' is not {}", name, kDnsLabel.expected)));
      }
    }
    if (const Node* ttl = documents.front().find("ttl_seconds")) {
      if (!ttl->is(Node::Kind::kInteger) || ttl->number < 1 || ttl->number > kLongestToken) {
        return json(400, json_error("ttl_seconds must be from 1 second to 7 days"));
      }
      request.ttl = Duration::seconds(ttl->number);
    }
    auto token = plane_.create_token(request);
    if (!token) return failure(token.error());
    audit("created", "Token/" + token->id);
    return json(200, json_new_token(*token));
  }

  void audit(std::string_view action, const std::string& object) const {
    plane_.audit(action, object, uid_);
  }

  const ControlPlane& plane_;
  const int uid_;  // who asks
};

// The Host a browser sends when it was given an address of this machine's loopback.
bool loopback_host(std::string_view host) {
  if (host.starts_with('[')) {
    const size_t end = host.find(']');
    if (end == std::string_view::npos) return false;
    host = host.substr(1, end - 1);
  } else {
    host = host.substr(0, host.find(':'));
  }
  if (equals_ignoring_case(host, "localhost")) return true;
  const auto ip = IpAddress::parse(host);
  return ip && ip->is_loopback();
}

io::Task<void> serve_api(const ControlPlane* plane, const ApiOptions* options,
                         http::ServerStreamPtr stream) {
  const int uid = stream->connection().peer_uid;
  if (!options->allowed_uids.contains(uid)) {
    const Node error = json_error(fmt::format(
        "user id {} may not administer this mesh: root and the server's own user may", uid));
    (void)co_await http::respond(*stream, 403, kJson, to_json(error) + "\n");
    co_return;
  }
  auto body = co_await http::read_all(*stream, kBodyLimit);
  if (body && stream->request().method == "POST" && stream->request().target == "/v1/explain") {
    auto explained = co_await plane->explain(std::move(*body));
    Answer answer = explained ? json(200, *explained) : failure(explained.error());
    (void)co_await http::respond(*stream, answer.status, std::move(answer.type),
                                 std::move(answer.body));
    co_return;
  }
  Answer answer =
      body ? Api(*plane, uid).answer(stream->request().method, stream->request().target, *body)
           : failure(body.error());
  (void)co_await http::respond(*stream, answer.status, std::move(answer.type),
                               std::move(answer.body));
}

io::Task<void> serve_page(const ControlPlane* plane, http::ServerStreamPtr stream) {
  const wire::RequestHead& request = stream->request();
  const bool reading = request.method == "GET" || request.method == "HEAD";
  const std::string path = request.target.substr(0, request.target.find('?'));
  Answer answer;
  if (!loopback_host(request.authority)) {
    answer = {403, "text/plain; charset=utf-8", "this page is for this machine only\n"};
  } else if (!reading) {
    answer = {405, "text/plain; charset=utf-8", "this page can only be read\n"};
  } else if (path == "/") {
    answer = {200, "text/html; charset=utf-8",
              render_status_page(plane->status(), plane->catalog->compiler(), plane->served)};
  } else if (path == "/metrics") {
    answer = {200, "text/plain; version=0.0.4; charset=utf-8", plane->metrics()};
  } else {
    answer = {404, "text/plain; charset=utf-8", "only / and /metrics are here\n"};
  }
  (void)co_await http::respond(*stream, answer.status, std::move(answer.type),
                               std::move(answer.body));
}

}  // namespace

http::Handler make_api_handler(const ControlPlane& plane, ApiOptions options) {
  // The parameters are copied into the coroutine's frame; the lambda itself holds what they point to.
  auto kept = std::make_shared<const ApiOptions>(std::move(options));
  return [plane = &plane, kept](http::ServerStreamPtr stream) {
    return serve_api(plane, kept.get(), std::move(stream));
  };
}

http::Handler make_status_page_handler(const ControlPlane& plane) {
  return [plane = &plane](http::ServerStreamPtr stream) {
    return serve_page(plane, std::move(stream));
  };
}

}  // namespace weft::control
