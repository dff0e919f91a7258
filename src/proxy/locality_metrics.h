// Metrics of services whose instances are at several distances (steer/locality.h): what part of the requests
// goes where by the capacity of the moment, and whether a distance is in panic. Main loop.
#pragma once

#include "base/time.h"
#include "proxy/snapshot.h"
#include "telemetry/prometheus.h"

namespace weft::proxy {

void write_localities(telemetry::MetricsText& text, const Snapshot& snapshot, Instant now);

}  // namespace weft::proxy
