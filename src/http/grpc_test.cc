// Calls between our two ends over HTTP/2, and the framing on its own.
#include "http/grpc.h"

#include <gtest/gtest.h>

#include "http/grpc_status.h"
#include "http/test_support.h"

namespace weft::http {
namespace {

using testing::kPatience;
using testing::run;

io::Task<void> serve_call(ServerStreamPtr stream) {
  if (stream->request().target == "/t.T/Hang") co_return co_await stream->wait_gone();
  GrpcServerCall call(std::move(stream));
  const std::string path(call.path());
  if (path == "/t.T/Echo") {  // every message comes back
    for (;;) {
      auto message = co_await call.read();
      if (!message)
        co_return call.finish(grpc_status_of(message.error()), message.error().message());
      if (!*message) break;
      if (!co_await call.write(std::move(**message))) co_return;
    }
    call.finish(GrpcStatus::kOk);
  } else if (path == "/t.T/Fail") {  // trailers-only
    call.finish(GrpcStatus::kNotFound, "no \"cart\" – 100%");
  } else if (path == "/t.T/FailLate") {
    (void)co_await call.write("one");
    call.finish(GrpcStatus::kPermissionDenied, "no");
  }  // else: 500 without gRPC
}

class GrpcTest : public ::testing::Test {
 protected:
  GrpcTest() {
    auto [near, far] = testing::stream_pair(loop);
    client = connect_http(loop, std::move(near), ClientProtocol::kHttp2, {}, {}, [] {});
    server = serve(loop, std::move(far), ServerProtocol::kHttp2, {}, {}, serve_call, [] {});
  }
  Result<std::string> unary(std::string path, std::string request, Duration timeout = kPatience) {
    auto done =
        run(loop, grpc_unary(loop, *client, std::move(path), "t", std::move(request), timeout));
    WEFT_ASSERT(done.has_value());
    return std::move(*done);
  }

