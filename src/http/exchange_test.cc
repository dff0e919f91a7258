// Our client against our server, over HTTP/1.1 and HTTP/2 alike: what a handler and a caller see must
// not depend on the version that carries it.
#include <gtest/gtest.h>

#include "http/test_support.h"

namespace weft::http {
namespace {

using testing::Answer;
using testing::get;
using testing::kPatience;
using testing::post;
using testing::read_answer;
using testing::run;
using testing::Seen;

class ExchangeTest : public ::testing::TestWithParam<ClientProtocol> {
 protected:
  ExchangeTest() {
    auto [near, far] = testing::stream_pair(loop);
    client =
        connect_http(loop, std::move(near), GetParam(), {}, client_limits, [this] { ++changes; });
    server = serve(
        loop, std::move(far), ServerProtocol::kDetect, {}, server_limits,
        [this](ServerStreamPtr stream) { return testing::answer(std::move(stream), seen); },
        [this] { closed = true; });
  }

  bool http2() const { return GetParam() == ClientProtocol::kHttp2; }

  Answer fetch(const wire::RequestHead& head, std::string body = {}) {
    Result<ClientStreamPtr> stream = client->open(head, body.empty());
    if (!stream) {
      ADD_FAILURE() << stream.error().message();
      return {};
    }
    auto send = [](ClientStream& to, std::string b) -> io::Task<void> {
      Result<void> sent = co_await to.send_body(Buffer(b));
      if (sent) to.finish();
    };
    io::TaskScope scope;
    if (!body.empty()) scope.spawn(send(**stream, std::move(body)));
    std::optional<Result<Answer>> answer = run(loop, read_answer(**stream));
    if (!answer || !*answer) {
      ADD_FAILURE() << (answer ? (*answer).error().message() : "no answer in time");
      return {};
    }
    return std::move(**answer);
  }

