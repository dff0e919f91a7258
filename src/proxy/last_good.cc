// A hash, not a signature: the file lies in the instance's own 0700 state directory; what must be caught
// is a torn or bit-rotten file, and whoever can write there could replace the sidecar as well.
#include "proxy/last_good.h"

#include <cstring>
#include <utility>

#include "base/hash.h"

namespace weft::proxy {

namespace {

constexpr std::string_view kMagic = "weft-good-1\n";
constexpr size_t kHeader = kMagic.size() + 8;

void put_text(std::string& out, std::string_view text) {
  const auto size = static_cast<uint32_t>(text.size());
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<char>(size >> shift));
  out.append(text);
}

std::string checksum_of(std::string_view body) {
  uint64_t hash = xxh64(body);
  std::string bytes;
  for (int i = 0; i < 8; ++i, hash >>= 8) bytes.push_back(static_cast<char>(hash));
  return bytes;
}

bool take_text(std::string_view& in, std::string& out) {
  if (in.size() < 4) return false;
  uint32_t size = 0;
  for (int i = 3; i >= 0; --i)
    size = size << 8 | static_cast<unsigned char>(in[static_cast<size_t>(i)]);
  in.remove_prefix(4);
  if (in.size() < size) return false;
  out.assign(in.substr(0, size));
  in.remove_prefix(size);
  return true;
}

std::unexpected<Error> unusable(std::string_view why) {
  return fail(ErrorKind::kInvalid, "the last good state cannot be used: " + std::string(why));
}

}  // namespace

std::string encode_good(const std::vector<GoodEntry>& entries) {
  std::string body;
  for (const GoodEntry& entry : entries) {
    body.push_back(static_cast<char>(entry.type));
    put_text(body, entry.name);
    put_text(body, entry.held.version);
    put_text(body, entry.held.payload);
  }
  return std::string(kMagic) + checksum_of(body) + body;
}

Result<std::vector<GoodEntry>> decode_good(std::string_view file) {
  if (!file.starts_with(kMagic) || file.size() < kHeader) return unusable("it is no such file");
  std::string_view body = file.substr(kHeader);
  if (file.substr(kMagic.size(), 8) != checksum_of(body)) return unusable("its checksum is wrong");
  std::vector<GoodEntry> entries;
  while (!body.empty()) {
    const auto type = static_cast<uint8_t>(body.front());
    body.remove_prefix(1);
    GoodEntry entry;
    if (type >= xds::kResourceTypes) return unusable("it holds a kind this sidecar does not know");
    entry.type = static_cast<xds::ResourceType>(type);
    if (!take_text(body, entry.name) || !take_text(body, entry.held.version) ||
        !take_text(body, entry.held.payload)) {
      return unusable("it ends too early");
    }
    entries.push_back(std::move(entry));
  }
  return entries;
}

Result<void> LastGood::save(const Staging& staging) {
  std::vector<GoodEntry> entries;
  for (xds::ResourceType type : xds::kAllResourceTypes) {
    for (const auto& [name, held] : staging.held(type)) entries.push_back({type, name, held});
  }
  return disk_->write_atomic(path_, encode_good(entries), 0600);
}

Result<std::vector<GoodEntry>> LastGood::load() {
  auto file = disk_->read(path_);
  if (!file) return std::unexpected(std::move(file.error()));
  return decode_good(*file);
}

}  // namespace weft::proxy
