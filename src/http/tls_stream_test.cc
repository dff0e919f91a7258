// TLS streams over real loopback sockets: what the transport does to them is the point here; what
// TLS itself does is tested beside trust/tls.h.
#include "http/tls_stream.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <optional>
#include <string>
#include <utility>

#include "io/epoll_loop.h"
#include "io/socket_network.h"
#include "trust/ca.h"

namespace weft::http {
namespace {

constexpr const char* kWeb = "spiffe://td.test/ns/default/sa/web";
constexpr const char* kCart = "spiffe://td.test/ns/default/sa/cart";
constexpr Duration kLimit = Duration::seconds(10);

// Collects what a stream says. Reads only while `reading`.
class Reader final : public io::StreamHandler {
 public:
  void watch(io::Stream& stream) {
    stream_ = &stream;
    stream.set_handler(this);
  }
  void on_readable() override {
    while (reading) {
      const io::ReadOutcome outcome = stream_->read(data, 64 * 1024);
      if (outcome.kind == io::ReadOutcome::kWouldBlock) return;
      if (outcome.kind == io::ReadOutcome::kData) continue;
      end = outcome.kind;
      return;
    }
  }
  void on_writable() override { ++writable_calls; }

  Buffer data;
  bool reading = true;
  int writable_calls = 0;
  std::optional<io::ReadOutcome::Kind> end;

 private:
  io::Stream* stream_ = nullptr;
};

// Passes everything on and counts the writes.
class CountingStream final : public io::Stream {
 public:
  CountingStream(io::StreamPtr inner, int& writes) : inner_(std::move(inner)), writes_(writes) {}
  void set_handler(io::StreamHandler* handler) override { inner_->set_handler(handler); }
  io::ReadOutcome read(Buffer& into, size_t limit) override { return inner_->read(into, limit); }
  bool write(std::string_view bytes) override {
    ++writes_;
    return inner_->write(bytes);
  }
  size_t write_queued() const override { return inner_->write_queued(); }
  void shutdown_write() override { inner_->shutdown_write(); }
  void reset() override { inner_->reset(); }
  const Error* error() const override { return inner_->error(); }
  SocketAddress local() const override { return inner_->local(); }
  SocketAddress peer() const override { return inner_->peer(); }

 private:
  io::StreamPtr inner_;
  int& writes_;
};

class TlsStreamTest : public testing::Test {
 protected:
  using Outcome = std::optional<Result<TlsConnection>>;

  trust::TlsContextPtr server_context(const char* id = kCart) {
    return *trust::make_server_context({.svid = svid(id), .bundle = ca_.bundle(), .alpn = {"h2"}});
  }
  trust::TlsContextPtr client_context(const char* id = kWeb) {
    return *trust::make_client_context({.svid = svid(id), .bundle = ca_.bundle(), .alpn = {"h2"}});
  }
  std::shared_ptr<const trust::Svid> svid(const char* id) {
    return *ca_.issue(*model::SpiffeId::parse(id), loop_.wall_now());
  }

  // Two connected TCP streams.
  std::pair<io::StreamPtr, io::StreamPtr> sockets() {
    io::StreamPtr client, server;
    auto listener = network_.listen(*SocketAddress::parse("127.0.0.1:0"),
                                    [&](io::StreamPtr stream) { server = std::move(stream); });
    EXPECT_TRUE(listener) << listener.error().message();
    scope_.spawn(dial((*listener)->address(), client));
    EXPECT_TRUE(loop_.run_for_test([&] { return client && server; }, kLimit));
    return {std::move(client), std::move(server)};
  }
  io::Task<void> dial(SocketAddress to, io::StreamPtr& into) {
    auto stream = co_await network_.connect(to, kLimit);
    if (stream) into = std::move(*stream);
  }
  io::Task<void> accept(io::StreamPtr transport, trust::TlsContextPtr context, Outcome& into,
                        Duration timeout = kLimit) {
    into = co_await tls_accept(loop_, std::move(transport), std::move(context), timeout);
  }
  io::Task<void> connect(io::StreamPtr transport, trust::TlsContextPtr context, Outcome& into,
                         std::string expected = kCart, Duration timeout = kLimit) {
    into = co_await tls_connect(loop_, std::move(transport), std::move(context), "p80.cart-1.mesh",
                                std::move(expected), timeout);
  }
  bool run_until(const std::function<bool()>& done) { return loop_.run_for_test(done, kLimit); }

