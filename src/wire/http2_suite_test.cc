// Plays the HTTP/2 error cases (external test data, see its README) against a session, without sockets:
// as a server that answers every request with 200 and its body, and as a client with a request open.
// Steps are taken at once, `wait` and `expect_no` are implied. A case passes only with the outcome it
// expects, not with one that it also allows; after an error of a stream another request must be answered.
#include <gtest/gtest.h>
#include <nghttp2/nghttp2.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <string>
#include <vector>

#include "wire/http2_session.h"

namespace weft::wire {
namespace {

using nlohmann::json;

class TestClock final : public Clock {
 public:
  Instant now() const override { return {1}; }
  WallTime wall_now() const override { return {}; }
};

// A backend that answers at the end of a request; a caller that remembers its answer.
class Peer final : public Http2Events {
 public:
  struct Stream {
    Http2Stream* handle = nullptr;
    std::vector<ResponseHead> heads;
    bool ended = false;
    bool closed = false;
    Http2Code code{};
  };

  void* on_request(Http2Stream& stream, RequestHead&& head, bool end) override {
    ++requests;
    fields = std::move(head.fields);
    fields.set("host", head.authority);
    streams.push_back(std::make_unique<Stream>());
    streams.back()->handle = &stream;
    if (end) answer(*streams.back());
    return streams.back().get();
  }
  void on_response(void* user, ResponseHead&& head, bool end) override {
    auto& stream = *static_cast<Stream*>(user);
    stream.heads.push_back(std::move(head));
    stream.ended = end;
  }
  void on_data(void* user, std::string_view data) override {
    if (reading) session->consume(*static_cast<Stream*>(user)->handle, data.size());
  }
  void on_end(void* user, Fields&& fields_after) override {
    trailers = std::move(fields_after);
    auto& stream = *static_cast<Stream*>(user);
    stream.ended = true;
    if (server) answer(stream);
  }
  void on_drained(void*) override {}
  void on_closed(void* user, Http2Code code) override {
    auto& stream = *static_cast<Stream*>(user);
    stream.closed = true;
    stream.code = code;
  }
  void on_peer_changed() override {}

  void answer(Stream& stream) {
    ++complete;
    if (!answering) return;
    ResponseHead head;
    head.length = {BodyLength::kSized, 2};
    session->send_response(*stream.handle, head, false);
    session->send_data(*stream.handle, Buffer("ok"));
    session->finish(*stream.handle, {});
  }

  std::vector<std::unique_ptr<Stream>> streams;
  Http2Session* session = nullptr;
  bool server = true;
  bool reading = true;
  bool answering = true;
  Fields fields;  // of the last request, with its authority as Host
  Fields trailers;
  int requests = 0;
  int complete = 0;
};

// What came out of the session.
struct Output {
  std::set<uint32_t> goaway;
  std::map<uint32_t, std::set<uint32_t>> resets;
  std::map<uint32_t, int> statuses;
  std::set<uint32_t> ended;
  std::string bytes;

  Output() { nghttp2_hd_inflate_new(&inflater); }
  ~Output() { nghttp2_hd_inflate_del(inflater); }
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void take(std::string_view in) {
    if (bytes.size() < 4096) bytes += in;
    if (in.starts_with("PRI ")) in.remove_prefix(24);
    while (in.size() >= 9) {
      auto octet = [&](size_t i) { return static_cast<uint8_t>(in[i]); };
      auto u32 = [&](size_t i) {
        return uint32_t{octet(i)} << 24 | uint32_t{octet(i + 1)} << 16 |
               uint32_t{octet(i + 2)} << 8 | octet(i + 3);
      };
      const size_t size = size_t{octet(0)} << 16 | size_t{octet(1)} << 8 | octet(2);
      const uint32_t stream = u32(5);
      if (octet(3) == 7 && u32(13) != 0) goaway.insert(u32(13));
      if (octet(3) == 3) resets[stream].insert(u32(9));
      if (octet(3) == 1) inflate(stream, in.substr(9, size));
      if (octet(3) <= 1 && (octet(4) & 1) != 0) ended.insert(stream);
      in.remove_prefix(9 + size);
    }
  }

