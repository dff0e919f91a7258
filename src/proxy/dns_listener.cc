// Replies may come long after the question: they hold their socket weakly, so that a closed connection or
// listener simply loses its answers.
#include "proxy/dns_listener.h"

#include "io/event.h"
#include "io/socket_network.h"
#include "proxy/replay_stream.h"

namespace weft::proxy {

// One TCP connection of the app's resolver: questions one after another (RFC 7766 allows many).
class DnsListener::Connection final : public io::StreamHandler,
                                      public std::enable_shared_from_this<Connection> {
 public:
  Connection(DnsListener& owner, io::StreamPtr stream) : owner_(owner), stream_(std::move(stream)) {
    stream_->set_handler(this);
  }
  ~Connection() override { stream_->set_handler(nullptr); }

  void on_readable() override {
    while (true) {
      io::ReadOutcome outcome = stream_->read(in_);
      if (outcome.kind == io::ReadOutcome::kWouldBlock) break;
      if (outcome.kind != io::ReadOutcome::kData) return close();
    }
    while (auto query = wire::take_dns_frame(in_)) {
      owner_.server_.ask(
          std::move(*query), true,
          [self = weak_from_this(), asked = owner_.asked_](const std::string& message) {
            if (auto connection = self.lock()) connection->send(message);
          });
    }
  }
  void on_writable() override {}

 private:
  void send(const std::string& message) {
    if (message.empty()) return;
    Buffer out;
    wire::append_dns_frame(out, message);
    stream_->write(std::move(out));
  }
  void close() {
    // The owner's list is changed outside this call.
    owner_.loop_.post(
        [&owner = owner_, self = shared_from_this()] { owner.connections_.remove(self); });
    stream_->set_handler(nullptr);
  }

  DnsListener& owner_;
  io::StreamPtr stream_;
  Buffer in_;
};

DnsListener::DnsListener(io::EpollLoop& loop, DnsServer& server) : loop_(loop), server_(server) {}
DnsListener::~DnsListener() = default;

void DnsListener::adopt_udp(int fd) {
  size_t index = udp_.size();
  udp_.push_back(io::UdpSocket::adopt(
      loop_, fd, [this, index](std::string_view bytes, const SocketAddress& from) {
        server_.ask(std::string(bytes), false,
                    [socket = std::weak_ptr(udp_[index]), from,
                     asked = asked_](const std::string& message) {
                      auto open = socket.lock();
                      if (open && !message.empty()) open->send_to(message, from);
                    });
      }));
}

void DnsListener::adopt_tcp(int fd) {
  tcp_.push_back(io::adopt_listener(loop_, fd, [this](io::StreamPtr stream) {
    connections_.push_back(std::make_shared<Connection>(*this, std::move(stream)));
  }));
}

void DnsListener::stop() {
  tcp_.clear();
  for (const auto& socket : udp_) socket->stop_receiving();
}

struct DnsForwarder::Pending {
  std::string query;  // as it came
  std::string sent;   // under our id
  DnsServer::Reply reply;
  size_t tries = 0;
  std::unique_ptr<io::UdpSocket> socket;
  std::unique_ptr<io::Timer> timer;
};

DnsForwarder::DnsForwarder(io::EpollLoop& loop, io::Network& network, Random& random,
                           std::vector<SocketAddress> nameservers)
    : loop_(loop), network_(network), random_(random), nameservers_(std::move(nameservers)) {}
DnsForwarder::~DnsForwarder() = default;

void DnsForwarder::forward(std::string query, bool tcp, DnsServer::Reply reply) {
  if (nameservers_.empty() || pending_.size() >= kMostInFlight) return reply("");
  if (tcp) return tasks_.spawn(over_tcp(std::move(query), std::move(reply)));
  uint64_t id = next_++;
  auto pending = std::make_unique<Pending>();
  pending->query = std::move(query);
  pending->reply = std::move(reply);
  pending->timer = std::make_unique<io::Timer>(loop_, [this, id] { send_udp(id); });
  pending_[id] = std::move(pending);
  send_udp(id);
}

// Each resolver in turn, twice around.
void DnsForwarder::send_udp(uint64_t id) {
  Pending& pending = *pending_.at(id);
  while (pending.tries < nameservers_.size() * 2) {
    const SocketAddress& server = nameservers_[pending.tries++ % nameservers_.size()];
    SocketAddress any{server.ip.is_v4() ? IpAddress() : IpAddress::v6({}), 0};
    auto socket = io::UdpSocket::bind(
        loop_, any, [this, id](std::string_view message, const SocketAddress& from) {
          received(id, message, from);
        });
    if (!socket) continue;
    pending.sent = pending.query;
    wire::set_dns_id(pending.sent, static_cast<uint16_t>(random_.next()));
    pending.socket = std::move(*socket);
    if (!pending.socket->send_to(pending.sent, server)) continue;
    pending.timer->arm(kTry);
    return;
  }
  finish(id, "");
}

void DnsForwarder::received(uint64_t id, std::string_view message, const SocketAddress& from) {
  Pending& pending = *pending_.at(id);
  const SocketAddress& server = nameservers_[(pending.tries - 1) % nameservers_.size()];
  if (from != server || !wire::dns_answers(message, pending.sent)) return;
  std::string answer(message);
  wire::set_dns_id(answer, wire::dns_id(pending.query));
  finish(id, std::move(answer));
}

void DnsForwarder::finish(uint64_t id, std::string message) {
  auto node = pending_.extract(id);
  DnsServer::Reply reply = std::move(node.mapped()->reply);
  // We may be inside a callback of its socket or timer.
  loop_.post([ended = std::move(node.mapped())] {});
  reply(std::move(message));
}

io::Task<void> DnsForwarder::over_tcp(std::string query, DnsServer::Reply reply) {
  std::string answer;
  for (size_t i = 0; i < nameservers_.size() && answer.empty(); ++i) {
    answer = co_await exchange_tcp(nameservers_[i], query);
  }
  reply(std::move(answer));
}

io::Task<std::string> DnsForwarder::exchange_tcp(SocketAddress server, std::string query) {
  auto stream = co_await network_.connect(server, kTry);
  if (!stream) co_return "";
  Buffer out;
  wire::append_dns_frame(out, query);
  (*stream)->write(std::move(out));

  io::Event arrived(loop_);
  Buffer in;
  Instant until = loop_.now() + kTry;
  Look look(**stream, arrived);
  while (!look.ended()) {
    arrived.reset();
    in.append(look.take());
    if (auto message = wire::take_dns_frame(in)) {
      if (wire::dns_answers(*message, query)) co_return std::move(*message);
      break;
    }
    Duration left = until - loop_.now();
    if (left.ns <= 0 || !co_await arrived.wait_for(left)) break;
  }
  co_return "";
}

}  // namespace weft::proxy
