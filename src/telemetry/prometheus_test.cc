#include "telemetry/prometheus.h"

#include <gtest/gtest.h>

namespace weft::telemetry {
namespace {

TEST(Prometheus, CountersAndGaugesAreWrittenInBothFormats) {
  for (bool open_metrics : {false, true}) {
    MetricsText text(open_metrics);
    text.counter("weft_things", "Things seen.");
    text.sample({{"kind", "a\"b\\c\nd"}}, uint64_t{3});
    text.gauge("weft_level", "A level.");
    text.sample({}, 1.5);
    const std::string counter_type =
        open_metrics ? "# TYPE weft_things counter\n# HELP weft_things Things seen.\n"
                     : "# TYPE weft_things_total counter\n# HELP weft_things_total Things seen.\n";
    EXPECT_EQ(text.finish(), counter_type +
                                 "weft_things_total{kind=\"a\\\"b\\\\c\\nd\"} 3\n"
                                 "# TYPE weft_level gauge\n# HELP weft_level A level.\n"
                                 "weft_level 1.5\n" +
                                 (open_metrics ? "# EOF\n" : ""));
  }
}

TEST(Prometheus, HistogramBucketsAreCumulativeAndEndInTheCount) {
  Histogram h;
  h.record(Duration::micros(100));
  h.record(Duration::micros(200));
  h.record(Duration::seconds(60));
  MetricsText text(false);
  text.histogram("t", "T.");
  text.sample({{"x", "y"}}, h.snapshot());
  const std::string out = text.finish();
  EXPECT_NE(out.find("t_bucket{x=\"y\",le=\"0.000131072\"} 1\n"), std::string::npos) << out;
  EXPECT_NE(out.find("t_bucket{x=\"y\",le=\"0.000262144\"} 2\n"), std::string::npos) << out;
  EXPECT_NE(out.find("t_bucket{x=\"y\",le=\"17.179869184\"} 2\n"), std::string::npos) << out;
  EXPECT_NE(out.find("t_bucket{x=\"y\",le=\"+Inf\"} 3\n"), std::string::npos) << out;
  EXPECT_NE(out.find("t_count{x=\"y\"} 3\n"), std::string::npos) << out;
}

TEST(Prometheus, TheAcceptHeaderChoosesTheFormat) {
  EXPECT_EQ(MetricsText::for_accept("text/plain").content_type().substr(0, 10), "text/plain");
  EXPECT_EQ(MetricsText::for_accept("application/openmetrics-text; version=1.0.0,text/plain;q=0.5")
                .content_type()
                .substr(0, 28),
            "application/openmetrics-text");
}

}  // namespace
}  // namespace weft::telemetry
