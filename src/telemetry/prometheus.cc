// Bucket bounds of a histogram are the powers of two between 131 µs and 17 s in nanoseconds: odd-looking
// numbers, but exact sums of our finer buckets, where round bounds would be guesses.
#include "telemetry/prometheus.h"

#include <fmt/format.h>

#include <cmath>
#include <iterator>

namespace weft::telemetry {

namespace {

constexpr int kFirstOctave = 17;  // 131 µs
constexpr int kLastOctave = 34;   // 17.2 s

void append_label_value(std::string& out, std::string_view value) {
  out += '"';
  for (char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += c;
    }
  }
  out += '"';
}

}  // namespace

MetricsText MetricsText::for_accept(std::string_view accept) {
  return MetricsText(accept.find("application/openmetrics-text") != std::string_view::npos);
}

std::string_view MetricsText::content_type() const {
  return open_metrics_ ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                       : "text/plain; version=0.0.4; charset=utf-8";
}

void MetricsText::family(std::string_view name, std::string_view type, std::string_view help) {
  name_ = name;
  type_ = type;
  // 0.0.4 names the counter's samples in TYPE, OpenMetrics the family.
  const std::string_view suffix = type == "counter" && !open_metrics_ ? "_total" : "";
  fmt::format_to(std::back_inserter(out_), "# TYPE {0}{1} {2}\n# HELP {0}{1} {3}\n", name, suffix,
                 type, help);
}

void MetricsText::counter(std::string_view name, std::string_view help) {
  family(name, "counter", help);
}
void MetricsText::gauge(std::string_view name, std::string_view help) {
  family(name, "gauge", help);
}
void MetricsText::histogram(std::string_view name, std::string_view help) {
  family(name, "histogram", help);
}

void MetricsText::line(std::string_view suffix, const Labels& labels, std::string_view extra_label,
                       std::string_view value) {
  out_ += name_;
  out_ += suffix;
  if (!labels.empty() || !extra_label.empty()) {
    out_ += '{';
    bool first = true;
    for (const auto& [key, text] : labels) {
      if (!first) out_ += ',';
      first = false;
      out_ += key;
      out_ += '=';
      append_label_value(out_, text);
    }
    if (!extra_label.empty()) {
      if (!first) out_ += ',';
      out_ += extra_label;
    }
    out_ += '}';
  }
  out_ += ' ';
  out_ += value;
  out_ += '\n';
}

void MetricsText::sample(const Labels& labels, double value) {
  line(type_ == "counter" ? "_total" : "", labels, {}, fmt::format("{}", value));
}

void MetricsText::sample(const Labels& labels, uint64_t value) {
  line(type_ == "counter" ? "_total" : "", labels, {}, fmt::format("{}", value));
}

void MetricsText::sample(const Labels& labels, const HistogramData& data) {
  uint64_t below = 0;
  auto next = data.buckets.begin();
  for (int octave = kFirstOctave; octave <= kLastOctave; ++octave) {
    for (; next != data.buckets.end() && next->first < octave * 8; ++next) below += next->second;
    line("_bucket", labels, fmt::format("le=\"{}\"", std::ldexp(1.0, octave) * 1e-9),
         fmt::format("{}", below));
  }
  line("_bucket", labels, "le=\"+Inf\"", fmt::format("{}", data.count));
  line("_sum", labels, {}, fmt::format("{}", static_cast<double>(data.sum_ns) * 1e-9));
  line("_count", labels, {}, fmt::format("{}", data.count));
}

std::string MetricsText::finish() {
  if (open_metrics_) out_ += "# EOF\n";
  return std::move(out_);
}

void write_edges(MetricsText& text, const std::vector<EdgeTotals>& edges) {
  auto each = [&](auto&& value_of) {
    for (const EdgeTotals& edge : edges) {
      const std::string port = std::to_string(edge.key.port);
      text.sample({{"reporter", edge.key.inbound ? "destination" : "source"},
                   {"source", edge.key.source},
                   {"destination", edge.key.destination},
                   {"service", edge.key.service},
                   {"port", port},
                   {"protocol", edge.key.protocol},
                   {"mtls", edge.key.mtls ? "true" : "false"}},
                  value_of(edge));
    }
  };
  text.counter("weft_requests", "Requests answered, retries not counted.");
  each([](const EdgeTotals& e) { return e.requests; });
  text.counter("weft_request_errors", "Requests that ended in a 5xx or in a failure of the proxy.");
  each([](const EdgeTotals& e) { return e.errors; });
  text.counter("weft_request_retries", "Attempts after the first.");
  each([](const EdgeTotals& e) { return e.retries; });
  text.counter("weft_connections", "Connections opened.");
  each([](const EdgeTotals& e) { return e.connections; });
  text.counter("weft_sent_bytes", "Bytes sent to the destination.");
  each([](const EdgeTotals& e) { return e.bytes_sent; });
  text.counter("weft_received_bytes", "Bytes received from the destination.");
  each([](const EdgeTotals& e) { return e.bytes_received; });
  text.histogram("weft_request_duration_seconds", "From the request's head to the response's end.");
  each([](const EdgeTotals& e) { return e.latency; });
}

}  // namespace weft::telemetry
