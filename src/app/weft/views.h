// How rows of the server's JSON look as tables; `weft get` and `weft status` show the same ones.
#pragma once

#include <string>

#include "app/weft/table.h"
#include "control/yaml.h"

namespace weft::app {

// `rows`: lists as /v1/status has them. `now`: the server's clock, RFC 3339.
Table services_table(const control::Node* rows);
Table workloads_table(const control::Node* rows, std::string_view now);
Table routes_table(const control::Node* rows);
Table edges_table(const control::Node* rows);
Table certificates_table(const control::Node* rows, std::string_view now);
Table tokens_table(const control::Node* rows);
// Of whole objects, of whatever kind: the first condition that is not as it should be, and why.
Table objects_table(const control::Node* objects);

// Of the objects that are neither Services nor routes of requests, as the status has them; and a line for each that
// has something wrong.
Table object_summaries_table(const control::Node* rows, std::string_view now);
std::string object_problems_text(const control::Node* rows);

// Of policies as whole objects: their targets, who carries them out, and why one does not act.
Table policies_table(const control::Node* objects, std::string_view now);

// "3 of 4", "refused: …", "no user yet".
std::string served_text(const control::Node* served);
// The reason of the first condition that does not hold, else "in force".
std::string conditions_text(const control::Node* conditions);
// "! KIND NAMESPACE/NAME: REASON: message" for each condition of the rows that does not hold; `kind` when a row
// does not say its own.
std::string problems_text(const control::Node* rows, std::string_view kind);
// "3 h" from one RFC 3339 time to another; "expired" when it has passed, "" when unknown.
std::string time_left(std::string_view now, std::string_view then);
// Items of a list of texts.
std::string joined(const control::Node* list, std::string_view separator = ", ");

}  // namespace weft::app