  // Both ends after a good handshake, each with its reader.
  void establish() {
    auto [client, server] = sockets();
    counted_ = std::make_unique<CountingStream>(std::move(client), client_writes_);
    scope_.spawn(accept(std::move(server), server_context(), server_));
    scope_.spawn(connect(std::move(counted_), client_context(), client_));
    ASSERT_TRUE(run_until([&] { return client_ && server_; }));
    ASSERT_TRUE(*client_) << client_->error().message();
    ASSERT_TRUE(*server_) << server_->error().message();
    at_client_.watch(*(*client_)->stream);
    at_server_.watch(*(*server_)->stream);
  }
  io::Stream& client() { return *(*client_)->stream; }
  io::Stream& server() { return *(*server_)->stream; }

  io::EpollLoop loop_;
  io::SocketNetwork network_{loop_};
  trust::CertificateAuthority ca_ =
      *trust::CertificateAuthority::create("td.test", loop_.wall_now());
  Reader at_client_, at_server_;
  int client_writes_ = 0;
  io::StreamPtr counted_;
  Outcome client_, server_;
  io::TaskScope scope_;
};

TEST_F(TlsStreamTest, BothEndsKnowWhoIsThere) {
  establish();
  const ConnectionInfo& at_server = (*server_)->info;
  EXPECT_TRUE(at_server.tls);
  EXPECT_EQ(at_server.peer_spiffe_id, kWeb);
  EXPECT_EQ(at_server.server_name, "p80.cart-1.mesh");
  EXPECT_EQ(at_server.alpn, "h2");
  EXPECT_EQ((*client_)->info.peer_spiffe_id, kCart);
  EXPECT_EQ((*client_)->info.peer, at_server.local);
  EXPECT_GT((*client_)->peer_not_after, loop_.wall_now() + Duration::minutes(59));
}

TEST_F(TlsStreamTest, CarriesBytesBothWays) {
  establish();
  client().write("ping");
  server().write("pong");
  ASSERT_TRUE(run_until([&] { return !at_client_.data.empty() && !at_server_.data.empty(); }));
  EXPECT_EQ(at_server_.data.view(), "ping");
  EXPECT_EQ(at_client_.data.view(), "pong");
}

TEST_F(TlsStreamTest, TheWritesOfATurnLeaveTogether) {
  establish();
  ASSERT_TRUE(run_until([&] { return client().write_queued() == 0; }));
  client_writes_ = 0;
  for (int i = 0; i < 1000; ++i) client().write("x");
  ASSERT_TRUE(run_until([&] { return at_server_.data.size() == 1000; }));
  EXPECT_EQ(client_writes_, 1);
}

TEST_F(TlsStreamTest, AReaderThatStopsStopsTheWriter) {
  establish();
  at_server_.reading = false;
  const std::string piece(32 * 1024, 'a');
  size_t written = 0;
  constexpr size_t kTotal = 32 << 20;
  bool room = true;
  // Nobody reads: the kernel's buffers fill, then the writer is told to stop.
  while (room) {
    ASSERT_LT(written, kTotal) << "nothing stopped the writer";
    room = client().write(piece);
    written += piece.size();
    if (room) loop_.run_for_test([] { return false; }, Duration::millis(1));
  }
  EXPECT_LE(client().write_queued(), io::Stream::kHighMark + 64 * 1024);
  EXPECT_EQ(at_client_.writable_calls, 0);
  at_server_.reading = true;
  at_server_.on_readable();
  ASSERT_TRUE(run_until([&] { return at_server_.data.size() == written; }));
  EXPECT_EQ(at_client_.writable_calls, 1);
}

TEST_F(TlsStreamTest, AMegabyteArrivesWhole) {
  establish();
  std::string data;
  for (int i = 0; data.size() < 1 << 20; ++i) data += std::to_string(i);
  client().write(data);
  client().shutdown_write();
  ASSERT_TRUE(run_until([&] { return at_server_.end.has_value(); }));
  EXPECT_EQ(at_server_.end, io::ReadOutcome::kEof);
  EXPECT_EQ(at_server_.data.view(), data);
}

TEST_F(TlsStreamTest, AHalfCloseLeavesTheOtherHalfOpen) {
  establish();
  client().write("request");
  client().shutdown_write();
  ASSERT_TRUE(run_until([&] { return at_server_.end.has_value(); }));
  EXPECT_EQ(at_server_.end, io::ReadOutcome::kEof);
  EXPECT_EQ(at_server_.data.view(), "request");
  EXPECT_FALSE(at_client_.end);
  server().write("response");
  server().shutdown_write();
  ASSERT_TRUE(run_until([&] { return at_client_.end.has_value(); }));
  EXPECT_EQ(at_client_.end, io::ReadOutcome::kEof);
  EXPECT_EQ(at_client_.data.view(), "response");
}

TEST_F(TlsStreamTest, AnEndWithoutCloseNotifyIsAnErrorBehindTheData) {
  establish();
  server().write("half an ans");
  ASSERT_TRUE(run_until([&] { return server().write_queued() == 0; }));
  ::shutdown(server().descriptor(), SHUT_WR);
  ASSERT_TRUE(run_until([&] { return at_client_.end.has_value(); }));
  EXPECT_EQ(at_client_.data.view(), "half an ans");
  EXPECT_EQ(at_client_.end, io::ReadOutcome::kError);
  EXPECT_EQ(client().error()->kind(), ErrorKind::kReset);
}

TEST_F(TlsStreamTest, AResetArrivesAsReset) {
  establish();
  client().reset();
  ASSERT_TRUE(run_until([&] { return at_server_.end.has_value(); }));
  EXPECT_EQ(at_server_.end, io::ReadOutcome::kError);
  EXPECT_EQ(server().error()->kind(), ErrorKind::kReset);
  EXPECT_EQ(client().error()->kind(), ErrorKind::kReset);
}

TEST_F(TlsStreamTest, DestroyingAStreamWithUnsentBytesIsNoOrderlyEnd) {
  establish();
  client().write("never to be seen");
  client_.reset();
  ASSERT_TRUE(run_until([&] { return at_server_.end.has_value(); }));
  EXPECT_EQ(at_server_.end, io::ReadOutcome::kError);
  EXPECT_TRUE(at_server_.data.empty());
}

TEST_F(TlsStreamTest, AGracefulCloseLetsTheQueueOut) {
  establish();
  client().write(std::string(1 << 20, 'z'));
  io::close_gracefully(loop_, std::move((*client_)->stream));
  ASSERT_TRUE(run_until([&] { return at_server_.end.has_value(); }));
  EXPECT_EQ(at_server_.end, io::ReadOutcome::kEof);
  EXPECT_EQ(at_server_.data.size(), size_t{1} << 20);
}

TEST_F(TlsStreamTest, ANewHandlerHearsOfWhatWaits) {
  establish();
  client().set_handler(nullptr);
  server().write("while you were away");
  loop_.run_for_test([] { return false; }, Duration::millis(20));
  EXPECT_TRUE(at_client_.data.empty());
  Reader second;
  second.watch(client());
  ASSERT_TRUE(run_until([&] { return !second.data.empty(); }));
  EXPECT_EQ(second.data.view(), "while you were away");
  client().set_handler(nullptr);
}

TEST_F(TlsStreamTest, AHandlerMayDestroyTheStream) {
  establish();
  struct Destroyer final : io::StreamHandler {
    explicit Destroyer(Outcome& victim) : victim(victim) {}
    void on_readable() override { victim.reset(); }
    void on_writable() override {}
    Outcome& victim;
  } destroyer(client_);
  server().write("x");
  client().set_handler(&destroyer);
  ASSERT_TRUE(run_until([&] { return !client_.has_value(); }));
}

TEST_F(TlsStreamTest, AWrongIdentityEndsInAnErrorOnBothSides) {
  auto [client, server] = sockets();
  scope_.spawn(accept(std::move(server), server_context(), server_));
  scope_.spawn(connect(std::move(client), client_context(), client_,
                       "spiffe://td.test/ns/default/sa/catalog"));
  ASSERT_TRUE(run_until([&] { return client_ && server_; }));
  ASSERT_FALSE(*client_);
  EXPECT_EQ(client_->error().kind(), ErrorKind::kUnauthenticated);
  EXPECT_EQ(client_->error().source(), ErrorSource::kUpstream);
  EXPECT_EQ(client_->error().retry(), Retry::kYes);
  ASSERT_FALSE(*server_);  // told by the alert
  EXPECT_EQ(server_->error().kind(), ErrorKind::kUnauthenticated);
}

TEST_F(TlsStreamTest, AClientThatIsRefusedReadsAnErrorThatIsSafeToRetry) {
  trust::CertificateAuthority stranger =
      *trust::CertificateAuthority::create("td.test", loop_.wall_now());
  const auto context = *trust::make_client_context(
      {.svid = *stranger.issue(*model::SpiffeId::parse(kWeb), loop_.wall_now()),
       .bundle = ca_.bundle(),
       .alpn = {"h2"}});
  auto [client, server] = sockets();
  scope_.spawn(accept(std::move(server), server_context(), server_));
  scope_.spawn(connect(std::move(client), context, client_));
  ASSERT_TRUE(run_until([&] { return client_ && server_; }));
  EXPECT_FALSE(*server_);
  ASSERT_TRUE(*client_);  // a TLS 1.3 client is done before the server has judged it
  at_client_.watch(this->client());
  ASSERT_TRUE(run_until([&] { return at_client_.end.has_value(); }));
  EXPECT_EQ(at_client_.end, io::ReadOutcome::kError);
  EXPECT_EQ(this->client().error()->kind(), ErrorKind::kUnauthenticated);
  EXPECT_EQ(this->client().error()->retry(), Retry::kYes);
}

TEST_F(TlsStreamTest, ASilentPeerRunsIntoTheTimeout) {
  auto [client, server] = sockets();
  scope_.spawn(accept(std::move(server), server_context(), server_, Duration::millis(30)));
  ASSERT_TRUE(run_until([&] { return server_.has_value(); }));
  ASSERT_FALSE(*server_);
  EXPECT_EQ(server_->error().kind(), ErrorKind::kTimeout);
  EXPECT_EQ(server_->error().source(), ErrorSource::kDownstream);
}

TEST_F(TlsStreamTest, APeerThatHangsUpDuringTheHandshakeTookNothing) {
  auto [client, server] = sockets();
  scope_.spawn(connect(std::move(client), client_context(), client_));
  server.reset();
  ASSERT_TRUE(run_until([&] { return client_.has_value(); }));
  ASSERT_FALSE(*client_);
  EXPECT_EQ(client_->error().kind(), ErrorKind::kReset);
  EXPECT_EQ(client_->error().retry(), Retry::kYes);
}

TEST_F(TlsStreamTest, PlaintextOnATlsPortIsRefused) {
  auto [client, server] = sockets();
  scope_.spawn(accept(std::move(server), server_context(), server_));
  client->write("GET / HTTP/1.1\r\nHost: cart\r\n\r\n");
  ASSERT_TRUE(run_until([&] { return server_.has_value(); }));
  ASSERT_FALSE(*server_);
  EXPECT_EQ(server_->error().kind(), ErrorKind::kProtocol);
}

TEST_F(TlsStreamTest, AHandshakeCanBeCancelled) {
  auto [client, server] = sockets();
  scope_.spawn(accept(std::move(server), server_context(), server_));
  client->write("\x16");
  loop_.run_for_test([] { return false; }, Duration::millis(5));
  scope_.cancel_all();
  Reader reader;
  reader.watch(*client);
  ASSERT_TRUE(run_until([&] { return reader.end.has_value(); }));
  EXPECT_FALSE(server_);
}

}  // namespace
}  // namespace weft::http
