// A regular expression of a route or a policy: RE2 syntax, matched against the whole of a text, in time that
// is linear in it. Immutable, any thread.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"

namespace re2 {
class RE2;
}

namespace weft::steer {

class Regex {
 public:
  // `what` begins the error: "route default/cart rule 0: path".
  static Result<Regex> compile(const std::string& pattern, std::string_view what);
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  bool matches(std::string_view text) const;

 private:
  explicit Regex(std::unique_ptr<re2::RE2> compiled);
  std::unique_ptr<re2::RE2> compiled_;
};

}  // namespace weft::steer
