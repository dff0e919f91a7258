// Plaintext is gathered during a turn and encrypted at its end, so many small writes make one
// record and one send. Reading pulls: ciphertext is taken from the transport only when somebody
// asks for plaintext, which hands backpressure through to the peer. An end of the transport without
// the peer's close_notify is an error, never an end of stream (RFC 8446, section 6.1: truncation).
#include "http/tls_stream.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "io/event.h"

namespace weft::http {
namespace {

// Four full records: no reason to gather more.
constexpr size_t kEncryptNow = 64 * 1024;

// While nothing comes the beginning of a record keeps no more memory than it needs.
void shrink(Buffer& buffer) {
  if (!buffer.empty()) buffer = buffer.clone();
  buffer.release_if_empty();
}

class TlsStream final : public io::Stream, public io::StreamHandler {
 public:
  // An established session; bytes it has decrypted already are the first to be read. `ciphertext`: what
  // it has left of the transport's.
  TlsStream(io::Loop& loop, io::StreamPtr transport, std::unique_ptr<trust::TlsSession> session,
            Buffer ciphertext)
      : loop_(loop),
        transport_(std::move(transport)),
        session_(std::move(session)),
        ciphertext_(std::move(ciphertext)) {
    transport_->set_handler(this);
    loop_.at_end_of_turn(flush_);
  }
  ~TlsStream() override {
    // What is queued is lost, and the peer must not take what it has for all.
    if (!unsent_.empty()) transport_->reset();
  }

  void set_handler(io::StreamHandler* handler) override {
    handler_ = handler;
    if (handler_ != nullptr && readable_) loop_.ready(tell_);
  }
  io::ReadOutcome read(Buffer& into, size_t limit) override;
  bool write(std::string_view bytes) override {
    if (error() != nullptr || shutdown_wanted_) return true;
    unsent_.append(bytes);
    return after_write();
  }
  bool write(Buffer&& bytes) override {
    if (error() != nullptr || shutdown_wanted_) {
      bytes.clear();
      return true;
    }
    unsent_.append(std::move(bytes));
    return after_write();
  }
  size_t write_queued() const override {
    // A close_notify that has not left yet counts: without it the peer sees a truncation.
    const size_t close = shutdown_wanted_ && !shutdown_sent_ && error() == nullptr ? 1 : 0;
    return unsent_.size() + session_->output().size() + close + transport_->write_queued();
  }
  void shutdown_write() override {
    shutdown_wanted_ = true;
    loop_.at_end_of_turn(flush_);
  }
  void reset() override;
  const Error* error() const override { return error_ ? &*error_ : transport_->error(); }
  SocketAddress local() const override { return transport_->local(); }
  SocketAddress peer() const override { return transport_->peer(); }
  int descriptor() const override { return transport_->descriptor(); }

 private:
  struct Flush final : io::Runnable {
    explicit Flush(TlsStream& stream) : stream(stream) {}
    void run() override { stream.flush(); }
    TlsStream& stream;
  };
  struct Tell final : io::Runnable {
    explicit Tell(TlsStream& stream) : stream(stream) {}
    void run() override { stream.tell_readable(); }
    TlsStream& stream;
  };

  void on_readable() override {
    readable_ = true;
    tell_readable();
  }
  void on_writable() override { tell_writable(); }
  void tell_readable() {
    if (handler_ != nullptr) handler_->on_readable();
  }
  void tell_writable() {
    if (std::exchange(writer_waits_, false) && handler_ != nullptr) handler_->on_writable();
  }
  bool after_write();
  bool push();
  void flush();
  void failed(Error error);
  std::optional<io::ReadOutcome> decrypted(Buffer& into, size_t limit);
  std::optional<io::ReadOutcome> pull(size_t limit);

