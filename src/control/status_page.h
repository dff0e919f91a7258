// The status page: one self-contained HTML document without scripts, made from values. It reloads itself
// every few seconds and is light or dark as the reader's system is. Everything that came from outside is
// escaped.
#pragma once

#include <string>

#include "control/api.h"
#include "control/status_rows.h"

namespace weft::control {

std::string render_status_page(const StatusView& view, const Compiler& compiler,
                               const ServedFn& served);

// Text for HTML content and quoted attributes.
std::string html_escape(std::string_view text);

}  // namespace weft::control
