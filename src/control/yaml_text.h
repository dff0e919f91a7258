// The four ways YAML writes a text: quoted with " or ', plain, and as an indented block (YAML 1.2,
// chapters 7.3 and 8.1). Each reads from the cursor and leaves it behind the text. `parent` is the
// indentation of the collection the text stands in (-1 at the top): lines that go on must be deeper.
#pragma once

#include <string>

#include "control/yaml_cursor.h"

namespace weft::control {

std::string read_double_quoted(YamlCursor& cursor, int parent);
std::string read_single_quoted(YamlCursor& cursor, int parent);

// Can a plain text begin here? In a flow collection ([] or {}) fewer characters may.
bool begins_plain(const YamlCursor& cursor, bool flow);
// What stands on this line.
std::string read_plain_line(YamlCursor& cursor, bool flow);
// The further lines of a plain text whose first line was read; appends to `text`.
void read_plain_rest(YamlCursor& cursor, int parent, bool flow, std::string& text);

// At '|' or '>'.
std::string read_block_text(YamlCursor& cursor, int parent);

}  // namespace weft::control
