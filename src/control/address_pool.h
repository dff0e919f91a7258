// Which addresses the mesh has. Numbers come out of the store's pools (assigned once, not reused
// for a day); this turns number n into addresses:
//   virtual (services):  240.240.0.0/16 + n   <ULA>:1::n
//   mesh (instances):    240.241.0.0/16 + n   <ULA>:2::n
// The ULA /48 (RFC 4193) is random per trust domain, so that two meshes can be told apart and
// joined.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "base/ip.h"
#include "base/random.h"
#include "base/result.h"

namespace weft::control {

class AddressPool {
 public:
  // fd00::/8 and 40 random bits.
  static AddressPool random(Random& random);
  // From to_text(): 12 hexadecimal digits.
  static Result<AddressPool> parse(std::string_view text);
  std::string to_text() const;

  IpAddress virtual4(uint32_t n) const;
  IpAddress virtual6(uint32_t n) const;
  IpAddress mesh4(uint32_t n) const;
  IpAddress mesh6(uint32_t n) const;

  // CIDR of all virtual and mesh addresses: what is routed into an instance's namespace.
  std::string range4() const { return "240.240.0.0/15"; }
  std::string range6() const;

 private:
  IpAddress v6(uint8_t subnet, uint32_t n) const;
  std::array<uint8_t, 6> prefix_{};
};

}  // namespace weft::control
