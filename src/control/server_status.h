// What the server knows, gathered for `weft status`, the status page and scrapers. Pure reading.
#pragma once

#include <string>

#include "control/api.h"
#include "control/ca_service.h"
#include "control/discovery.h"
#include "control/edges_view.h"
#include "control/registry.h"
#include "trust/svid.h"

namespace weft::control {

struct StatusSources {
  const Clock& clock;
  const CaService& ca;
  const Registry& registry;
  const Compiler& compiler;
  const EdgesView& edges;
  const Discovery& discovery;
  const trust::Svid* server_svid = nullptr;
};

// Leaves version, started, discovery and status_page to the caller.
StatusView make_status(const StatusSources& sources);
// Prometheus text.
std::string make_metrics(const StatusSources& sources);

}  // namespace weft::control
