// What the session does with single frames and settings: the rules of RFC 9113 §5 and §6, the budgets, and
// extended CONNECT (RFC 8441).
#include <gtest/gtest.h>

#include <optional>
#include <string>
#include <vector>

#include "wire/http2_session.h"
#include "wire/http2_streams.h"
#include "wire/http2_test_support.h"

namespace weft::wire {
namespace {

using namespace http2_test;

const std::string kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

// A session and a peer made of octets. The peer's settings come first.
class Http2ProtocolTest : public ::testing::Test {
 protected:
  void start(Http2Session::Role role, const std::string& settings = "") {
    session.emplace(role, limits, clock, events);
    const bool server = role == Http2Session::Role::kServer;
    send((server ? kPreface : "") + frame(kSettings, 0, 0, settings) +
         frame(kSettings, kAck, 0, ""));
    opening = produced();
  }
  void serve(const std::string& settings = "") { start(Http2Session::Role::kServer, settings); }
  void dial(const std::string& settings = "") { start(Http2Session::Role::kClient, settings); }
  bool send(std::string_view bytes) { return session->receive(bytes); }
  std::vector<Frame> produced() {
    Buffer out;
    session->produce(out, 16 << 20);
    std::string_view bytes = out.view();
    if (bytes.starts_with(kPreface)) bytes.remove_prefix(kPreface.size());
    return frames_of(bytes);
  }
  std::optional<uint32_t> error(uint8_t type) {
    for (const Frame& f : produced()) {
      if (f.type == type) return f.code();
    }
    return std::nullopt;
  }
  Recorder::Seen& request(uint32_t id, uint8_t flags = kEndHeaders | kEnd) {
    send(frame(kHeaders, flags, id, get_block()));
    return *events.streams.back();
  }
  static std::string setting(uint16_t name, uint32_t value) {
    return {static_cast<char>(name >> 8),
            static_cast<char>(name),
            u32(value)[0],
            u32(value)[1],
            u32(value)[2],
            u32(value)[3]};
  }
  std::optional<uint32_t> announced(uint16_t name) const {
    const std::string& settings = opening.at(0).payload;
    for (size_t i = 0; i + 6 <= settings.size(); i += 6) {
      if (settings.substr(i, 2) == setting(name, 0).substr(0, 2)) {
        Frame value{kSettings, 0, 0, settings.substr(i + 2, 4)};
        return value.code();
      }
    }
    return std::nullopt;
  }

