#include "proxy/last_good.h"

#include <gtest/gtest.h>

namespace weft::proxy {
namespace {

std::vector<GoodEntry> sample() {
  return {{xds::ResourceType::kEndpoints, "cart.default", {"7", std::string("a\0b", 3)}},
          {xds::ResourceType::kName, "cart.default", {"9", ""}}};
}

TEST(LastGood, WhatWasWrittenIsReadBack) {
  const auto read = decode_good(encode_good(sample()));
  ASSERT_TRUE(read) << read.error().message();
  ASSERT_EQ(read->size(), 2u);
  EXPECT_EQ((*read)[0].type, xds::ResourceType::kEndpoints);
  EXPECT_EQ((*read)[0].name, "cart.default");
  EXPECT_EQ((*read)[0].held.version, "7");
  EXPECT_EQ((*read)[0].held.payload, std::string("a\0b", 3));
  EXPECT_EQ((*read)[1].held.payload, "");
}

TEST(LastGood, ATornOrChangedFileCountsAsNone) {
  const std::string file = encode_good(sample());
  for (size_t size = 0; size < file.size(); ++size) {
    EXPECT_FALSE(decode_good(file.substr(0, size))) << size;
  }
  for (size_t at = 0; at < file.size(); ++at) {
    std::string changed = file;
    changed[at] = static_cast<char>(changed[at] ^ 0x20);
    EXPECT_FALSE(decode_good(changed)) << at;
  }
  EXPECT_TRUE(decode_good(encode_good({}))) << "an empty state is a state";
}

}  // namespace
}  // namespace weft::proxy
