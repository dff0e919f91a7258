// 240.0.0.0/4 is reserved and routed nowhere, so a mesh address that leaks reaches nobody.
#include "control/address_pool.h"

#include <algorithm>

#include "base/text.h"

namespace weft::control {
namespace {

constexpr uint32_t kVirtual4 = 240u << 24 | 240u << 16;
constexpr uint32_t kMesh4 = 240u << 24 | 241u << 16;
constexpr uint8_t kVirtualSubnet = 1;
constexpr uint8_t kMeshSubnet = 2;

}  // namespace

AddressPool AddressPool::random(Random& random) {
  AddressPool pool;
  uint64_t bits = random.next();
  pool.prefix_[0] = 0xfd;
  for (size_t i = 1; i < pool.prefix_.size(); ++i) {
    pool.prefix_[i] = static_cast<uint8_t>(bits >> (8 * i));
  }
  return pool;
}

Result<AddressPool> AddressPool::parse(std::string_view text) {
  auto bytes = from_hex(text);
  AddressPool pool;
  if (!bytes || bytes->size() != pool.prefix_.size() ||
      static_cast<uint8_t>(bytes->front()) != 0xfd) {
    return fail(ErrorKind::kInvalid, "the stored ULA prefix is damaged");
  }
  std::copy(bytes->begin(), bytes->end(), pool.prefix_.begin());
  return pool;
}

std::string AddressPool::to_text() const {
  return to_hex({reinterpret_cast<const char*>(prefix_.data()), prefix_.size()});
}

IpAddress AddressPool::v6(uint8_t subnet, uint32_t n) const {
  std::array<uint8_t, 16> bytes{};
  std::copy(prefix_.begin(), prefix_.end(), bytes.begin());
  bytes[7] = subnet;
  for (size_t i = 0; i < 4; ++i) bytes[12 + i] = static_cast<uint8_t>(n >> (24 - 8 * i));
  return IpAddress::v6(bytes);
}

IpAddress AddressPool::virtual4(uint32_t n) const { return IpAddress::v4(kVirtual4 + n); }
IpAddress AddressPool::virtual6(uint32_t n) const { return v6(kVirtualSubnet, n); }
IpAddress AddressPool::mesh4(uint32_t n) const { return IpAddress::v4(kMesh4 + n); }
IpAddress AddressPool::mesh6(uint32_t n) const { return v6(kMeshSubnet, n); }

std::string AddressPool::range6() const {
  std::array<uint8_t, 16> bytes{};
  std::copy(prefix_.begin(), prefix_.end(), bytes.begin());
  return IpAddress::v6(bytes).to_string() + "/48";
}

}  // namespace weft::control
