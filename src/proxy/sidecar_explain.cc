// A question on its way: the name is asked of our own DNS server on this loop, everything else on a worker's, which
// answers as it would serve. All workers use the same snapshot and share what is known of endpoints, so the first
// speaks for all. How clients of a Gateway found it is their own business: there no name is asked for.
#include <fmt/format.h>

#include "proxy/explain.h"
#include "proxy/sidecar.h"
#include "wire/dns.h"

namespace weft::proxy {
namespace {

// Of a name. The server waits five seconds for the whole.
constexpr Duration kNameWait = Duration::seconds(2);

template <typename T>
struct Awaited {
  explicit Awaited(io::Loop& loop) : arrived(loop) {}
  io::Event arrived;
  T value;
};

std::string address_query(const std::string& name) {
  wire::DnsMessage query;
  query.id = 1;
  query.recursion_desired = true;
  query.questions.push_back({name, wire::DnsType::kA});
  return wire::build_dns(query, wire::kDnsTcpLimit);
}

// "240.240.0.5", or why there is none.
Result<std::string> address_in(const std::string& message) {
  const auto reply = wire::parse_dns(message);
  if (!reply) return fail(ErrorKind::kTimeout, "nobody answered the question for its address");
  if (reply->code == wire::DnsCode::kNxDomain) {
    return fail(ErrorKind::kNotFound, "there is no such name (NXDOMAIN)");
  }
  for (const wire::DnsRecord& record : reply->answers) {
    if (const auto* address = std::get_if<IpAddress>(&record.data)) return address->to_string();
  }
  return fail(ErrorKind::kUnavailable, reply->code == wire::DnsCode::kServFail
                                           ? "its address could not be found out (SERVFAIL)"
                                           : "it has no IPv4 address");
}

}  // namespace

io::Task<Explanation> Sidecar::explain(Question question) {
  Explanation::Step name;
  const bool at_gateway = options_.gateway && question.kind != Question::kService;
  const uint16_t port = question.port;
  const bool named =
      !at_gateway && question.kind != Question::kService && !IpAddress::parse(question.host);
  if (named) {
    auto answer = std::make_shared<Awaited<std::string>>(loop_);
    dns_.ask(address_query(question.host), true, [answer](std::string message) {
      answer->value = std::move(message);
      answer->arrived.set();
    });
    co_await answer->arrived.wait_for(kNameWait);
    const Result<std::string> address = address_in(answer->value);
    if (!address) {
      Explanation failed;
      failed.generation = discovery_.snapshot()->generation;
      failed.step("name", "", question.host + ": " + address.error().message());
      failed.outcome.refused = true;
      failed.outcome.says = "the app gets no address: " + address.error().message();
      co_return failed;
    }
    name = {"name", "", fmt::format("{} is {}", question.host, *address)};
    question.host = *address;
  }
  auto answer = std::make_shared<Awaited<Explanation>>(loop_);
  post_to(workers_[0], [answer, at_gateway, main = &loop_,
                        question = std::move(question)](WorkerSide& worker) mutable {
    auto tell = [answer, main](Explanation explanation) {
      main->post_remote([answer, explanation = std::move(explanation)]() mutable {
        answer->value = std::move(explanation);
        answer->arrived.set();
      });
    };
    if (at_gateway) {
      tell(Explainer(worker.worker).at_gateway(std::move(question)));
    } else {
      worker.outbound.explain(std::move(question), std::move(tell));
    }
  });
  co_await answer->arrived.wait();
  Explanation explanation = std::move(answer->value);
  if (named) explanation.steps.insert(explanation.steps.begin(), std::move(name));
  if (at_gateway) say_where_closed(port, explanation);
  co_return explanation;
}

// A door of the host that could not be opened.
void Sidecar::say_where_closed(uint16_t port, Explanation& explanation) const {
  if (!ports_ || explanation.steps.empty()) return;
  for (const PortState& state : *ports_) {
    if (state.app_port != port || state.ready) continue;
    explanation.steps.front().notes.push_back("not open: " + state.why);
  }
}

}  // namespace weft::proxy
