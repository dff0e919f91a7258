// The questions of one app, the host's resolvers played by the test.
#include "proxy/dns_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "sim/world.h"

namespace weft::proxy {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class DnsServerTest : public testing::Test {
 protected:
  DnsServerTest()
      : server_(world_.node("proxy").loop(),
                {.default_namespace = "default",
                 .search = {},
                 .ranges = {.v4 = *AddressRange::parse("240.240.0.0/15"), .v6 = {}}},
                {.snapshot = [this] { return snapshot_; },
                 .index_current = [this] { return current_; },
                 .want = [this](const model::ServiceName& n) { wanted_.push_back(n.to_string()); },
                 .forward =
                     [this](std::string query, bool, DnsServer::Reply reply) {
                       forwarded_.push_back(std::move(query));
                       to_resolver_ = std::move(reply);
                     }}) {
    set_names({{"cart", "240.240.0.9"}});
  }

  void set_names(const std::vector<std::pair<std::string, std::string>>& rows) {
    auto names = std::make_shared<NameIndex>();
    for (const auto& [name, vip] : rows) {
      model::NameEntry entry;
      entry.service = {"default", name};
      entry.vip4 = *IpAddress::parse(vip);
      names->put(entry);
    }
    auto next = std::make_shared<Snapshot>();
    next->names = std::move(names);
    snapshot_ = std::move(next);
  }
  static std::string query(const std::string& name, wire::DnsType type = wire::DnsType::kA) {
    wire::DnsMessage message;
    message.id = 77;
    message.questions.push_back({.name = name, .type = type});
    return wire::build_dns(message, wire::kDnsTcpLimit);
  }
  // What a host's resolver would say.
  static std::string answer(const std::string& name, wire::DnsCode code) {
    wire::DnsMessage message;
    message.id = 77;
    message.questions.push_back({.name = name, .type = wire::DnsType::kA});
    return wire::build_dns(wire::dns_reply_to(message, code), wire::kDnsTcpLimit);
  }
  void ask(const std::string& text, bool tcp = false) {
    server_.ask(text, tcp, [this](std::string message) { replies_.push_back(std::move(message)); });
  }
  // Code and last bytes of each reply so far: RFC 1035, 4.1.1 has the code in the low half of byte 3.
  std::vector<int> codes() const {
    std::vector<int> found;
    for (const std::string& reply : replies_) found.push_back(reply.at(3) & 0x0f);
    return found;
  }