  nghttp2_hd_inflater* inflater = nullptr;

 private:
  void inflate(uint32_t stream, std::string_view block) {
    const auto* at = reinterpret_cast<const uint8_t*>(block.data());
    size_t left = block.size();
    for (;;) {
      nghttp2_nv nv;
      int flags = 0;
      const ssize_t used = nghttp2_hd_inflate_hd2(inflater, &nv, &flags, at, left, 1);
      if (used < 0) return;
      at += used;
      left -= static_cast<size_t>(used);
      if ((flags & NGHTTP2_HD_INFLATE_EMIT) != 0 &&
          std::string_view(reinterpret_cast<char*>(nv.name), nv.namelen) == ":status") {
        statuses[stream] = std::stoi(std::string(reinterpret_cast<char*>(nv.value), nv.valuelen));
      }
      if ((flags & NGHTTP2_HD_INFLATE_FINAL) != 0) break;
    }
    nghttp2_hd_inflate_end_headers(inflater);
  }
};

std::string octets(const std::string& hex) {
  std::string out;
  for (size_t i = 0; i + 1 < hex.size(); i += 2) {
    out += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
  }
  return out;
}

std::string frame(uint8_t type, uint8_t flags, uint32_t stream, std::string_view payload) {
  std::string out;
  for (int shift = 16; shift >= 0; shift -= 8) out += static_cast<char>(payload.size() >> shift);
  out += static_cast<char>(type);
  out += static_cast<char>(flags);
  for (int shift = 24; shift >= 0; shift -= 8) out += static_cast<char>(stream >> shift);
  return out + std::string(payload);
}

class Runner {
 public:
  Runner(const json& suite, const json& test, size_t piece)
      : suite_(suite),
        test_(test),
        piece_(piece),
        server_(test["role"] == "server"),
        session_(server_ ? Http2Session::Role::kServer : Http2Session::Role::kClient,
                 limits_for(test), clock_, peer_) {
    peer_.session = &session_;
    peer_.server = server_;
    peer_.answering = !test.contains("timing");  // the backend is slow where it matters
    peer_.reading = test["id"] != "window-exceeded-by-client";
  }

  // Empty: as expected.
  std::string run() {
    open();
    for (const json& step : test_["steps"]) take(step);
    const json& expect = test_["expect"];
    std::string wrong = check(expect);
    if (wrong.empty()) wrong = check_backend(expect);
    if (wrong.empty() && test_.contains("also_expect")) wrong = check(test_["also_expect"]);
    return wrong;
  }

 private:
  // Some cases ask for a receiver that announces the RFC's defaults, or a smaller table than those.
  static Http2Limits limits_for(const json& test) {
    Http2Limits limits;
    if (test.value("requires", "").find("SETTINGS_MAX_FRAME_SIZE") != std::string::npos) {
      limits.frame_bytes = 16384;
    }
    if (test["id"] == "hpack-missing-size-update") limits.header_table = 1024;
    return limits;
  }
  void send(std::string_view bytes) {
    while (!bytes.empty() && alive_) {
      alive_ = session_.receive(bytes.substr(0, piece_));
      bytes.remove_prefix(std::min(piece_, bytes.size()));
      if (piece_ > 1 || bytes.empty()) produce();
    }
    produce();
  }
  void produce() {
    Buffer out;
    session_.produce(out, 16 << 20);
    output_.take(out.view());
  }
  std::string text(const char* name) const { return octets(suite_[name].get<std::string>()); }

