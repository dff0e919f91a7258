// Authorities as users give them: a bundle of PEM certificates by which peers outside the mesh are verified. Pure
// functions; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::trust {

// The certificates of the text as DER, in its order; what stands between them is a comment (RFC 7468, section 2).
// kInvalid: there are none or more than 256, or one is damaged.
Result<std::vector<std::string>> authorities_from_pem(std::string_view pem);

}  // namespace weft::trust
