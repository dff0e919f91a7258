// HTTP/1.x dialling against a raw server: what it may send us, and what our errors then say.
#include <gtest/gtest.h>

#include "http/test_support.h"

namespace weft::http {
namespace {

using testing::Answer;
using testing::get;
using testing::kPatience;
using testing::post;
using testing::RawPeer;
using testing::read_answer;
using testing::run;

class Http1ClientTest : public ::testing::Test {
 protected:
  Http1ClientTest() {
    auto [near, far] = testing::stream_pair(loop);
    peer.emplace(loop, std::move(far));
    client =
        connect_http(loop, std::move(near), ClientProtocol::kHttp1, {}, {}, [this] { ++changes; });
  }

  // Sends a GET and lets the server say this.
  Result<Answer> exchange(std::string_view answer, bool end = false) {
    Result<ClientStreamPtr> stream = client->open(get("/"), true);
    if (!stream) return std::unexpected(std::move(stream.error()));
    EXPECT_TRUE(peer->wait_for("\r\n\r\n"));
    peer->received.clear();
    peer->send(answer);
    if (end) peer->stream().shutdown_write();
    auto result = run(loop, read_answer(**stream));
    WEFT_ASSERT(result.has_value());
    return std::move(*result);
  }

  io::EpollLoop loop;
  std::optional<RawPeer> peer;
  std::unique_ptr<ClientConnection> client;
  int changes = 0;
};

TEST_F(Http1ClientTest, SendsAHeadAsItStands) {
  wire::RequestHead head = post("/x", {wire::BodyLength::kSized, 3});
  head.fields.add("hOST", "weft.test");
  head.fields.add("X-a", "1");
  head.fields.add("content-LENGTH", "3");
  Result<ClientStreamPtr> stream = client->open(head, false);
  ASSERT_TRUE(stream);
  ASSERT_TRUE(*run(loop, (*stream)->send_body(Buffer("abc"))));
  (*stream)->finish();
  ASSERT_TRUE(peer->wait_for("abc"));
  EXPECT_EQ(peer->received,
            "POST /x HTTP/1.1\r\nhOST: weft.test\r\nX-a: 1\r\ncontent-LENGTH: 3\r\n\r\nabc");
}

TEST_F(Http1ClientTest, ReadsInterimsBodiesAndTrailersAndGoesOn) {
  const auto answer = exchange(
      "HTTP/1.1 102 \r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
      "HTTP/1.1 200 Fine\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n");
  ASSERT_TRUE(answer) << answer.error().message();
  EXPECT_EQ(answer->interims.size(), 2u);
  EXPECT_EQ(answer->head.reason, "Fine");
  EXPECT_EQ(answer->body, "abc");
  EXPECT_EQ(answer->trailers.get("X-T"), "1");
  EXPECT_TRUE(client->can_open());
  EXPECT_TRUE(client->reused());
  const auto next = exchange("HTTP/1.1 204 No Content\r\n\r\n");
  ASSERT_TRUE(next);
  EXPECT_TRUE(client->can_open());
}

TEST_F(Http1ClientTest, EndsWithTheConnectionWhereTheServerSaysSo) {
  const auto answer =
      exchange("HTTP/1.1 200 OK\r\nConnection: Close\r\nContent-Length: 2\r\n\r\nok");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "ok");
  EXPECT_FALSE(client->can_open());
  EXPECT_TRUE(client->finished());
}

TEST_F(Http1ClientTest, ReadsABodyThatEndsWithTheConnection) {
  const auto answer = exchange("HTTP/1.0 200 OK\r\n\r\nall of it", true);
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "all of it");
  EXPECT_TRUE(client->finished());
}

TEST_F(Http1ClientTest, TellsACutBodyFromAWholeOne) {
  for (const char* cut : {"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nabc",
                          "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"}) {
    auto [near, far] = testing::stream_pair(loop);
    peer.emplace(loop, std::move(far));
    client = connect_http(loop, std::move(near), ClientProtocol::kHttp1, {}, {}, [] {});
    const auto answer = exchange(cut, true);
    ASSERT_FALSE(answer);
    EXPECT_EQ(answer.error().source(), ErrorSource::kUpstream);
    EXPECT_EQ(answer.error().retry(), Retry::kNo);
    EXPECT_TRUE(client->finished());
  }
}

TEST_F(Http1ClientTest, SaysWhenARetryIsSafe) {
  // Never any byte, on the first exchange: it may have been processed.
  const auto fresh = exchange("", true);
  ASSERT_FALSE(fresh);
  EXPECT_EQ(fresh.error().kind(), ErrorKind::kClosed);
  EXPECT_EQ(fresh.error().retry(), Retry::kNo);

  auto [near, far] = testing::stream_pair(loop);
  peer.emplace(loop, std::move(far));
  client = connect_http(loop, std::move(near), ClientProtocol::kHttp1, {}, {}, [] {});
  ASSERT_TRUE(exchange("HTTP/1.1 204 \r\n\r\n"));
  const auto reused = exchange("", true);
  ASSERT_FALSE(reused);
  EXPECT_EQ(reused.error().retry(), Retry::kIdempotent);
}

