// Metrics as text for scrapers: Prometheus exposition 0.0.4, or OpenMetrics 1.0 when the Accept header
// asks for it. A writer, not a registry: whoever owns numbers writes them when asked, so nothing is
// registered anywhere and nothing outlives its owner.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "telemetry/edges.h"
#include "telemetry/histogram.h"

namespace weft::telemetry {

using Labels = std::vector<std::pair<std::string_view, std::string_view>>;

class MetricsText {
 public:
  explicit MetricsText(bool open_metrics) : open_metrics_(open_metrics) {}
  // Chooses by the Accept header of the scrape.
  static MetricsText for_accept(std::string_view accept);

  // Starts a family; samples of it follow. Counter names are given without "_total".
  void counter(std::string_view name, std::string_view help);
  void gauge(std::string_view name, std::string_view help);
  void histogram(std::string_view name, std::string_view help);

  void sample(const Labels& labels, double value);
  void sample(const Labels& labels, uint64_t value);
  // Durations in seconds; buckets at the powers of two of nanoseconds, where they are exact.
  void sample(const Labels& labels, const HistogramData& data);

  // The whole text; ends the exposition.
  std::string finish();
  std::string_view content_type() const;

 private:
  void family(std::string_view name, std::string_view type, std::string_view help);
  void line(std::string_view suffix, const Labels& labels, std::string_view extra_label,
            std::string_view value);
  bool open_metrics_;
  std::string out_;
  std::string name_;
  std::string_view type_;
};

// The golden signals of all edges: weft_requests, weft_request_errors, weft_request_retries,
// weft_connections, weft_sent_bytes, weft_received_bytes and weft_request_duration_seconds with labels
// reporter (source or destination), source, destination, service, port, protocol, mtls.
void write_edges(MetricsText& text, const std::vector<EdgeTotals>& edges);

}  // namespace weft::telemetry
