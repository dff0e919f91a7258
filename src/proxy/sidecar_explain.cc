// A question on its way: the name is asked of our own DNS server on this loop, everything else on a worker's, which
// answers as it would serve. All workers use the same snapshot and share what is known of endpoints, so the first
// speaks for all.
#include <fmt/format.h>

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
  const bool named = question.kind != Question::kService && !IpAddress::parse(question.host);
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
  post_to(workers_[0],
          [answer, main = &loop_, question = std::move(question)](WorkerSide& worker) mutable {
            worker.outbound.explain(std::move(question), [answer, main](Explanation explanation) {
              main->post_remote([answer, explanation = std::move(explanation)]() mutable {
                answer->value = std::move(explanation);
                answer->arrived.set();
              });
            });
          });
  co_await answer->arrived.wait();
  Explanation explanation = std::move(answer->value);
  if (named) explanation.steps.insert(explanation.steps.begin(), std::move(name));
  co_return explanation;
}

}  // namespace weft::proxy
