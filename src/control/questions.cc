// A call is two coroutines over one queue, as with discovery; who asked waits on an event of its own. Whoever goes
// first, the sidecar or the person, takes only itself away.
#include "control/questions.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "explain.pb.h"

namespace weft::control {

struct Questions::Waiting {
  Waiting(Questions& owner, const std::string& instance)
      : owner(owner), instance(instance), id(owner.next_id_++), done(owner.loop_) {
    owner.waiting_.emplace(id, this);
  }
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;
  ~Waiting() { owner.waiting_.erase(id); }

  Questions& owner;
  const std::string instance;
  const uint64_t id;
  io::Event done;
  Result<std::string> answer =
      fail(ErrorKind::kTimeout, "its sidecar did not answer within 5 seconds");
};

struct Questions::Line {
  Line(Questions& owner, std::string instance)
      : owner(owner), instance(std::move(instance)), due(owner.loop_) {
    owner.lines_[this->instance] = this;
    owner.opened_.pulse();
  }
  Line(const Line&) = delete;
  Line& operator=(const Line&) = delete;
  ~Line() {
    const auto mine = owner.lines_.find(instance);
    if (mine == owner.lines_.end() || mine->second != this) return;
    owner.lines_.erase(mine);
    for (const auto& [id, waiting] : owner.waiting_) {
      if (waiting->instance != instance) continue;
      waiting->answer = fail(ErrorKind::kUnavailable, "its sidecar went away before it answered");
      waiting->done.set();
    }
  }

  Questions& owner;
  const std::string instance;
  std::vector<std::string> to_write;
  io::Event due;
};

io::Task<void> Questions::write(http::GrpcServerCall& call, Line& line) {
  while (!closed_) {
    for (std::string& question : std::exchange(line.to_write, {})) {
      if (auto ok = co_await call.write(std::move(question)); !ok) co_return;
    }
    line.due.reset();
    if (!line.to_write.empty() || closed_) continue;
    if (co_await line.due.wait_for(kKeepOpen)) continue;
    // A question about nothing: a call on which nothing moves would be ended as dead.
    if (auto ok = co_await call.write(v1::Question().SerializeAsString()); !ok) co_return;
  }
  call.finish(http::GrpcStatus::kUnavailable, "the server stops");
}

io::Task<void> Questions::serve(std::unique_ptr<http::GrpcServerCall> call, std::string instance) {
  Line line(*this, std::move(instance));
  io::TaskScope writer;
  writer.spawn(write(*call, line));
  while (true) {
    auto message = co_await call->read();
    if (!message) co_return;  // the connection is gone
    if (!*message) break;
    v1::Answer answer;
    if (!answer.ParseFromString(**message)) {
      if (!closed_) call->finish(http::GrpcStatus::kInvalidArgument, "an answer cannot be read");
      co_return;
    }
    const auto waiting = waiting_.find(answer.id());
    // Nobody waits any more, or it is not its question.
    if (waiting == waiting_.end() || waiting->second->instance != line.instance) continue;
    waiting->second->answer = answer.explanation().SerializeAsString();
    waiting->second->done.set();
  }
  if (!closed_) call->finish(http::GrpcStatus::kOk);
}

void Questions::close() {
  closed_ = true;
  for (const auto& [instance, line] : lines_) line->due.set();
}

io::Task<Result<std::string>> Questions::ask(std::string instance, std::string question) {
  const auto line = lines_.find(instance);
  if (line == lines_.end()) {
    co_return fail(ErrorKind::kUnavailable, "its sidecar takes no questions");
  }
  const auto busy = std::ranges::count_if(
      waiting_, [&](const auto& entry) { return entry.second->instance == instance; });
  if (static_cast<size_t>(busy) >= kMostWaiting) {
    co_return fail(ErrorKind::kLimit, "its sidecar has too many questions to answer: ask again");
  }
  Waiting waiting(*this, instance);
  v1::Question message;
  if (!message.ParseFromString(question)) {
    co_return fail(ErrorKind::kInternal, "a question that cannot be read");
  }
  message.set_id(waiting.id);
  line->second->to_write.push_back(message.SerializeAsString());
  line->second->due.set();
  co_await waiting.done.wait_for(kPatience);
  co_return std::move(waiting.answer);
}

}  // namespace weft::control
