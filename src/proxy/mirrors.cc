// Every copy is a task of its own with a scope inside it, so that the time can run out wherever it waits.
// It counts as in flight at its endpoint, because it is load there; what becomes of it says nothing about the
// endpoint's health.
#include "proxy/mirrors.h"

#include "http/client.h"
#include "io/event.h"
#include "proxy/balancer.h"
#include "proxy/field_rules.h"
#include "proxy/outside.h"
#include "proxy/record.h"
#include "proxy/route_decision.h"
#include "wire/h1_over_h2.h"

namespace weft::proxy {
namespace {

constexpr uint64_t kAll = 1'000'000;

void prepare_for_hop(wire::RequestHead& head, const std::string& source, const Record& log,
                     bool to_http2) {
  if (head.version == wire::Version::kHttp2) {
    wire::remove_weft_fields(head.fields);
  } else {
    wire::encode_for_hop(head);
    if (to_http2) head.fields.remove(wire::kH1Names);
  }
  head.fields.add("weft-source-workload", source);
  head.fields.add("weft-service", log.service_and_port());
  head.fields.add(kMirrorField, "1");
}

}  // namespace

void draw_copies(const std::vector<model::Mirror>& mirrors, const std::string& route,
                 const wire::RequestHead& head, Random& random, MirrorCopies& out) {
  for (const model::Mirror& mirror : mirrors) {
    if (mirror.invalid || random.below(kAll) >= mirror.share) continue;
    out.push_back({mirror.service, mirror.port, route, head});
  }
}

struct Mirrors::Exchange {
  Exchange(io::Loop& loop, MirrorCopy what) : copy(std::move(what)), done(loop) {}

