// Pods become instances: a Deployment of the base manifests that the test speaks of runs once, with its
// template's labels, so that the Services' own selectors find it. Documents that are Kubernetes' business
// alone (Deployment, ConfigMap) are not applied.
#include "scenarios/gateway_case.h"

#include <algorithm>
#include <fstream>
#include <iterator>

#include "base/text.h"
#include "control/yaml.h"
#include "http/client.h"
#include "http/respond.h"
#include "proxy/router.h"

namespace weft::scenarios {
namespace {

using nlohmann::json;

constexpr const char* kMark = "x-case-mark";
constexpr uint16_t kEchoPorts[] = {3000, 3001, 7070, 8080, 8443, 9090};

std::string content(const std::string& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

std::vector<control::Node> documents(const std::string& text) {
  control::Problems problems;
  auto out = control::read_yaml("suite", text, problems);
  WEFT_ASSERT(problems.empty());
  return out;
}

std::string text_at(const control::Node& node, std::initializer_list<std::string_view> path) {
  const control::Node* found = node.find_path(path);
  return found ? found->text : "";
}

std::string joined(const std::vector<control::Node>& nodes) {
  std::string out;
  for (const control::Node& node : nodes) out += "---\n" + control::to_yaml(node);
  return out;
}

// ?delay=1s of a target.
Duration delay_of(const std::string& target) {
  const std::string text = proxy::query_parameter(proxy::query_of(target), "delay").value_or("");
  const auto seconds = parse_u64(text.substr(0, text.find('s')));
  return Duration::seconds(static_cast<int64_t>(seconds.value_or(0)));
}

}  // namespace

// The tests' echo server: writes down what comes, answers 200 (gRPC: OK) after the delay it is asked for.
class EchoApp {
 public:
  using Headers = std::vector<std::pair<std::string, std::string>>;

  EchoApp(sim::Node& node, Workload workload, std::vector<Echoed>& echoed, const Headers& headers)
      : node_(node), workload_(std::move(workload)), echoed_(echoed), headers_(headers) {
    for (const uint16_t port : kEchoPorts) {
      auto listener = node.network().listen(
          {node.ip(), port}, [this](io::StreamPtr stream) { serve(std::move(stream)); });
      WEFT_ASSERT(listener);
      listeners_.push_back(std::move(*listener));
    }
  }

 private:
  void serve(io::StreamPtr stream) {
    served_.emplace_back();
    auto slot = std::prev(served_.end());
    *slot = http::serve(
        node_.loop(), std::move(stream), http::ServerProtocol::kDetect, {}, {},
        [this](http::ServerStreamPtr request) { return answer(std::move(request)); },
        [this, slot] { served_.erase(slot); });
  }
  io::Task<void> answer(http::ServerStreamPtr stream) {
    const wire::RequestHead& request = stream->request();
    echoed_.push_back({workload_.name, workload_.ns, request});
    const Duration delay = delay_of(request.target);
    auto body = co_await http::read_all(*stream, 1024 * 1024);
    if (!body) co_return;
    if (delay.ns > 0) co_await io::sleep_for(node_.loop(), delay);
    wire::ResponseHead head;
    for (const auto& [name, value] : headers_) head.fields.add(name, value);
    if (request.fields.get("content-type").value_or("").starts_with("application/grpc")) {
      head.fields.add("content-type", "application/grpc");
      head.fields.add("grpc-status", "0");
    } else {
      head.fields.add("content-length", "0");
      head.length = {.kind = wire::BodyLength::kSized, .size = 0};
    }
    stream->send_response(head, true);
  }

  sim::Node& node_;
  const Workload workload_;
  std::vector<Echoed>& echoed_;
  const Headers& headers_;
  std::vector<std::unique_ptr<io::Listener>> listeners_;
  std::list<std::unique_ptr<http::ServerConnection>> served_;
};

// --- the door on a Service ---

std::string ServiceDoor::adapt(const std::string& manifests) {
  std::vector<control::Node> out = documents(manifests);
  std::string ns;
  for (control::Node& document : out) {
    ns = text_at(document, {"metadata", "namespace"});
    for (auto& [name, at, spec] : document.entries) {
      if (name != "spec") continue;
      for (auto& field : spec.entries) {
        if (field.name != "parentRefs") continue;
        control::Node parent = control::Node::map();
        parent.add("group", "");
        parent.add("kind", "Service");
        parent.add("name", "frontend");
        field.value = control::Node::list();
        field.value.items.push_back(std::move(parent));
      }
    }
  }
  return "---\n{apiVersion: v1, kind: Service, metadata: {name: frontend, namespace: " + ns +
         "}, spec: {ports: [{port: 80}]}}\n" + joined(out);
}

void ServiceDoor::open(Mesh& mesh) {
  mesh.add(
      {.name = "outsider", .ns = "gateway-conformance-infra", .services = {}, .behaviour = {}});
}

sim::Node& ServiceDoor::client(Mesh& mesh) { return *mesh.instance("outsider").app; }

io::Task<Result<io::StreamPtr>> ServiceDoor::connect(Mesh& mesh, uint16_t port) {
  auto ip = IpAddress::parse(co_await mesh.resolve("outsider", "frontend"));
  if (!ip) co_return fail(ErrorKind::kNotFound, "frontend has no address");
  co_return co_await client(mesh).network().connect({*ip, port}, Duration::seconds(5));
}

// --- the mesh ---

struct CaseMesh::Base {
  std::vector<control::Node> services;
  struct Pod {
    std::string name, ns;
    std::map<std::string, std::string> labels;
  };
  std::vector<Pod> pods;

