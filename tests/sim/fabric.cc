// Everything that is random here (jitter, segment sizes) is drawn from the one generator in the order
// of events, so a seed decides all of it.
#include "sim/fabric.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/hash.h"
#include "sim/stream.h"

namespace weft::sim {

namespace {

// Within a host bytes take next to no time.
constexpr LinkOptions kLocalLink{Duration::micros(10), Duration::micros(5)};

std::string describe(const Connection& c, int from) {
  return fmt::format("#{} {}({}) -> {}({})", c.number, c.host[from]->name,
                     c.address[from].to_string(), c.host[1 - from]->name,
                     c.address[1 - from].to_string());
}

}  // namespace

void Fabric::add_host(Host& host) {
  host.id = static_cast<uint32_t>(hosts_.size());
  hosts_.push_back(&host);
}

void Fabric::partition(const Host& a, const Host& b) {
  note(fmt::format("partition {} {}", a.name, b.name));
  partitions_.insert(key(a, b));
}

void Fabric::heal(const Host& a, const Host& b) {
  note(fmt::format("heal {} {}", a.name, b.name));
  partitions_.erase(key(a, b));
  auto held = std::exchange(held_, {});
  for (auto& [weak, from] : held) {
    const auto connection = weak.lock();
    if (!connection) continue;
    if (partitions_.contains(key(*connection->host[0], *connection->host[1]))) {
      held_.emplace_back(connection, from);
      continue;
    }
    scheduler_.schedule_in(delay(a, b), [this, connection, from] { arrive(connection, from); });
  }
}

void Fabric::reset_connections(Host& a, Host& b) {
  note(fmt::format("reset {} {}", a.name, b.name));
  const auto streams = a.streams;
  for (const auto& [number, stream] : streams) {
    SimStream* other = nullptr;
    for (const auto& [theirs, candidate] : b.streams) {
      if (theirs / 2 == number / 2 && theirs != number) other = candidate;
    }
    if (!other) continue;
    stream->fail_with(ErrorKind::kReset, "reset by the network");
    other->fail_with(ErrorKind::kReset, "reset by the network");
  }
}

void Fabric::crash(Host& host) {
  note(fmt::format("crash {}", host.name));
  host.up = false;
  for (auto& [at, listener] : std::exchange(host.listeners, {})) listener->cut();
  for (auto& [path, listener] : std::exchange(host.unix_listeners, {})) listener->cut();
  for (auto& [number, stream] : std::exchange(host.streams, {})) stream->kill();
}

bool Fabric::owns(const Host& host, const IpAddress& ip) const {
  return ip.is_loopback() || std::ranges::find(host.addresses, ip) != host.addresses.end();
}

Duration Fabric::delay(const Host& a, const Host& b) {
  LinkOptions options = default_link_;
  if (&a == &b) {
    options = kLocalLink;
  } else if (auto it = links_.find(key(a, b)); it != links_.end()) {
    options = it->second;
  }
  const auto jitter = random_.below(static_cast<uint64_t>(options.jitter.ns) + 1);
  return options.delay + Duration{static_cast<int64_t>(jitter)};
}

Host* Fabric::find_host(Host& from, const IpAddress& ip) {
  if (owns(from, ip)) return &from;
  for (Host* host : hosts_) {
    if (!ip.is_loopback() && owns(*host, ip)) return host;
  }
  return nullptr;
}

SimListener* Fabric::find_listener(Host& host, const SocketAddress& at) {
  const IpAddress any = at.ip.is_v4() ? IpAddress() : IpAddress::v6({});
  for (const IpAddress& ip : {at.ip, any}) {
    if (auto it = host.listeners.find({ip, at.port}); it != host.listeners.end()) return it->second;
  }
  return nullptr;
}

// A host talks to itself from the address it dials, to others from its own of that family.
IpAddress Fabric::source_for(const Host& from, const IpAddress& to) {
  if (owns(from, to)) return to;
  for (const IpAddress& ip : from.addresses) {
    if (ip.is_v4() == to.is_v4()) return ip;
  }
  return to;
}

void Fabric::dial(Host& from, SocketAddress to, const std::shared_ptr<Dialling>& dialling) {
  const bool redirected = from.redirect.port != 0 && !owns(from, to.ip);
  const SocketAddress target = redirected ? from.redirect : to;
  Host* host = find_host(from, target.ip);
  note(fmt::format("dial {} -> {}", from.name, to.to_string()));
  if (!host || partitions_.contains(key(from, *host))) return;  // nobody answers
  scheduler_.schedule_in(
      delay(from, *host), [this, &from, host, target, to, weak = std::weak_ptr(dialling)] {
        connect_arrives(from, *host, host->up ? find_listener(*host, target) : nullptr, to, weak);
      });
}

void Fabric::dial_unix(Host& host, const std::string& path,
                       const std::shared_ptr<Dialling>& dialling) {
  note(fmt::format("dial {} -> {}", host.name, path));
  if (!host.unix_listeners.contains(path)) {
    answer_later(
        host, host, dialling,
        std::unexpected(Error(ErrorKind::kNotFound, "connecting to " + path + ": nobody listens",
                              ErrorSource::kInternal, Retry::kYes)));
    return;
  }
  scheduler_.schedule_in(delay(host, host), [this, &host, path, weak = std::weak_ptr(dialling)] {
    auto it = host.unix_listeners.find(path);
    connect_arrives(host, host, it == host.unix_listeners.end() ? nullptr : it->second, {}, weak);
  });
}

void Fabric::connect_arrives(Host& from, Host& to, SimListener* listener,
                             const SocketAddress& wanted, std::weak_ptr<Dialling> weak) {
  const auto dialling = weak.lock();
  if (!dialling) return;  // given up meanwhile
  if (!listener) {
    answer_later(
        from, to, weak,
        fail(ErrorKind::kRefused, "connecting to " + wanted.to_string() + ": Connection refused",
             ErrorSource::kInternal, Retry::kYes));
    return;
  }
  auto connection = std::make_shared<Connection>();
  connection->number = connections_++;
  connection->host[0] = &from;
  connection->host[1] = &to;
  if (wanted.port != 0) {
    const IpAddress source = dialling->source.value_or(source_for(from, wanted.ip));
    connection->address[0] = {source, free_port(from)};
    connection->address[1] = wanted;
  }
  note("connected " + describe(*connection, 0));
  auto dialler = std::make_unique<SimStream>(*this, dialling->loop, connection, 0);
  listener->offer(std::make_unique<SimStream>(*this, listener->loop(), connection, 1));
  answer_later(from, to, weak, std::move(dialler));
}

void Fabric::answer_later(Host& from, Host& to, std::weak_ptr<Dialling> weak,
                          Result<io::StreamPtr> result) {
  scheduler_.schedule_in(delay(to, from), [weak, result = std::move(result)]() mutable {
    const auto dialling = weak.lock();
    if (!dialling) return;
    dialling->result = std::move(result);
    dialling->answered.set();
  });
}

void Fabric::send(const std::shared_ptr<Connection>& connection, int from, Item item) {
  Direction& way = connection->direction[from];
  if (item.kind != Item::kData) {
    if (way.closed && item.kind == Item::kFin) return;
    way.closed = true;
  }
  way.outstanding += item.bytes.size();
  way.in_flight.push_back(std::move(item));
  const Instant at = scheduler_.now() + delay(*connection->host[from], *connection->host[1 - from]);
  way.last_arrival = std::max(way.last_arrival, at);
  scheduler_.schedule_at(way.last_arrival, [this, connection, from] { arrive(connection, from); });
}

void Fabric::send_bytes(const std::shared_ptr<Connection>& connection, int from,
                        std::string_view bytes) {
  while (!bytes.empty()) {
    // Now and then a few bytes, often a packet, mostly a burst.
    const uint64_t kind = random_.below(8);
    const uint64_t largest = kind == 0 ? 16 : kind < 3 ? 1460 : 16 * 1024;
    const size_t size = std::min<size_t>(bytes.size(), 1 + random_.below(largest));
    send(connection, from, {Item::kData, std::string(bytes.substr(0, size))});
    bytes.remove_prefix(size);
  }
}

void Fabric::acknowledge(const std::shared_ptr<Connection>& connection, int at, size_t bytes) {
  const int sender = 1 - at;
  Direction& way = connection->direction[sender];
  way.outstanding -= bytes;
  if (!way.sender_waits) return;
  way.sender_waits = false;
  scheduler_.schedule_in(delay(*connection->host[at], *connection->host[sender]),
                         [connection, sender] {
                           if (SimStream* stream = connection->end[sender]) stream->window_opened();
                         });
}

void Fabric::arrive(const std::shared_ptr<Connection>& connection, int from) {
  if (partitions_.contains(key(*connection->host[0], *connection->host[1]))) {
    held_.emplace_back(connection, from);
    return;
  }
  Direction& way = connection->direction[from];
  Item item = std::move(way.in_flight.front());
  way.in_flight.pop_front();
  deliver(connection, from, std::move(item));
}

void Fabric::deliver(const std::shared_ptr<Connection>& connection, int from, Item item) {
  SimStream* target = connection->end[1 - from];
  if (item.kind == Item::kData) {
    note(fmt::format("data {} {} {:016x}", describe(*connection, from), item.bytes.size(),
                     xxh64(item.bytes)));
    for (const auto& observer : observers_) {
      observer({scheduler_.now(), connection->host[from]->name, connection->host[1 - from]->name,
                connection->address[from], connection->address[1 - from], item.bytes});
    }
    if (target) {
      target->data_arrived(item.bytes);
    } else {
      send(connection, 1 - from, {Item::kReset, {}});  // bytes for someone who has gone
    }
    return;
  }
  note(
      fmt::format("{} {}", item.kind == Item::kFin ? "fin" : "reset", describe(*connection, from)));
  if (!target) return;
  if (item.kind == Item::kFin) {
    target->fin_arrived();
  } else {
    target->fail_with(ErrorKind::kReset, "Connection reset by peer");
  }
}

}  // namespace weft::sim
