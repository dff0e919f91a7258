#include "app/weft/run_options.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/text.h"

namespace weft::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

Result<RunOptions> parse(std::vector<std::string> words) {
  std::vector<char*> args;
  for (std::string& word : words) args.push_back(word.data());
  return parse_run_options(args);
}

TEST(RunOptions, ReadsEveryFormOfAService) {
  struct Case {
    const char* text;
    const char* name;
    int port, app_port;
    model::Protocol protocol;
  };
  for (const Case& c : {Case{"visitor", "visitor", 0, 0, model::Protocol::kAuto},
                        Case{"cart:80", "cart", 80, 80, model::Protocol::kAuto},
                        Case{"cart:80:8080", "cart", 80, 8080, model::Protocol::kAuto},
                        Case{"cart:80:8080/http", "cart", 80, 8080, model::Protocol::kHttp},
                        Case{"redis:6379/tcp", "redis", 6379, 6379, model::Protocol::kTcp},
                        Case{"rpc:50051/grpc", "rpc", 50051, 50051, model::Protocol::kGrpc}}) {
    auto options = parse({"--service", c.text, "--", "true"});
    ASSERT_TRUE(options.has_value()) << options.error().message();
    const RunService& service = options->services.at(0);
    EXPECT_EQ(service.name, c.name);
    EXPECT_EQ(service.port, c.port);
    EXPECT_EQ(service.app_port, c.app_port);
    EXPECT_EQ(service.protocol, c.protocol);
  }
}

TEST(RunOptions, WorkersAreANumberUpToABound) {
  EXPECT_EQ(parse({"--service", "a", "--", "true"})->workers, 0u);
  EXPECT_EQ(parse({"--service", "a", "--workers", "64", "--", "true"})->workers, 64u);
  for (const char* wrong : {"0", "65", "-1", "1.5", "many", ""}) {
    auto options = parse({"--service", "a", "--workers", wrong, "--", "true"});
    ASSERT_FALSE(options.has_value()) << wrong;
    EXPECT_THAT(options.error().message(), HasSubstr("from 1 to 64"));
  }
}

TEST(RunOptions, TakesTheCommandAsItIs) {
  EXPECT_THAT(parse({"--service=a", "--", "sh", "-c", "--service"})->command,
              ElementsAre("sh", "-c", "--service"));
  EXPECT_THAT(parse({"--service", "a", "sh", "-c", "x"})->command, ElementsAre("sh", "-c", "x"));
}

TEST(RunOptions, ReadsEveryFormOfADoor) {
  struct Case {
    const char* text;
    const char* address;
    int port, app_port;
    bool proxy_protocol = false;
  };
  for (const Case& c :
       {Case{"9000", "127.0.0.1", 9000, 8080}, Case{"9000:81", "127.0.0.1", 9000, 81},
        Case{"0.0.0.0:9000", "0.0.0.0", 9000, 8080}, Case{"[::1]:9000:81", "::1", 9000, 81},
        Case{"9000/proxy-protocol", "127.0.0.1", 9000, 8080, true},
        Case{"[::]:9000:81/proxy-protocol", "::", 9000, 81, true}}) {
    auto options = parse({"--service", "web:80:8080", "--publish", c.text, "--", "true"});
    ASSERT_TRUE(options.has_value()) << options.error().message();
    const RunPublish& door = options->publishes.at(0);
    EXPECT_EQ(door.address.to_string(), c.address);
    EXPECT_EQ(door.port, c.port);
    EXPECT_EQ(door.app_port, c.app_port);
    EXPECT_EQ(door.proxy_protocol, c.proxy_protocol);
  }
  for (const char* wrong : {"9000/proxy", "9000/", "/proxy-protocol", "9000/proxy-protocol/"}) {
    auto options = parse({"--service", "web:80", "--publish", wrong, "--", "true"});
    ASSERT_FALSE(options.has_value()) << wrong;
    EXPECT_EQ(options.error().message(),
              std::string("--publish ") + wrong +
                  ": expected [ADDRESS:]PORT[:APPPORT][/proxy-protocol], an IPv6 address in "
                  "brackets");
  }
}

TEST(RunOptions, ReadsProbesAndUpstreams) {
  auto options = parse({"--service", "web:80:8080", "--probe", "http:/healthz", "--probe",
                        "9090:grpc:a.B", "--explicit", "--upstream", "cart:80", "--upstream",
                        "cart.shop:80=9080", "--", "true"});
  ASSERT_TRUE(options.has_value()) << options.error().message();
  EXPECT_EQ(options->probes.at(0).app_port, 8080);
  EXPECT_EQ(options->probes.at(0).kind, "http");
  EXPECT_EQ(options->probes.at(0).path, "/healthz");
  EXPECT_EQ(options->probes.at(1).app_port, 9090);
  EXPECT_EQ(options->probes.at(1).path, "a.B");
  EXPECT_EQ(options->upstreams.at(0).local_port, 80);
  EXPECT_EQ(options->upstreams.at(1).service, "cart.shop");
  EXPECT_EQ(options->upstreams.at(1).local_port, 9080);
}

TEST(RunOptions, ReadsWhereTheServerIs) {
  EXPECT_EQ(parse({"--service", "a", "--server", "192.0.2.1", "--", "x"})->server->to_string(),
            "192.0.2.1:7443");
  EXPECT_EQ(
      parse({"--service", "a", "--server", "[2001:db8::1]:99", "--", "x"})->server->to_string(),
      "[2001:db8::1]:99");
  EXPECT_EQ(parse({"--service", "a", "--wait", "1m", "--", "x"})->wait, Duration::minutes(1));
}

TEST(RunOptions, SaysAllThatIsWrongAtOnce) {
  auto options = parse({"--service", "Cart:80", "--service", "a:0", "--servcie", "--publish", "x",
                        "--wait", "soon"});
  ASSERT_FALSE(options.has_value());
  EXPECT_EQ(split(options.error().message(), '\n').size(), 7u) << options.error().message();
  EXPECT_THAT(options.error().message(), HasSubstr("did you mean --service?"));
}

TEST(RunOptions, RefusesWhatDoesNotGoTogether) {
  EXPECT_FALSE(parse({"--service", "a", "--upstream", "cart:80", "--", "x"}).has_value());
  EXPECT_FALSE(parse({"--service", "a", "--explicit", "--host-port", "80", "--", "x"}).has_value());
  EXPECT_FALSE(parse({"--service", "a", "--probe", "http:/x", "--", "x"}).has_value());
  EXPECT_FALSE(parse({"--service", "a:80/smtp", "--", "x"}).has_value());
}

}  // namespace
}  // namespace weft::app
