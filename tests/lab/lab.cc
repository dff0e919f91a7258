// A slot model instead of a server: when a request arrives, the time at which its answer is due follows
// from the answers that are due already, so an endpoint needs no task of its own.
#include "lab/lab.h"

#include <algorithm>
#include <cmath>
#include <tuple>

#include "http/simple_client.h"
#include "io/event.h"

namespace weft::lab {
namespace {

constexpr uint16_t kPort = 80, kAppPort = 8080;
constexpr Duration kRest = Duration::minutes(1);  // for the last answers

Duration exponential(double mean_ns, Random& random) {
  return {static_cast<int64_t>(-std::log(1.0 - random.unit()) * mean_ns)};
}

}  // namespace

Lab::~Lab() { tasks_.cancel_all(); }

void Lab::endpoint(const std::string& service, const std::string& name, Behaviour behaviour,
                   const Labels& labels) {
  endpoints_[name] = std::make_unique<Endpoint>(Endpoint{std::move(behaviour), {}});
  scenarios::InstanceSpec spec;
  spec.name = name;
  spec.services = {{service, kPort, kAppPort, model::Protocol::kHttp, false}};
  spec.labels = labels;
  spec.behaviour.script = [this, name](const wire::RequestHead&) { return answer(name); };
  mesh_.add(std::move(spec));
}

void Lab::behave(const std::string& name, Behaviour behaviour) {
  endpoints_.at(name)->behaviour = std::move(behaviour);
}

void Lab::caller(const std::string& name, const Labels& labels) {
  mesh_.add({.name = name, .services = {}, .behaviour = {}, .labels = labels});
}

void Lab::apply(const std::string& yaml) {
  const scenarios::CallResult applied = mesh_.apply(yaml);
  if (applied.status != 200) std::fprintf(stderr, "%s\n", applied.body.c_str());
  WEFT_ASSERT(applied.status == 200);
  mesh_.world().run_for(Duration::seconds(1));
}

void Lab::at(Duration when, std::function<void()> action) {
  script_.emplace(when, std::move(action));
}

Duration Lab::draw(Duration mean) {
  return mean / 2 + exponential(static_cast<double>(mean.ns) / 2, random_);
}

scenarios::AppAnswer Lab::answer(const std::string& name) {
  Endpoint& endpoint = *endpoints_.at(name);
  const Behaviour& behaviour = endpoint.behaviour;
  const Instant now = mesh_.world().now();
  if (origin_ != Instant{}) arrivals_.push_back({now - origin_, name});
  scenarios::AppAnswer answer;
  answer.says = name;
  const bool fails = behaviour.failure_share > 0 && random_.unit() < behaviour.failure_share;
  const Duration takes = draw(fails ? behaviour.failure_service : behaviour.service);
  if (fails) {
    answer.status = behaviour.failure_status;
    answer.reset = behaviour.failure_status == 0;
    answer.fields = behaviour.failure_fields;
  }
  std::multiset<Instant>& busy = endpoint.busy_until;
  busy.erase(busy.begin(), busy.upper_bound(now));
  Instant begin = now;
  if (behaviour.slots > 0 && busy.size() >= behaviour.slots) {
    // The slot that is free next is the last of as many as there are slots, counted from the end.
    begin = *std::prev(busy.end(), behaviour.slots);
  }
  busy.insert(begin + takes);
  answer.delay = begin + takes - now;
  return answer;
}

io::Task<void> Lab::run(Load load) {
  io::Loop& loop = mesh_.instance(load.from).app->loop();
  const auto ip = IpAddress::parse(co_await mesh_.resolve(load.from, load.to));
  WEFT_ASSERT(ip);
  const SocketAddress to{*ip, kPort};
  const Instant begin = origin_ + load.begin, end = begin + load.length;
  Instant next = begin;
  for (uint64_t number = 0;; ++number) {
    next = next + exponential(1e9 / load.per_second, random_);
    if (next >= end) break;
    if (next > loop.now()) co_await io::sleep_for(loop, next - loop.now());
    tasks_.spawn(call(load, to, number));
  }
  // Calls refer to the load.
  co_await io::sleep_for(loop, kRest);
}

io::Task<void> Lab::call(const Load& load, SocketAddress to, uint64_t number) {
  sim::Node& node = *mesh_.instance(load.from).app;
  wire::RequestHead head;
  head.method = "GET";
  head.target = "/";
  head.authority = load.to;
  if (load.head) load.head(number, head);
  Sample sample;
  sample.at = now();
  sample.from = load.from;
  ++under_way_;
  auto answer =
      co_await http::fetch(node.loop(), node.network(), to, std::move(head), {}, load.timeout);
  --under_way_;
  sample.latency = now() - sample.at;
  if (answer) {
    sample.status = answer->status;
    if (endpoints_.contains(answer->body)) sample.endpoint = answer->body;
  }
  samples_.push_back(std::move(sample));
}

void Lab::play() {
  for (const Load& load : loads_) {
    wire::RequestHead head;
    head.method = "GET";
    head.target = "/";
    if (load.head) load.head(0, head);
    mesh_.call(load.from, std::move(head), load.to, kPort);
  }
  origin_ = mesh_.world().now();
  Duration last{};
  for (const Load& load : loads_) {
    last = std::max(last, load.begin + load.length);
    tasks_.spawn(run(load));
  }
  for (const auto& [when, action] : script_) {
    if (when > now()) mesh_.world().run_for(when - now());
    action();
  }
  if (last > now()) mesh_.world().run_for(last - now());
  const bool ended = mesh_.world().run_until([this] { return under_way_ == 0; }, kRest);
  WEFT_ASSERT(ended);
  std::sort(samples_.begin(), samples_.end(), [](const Sample& a, const Sample& b) {
    return std::tie(a.at, a.from, a.latency) < std::tie(b.at, b.from, b.latency);
  });
}

}  // namespace weft::lab
