// A line is built in one string and handed to the sink whole: lines of several threads never mix, and
// a sink needs no knowledge of levels or fields. Disabled levels cost one comparison.
#include "base/log.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "base/text.h"

namespace weft {

namespace {

struct Civil {
  int64_t year;
  unsigned month;
  unsigned day;
};

// Days since 1970-01-01 to a proleptic Gregorian date (Hinnant, "chrono-Compatible Low-Level Date
// Algorithms"); gmtime_r would do, but takes glibc's time zone lock.
Civil civil_from_days(int64_t days) {
  days += 719468;
  const int64_t era = (days >= 0 ? days : days - 146096) / 146097;
  const auto day_of_era = static_cast<unsigned>(days - era * 146097);
  const unsigned year_of_era =
      (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
  const unsigned day_of_year =
      day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
  const unsigned mp = (5 * day_of_year + 2) / 153;
  const unsigned month = mp < 10 ? mp + 3 : mp - 9;
  return {static_cast<int64_t>(year_of_era) + era * 400 + (month <= 2 ? 1 : 0), month,
          day_of_year - (153 * mp + 2) / 5 + 1};
}

void append_value(std::string& line, std::string_view text) {
  const bool plain = !text.empty() && text.find_first_of(" \"=\\") == std::string_view::npos;
  if (plain) {
    append_escaped(line, text);
  } else {
    append_json_string(line, text);
  }
}

}  // namespace

std::string to_rfc3339(WallTime time) {
  constexpr int64_t kDay = 86'400'000;
  int64_t ms = time.unix_ns / 1'000'000;
  if (time.unix_ns % 1'000'000 < 0) --ms;
  const int64_t days = ms >= 0 ? ms / kDay : (ms - kDay + 1) / kDay;
  const int64_t rest = ms - days * kDay;
  const Civil date = civil_from_days(days);
  return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", date.year, date.month, date.day,
                     rest / 3'600'000, rest / 60'000 % 60, rest / 1000 % 60, rest % 1000);
}

std::string_view to_string(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarn: return "warn";
    case LogLevel::kError: return "error";
    case LogLevel::kOff: return "off";
  }
  return "unknown";
}

Result<LogLevel> parse_log_level(std::string_view text) {
  for (LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarn, LogLevel::kError, LogLevel::kOff}) {
    if (text == to_string(level)) return level;
  }
  return fail(ErrorKind::kInvalid,
              "'" + std::string(text) + "' is not a log level: debug, info, warn, error or off");
}

void StderrSink::write(LogLevel, std::string_view line) {
  std::string whole(line);
  whole += '\n';
  // A closed or full stderr is nothing a logger could report anywhere.
  [[maybe_unused]] const ssize_t written = ::write(STDERR_FILENO, whole.data(), whole.size());
}

void MemorySink::write(LogLevel, std::string_view line) {
  const std::lock_guard lock(mutex_);
  lines_.emplace_back(line);
}

std::vector<std::string> MemorySink::lines() const {
  const std::lock_guard lock(mutex_);
  return lines_;
}

bool MemorySink::contains(std::string_view text) const {
  const std::lock_guard lock(mutex_);
  for (const std::string& line : lines_) {
    if (line.find(text) != std::string::npos) return true;
  }
  return false;
}

Log::Log(LogSink& sink, const Clock& clock, std::string component, LogLevel threshold)
    : sink_(&sink), clock_(&clock), component_(std::move(component)), threshold_(threshold) {}

Log Log::named(std::string component) const {
  return Log(*sink_, *clock_, std::move(component), threshold_);
}

void Log::write(LogLevel level, std::string_view message,
                std::initializer_list<LogField> fields) const {
  std::string line = to_rfc3339(clock_->wall_now());
  line += fmt::format(" {:<5} {}: ", to_string(level), component_);
  append_escaped(line, message);
  bool first = true;
  for (const LogField& field : fields) {
    line += first ? "  " : " ";
    first = false;
    line += field.key;
    line += '=';
    append_value(line, field.text);
  }
  sink_->write(level, line);
}

}  // namespace weft
