// The last good state on disk: what discovery had accepted, as it came, so that a restarted sidecar
// serves at once with the control plane away. One file, replaced atomically, verified when read: a file
// that is torn or was changed counts as none.
//
// Format: "weft-good-1\n", 8 bytes XXH64 of the rest, then entries of type (1 byte), name, version and
// payload, each with a 4-byte little-endian length. Integers are little-endian.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "io/disk.h"
#include "proxy/staging.h"
#include "xds/resource_type.h"

namespace weft::proxy {

struct GoodEntry {
  xds::ResourceType type;
  std::string name;
  Staging::Held held;
};

std::string encode_good(const std::vector<GoodEntry>& entries);
// kInvalid with the reason when it cannot be trusted.
Result<std::vector<GoodEntry>> decode_good(std::string_view file);

class LastGood {
 public:
  // The disk outlives it.
  LastGood(io::Disk& disk, std::string path) : disk_(&disk), path_(std::move(path)) {}
  // Blocks for one write with its sync: main loop only.
  Result<void> save(const Staging& staging);
  // kNotFound when there is none.
  Result<std::vector<GoodEntry>> load();

 private:
  io::Disk* disk_;
  std::string path_;
};

}  // namespace weft::proxy
