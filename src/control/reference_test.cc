// The committed reference is what the tables say, its examples are valid, and no field goes undescribed.
#include "control/reference.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

namespace weft::control {
namespace {

namespace fs = std::filesystem;

TEST(Reference, CommittedPagesAreWhatTheTablesSay) {
  const fs::path folder = fs::path(WEFT_SOURCE_DIR) / "docs" / "reference";
  for (const Kind& kind : kinds()) {
    std::ifstream in(folder / reference_file(kind), std::ios::binary);
    const std::string committed{std::istreambuf_iterator<char>(in), {}};
    EXPECT_EQ(committed, reference_page(kind))
        << kind.kind << ": write it again with `weft reference docs/reference`";
  }
}

TEST(Reference, ExamplesAreValidObjectsOfTheirKind) {
  for (const Kind& kind : kinds()) {
    Problems problems;
    const auto objects = decode_objects("example", reference_example(kind.kind), problems);
    EXPECT_TRUE(problems.empty()) << kind.kind << ": " << problems.front().to_string();
    ASSERT_EQ(objects.size(), 1u) << kind.kind;
    EXPECT_EQ(objects[0].object.kind(), kind.kind);
  }
}

void expect_described(const Schema& schema, const std::string& path) {
  for (const Field& field : schema.fields) {
    const std::string here = path + "." + field.name;
    EXPECT_GE(std::string_view(field.description).size(), 2u) << here;
    if (field.format == &kGatewayDuration) EXPECT_STREQ(field.unit, "duration") << here;
    if (field.object) expect_described(*field.object, here);
  }
}

TEST(Reference, EveryFieldIsDescribedAndDurationsHaveTheirUnit) {
  for (const Kind& kind : kinds()) expect_described(*kind.schema, kind.kind);
}

TEST(Reference, APageNamesTypeDefaultUnitAndOrigin) {
  const std::string page = reference_page(*find_kind("HTTPRoute"));
  for (const char* line :
       {"| `spec.rules[].backendRefs[].weight` | number, 0 to 1000000 | `1` |  | Gateway API v1.6 "
        "| "
        "Share of the traffic, relative to the other backends; 0 gets none. |",
        "| `spec.rules[].filters[].cors.maxAge` | number, 1 to 2147483647 | `5` | seconds | "
        "Gateway API "
        "v1.6 | How long a browser may keep the answer to its preflight. |",
        "- `spec.rules`: At most 128 matches in all.",
        "- `spec.useDefaultGateways`: Weft has no default Gateways"}) {
    EXPECT_THAT(page, testing::HasSubstr(line));
  }
}

}  // namespace
}  // namespace weft::control
