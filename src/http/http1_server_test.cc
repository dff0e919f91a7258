// HTTP/1.x serving against a raw peer: what goes over the wire is written out by hand (RFC 9112).
#include <gtest/gtest.h>

#include "http/test_support.h"

namespace weft::http {
namespace {

using testing::kPatience;
using testing::RawPeer;
using testing::Seen;

class Http1ServerTest : public ::testing::Test {
 protected:
  Http1ServerTest() {
    auto [ours, theirs] = testing::stream_pair(loop);
    peer.emplace(loop, std::move(theirs));
    server_stream = std::move(ours);
  }

  void start(ServerProtocol protocol = ServerProtocol::kHttp1) {
    server = serve(
        loop, std::move(server_stream), protocol, {}, limits,
        [this](ServerStreamPtr stream) { return testing::answer(std::move(stream), seen); },
        [this] {
          closed = true;
          server.reset();
        });
  }

  std::string converse(std::string_view request) {
    if (!server) start();
    peer->send(request);
    EXPECT_TRUE(peer->wait_end()) << peer->received;
    return peer->received;
  }

  io::EpollLoop loop;
  ServerLimits limits;
  Seen seen;
  io::StreamPtr server_stream;
  std::optional<RawPeer> peer;
  std::unique_ptr<ServerConnection> server;
  bool closed = false;
};

TEST_F(Http1ServerTest, AnswersAndKeepsTheConnection) {
  start();
  const std::string request = "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n";
  const std::string answer =
      "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nContent-Length: 5\r\n\r\nhello";
  peer->send(request);
  ASSERT_TRUE(peer->wait_for("hello"));
  EXPECT_EQ(peer->received, answer);
  peer->received.clear();
  peer->send(request);
  ASSERT_TRUE(peer->wait_for("hello"));
  EXPECT_EQ(peer->received, answer);
  EXPECT_FALSE(closed);
}

TEST_F(Http1ServerTest, AnswersPipelinedRequestsInOrderAndClosesWhenAsked) {
  const std::string received = converse(
      "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
      "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
      "GET /nothing HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
      "GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(received,
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
            "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
            "HTTP/1.1 404 Not Found\r\nConnection: close\r\ncontent-type: text/plain\r\n"
            "Content-Length: 12\r\n\r\nno such path");
  EXPECT_EQ(seen.requests, 3);
}

TEST_F(Http1ServerTest, TakesOneOctetAtATime) {
  start();
  peer->send_slowly(
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
      "3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Sum: 7\r\n\r\n");
  ASSERT_TRUE(peer->wait_for("X-Sum: 7\r\n\r\n"));
  EXPECT_EQ(peer->received,
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            "1\r\na\r\n1\r\nb\r\n1\r\nc\r\n1\r\nd\r\n1\r\ne\r\n0\r\nX-Sum: 7\r\n\r\n");
}

TEST_F(Http1ServerTest, AnswersHeadWithoutABody) {
  const std::string received = converse(
      "HEAD /hello HTTP/1.1\r\nHost: a\r\n\r\nHEAD /hello HTTP/1.1\r\nHost: a\r\nConnection: "
      "close\r\n\r\n");
  EXPECT_EQ(received,
            "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\nContent-Length: 5\r\n\r\n"
            "HTTP/1.1 200 OK\r\nConnection: close\r\ncontent-type: text/plain\r\nContent-Length: "
            "5\r\n\r\n");
}

TEST_F(Http1ServerTest, ClosesAfterAnHttp10RequestAndSendsItNoChunksAndNoInterims) {
  EXPECT_EQ(converse("GET /trailers HTTP/1.0\r\n\r\n"), "HTTP/1.0 200 OK\r\n\r\nx");
}

TEST_F(Http1ServerTest, SendsInterimsBeforeTheAnswer) {
  const std::string received =
      converse("GET /early HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  EXPECT_TRUE(
      received.starts_with("HTTP/1.1 103 Early Hints\r\nlink: </a.css>\r\n\r\nHTTP/1.1 200 OK\r\n"))
      << received;
}

TEST_F(Http1ServerTest, SendsNoInterimsToHttp10) {
  const std::string received = converse("GET /early HTTP/1.0\r\n\r\n");
  EXPECT_EQ(received.find("103"), std::string::npos) << received;
}

TEST_F(Http1ServerTest, TunnelsAfterAnUpgradeAndPassesHalfClosesOn) {
  start();
  peer->send(
      "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nGET \x01");
  ASSERT_TRUE(peer->wait_for("GET \x01"));
  peer->send("more");
  ASSERT_TRUE(peer->wait_for("more"));
  peer->stream().shutdown_write();
  ASSERT_TRUE(peer->wait_end());
  EXPECT_EQ(peer->received,
            "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nGET "
            "\x01more");
}

TEST_F(Http1ServerTest, AnswersBrokenRequestsWithTheRightStatusAndCloses) {
  const std::string long_target(9000, 'a');
  const std::string long_field(70000, 'a');
  const struct {
    std::string request;
    std::string status;
  } cases[] = {
      {"GET / HTTP/1.1\r\n\r\n", "400"},
      {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", "505"},
      {"GET /" + long_target + " HTTP/1.1\r\nHost: a\r\n\r\n", "414"},
      {"GET / HTTP/1.1\r\nHost: a\r\nX: " + long_field + "\r\n\r\n", "431"},
      {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501"},
      {"\x16\x03\x01\x02", ""},
  };
  for (const auto& c : cases) {
    auto [ours, theirs] = testing::stream_pair(loop);
    RawPeer other(loop, std::move(theirs));
    bool over = false;
    auto connection = serve(
        loop, std::move(ours), ServerProtocol::kHttp1, {}, limits,
        [this](ServerStreamPtr stream) { return testing::answer(std::move(stream), seen); },
        [&] { over = true; });
    other.send(c.request);
    other.stream().shutdown_write();
    ASSERT_TRUE(other.wait_end());
    if (!c.status.empty()) {
      EXPECT_TRUE(other.received.starts_with("HTTP/1.1 " + c.status)) << other.received;
      EXPECT_NE(other.received.find("Connection: close"), std::string::npos);
    }
    EXPECT_TRUE(loop.run_for_test([&] { return over; }, kPatience));
  }
  EXPECT_EQ(seen.requests, 0);
}

TEST_F(Http1ServerTest, AnswersForAHandlerThatSaysNothing) {
  EXPECT_EQ(converse("GET /silent HTTP/1.1\r\nHost: a\r\n\r\n"),
            "HTTP/1.1 500 Internal Server Error\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
}

TEST_F(Http1ServerTest, NeverTakesAnUnreadBodyForARequest) {
  // /hello does not read its body; the rest of it has not arrived when the answer is out.
  start();
  peer->send("POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 60\r\n\r\nabc");
  ASSERT_TRUE(peer->wait_for("hello"));
  peer->send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(peer->wait_end());
  EXPECT_EQ(seen.requests, 1);
}

TEST_F(Http1ServerTest, TellsTheHandlerOfABodyThatIsCut) {
  start();
  peer->send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc");
  ASSERT_TRUE(peer->wait_for("abc"));
  peer->stream().shutdown_write();
  ASSERT_TRUE(peer->wait_end());
  ASSERT_EQ(seen.errors.size(), 1u);
  EXPECT_EQ(seen.errors[0], "the connection ended in the middle of a message");
}

TEST_F(Http1ServerTest, HoldsBackABigAnswerFromASlowReader) {
  start();
  peer->reading = false;
  peer->send("GET /big/8000000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
  ASSERT_TRUE(loop.run_for_test([&] { return seen.running == 1; }, kPatience));
  loop.run_for_test([] { return false; }, Duration::millis(50));
  EXPECT_EQ(seen.running, 1);  // it waits: 8 MB do not fit the socket and our queue
  peer->reading = true;
  peer->on_readable();
  ASSERT_TRUE(peer->wait_end());
  EXPECT_TRUE(peer->received.ends_with(testing::big_body(8000000)));
}

TEST_F(Http1ServerTest, HoldsBackABodyThatIsNotRead) {
  start();
  peer->send("POST /wait HTTP/1.1\r\nHost: a\r\nContent-Length: 8000000\r\n\r\n");
  peer->send(testing::big_body(8000000));
  ASSERT_TRUE(loop.run_for_test([&] { return seen.running == 1; }, kPatience));
  loop.run_for_test([] { return false; }, Duration::millis(50));
  EXPECT_GT(peer->stream().write_queued(), 4000000u);
}

TEST_F(Http1ServerTest, TellsTheHandlerThatTheClientIsGone) {
  start();
  // Unread bytes make the kernel send a reset when the peer closes.
  peer->send("GET /early HTTP/1.1\r\nHost: a\r\n\r\nGET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  peer->reading = false;
  ASSERT_TRUE(loop.run_for_test([&] { return seen.running == 1; }, kPatience));
  peer->vanish();
  ASSERT_TRUE(loop.run_for_test([&] { return closed; }, kPatience));
  EXPECT_EQ(seen.gone, 1);
}

TEST_F(Http1ServerTest, AnswersAClientThatHalfCloses) {
  start();
  peer->send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
  peer->stream().shutdown_write();
  ASSERT_TRUE(peer->wait_end());
  EXPECT_TRUE(peer->received.ends_with("\r\n\r\nabc")) << peer->received;
}

TEST_F(Http1ServerTest, NoticesThatAHalfClosedClientIsGoneWhenItWrites) {
  start();
  peer->reading = false;
  peer->send("GET /big/8000000 HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(loop.run_for_test([&] { return seen.running == 1; }, kPatience));
  peer->stream().shutdown_write();
  loop.run_for_test([] { return false; }, Duration::millis(20));
  EXPECT_EQ(seen.running, 1);
  peer->vanish();
  ASSERT_TRUE(loop.run_for_test([&] { return closed; }, kPatience));
  EXPECT_EQ(seen.errors.size(), 1u);
}

TEST_F(Http1ServerTest, LetsAHandlerGoOnAfterAReset) {
  bool done = false;
  server = serve(
      loop, std::move(server_stream), ServerProtocol::kHttp1, {}, limits,
      [&done](ServerStreamPtr stream) -> io::Task<void> {
        wire::ResponseHead head;
        head.length = {wire::BodyLength::kSized, 10};
        stream->send_response(head, false);
        EXPECT_TRUE(co_await stream->send_body(Buffer("abc")));
        stream->reset();
        EXPECT_TRUE(stream->gone());
        EXPECT_FALSE(co_await stream->send_body(Buffer("def")));
        EXPECT_FALSE(co_await stream->read_body());
        stream->finish();
        done = true;
      },
      [this] { closed = true; });
  peer->send("POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
  ASSERT_TRUE(peer->wait_end());
  EXPECT_TRUE(done);
  EXPECT_TRUE(loop.run_for_test([&] { return closed; }, kPatience));
  EXPECT_TRUE(peer->received.ends_with("\r\n\r\nabc")) << peer->received;
}

TEST_F(Http1ServerTest, DrainsWithConnectionClose) {
  start();
  peer->send("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n");
  ASSERT_TRUE(peer->wait_for("\r\n\r\n"));
  peer->send("abc");
  ASSERT_TRUE(peer->wait_for("abc"));
  server->drain();
  peer->send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(peer->wait_end());
  EXPECT_NE(peer->received.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(peer->received.ends_with("hello"));
}

TEST_F(Http1ServerTest, RetiresWithoutClosingOnAClientThatIsAboutToAsk) {
  limits.idle_timeout = Duration::millis(1500);
  start();
  peer->send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(peer->wait_for("hello"));
  server->retire();
  // drain() would have closed after a second.
  loop.run_for_test([&] { return closed; }, Duration::millis(1200));
  ASSERT_FALSE(closed);
  peer->received.clear();
  peer->send("GET /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(peer->wait_end());
  EXPECT_NE(peer->received.find("Connection: close"), std::string::npos);
  EXPECT_TRUE(peer->received.ends_with("hello"));
}

TEST_F(Http1ServerTest, EndsHeadsThatDoNotArriveInTime) {
  limits.header_timeout = Duration::millis(30);
  start();
  peer->send("GET / HT");
  ASSERT_TRUE(peer->wait_end());
  EXPECT_TRUE(peer->received.starts_with("HTTP/1.1 408 ")) << peer->received;
}

TEST_F(Http1ServerTest, ClosesIdleConnectionsSilently) {
  limits.idle_timeout = Duration::millis(30);
  start();
  ASSERT_TRUE(peer->wait_end());
  EXPECT_EQ(peer->received, "");
}

TEST_F(Http1ServerTest, CancelsHandlersWithTheConnection) {
  start();
  peer->send("GET /wait HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(loop.run_for_test([&] { return seen.running == 1; }, kPatience));
  server.reset();
  EXPECT_EQ(seen.running, 0);
  EXPECT_EQ(seen.gone, 0);
}

TEST_F(Http1ServerTest, DetectsHttp1ByItsFirstBytes) {
  start(ServerProtocol::kDetect);
  peer->send("P");
  peer->send("RIMARY /hello HTTP/1.1\r\nHost: a\r\n\r\n");
  ASSERT_TRUE(peer->wait_for("hello"));
  EXPECT_EQ(seen.heads.at(0).method, "PRIMARY");
}

TEST_F(Http1ServerTest, SurvivesAClientThatLeavesAtAnyOctet) {
  const std::string request =
      "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
  for (size_t cut = 0; cut <= request.size(); ++cut) {
    auto [ours, theirs] = testing::stream_pair(loop);
    RawPeer other(loop, std::move(theirs));
    bool over = false;
    auto connection = serve(
        loop, std::move(ours), ServerProtocol::kDetect, {}, limits,
        [this](ServerStreamPtr stream) { return testing::answer(std::move(stream), seen); },
        [&] { over = true; });
    other.send(request.substr(0, cut));
    loop.run_for_test([&] { return other.stream().write_queued() == 0; }, kPatience);
    other.vanish();
    EXPECT_TRUE(loop.run_for_test([&] { return over; }, kPatience)) << cut;
    EXPECT_EQ(seen.running, 0) << cut;
  }
}

}  // namespace
}  // namespace weft::http
