// A bundle with one damaged certificate is refused whole: who is let in must not depend on which half was read.
#include "trust/authorities.h"

#include "trust/openssl.h"

namespace weft::trust {

constexpr size_t kMostAuthorities = 256;

Result<std::vector<std::string>> authorities_from_pem(std::string_view pem) {
  auto certificates = read_certificates_pem(pem, kMostAuthorities);
  if (!certificates) return std::unexpected(std::move(certificates.error()));
  std::vector<std::string> out;
  for (const Owned<X509>& one : *certificates) out.push_back(certificate_der(one.get()));
  return out;
}

}  // namespace weft::trust
