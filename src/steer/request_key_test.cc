#include "steer/request_key.h"

#include <gtest/gtest.h>

namespace weft::steer {
namespace {

using model::RequestKey;

TEST(RequestKey, IsReadFromThePartOfTheRequestThatItNames) {
  wire::Fields fields;
  fields.add("X-User", "ada");
  fields.add("Cookie", "cart=17; sid=9");
  const RequestParts parts{&fields, "/a?shop=north+east&shop=south", "spiffe://mesh.test/web",
                           "10.0.0.7"};
  struct Case {
    RequestKey key;
    std::optional<std::string> value;
  };
  for (const Case& c : std::vector<Case>{
           {{RequestKey::kHeader, "x-user"}, "ada"},
           {{RequestKey::kHeader, "x-other"}, std::nullopt},
           {{RequestKey::kCookie, "sid"}, "9"},
           {{RequestKey::kCookie, "SID"}, std::nullopt},
           {{RequestKey::kQuery, "shop"}, "north east"},
           {{RequestKey::kQuery, "a"}, std::nullopt},
           {{RequestKey::kSourceIdentity, ""}, "spiffe://mesh.test/web"},
           {{RequestKey::kSourceAddress, ""}, "10.0.0.7"},
       }) {
    std::string scratch;
    const auto value = value_of(c.key, parts, scratch);
    EXPECT_EQ(value ? std::optional(std::string(*value)) : std::nullopt, c.value) << c.key.name;
  }
}

TEST(RequestKey, AnOpaqueConnectionHasOnlyItsCaller) {
  const RequestParts parts{.fields = nullptr, .identity = "spiffe://mesh.test/web"};
  std::string scratch;
  EXPECT_EQ(value_of({RequestKey::kSourceIdentity, ""}, parts, scratch), "spiffe://mesh.test/web");
  for (RequestKey::Kind kind :
       {RequestKey::kHeader, RequestKey::kCookie, RequestKey::kQuery, RequestKey::kSourceAddress}) {
    EXPECT_EQ(value_of({kind, "x"}, parts, scratch), std::nullopt);
  }
}

}  // namespace
}  // namespace weft::steer