  sim::World world_{9};
  std::shared_ptr<const Snapshot> snapshot_;
  bool current_ = true;
  std::vector<std::string> wanted_, forwarded_, replies_;
  DnsServer::Reply to_resolver_;
  DnsServer server_;
};

constexpr int kNoError = 0, kFormErr = 1, kServFail = 2, kNxDomain = 3, kNotImp = 4;

TEST_F(DnsServerTest, AnswersAMeshNameAtOnceAndSubscribesToIt) {
  ask(query("cart"));
  ASSERT_THAT(codes(), ElementsAre(kNoError));
  EXPECT_TRUE(replies_[0].ends_with("\xf0\xf0" + std::string("\0\x09", 2)));
  EXPECT_THAT(wanted_, ElementsAre("cart.default"));
  EXPECT_THAT(forwarded_, IsEmpty());
}

TEST_F(DnsServerTest, HandsOtherNamesOnUnchangedAndPassesTheAnswerBack) {
  ask(query("example.org"));
  EXPECT_THAT(forwarded_, ElementsAre(query("example.org")));
  EXPECT_THAT(replies_, IsEmpty());
  to_resolver_("the answer");
  EXPECT_THAT(replies_, ElementsAre("the answer"));
}

TEST_F(DnsServerTest, SaysServFailWhenNoResolverAnswers) {
  ask(query("example.org"));
  to_resolver_("");
  EXPECT_THAT(codes(), ElementsAre(kServFail));
}

TEST_F(DnsServerTest, RefusesWhatItCannotRead) {
  ask("short");
  EXPECT_THAT(replies_, ElementsAre(""));
  replies_.clear();
  ask(query("cart").substr(0, 14));
  EXPECT_THAT(codes(), ElementsAre(kFormErr));
  replies_.clear();
  std::string status = query("cart");
  status[2] = 0x10;  // opcode 2, STATUS
  ask(status);
  EXPECT_THAT(codes(), ElementsAre(kNotImp));
}

TEST_F(DnsServerTest, HoldsAnUnknownMeshNameWhileItIsYoungAndAnswersWhenTheIndexComes) {
  current_ = false;
  ask(query("web.default.svc.mesh"));
  EXPECT_THAT(replies_, IsEmpty());
  set_names({{"web", "240.240.0.10"}});
  server_.changed();
  EXPECT_THAT(codes(), ElementsAre(kNoError));
  EXPECT_THAT(wanted_, ElementsAre("web.default"));
}

TEST_F(DnsServerTest, SaysServFailAndNeverNxDomainForAMeshNameWhileTheServerIsAway) {
  current_ = false;
  ask(query("web.default.svc.mesh"));
  world_.run_for(DnsServer::kHold + Duration::millis(1));
  EXPECT_THAT(codes(), ElementsAre(kServFail));
  ask(query("web.default.svc.mesh"));
  EXPECT_THAT(codes(), ElementsAre(kServFail, kServFail)) << "no longer young: at once";
  current_ = true;
  ask(query("web.default.svc.mesh"));
  EXPECT_EQ(codes().back(), kNxDomain);
  EXPECT_THAT(forwarded_, IsEmpty()) << "names of the mesh never leave";
}

TEST_F(DnsServerTest, BelievesTheHostsResolversOnAShortNameOnlyWhenTheyKnowIt) {
  current_ = false;
  world_.run_for(DnsServer::kHold + Duration::millis(1));
  ask(query("web"));
  ASSERT_EQ(forwarded_.size(), 1u);
  to_resolver_(answer("web", wire::DnsCode::kNxDomain));
  EXPECT_THAT(codes(), ElementsAre(kServFail)) << "it may be one of the mesh";
  ask(query("web"));
  to_resolver_(answer("web", wire::DnsCode::kNoError));
  EXPECT_THAT(codes(), ElementsAre(kServFail, kNoError));
}

TEST_F(DnsServerTest, WhatItKnowsIsAnsweredWithTheServerAway) {
  current_ = false;
  ask(query("cart"));
  EXPECT_THAT(codes(), ElementsAre(kNoError));
}

TEST_F(DnsServerTest, AHeadlessNameWaitsForItsInstancesAndIsServFailWithoutThem) {
  auto names = std::make_shared<NameIndex>();
  model::NameEntry entry;
  entry.service = {"default", "db"};
  entry.headless = true;
  names->put(entry);
  auto first = std::make_shared<Snapshot>();
  first->names = names;
  snapshot_ = first;
  ask(query("db"));
  EXPECT_THAT(replies_, IsEmpty());
  EXPECT_THAT(wanted_, testing::Contains("db.default"));

  auto second = std::make_shared<Snapshot>(*first);
  auto group = std::make_shared<EndpointGroup>();
  group->service = entry.service;
  LiveEndpoint live;
  live.endpoint.workload = "db-1";
  live.endpoint.mesh4 = *IpAddress::parse("240.241.0.7");
  live.endpoint.target_ports = {{80, 8080}};
  group->endpoints.push_back(live);
  second->endpoints[entry.service] = group;
  snapshot_ = second;
  server_.changed();
  ASSERT_THAT(codes(), ElementsAre(kNoError));
  EXPECT_TRUE(replies_[0].ends_with("\xf0\xf1" + std::string("\0\x07", 2)));

  snapshot_ = first;
  ask(query("db"));
  world_.run_for(DnsServer::kHold + Duration::millis(1));
  EXPECT_THAT(codes(), ElementsAre(kNoError, kServFail));
}

}  // namespace
}  // namespace weft::proxy
