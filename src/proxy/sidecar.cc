// The main loop's half and the workers meet here and only here. What crosses between the threads is values and immutable
// objects: snapshots and certificate sets one way, wants and port states the other; counters are read
// in place. A post that arrives after the end finds `alive_` gone.
#include "proxy/sidecar.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "base/text.h"
#include "proxy/backend_metrics.h"
#include "proxy/locality_metrics.h"
#include "telemetry/prometheus.h"

namespace weft::proxy {
namespace {

constexpr Duration kHousekeeping = Duration::seconds(2);
constexpr int kEvictEvery = 15;  // housekeepings
constexpr size_t kMostNotes = 20;

MeshRanges ranges_of(const Self& self) {
  MeshRanges ranges;
  if (auto range = AddressRange::parse(self.mesh4_range)) ranges.v4 = *range;
  if (auto range = AddressRange::parse(self.mesh6_range)) ranges.v6 = *range;
  return ranges;
}

}  // namespace

Sidecar::Sidecar(io::Loop& loop, io::Network& network, Random& random, io::Disk& disk,
                 std::vector<WorkerRef> workers, Options options,
                 std::shared_ptr<const trust::Svid> svid, trust::TrustBundle bundle, Hooks hooks,
                 Log log)
    : loop_(loop),
      workers_(std::move(workers)),
      random_(random),
      options_(std::move(options)),
      hooks_(std::move(hooks)),
      log_(std::move(log)),
      svid_(std::move(svid)),
      bundle_(std::move(bundle)),
      stage_(options_.standby ? Stage::kStandby : Stage::kServing),
      index_ready_(loop),
      heard_(loop),
      discovery_(loop, {.id = options_.self.instance, .version = options_.version},
                 LastGood(disk, options_.state_dir + "/last-good"),
                 {.publish =
                      [this](SnapshotPtr snapshot, std::move_only_function<void()> in_use) {
                        publish(std::move(snapshot), std::move(in_use));
                      },
                  .output = [this] { link_.wake_writer(); },
                  .heard = [this] { heard_.set(); }},
                 log_.named("discovery"), steer::place_of(options_.self.labels)),
      link_(loop, network, random, discovery_,
            {.servers = options_.servers,
             .trust_domain = options_.trust_domain,
             .instance = options_.self.instance,
             .registration = options_.registration,
             .version = options_.version,
             .speaks = !options_.standby},
            svid_, bundle_,
            {.collect = [this] { return collect(); },
             .reported = [this] { reporter_.acknowledged(); },
             .renewed =
                 [this](std::shared_ptr<const trust::Svid> renewed, trust::TrustBundle roots) {
                   if (hooks_.keep_svid && stage_ == Stage::kServing)
                     hooks_.keep_svid(*renewed, roots);
                   if (auto used = use_certificate(std::move(renewed), roots); !used) {
                     log_.error("the new certificate cannot be used",
                                {{"why", used.error().message()}});
                   }
                 },
             .explain = [this](Question question) { return explain(std::move(question)); }},
            log_.named("control")),
      dns_(loop, {options_.self.ns, options_.search, ranges_of(options_.self)},
           {.snapshot = [this] { return discovery_.snapshot(); },
            .index_current =
                [this] { return discovery_.snapshot()->names->complete && link_.connected(); },
            .want =
                [this](const model::ServiceName& name) {
                  discovery_.want({.service = name, .mesh_address = {}});
                },
            .forward =
                [this](std::string query, bool tcp, DnsServer::Reply reply) {
                  if (!hooks_.forward_dns) return reply("");
                  hooks_.forward_dns(std::move(query), tcp, std::move(reply));
                }}),
      alive_(std::make_shared<Sidecar*>(this)) {
  for (size_t i = 0; i < workers_.size(); ++i) gauges_.push_back(std::make_shared<Gauges>());
}

Sidecar::~Sidecar() {
  tasks_.cancel_all();
  if (stage_ == Stage::kServing) discovery_.save();
}

void Sidecar::post_to(const WorkerRef& worker, std::move_only_function<void(WorkerSide&)> work) {
  worker.loop->post_remote([side = worker.side, work = std::move(work)]() mutable { work(*side); });
}

void Sidecar::to_workers(const std::function<void(WorkerSide&)>& work) {
  for (const WorkerRef& worker : workers_) post_to(worker, work);
}

// What workers ask for; called on their loops. Only the first looks at the app's ports: the others tell it
// when one turned out closed.
WorkerSide::Hooks Sidecar::worker_hooks(bool first) {
  std::weak_ptr<Sidecar*> self = alive_;
  io::Loop* main = &loop_;
  WorkerSide::Hooks hooks;
  hooks.want = [self, main](Want want) {
    main->post_remote([self, want = std::move(want)] {
      if (auto sidecar = self.lock()) (*sidecar)->discovery_.want(want);
    });
  };
  if (first) {
    hooks.ports_changed = [self, main](std::vector<PortState> ports) {
      main->post_remote([self, ports = std::move(ports)]() mutable {
        auto sidecar = self.lock();
        if (!sidecar) return;
        // The ports of a Gateway are its listeners', told by listening().
        if ((*sidecar)->options_.gateway && (*sidecar)->ports_) return;
        (*sidecar)->ports_ = std::move(ports);
        (*sidecar)->link_.report_soon();
      });
    };
    return hooks;
  }
  hooks.port_refused = [self, main](uint16_t port) {
    main->post_remote([self, port] {
      auto sidecar = self.lock();
      if (!sidecar) return;
      post_to((*sidecar)->workers_[0],
              [port](WorkerSide& worker) { worker.readiness.look_now(port); });
    });
  };
  return hooks;
}

Result<void> Sidecar::start() {
  for (const WorkerRef& worker : workers_) {
    post_to(worker, [hooks = worker_hooks(&worker == &workers_[0])](WorkerSide& side) mutable {
      side.start(std::move(hooks));
    });
  }
  auto used = use_certificate(svid_, bundle_);
  if (!used) return used;
  if (options_.gateway) discovery_.serve_gateway(*options_.gateway);
  discovery_.restore();
  link_.start();
  tasks_.spawn(housekeeping());
  return {};
}

Result<void> Sidecar::use_certificate(std::shared_ptr<const trust::Svid> svid,
                                      const trust::TrustBundle& bundle) {
  // Contexts of its own for each: OpenSSL counts and locks what sessions of a context share.
  std::vector<TlsSetPtr> sets;
  ++tls_generation_;
  for (size_t i = 0; i < workers_.size(); ++i) {
    auto set = make_tls_set(tls_generation_, svid, bundle, options_.self.instance,
                            sets.empty() ? nullptr : sets.front());
    if (!set) return std::unexpected(std::move(set.error()));
    sets.push_back(std::move(*set));
  }
  svid_ = std::move(svid);
  bundle_ = bundle;
  for (size_t i = 0; const WorkerRef& worker : workers_) {
    post_to(worker, [tls = std::move(sets[i++])](WorkerSide& side) mutable {
      side.use_certificates(std::move(tls));
    });
  }
  return {};
}

// Made once for all workers; limits that have not changed keep their buckets.
void Sidecar::use_inbound(const Snapshot& snapshot) {
  if (snapshot.inbound == inbound_) return;
  inbound_ = snapshot.inbound;
  if (!inbound_ || inbound_->rate_limits.empty()) {
    rate_limits_ = nullptr;
  } else {
    rate_limits_ = std::make_shared<const steer::RateLimits>(inbound_->rate_limits,
                                                             rate_limits_.get(), random_.next());
  }
}

void Sidecar::publish(SnapshotPtr snapshot, std::move_only_function<void()> in_use) {
  use_inbound(*snapshot);
  // Belongs to the main loop; the workers only carry it.
  struct InUse {
    size_t missing;
    std::move_only_function<void()> then;
  };
  auto in_use_by_all = std::make_shared<InUse>(workers_.size(), std::move(in_use));
  std::weak_ptr<Sidecar*> self = alive_;
  to_workers(
      [self, main = &loop_, snapshot, in_use_by_all, limits = rate_limits_](WorkerSide& worker) {
        worker.worker.rate_limits = limits;
        worker.use_snapshot(snapshot);
        main->post_remote([self, in_use_by_all] {
          auto sidecar = self.lock();
          if (--in_use_by_all->missing > 0 || !sidecar) return;
          (*sidecar)->when_declared_.push_back(std::move(in_use_by_all->then));
          (*sidecar)->declare_next();
        });
      });
  if (declares() && snapshot->names != declared_index_) {
    declared_index_ = snapshot->names;
    declared_ports_.want(*declared_index_);
    declare_next();
  }
  follow_listeners();
  if (snapshot->names->complete) index_ready_.set();
  dns_.changed();
}

// A version is in use when the ruleset has followed it too: whoever waits for "served by all" and then
// connects to a new port must not be refused by the kernel.
void Sidecar::declare_next() {
  if (declares()) {
    const std::string change = declared_ports_.next();
    if (!change.empty() && !hooks_.declare(change)) declared("the keeper cannot be told");
    if (!declared_ports_.settled()) return;
  }
  if (opening_) return;
  for (auto& go_on : std::exchange(when_declared_, {})) go_on();
}

void Sidecar::follow_listeners() {
  if (!options_.gateway || !hooks_.listen || stage_ != Stage::kServing) return;
  const auto& gateway = discovery_.snapshot()->gateway;
  std::set<uint16_t> ports = gateway ? gateway->ports() : std::set<uint16_t>();
  std::vector<IpAddress> addresses = gateway ? gateway->addresses() : std::vector<IpAddress>();
  if (ports == listener_ports_ && addresses == listener_addresses_) return;
  listener_ports_ = std::move(ports);
  listener_addresses_ = std::move(addresses);
  opening_ = true;
  hooks_.listen(listener_ports_, listener_addresses_);
}

void Sidecar::listening(const std::map<uint16_t, std::string>& failed) {
  opening_ = false;
  std::vector<PortState> ports;
  for (const uint16_t port : listener_ports_) {
    const auto it = failed.find(port);
    const bool open = it == failed.end();
    ports.push_back({.app_port = port, .ready = open, .why = open ? "" : it->second});
    if (!open) note(fmt::format("listener port {}: {}", port, it->second));
  }
  ports_ = std::move(ports);
  link_.report_soon();
  declare_next();
}

void Sidecar::declared(const std::string& failure) {
  if (!failure.empty())
    log_.error("the ruleset does not know all declared ports", {{"why", failure}});
  declared_ports_.done();
  declare_next();
}

void Sidecar::refused_port(const std::string& destination) {
  auto place = SocketAddress::parse(destination);
  if (!place) return;
  const model::NameEntry* entry = discovery_.snapshot()->name_at(place->ip);
  note(fmt::format("a connect to {} was refused: {} declares no port {}", destination,
                   entry ? "service " + entry->service.to_string() : "its service", place->port));
}

void Sidecar::count_refusals(uint64_t datagrams, uint64_t connects) {
  refused_datagrams_ += datagrams;
  refused_connects_ += connects;
  log_.info("refused inside so far",
            {{"datagrams", refused_datagrams_}, {"connects", refused_connects_}});
}

io::Task<bool> Sidecar::wait_ready(Duration timeout) {
  co_return co_await index_ready_.wait_for(timeout);
}

std::optional<ReportContent> Sidecar::collect() {
  if (!ports_ || stage_ == Stage::kStandby) return std::nullopt;
  for (size_t i = 0; const WorkerRef& worker : workers_) {
    post_to(worker, [gauges = gauges_[i++], now = loop_.wall_now()](WorkerSide& side) {
      gauges->outlived = static_cast<uint32_t>(side.outbound.tcp().outlived_certificate(now) +
                                               side.gateway.tcp().outlived_certificate(now));
      gauges->active_inbound = static_cast<uint32_t>(side.inbound.active());
      gauges->active_outbound =
          static_cast<uint32_t>(side.outbound.active() + side.gateway.active());
      gauges->upstream_connections = static_cast<uint32_t>(side.pool.connections());
    });
  }
  ReportContent content;
  content.ports = *ports_;
  content.draining = draining_;
  content.retiring = stage_ == Stage::kRetiring;
  content.edges = reporter_.deltas(edges());
  content.stale_tcp_connections = static_cast<uint32_t>(sum(&Gauges::outlived));
  content.notes = notes_;
  for (std::string& line : discovery_.waiting_for()) content.notes.push_back(std::move(line));
  return content;
}

io::Task<void> Sidecar::housekeeping() {
  for (int round = 1;; ++round) {
    co_await io::sleep_for(loop_, kHousekeeping);
    if (stage_ == Stage::kServing) discovery_.save();
    if (round % kEvictEvery == 0) discovery_.evict();
  }
}

std::vector<telemetry::EdgeTotals> Sidecar::edges() const {
  std::vector<telemetry::EdgeTotals> all;
  for (const WorkerRef& worker : workers_) {
    auto own = worker.side->worker.edges.snapshot();
    all.insert(all.end(), std::make_move_iterator(own.begin()), std::make_move_iterator(own.end()));
  }
  return telemetry::merge_edges(std::move(all));
}

uint64_t Sidecar::sum(std::atomic<uint32_t> Gauges::* gauge) const {
  uint64_t all = 0;
  for (const auto& gauges : gauges_) all += (*gauges.*gauge).load();
  return all;
}

io::Task<size_t> Sidecar::ask_workers(size_t (*count)(WorkerSide&)) {
  struct Answer {
    Answer(io::Loop& loop, size_t workers) : arrived(loop), missing(workers) {}
    io::Event arrived;
    size_t missing;
    size_t count = 0;
  };
  auto answer = std::make_shared<Answer>(loop_, workers_.size());
  to_workers([answer, count, main = &loop_](WorkerSide& worker) {
    main->post_remote([answer, counted = count(worker)] {
      answer->count += counted;
      if (--answer->missing == 0) answer->arrived.set();
    });
  });
  co_await answer->arrived.wait();
  co_return answer->count;
}

void Sidecar::note(std::string text) {
  if (std::find(notes_.begin(), notes_.end(), text) != notes_.end()) return;
  if (notes_.size() >= kMostNotes) notes_.erase(notes_.begin());
  log_.warn(text);
  notes_.push_back(std::move(text));
}

std::string Sidecar::status_json() const {
  const SnapshotPtr& snapshot = discovery_.snapshot();
  std::string out = "{\"instance\":";
  append_json_string(out, options_.self.instance);
  out += ",\"identity\":";
  append_json_string(out, options_.self.identity.uri());
  out += ",\"svid_expires\":";
  append_json_string(out, to_rfc3339(svid_->not_after()));
  out += fmt::format(
      ",\"svid_alarm\":\"{}\",\"connected\":{},\"draining\":{},\"generation\":{},\"names\":{},"
      "\"services\":{},\"upstream_connections\":{},\"active_inbound\":{},\"active_outbound\":{},"
      "\"stale_tcp_connections\":{},\"refused_datagrams\":{},\"refused_connects\":{}",
      trust::to_string(link_.alarm()), link_.connected(), draining_, snapshot->generation,
      snapshot->names->by_name.size(), snapshot->services.size(),
      sum(&Gauges::upstream_connections), sum(&Gauges::active_inbound),
      sum(&Gauges::active_outbound), sum(&Gauges::outlived), refused_datagrams_, refused_connects_);
  out += ",\"control_error\":";
  append_json_string(out, link_.connected() ? "" : link_.last_error());
  out += ",\"ports\":[";
  for (const PortState& port : ports_.value_or(std::vector<PortState>())) {
    if (out.back() != '[') out += ',';
    out += fmt::format("{{\"app_port\":{},\"ready\":{},\"why\":", port.app_port, port.ready);
    append_json_string(out, port.why);
    out += '}';
  }
  out += "],\"notes\":[";
  std::vector<std::string> notes = notes_;
  for (std::string& line : discovery_.waiting_for()) notes.push_back(std::move(line));
  for (const std::string& text : notes) {
    if (out.back() != '[') out += ',';
    append_json_string(out, text);
  }
  out += "]}\n";
  return out;
}

std::string Sidecar::metrics(std::string_view accept, std::string* content_type) const {
  telemetry::MetricsText text = telemetry::MetricsText::for_accept(accept);
  *content_type = text.content_type();
  telemetry::write_edges(text, edges());
  telemetry::PolicyActs::Totals acts;
  for (const WorkerRef& worker : workers_) worker.side->worker.policy_acts.add_to(acts);
  telemetry::write_policy_acts(text, acts);
  text.gauge("weft_control_connected", "1 while the control plane is connected");
  text.sample({}, static_cast<uint64_t>(link_.connected()));
  text.gauge("weft_svid_expiry_seconds", "Unix time at which the certificate ends");
  text.sample({}, static_cast<uint64_t>(svid_->not_after().unix_seconds()));
  text.gauge("weft_upstream_connections", "Connections to other sidecars");
  text.sample({}, sum(&Gauges::upstream_connections));
  text.gauge("weft_stale_tcp_connections",
             "Opaque connections that outlive a certificate they were made with");
  text.sample({}, sum(&Gauges::outlived));
  text.counter("weft_refused_datagrams", "Datagrams of the app that were refused inside");
  text.sample({}, refused_datagrams_);
  text.counter("weft_refused_connects", "Connects to ports that no service declares");
  text.sample({}, refused_connects_);
  Pressure pressure = Pressure::kNone;
  uint64_t shed = 0, pauses = 0;
  uint64_t answered = 0, failed = 0, dropped = 0, received = 0;  // copies of requests
  text.gauge("weft_worker_connections", "Accepted connections that a worker has in hand");
  for (size_t i = 0; i < workers_.size(); ++i) {
    const Worker& worker = workers_[i].side->worker;
    const std::string number = std::to_string(i + 1);
    text.sample({{"worker", number}}, uint64_t{worker.group->connections(i)});
    pressure = std::max(pressure, worker.overload.pressure());
    shed += worker.overload.shed();
    answered += worker.mirrors.answered.value();
    failed += worker.mirrors.failed.value();
    dropped += worker.mirrors.dropped.value();
    received += worker.mirrors.received.value();
    pauses = std::max(pauses, worker.overload.pauses());
  }
  text.gauge(
      "weft_overload_level",
      "0: none, 1: new requests are shed, 2: nothing is accepted; of the worker it is worst for");
  text.sample({}, static_cast<uint64_t>(pressure));
  text.counter("weft_shed_requests", "Requests turned away because of overload");
  text.sample({}, shed);
  text.counter(
      "weft_accept_pauses",
      "Times that accepting stopped because of overload, of the worker it happened most to");
  text.sample({}, pauses);
  text.counter("weft_mirrored_requests",
               "Copies of the app's requests; dropped are those beyond a bound, never sent");
  text.sample({{"result", "answered"}}, answered);
  text.sample({{"result", "failed"}}, failed);
  text.sample({{"result", "dropped"}}, dropped);
  text.counter("weft_mirrored_requests_received", "Copies of requests that came for the app");
  text.sample({}, received);
  text.gauge("weft_snapshot_generation", "Configuration in use, counted since the start");
  text.sample({}, discovery_.snapshot()->generation);
  write_backends(text, *discovery_.snapshot(), loop_.now());
  write_localities(text, *discovery_.snapshot(), loop_.now());
  return text.finish();
}

}  // namespace weft::proxy
