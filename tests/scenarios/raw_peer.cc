// The backend is a state machine driven by arriving bytes, so that an answer goes out at a defined point:
// after the whole request, or with the head when the script says so.
#include "scenarios/raw_peer.h"

namespace weft::scenarios {

using nlohmann::json;

std::string octets_of(const json& text) {
  const std::string utf8 = text.get<std::string>();
  std::string out;
  for (size_t i = 0; i < utf8.size(); ++i) {
    const auto lead = static_cast<unsigned char>(utf8[i]);
    if (lead < 0x80) {
      out += utf8[i];
    } else {
      const auto next = static_cast<unsigned char>(utf8[++i]);
      out += static_cast<char>((lead & 3) << 6 | (next & 0x3f));
    }
  }
  return out;
}

void RawPeer::on_readable() {
  Buffer got;
  while (stream_ && !holding) {
    const io::ReadOutcome outcome = stream_->read(got);
    if (outcome.kind == io::ReadOutcome::kData) continue;
    if (outcome.kind != io::ReadOutcome::kWouldBlock) ended = true;
    if (outcome.kind == io::ReadOutcome::kError) reset = true;
    break;
  }
  in += got.view();
  all += got.view();
  arrived();
}

void RawPeer::close(sim::World& world) {
  if (!stream_) return;
  stream_->set_handler(nullptr);
  // Not from inside its own call.
  world.after(Duration{}, [stream = std::move(stream_)] {});
}

struct RawBackend::Connection final : RawPeer {
  Connection(RawBackend& backend, io::StreamPtr stream, size_t number)
      : RawPeer(std::move(stream)), backend(backend), number(number) {}
  void arrived() override { backend.step(*this); }

  RawBackend& backend;
  size_t number;
  bool begun = false;     // the present request's head was read
  bool whole = false;     // all of it
  bool answered = false;  // finally
  bool busy = false;      // an answer is due later
  bool raw = false;       // a tunnel
  size_t record = 0;
};

RawBackend::RawBackend(sim::World& world, sim::Node& node, uint16_t port, json script)
    : world_(world), script_(std::move(script)) {
  if (!script_.empty() && script_[0].is_object() && script_[0].contains("refuse")) return;
  auto listener = node.network().listen({node.ip(), port}, [this](io::StreamPtr stream) {
    connections_.push_back(
        std::make_unique<Connection>(*this, std::move(stream), connections_.size()));
  });
  WEFT_ASSERT(listener);
  listener_ = std::move(*listener);
}

RawBackend::~RawBackend() { *alive_ = false; }

bool RawBackend::closed_by_peer(size_t connection) const { return connections_[connection]->ended; }

size_t RawBackend::unsent(size_t request) const {
  return connections_[reached_[request].connection]->unsent();
}

void RawBackend::step(Connection& c) {
  while (!c.busy) {
    if (c.raw) return tunnel(c);
    if (!c.whole && !take_request(c)) return;
    if (!c.answered && !answer(c)) return;
    if (!c.whole || c.raw) continue;
    c.begun = c.whole = c.answered = false;
    if (c.in.empty()) return;
  }
}

// False: wait for more.
bool RawBackend::take_request(Connection& c) {
  plain::Message m;
  const plain::Read read = plain::read_request(c.in, m);
  if (read == plain::Read::kBad && !c.in.empty()) garbage_ = true;
  if (m.head_size == 0 || read == plain::Read::kBad) return false;
  if (!c.begun) {
    c.begun = true;
    c.record = reached_.size();
    reached_.push_back({.message = {}, .connection = c.number, .tunnel = {}});
  }
  const bool news = reached_[c.record].message.head_size == 0;
  if (read == plain::Read::kWhole) {
    reached_[c.record].complete = true;
    c.whole = true;
    c.in.erase(0, m.size);
  }
  reached_[c.record].message = std::move(m);
  return c.whole || (news && !c.answered);
}

// False: nothing more can be said yet.
bool RawBackend::answer(Connection& c) {
  if (close_second_ && c.record == 1) {
    close_second_ = false;
    c.answered = true;
    c.close(world_);
    return false;
  }
  while (true) {
    const json entry = at_ < script_.size() ? script_[at_] : last_;
    if (entry.is_string()) {
      const std::string text = octets_of(entry);
      const bool interim = text.starts_with("HTTP/1.1 1") && !text.starts_with("HTTP/1.1 101");
      if (!interim && !c.whole && !at_head_) return false;
      if (at_ < script_.size()) ++at_;
      if (interim) {
        c.write(text);
        continue;
      }
      last_ = entry;
      return say(c, text);
    }
    if (entry.contains("at_head")) {
      at_head_ = true;
      ++at_;
      continue;
    }
    if (!c.whole || entry.contains("never")) return false;
    if (entry.contains("close")) {
      ++at_;
      c.answered = true;
      c.close(world_);
      return false;
    }
    if (entry.contains("read_all") || entry.contains("read_body")) {
      ++at_;
      continue;
    }
    // Late answers.
    int64_t after_ms = 6000;  // "route timeout + 1000"
    std::string text = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nlate";
    if (entry.contains("answer_target")) {
      const std::string target = reached_[c.record].message.target;
      text = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(target.size()) + "\r\n\r\n" +
             target;
      after_ms = c.record == 0 ? entry.value("first_after_ms", 0) : 0;
      last_ = entry;
    }
    if (at_ < script_.size()) ++at_;
    c.busy = true;
    world_.after(Duration::millis(after_ms), [this, &c, text, alive = alive_] {
      if (!*alive) return;
      c.busy = false;
      say(c, text);
      step(c);
    });
    return false;
  }
}

bool RawBackend::say(Connection& c, const std::string& text) {
  Reached& request = reached_[c.record];
  at_head_ = false;
  c.answered = true;
  request.answered = true;
  c.write(text);
  c.raw = text.starts_with("HTTP/1.1 101") ||
          (request.message.method == "CONNECT" && text.starts_with("HTTP/1.1 2"));
  if (at_ < script_.size() && script_[at_].is_object() && script_[at_].contains("close")) {
    ++at_;
    c.close(world_);
    return false;
  }
  return true;
}

void RawBackend::tunnel(Connection& c) {
  Reached& request = reached_[c.record];
  request.tunnel += c.in;
  c.in.clear();
  request.tunnel_ended = c.ended;
  if (at_ + 1 >= script_.size() || !script_[at_].is_object() ||
      !script_[at_].contains("read_tunnel") || request.tunnel.size() < tunnel_octets_)
    return;
  c.write(octets_of(script_[at_ + 1]));
  at_ += 2;
}

}  // namespace weft::scenarios
