// The session against itself and against hostile octets.
#include "wire/http2_session.h"

#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "wire/http2_test_support.h"
#include "wire/rate_budget.h"

namespace weft::wire {
namespace {

using namespace http2_test;

class ServerSessionTest : public ::testing::Test {
 protected:
  void start() {
    session.emplace(Http2Session::Role::kServer, limits, clock, events);
    send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(kSettings, 0, 0, ""));
    produced();
  }
  bool send(std::string_view bytes) { return session->receive(bytes); }
  std::vector<Frame> produced() {
    Buffer out;
    session->produce(out, 1 << 20);
    return frames_of(out.view());
  }
  // The code of the first GOAWAY or RST_STREAM that comes out.
  std::optional<uint32_t> error(uint8_t type) {
    for (const Frame& f : produced()) {
      if (f.type == type) return f.code();
    }
    return std::nullopt;
  }

  Http2Limits limits;
  TestClock clock;
  Recorder events;
  std::optional<Http2Session> session;
};

TEST_F(ServerSessionTest, ReadsARequestAndAnswersIt) {
  start();
  send(frame(kHeaders, kEndHeaders, 1,
             block({{":method", "POST"},
                    {":scheme", "http"},
                    {":path", "/x?y"},
                    {":authority", "a:80"},
                    {"x-a", "1"},
                    {"content-length", "3"}})) +
       frame(kData, 0, 1, "ab") + frame(kData, 0, 1, "c") +
       frame(kHeaders, kEndHeaders | kEnd, 1, block({{"x-sum", "7"}})));
  ASSERT_EQ(events.streams.size(), 1u);
  auto& seen = *events.streams[0];
  EXPECT_EQ(seen.request.method, "POST");
  EXPECT_EQ(seen.request.target, "/x?y");
  EXPECT_EQ(seen.request.authority, "a:80");
  EXPECT_EQ(seen.request.version, Version::kHttp2);
  EXPECT_EQ(seen.request.length.size, 3u);
  EXPECT_EQ(seen.request.fields.get("x-a"), "1");
  EXPECT_EQ(seen.body, "abc");
  EXPECT_TRUE(seen.ended);
  EXPECT_EQ(seen.trailers.get("x-sum"), "7");

  ResponseHead head;
  head.fields.add("X-Upper", "v");
  head.fields.add("Connection", "close");
  head.length = {BodyLength::kStreamed, 0};
  session->send_response(*seen.stream, head, false);
  EXPECT_TRUE(session->send_data(*seen.stream, Buffer("hello")));
  Fields trailers;
  trailers.add("Grpc-Status", "0");
  session->finish(*seen.stream, std::move(trailers));
  const std::vector<Frame> out = produced();
  ASSERT_EQ(out.size(), 3u);
  EXPECT_EQ(out[0].type, kHeaders);
  EXPECT_EQ(out[1].payload, "hello");
  EXPECT_EQ(out[2].flags & kEnd, kEnd);
  EXPECT_TRUE(seen.closed);
  EXPECT_EQ(seen.code, Http2Code::kNoError);
}

TEST_F(ServerSessionTest, TakesOneOctetAtATime) {
  start();
  const std::string bytes = frame(kHeaders, kEndHeaders | kEnd, 1, get_block("/one"));
  for (char c : bytes) ASSERT_TRUE(send(std::string_view(&c, 1)));
  ASSERT_EQ(events.streams.size(), 1u);
  EXPECT_EQ(events.streams[0]->request.target, "/one");
}

TEST_F(ServerSessionTest, ResetsMalformedRequestsAndLivesOn) {
  const std::vector<std::string> malformed = {
      block({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "u@a"}}),
      block({{":method", "GET"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a,b"}}),
      block({{":method", "GET"},
             {":scheme", "http"},
             {":path", "/"},
             {":authority", "a"},
             {"host", "b"}}),
      block({{":method", "GET"}, {":scheme", "http"}, {":path", "/a b"}, {":authority", "a"}}),
      block({{":method", "GET"}, {":scheme", "http"}, {":path", "a"}, {":authority", "a"}}),
      block({{":method", "GET"}, {":scheme", "http"}, {":path", "/#f"}, {":authority", "a"}}),
      block({{":method", "GET"}, {":scheme", "http"}, {":path", ""}, {":authority", "a"}}),
      block({{":method", "G T"}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}}),
      block({{":method", "GET"}, {":path", "/"}, {":authority", "a"}}),
      get_block() + block({{"x", "a\r\nb"}}),
      get_block() + block({{"X", "a"}}),
      get_block() + block({{"x y", "a"}}),
      get_block() + block({{"", "a"}}),
      get_block() + block({{"connection", "close"}}),
      get_block() + block({{"transfer-encoding", "chunked"}}),
      get_block() + block({{"te", "gzip"}}),
      get_block() + block({{"content-length", "+1"}}),
      get_block() + block({{"content-length", "1"}}),  // and END_STREAM without content
      get_block() + block({{":path", "/"}}),
  };
  start();
  uint32_t id = 1;
  for (const std::string& headers : malformed) {
    ASSERT_TRUE(send(frame(kHeaders, kEndHeaders | kEnd, id, headers))) << id;
    EXPECT_EQ(error(kRst), 1u) << id;  // PROTOCOL_ERROR
    id += 2;
  }
  EXPECT_EQ(events.streams.size(), 0u);
  ASSERT_TRUE(send(frame(kHeaders, kEndHeaders | kEnd, id, get_block())));
  EXPECT_EQ(events.streams.size(), 1u);
}

TEST_F(ServerSessionTest, Answers431ToALargeHeadAndKeepsHpackInStep) {
  limits.header_bytes = 200;
  start();
  std::string large = get_block();
  for (int i = 0; i < 3; ++i) large += block({{"x", std::string(100, 'a')}});
  send(frame(kHeaders, kEndHeaders, 1, large));
  const std::vector<Frame> out = produced();
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0].type, kHeaders);
  EXPECT_NE(out[0].payload.find("431"), std::string::npos);
  EXPECT_EQ(out[1].type, kRst);  // NO_ERROR: do not send the rest
  EXPECT_EQ(out[1].code(), 0u);
  EXPECT_EQ(events.streams.size(), 0u);
  send(frame(kHeaders, kEndHeaders | kEnd, 3, get_block()));
  EXPECT_EQ(events.streams.size(), 1u);
}

