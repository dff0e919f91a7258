// An HTTP/2 session on any octets after the preface, as server and as client with requests open: never a
// crash, bounded output, no event for a stream that was closed.
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "base/assert.h"
#include "wire/http2_session.h"

namespace {

using namespace weft;
using namespace weft::wire;

class FixedClock final : public Clock {
 public:
  Instant now() const override { return {1}; }
  WallTime wall_now() const override { return {}; }
};

// Answers every request with its body so far.
class Echo final : public Http2Events {
 public:
  struct Stream {
    Http2Stream* handle = nullptr;
    bool answered = false;
  };

  void* on_request(Http2Stream& stream, RequestHead&& head, bool end) override {
    WEFT_ASSERT(!head.method.empty());
    Stream& s = add(&stream);
    ResponseHead answer;
    answer.length = {BodyLength::kStreamed, 0};
    session->send_response(stream, answer, end);
    s.answered = !end;
    return &s;
  }
  void on_response(void* user, ResponseHead&& head, bool) override {
    WEFT_ASSERT(live(user).handle && head.status >= 100);
  }
  void on_data(void* user, std::string_view data) override {
    Stream& s = live(user);
    session->consume(*s.handle, data.size());
    if (s.answered) session->send_data(*s.handle, Buffer(data));
  }
  void on_end(void* user, Fields&& trailers) override {
    Stream& s = live(user);
    if (s.answered) session->finish(*s.handle, std::move(trailers));
  }
  void on_drained(void* user) override { live(user); }
  void on_closed(void* user, Http2Code) override { live(user).handle = nullptr; }
  void on_peer_changed() override {}

  Stream& add(Http2Stream* handle) {
    streams.push_back(std::make_unique<Stream>());
    streams.back()->handle = handle;
    return *streams.back();
  }
  static Stream& live(void* user) {
    auto& stream = *static_cast<Stream*>(user);
    WEFT_ASSERT(stream.handle);
    return stream;
  }

  std::vector<std::unique_ptr<Stream>> streams;
  Http2Session* session = nullptr;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const bool server = (data[0] & 1) == 0;
  const size_t piece = 1 + data[1] * 4;
  std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const FixedClock clock;
  Echo echo;
  Http2Limits limits;
  limits.header_bytes = 4096;
  Http2Session session(server ? Http2Session::Role::kServer : Http2Session::Role::kClient, limits,
                       clock, echo);
  echo.session = &session;
  if (server) {
    session.receive("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  } else {
    RequestHead head;
    head.method = "GET";
    head.target = "/";
    head.authority = "a";
    for (int i = 0; i < 3; ++i) {
      Echo::Stream& stream = echo.add(nullptr);
      stream.handle = session.open(head, i != 0, &stream);
      stream.answered = i == 0;
    }
  }
  Buffer out;
  session.produce(out, 1 << 20);
  while (!input.empty() && !session.finished()) {
    const size_t take = std::min(piece, input.size());
    const bool alive = session.receive(input.substr(0, take));
    input.remove_prefix(take);
    out.clear();
    session.produce(out, 1 << 20);
    WEFT_ASSERT(out.size() < (2 << 20));
    if (!alive) break;
  }
  return 0;
}
