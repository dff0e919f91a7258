// What policies count of the backends a sidecar calls, as metrics: how near the breaker's bounds are, what was
// refused, who is thrown out. Only services with a BackendPolicy, and those where something was counted, have
// series. Read on the main loop; the counts are shared atomics.
#pragma once

#include "proxy/snapshot.h"
#include "telemetry/prometheus.h"

namespace weft::proxy {

void write_backends(telemetry::MetricsText& text, const Snapshot& snapshot, Instant now);

}  // namespace weft::proxy