TEST_F(ServerSessionTest, EndsAContinuationFlood) {
  start();
  std::string bytes = frame(kHeaders, 0, 1, get_block());
  for (int i = 0; i < 20; ++i) bytes += frame(kContinuation, 0, 1, block({{"x", "y"}}));
  send(bytes);
  EXPECT_EQ(error(kGoaway), 11u);
  EXPECT_TRUE(session->finished());
}

TEST_F(ServerSessionTest, CountsContinuationsNotThePiecesTheyComeIn) {
  start();
  std::string bytes = frame(kHeaders, kEnd, 1, get_block());
  for (int i = 0; i < 7; ++i) bytes += frame(kContinuation, 0, 1, "");
  bytes += frame(kContinuation, kEndHeaders, 1, "");
  for (char c : bytes) ASSERT_TRUE(send(std::string_view(&c, 1)));
  EXPECT_EQ(events.streams.size(), 1u);
}

TEST_F(ServerSessionTest, EndsARapidResetFlood) {
  start();
  bool alive = true;
  uint32_t sent = 0;
  std::optional<uint32_t> code;
  for (uint32_t id = 1; alive && id < 10000 && !code; id += 2, ++sent) {
    alive = send(frame(kHeaders, kEndHeaders | kEnd, id, get_block()) + frame(kRst, 0, id, u32(8)));
    code = error(kGoaway);
  }
  EXPECT_EQ(code, 11u);  // ENHANCE_YOUR_CALM
  EXPECT_EQ(sent, limits.reset_burst + 1);
}

TEST_F(ServerSessionTest, AllowsResetsThatComeSlowly) {
  start();
  for (uint32_t id = 1; id < 2000; id += 2) {
    ASSERT_TRUE(
        send(frame(kHeaders, kEndHeaders | kEnd, id, get_block()) + frame(kRst, 0, id, u32(8))));
    ASSERT_EQ(error(kGoaway), std::nullopt) << id;
    clock.time = clock.time + Duration::millis(300);
  }
}

TEST_F(ServerSessionTest, CountsResetsThatThePeerMakesUsSend) {
  start();
  std::optional<uint32_t> code;
  uint32_t sent = 0;
  for (uint32_t id = 1; id < 10000 && !code; id += 2, ++sent) {
    // A window update of zero is an error of the stream.
    send(frame(kHeaders, kEndHeaders | kEnd, id, get_block()) +
         frame(kWindowUpdate, 0, id, u32(0)));
    for (const Frame& f : produced()) {
      if (f.type == kGoaway) code = f.code();
    }
  }
  EXPECT_TRUE(code.has_value());
  EXPECT_LE(sent, limits.reset_burst + 2);
}

TEST_F(ServerSessionTest, EndsFloodsOfControlFrames) {
  const std::string floods[] = {
      frame(kPing, 0, 0, "12345678"),
      frame(kSettings, 0, 0, ""),
      frame(kPriority, 0, 1, std::string(5, '\1')),
      frame(kData, 0, 1, ""),
  };
  for (const std::string& flood : floods) {
    SCOPED_TRACE(static_cast<int>(flood[3]));
    start();
    send(frame(kHeaders, kEndHeaders, 1, get_block()));
    std::optional<uint32_t> code;
    int sent = 0;
    for (; sent < 5000 && !code; ++sent) {
      send(flood);
      code = error(kGoaway);
    }
    EXPECT_EQ(code, 11u);
    EXPECT_LE(sent, 1002);
  }
}

