// Raw ends of connections for tests of what really goes over the wire: RawPeer remembers every octet,
// RawBackend answers HTTP/1.1 requests by a script and remembers what reached it. They share no code with
// the product but the simulated streams: messages are read by plain_http1.h.
#pragma once

#include <list>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fuzz/plain_http1.h"
#include "sim/world.h"

namespace weft::scenarios {

class RawPeer : public io::StreamHandler {
 public:
  explicit RawPeer(io::StreamPtr stream) : stream_(std::move(stream)) {
    stream_->set_handler(this);
  }
  ~RawPeer() override {
    if (stream_) stream_->set_handler(nullptr);
  }
  RawPeer(const RawPeer&) = delete;
  RawPeer& operator=(const RawPeer&) = delete;

  void write(std::string_view bytes) {
    if (stream_) stream_->write(bytes);
  }
  size_t unsent() const { return stream_ ? stream_->write_queued() : 0; }
  void shutdown_write() {
    if (stream_) stream_->shutdown_write();
  }
  // As a program that exits: the end of stream, and a reset for what comes later.
  void close(sim::World& world);

  std::string in;      // what has come and was not taken
  std::string all;     // everything that has come
  bool ended = false;  // the peer's end of stream, or a reset
  bool reset = false;
  // While set nothing is read: what comes waits in the connection's window.
  bool holding = false;
  void read_on() {
    holding = false;
    on_readable();
  }

 protected:
  virtual void arrived() {}

 private:
  void on_readable() override;
  void on_writable() override {}

  io::StreamPtr stream_;
};

// A request as it reached the backend.
struct Reached {
  plain::Message message;
  bool complete = false;
  bool answered = false;
  size_t connection = 0;
  std::string tunnel;  // what came after the switch to raw bytes
  bool tunnel_ended = false;
};

class RawBackend {
 public:
  // `script`: strings are answers, objects actions, as in the intermediary cases.
  RawBackend(sim::World& world, sim::Node& node, uint16_t port, nlohmann::json script);
  ~RawBackend();

  // How many octets of a tunnel {"read_tunnel"} waits for.
  void expect_tunnel(size_t octets) { tunnel_octets_ = octets; }
  // Closes the second request's connection instead of answering it.
  void close_second_request() { close_second_ = true; }

  const std::vector<Reached>& reached() const { return reached_; }
  bool closed_by_peer(size_t connection) const;
  // How much of its answer to the request did not leave yet.
  size_t unsent(size_t request) const;
  // Something that is no HTTP/1 request reached it.
  bool saw_garbage() const { return garbage_; }

 private:
  struct Connection;
  void step(Connection& connection);
  bool take_request(Connection& connection);
  bool answer(Connection& connection);
  bool say(Connection& connection, const std::string& text);
  void tunnel(Connection& connection);

  sim::World& world_;
  nlohmann::json script_;
  size_t at_ = 0;
  nlohmann::json last_;
  bool at_head_ = false;
  bool close_second_ = false;
  bool garbage_ = false;
  size_t tunnel_octets_ = 1;
  std::vector<Reached> reached_;
  std::vector<std::unique_ptr<Connection>> connections_;
  std::unique_ptr<io::Listener> listener_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

// The octets of a case's string: character U+00NN is octet NN.
std::string octets_of(const nlohmann::json& text);

}  // namespace weft::scenarios
