// Logging as an object that is handed in. A Log is a name (the component), a threshold, a clock and a
// LogSink that takes finished lines:
//
//   2026-03-01T10:00:00.123Z warn  proxy: endpoint ejected  service=cart endpoint=10.0.0.7:20004
//
// Control characters in messages and values are escaped, so one event is one line and nothing a peer
// sent can steer a terminal. Values with blanks or quotes are quoted.
// A Log is a small value: copy it, or make a child for another component with named(). The clock and
// the sink outlive it. Any thread may log if the sink is thread-safe, as ours are, and the clock's
// wall_now() may be called from there, as a real loop's may.
#pragma once

#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "base/time.h"

namespace weft {

enum class LogLevel : uint8_t { kDebug, kInfo, kWarn, kError, kOff };

std::string_view to_string(LogLevel level);
// "debug", "info", "warn", "error", "off".
Result<LogLevel> parse_log_level(std::string_view text);

// Where lines go: stderr, a rotated file, a test's vector. write() may be called from any thread.
class LogSink {
 public:
  virtual ~LogSink() = default;
  // One line without its newline.
  virtual void write(LogLevel level, std::string_view line) = 0;
};

// Unbuffered, one write() a line.
class StderrSink final : public LogSink {
 public:
  void write(LogLevel level, std::string_view line) override;
};

// Keeps lines, for tests.
class MemorySink final : public LogSink {
 public:
  void write(LogLevel level, std::string_view line) override;
  std::vector<std::string> lines() const;
  bool contains(std::string_view text) const;

 private:
  mutable std::mutex mutex_;
  std::vector<std::string> lines_;
};

// key=value behind a message. Made from text, numbers and bool; lives for the call only when the value
// is text.
struct LogField {
  LogField(std::string_view name, std::string_view text) : key(name), text(text) {}
  LogField(std::string_view name, const char* text) : key(name), text(text) {}
  LogField(std::string_view name, const std::string& text) : key(name), text(text) {}
  LogField(std::string_view name, bool value) : key(name), text(value ? "true" : "false") {}
  template <std::integral T>
  LogField(std::string_view name, T value)
      : key(name), number(std::to_string(value)), text(number) {}
  LogField(const LogField& other) : key(other.key), number(other.number), text(other.text) {
    if (!number.empty()) text = number;
  }
  LogField& operator=(const LogField&) = delete;

  std::string_view key;
  std::string number;
  std::string_view text;
};

class Log {
 public:
  Log(LogSink& sink, const Clock& clock, std::string component,
      LogLevel threshold = LogLevel::kInfo);
  // The same sink, clock and threshold under another name.
  Log named(std::string component) const;

  bool enabled(LogLevel level) const { return level >= threshold_; }
  void debug(std::string_view message, std::initializer_list<LogField> fields = {}) const {
    if (enabled(LogLevel::kDebug)) write(LogLevel::kDebug, message, fields);
  }
  void info(std::string_view message, std::initializer_list<LogField> fields = {}) const {
    if (enabled(LogLevel::kInfo)) write(LogLevel::kInfo, message, fields);
  }
  void warn(std::string_view message, std::initializer_list<LogField> fields = {}) const {
    if (enabled(LogLevel::kWarn)) write(LogLevel::kWarn, message, fields);
  }
  void error(std::string_view message, std::initializer_list<LogField> fields = {}) const {
    if (enabled(LogLevel::kError)) write(LogLevel::kError, message, fields);
  }

 private:
  void write(LogLevel level, std::string_view message,
             std::initializer_list<LogField> fields) const;

  LogSink* sink_;
  const Clock* clock_;
  std::string component_;
  LogLevel threshold_;
};

// RFC 3339 in UTC with milliseconds: "2026-03-01T10:00:00.123Z".
std::string to_rfc3339(WallTime time);

}  // namespace weft