  MirrorCopy copy;
  Record log;
  bool answered = false;
  bool refused = false;  // by the circuit breaker
  io::Event done;
};

Mirrors::Mirrors(Worker& worker, UpstreamPool& pool, std::string source)
    : worker_(worker), pool_(pool), source_(std::move(source)) {}

void Mirrors::send(MirrorCopies& copies, const Buffer& body, const wire::Fields& trailers) {
  for (MirrorCopy& copy : copies) {
    if (under_way_ >= kMost) {
      drop(1);
      continue;
    }
    copies_.spawn(run(std::move(copy), body.clone(), trailers));
  }
  copies.clear();
}

void Mirrors::drop(size_t copies) { worker_.mirrors.dropped.add(copies); }

io::Task<void> Mirrors::run(MirrorCopy copy, Buffer body, wire::Fields trailers) {
  struct UnderWay {
    explicit UnderWay(size_t& count) : count(count) { ++count; }
    ~UnderWay() { --count; }
    size_t& count;
  } under_way(under_way_);
  Exchange exchange(worker_.loop, std::move(copy));
  Record& log = exchange.log;
  const wire::RequestHead& head = exchange.copy.head;
  log.mirror = true;
  log.time = worker_.loop.wall_now();
  log.start = worker_.loop.now();
  log.protocol = is_grpc(head.fields) ? "grpc" : "http";
  log.source = worker_.self.identity.uri();
  log.service = exchange.copy.service.to_string();
  log.port = exchange.copy.port;
  log.route = exchange.copy.route;
  log.method = head.method;
  log.authority = head.authority;
  log.path = head.target.substr(0, head.target.find('?'));
  if (auto id = head.fields.get("x-request-id")) log.request_id = *id;
  log.bytes_sent = body.size();

  io::TaskScope scope;
  scope.spawn(this->exchange(exchange, std::move(body), std::move(trailers)));
  if (!co_await exchange.done.wait_for(kLongest)) log.why = "no answer in time";
  scope.cancel_all();
  auto& mirrors = worker_.mirrors;
  (exchange.answered  ? mirrors.answered
   : exchange.refused ? mirrors.dropped
                      : mirrors.failed)
      .add();
  finish_request(worker_, log);
}

io::Task<void> Mirrors::exchange(Exchange& exchange, Buffer body, wire::Fields trailers) {
  struct Done {
    explicit Done(io::Event& event) : event(event) {}
    ~Done() { event.set(); }
    io::Event& event;
  } done(exchange.done);
  Record& log = exchange.log;
  const SnapshotPtr snapshot = worker_.snapshot;
  const auto group = snapshot->group(exchange.copy.service);
  const LiveEndpoint* endpoint = nullptr;
  if (group) {
    endpoint =
        pick_endpoint(*group, exchange.copy.port, nullptr,
                      {.now = worker_.loop.now(), .random = worker_.random, .tried = {}}, true);
  }
  if (!endpoint) {
    log.why = "no instance is ready";
    co_return;
  }
  log.workload = endpoint->endpoint.workload;
  const bool outside = endpoint->endpoint.outside;
  log.destination = outside ? "external" : endpoint->endpoint.identity.uri();
  log.mtls = !outside;
  const uint16_t app_port = endpoint->endpoint.target_ports.find(exchange.copy.port)->second;
  log.upstream = address_of(endpoint->endpoint, app_port).to_string();
  const model::BackendPolicy none;
  const model::BackendPolicy& policy = group->policy ? *group->policy : none;
  const auto* breaker = policy.circuit_breaker ? &*policy.circuit_breaker : nullptr;
  std::optional<io::Tally> in_hand;
  if (breaker && group->state) {
    in_hand = group->state->breaker.take(steer::Breaker::kRequests, breaker->value.max_requests);
    exchange.refused = !in_hand;
  }
  if (exchange.refused) {
    log.flags = "UO";
    log.why = "as many requests are in flight as " + breaker->origin + " allows";
    co_return;
  }
  std::optional<UpstreamTerms> terms;
  if (group->state) {
    terms = upstream_terms(breaker, policy.connection_pool ? &*policy.connection_pool : nullptr,
                           group->state);
  }
  const steer::InFlight in_flight(*endpoint->health);
  wire::RequestHead& head = exchange.copy.head;
  const bool http1 = head.version != wire::Version::kHttp2;
  const OutsideUse use{.service = exchange.copy.service,
                       .port = exchange.copy.port,
                       .app_port = app_port,
                       .kind = http1 ? OutsideUse::kHttp1Request : OutsideUse::kHttp2Request};
  auto upstream =
      co_await pool_.acquire(outside ? outside_target(*snapshot, *group, endpoint->endpoint, use)
                                     : target_of(endpoint->endpoint, app_port),
                             terms ? &*terms : nullptr);
  if (!upstream) {
    log.why = upstream.error().message();
    co_return;
  }
  prepare_for_hop(head, source_, log,
                  takes_http2_only(*snapshot, exchange.copy.service, exchange.copy.port));
  const bool end = body.empty() && trailers.empty() && head.length.kind == wire::BodyLength::kNone;
  auto stream =
      outside ? open_outside(*(*upstream)->client, (*upstream)->protocol, head, end, worker_.random)
              : (*upstream)->client->open(head, end);
  if (!stream) {
    log.why = stream.error().message();
    co_return;
  }
  // An app may answer before it has read everything: its answer is read all the same.
  if (!end && (body.empty() || co_await (*stream)->send_body(std::move(body)))) {
    if (http1 && !trailers.empty()) wire::encode_trailers_for_hop(trailers);
    (*stream)->finish(std::move(trailers));
  }
  while (true) {
    auto answer = co_await (*stream)->read_head();
    if (!answer) {
      log.why = answer.error().message();
      co_return;
    }
    if (answer->interim()) continue;
    log.status = answer->status;
    break;
  }
  // Read to its end, so that it does not stand in the way of others on the connection.
  while (true) {
    auto piece = co_await (*stream)->read_body();
    if (!piece) {
      log.why = piece.error().message();
      co_return;
    }
    log.bytes_received += piece->data.size();
    if (piece->end) break;
  }
  exchange.answered = true;
}

}  // namespace weft::proxy
