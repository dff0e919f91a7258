// Everything is driven from outside in virtual time: write, run the world until something has happened,
// look. What is expected is read from the case itself; only its words are spelled out here.
#include "scenarios/intermediary_case.h"

namespace weft::scenarios {
namespace {

using nlohmann::json;

constexpr uint16_t kBackendPort = 8080;
constexpr Duration kPatience = Duration::seconds(30);

// The configured limits a template's N may stand for.
size_t limit_of(const std::string& id) {
  const http::ServerLimits limits;
  if (id == "target-too-long") return limits.request_line_bytes;
  if (id == "field-too-many") return limits.header_lines;
  return limits.header_bytes;
}

std::string expand(std::string text, const json& entry, const std::string& id) {
  size_t n = 0;
  if (entry.contains("N")) {
    n = entry["N"].is_number() ? entry["N"].get<size_t>()
                               : limit_of(id) + (entry["N"] == "limit+1" ? 1 : 0);
  }
  while (true) {
    const size_t close = text.find('}');
    if (close == std::string::npos) return text;
    const size_t open = text.rfind('{', close);
    const size_t star = text.rfind('*', close);
    const std::string unit = text.substr(open + 1, star - open - 1);
    const std::string count = text.substr(star + 1, close - star - 1);
    std::string repeated;
    for (size_t i = count == "N" ? n : std::stoul(count); i > 0; --i) repeated += unit;
    text.replace(open, close - open + 1, repeated);
  }
}

class Client {
 public:
  Client(Mesh& mesh, SocketAddress to) : mesh_(mesh) {
    sim::Node& node = *mesh.instance("client").app;
    auto stream = mesh.world().run(node.network().connect(to, Duration::seconds(5)));
    WEFT_ASSERT(stream);
    peer_ = std::make_unique<RawPeer>(std::move(*stream));
  }

  void send(const std::string& bytes, Split split) {
    if (split == Split::kWhole) return peer_->write(bytes);
    // Megabytes go in pieces, after a first part in single octets.
    const size_t singles = split == Split::kOctets ? 3000 : bytes.size();
    const Duration pause = split == Split::kOctets ? Duration::micros(50) : Duration::seconds(1);
    for (size_t at = 0; at < bytes.size() && !peer_->ended;) {
      const size_t size = at < singles ? 1 : 1999;
      peer_->write(std::string_view(bytes).substr(at, size));
      at += size;
      mesh_.world().run_for(pause);
    }
  }

  // Reads what has come as far as it goes.
  void read(PlayedCase& out) {
    while (!out.complete || !peer_->in.empty()) {
      if (!out.tunnel.empty() || (!out.answers.empty() && out.answers.back().tunnel)) {
        out.tunnel += peer_->in;
        peer_->in.clear();
        return;
      }
      plain::Message m;
      const std::string method =
          out.answers.size() < methods.size() ? methods[out.answers.size()] : "GET";
      const plain::Read read = plain::read_response(peer_->in, method, peer_->ended, m);
      // A body that only the end delimits is whole only after an end, not after a reset.
      out.complete = read == plain::Read::kWhole && !(m.to_close && peer_->reset);
      if (read != plain::Read::kWhole) {
        if (peer_->ended && m.head_size > 0) {
          out.answers.push_back(m);
          peer_->in.clear();
        }
        return;
      }
      peer_->in.erase(0, m.size);
      if (m.interim()) {
        out.interims.push_back(m.status);
      } else {
        out.answers.push_back(std::move(m));
      }
    }
  }

  RawPeer& peer() { return *peer_; }
  std::vector<std::string> methods;

 private:
  Mesh& mesh_;
  std::unique_ptr<RawPeer> peer_;
};

void wait(Mesh& mesh, Client& client, const std::string& what, PlayedCase& out) {
  mesh.world().run_until(
      [&] {
        client.read(out);
        if (client.peer().ended) return true;
        if (what == "100") return !out.interims.empty() || !out.answers.empty();
        return !out.answers.empty();
      },
      kPatience);
}

std::vector<std::string> methods_of(const std::string& sent) {
  std::vector<std::string> methods;
  std::string_view rest = sent;
  plain::Message m;
  while (plain::read_request(rest, m) == plain::Read::kWhole) {
    methods.push_back(m.method);
    rest.remove_prefix(m.size);
  }
  if (methods.empty()) methods.push_back(sent.substr(0, sent.find(' ')));
  return methods;
}

}  // namespace

PlayedCase play_case(Mesh& mesh, SocketAddress service, const json& c, Split split) {
  PlayedCase out;
  sim::World& world = mesh.world();
  json script = c["backend_sends"];
  const bool stale = c.contains("backend_setup");
  if (stale) script.insert(script.begin(), script[0]);
  RawBackend backend(world, *mesh.instance("backend").app, kBackendPort, script);
  const json& see = c["backend_must_see"];
  if (see.contains("tunnel_bytes")) backend.expect_tunnel(octets_of(see["tunnel_bytes"]).size());
  if (stale) {
    backend.close_second_request();
    Client first(mesh, service);
    first.send("GET /first HTTP/1.1\r\nHost: weft.test\r\n\r\n", Split::kWhole);
    PlayedCase ignored;
    wait(mesh, first, "response", ignored);
  } else {
    world.run_for(Duration::seconds(2));  // readiness is looked at; kept connections have gone
  }

  Client client(mesh, service);
  std::string sent;
  size_t want = c["client_must_get"].value("responses", size_t{1});
  bool expects_answer = true;
  for (const json& entry : c["client_sends"]) {
    std::string bytes;
    if (entry.is_string()) {
      bytes = octets_of(entry);
    } else if (entry.contains("template")) {
      bytes = expand(octets_of(entry["template"]), entry, c["id"]);
    } else if (entry.contains("wait")) {
      wait(mesh, client, entry["wait"], out);
    } else if (entry.contains("shutdown_write")) {
      client.peer().shutdown_write();
    } else {
      world.run_for(Duration::millis(100));
      client.peer().close(world);
      expects_answer = false;
    }
    sent += bytes;
    if (out.answers.empty()) client.methods = methods_of(sent);
    if (out.answers.empty() && !client.methods.empty() && split == Split::kWhole)
      client.methods = methods_of(sent);
    client.send(bytes, split);
  }
  client.methods = methods_of(sent);
  if (!expects_answer) {
    world.run_for(Duration::seconds(5));
  } else {
    world.run_until(
        [&] {
          client.read(out);
          return client.peer().ended ||
                 (out.answers.size() >= want && out.complete &&
                  (!out.answers.back().tunnel ||
                   out.tunnel.size() >=
                       octets_of(c["client_must_get"].value("tunnel_bytes", "")).size()));
        },
        kPatience);
    world.run_for(Duration::seconds(2));
    client.read(out);
  }
  out.closed = client.peer().ended;
  out.raw = client.peer().all;
  out.reached = backend.reached();
  if (stale) out.reached.erase(out.reached.begin());
  for (const Reached& request : out.reached)
    out.backend_closed.push_back(backend.closed_by_peer(request.connection));
  out.garbage = backend.saw_garbage();
  client.peer().close(world);
  world.run_for(Duration::millis(10));
  return out;
}

}  // namespace weft::scenarios
