// The status page: one self-contained HTML document without scripts, made from values. Refreshes itself
// every few seconds; light or dark as the reader's system is. Everything that came from outside is
// escaped.
#pragma once

#include <string>

#include "control/api.h"

namespace weft::control {

std::string render_status_page(const StatusView& view, const Compiler& compiler,
                               const std::function<Served(const model::ServiceName&)>& served);

}  // namespace weft::control
