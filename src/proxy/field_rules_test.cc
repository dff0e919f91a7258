#include "proxy/field_rules.h"

#include <gtest/gtest.h>

namespace weft::proxy {
namespace {

wire::Fields fields_of(std::initializer_list<std::pair<const char*, const char*>> lines) {
  wire::Fields fields;
  for (const auto& [name, value] : lines) fields.add(name, value);
  return fields;
}

TEST(Modifier, SetsAddsAndRemoves) {
  wire::Fields fields = fields_of({{"A", "1"}, {"B", "2"}, {"C", "3"}});
  apply_modifier({.set = {{"a", "one"}}, .add = {{"B", "two"}}, .remove = {"c"}}, fields);
  EXPECT_EQ(fields.get("A"), "one");
  EXPECT_EQ(fields.count("B"), 2u);
  EXPECT_FALSE(fields.has("C"));
}

TEST(Upgrade, NeedsBothFieldsAndHttp11) {
  wire::RequestHead head;
  head.fields = fields_of({{"Connection", "keep-alive, Upgrade"}, {"Upgrade", "websocket"}});
  EXPECT_TRUE(wants_upgrade(head));
  head.version = wire::Version::kHttp10;
  EXPECT_FALSE(wants_upgrade(head));
  head.version = wire::Version::kHttp11;
  head.fields.remove("Connection");
  EXPECT_FALSE(wants_upgrade(head));
  head.method = "CONNECT";
  EXPECT_TRUE(wants_upgrade(head));
}

TEST(Grpc, IsKnownByItsContentType) {
  EXPECT_TRUE(is_grpc(fields_of({{"content-type", "application/grpc"}})));
  EXPECT_TRUE(is_grpc(fields_of({{"content-type", "application/grpc+proto"}})));
  EXPECT_FALSE(is_grpc(fields_of({{"content-type", "application/grpc-web"}})));
  EXPECT_FALSE(is_grpc(fields_of({{"content-type", "application/json"}})));
  EXPECT_FALSE(is_grpc({}));
}

}  // namespace
}  // namespace weft::proxy
