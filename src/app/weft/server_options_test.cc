#include "app/weft/server_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

namespace weft::app {
namespace {

using testing::HasSubstr;

Result<ServerArguments> read(const std::vector<const char*>& words, Environment environment = {}) {
  std::vector<char*> args;
  for (const char* word : words) args.push_back(const_cast<char*>(word));
  return read_server_arguments(args, environment);
}

TEST(ServerOptions, WithoutAnyTheyAreTheDocumentedDefaults) {
  auto arguments = read({});
  ASSERT_TRUE(arguments);
  EXPECT_EQ(arguments->state_dir, "/var/lib/weft");
  EXPECT_EQ(arguments->socket, "/run/weft/server.sock");
  EXPECT_EQ(arguments->listen.to_string(), "0.0.0.0:7443");
  EXPECT_EQ(arguments->status.to_string(), "127.0.0.1:7480");
  EXPECT_FALSE(arguments->advertise);
}

TEST(ServerOptions, AreWrittenWithABlankOrAnEqualsSign) {
  auto arguments =
      read({"--listen=127.0.0.1:7000", "--status", "127.0.0.2", "--advertise", "[2001:db8::1]:7001",
            "--trust-domain", "shop.example", "--allow", "root"});
  ASSERT_TRUE(arguments) << arguments.error().message();
  EXPECT_EQ(arguments->listen.to_string(), "127.0.0.1:7000");
  EXPECT_EQ(arguments->status.to_string(), "127.0.0.2:7480");
  EXPECT_EQ(arguments->advertise->to_string(), "[2001:db8::1]:7001");
  EXPECT_EQ(arguments->trust_domain, "shop.example");
  EXPECT_EQ(arguments->allowed_uids, std::set<int>{0});
}

TEST(ServerOptions, AStateDirectoryOfItsOwnMeansASocketOfItsOwn) {
  EXPECT_EQ(read({"--state-dir", "/tmp/a"})->socket, "/tmp/a/server.sock");
  EXPECT_EQ(read({"--state-dir", "/tmp/a", "--socket", "/tmp/b"})->socket, "/tmp/b");
  Environment environment;
  environment.weft_socket = "/tmp/c";
  EXPECT_EQ(read({"--state-dir", "/tmp/a"}, environment)->socket, "/tmp/c");
}

TEST(ServerOptions, WhatIsWrongIsSaidInWords) {
  const std::pair<std::vector<const char*>, const char*> rows[] = {
      {{"--listen", "somewhere"}, "give an IP address"},
      {{"--advertise", "0.0.0.0"}, "others can dial"},
      {{"--trust-domain", "No Domain"}, "--trust-domain"},
      {{"--allow", "no-such-user-here"}, "no user"},
      {{"--listen"}, "needs a value"},
      {{"--machine-ttl", "400h"}, "give 10s to 336h"},
      {{"--machine-ttl", "5s"}, "give 10s to 336h"},
      {{"--frobnicate", "1"}, "unknown option --frobnicate"},
      {{"web"}, "unexpected argument 'web'"},
  };
  for (const auto& [words, text] : rows) {
    auto arguments = read(words);
    ASSERT_FALSE(arguments) << text;
    EXPECT_THAT(arguments.error().message(), HasSubstr(text));
  }
}

TEST(ServerOptions, HelpWinsOverTheRest) { EXPECT_TRUE(read({"--help", "--nonsense"})->help); }

}  // namespace
}  // namespace weft::app