  explicit Base(const std::string& text) {
    for (control::Node& document : documents(text)) {
      const std::string kind = document.find("kind")->text;
      if (kind == "Service") {
        services.push_back(std::move(document));
        continue;
      }
      if (kind != "Deployment") continue;
      Pod pod{.name = text_at(document, {"metadata", "name"}),
              .ns = text_at(document, {"metadata", "namespace"}),
              .labels = {}};
      const control::Node* labels = document.find_path({"spec", "template", "metadata", "labels"});
      for (const auto& [name, at, value] : labels->entries) pod.labels[name] = value.text;
      pods.push_back(std::move(pod));
    }
  }
};

CaseMesh::CaseMesh(const std::string& suite, const json& test, Door* door) : door_(door), mesh_(1) {
  std::string manifests;
  for (const json& file : test["manifests"]) {
    manifests += "---\n" + content(suite + "/" + file.get<std::string>()) + "\n";
  }
  start(Base(content(suite + "/" + test["base"].get<std::string>())), manifests);
}

CaseMesh::~CaseMesh() = default;

void CaseMesh::start(const Base& base, const std::string& manifests) {
  const auto spoken_of = [&](const std::string& name) {
    return !door_ || manifests.find("name: " + name + "\n") != std::string::npos;
  };
  std::vector<control::Node> services;
  for (const control::Node& service : base.services) {
    if (spoken_of(text_at(service, {"metadata", "name"}))) services.push_back(service);
  }
  const std::string routes = door_ ? door_->adapt(manifests) : manifests;
  for (const std::string& text : {joined(services), routes}) {
    if (text.find("kind") == std::string::npos) continue;
    const CallResult applied = mesh_.apply(text);
    if (applied.status != 200) problem_ += applied.body;
  }
  for (const Base::Pod& pod : base.pods) {
    if (!spoken_of(pod.name)) continue;
    Workload workload{pod.name, pod.ns, "pod-" + std::to_string(workloads_.size() + 1)};
    Instance& instance = mesh_.add({.name = workload.instance,
                                    .ns = pod.ns,
                                    .services = {},
                                    .behaviour = {},
                                    .labels = pod.labels});
    apps_.push_back(std::make_unique<EchoApp>(*instance.app, workload, echoed_, response_headers_));
    workloads_.push_back(std::move(workload));
  }
  if (door_) door_->open(mesh_);
  mesh_.world().run_for(Duration::seconds(1));
}

std::string CaseMesh::filled(std::string text) {
  const size_t open = text.find('{'), shut = text.find('}');
  if (open == std::string::npos || shut == std::string::npos) return text;
  const std::string what = text.substr(open + 1, shut - open - 1);
  std::string value;
  if (what == "gateway_address") value = door_->address();
  if (what.starts_with("pod_ip:")) {
    value = mesh_.instance(instance_of(what.substr(7), "")).registered.mesh4.to_string();
  }
  return text.replace(open, shut - open + 1, value);
}

std::string CaseMesh::instance_of(const std::string& workload, const std::string& ns) const {
  for (const Workload& one : workloads_) {
    if (one.name == workload && (ns.empty() || one.ns == ns)) return one.instance;
  }
  return "";
}

io::Task<Result<io::StreamPtr>> CaseMesh::dial(const json& client, const std::string& to) {
  const size_t colon = to.rfind(':');
  const uint16_t port = *parse_port(to.substr(colon + 1));
  const std::string host = filled(to.substr(0, colon));
  if (client.contains("outside_cluster")) co_return co_await door_->connect(mesh_, port);
  const std::string from = instance_of(client["workload"], client["namespace"]);
  auto ip = IpAddress::parse(co_await mesh_.resolve(from, host));
  if (!ip) co_return fail(ErrorKind::kNotFound, host + " has no address");
  co_return co_await mesh_.instance(from).app->network().connect({*ip, port}, Duration::seconds(5));
}

io::Task<void> CaseMesh::call(const json& client, const json& request, std::string mark,
                              CaseAnswer& answer) {
  const Instant start = mesh_.world().now();
  const std::string protocol = request["protocol"];
  const bool grpc = protocol == "grpc";
  wire::RequestHead head;
  head.method = request["method"];
  head.target = request["path"];
  head.authority = filled(request["authority"]);
  if (protocol == "http/1.1") head.fields.add("Host", head.authority);
  if (grpc) {
    head.fields.add("content-type", "application/grpc");
    head.fields.add("te", "trailers");
    head.length = {.kind = wire::BodyLength::kStreamed};
  }
  if (request.contains("headers")) {
    for (const auto& [name, value] : request["headers"].items()) {
      head.fields.add(grpc ? to_lower(name) : name, value.get<std::string>());
    }
  }
  head.fields.add(kMark, mark);

  auto stream = co_await dial(client, request["connect"]);
  if (!stream) {
    answer.error = stream.error().message();
    co_return;
  }
  io::Loop& loop =
      client.contains("outside_cluster")
          ? door_->client(mesh_).loop()
          : mesh_.instance(instance_of(client["workload"], client["namespace"])).app->loop();
  auto connection = http::connect_http(
      loop, std::move(*stream),
      protocol == "http/1.1" ? http::ClientProtocol::kHttp1 : http::ClientProtocol::kHttp2, {}, {},
      [] {});
  auto exchange = connection->open(head, !grpc);
  if (!exchange) {
    answer.error = exchange.error().message();
    co_return;
  }
  if (grpc && co_await (*exchange)->send_body(Buffer(std::string_view("\0\0\0\0\0", 5)))) {
    (*exchange)->finish();
  }
  auto got = co_await (*exchange)->read_head();
  answer.elapsed = mesh_.world().now() - start;
  if (!got) {
    answer.error = got.error().message();
    co_return;
  }
  answer.status = got->status;
  answer.fields = got->fields;
  auto grpc_status = got->fields.get("grpc-status");
  if (grpc_status) answer.grpc_status = static_cast<int>(parse_u64(*grpc_status).value_or(99));
  while (true) {
    auto piece = co_await (*exchange)->read_body();
    if (!piece) {
      answer.error = piece.error().message();
      co_return;
    }
    if (auto status = piece->trailers.get("grpc-status"))
      answer.grpc_status = static_cast<int>(parse_u64(*status).value_or(99));
    if (piece->end) break;
  }
}

std::vector<PlayedRequest> CaseMesh::play(const json& client, const json& request,
                                          const json& response_headers, size_t times) {
  response_headers_.clear();
  for (const auto& [name, value] : response_headers.items()) {
    response_headers_.emplace_back(name, value.get<std::string>());
  }
  std::vector<PlayedRequest> played(times);
  std::vector<std::string> marks(times);
  io::TaskScope calls;
  size_t ended = 0;
  const auto one = [](CaseMesh* self, const json* from, const json* what, std::string mark,
                      CaseAnswer* answer, size_t* count) -> io::Task<void> {
    co_await self->call(*from, *what, std::move(mark), *answer);
    ++*count;
  };
  for (size_t i = 0; i < times; ++i) {
    marks[i] = std::to_string(++marks_);
    calls.spawn(one(this, &client, &request, marks[i], &played[i].answer, &ended));
  }
  mesh_.world().run_until([&] { return ended == times; }, Duration::seconds(20));
  calls.cancel_all();
  // Copies may come later than answers.
  mesh_.world().run_for(Duration::millis(100));
  for (const Echoed& echoed : echoed_) {
    const auto mark = echoed.head.fields.get(kMark);
    for (size_t i = 0; i < times; ++i) {
      if (mark && *mark == marks[i]) played[i].reached.push_back(echoed);
    }
  }
  echoed_.clear();
  return played;
}

std::string CaseMesh::condition(const json& route, const json& parent, const std::string& type) {
  std::pair<std::string, std::string> at{parent["kind"], parent["name"]};
  if (door_) at = door_->parent(parent);
  const CallResult answer =
      mesh_.read("/v1/objects/" + route["kind"].get<std::string>() + "/" +
                 route["namespace"].get<std::string>() + "/" + route["name"].get<std::string>());
  const json object = json::parse(answer.body, nullptr, false);
  if (!object.is_object() || !object.contains("status")) return "";
  for (const json& one : object["status"].value("parents", json::array())) {
    const json& ref = one["parentRef"];
    if (ref.value("kind", "") != at.first || ref.value("name", "") != at.second ||
        (parent.contains("port") && ref.value("port", 0) != parent["port"])) {
      continue;
    }
    for (const json& condition : one["conditions"]) {
      if (condition["type"] == type) {
        return condition["status"].get<std::string>() + " " +
               condition["reason"].get<std::string>();
      }
    }
  }
  return "";
}

}  // namespace weft::scenarios