  Http2Limits limits;
  TestClock clock;
  Recorder events;
  std::vector<Frame> opening;
  std::optional<Http2Session> session;
};

TEST_F(Http2ProtocolTest, SendsDataInFramesAsLargeAsThePeerTakes) {
  struct Case {
    uint32_t peer;
    size_t largest;
  };
  for (const Case c : {Case{16384, 16384}, Case{40000, 40000}, Case{1 << 20, 65536}}) {
    events.streams.clear();
    serve(setting(5, c.peer) + setting(4, 1 << 20));
    send(frame(kWindowUpdate, 0, 0, u32(1 << 20)));
    auto& seen = request(1);
    ResponseHead head;
    head.length = {BodyLength::kStreamed, 0};
    session->send_response(*seen.stream, head, false);
    session->send_data(*seen.stream, Buffer(std::string(200'000, 'x')));
    size_t largest = 0, sum = 0;
    for (const Frame& f : produced()) {
      if (f.type != kData) continue;
      largest = std::max(largest, f.payload.size());
      sum += f.payload.size();
    }
    EXPECT_EQ(largest, c.largest);
    EXPECT_EQ(sum, 200'000u);
  }
}

TEST_F(Http2ProtocolTest, KeepsToTheLimitWithTheFrameHeaderCounted) {
  serve(setting(4, 1 << 20) + setting(5, 1 << 20));
  send(frame(kWindowUpdate, 0, 0, u32(1 << 20)));
  auto& seen = request(1);
  ResponseHead head;
  head.length = {BodyLength::kStreamed, 0};
  session->send_response(*seen.stream, head, false);
  produced();
  session->send_data(*seen.stream, Buffer(std::string(200'000, 'x')));
  size_t sum = 0;
  while (session->wants_write()) {
    Buffer out;
    session->produce(out, 65536);
    ASSERT_LE(out.size(), 65536u);
    for (const Frame& f : frames_of(out.view())) sum += f.payload.size();
  }
  EXPECT_EQ(sum, 200'000u);
  // A limit that leaves no room for a frame worth its header is passed rather than nothing sent.
  session->send_data(*seen.stream, Buffer(std::string(5000, 'x')));
  Buffer out;
  session->produce(out, 10);
  EXPECT_EQ(out.size(), 9u + 1024);
}

TEST_F(Http2ProtocolTest, TakesDataFramesOfTheSizeItAnnounced) {
  serve();
  EXPECT_EQ(announced(5), 65536u);
  auto& seen = request(1, kEndHeaders);
  ASSERT_TRUE(send(frame(kData, kEnd, 1, std::string(65536, 'x'))));
  EXPECT_EQ(seen.body.size(), 65536u);
  EXPECT_TRUE(seen.ended);
}

TEST_F(Http2ProtocolTest, CutsALargeHeadIntoContinuations) {
  serve();
  auto& seen = request(1);
  ResponseHead head;
  for (int i = 0; i < 3; ++i)
    head.fields.add("x-" + std::to_string(i), std::string(15'000, '\x01' + i));
  head.length = {BodyLength::kSized, 0};
  session->send_response(*seen.stream, head, true);
  const std::vector<Frame> out = produced();
  ASSERT_GE(out.size(), 3u);
  EXPECT_EQ(out[0].type, kHeaders);
  EXPECT_EQ(out[0].flags, kEnd);  // END_HEADERS comes with the last piece
  for (size_t i = 1; i < out.size(); ++i) {
    EXPECT_EQ(out[i].type, kContinuation);
    EXPECT_EQ(out[i].flags, i + 1 == out.size() ? kEndHeaders : 0);
    EXPECT_LE(out[i].payload.size(), 16384u);
  }
}

TEST_F(Http2ProtocolTest, SharesTheConnectionAmongStreamsInTurn) {
  serve();
  ResponseHead head;
  head.length = {BodyLength::kStreamed, 0};
  for (uint32_t id : {1u, 3u, 5u}) {
    auto& seen = request(id);
    session->send_response(*seen.stream, head, false);
    session->send_data(*seen.stream, Buffer(std::string(60'000, 'x')));
  }
  std::vector<uint32_t> order;
  for (const Frame& f : produced()) {
    if (f.type == kData) order.push_back(f.stream);
  }
  ASSERT_GE(order.size(), 3u);
  EXPECT_EQ(std::vector<uint32_t>(order.begin(), order.begin() + 3),
            (std::vector<uint32_t>{1, 3, 5}));
}

TEST_F(Http2ProtocolTest, EndsAFloodOfWindowUpdatesThatNothingExplains) {
  serve();
  int sent = 0;
  while (sent < 5000 && send(frame(kWindowUpdate, 0, 0, u32(1)))) ++sent;
  EXPECT_EQ(error(kGoaway), 11u);
  EXPECT_LE(sent, 1010);
}

TEST_F(Http2ProtocolTest, AllowsWindowUpdatesThatAnswerData) {
  serve(setting(4, 1 << 20));
  auto& seen = request(1);
  ResponseHead head;
  head.length = {BodyLength::kStreamed, 0};
  session->send_response(*seen.stream, head, false);
  for (int i = 0; i < 5000; ++i) {
    session->send_data(*seen.stream, Buffer("x"));
    produced();
    ASSERT_TRUE(send(frame(kWindowUpdate, 0, 0, u32(1)) + frame(kWindowUpdate, 0, 1, u32(1)))) << i;
  }
}

TEST_F(Http2ProtocolTest, EndsAFloodOfStreamsAboveTheLimit) {
  limits.concurrent_streams = 1;
  serve();
  request(1);
  uint32_t id = 3;
  while (id < 10'000 && send(frame(kHeaders, kEndHeaders | kEnd, id, get_block()))) id += 2;
  EXPECT_LE(id, 2 * 1005u);
  EXPECT_EQ(events.streams.size(), 1u);
}

TEST_F(Http2ProtocolTest, BoundsAFieldBlockBeforeItIsComplete) {
  limits.header_bytes = 1000;
  limits.continuations = 1000;
  serve();
  bool alive = send(frame(kHeaders, kEnd, 1, get_block()));
  size_t sent = 0;
  for (; alive && sent < 1'000'000; sent += 1000) {
    alive = send(frame(kContinuation, 0, 1, std::string(1000, '\x82')));
  }
  EXPECT_LE(sent, 20'000u);
  EXPECT_EQ(error(kGoaway), 11u);
}

TEST_F(Http2ProtocolTest, PingsAndTellsOfTheAnswer) {
  serve();
  session->ping(0x0102030405060708);
  const std::vector<Frame> out = produced();
  ASSERT_EQ(out.size(), 1u);
  EXPECT_EQ(out[0].payload, std::string("\x01\x02\x03\x04\x05\x06\x07\x08"));
  send(frame(kPing, kAck, 0, out[0].payload));
  EXPECT_EQ(events.pings, std::vector<uint64_t>{0x0102030405060708});
}

TEST_F(Http2ProtocolTest, IgnoresWhatComesForAStreamItHasReset) {
  serve();
  auto& seen = request(1, kEndHeaders);
  session->reset(*seen.stream, Http2Code::kCancel);
  EXPECT_EQ(error(kRst), 8u);
  EXPECT_TRUE(seen.closed);
  EXPECT_TRUE(send(frame(kData, 0, 1, "x") + frame(kWindowUpdate, 0, 1, u32(1)) +
                   frame(kHeaders, kEndHeaders | kEnd, 1, block({{"x", "y"}}))));
  EXPECT_TRUE(produced().empty());
  EXPECT_EQ(seen.body, "");
}

// An answer may be whole before the request is: then we reset the stream, and the end of the request is still
// under way while hundreds of other streams come and go.
TEST_F(Http2ProtocolTest, IgnoresTheLateEndOfRequestsItAnsweredEarly) {
  serve();
  for (uint32_t id = 1; id < 2000; id += 2) {
    auto& seen = request(id, kEndHeaders);
    session->send_response(*seen.stream, ResponseHead(), true);
    session->forget(*seen.stream);
    produced();
    if (id > 600) ASSERT_TRUE(send(frame(kData, kEnd, id - 600, ""))) << id;
  }
  for (const Frame& f : produced()) EXPECT_NE(f.type, kRst);
}

TEST_F(Http2ProtocolTest, GivesTheConnectionWindowBackForWhatItDrops) {
  serve();
  auto& seen = request(1, kEndHeaders);
  session->reset(*seen.stream, Http2Code::kCancel);
  produced();
  uint32_t returned = 0;
  for (int i = 0; i < 64; ++i) {
    ASSERT_TRUE(send(frame(kData, 0, 1, std::string(16384, 'x'))));
    for (const Frame& f : produced()) returned += f.type == kWindowUpdate ? f.code() : 0;
  }
  EXPECT_GE(returned, 512u * 1024);
}

TEST_F(Http2ProtocolTest, CountsPaddingAgainstTheWindowAndGivesItBack) {
  limits.stream_window = 65536;
  serve();
  auto& seen = request(1, kEndHeaders);
  // 1 octet of content, 255 of padding and the octet that says so.
  const std::string padded = frame(kData, 8, 1, "\xff" + std::string("x") + std::string(255, '\0'));
  uint32_t returned = 0;
  for (int i = 0; i < 1000; ++i) {
    ASSERT_TRUE(send(padded)) << i;
    session->consume(*seen.stream, 1);
    for (const Frame& f : produced()) {
      ASSERT_NE(f.type, kRst);
      returned += f.type == kWindowUpdate && f.stream == 1 ? f.code() : 0;
    }
  }
  EXPECT_EQ(seen.body.size(), 1000u);
  EXPECT_GE(returned, 257'000u - 65536);
}

TEST_F(Http2ProtocolTest, AppliesASmallerWindowOnceThePeerKnowsIt) {
  limits.stream_window = 1000;
  session.emplace(Http2Session::Role::kServer, limits, clock, events);
  send(kPreface + frame(kSettings, 0, 0, ""));
  produced();
  auto& first = request(1, kEndHeaders);
  EXPECT_TRUE(
      send(frame(kData, 0, 1, std::string(5000, 'x'))));  // sent before our settings arrived
  EXPECT_EQ(first.body.size(), 5000u);
  send(frame(kSettings, kAck, 0, ""));
  auto& second = request(3, kEndHeaders);
  produced();
  send(frame(kData, 0, 3, std::string(1001, 'x')));
  EXPECT_EQ(error(kRst), 3u);
  EXPECT_EQ(second.body, "");
}

TEST_F(Http2ProtocolTest, TakesExtendedConnectOnlyWhereItWasAnnounced) {
  const std::string websocket = block({{":method", "CONNECT"},
                                       {":protocol", "websocket"},
                                       {":scheme", "https"},
                                       {":path", "/chat"},
                                       {":authority", "a"}});
  serve();
  EXPECT_EQ(announced(8), std::nullopt);
  send(frame(kHeaders, kEndHeaders, 1, websocket));
  EXPECT_EQ(error(kRst), 1u);
  limits.extended_connect = true;
  serve();
  EXPECT_EQ(announced(8), 1u);
  send(frame(kHeaders, kEndHeaders, 1, websocket));
  ASSERT_EQ(events.streams.size(), 1u);
  auto& seen = *events.streams[0];
  EXPECT_EQ(seen.request.method, "CONNECT");
  EXPECT_EQ(seen.request.protocol, "websocket");
  EXPECT_EQ(seen.request.target, "/chat");
  EXPECT_EQ(seen.request.length.kind, BodyLength::kTunnel);
  // Octets both ways until each side ends.
  ResponseHead head;
  head.length = {BodyLength::kTunnel, 0};
  session->send_response(*seen.stream, head, false);
  session->send_data(*seen.stream, Buffer("down"));
  send(frame(kData, 0, 1, "up"));
  EXPECT_EQ(seen.body, "up");
  EXPECT_EQ(produced().back().payload, "down");
}

TEST_F(Http2ProtocolTest, SendsExtendedConnectAndSeesWhetherItIsTaken) {
  dial();
  EXPECT_FALSE(session->peer_takes_extended_connect());
  send(frame(kSettings, 0, 0, setting(8, 1)));
  EXPECT_TRUE(session->peer_takes_extended_connect());
  RequestHead head;
  head.method = "CONNECT";
  head.protocol = "websocket";
  head.target = "/chat";
  head.authority = "a";
  head.length = {BodyLength::kTunnel, 0};
  Recorder::Seen seen;
  session->open(head, false, &seen);
  produced();
  send(frame(kHeaders, kEndHeaders, 1, block({{":status", "200"}, {"content-length", "5"}})) +
       frame(kData, 0, 1, "more than five"));
  ASSERT_EQ(seen.responses.size(), 1u);
  EXPECT_EQ(seen.responses[0].length.kind, BodyLength::kTunnel);
  EXPECT_EQ(seen.body, "more than five");
  send(frame(kSettings, 0, 0, setting(8, 0)));  // RFC 8441 §3: may not be taken back
  EXPECT_EQ(error(kGoaway), 1u);
}

TEST_F(Http2ProtocolTest, AnswersToHeadMayAnnounceALengthButHaveNoContent) {
  dial();
  RequestHead head;
  head.method = "HEAD";
  head.target = "/";
  head.authority = "a";
  Recorder::Seen whole, wrong;
  session->open(head, true, &whole);
  session->open(head, true, &wrong);
  produced();
  const std::string answer = block({{":status", "200"}, {"content-length", "5"}});
  send(frame(kHeaders, kEndHeaders | kEnd, 1, answer));
  EXPECT_TRUE(whole.ended);
  EXPECT_EQ(whole.responses.at(0).length.size, 5u);
  send(frame(kHeaders, kEndHeaders, 3, answer) + frame(kData, kEnd, 3, "hello"));
  EXPECT_EQ(error(kRst), 1u);
  EXPECT_FALSE(wrong.ended);
}

TEST_F(Http2ProtocolTest, WaitsForThePeersStreamLimit) {
  dial(setting(3, 1));
  RequestHead head;
  head.method = "GET";
  head.target = "/";
  head.authority = "a";
  Recorder::Seen seen;
  ASSERT_TRUE(session->can_open());
  session->open(head, true, &seen);
  EXPECT_FALSE(session->can_open());
  produced();
  send(frame(kHeaders, kEndHeaders | kEnd, 1, block({{":status", "204"}})));
  EXPECT_TRUE(session->can_open());
}

TEST_F(Http2ProtocolTest, KnowsWhetherAHeadHasLeft) {
  dial();
  RequestHead head;
  head.method = "GET";
  head.target = "/";
  head.authority = "a";
  Recorder::Seen seen;
  Http2Stream* stream = session->open(head, true, &seen);
  EXPECT_FALSE(Http2Session::sent(*stream));
  produced();
  EXPECT_TRUE(Http2Session::sent(*stream));
}

TEST_F(Http2ProtocolTest, JoinsTheCrumbsOfACookieButNotTheLinesOfAnHttp1App) {
  serve();
  const std::string crumbs = block({{"cookie", "a=b"}, {"x", "y"}, {"cookie", "c=d"}});
  send(frame(kHeaders, kEndHeaders | kEnd, 1, get_block() + crumbs));
  EXPECT_EQ(events.streams[0]->request.fields.get("cookie"), "a=b; c=d");
  EXPECT_EQ(events.streams[0]->request.fields.count("cookie"), 1u);
  send(frame(kHeaders, kEndHeaders | kEnd, 3,
             get_block() + crumbs + block({{"weft-h1-names", "Cookie,X,Cookie"}})));
  EXPECT_EQ(events.streams[1]->request.fields.count("cookie"), 2u);
}

TEST_F(Http2ProtocolTest, RefusesAFieldNameThatIsNoToken) {
  dial();
  RequestHead head;
  head.method = "GET";
  head.target = "/";
  head.authority = "a";
  const std::string status = block({{":status", "200"}});
  const std::vector<std::string> malformed = {
      block({{":status", "20"}}),       block({{":status", "2000000000000"}}),
      block({{":status", "abc"}}),      status + block({{"a:b", "x"}}),
      status + block({{"a", " x"}}),    status + block({{"a", "x\x7f"}}),
      status + block({{":path", "/"}}),
  };
  uint32_t id = 1;
  for (const std::string& answer : malformed) {
    Recorder::Seen seen;
    session->open(head, true, &seen);
    produced();
    send(frame(kHeaders, kEndHeaders | kEnd, id, answer));
    EXPECT_EQ(error(kRst), 1u) << id;
    EXPECT_TRUE(seen.closed) << id;
    EXPECT_TRUE(seen.responses.empty()) << id;
    id += 2;
  }
}

TEST(Http2Streams, FindsWhatIsThereAndNothingElse) {
  Http2Streams streams;
  std::vector<uint32_t> ids;
  uint32_t next = 1;
  uint64_t state = 12345;
  for (int step = 0; step < 20'000; ++step) {
    state = state * 6364136223846793005u + 1442695040888963407u;
    if (ids.empty() || (state >> 60) < (ids.size() < 100 ? 9u : 4u)) {
      // Now and then far ahead, so that homes collide.
      next += (state >> 40) % 16 == 0 ? 512 : 2;
      streams.add(next);
      ids.push_back(next);
    } else {
      const size_t which = (state >> 33) % ids.size();
      Http2Stream* stream = streams.find(ids[which]);
      ASSERT_TRUE(stream);
      streams.remove(*stream);
      ASSERT_FALSE(streams.find(ids[which]));
      ids.erase(ids.begin() + static_cast<ptrdiff_t>(which));
    }
    ASSERT_EQ(streams.size(), ids.size());
    if (step % 50 != 0) continue;
    for (const uint32_t id : ids) ASSERT_EQ(streams.find(id)->id, id);
  }
}

}  // namespace
}  // namespace weft::wire
