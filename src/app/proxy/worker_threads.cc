// A thread builds its half on its own stack and hands out a pointer; from then on it is spoken to by posts
// only. A connection that another worker is to serve goes there as a bare descriptor: one post, some ten
// microseconds, once in its life. With one worker nothing is posted.
#include "app/proxy/worker_threads.h"

#include <fcntl.h>

#include <future>
#include <utility>

#include "app/proxy/namespace_sockets.h"
#include "app/proxy/usage.h"
#include "base/random.h"
#include "io/socket_network.h"
#include "proxy/worker_side.h"

namespace weft::app {
namespace {

// Longer than anybody waits for a socket: an answer that has not come by then is lost.
constexpr Duration kAnswerLost = Duration::seconds(5);

}  // namespace

struct WorkerThreads::Member {
  Member(io::EpollLoop& loop, WorkerThreads& all, size_t index,
         std::shared_ptr<ListeningPorts> ports, std::function<void(const char*)> need)
      : loop(loop),
        network(loop),
        random(SeededRandom::from_os()),
        side(loop, network, app_side(all.handover_, std::move(ports), std::move(need)), random,
             all.handover_.options.self, log(all, index), &all.access_,
             {.host_ports = all.handover_.host_ports,
              .probes = index == 0 ? all.handover_.probes : std::vector<proxy::PortProbe>(),
              .presence =
                  all.handover_.gateway ? proxy::Presence::kGateway : proxy::Presence::kTransparent,
              .usage = [reader = std::make_shared<UsageReader>()] { return reader->read(); },
              .limits = all.limits_,
              .group = all.group_}) {
    side.overload_watch.on_accepting([&all, index](bool takes) {
      all.main_.post_remote([&all, index, takes] { all.on_taking(index, takes); });
    });
  }

  static Log log(const WorkerThreads& all, size_t index) {
    return all.log_.named(all.group_->size() == 1 ? "worker"
                                                  : "worker-" + std::to_string(index + 1));
  }
  proxy::AppSide& app_side(const Handover& handover, std::shared_ptr<ListeningPorts> ports,
                           std::function<void(const char*)> need) {
    if (handover.options.self.explicit_mode) {
      host_app.emplace(network);
      return *host_app;
    }
    sockets.emplace(loop, std::move(ports), std::move(need));
    return *sockets;
  }

  io::EpollLoop& loop;
  io::SocketNetwork network;
  SeededRandom random;
  std::optional<NamespaceSockets> sockets;
  std::optional<HostApp> host_app;
  proxy::WorkerSide side;
  std::vector<std::unique_ptr<io::Listener>> listeners;
  std::map<SocketAddress, std::unique_ptr<io::Listener>> gateway_listeners;
  bool taking = true;