  io::Loop& loop_;
  io::StreamPtr transport_;
  std::unique_ptr<trust::TlsSession> session_;
  io::StreamHandler* handler_ = nullptr;
  Buffer unsent_;      // plaintext of this turn
  Buffer ciphertext_;  // between reads: the beginning of a record
  std::optional<Error> error_;
  Flush flush_{*this};
  Tell tell_{*this};
  bool readable_ = true;  // something may wait here or in the transport
  bool writer_waits_ = false;
  bool shutdown_wanted_ = false;
  bool shutdown_sent_ = false;
};

io::ReadOutcome TlsStream::read(Buffer& into, size_t limit) {
  while (true) {
    if (auto outcome = decrypted(into, limit)) return *outcome;
    if (error_) return {io::ReadOutcome::kError};
    if (session_->peer_closed()) return {io::ReadOutcome::kEof};
    if (auto outcome = pull(limit)) return *outcome;
  }
}

std::optional<io::ReadOutcome> TlsStream::decrypted(Buffer& into, size_t limit) {
  Buffer& plaintext = session_->plaintext();
  if (plaintext.empty()) return std::nullopt;
  const size_t size = std::min(limit, plaintext.size());
  if (size == plaintext.size()) {
    into.append(std::exchange(plaintext, Buffer()));
  } else {
    into.append(plaintext.view().substr(0, size));
    plaintext.consume(size);
  }
  return io::ReadOutcome{io::ReadOutcome::kData, size};
}

// One read of the transport. Nothing when there may be plaintext, an end or an error to report now.
std::optional<io::ReadOutcome> TlsStream::pull(size_t limit) {
  const io::ReadOutcome outcome = transport_->read(ciphertext_, limit);
  switch (outcome.kind) {
    case io::ReadOutcome::kWouldBlock:
      readable_ = false;
      shrink(ciphertext_);
      return outcome;
    case io::ReadOutcome::kEof:
      failed(Error(ErrorKind::kReset, "the connection to " + peer().to_string() +
                                          " ended without a TLS close: data may be missing"));
      return std::nullopt;
    case io::ReadOutcome::kError: failed(*transport_->error()); return std::nullopt;
    case io::ReadOutcome::kData: break;
  }
  auto received = session_->receive(ciphertext_);
  if (!session_->output().empty()) loop_.at_end_of_turn(flush_);
  if (!received) failed(std::move(received.error()));
  return std::nullopt;
}

void TlsStream::failed(Error error) {
  error_ = std::move(error);
  unsent_.clear();
  loop_.at_end_of_turn(flush_);  // for the alert, and for a writer that waits
}

bool TlsStream::after_write() {
  if (unsent_.size() >= kEncryptNow) push();
  loop_.at_end_of_turn(flush_);
  if (write_queued() <= kHighMark) return true;
  writer_waits_ = true;
  return false;
}

// Encrypts what was written and hands the records on; false when the transport has no room for more.
bool TlsStream::push() {
  if (!unsent_.empty()) {
    auto sent = session_->send(unsent_.view());
    unsent_.clear();
    unsent_.release_if_empty();
    if (!sent && !error_) error_ = std::move(sent.error());
  }
  if (shutdown_wanted_) session_->close();
  bool room = true;
  if (!session_->output().empty()) room = transport_->write(std::move(session_->output()));
  session_->output().clear();
  return room;
}

void TlsStream::flush() {
  const bool room = push();
  if (shutdown_wanted_ && !std::exchange(shutdown_sent_, true)) transport_->shutdown_write();
  // When the transport has room it will not call on_writable(): it drained while bytes waited here.
  if (room) tell_writable();
}

void TlsStream::reset() {
  if (!error_) {
    error_ = Error(ErrorKind::kReset, "connection to " + peer().to_string() + " was reset by us");
  }
  unsent_.clear();
  session_->output().clear();
  flush_.unlink();
  readable_ = true;
  transport_->reset();
}

// Hears of the transport during the handshake.
class Progress final : public io::StreamHandler {
 public:
  explicit Progress(io::Loop& loop) : event(loop) {}
  void on_readable() override { event.set(); }
  void on_writable() override {}
  io::Event event;
};

struct Handshake {
  std::unique_ptr<trust::TlsSession> session;
  trust::TlsContextPtr context;
  bool server;
  Buffer ciphertext{};

