// The same way through Outbound as a connection of the app takes, with words in place of bytes.
#include "proxy/explain.h"
#include "proxy/outbound.h"

namespace weft::proxy {
namespace {

// A port that the service declares; 0 when none is known.
uint16_t first_port(const Snapshot& snapshot, const model::ServiceName& service) {
  const auto entry = snapshot.names->by_name.find(service);
  const bool told = entry != snapshot.names->by_name.end() && !entry->second.ports.empty();
  return told ? entry->second.ports.front() : 0;
}

}  // namespace

// Is HTTP served as HTTP there, or opaque bytes like any other?
bool Outbound::takes_http(const Destination& destination) const {
  if (destination.protocol == model::Protocol::kTcp) return false;
  if (destination.protocol != model::Protocol::kAuto || !has_tcp_rules(destination)) return true;
  const LiveService* live = worker_.snapshot->service(destination.service);
  return live->compiled->port(destination.port)->routed_for(worker_.self.ns);
}

void Outbound::explain(Question question, std::move_only_function<void(Explanation)> answered) {
  questions_.spawn(answer(std::move(question), std::move(answered)));
}

io::Task<void> Outbound::answer(Question question,
                                std::move_only_function<void(Explanation)> answered) {
  answered(co_await explanation(std::move(question)));
}

io::Task<Explanation> Outbound::explanation(Question question) {
  Asked asked{.original = {}, .service = {}, .port = question.port};
  std::string what = question.host + ":" + std::to_string(question.port);
  if (question.kind == Question::kService) {
    auto service = model::ServiceName::parse(question.host, worker_.self.ns);
    if (!service) co_return Explainer(worker_).refused(question.host, service.error().message());
    asked.service = *service;
    asked.port = first_port(*worker_.snapshot, *service);
    what = service->to_string();
  } else {
    auto address = IpAddress::parse(question.host);
    if (!address) co_return Explainer(worker_).refused(what, address.error().message());
    asked.original = SocketAddress{*address, question.port};
  }
  const Destination to = co_await resolve(asked);
  Explainer explainer(worker_);
  if (question.kind == Question::kService) {
    const Snapshot& snapshot = *worker_.snapshot;
    if (snapshot.service(asked.service)) co_return explainer.service(asked.service);
    // A Gateway may be named like a service, and that comes first.
    if (snapshot.gateway && snapshot.gateway->name() == asked.service)
      co_return explainer.gateway();
    co_return explainer.refused(what, to.why);
  }
  if (to.kind == Destination::kRefused) co_return explainer.refused(what, to.why);
  if (to.kind == Destination::kExternal) {
    const std::string why = closed_loopback(to);
    co_return why.empty() ? explainer.external(to) : explainer.refused(what, why);
  }
  if (question.kind == Question::kRequest && takes_http(to)) {
    co_return explainer.request(to, std::move(question.head));
  }
  const bool declared =
      to.protocol != model::Protocol::kTcp && to.protocol != model::Protocol::kAuto;
  if (question.kind == Question::kConnection && declared) co_return explainer.no_http(to);
  co_return explainer.connection(to, question.tls, question.server_name);
}

}  // namespace weft::proxy