  io::EpollLoop loop;
  ClientLimits client_limits;
  ServerLimits server_limits;
  Seen seen;
  int changes = 0;
  bool closed = false;
  std::unique_ptr<ClientConnection> client;
  std::unique_ptr<ServerConnection> server;
};

TEST_P(ExchangeTest, CarriesRequestsOneAfterTheOther) {
  EXPECT_FALSE(client->reused());
  for (int i = 0; i < 3; ++i) {
    const Answer answer = fetch(get("/hello"));
    EXPECT_EQ(answer.head.status, 200);
    EXPECT_EQ(answer.body, "hello");
    EXPECT_EQ(answer.head.length.kind, wire::BodyLength::kSized);
    EXPECT_EQ(answer.head.length.size, 5u);
    EXPECT_EQ(answer.head.fields.get("content-type"), "text/plain");
  }
  EXPECT_TRUE(client->reused());
  EXPECT_TRUE(client->can_open());
  EXPECT_EQ(client->open_exchanges(), 0u);
  EXPECT_EQ(seen.requests, 3);
  EXPECT_EQ(seen.heads[0].authority, "weft.test");
  EXPECT_EQ(seen.heads[0].target, "/hello");
}

TEST_P(ExchangeTest, CarriesSizedAndStreamedBodies) {
  EXPECT_EQ(fetch(post("/echo", {wire::BodyLength::kSized, 3}), "abc").body, "abc");
  EXPECT_EQ(seen.heads[0].length.kind, wire::BodyLength::kSized);
  EXPECT_EQ(seen.heads[0].length.size, 3u);
  const std::string big = testing::big_body(3'000'000);
  const Answer answer = fetch(post("/echo", {wire::BodyLength::kStreamed, 0}), big);
  EXPECT_EQ(answer.head.length.kind, wire::BodyLength::kStreamed);
  EXPECT_TRUE(answer.body == big);
  EXPECT_EQ(seen.heads[1].length.kind, wire::BodyLength::kStreamed);
}

TEST_P(ExchangeTest, CarriesHeadAnswersInterimsAndTrailers) {
  wire::RequestHead head = get("/hello");
  head.method = "HEAD";
  const Answer bare = fetch(head);
  EXPECT_EQ(bare.head.length.size, 5u);
  EXPECT_EQ(bare.body, "");
  const Answer early = fetch(get("/early"));
  ASSERT_EQ(early.interims.size(), 1u);
  EXPECT_EQ(early.interims[0].status, 103);
  EXPECT_EQ(early.interims[0].fields.get("link"), "</a.css>");
  EXPECT_EQ(early.body, "late");
  const Answer trailers = fetch(get("/trailers"));
  EXPECT_EQ(trailers.body, "x");
  EXPECT_EQ(trailers.trailers.get("x-sum"), "1");
}

TEST_P(ExchangeTest, CarriesRequestTrailers) {
  Result<ClientStreamPtr> stream =
      client->open(post("/echo", {wire::BodyLength::kStreamed, 0}), false);
  ASSERT_TRUE(stream);
  ASSERT_TRUE(run(loop, (*stream)->send_body(Buffer("abc"))));
  wire::Fields trailers;
  trailers.add("x-check", "42");
  (*stream)->finish(trailers);
  const auto answer = run(loop, read_answer(**stream));
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->body, "abc");
  EXPECT_EQ((*answer)->trailers.get("x-check"), "42");
}

TEST_P(ExchangeTest, BoundsMemoryWhenTheCallerDoesNotRead) {
  Result<ClientStreamPtr> stream = client->open(get("/big/8000000"), true);
  ASSERT_TRUE(stream);
  ASSERT_TRUE(loop.run_for_test([&] { return seen.running == 1; }, kPatience));
  loop.run_for_test([] { return false; }, Duration::millis(50));
  EXPECT_EQ(seen.running, 1);  // held back long before 8 MB were taken
  const auto answer = run(loop, read_answer(**stream));
  ASSERT_TRUE(answer && *answer);
  EXPECT_TRUE((*answer)->body == testing::big_body(8000000));
}

TEST_P(ExchangeTest, TellsTheHandlerWhenTheCallerLeaves) {
  Result<ClientStreamPtr> stream = client->open(get("/big/8000000"), true);
  ASSERT_TRUE(stream);
  ASSERT_TRUE(loop.run_for_test([&] { return seen.running == 1; }, kPatience));
  stream->reset();
  ASSERT_TRUE(loop.run_for_test([&] { return seen.running == 0; }, kPatience));
  EXPECT_EQ(seen.errors.size(), 1u);
  EXPECT_EQ(client->finished(), !http2());
}

TEST_P(ExchangeTest, TellsTheCallerWhenTheConnectionIsLost) {
  Result<ClientStreamPtr> stream = client->open(get("/wait"), true);
  ASSERT_TRUE(stream);
  ASSERT_TRUE(loop.run_for_test([&] { return seen.running == 1; }, kPatience));
  server.reset();
  const auto answer = run(loop, read_answer(**stream));
  ASSERT_TRUE(answer);
  ASSERT_FALSE(*answer);
  EXPECT_EQ(answer->error().retry(), Retry::kNo);  // it may have been processed
  EXPECT_EQ(answer->error().source(), ErrorSource::kUpstream);
  EXPECT_TRUE(client->finished());
  EXPECT_FALSE(client->can_open());
  const auto refused = client->open(get("/hello"), true);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().retry(), Retry::kYes);
}

TEST_P(ExchangeTest, CallsALostReusedConnectionSafeForIdempotentRequests) {
  fetch(get("/hello"));
  Result<ClientStreamPtr> stream = client->open(get("/wait"), true);
  ASSERT_TRUE(stream);
  ASSERT_TRUE(loop.run_for_test([&] { return seen.running == 1; }, kPatience));
  server.reset();
  const auto answer = run(loop, read_answer(**stream));
  ASSERT_TRUE(answer);
  ASSERT_FALSE(*answer);
  EXPECT_EQ(answer->error().retry(), Retry::kIdempotent);
}

TEST_P(ExchangeTest, StreamsOutliveTheirConnection) {
  Result<ClientStreamPtr> stream =
      client->open(post("/echo", {wire::BodyLength::kStreamed, 0}), false);
  ASSERT_TRUE(stream);
  client.reset();
  const auto sent = run(loop, (*stream)->send_body(Buffer("x")));
  ASSERT_TRUE(sent);
  EXPECT_FALSE(*sent);
  const auto head = run(loop, (*stream)->read_head());
  ASSERT_TRUE(head);
  EXPECT_FALSE(*head);
  (*stream)->finish();
  (*stream)->reset();
}

