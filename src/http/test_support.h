// For the tests of this module: both ends of a connection on one loop, a raw peer that sees every byte,
// and a handler with a few well-known paths.
#pragma once

#include <sys/socket.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "http/client.h"
#include "http/respond.h"
#include "http/server.h"
#include "io/epoll_loop.h"
#include "io/event.h"
#include "io/socket_network.h"

namespace weft::http::testing {

constexpr Duration kPatience = Duration::seconds(10);

inline std::pair<io::StreamPtr, io::StreamPtr> stream_pair(io::EpollLoop& loop) {
  int fds[2];
  WEFT_ASSERT(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
  return {io::adopt_stream(loop, fds[0]), io::adopt_stream(loop, fds[1])};
}

// Sends and collects plain bytes.
class RawPeer final : public io::StreamHandler {
 public:
  explicit RawPeer(io::EpollLoop& loop, io::StreamPtr stream)
      : loop_(loop), stream_(std::move(stream)) {
    stream_->set_handler(this);
  }
  ~RawPeer() override {
    if (stream_) stream_->set_handler(nullptr);
  }

  void send(std::string_view bytes) { stream_->write(bytes); }
  // One octet per turn of the loop.
  void send_slowly(std::string_view bytes) {
    for (char c : bytes) {
      stream_->write(std::string_view(&c, 1));
      bool turned = false;
      loop_.post([&] { turned = true; });
      loop_.run_for_test([&] { return turned && stream_->write_queued() == 0; }, kPatience);
    }
  }
  bool wait_for(std::string_view text) {
    return loop_.run_for_test([&] { return received.find(text) != std::string::npos; }, kPatience);
  }
  bool wait_end() {
    return loop_.run_for_test([&] { return end.has_value(); }, kPatience);
  }
  io::Stream& stream() { return *stream_; }
  void vanish() {
    stream_->set_handler(nullptr);
    stream_.reset();
  }

  void on_readable() override {
    Buffer in;
    while (reading) {
      const io::ReadOutcome outcome = stream_->read(in);
      if (outcome.kind == io::ReadOutcome::kWouldBlock) break;
      if (outcome.kind != io::ReadOutcome::kData) {
        end = outcome.kind;
        break;
      }
    }
    received += in.view();
  }
  void on_writable() override {}

  std::string received;
  std::optional<io::ReadOutcome::Kind> end;
  bool reading = true;

 private:
  io::EpollLoop& loop_;
  io::StreamPtr stream_;
};

inline std::string big_body(size_t size) {
  std::string body(size, '\0');
  for (size_t i = 0; i < size; ++i) body[i] = static_cast<char>('a' + i % 26);
  return body;
}

// Runs a task to its end on the loop.
template <typename T>
std::optional<T> run(io::EpollLoop& loop, io::Task<T> task, Duration limit = kPatience) {
  std::optional<T> result;
  io::TaskScope scope;
  auto into = [](io::Task<T> inner, std::optional<T>& out) -> io::Task<void> {
    out.emplace(co_await std::move(inner));
  };
  scope.spawn(into(std::move(task), result));
  loop.run_for_test([&] { return result.has_value(); }, limit);
  return result;
}

// A whole answer as a client sees it.
struct Answer {
  std::vector<wire::ResponseHead> interims;
  wire::ResponseHead head;
  std::string body;
  wire::Fields trailers;
};

inline io::Task<Result<Answer>> read_answer(ClientStream& stream) {
  Answer answer;
  for (;;) {
    Result<wire::ResponseHead> head = co_await stream.read_head();
    if (!head) co_return std::unexpected(std::move(head.error()));
    if (!head->interim()) {
      answer.head = std::move(*head);
      break;
    }
    answer.interims.push_back(std::move(*head));
  }
  for (;;) {
    Result<BodyPiece> piece = co_await stream.read_body();
    if (!piece) co_return std::unexpected(std::move(piece.error()));
    answer.body += piece->data.view();
    if (!piece->end) continue;
    answer.trailers = std::move(piece->trailers);
    co_return answer;
  }
}

inline wire::RequestHead get(std::string_view target) {
  wire::RequestHead head;
  head.method = "GET";
  head.target = target;
  head.authority = "weft.test";
  return head;
}

inline wire::RequestHead post(std::string_view target, wire::BodyLength length) {
  wire::RequestHead head = get(target);
  head.method = "POST";
  head.length = length;
  return head;
}

// What the handler below saw.
struct Seen {
  int requests = 0;
  int running = 0;
  int gone = 0;
  std::vector<std::string> errors;
  size_t largest_piece = 0;
  std::vector<wire::RequestHead> heads;
};

// /hello     "hello"
// /big/N     N octets of big_body
// /echo      the request body, streamed, with its trailers
// /early     103 with a link field, then "late"
// /trailers  "x" and the trailer x-sum: 1
// /silent    returns without an answer
// /wait      waits until the client is gone
// /upgrade   101, then echoes raw bytes
// /close     "bye" to the end of the connection
inline io::Task<void> answer(ServerStreamPtr stream, Seen& seen) {
  struct Count {
    explicit Count(int& n) : n(n) { ++n; }
    ~Count() { --n; }
    int& n;
  };
  ++seen.requests;
  const Count running(seen.running);
  seen.heads.push_back(stream->request());
  const std::string target = stream->request().target;
  wire::ResponseHead head;
  head.version = stream->request().version;
  if (target == "/hello") {
    (void)co_await respond(*stream, 200, "text/plain", "hello");
  } else if (target.starts_with("/big/")) {
    const std::string body = big_body(std::stoul(target.substr(5)));
    head.length = {wire::BodyLength::kSized, body.size()};
    stream->send_response(head, false);
    for (size_t at = 0; at < body.size(); at += 16384) {
      Result<void> sent =
          co_await stream->send_body(Buffer(std::string_view(body).substr(at, 16384)));
      if (!sent) {
        seen.errors.push_back(sent.error().message());
        co_return;
      }
    }
    stream->finish();
  } else if (target == "/echo" || target == "/upgrade") {
    head.length = stream->request().length;
    if (target == "/upgrade") {
      head.status = 101;
      head.fields.add("Connection", "Upgrade");
      head.fields.add("Upgrade", "echo");
    }
    stream->send_response(head, false);
    for (;;) {
      Result<BodyPiece> piece = co_await stream->read_body();
      if (!piece) {
        seen.errors.push_back(piece.error().message());
        co_return;
      }
      seen.largest_piece = std::max(seen.largest_piece, piece->data.size());
      Result<void> sent = co_await stream->send_body(std::move(piece->data));
      if (!sent) {
        seen.errors.push_back(sent.error().message());
        co_return;
      }
      if (!piece->end) continue;
      stream->finish(std::move(piece->trailers));
      co_return;
    }
  } else if (target == "/early") {
    wire::ResponseHead early;
    early.status = 103;
    early.fields.add("link", "</a.css>");
    stream->send_interim(early);
    (void)co_await respond(*stream, 200, "", "late");
  } else if (target == "/trailers") {
    head.length = {wire::BodyLength::kStreamed, 0};
    stream->send_response(head, false);
    (void)co_await stream->send_body(Buffer("x"));
    wire::Fields trailers;
    trailers.add("x-sum", "1");
    stream->finish(std::move(trailers));
  } else if (target == "/close") {
    head.length = {wire::BodyLength::kToClose, 0};
    stream->send_response(head, false);
    (void)co_await stream->send_body(Buffer("bye"));
    stream->finish();
  } else if (target == "/wait") {
    co_await stream->wait_gone();
    ++seen.gone;
  } else if (target != "/silent") {
    (void)co_await respond(*stream, 404, "text/plain", "no such path");
  }
}

}  // namespace weft::http::testing
