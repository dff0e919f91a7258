#include "xds/resource_cache.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "discovery.pb.h"

namespace weft::xds {
namespace {

namespace discovery = envoy::service::discovery::v3;

std::vector<std::string> changed(ResourceCache& cache) {
  std::vector<std::string> out;
  for (const ResourceKey& key : cache.take_changed()) {
    out.push_back(std::string(short_name(key.type)) + " " + key.name);
  }
  return out;
}

TEST(ResourceCache, TellsEachChangeOnceInTheOrderOfAPush) {
  ResourceCache cache;
  EXPECT_TRUE(cache.set(ResourceType::kName, "cart.default", "n"));
  EXPECT_TRUE(cache.set(ResourceType::kService, "cart.default", "s"));
  EXPECT_TRUE(cache.set(ResourceType::kEndpoints, "web.default", "e"));
  EXPECT_TRUE(cache.set(ResourceType::kEndpoints, "cart.default", "e"));
  EXPECT_THAT(changed(cache),
              testing::ElementsAre("Endpoints cart.default", "Endpoints web.default",
                                   "Service cart.default", "Name cart.default"));
  EXPECT_EQ(cache.generation(), 1u);
  EXPECT_THAT(changed(cache), testing::IsEmpty());
  EXPECT_EQ(cache.generation(), 1u) << "nothing new is no generation";
}

TEST(ResourceCache, TheSameContentIsNoChangeAndHasTheSameVersion) {
  ResourceCache cache, restarted;
  cache.set(ResourceType::kService, "cart.default", "one");
  (void)cache.take_changed();
  EXPECT_FALSE(cache.set(ResourceType::kService, "cart.default", "one"));
  EXPECT_THAT(changed(cache), testing::IsEmpty());
  restarted.set(ResourceType::kService, "cart.default", "one");
  const std::string first = cache.find(ResourceType::kService, "cart.default")->version;
  EXPECT_EQ(restarted.find(ResourceType::kService, "cart.default")->version, first);
  EXPECT_TRUE(cache.set(ResourceType::kService, "cart.default", "two"));
  EXPECT_NE(cache.find(ResourceType::kService, "cart.default")->version, first);
}

TEST(ResourceCache, ARemovalIsAChangeOnce) {
  ResourceCache cache;
  EXPECT_FALSE(cache.remove(ResourceType::kName, "cart.default"));
  cache.set(ResourceType::kName, "cart.default", "n");
  (void)cache.take_changed();
  EXPECT_TRUE(cache.remove(ResourceType::kName, "cart.default"));
  EXPECT_EQ(cache.find(ResourceType::kName, "cart.default"), nullptr);
  EXPECT_THAT(changed(cache), testing::ElementsAre("Name cart.default"));
}

TEST(ResourceCache, KeepsTheBytesOfAWholeResourcesField) {
  ResourceCache cache;
  cache.set(ResourceType::kEndpoints, "cart.default", "payload");
  cache.set(ResourceType::kEndpoints, "web.default", "other");
  discovery::DeltaDiscoveryResponse response;
  ASSERT_TRUE(response.ParseFromString(cache.find(ResourceType::kEndpoints, "cart.default")->wire +
                                       cache.find(ResourceType::kEndpoints, "web.default")->wire));
  ASSERT_EQ(response.resources_size(), 2);
  EXPECT_EQ(response.resources(0).name(), "cart.default");
  EXPECT_EQ(response.resources(0).resource().type_url(), "type.googleapis.com/weft.v1.Endpoints");
  EXPECT_EQ(response.resources(0).resource().value(), "payload");
  EXPECT_EQ(response.resources(1).name(), "web.default");
}

TEST(ResourceType, UrlsAreReadBackAndOthersAreNone) {
  for (ResourceType type : kAllResourceTypes) EXPECT_EQ(parse_type_url(type_url(type)), type);
  EXPECT_EQ(parse_type_url("type.googleapis.com/weft.v1.Cluster"), std::nullopt);
  EXPECT_EQ(parse_type_url(""), std::nullopt);
}

}  // namespace
}  // namespace weft::xds