  // A client's failed handshake took nothing of a request with it.
  Error blame(Error error) const {
    return server ? std::move(error).with_source(ErrorSource::kDownstream)
                  : std::move(error).with_source(ErrorSource::kUpstream).with_retry(Retry::kYes);
  }
  // Feeds the session all that the transport has.
  Result<void> advance(io::Stream& transport);
  // Time has passed since the session judged the certificates.
  Result<void> check_times(WallTime now) const;
  http::ConnectionInfo info(const io::Stream& transport) const;
};

Result<void> Handshake::advance(io::Stream& transport) {
  if (auto started = session->start(); !started) return started;
  while (!session->established()) {
    switch (transport.read(ciphertext).kind) {
      case io::ReadOutcome::kWouldBlock: return {};
      case io::ReadOutcome::kEof:
        return std::unexpected(
            blame(Error(ErrorKind::kReset, "the peer closed the connection during it")));
      case io::ReadOutcome::kError: return std::unexpected(blame(*transport.error()));
      case io::ReadOutcome::kData: break;
    }
    if (auto received = session->receive(ciphertext); !received) return received;
  }
  return {};
}

Result<void> Handshake::check_times(WallTime now) const {
  if (now >= trust::expires_at(*context)) {
    return fail(ErrorKind::kUnavailable, "our own certificate has expired");
  }
  if (now >= session->peer().not_after) {
    return std::unexpected(
        blame(Error(ErrorKind::kUnauthenticated, "the peer's certificate has expired")));
  }
  return {};
}

http::ConnectionInfo Handshake::info(const io::Stream& transport) const {
  return {.peer = transport.peer(),
          .local = transport.local(),
          .tls = true,
          .peer_spiffe_id = session->peer().spiffe_id,
          .client_certificate = session->peer().certificate,
          .server_name = session->server_name(),
          .alpn = session->alpn()};
}

io::Task<Result<TlsConnection>> shake_hands(io::Loop& loop, io::StreamPtr given,
                                            Handshake handshake, Duration timeout) {
  Progress progress(loop);
  io::StreamPtr transport = std::move(given);  // dies before its handler
  transport->set_handler(&progress);
  const Instant deadline = loop.now() + timeout;
  while (true) {
    progress.event.reset();
    Result<void> done = handshake.advance(*transport);
    if (done && handshake.session->established()) done = handshake.check_times(loop.wall_now());
    if (!handshake.session->output().empty()) {
      transport->write(std::move(handshake.session->output()));
      handshake.session->output().clear();
    }
    if (done && handshake.session->established()) break;
    if (done) {
      const Duration left = deadline - loop.now();
      if (left > Duration{} && co_await progress.event.wait_for(left)) continue;
      done = std::unexpected(handshake.blame(Error(ErrorKind::kTimeout, "the peer was too slow")));
    }
    Error error = std::move(done.error()).context("TLS with " + transport->peer().to_string());
    transport->set_handler(nullptr);
    io::close_gracefully(loop, std::move(transport));  // so that the alert arrives
    co_return std::unexpected(std::move(error));
  }
  TlsConnection connection{.info = handshake.info(*transport),
                           .peer_not_after = handshake.session->peer().not_after,
                           .resumed = handshake.session->resumed()};
  transport->set_handler(nullptr);
  connection.stream = std::make_unique<TlsStream>(
      loop, std::move(transport), std::move(handshake.session), std::move(handshake.ciphertext));
  co_return connection;
}

}  // namespace

io::Task<Result<TlsConnection>> tls_accept(io::Loop& loop, io::StreamPtr transport,
                                           trust::TlsContextPtr context, Duration timeout) {
  auto session = trust::make_server_session(context, loop.wall_now());
  return shake_hands(loop, std::move(transport),
                     {std::move(session), std::move(context), /*server=*/true}, timeout);
}

io::Task<Result<TlsConnection>> tls_connect(io::Loop& loop, io::StreamPtr transport,
                                            trust::TlsContextPtr context, std::string server_name,
                                            std::string expected_peer, Duration timeout) {
  auto session = trust::make_client_session(context, server_name, expected_peer, loop.wall_now());
  return shake_hands(loop, std::move(transport),
                     {std::move(session), std::move(context), /*server=*/false}, timeout);
}

}  // namespace weft::http