  io::EpollLoop loop;
  std::unique_ptr<ClientConnection> client;
  std::unique_ptr<ServerConnection> server;
};

TEST_F(GrpcTest, CarriesUnaryCallsOfAnySize) {
  for (size_t size : {0u, 1u, 70'000u, 3'000'000u}) {
    const auto answer = unary("/t.T/Echo", testing::big_body(size));
    ASSERT_TRUE(answer) << size;
    EXPECT_EQ(answer->size(), size);
  }
  EXPECT_EQ(client->open_exchanges(), 0u);
}

TEST_F(GrpcTest, CarriesStreamsBothWays) {
  auto call = GrpcCall::open(*client, "/t.T/Echo", "t");
  ASSERT_TRUE(call);
  for (int i = 0; i < 100; ++i) {
    const std::string message = std::to_string(i);
    ASSERT_TRUE(*run(loop, (*call)->write(message)));
    auto answer = run(loop, (*call)->read());
    ASSERT_TRUE(answer && *answer && **answer);
    EXPECT_EQ(***answer, message);
  }
  (*call)->writes_done();
  auto end = run(loop, (*call)->read());
  ASSERT_TRUE(end && *end);
  EXPECT_FALSE(**end);
}

TEST_F(GrpcTest, TellsHowACallFailed) {
  const auto early = unary("/t.T/Fail", "x");
  ASSERT_FALSE(early);
  EXPECT_EQ(early.error().kind(), ErrorKind::kNotFound);
  EXPECT_NE(early.error().message().find("no \"cart\" – 100%"), std::string::npos)
      << early.error().message();
  const auto late = unary("/t.T/FailLate", "x");
  ASSERT_FALSE(late);
  EXPECT_EQ(late.error().kind(), ErrorKind::kDenied);
  const auto other = unary("/t.T/None", "x");
  ASSERT_FALSE(other);
}

TEST_F(GrpcTest, GivesUpInTimeAndGivesTheStreamBack) {
  const auto hung = unary("/t.T/Hang", "x", Duration::millis(30));
  ASSERT_FALSE(hung);
  EXPECT_EQ(hung.error().kind(), ErrorKind::kTimeout);
  EXPECT_EQ(client->open_exchanges(), 0u);
  EXPECT_TRUE(loop.run_for_test([&] { return server->open_exchanges() == 0; }, kPatience));
}

TEST_F(GrpcTest, FailsWhatIsOpenWhenTheConnectionIsLost) {
  auto call = GrpcCall::open(*client, "/t.T/Echo", "t");
  ASSERT_TRUE(call);
  ASSERT_TRUE(*run(loop, (*call)->write("x")));
  ASSERT_TRUE(*run(loop, (*call)->read()));
  server.reset();
  auto lost = run(loop, (*call)->read());
  ASSERT_TRUE(lost);
  EXPECT_FALSE(*lost);
}

TEST(GrpcFrame, ReadsMessagesHoweverTheyAreCut) {
  const std::string bytes =
      grpc_frame("hello") + grpc_frame("") + grpc_frame(std::string(300, 'x'));
  EXPECT_EQ(bytes.substr(0, 10), std::string("\0\0\0\0\5hello", 10));
  GrpcFrameReader reader;
  std::vector<size_t> sizes;
  for (char c : bytes) {
    reader.receive(std::string_view(&c, 1));
    auto message = reader.next();
    ASSERT_TRUE(message);
    if (*message) sizes.push_back((*message)->size());
  }
  EXPECT_EQ(sizes, (std::vector<size_t>{5, 0, 300}));
  EXPECT_TRUE(reader.idle());
}

TEST(GrpcFrame, RefusesWhatItMayNotTake) {
  GrpcFrameReader large;
  large.receive(grpc_frame("hello"));
  EXPECT_EQ(large.next(4).error().kind(), ErrorKind::kLimit);
  GrpcFrameReader compressed;
  compressed.receive(std::string_view("\1\0\0\0\0", 5));
  EXPECT_FALSE(compressed.next());
}

TEST(GrpcStatus, FollowsTheMappingTables) {
  EXPECT_EQ(grpc_status_of_http(401), GrpcStatus::kUnauthenticated);
  EXPECT_EQ(grpc_status_of_http(404), GrpcStatus::kUnimplemented);
  EXPECT_EQ(grpc_status_of_http(503), GrpcStatus::kUnavailable);
  EXPECT_EQ(grpc_status_of_http(418), GrpcStatus::kUnknown);
  EXPECT_EQ(http_status_of_grpc(GrpcStatus::kNotFound), 404);
  EXPECT_EQ(http_status_of_grpc(GrpcStatus::kUnavailable), 503);
  EXPECT_EQ(http_status_of_grpc(GrpcStatus::kDataLoss), 500);
  EXPECT_EQ(grpc_status_of(Error(ErrorKind::kTimeout, "x")), GrpcStatus::kDeadlineExceeded);
}

TEST(GrpcTimeout, IsSaidInTheFinestUnitThatFits) {
  EXPECT_EQ(format_grpc_timeout(Duration::nanos(7)), "7n");
  EXPECT_EQ(format_grpc_timeout(Duration::nanos(99'999'999)), "99999999n");
  EXPECT_EQ(format_grpc_timeout(Duration::millis(700)), "700000u");
  EXPECT_EQ(format_grpc_timeout(Duration::seconds(20)), "20000000u");
  EXPECT_EQ(format_grpc_timeout(Duration::seconds(101)), "101000m");
  EXPECT_EQ(format_grpc_timeout(Duration::hours(100)), "360000S");
  EXPECT_EQ(format_grpc_timeout(Duration::hours(100'000)), "6000000M");
  EXPECT_EQ(format_grpc_timeout(Duration::hours(2'000'000)), "2000000H");
  EXPECT_EQ(format_grpc_timeout(Duration::seconds(-1)), "0n");
}

TEST(GrpcStatus, ATimeoutIsDigitsAndAUnit) {
  EXPECT_EQ(parse_grpc_timeout("700m"), Duration::millis(700));
  EXPECT_EQ(parse_grpc_timeout("99999999S"), Duration::seconds(99'999'999));
  EXPECT_EQ(parse_grpc_timeout("2H"), Duration::hours(2));
  EXPECT_EQ(parse_grpc_timeout("3M"), Duration::minutes(3));
  EXPECT_EQ(parse_grpc_timeout("4u"), Duration::micros(4));
  EXPECT_EQ(parse_grpc_timeout("0n"), Duration{});
  for (const char* bad : {"", "5", "S", "123456789S", "-1S", "1.5S", "1 S", "1s", "99999999H"}) {
    EXPECT_FALSE(parse_grpc_timeout(bad)) << bad;
  }
}

TEST(Respond, ReadAllAsksForTheBodyAndBoundsIt) {
  io::EpollLoop loop;
  auto [ours, theirs] = testing::stream_pair(loop);
  testing::RawPeer peer(loop, std::move(theirs));
  std::vector<std::string> bodies;
  auto server = serve(
      loop, std::move(ours), ServerProtocol::kHttp1, {}, {},
      [&bodies](ServerStreamPtr stream) -> io::Task<void> {
        auto body = co_await read_all(*stream, 5);
        bodies.push_back(body ? *body : "error");
        (void)co_await respond(*stream, body ? 200 : 413, "", "");
      },
      [] {});
  peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
  ASSERT_TRUE(peer.wait_for("HTTP/1.1 100 Continue\r\n\r\n"));
  peer.send("hello");
  ASSERT_TRUE(peer.wait_for("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
  peer.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\n\r\nhello!");
  ASSERT_TRUE(peer.wait_for("HTTP/1.1 413 "));
  EXPECT_EQ(bodies, (std::vector<std::string>{"hello", "error"}));
}

}  // namespace
}  // namespace weft::http