  void take(bool takes) {
    taking = takes;
    const auto follow = [takes](io::Listener& listener) {
      if (takes) {
        listener.resume();
      } else {
        listener.pause();
      }
    };
    for (const auto& listener : listeners) follow(*listener);
    for (const auto& [port, listener] : gateway_listeners) follow(*listener);
  }
};

struct WorkerThreads::Door {
  proxy::Door kind;
  std::function<void(Member&, io::StreamPtr)> serve;  // on the member's thread
};

WorkerThreads::WorkerThreads(io::EpollLoop& main, size_t workers, Handover& handover,
                             const Log& log, telemetry::LineQueue& access,
                             std::function<bool(const char*)> tell_need)
    : main_(main),
      handover_(handover),
      log_(log),
      access_(access),
      tell_need_(std::move(tell_need)),
      group_(std::make_shared<proxy::WorkerGroup>(workers)),
      limits_(usage_limits()) {
  auto ports = std::make_shared<ListeningPorts>(std::move(handover.sock_diag));
  for (size_t i = 0; i < workers; ++i) {
    std::promise<Member*> built;
    const std::string name = workers == 1 ? "weft-worker" : "weft-worker-" + std::to_string(i + 1);
    threads_.push_back(
        std::make_unique<io::LoopThread>(name, [this, i, ports, &built](io::EpollLoop& loop) {
          Member member(loop, *this, i, ports, [this, i](const char* family) {
            main_.post_remote([this, i, family] { need_sockets(i, family); });
          });
          built.set_value(&member);
          loop.run();
        }));
    members_.push_back(built.get_future().get());
  }
}

WorkerThreads::~WorkerThreads() {
  for (const auto& thread : threads_) thread->join();
}

std::vector<proxy::Sidecar::WorkerRef> WorkerThreads::refs() const {
  std::vector<proxy::Sidecar::WorkerRef> refs;
  for (size_t i = 0; i < members_.size(); ++i)
    refs.push_back({&threads_[i]->loop(), &members_[i]->side});
  return refs;
}

std::vector<std::string> WorkerThreads::open_doors() {
  for (Fd& fd : handover_.outbound) {
    add_door(std::move(fd), proxy::Door::kApp, [](Member& member, io::StreamPtr client) {
      // The listener is transparent: a connection's own address is where the app wanted to go.
      const SocketAddress original = client->local();
      member.side.outbound.accept(std::move(client), original);
    });
  }
  // A Gateway has no app that others could call.
  if (!handover_.gateway) {
    add_door(std::move(handover_.inbound), proxy::Door::kMesh,
             [](Member& member, io::StreamPtr client) {
               member.side.inbound.accept(std::move(client));
             });
  }

  std::vector<std::string> failed;
  const auto listener = [&failed](Fd& made, const SocketAddress& at) {
    if (made) return std::move(made);
    auto fd = io::listening_socket(at);
    if (fd) return std::move(*fd);
    failed.push_back("cannot listen on " + at.to_string() + ": " + fd.error().message());
    return Fd();
  };
  for (PublishedDoor& door : handover_.published) {
    add_door(listener(door.listener, door.at), proxy::Door::kPublished,
             [port = door.app_port, introduced = door.proxy_protocol](Member& member,
                                                                      io::StreamPtr client) {
               proxy::Inbound& inbound = member.side.inbound;
               if (introduced) return inbound.accept_introduced(std::move(client), port);
               inbound.accept_plain(std::move(client), port);
             });
  }
  for (ExplicitDoor& door : handover_.upstreams) {
    add_door(listener(door.listener, {IpAddress::v4(0x7f000001), door.local_port}),
             proxy::Door::kApp,
             [service = door.service, port = door.port](Member& member, io::StreamPtr client) {
               member.side.outbound.accept_for(std::move(client), service, port);
             });
  }
  return failed;
}

void WorkerThreads::open_gateway(const SocketAddress& at, uint16_t port, Fd listener) {
  add_door(
      std::move(listener), proxy::Door::kPublished,
      [port](Member& member, io::StreamPtr client) {
        member.side.gateway.accept(std::move(client), port);
      },
      at);
}

io::Task<void> WorkerThreads::close_gateway(std::vector<SocketAddress> doors) {
  co_await on_all([doors = std::move(doors)](Member& member) {
    for (const SocketAddress& at : doors) member.gateway_listeners.erase(at);
  });
}

void WorkerThreads::add_door(Fd fd, proxy::Door kind,
                             std::function<void(Member&, io::StreamPtr)> serve,
                             SocketAddress gateway) {
  if (!fd) return;
  // Doors stay when they are closed: a connection may be on its way to another worker.
  doors_.push_back(std::make_unique<Door>(kind, std::move(serve)));
  const Door& door = *doors_.back();
  for (size_t i = 0; i < members_.size(); ++i) {
    const int given =
        i + 1 == members_.size() ? fd.release() : ::fcntl(fd.get(), F_DUPFD_CLOEXEC, 0);
    Fd own(given);
    threads_[i]->loop().post_remote([this, i, &door, gateway, own = std::move(own)]() mutable {
      if (!own) return;  // too many descriptors: the other workers accept for it
      Member& member = *members_[i];
      auto listener = io::adopt_shared_listener(
          member.loop, own.release(),
          [this, i, &door](io::Accepted accepted) { on_accepted(i, door, std::move(accepted)); });
      if (!member.taking) listener->pause();
      if (gateway.port != 0) {
        member.gateway_listeners[gateway] = std::move(listener);
      } else {
        member.listeners.push_back(std::move(listener));
      }
    });
  }
}

// On the thread of `worker`.
void WorkerThreads::on_accepted(size_t worker, const Door& door, io::Accepted accepted) {
  proxy::WorkerGroup::Place place = group_->place(worker, door.kind);
  Member& member = *members_[place.worker];
  auto serve = [&member, &door, accepted = std::move(accepted),
                tally = std::move(place.tally)]() mutable {
    door.serve(member, io::accepted_stream(member.loop, std::move(accepted), std::move(tally)));
  };
  if (place.worker == worker) return serve();
  threads_[place.worker]->loop().post_remote(std::move(serve));
}

io::Task<void> WorkerThreads::close_doors() {
  co_await on_all([](Member& member) {
    member.listeners.clear();
    member.gateway_listeners.clear();
  });
}

io::Task<void> WorkerThreads::on_all(std::function<void(Member&)> act) {
  struct Waiting {
    Waiting(io::Loop& loop, size_t missing) : done(loop), missing(missing) {}
    io::Event done;
    size_t missing;
  };
  auto waiting = std::make_shared<Waiting>(main_, members_.size());
  for (size_t i = 0; i < members_.size(); ++i) {
    threads_[i]->loop().post_remote([member = members_[i], main = &main_, waiting, act] {
      act(*member);
      main->post_remote([waiting] {
        if (--waiting->missing == 0) waiting->done.set();
      });
    });
  }
  co_await waiting->done.wait();
}

void WorkerThreads::on_taking(size_t worker, bool takes) {
  const bool any = group_->take(worker, takes);
  if (any == std::exchange(accepting_, any)) return;
  for (size_t i = 0; i < members_.size(); ++i) {
    threads_[i]->loop().post_remote([member = members_[i], any] { member->take(any); });
  }
}

void WorkerThreads::need_sockets(size_t worker, const char* family) {
  if (tell_need_(family)) askers(*family == '4').push_back({worker, main_.now()});
}

void WorkerThreads::add_sockets(bool v4, std::vector<int> fds) {
  Askers& waiting = askers(v4);
  while (waiting.size() > 1 && main_.now() - waiting.front().at > kAnswerLost) waiting.pop_front();
  size_t worker = 0;
  if (!waiting.empty()) {
    worker = waiting.front().worker;
    waiting.pop_front();
  }
  threads_[worker]->loop().post_remote([member = members_[worker], v4, fds = std::move(fds)] {
    if (member->sockets) member->sockets->add(v4, fds);
  });
}

}  // namespace weft::app