TEST_F(Http1ClientTest, DoesNotCallAHalfReadHeadSafeToRetry) {
  ASSERT_TRUE(exchange("HTTP/1.1 204 \r\n\r\n"));
  const auto half = exchange("HTTP/1.1 20", true);
  ASSERT_FALSE(half);
  EXPECT_EQ(half.error().retry(), Retry::kNo);
}

TEST_F(Http1ClientTest, TakesNoBytesThatNobodyAskedFor) {
  // Surplus with the answer, and surplus later: neither becomes the next answer.
  ASSERT_TRUE(exchange("HTTP/1.1 204 \r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil"));
  EXPECT_TRUE(client->finished());

  auto [near, far] = testing::stream_pair(loop);
  peer.emplace(loop, std::move(far));
  client = connect_http(loop, std::move(near), ClientProtocol::kHttp1, {}, {}, [] {});
  ASSERT_TRUE(exchange("HTTP/1.1 204 \r\n\r\n"));
  EXPECT_TRUE(client->can_open());
  peer->send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
  EXPECT_TRUE(loop.run_for_test([&] { return client->finished(); }, kPatience));
}

TEST_F(Http1ClientTest, NoticesThatAnIdleConnectionWasClosed) {
  ASSERT_TRUE(exchange("HTTP/1.1 204 \r\n\r\n"));
  changes = 0;
  peer->vanish();
  EXPECT_TRUE(loop.run_for_test([&] { return changes > 0 && client->finished(); }, kPatience));
  const auto refused = client->open(get("/"), true);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().retry(), Retry::kYes);
}

TEST_F(Http1ClientTest, RefusesBrokenAnswersAndUnaskedUpgrades) {
  std::string flood;
  for (int i = 0; i < 100; ++i) flood += "HTTP/1.1 103 \r\n\r\n";
  for (const std::string& bad : {std::string("nonsense\r\n\r\n"),
                                 std::string("HTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\n"), flood}) {
    auto [near, far] = testing::stream_pair(loop);
    peer.emplace(loop, std::move(far));
    client = connect_http(loop, std::move(near), ClientProtocol::kHttp1, {}, {}, [] {});
    const auto answer = exchange(bad);
    ASSERT_FALSE(answer) << bad.substr(0, 20);
    EXPECT_EQ(answer.error().source(), ErrorSource::kUpstream);
    EXPECT_TRUE(client->finished());
  }
}

TEST_F(Http1ClientTest, TunnelsAfterAnUpgrade) {
  wire::RequestHead head = get("/");
  head.fields.add("Connection", "Upgrade");
  head.fields.add("Upgrade", "echo");
  Result<ClientStreamPtr> stream = client->open(head, true);
  ASSERT_TRUE(stream);
  ASSERT_TRUE(peer->wait_for("\r\n\r\n"));
  peer->received.clear();
  peer->send("HTTP/1.1 101 Go\r\nUpgrade: echo\r\nConnection: upgrade\r\n\r\nfirst");
  const auto answer = run(loop, (*stream)->read_head());
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->status, 101);
  const auto first = run(loop, (*stream)->read_body());
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((*first)->data.view(), "first");
  ASSERT_TRUE(*run(loop, (*stream)->send_body(Buffer("raw"))));
  (*stream)->finish();
  ASSERT_TRUE(peer->wait_end());
  EXPECT_EQ(peer->received, "raw");
  peer->send("last");
  peer->stream().shutdown_write();
  std::string rest;
  for (;;) {
    const auto piece = run(loop, (*stream)->read_body());
    ASSERT_TRUE(piece && *piece);
    rest += (*piece)->data.view();
    if ((*piece)->end) break;
  }
  EXPECT_EQ(rest, "last");
}

TEST_F(Http1ClientTest, TakesAnAnswerThatComesBeforeTheBodyIsSent) {
  Result<ClientStreamPtr> stream = client->open(post("/", {wire::BodyLength::kSized, 1000}), false);
  ASSERT_TRUE(stream);
  ASSERT_TRUE(peer->wait_for("\r\n\r\n"));
  peer->send("HTTP/1.1 413 No\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno");
  const auto answer = run(loop, read_answer(**stream));
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->head.status, 413);
  EXPECT_EQ((*answer)->body, "no");
  stream->reset();
  EXPECT_TRUE(client->finished());
}

TEST_F(Http1ClientTest, DrainsAtOnceWhenIdle) {
  ASSERT_TRUE(exchange("HTTP/1.1 204 \r\n\r\n"));
  client->drain();
  EXPECT_TRUE(client->finished());
  EXPECT_TRUE(peer->wait_end());
}

}  // namespace
}  // namespace weft::http
