// Our session against libnghttp2's, in memory: both ways round, with bodies larger than every window, trailers,
// many streams at a time, and octets cut anywhere.
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "wire/http2_session.h"
#include "wire/http2_test_support.h"

namespace weft::wire {
namespace {

using namespace http2_test;

// The other end. As a server it echoes each request: its body, and as trailer its length.
class Peer {
 public:
  struct Stream {
    std::string body;
    std::string answer;
    size_t answered = 0;
    std::map<std::string, std::string> fields;
    bool closed = false;
    uint32_t code = 0;
  };

  explicit Peer(bool server) : server_(server) {
    nghttp2_session_callbacks* callbacks = nullptr;
    nghttp2_session_callbacks_new(&callbacks);
    nghttp2_session_callbacks_set_on_header_callback(
        callbacks,
        [](nghttp2_session*, const nghttp2_frame* f, const uint8_t* name, size_t name_size,
           const uint8_t* value, size_t value_size, uint8_t, void* user) {
          self(user).streams[f->hd.stream_id].fields[text(name, name_size)] =
              text(value, value_size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(
        callbacks,
        [](nghttp2_session*, uint8_t, int32_t id, const uint8_t* data, size_t size, void* user) {
          self(user).streams[id].body += text(data, size);
          return 0;
        });
    nghttp2_session_callbacks_set_on_frame_recv_callback(
        callbacks, [](nghttp2_session*, const nghttp2_frame* f, void* user) {
          const bool message = f->hd.type == NGHTTP2_HEADERS || f->hd.type == NGHTTP2_DATA;
          if (message && (f->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0 && self(user).server_) {
            self(user).echo(f->hd.stream_id);
          }
          return 0;
        });
    nghttp2_session_callbacks_set_on_stream_close_callback(
        callbacks, [](nghttp2_session*, int32_t id, uint32_t code, void* user) {
          self(user).streams[id].closed = true;
          self(user).streams[id].code = code;
          return 0;
        });
    server ? nghttp2_session_server_new(&session_, callbacks, this)
           : nghttp2_session_client_new(&session_, callbacks, this);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
  }
  ~Peer() { nghttp2_session_del(session_); }
  Peer(const Peer&) = delete;
  Peer& operator=(const Peer&) = delete;

  // Client: a POST with a body and trailers.
  int32_t request(std::string body) {
    auto outgoing = std::make_unique<Stream>();
    outgoing->answer = std::move(body);
    const nghttp2_nv lines[] = {nv(":method", "POST"), nv(":scheme", "http"), nv(":path", "/echo"),
                                nv(":authority", "weft.test"), nv("x-own", "1")};
    nghttp2_data_provider source = provider(*outgoing);
    const int32_t id = nghttp2_submit_request(session_, nullptr, lines, 5, &source, nullptr);
    outgoing_.push_back(std::move(outgoing));
    return id;
  }

  bool receive(std::string_view bytes) {
    return nghttp2_session_mem_recv(session_, reinterpret_cast<const uint8_t*>(bytes.data()),
                                    bytes.size()) == static_cast<ssize_t>(bytes.size());
  }
  std::string produce() {
    std::string out;
    const uint8_t* data = nullptr;
    for (ssize_t size = 0; (size = nghttp2_session_mem_send(session_, &data)) > 0;) {
      out += text(data, static_cast<size_t>(size));
    }
    return out;
  }

  std::map<int32_t, Stream> streams;

 private:
  static Peer& self(void* user) { return *static_cast<Peer*>(user); }
  static std::string text(const uint8_t* data, size_t size) {
    return {reinterpret_cast<const char*>(data), size};
  }
  static nghttp2_nv nv(std::string_view name, std::string_view value) {
    auto octets = [](std::string_view s) {
      return reinterpret_cast<uint8_t*>(const_cast<char*>(s.data()));
    };
    return {octets(name), octets(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
  }
  static nghttp2_data_provider provider(Stream& stream) {
    nghttp2_data_provider provider{};
    provider.source.ptr = &stream;
    provider.read_callback = [](nghttp2_session* session, int32_t id, uint8_t* out, size_t room,
                                uint32_t* flags, nghttp2_data_source* source, void*) -> ssize_t {
      auto& from = *static_cast<Stream*>(source->ptr);
      const size_t size = std::min(room, from.answer.size() - from.answered);
      std::copy_n(from.answer.data() + from.answered, size, reinterpret_cast<char*>(out));
      from.answered += size;
      if (from.answered == from.answer.size()) {
        *flags |= NGHTTP2_DATA_FLAG_EOF | NGHTTP2_DATA_FLAG_NO_END_STREAM;
        const std::string length = std::to_string(from.answer.size());
        const nghttp2_nv trailer = nv("x-length", length);
        nghttp2_submit_trailer(session, id, &trailer, 1);
      }
      return static_cast<ssize_t>(size);
    };
    return provider;
  }
  void echo(int32_t id) {
    Stream& stream = streams[id];
    stream.answer = stream.body;
    const nghttp2_nv lines[] = {nv(":status", "200"), nv("server", "other")};
    const nghttp2_data_provider source = provider(stream);
    nghttp2_submit_response(session_, id, lines, 2, &source);
  }

  bool server_;
  nghttp2_session* session_ = nullptr;
  std::vector<std::unique_ptr<Stream>> outgoing_;
};

// Ours as a server: echoes as well, and consumes what it gets.
class Echo final : public Http2Events {
 public:
  struct Stream {
    Http2Stream* handle;
    size_t size = 0;
  };
  void* on_request(Http2Stream& stream, RequestHead&&, bool) override {
    streams.push_back(std::make_unique<Stream>(&stream));
    ResponseHead head;
    head.length = {BodyLength::kStreamed, 0};
    session->send_response(stream, head, false);
    return streams.back().get();
  }
  void on_response(void*, ResponseHead&&, bool) override {}
  void on_data(void* user, std::string_view data) override {
    auto& stream = *static_cast<Stream*>(user);
    stream.size += data.size();
    session->consume(*stream.handle, data.size());
    session->send_data(*stream.handle, Buffer(data));
  }
  void on_end(void* user, Fields&& received) override {
    auto& stream = *static_cast<Stream*>(user);
    EXPECT_EQ(received.get("x-length"), std::to_string(stream.size));
    Fields trailers;
    trailers.add("X-Length", std::to_string(stream.size));
    session->finish(*stream.handle, std::move(trailers));
  }
  void on_drained(void*) override {}
  void on_closed(void*, Http2Code code) override {
    EXPECT_EQ(code, Http2Code::kNoError);
    ++closed;
  }
  void on_peer_changed() override {}

  Http2Session* session = nullptr;
  std::vector<std::unique_ptr<Stream>> streams;
  int closed = 0;
};

// A recorder that takes what comes in.
class Consumer final : public Http2Events {
 public:
  void* on_request(Http2Stream&, RequestHead&&, bool) override { return nullptr; }
  void on_response(void* user, ResponseHead&& head, bool) override {
    seen(user).responses.push_back(std::move(head));
  }
  void on_data(void* user, std::string_view data) override {
    seen(user).body += data;
    session->consume(*seen(user).stream, data.size());
  }
  void on_end(void* user, Fields&& trailers) override {
    seen(user).ended = true;
    seen(user).trailers = std::move(trailers);
  }
  void on_drained(void*) override {}
  void on_closed(void* user, Http2Code code) override {
    seen(user).closed = true;
    seen(user).code = code;
  }
  void on_peer_changed() override {}
  static Recorder::Seen& seen(void* user) { return *static_cast<Recorder::Seen*>(user); }

  Http2Session* session = nullptr;
};

// Carries octets both ways, cut at random, until neither has more to say.
void converse(Http2Session& ours, Peer& peer, Random& random) {
  auto cut = [&](std::string_view bytes, auto&& take) {
    while (!bytes.empty()) {
      const size_t size = std::min<size_t>(bytes.size(), 1 + random.below(20'000));
      ASSERT_TRUE(take(bytes.substr(0, size)));
      bytes.remove_prefix(size);
    }
  };
  for (;;) {
    Buffer out;
    ours.produce(out, 1 + random.below(100'000));
    const std::string in = peer.produce();
    if (out.empty() && in.empty()) return;
    cut(out.view(), [&](std::string_view piece) { return peer.receive(piece); });
    cut(in, [&](std::string_view piece) { return ours.receive(piece); });
  }
}

std::string body_of(Random& random) {
  std::string body(random.below(4) == 0 ? random.below(400'000) : random.below(300), '\0');
  for (size_t i = 0; i < body.size(); i += 97) body[i] = static_cast<char>(random.below(256));
  return body;
}

TEST(Http2Interop, ServesAnotherClient) {
  SeededRandom random(1);
  TestClock clock;
  Echo echo;
  Http2Session ours(Http2Session::Role::kServer, {}, clock, echo);
  echo.session = &ours;
  Peer peer(false);
  std::map<int32_t, std::string> sent;
  for (int round = 0; round < 20; ++round) {
    for (uint64_t i = random.below(30); i > 0; --i) {
      std::string body = body_of(random);
      const int32_t id = peer.request(body);
      sent[id] = std::move(body);
    }
    converse(ours, peer, random);
  }
  ASSERT_GT(sent.size(), 100u);
  for (const auto& [id, body] : sent) {
    const Peer::Stream& stream = peer.streams[id];
    ASSERT_EQ(stream.body, body) << id;
    EXPECT_EQ(stream.fields.at(":status"), "200");
    EXPECT_EQ(stream.fields.at("x-length"), std::to_string(body.size()));
    EXPECT_TRUE(stream.closed);
    EXPECT_EQ(stream.code, 0u);
  }
  EXPECT_EQ(echo.closed, static_cast<int>(sent.size()));
  EXPECT_EQ(ours.open_streams(), 0u);
}

TEST(Http2Interop, IsServedByAnotherServer) {
  SeededRandom random(2);
  TestClock clock;
  Consumer consumer;
  Http2Session ours(Http2Session::Role::kClient, {}, clock, consumer);
  consumer.session = &ours;
  Peer peer(true);
  std::vector<std::pair<std::unique_ptr<Recorder::Seen>, std::string>> sent;
  for (int round = 0; round < 20; ++round) {
    for (uint64_t i = random.below(30); i > 0 && ours.can_open(); --i) {
      auto seen = std::make_unique<Recorder::Seen>();
      RequestHead head;
      head.method = "POST";
      head.target = "/" + std::to_string(random.below(5));
      head.authority = "weft.test";
      head.fields.add("X-Upper", std::to_string(random.below(3)));
      head.length = {BodyLength::kStreamed, 0};
      std::string body = body_of(random);
      seen->stream = ours.open(head, false, seen.get());
      ASSERT_TRUE(seen->stream);
      ours.send_data(*seen->stream, Buffer(body));
      ours.finish(*seen->stream, {});
      sent.emplace_back(std::move(seen), std::move(body));
    }
    converse(ours, peer, random);
  }
  ASSERT_GT(sent.size(), 100u);
  for (const auto& [seen, body] : sent) {
    ASSERT_EQ(seen->body, body);
    EXPECT_EQ(seen->responses.at(0).fields.get("server"), "other");
    EXPECT_EQ(seen->trailers.get("x-length"), std::to_string(body.size()));
    EXPECT_TRUE(seen->closed);
    EXPECT_EQ(seen->code, Http2Code::kNoError);
  }
}

}  // namespace
}  // namespace weft::wire