TEST_F(ServerSessionTest, GivesTheStreamWindowBackOnlyWhenAsked) {
  start();
  send(frame(kHeaders, kEndHeaders, 1, get_block()));
  produced();
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(send(frame(kData, 0, 1, std::string(16000, 'x'))));
  for (const Frame& f : produced()) EXPECT_NE(f.stream, 1u);
  session->consume(*events.streams[0]->stream, 64000);
  bool updated = false;
  for (const Frame& f : produced()) updated |= f.type == kWindowUpdate && f.stream == 1;
  EXPECT_TRUE(updated);
}

TEST_F(ServerSessionTest, EndsTheStreamOfAPeerThatOverrunsItsWindow) {
  start();
  send(frame(kHeaders, kEndHeaders, 1, get_block()));
  bool overrun = true;
  for (int i = 0; i < 5 && overrun; ++i)
    overrun = send(frame(kData, 0, 1, std::string(16000, 'x')));
  const auto rst = error(kRst);
  EXPECT_EQ(rst, 3u);  // FLOW_CONTROL_ERROR
  EXPECT_LE(events.streams[0]->body.size(), 65536u + 16384);
  const size_t taken = events.streams[0]->body.size();
  send(frame(kData, 0, 1, std::string(16000, 'x')));
  EXPECT_EQ(events.streams[0]->body.size(), taken);
}

