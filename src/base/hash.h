// Fast hashes for tables, versions and change detection: XXH64. Stable across machines and releases, so
// they may be stored; not for anything an attacker must not forge (that is SHA-256 in `trust`).
#pragma once

#include <cstdint>
#include <string_view>

namespace weft {

uint64_t xxh64(std::string_view bytes, uint64_t seed = 0);

}  // namespace weft
