// Written by hand rather than through a JSON library: the shape is fixed, and a line costs well under a
// microsecond and no allocation once the queue's string has grown.
#include "telemetry/access_log.h"

#include <charconv>
#include <ctime>

#include "base/text.h"

namespace weft::telemetry {

namespace {

constexpr size_t kMaxValue = 1024;

class LineWriter {
 public:
  explicit LineWriter(std::string& out) : out_(out) { out_ += '{'; }

  void text(std::string_view key, std::string_view value) {
    if (value.empty()) return;
    name(key);
    append_json_string(out_, value.substr(0, kMaxValue));
  }
  void number(std::string_view key, int64_t value) {
    name(key);
    char digits[24];
    const auto end = std::to_chars(digits, digits + sizeof digits, value).ptr;
    out_.append(digits, end);
  }
  void boolean(std::string_view key, bool value) {
    name(key);
    out_ += value ? "true" : "false";
  }
  void finish() { out_ += "}\n"; }

 private:
  void name(std::string_view key) {
    if (out_.back() != '{') out_ += ',';
    out_ += '"';
    out_ += key;  // ours: needs no escaping
    out_ += "\":";
  }
  std::string& out_;
};

std::string time_text(WallTime time) {
  const time_t seconds = static_cast<time_t>(time.unix_seconds());
  tm utc{};
  gmtime_r(&seconds, &utc);
  char text[40];
  const size_t used = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &utc);
  const auto micros = static_cast<unsigned>(time.unix_ns % 1'000'000'000 / 1000);
  std::string result(text, used);
  result += '.';
  const std::string digits = std::to_string(micros);
  result.append(6 - digits.size(), '0');
  return result + digits + "Z";
}

}  // namespace

void append_access_line(std::string& out, const AccessRecord& record) {
  LineWriter line(out);
  line.text("time", time_text(record.time));
  line.text("direction", record.inbound ? "inbound" : "outbound");
  line.text("protocol", record.protocol);
  line.text("source", record.source);
  line.text("destination", record.destination);
  line.text("service", record.service);
  line.text("route", record.route);
  line.text("method", record.method);
  line.text("authority", record.authority);
  line.text("path", record.path);
  if (record.status >= 0) line.number("status", record.status);
  if (record.grpc_status >= 0) line.number("grpc_status", record.grpc_status);
  line.text("flags", record.flags);
  line.text("why", record.why);
  line.number("bytes_received", static_cast<int64_t>(record.bytes_received));
  line.number("bytes_sent", static_cast<int64_t>(record.bytes_sent));
  line.number("duration_us", record.duration.to_micros());
  if (record.attempts >= 0) line.number("attempts", record.attempts);
  line.text("upstream", record.upstream);
  line.text("workload", record.workload);
  line.text("request_id", record.request_id);
  line.text("trace_id", record.trace_id);
  line.boolean("mtls", record.mtls);
  line.finish();
}

void LineQueue::push(const AccessRecord& record) {
  const std::lock_guard lock(mutex_);
  if (lines_.size() >= max_bytes_) {
    ++dropped_;
    return;
  }
  append_access_line(lines_, record);
}

std::string LineQueue::drain() {
  std::string taken;
  const std::lock_guard lock(mutex_);
  taken.swap(lines_);
  return taken;
}

uint64_t LineQueue::dropped() const {
  const std::lock_guard lock(mutex_);
  return dropped_;
}

}  // namespace weft::telemetry
