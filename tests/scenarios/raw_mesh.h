// RawMesh: a client and a backend, both raw, behind two sidecars, and a published door to the backend.
#pragma once

#include <gtest/gtest.h>

#include "base/ip.h"
#include "scenarios/mesh.h"
#include "scenarios/raw_peer.h"

namespace weft::scenarios {

inline constexpr uint16_t kDoor = 9000;
inline const std::string kGet = "GET / HTTP/1.1\r\nHost: weft\r\n\r\n";
inline const std::string kOk = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

class RawMesh : public testing::Test {
 protected:
  RawMesh() : mesh(7) {
    mesh.add({.name = "client", .services = {}, .behaviour = {}});
    mesh.add({.name = "backend",
              .services = {{"weft", 80, 8080, model::Protocol::kHttp, false}},
              .behaviour = {}});
    mesh.close_app("backend");
    service = {*IpAddress::parse(world().run(mesh.resolve("client", "weft"))), 80};
  }

  void start_backend(nlohmann::json script) {
    backend = std::make_unique<RawBackend>(world(), *mesh.instance("backend").app, 8080,
                                           std::move(script));
    world().run_for(Duration::seconds(1));  // it becomes ready
  }
  std::unique_ptr<RawPeer> dial() { return dial(*mesh.instance("client").app, service); }
  // Somebody outside the mesh, through a published door of the backend.
  std::unique_ptr<RawPeer> dial_door() {
    Instance& instance = mesh.instance("backend");
    if (!door) {
      auto listening = instance.side->thread("worker").network.listen(
          {instance.side->ip(), kDoor}, [&instance](io::StreamPtr stream) {
            instance.worker->inbound.accept_plain(std::move(stream), 8080);
          });
      WEFT_ASSERT(listening);
      door = std::move(*listening);
    }
    return dial(world().node("outside"), {instance.side->ip(), kDoor});
  }
  bool until(const std::function<bool()>& done, Duration limit) {
    return world().run_until(done, limit);
  }
  sim::World& world() { return mesh.world(); }

  Mesh mesh;
  SocketAddress service;
  std::unique_ptr<RawBackend> backend;
  std::unique_ptr<io::Listener> door;

 private:
  std::unique_ptr<RawPeer> dial(sim::Node& from, SocketAddress to) {
    auto stream = world().run(from.network().connect(to, Duration::seconds(5)));
    WEFT_ASSERT(stream);
    return std::make_unique<RawPeer>(std::move(*stream));
  }
};

}  // namespace weft::scenarios