TEST_F(ServerSessionTest, HoldsBackWhatThePeerDoesNotTake) {
  start();
  send(frame(kHeaders, kEndHeaders | kEnd, 1, get_block()));
  auto& seen = *events.streams[0];
  ResponseHead head;
  head.length = {BodyLength::kStreamed, 0};
  session->send_response(*seen.stream, head, false);
  EXPECT_FALSE(session->send_data(*seen.stream, Buffer(std::string(200'000, 'x'))));
  size_t sent = 0;
  for (const Frame& f : produced()) sent += f.type == kData ? f.payload.size() : 0;
  EXPECT_EQ(sent, 65535u);  // the initial window (RFC 9113 §6.9.2)
  EXPECT_EQ(seen.drained, 0);
  send(frame(kWindowUpdate, 0, 0, u32(1 << 20)) + frame(kWindowUpdate, 0, 1, u32(1 << 20)));
  produced();
  EXPECT_EQ(seen.drained, 1);
}

TEST_F(ServerSessionTest, ProducesNoMoreThanAskedFor) {
  start();
  send(frame(kHeaders, kEndHeaders | kEnd, 1, get_block()) +
       frame(kWindowUpdate, 0, 0, u32(1 << 20)) + frame(kWindowUpdate, 0, 1, u32(1 << 20)));
  ResponseHead head;
  head.length = {BodyLength::kStreamed, 0};
  session->send_response(*events.streams[0]->stream, head, false);
  session->send_data(*events.streams[0]->stream, Buffer(std::string(200'000, 'x')));
  Buffer out;
  session->produce(out, 20'000);
  EXPECT_LT(out.size(), 20'000u + 16'384 + 9);
  EXPECT_TRUE(session->wants_write());
  session->produce(out, 1 << 20);
  EXPECT_GT(out.size(), 200'000u);
}

TEST_F(ServerSessionTest, DrainsInTwoSteps) {
  start();
  send(frame(kHeaders, kEndHeaders | kEnd, 1, get_block()));
  session->begin_drain();
  std::string ping;
  uint32_t last = 0;
  for (const Frame& f : produced()) {
    if (f.type == kPing) ping = f.payload;
    if (f.type == kGoaway) last = static_cast<uint8_t>(f.payload[0]);
  }
  EXPECT_EQ(last, 0x7fu);  // 2^31-1: nothing is refused yet
  ASSERT_EQ(ping.size(), 8u);
  // A request that was under way is still taken.
  send(frame(kHeaders, kEndHeaders | kEnd, 3, get_block()) + frame(kPing, kAck, 0, ping));
  ASSERT_EQ(events.streams.size(), 2u);
  std::string goaway;
  for (const Frame& f : produced()) {
    if (f.type == kGoaway) goaway = f.payload.substr(0, 4);
  }
  EXPECT_EQ(goaway, u32(3));
  send(frame(kHeaders, kEndHeaders | kEnd, 5, get_block()));
  EXPECT_EQ(events.streams.size(), 2u);
  EXPECT_FALSE(session->finished());
  ResponseHead head;
  for (auto& seen : events.streams) session->send_response(*seen->stream, head, true);
  produced();
  EXPECT_TRUE(session->finished());
}

TEST_F(ServerSessionTest, StopsAPeerWhoseRequestNobodyReadsAnyMore) {
  start();
  send(frame(kHeaders, kEndHeaders, 1, get_block()));
  auto& seen = *events.streams[0];
  session->send_response(*seen.stream, ResponseHead(), true);
  session->forget(*seen.stream);
  const std::vector<Frame> out = produced();
  ASSERT_EQ(out.size(), 2u);
  EXPECT_EQ(out[0].type, kHeaders);
  EXPECT_EQ(out[1].type, kRst);
  EXPECT_EQ(out[1].code(), 0u);
}

TEST_F(ServerSessionTest, RefusesWhatIsNoHttp2) {
  session.emplace(Http2Session::Role::kServer, limits, clock, events);
  EXPECT_FALSE(send("GET / HTTP/1.1\r\nHost: a\r\n\r\n"));
  EXPECT_EQ(produced().back().type, kGoaway);
  EXPECT_TRUE(session->finished());
}

// A client session against a server session.
class PairTest : public ::testing::Test {
 protected:
  PairTest()
      : client(Http2Session::Role::kClient, limits, clock, client_events),
        server(Http2Session::Role::kServer, limits, clock, server_events) {
    turn();
  }
  void turn() {
    for (int i = 0; i < 20; ++i) {
      Buffer up, down;
      client.produce(up, 1 << 20);
      server.produce(down, 1 << 20);
      if (up.empty() && down.empty()) return;
      if (!up.empty()) server.receive(up.view());
      if (!down.empty()) client.receive(down.view());
    }
  }
  RequestHead get() const {
    RequestHead head;
    head.method = "GET";
    head.target = "/";
    head.authority = "a";
    return head;
  }

  Http2Limits limits;
  TestClock clock;
  Recorder client_events, server_events;
  Http2Session client, server;
};

TEST_F(PairTest, CarriesInterimsAndFinalHeads) {
  Recorder::Seen seen;
  ASSERT_TRUE(client.open(get(), true, &seen));
  turn();
  auto& request = *server_events.streams.at(0);
  ResponseHead early;
  early.status = 103;
  early.fields.add("Link", "x");
  server.send_interim(*request.stream, early);
  ResponseHead head;
  head.status = 204;
  server.send_response(*request.stream, head, true);
  turn();
  ASSERT_EQ(seen.responses.size(), 2u);
  EXPECT_EQ(seen.responses[0].status, 103);
  EXPECT_EQ(seen.responses[0].fields.get("link"), "x");
  EXPECT_EQ(seen.responses[1].status, 204);
  EXPECT_TRUE(seen.ended);
  EXPECT_TRUE(seen.closed);
  EXPECT_EQ(client.open_streams(), 0u);
}

TEST_F(PairTest, TellsTheClientWhatWasNeverActedOn) {
  Recorder::Seen first, second, unsent;
  client.open(get(), true, &first);
  turn();
  server.begin_drain();
  server.finish_drain();
  client.open(get(), true, &second);  // crosses the GOAWAY
  Buffer up;
  client.produce(up, 1 << 20);
  client.open(get(), true, &unsent);
  turn();
  server.receive(up.view());
  turn();
  EXPECT_TRUE(second.closed);
  EXPECT_EQ(second.code, Http2Code::kRefusedStream);
  EXPECT_TRUE(unsent.closed);
  EXPECT_EQ(unsent.code, Http2Code::kRefusedStream);
  EXPECT_FALSE(first.closed);
  EXPECT_TRUE(client.going_away());
  EXPECT_FALSE(client.can_open());
}

TEST_F(PairTest, ResetsTravel) {
  Recorder::Seen seen;
  Http2Stream* stream = client.open(get(), false, &seen);
  turn();
  client.reset(*stream, Http2Code::kCancel);
  turn();
  EXPECT_TRUE(server_events.streams[0]->closed);
  EXPECT_EQ(server_events.streams[0]->code, Http2Code::kCancel);
  Recorder::Seen other;
  client.open(get(), false, &other);
  turn();
  server.reset(*server_events.streams[1]->stream, Http2Code::kRefusedStream);
  turn();
  EXPECT_EQ(other.code, Http2Code::kRefusedStream);
}

TEST(RateBudget, RefillsEvenly) {
  RateBudget budget(2, Duration::seconds(10));
  Instant now{5};
  EXPECT_TRUE(budget.spend(now));
  EXPECT_TRUE(budget.spend(now));
  EXPECT_FALSE(budget.spend(now));
  now = now + Duration::seconds(5);
  EXPECT_TRUE(budget.spend(now));
  EXPECT_FALSE(budget.spend(now));
}

}  // namespace
}  // namespace weft::wire
