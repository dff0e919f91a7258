// Cross-origin requests, answered for the app (Gateway API, HTTPCORSFilter; Fetch standard, section 3.2).
// A preflight is answered by the sidecar and reaches no app; the answer to an actual request says which
// pages may read it. Where a rule has the filter its word alone counts: what the app says under the same
// names is removed. An origin that is not allowed gets answers without these fields, and its browser keeps
// them from the page. Pure functions.
#pragma once

#include <string>
#include <string_view>

#include "model/service.h"
#include "wire/message.h"

namespace weft::proxy {

// OPTIONS with Origin and Access-Control-Request-Method.
bool is_preflight(const wire::RequestHead& head);
// The method the announced request will have.
std::string_view announced_method(const wire::RequestHead& head);

bool origin_allowed(const model::Cors& cors, std::string_view origin);

// The fields of the answer, 204, to a preflight.
wire::Fields preflight_answer(const model::Cors& cors, const wire::RequestHead& head);

// Marks the answer to a request; `origin` is its Origin, "" when it has none.
void mark_answer(const model::Cors& cors, std::string_view origin, wire::Fields& fields);

}  // namespace weft::proxy
