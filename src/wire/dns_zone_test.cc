#include "wire/dns_zone.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>

namespace weft::wire {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// A mesh of four services seen from namespace "default".
class DnsZoneTest : public testing::Test {
 protected:
  DnsZoneTest() {
    add("default", "cart", "240.240.0.9", "fd00:0:0:1::9");
    add("shop", "web", "240.240.0.10", "");
    add("default", "db", "", "");
    names_[{"default", "db"}].headless = true;

    auto service = std::make_shared<model::Service>();
    service->ports = {{.port = 80, .name = "http"}, {.port = 9000, .name = "admin"}};
    services_[{"default", "cart"}] = service;
    services_[{"default", "db"}] = service;

    auto set = std::make_shared<model::EndpointSet>();
    set->endpoints = {{.workload = "db-1",
                       .mesh4 = *IpAddress::parse("240.241.0.1"),
                       .mesh6 = *IpAddress::parse("fd00:0:0:2::1"),
                       .target_ports = {{80, 8080}}},
                      {.workload = "db-2",
                       .mesh4 = *IpAddress::parse("240.241.0.2"),
                       .mesh6 = *IpAddress::parse("fd00:0:0:2::2"),
                       .target_ports = {{80, 8081}},
                       .ready = false}};
    endpoints_[{"default", "db"}] = set;

    view_.default_namespace = "default";
    view_.search = {"corp.example", "lab.example"};
    view_.index_complete = true;
    view_.find = [this](const model::ServiceName& name) -> std::optional<model::NameEntry> {
      const auto found = names_.find(name);
      return found == names_.end() ? std::nullopt : std::optional(found->second);
    };
    view_.service = [this](const model::ServiceName& name) { return services_[name]; };
    view_.endpoints = [this](const model::ServiceName& name) { return endpoints_[name]; };
    view_.is_mesh_address = [](const IpAddress& address) {
      return address.is_v4() ? address.v4_value() >> 17 == 0xf0f0 >> 1
                             : address.to_string().starts_with("fd00:");
    };
    view_.reverse = [](const IpAddress& address) -> std::optional<std::string> {
      if (address == *IpAddress::parse("240.240.0.9")) return "cart.default.svc.mesh";
      if (address == *IpAddress::parse("fd00:0:0:1::9")) return "cart.default.svc.mesh";
      return std::nullopt;
    };
  }

  void add(const char* ns, const char* name, const char* vip4, const char* vip6) {
    model::NameEntry entry{.service = {ns, name}};
    entry.vip4 = *vip4 ? *IpAddress::parse(vip4) : IpAddress();
    entry.vip6 = *vip6 ? *IpAddress::parse(vip6) : IpAddress();
    names_[entry.service] = entry;
  }

  DnsOutcome ask(const std::string& name, DnsType type = DnsType::kA) {
    DnsMessage query;
    query.id = 1;
    query.questions.push_back({.name = name, .type = type});
    return dns_answer(query, view_);
  }
  // The addresses (or names) of an answer; "forward", "wait" or the code where there is none.
  std::vector<std::string> say(const std::string& name, DnsType type = DnsType::kA) {
    const DnsOutcome outcome = ask(name, type);
    if (outcome.kind == DnsOutcome::kForward) return {"forward"};
    if (outcome.kind == DnsOutcome::kWait) return {"wait for " + outcome.needs.to_string()};
    switch (outcome.reply.code) {
      case DnsCode::kNxDomain: return {"NXDOMAIN"};
      case DnsCode::kServFail: return {"SERVFAIL"};
      case DnsCode::kNoError: break;
      default: return {"code " + std::to_string(static_cast<int>(outcome.reply.code))};
    }
    std::vector<std::string> said;
    for (const DnsRecord& record : outcome.reply.answers) {
      EXPECT_EQ(record.name, record.type == DnsType::kSoa ? "svc.mesh" : name);
      if (const auto* address = std::get_if<IpAddress>(&record.data)) {
        said.push_back(address->to_string());
      } else if (const auto* target = std::get_if<DnsName>(&record.data)) {
        said.push_back(target->name);
      } else if (const auto* srv = std::get_if<DnsSrv>(&record.data)) {
        said.push_back(srv->target + ":" + std::to_string(srv->port));
      } else {
        said.push_back("other");
      }
    }
    return said;
  }

