#include "app/weft/cli.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "app/weft/paths.h"
#include "app/weft/table.h"

namespace weft::app {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Result<CommandLine> parse(std::vector<std::string> words) {
  static const Option kOptions[] = {{"filename", 'f'}, {"dry-run", 0, false}, kOutput, kHelp};
  std::vector<char*> args;
  for (std::string& word : words) args.push_back(word.data());
  return CommandLine::parse(args, kOptions);
}

TEST(CommandLine, TakesOptionsInEverySpelling) {
  const auto line =
      parse({"-f", "a", "x", "-fb", "--filename", "c", "--filename=d=e", "--dry-run", "--", "-f"});
  ASSERT_TRUE(line) << line.error().message();
  EXPECT_THAT(line->values("filename"), ElementsAre("a", "b", "c", "d=e"));
  EXPECT_THAT(line->words(), ElementsAre("x", "-f"));
  EXPECT_TRUE(line->has("dry-run"));
  EXPECT_FALSE(line->has("help"));
  EXPECT_EQ(line->value("output", "table"), "table");
  EXPECT_THAT(parse({"-f", "-"})->values("filename"), ElementsAre("-"));
  EXPECT_THAT(parse({"-"})->words(), ElementsAre("-"));
  EXPECT_THAT(parse({})->words(), IsEmpty());
}

TEST(CommandLine, SaysWhatIsWrong) {
  const struct {
    std::vector<std::string> words;
    const char* message;
  } kCases[] = {
      {{"--fliename", "x"}, "unknown option '--fliename': did you mean --filename?"},
      {{"-z"}, "unknown option '-z'"},
      {{"-f"}, "--filename needs a value"},
      {{"--filename"}, "--filename needs a value"},
      {{"--dry-run=yes"}, "--dry-run takes no value"},
  };
  for (const auto& c : kCases) {
    const auto line = parse(c.words);
    ASSERT_FALSE(line);
    EXPECT_EQ(line.error().message(), c.message);
  }
  EXPECT_EQ(output_form(*parse({"-o", "xml"})).error().message(),
            "--output is table, json or yaml, not 'xml'");
}

TEST(PathStep, CannotLeaveItsPlace) {
  EXPECT_EQ(path_step("cart-v1.shop_2"), "cart-v1.shop_2");
  EXPECT_EQ(path_step("a/b?c d\r\n"), "a%2Fb%3Fc%20d%0D%0A");
}

TEST(Paths, FollowTheEnvironment) {
  const Environment root{
      .uid = 0, .xdg_runtime_dir = "/run/user/0", .xdg_state_home = "/x", .home = "/root"};
  EXPECT_EQ(state_dir(root), "/var/lib/weft");
  EXPECT_EQ(server_socket(root), "/run/weft/server.sock");
  Environment user{.uid = 1000, .home = "/home/u"};
  EXPECT_EQ(state_dir(user), "/home/u/.local/state/weft");
  EXPECT_EQ(server_socket(user), "/home/u/.local/state/weft/server.sock");
  user.xdg_state_home = "/home/u/state";
  EXPECT_EQ(state_dir(user), "/home/u/state/weft");
  user.xdg_runtime_dir = "/run/user/1000";
  EXPECT_EQ(server_socket(user), "/run/user/1000/weft/server.sock");
  user.weft_socket = "/tmp/s";
  EXPECT_EQ(server_socket(user), "/tmp/s");
}

TEST(Table, AlignsByCharactersAndShowsNoControls) {
  Table table({"NAME", "RULE"});
  table.add({"a→b", "x"});
  table.add({"abcdef", ""});
  table.add({"\x1b[31m", "y"});
  EXPECT_EQ(table.to_string(" "),
            " NAME       RULE\n"
            " a→b        x\n"
            " abcdef     -\n"
            " \\x1b[31m   y\n");
}

}  // namespace
}  // namespace weft::app
