// Plays every file of cases/. A failing scenario prints its line, what was found, and the mesh's log.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "scenarios/scenario.h"

namespace weft::scenarios {
namespace {

std::vector<std::string> all_cases() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(WEFT_SCENARIOS)) {
    if (entry.path().extension() == ".mesh") names.push_back(entry.path().stem().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

class ScenarioTest : public testing::TestWithParam<std::string> {};

TEST_P(ScenarioTest, Plays) {
  std::ifstream file(std::string(WEFT_SCENARIOS) + "/" + GetParam() + ".mesh");
  std::stringstream text;
  text << file.rdbuf();
  auto steps = parse_scenario(text.str());
  ASSERT_TRUE(steps) << steps.error().message();
  Player player(1);
  auto played = player.play(*steps);
  EXPECT_TRUE(played) << GetParam() << ".mesh: " << played.error().message() << "\n"
                      << player.mesh().log_text();
}

INSTANTIATE_TEST_SUITE_P(Cases, ScenarioTest, testing::ValuesIn(all_cases()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

TEST(ScenarioLanguage, RefusesWhatItDoesNotUnderstand) {
  EXPECT_FALSE(parse_scenario("call web \"GET"));
  EXPECT_FALSE(parse_scenario("apply\nkind: Service\n"));
  auto steps = parse_scenario("# only a comment\n\nwhistle loudly\n");
  ASSERT_TRUE(steps);
  ASSERT_EQ(steps->size(), 1u);
  Player player(1);
  auto played = player.play(*steps);
  ASSERT_FALSE(played);
  EXPECT_EQ(played.error().message(), "line 3: unknown step whistle");
}

}  // namespace
}  // namespace weft::scenarios
