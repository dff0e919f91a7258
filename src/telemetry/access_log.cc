// Written by hand rather than through a JSON library: the shape is fixed, and a line costs about half a
// microsecond and no allocation once the queue's string has grown. The queue hands its string over and
// takes the last one back, so that a busy proxy does not fault in fresh pages for every batch.
#include "telemetry/access_log.h"

#include <charconv>
#include <chrono>
#include <utility>

#include "base/text.h"

namespace weft::telemetry {

namespace {

constexpr size_t kMaxValue = 1024;
// What a string may keep of its memory when it comes back empty.
constexpr size_t kKept = 512 * 1024;

// Fields by their name as it stands in the line, comma and all: the first one has `{` instead.
class LineWriter {
 public:
  explicit LineWriter(std::string& out) : out_(out) {}

  void text(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    out_ += name;
    append_json_string(out_, value.substr(0, kMaxValue));
  }
  // Ours: needs no escaping.
  void word(std::string_view name, std::string_view value) {
    out_ += name;
    out_ += value;
  }
  void number(std::string_view name, int64_t value) {
    out_ += name;
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out_.append(digits, end);
  }

 private:
  std::string& out_;
};

void put_digits(char* to, unsigned value, int count) {
  for (int i = count - 1; i >= 0; --i, value /= 10) to[i] = static_cast<char>('0' + value % 10);
}

// {"time":"2026-11-23T10:20:30.123456Z", written in place: the C library takes a microsecond for this.
void append_time(std::string& out, WallTime time) {
  const std::chrono::sys_time<std::chrono::nanoseconds> at{std::chrono::nanoseconds(time.unix_ns)};
  const auto day = std::chrono::floor<std::chrono::days>(at);
  const std::chrono::year_month_day date(day);
  const auto micros = std::chrono::duration_cast<std::chrono::microseconds>(at - day).count();
  const auto seconds = static_cast<unsigned>(micros / 1'000'000);
  char text[] = R"({"time":"0000-00-00T00:00:00.000000Z")";
  char* digits = text + 9;
  put_digits(digits, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  put_digits(digits + 5, static_cast<unsigned>(date.month()), 2);
  put_digits(digits + 8, static_cast<unsigned>(date.day()), 2);
  put_digits(digits + 11, seconds / 3600, 2);
  put_digits(digits + 14, seconds / 60 % 60, 2);
  put_digits(digits + 17, seconds % 60, 2);
  put_digits(digits + 20, static_cast<unsigned>(micros % 1'000'000), 6);
  out.append(text, sizeof text - 1);
}

}  // namespace

void append_access_line(std::string& out, const AccessRecord& record) {
  append_time(out, record.time);
  LineWriter line(out);
  line.word(R"(,"direction":)", record.inbound ? R"("inbound")" : R"("outbound")");
  line.text(R"(,"protocol":)", record.protocol);
  line.text(R"(,"source":)", record.source);
  line.text(R"(,"client":)", record.client);
  line.text(R"(,"destination":)", record.destination);
  line.text(R"(,"service":)", record.service);
  line.text(R"(,"route":)", record.route);
  line.text(R"(,"method":)", record.method);
  line.text(R"(,"authority":)", record.authority);
  line.text(R"(,"path":)", record.path);
  if (record.status >= 0) line.number(R"(,"status":)", record.status);
  if (record.grpc_status >= 0) line.number(R"(,"grpc_status":)", record.grpc_status);
  line.text(R"(,"flags":)", record.flags);
  line.text(R"(,"why":)", record.why);
  line.text(R"(,"policy":)", record.policy);
  line.number(R"(,"bytes_received":)", static_cast<int64_t>(record.bytes_received));
  line.number(R"(,"bytes_sent":)", static_cast<int64_t>(record.bytes_sent));
  line.number(R"(,"duration_us":)", record.duration.to_micros());
  if (record.attempts >= 0) line.number(R"(,"attempts":)", record.attempts);
  line.text(R"(,"upstream":)", record.upstream);
  line.text(R"(,"workload":)", record.workload);
  line.text(R"(,"request_id":)", record.request_id);
  line.text(R"(,"trace_id":)", record.trace_id);
  if (record.mirror) line.word(R"(,"mirror":)", "true");
  line.word(R"(,"mtls":)", record.mtls ? "true}\n" : "false}\n");
}

void LineQueue::push(const AccessRecord& record) {
  bool full_enough = false;
  {
    const std::lock_guard lock(mutex_);
    if (lines_.size() >= max_bytes_) {
      ++dropped_;
      return;
    }
    append_access_line(lines_, record);
    full_enough = !told_ && lines_.size() >= kTell;
    told_ |= full_enough;
  }
  if (full_enough && on_many_) on_many_();
}

void LineQueue::drain(std::string& into) {
  into.clear();
  if (into.capacity() > kKept) into = std::string();
  const std::lock_guard lock(mutex_);
  told_ = false;
  into.swap(lines_);
}

uint64_t LineQueue::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

}  // namespace weft::telemetry