  std::map<model::ServiceName, model::NameEntry> names_;
  std::map<model::ServiceName, std::shared_ptr<const model::Service>> services_;
  std::map<model::ServiceName, std::shared_ptr<const model::EndpointSet>> endpoints_;
  DnsZoneView view_;
};

TEST_F(DnsZoneTest, AServiceAnswersToAllItsNames) {
  for (const char* name :
       {"cart", "cart.default", "cart.default.svc.mesh", "CART.Default.svc.MESH",
        "cart.corp.example", "cart.default.lab.example", "cart.default.svc.mesh.corp.example"}) {
    EXPECT_THAT(say(name), ElementsAre("240.240.0.9")) << name;
    EXPECT_THAT(say(name, DnsType::kAaaa), ElementsAre("fd00:0:0:1::9")) << name;
  }
  EXPECT_THAT(say("cart", DnsType::kAny), ElementsAre("240.240.0.9", "fd00:0:0:1::9"));
  const DnsOutcome outcome = ask("cart");
  EXPECT_EQ(outcome.service, (model::ServiceName{"default", "cart"}));
  EXPECT_TRUE(outcome.reply.authoritative);
  EXPECT_TRUE(outcome.reply.recursion_available);
  EXPECT_TRUE(outcome.reply.response);
}

TEST_F(DnsZoneTest, ASingleLabelIsOfTheCallersNamespace) {
  EXPECT_THAT(say("web"), ElementsAre("forward"));
  EXPECT_THAT(say("web.shop"), ElementsAre("240.240.0.10"));
  view_.default_namespace = "shop";
  EXPECT_THAT(say("web"), ElementsAre("240.240.0.10"));
}

TEST_F(DnsZoneTest, AMeshNameWithoutSuchARecordIsEmptyNotAbsent) {
  for (const char* name : {"web.shop", "web.shop.svc.mesh"}) {
    const DnsOutcome outcome = ask(name, DnsType::kAaaa);
    EXPECT_EQ(outcome.kind, DnsOutcome::kAnswer) << name;
    EXPECT_EQ(outcome.reply.code, DnsCode::kNoError) << name;
    EXPECT_THAT(outcome.reply.answers, IsEmpty()) << name;
  }
  EXPECT_THAT(say("cart", DnsType::kTxt), IsEmpty());
  // In our own zone the emptiness may be remembered for a moment (RFC 2308).
  const DnsOutcome outcome = ask("web.shop.svc.mesh", DnsType::kAaaa);
  ASSERT_EQ(outcome.reply.authority.size(), 1u);
  EXPECT_EQ(std::get<DnsSoa>(outcome.reply.authority[0].data).minimum, 5u);
  EXPECT_THAT(ask("web.shop", DnsType::kAaaa).reply.authority, IsEmpty());
}

TEST_F(DnsZoneTest, UnknownNamesOfTheZoneDoNotExistAndOthersAreForwarded) {
  for (const char* name : {"nope.default.svc.mesh", "x.y.z.w.svc.mesh", "-bad-.default.svc.mesh",
                           "cart.x.default.svc.mesh"}) {
    EXPECT_THAT(say(name), ElementsAre("NXDOMAIN")) << name;
    EXPECT_EQ(ask(name).reply.authority.size(), 1u) << name;
  }
  for (const char* name :
       {"", "nope", "example.com", "www.example.com", "mesh", "cart.default.mesh", "notsvc.mesh",
        "nope.corp.example", "corp.example", "_x.y"}) {
    EXPECT_THAT(say(name), ElementsAre("forward")) << name;
  }
}

TEST_F(DnsZoneTest, WhileTheIndexIsIncompleteNothingIsCalledAbsent) {
  view_.index_complete = false;
  for (const char* name : {"nope.default.svc.mesh", "nope", "nope.other"}) {
    EXPECT_THAT(say(name), ElementsAre("SERVFAIL")) << name;
  }
  EXPECT_THAT(say("cart"), ElementsAre("240.240.0.9"));  // what is known is known
  EXPECT_THAT(say("www.example.com"), ElementsAre("forward"));
  EXPECT_THAT(say("9.9.240.240.in-addr.arpa", DnsType::kPtr), ElementsAre("SERVFAIL"));
}

TEST_F(DnsZoneTest, TheZoneItselfAndItsNamespacesExist) {
  EXPECT_THAT(say("svc.mesh", DnsType::kSoa), ElementsAre("other"));
  EXPECT_THAT(say("svc.mesh"), IsEmpty());
  EXPECT_THAT(say("default.svc.mesh"), IsEmpty());
}

TEST_F(DnsZoneTest, AHeadlessServiceAnswersWithItsReadyInstances) {
  EXPECT_THAT(say("db"), ElementsAre("240.241.0.1"));
  EXPECT_THAT(say("db", DnsType::kAaaa), ElementsAre("fd00:0:0:2::1"));
  EXPECT_THAT(say("db-1.db.default.svc.mesh"), ElementsAre("240.241.0.1"));
  EXPECT_THAT(say("db-2.db.default.svc.mesh"), ElementsAre("240.241.0.2"));  // asked for by name
  EXPECT_THAT(say("db-3.db.default.svc.mesh"), ElementsAre("NXDOMAIN"));
  EXPECT_THAT(say("db-1.db.default"), ElementsAre("forward"));
}

TEST_F(DnsZoneTest, AsksForDetailsItLacks) {
  endpoints_.clear();
  services_.clear();
  EXPECT_THAT(say("db"), ElementsAre("wait for db.default"));
  EXPECT_EQ(ask("db").reply.code, DnsCode::kServFail);
  EXPECT_THAT(say("_http._tcp.cart", DnsType::kSrv), ElementsAre("wait for cart.default"));
  EXPECT_THAT(say("db", DnsType::kTxt), IsEmpty());  // nothing is needed to say this
  EXPECT_THAT(say("cart"), ElementsAre("240.240.0.9"));
}

TEST_F(DnsZoneTest, PortsAreFoundByName) {
  for (const char* name : {"_http._tcp.cart.default.svc.mesh", "_http._tcp.cart.default",
                           "_http._tcp.cart", "_http._tcp.cart.corp.example"}) {
    EXPECT_THAT(say(name, DnsType::kSrv), ElementsAre("cart.default.svc.mesh:80")) << name;
  }
  const DnsOutcome outcome = ask("_admin._tcp.cart", DnsType::kSrv);
  EXPECT_EQ(outcome.reply.additional.size(), 2u);  // both addresses of the target
  EXPECT_THAT(say("_nope._tcp.cart.default.svc.mesh", DnsType::kSrv), ElementsAre("NXDOMAIN"));
  EXPECT_THAT(say("_http._udp.cart.default.svc.mesh", DnsType::kSrv), ElementsAre("NXDOMAIN"));
  EXPECT_THAT(say("_http._tcp.cart.default.svc.mesh", DnsType::kA), IsEmpty());
  EXPECT_THAT(say("_http._tcp.db", DnsType::kSrv), ElementsAre("db-1.db.default.svc.mesh:8080"));
}

TEST_F(DnsZoneTest, MeshAddressesHaveNames) {
  EXPECT_THAT(say("9.0.240.240.in-addr.arpa", DnsType::kPtr), ElementsAre("cart.default.svc.mesh"));
  EXPECT_THAT(say("9.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.d.f.ip6.arpa",
                  DnsType::kPtr),
              ElementsAre("cart.default.svc.mesh"));
  EXPECT_THAT(say("1.0.240.240.in-addr.arpa", DnsType::kPtr), ElementsAre("NXDOMAIN"));
  for (const char* name : {"1.0.0.127.in-addr.arpa", "0.240.240.in-addr.arpa", "in-addr.arpa",
                           "9.0.240.256.in-addr.arpa", "x.0.240.240.in-addr.arpa", "1.ip6.arpa"}) {
    EXPECT_THAT(say(name, DnsType::kPtr), ElementsAre("forward")) << name;
  }
}

TEST_F(DnsZoneTest, OtherClassesAreForwardedAndOtherEdnsVersionsRefused) {
  DnsMessage query;
  query.questions.push_back({.name = "cart", .type = DnsType::kTxt, .klass = 3});
  EXPECT_EQ(dns_answer(query, view_).kind, DnsOutcome::kForward);
  query.questions[0].klass = kDnsClassIn;
  query.edns = DnsEdns{.version = 1};
  const DnsOutcome outcome = dns_answer(query, view_);
  EXPECT_EQ(outcome.kind, DnsOutcome::kAnswer);
  EXPECT_EQ(outcome.reply.code, DnsCode::kBadVers);
}

TEST_F(DnsZoneTest, TheAnswerEchoesTheQuestion) {
  DnsMessage query;
  query.id = 77;
  query.recursion_desired = true;
  query.questions.push_back({.name = "CaRt", .type = DnsType::kA});
  query.edns = DnsEdns{};
  const DnsMessage reply = dns_answer(query, view_).reply;
  EXPECT_EQ(reply.id, 77);
  EXPECT_TRUE(reply.recursion_desired);
  EXPECT_EQ(reply.questions[0].name, "CaRt");
  EXPECT_EQ(reply.answers[0].name, "CaRt");
  EXPECT_TRUE(reply.edns);
}

}  // namespace
}  // namespace weft::wire
