#include "steer/locality.h"

#include <gtest/gtest.h>

namespace weft::steer {
namespace {

const Place kHere{"eu-1a", "eu-1"};

TEST(Distance, FollowsZoneRegionFailoverAndTheRest) {
  const model::Locality policy{.failover = {"eu-2", "us-1"}};
  struct Case {
    Place other;
    uint32_t distance;
  } cases[] = {
      {{"eu-1a", "eu-1"}, 0}, {{"eu-1b", "eu-1"}, 1}, {{"eu-2a", "eu-2"}, 2},
      {{"us-1a", "us-1"}, 3}, {{"ap-1a", "ap-1"}, 4}, {{}, 4},
  };
  for (const Case& c : cases)
    EXPECT_EQ(distance(policy, kHere, c.other), c.distance) << c.other.zone;
}

TEST(Distance, OfAnUnknownOwnPlaceIsTheSameToAll) {
  for (const Place& other : {kHere, Place{}, Place{"x", "y"}})
    EXPECT_EQ(distance({}, {}, other), 0u);
}

TEST(Distance, WithoutZonesFirstIsByRegionAlone) {
  const model::Locality policy{.same_zone_first = false};
  EXPECT_EQ(distance(policy, kHere, {"eu-1b", "eu-1"}), 0u);
  EXPECT_EQ(distance(policy, kHere, {"eu-2a", "eu-2"}), 2u);
}

TEST(Distance, OfZonesWithoutRegionsIsZeroOrOne) {
  EXPECT_EQ(distance({}, {"a", ""}, {"a", ""}), 0u);
  EXPECT_EQ(distance({}, {"a", ""}, {"b", ""}), 1u);
}

TEST(PlaceOf, IsReadFromTheLabelsOfKubernetes) {
  const std::map<std::string, std::string> labels = {{"topology.kubernetes.io/zone", "z"},
                                                     {"topology.kubernetes.io/region", "r"},
                                                     {"app", "cart"}};
  EXPECT_EQ(place_of(labels), (Place{"z", "r"}));
  EXPECT_EQ(place_of({}), Place{});
}

struct SpreadCase {
  const char* name;
  std::vector<TierHealth> tiers;
  std::vector<double> parts;
  std::vector<bool> panic;
};

TEST(Spread, SpillsByCapacityAsTheTablesOfEnvoySay) {
  // Rows of "Priority levels" in Envoy's architecture overview, with fractions where it rounds.
  const SpreadCase cases[] = {
      {"all well", {{100, 100}, {100, 100}}, {1, 0}, {false, false}},
      {"72 % are enough", {{72, 100}, {100, 100}}, {1, 0}, {false, false}},
      {"71 % are nearly enough", {{71, 100}, {100, 100}}, {0.994, 0.006}, {false, false}},
      {"50 %", {{50, 100}, {100, 100}}, {0.7, 0.3}, {false, false}},
      {"25 %", {{25, 100}, {100, 100}}, {0.35, 0.65}, {false, false}},
      {"zone lost", {{0, 100}, {100, 100}}, {0, 1}, {false, false}},
      {"both at 25 %", {{25, 100}, {25, 100}}, {0.5, 0.5}, {true, true}},
      {"nobody", {{0, 4}, {0, 4}}, {0, 0}, {true, true}},
      {"the third takes the rest",
       {{25, 100}, {25, 100}, {100, 100}},
       {0.35, 0.35, 0.3},
       {false, false, false}},
      {"an empty tier", {{0, 0}, {4, 4}}, {0, 1}, {false, false}},
  };
  for (const SpreadCase& c : cases) {
    const std::vector<TierShare> shares = spread({}, c.tiers);
    ASSERT_EQ(shares.size(), c.parts.size());
    for (size_t i = 0; i < shares.size(); ++i) {
      EXPECT_NEAR(shares[i].part, c.parts[i], 1e-9) << c.name << " tier " << i;
      EXPECT_EQ(shares[i].panic, c.panic[i]) << c.name << " tier " << i;
    }
  }
}

TEST(Spread, WithMoreOverprovisioningSpillsLater) {
  const std::vector<TierHealth> tiers = {{40, 100}, {100, 100}};
  EXPECT_NEAR(spread({.overprovisioning_percent = 250}, tiers)[0].part, 1, 1e-9);
  EXPECT_NEAR(spread({.overprovisioning_percent = 100}, tiers)[0].part, 0.4, 1e-9);
}

}  // namespace
}  // namespace weft::steer