TEST_P(ExchangeTest, DrainsTheServerWithoutLosingWhatIsOpen) {
  Result<ClientStreamPtr> stream =
      client->open(post("/echo", {wire::BodyLength::kStreamed, 0}), false);
  ASSERT_TRUE(stream);
  ASSERT_TRUE(loop.run_for_test([&] { return seen.running == 1; }, kPatience));
  server->drain();
  if (http2()) {
    ASSERT_TRUE(loop.run_for_test([&] { return client->finished(); }, kPatience));
    EXPECT_FALSE(client->can_open());
  }
  ASSERT_TRUE(run(loop, (*stream)->send_body(Buffer("abc"))));
  (*stream)->finish();
  const auto answer = run(loop, read_answer(**stream));
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->body, "abc");
  stream->reset();
  ASSERT_TRUE(loop.run_for_test([&] { return closed; }, kPatience));
}

TEST_P(ExchangeTest, AnswersForAHandlerThatSaysNothing) {
  EXPECT_EQ(fetch(get("/silent")).head.status, 500);
}

INSTANTIATE_TEST_SUITE_P(Versions, ExchangeTest,
                         ::testing::Values(ClientProtocol::kHttp1, ClientProtocol::kHttp2),
                         [](const auto& info) {
                           return info.param == ClientProtocol::kHttp1 ? "Http1" : "Http2";
                         });

class Http2ExchangeTest : public ExchangeTest {};

TEST_P(Http2ExchangeTest, CarriesManyAtOnceWithoutOneHoldingTheOthers) {
  Result<ClientStreamPtr> slow = client->open(get("/big/8000000"), true);
  ASSERT_TRUE(slow);
  ASSERT_TRUE(loop.run_for_test([&] { return seen.running == 1; }, kPatience));
  for (int i = 0; i < 200; ++i) EXPECT_EQ(fetch(get("/big/100000")).body.size(), 100000u);
  EXPECT_EQ(seen.running, 1);
}

TEST_P(Http2ExchangeTest, OpensNoMoreThanThePeerAllows) {
  fetch(get("/hello"));  // its SETTINGS have come
  std::vector<ClientStreamPtr> streams;
  while (client->can_open() && streams.size() < 1000) {
    Result<ClientStreamPtr> stream = client->open(get("/wait"), true);
    ASSERT_TRUE(stream);
    streams.push_back(std::move(*stream));
  }
  EXPECT_EQ(streams.size(), 100u);
  EXPECT_EQ(client->open_exchanges(), 100u);
  changes = 0;
  streams.pop_back();
  EXPECT_TRUE(loop.run_for_test([&] { return changes > 0 && client->can_open(); }, kPatience));
}

TEST_P(Http2ExchangeTest, AnswersHeadsThatAreTooLargeAndLivesOn) {
  wire::RequestHead head = get("/hello");
  for (int i = 0; i < 90; ++i) head.fields.add("x-" + std::to_string(i), std::string(700, 'a'));
  EXPECT_EQ(fetch(head).head.status, 431);
  wire::RequestHead many = get("/hello");
  for (int i = 0; i < 101; ++i) many.fields.add("x", "");
  EXPECT_EQ(fetch(many).head.status, 431);
  EXPECT_EQ(seen.requests, 0);
  EXPECT_EQ(fetch(get("/hello")).body, "hello");
}

TEST(Http2Server, TakesANewStreamWhileTheHandlerOfAnEndedOneLives) {
  io::EpollLoop loop;
  io::Event released(loop);
  int running = 0;
  auto linger = [&](ServerStreamPtr stream) -> io::Task<void> {
    ++running;
    (void)co_await respond(*stream, 200, "text/plain", "done");
    co_await released.wait();
    --running;
  };
  auto [near, far] = testing::stream_pair(loop);
  auto client = connect_http(loop, std::move(near), ClientProtocol::kHttp2, {}, {}, [] {});
  ServerLimits limits;
  limits.concurrent_streams = 1;
  auto server = serve(loop, std::move(far), ServerProtocol::kDetect, {}, limits, linger, [] {});
  for (int i = 1; i <= 2; ++i) {
    Result<ClientStreamPtr> stream = client->open(get("/"), true);
    ASSERT_TRUE(stream);
    const auto answer = run(loop, read_answer(**stream));
    ASSERT_TRUE(answer && *answer);
    EXPECT_EQ((*answer)->body, "done");
    EXPECT_EQ(running, i);
  }
  released.set();
  ASSERT_TRUE(loop.run_for_test([&] { return running == 0; }, kPatience));
}

INSTANTIATE_TEST_SUITE_P(Http2, Http2ExchangeTest, ::testing::Values(ClientProtocol::kHttp2));

}  // namespace
}  // namespace weft::http