  void open() {
    const json& first = test_["steps"][0];
    const bool raw = first.contains("raw_from_start");
    if (!server_) {
      RequestHead head;
      const std::string request = first.value("client_request", "GET /");
      head.method = request.substr(0, request.find(' '));
      head.target = "/";
      head.authority = "weft.test";
      peer_.streams.push_back(std::make_unique<Peer::Stream>());
      const bool end = head.method != "POST";
      head.length.kind = end ? BodyLength::kNone : BodyLength::kStreamed;
      peer_.streams[0]->handle = session_.open(head, end, peer_.streams[0].get());
      produce();
      if (!raw) send(text("empty_settings") + text("settings_ack"));
    } else if (!raw) {
      send(text("preface") + text("empty_settings"));
      send(text("settings_ack"));
    }
  }

  void take(const json& step) {
    if (step.contains("send_each")) {
      const std::string block = octets(step["block"].get<std::string>());
      if (test_["id"] == "window-exceeded-by-client") {
        send(frame(1, 4, 1, block));
        for (int i = 0; i < 6; ++i) send(frame(0, 0, 1, std::string(16384, 'x')));
      } else {
        last_ = 201;
        for (uint32_t id = 1; id <= last_; id += 2) send(frame(1, 4, id, block));
      }
    } else if (step.contains("generate")) {
      const std::string block = octets(step["block"].get<std::string>());
      const bool resets = test_["id"] == "flood-rapid-reset";
      for (uint32_t id = 1; id < 5000 && output_.goaway.empty(); id += 2) {
        send(resets ? frame(1, 5, id, block) + frame(3, 0, id, octets("00000008"))
                    : frame(1, 4, id, block) + frame(8, 0, id, octets("00000000")));
      }
    } else if (step.contains("send")) {
      const std::string bytes = octets(step["send"].get<std::string>());
      const int repeat = step.value("repeat", 1);
      for (int i = 0; i < repeat && alive_ && output_.goaway.empty(); ++i) send(bytes);
    }
  }

  std::set<uint32_t> codes(const json& expect) const {
    std::set<uint32_t> out;
    for (const json& name : expect.value("codes", json::array())) {
      out.insert(suite_["error_codes"][name.get<std::string>()].get<uint32_t>());
    }
    return out;
  }
  static bool meet(const std::set<uint32_t>& a, const std::set<uint32_t>& b) {
    return std::any_of(a.begin(), a.end(), [&](uint32_t x) { return b.contains(x); });
  }

  std::string check(const json& expect) {
    const std::string kind = expect["kind"];
    uint32_t stream = 1;
    if (expect.contains("stream"))
      stream = expect["stream"].is_number() ? expect["stream"].get<uint32_t>() : last_;
    if (kind == "connection_error" || kind == "bounded") {
      return meet(output_.goaway, codes(expect)) && session_.finished() ? "" : "no such GOAWAY";
    }
    if (kind == "stream_error") {
      if (!meet(output_.resets[stream], codes(expect))) return "no such RST_STREAM";
      if (!output_.goaway.empty()) return "the connection went as well";
      return server_ && !answers_another() ? "the connection is of no use" : "";
    }
    if (kind == "response") {
      if (!server_) return answered() ? "" : "no answer";
      int status = 200;
      const json& wanted =
          expect.contains("status") ? expect["status"] : test_.value("status", json::array({200}));
      for (const json& one : wanted) {
        status = one.get<int>();
        if (output_.statuses[stream] == status && output_.ended.contains(stream)) return "";
      }
      return "status " + std::to_string(output_.statuses[stream]);
    }
    if (kind == "frame") {
      if (test_.contains("forbid_frame") &&
          output_.bytes.find(octets(test_["forbid_frame"].get<std::string>())) !=
              std::string::npos) {
        return "a forbidden frame";
      }
      return output_.bytes.find(octets(test_["frame"].get<std::string>())) != std::string::npos
                 ? ""
                 : "no such frame";
    }
    if (kind == "close") return peer_.requests == 0 ? "" : "a request was taken";
    if (kind == "retry")
      return peer_.streams[0]->code == Http2Code::kRefusedStream ? "" : "not refused";
    if (kind == "broken_message")
      return peer_.streams[0]->closed && !peer_.streams[0]->ended ? "" : "whole";
    if (kind == "ignore") return output_.goaway.empty() ? "" : "the connection went";
    if (kind == "ignore_or_error") return answered() || !output_.goaway.empty() ? "" : "lost";
    return "unknown kind " + kind;
  }
  // A GET on an id that no case uses; the connection must still be in step.
  bool answers_another() {
    const uint32_t id = 1001;
    peer_.answering = true;
    // Where the limit was the error, one stream makes room.
    if (last_ > 1) send(frame(3, 0, 1, octets("00000008")));
    send(frame(1, 5, id, octets("8286840109776566742e74657374")));
    --peer_.requests;
    --peer_.complete;
    return output_.statuses[id] == 200 && output_.ended.contains(id);
  }
  bool answered() const {
    const Peer::Stream& stream = *peer_.streams[0];
    return stream.ended && !stream.heads.empty() && stream.heads.back().status == 200;
  }
  bool sees(const char* key, const Fields& fields) const {
    for (const auto& [name, value] : test_.value(key, json::object()).items()) {
      if (fields.count(name) != 1 || fields.get(name) != value.get<std::string>()) return false;
    }
    return true;
  }
  std::string check_backend(const json& expect) const {
    if (!sees("backend_sees", peer_.fields)) return "the backend sees other fields";
    if (!sees("backend_sees_trailers", peer_.trailers)) return "the backend sees other trailers";
    if (!expect.contains("backend_requests")) return "";
    const json& wanted = expect["backend_requests"];
    const std::string text =
        wanted.is_string() ? wanted.get<std::string>() : std::to_string(wanted.get<int>());
    if (text == "0..1 but never complete")
      return peer_.complete == 0 ? "" : "a complete request came through";
    if (text == "0..1") return peer_.requests <= 1 ? "" : "too many requests";
    if (text == "<=limit") return peer_.requests <= 100 ? "" : "too many requests";
    if (text == "see note") return peer_.requests <= 300 ? "" : "too many requests";
    return peer_.requests == std::stoi(text)
               ? ""
               : std::to_string(peer_.requests) + " requests came through";
  }

  const json& suite_;
  const json& test_;
  size_t piece_;
  bool server_;
  TestClock clock_;
  Peer peer_;
  Http2Session session_;
  Output output_;
  uint32_t last_ = 1;
  bool alive_ = true;
};

TEST(Http2Suite, EndsEachCaseAsExpectedOrSaysWhyNot) {
  const std::filesystem::path file =
      std::filesystem::path(WEFT_SUITES_DIR) / "http2-errors" / "cases.json";
  if (!std::filesystem::exists(file)) {
    std::printf("suite http2-errors: not run, %s is missing\n", file.c_str());
    GTEST_SKIP() << "no external test data at " << file;
  }
  std::ifstream in(file);
  const json suite = json::parse(in, nullptr, false);
  ASSERT_FALSE(suite.is_discarded());
  int passed = 0, total = 0;
  for (const json& test : suite["cases"]) {
    const std::string id = test["id"];
    std::string wrong;
    for (const size_t piece : {size_t{1} << 24, size_t{1}}) {
      if (piece == 1 && test["expect"]["kind"] == "bounded") continue;
      Runner runner(suite, test, piece);
      const std::string here = runner.run();
      if (here.empty()) continue;
      wrong = here;
    }
    ++total;
    passed += wrong.empty() ? 1 : 0;
    EXPECT_EQ(wrong, "") << id << ": " << test["title"];
  }
  std::printf("suite http2-errors: %d of %d, 0 counted out\n", passed, total);
  EXPECT_EQ(total, 162);
}

}  // namespace
}  // namespace weft::wire
