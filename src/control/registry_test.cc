// Leases with a clock in the test's hand, over a real store.
#include "control/registry.h"

#include <filesystem>
#include <functional>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "control.pb.h"
#include "control/registry_codec.h"

namespace weft::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class ManualClock final : public Clock {
 public:
  Instant now() const override { return now_; }
  WallTime wall_now() const override {
    return WallTime::from_unix_seconds(1'800'000'000) + (now_ - Instant{});
  }
  void pass(Duration span) { now_ = now_ + span; }

 private:
  Instant now_ = Instant{} + Duration::seconds(1000);
};

class RegistryTest : public testing::Test {
 protected:
  RegistryTest() : random_(3), pool_(*AddressPool::parse("fd123456789a")) {
    path_ = std::filesystem::temp_directory_path() /
            ("weft-registry-" + std::to_string(getpid()) + "-" +
             testing::UnitTest::GetInstance()->current_test_info()->name() + ".db");
    remove_files();
    open();
  }
  ~RegistryTest() override {
    registry_.reset();
    store_.reset();
    remove_files();
  }
  void remove_files() {
    for (const char* suffix : {"", "-wal", "-shm"})
      std::filesystem::remove(path_.string() + suffix);
  }
  void open() {
    registry_.reset();
    store_.reset();
    auto opened = Store::open({path_, ""});
    ASSERT_TRUE(opened) << opened.error().message();
    store_ = std::move(*opened);
    registry_ = std::make_unique<Registry>(*store_, clock_, random_, pool_, "weft.local");
    ASSERT_TRUE(registry_->load());
  }

  std::string add(const std::string& service, std::string instance = "", std::string machine = "") {
    Registration registration;
    registration.ns = "default";
    registration.instance = std::move(instance);
    registration.claims = {{service, 80, 8080, model::Protocol::kHttp}};
    registration.advertise_port = 20001;
    auto record = registry_->add(registration, std::move(machine), *IpAddress::parse("192.0.2.9"));
    EXPECT_TRUE(record) << record.error().message();
    return record ? (*record)->instance.id : "";
  }
  bool report(const std::string& id, bool ready = true) {
    HealthReport health;
    health.ports = {{8080, ready, ready ? "" : "connection refused"}};
    auto changed = registry_->report(id, health);
    EXPECT_TRUE(changed);
    return changed && *changed;
  }
  Registry::Changed expire() {
    return registry_->expire([this](const std::string& id) {
      Affected out;
      for (const auto& claim : registry_->find(id)->instance.claims)
        out.insert({"default", claim.service});
      return out;
    });
  }
  std::string state(const std::string& id) {
    return registry_->state_of(*registry_->find(id)).state;
  }

  std::filesystem::path path_;
  ManualClock clock_;
  SeededRandom random_;
  AddressPool pool_;
  std::unique_ptr<Store> store_;
  std::unique_ptr<Registry> registry_;
};

TEST_F(RegistryTest, AnInstanceServesOnceItsPortAccepts) {
  std::string id = add("cart");
  EXPECT_EQ(state(id), "not ready");
  EXPECT_TRUE(report(id, false));
  EXPECT_THAT(registry_->state_of(*registry_->find(id)).why, HasSubstr("connection refused"));
  EXPECT_TRUE(report(id, true));
  EXPECT_EQ(state(id), "serving");
  EXPECT_FALSE(report(id, true)) << "nothing new";
}

TEST_F(RegistryTest, ASilentInstanceGoesWhenAnotherServesTheSame) {
  std::string a = add("cart"), b = add("cart");
  report(a);
  report(b);
  clock_.pass(Registry::kTerm);
  report(b);
  EXPECT_THAT(expire(), IsEmpty()) << "the term is not over";
  clock_.pass(Duration::millis(1));
  EXPECT_THAT(expire(), ElementsAre(a));
  EXPECT_EQ(registry_->find(a), nullptr);
  EXPECT_NE(registry_->find(b), nullptr);
}

TEST_F(RegistryTest, SilenceAloneNeverTakesTheLastInstancesAway) {
  std::string a = add("cart"), b = add("cart");
  report(a);
  report(b);
  clock_.pass(Duration::hours(1));
  EXPECT_THAT(expire(), testing::UnorderedElementsAre(a, b));
  EXPECT_EQ(state(a), "stale");
  EXPECT_TRUE(registry_->find(a)->instance.stale);
  EXPECT_THAT(expire(), IsEmpty());
  // One is heard again: it is no longer stale, and the other one has a successor.
  EXPECT_TRUE(report(b));
  EXPECT_EQ(state(b), "serving");
  EXPECT_THAT(expire(), ElementsAre(a));
  EXPECT_EQ(registry_->find(a), nullptr);
}

TEST_F(RegistryTest, AStaleInstanceIsTakenAwayByHandAndALivingOneIsNot) {
  std::string id = add("cart");
  report(id);
  clock_.pass(Duration::seconds(2));
  auto alive = registry_->remove(id);
  ASSERT_FALSE(alive);
  EXPECT_EQ(alive.error().kind(), ErrorKind::kConflict);
  EXPECT_THAT(alive.error().message(), HasSubstr("heard 2 s ago"));
  clock_.pass(Duration::minutes(1));
  EXPECT_THAT(expire(), ElementsAre(id));
  EXPECT_THAT(registry_->state_of(*registry_->find(id)).why,
              HasSubstr("weft delete workload " + id + " -n default"));
  EXPECT_TRUE(registry_->remove(id));
  EXPECT_EQ(registry_->find(id), nullptr);
  EXPECT_EQ(registry_->remove(id).error().kind(), ErrorKind::kNotFound);
  EXPECT_NE(registry_->former(id), nullptr) << "alive after all, it may come back";
  open();
  EXPECT_EQ(registry_->find(id), nullptr) << "gone from the store too";
}

TEST_F(RegistryTest, WhoLeftIsGoneWhenItsSidecarHangsUp) {
  std::string id = add("cart");
  report(id);
  const model::SpiffeId cart = registry_->find(id)->instance.identity;
  const model::SpiffeId other = *model::SpiffeId::for_workload("weft.local", "default", "web");
  EXPECT_FALSE(registry_->hung_up(id, cart)) << "a lost connection is no leave";
  ASSERT_TRUE(registry_->leave(id));
  EXPECT_FALSE(registry_->hung_up(id, other)) << "somebody else's word";
  EXPECT_TRUE(registry_->hung_up(id, cart));
  EXPECT_EQ(registry_->find(id), nullptr);
  EXPECT_FALSE(registry_->hung_up(id, cart));
}

TEST_F(RegistryTest, ASuccessorThatDoesNotAcceptYetReplacesNobody) {
  std::string a = add("cart");
  report(a);
  clock_.pass(Duration::minutes(1));
  std::string b = add("cart");
  EXPECT_THAT(expire(), ElementsAre(a));
  EXPECT_EQ(state(a), "stale");
  report(b, false);
  EXPECT_THAT(expire(), IsEmpty());
  report(b, true);
  EXPECT_THAT(expire(), ElementsAre(a));
}

TEST_F(RegistryTest, AnInstanceThatServesTwoServicesStaysAsLongAsOneNeedsIt) {
  Registration both;
  both.ns = "default";
  both.claims = {{"cart", 80, 8080, model::Protocol::kHttp},
                 {"admin", 90, 8080, model::Protocol::kHttp}};
  both.advertise_port = 20002;
  auto record = registry_->add(both, "", IpAddress::v4(0x7f000001));
  ASSERT_TRUE(record);
  std::string id = (*record)->instance.id;
  report(id);
  std::string other = add("cart");
  clock_.pass(Duration::minutes(1));
  report(other);
  EXPECT_THAT(expire(), ElementsAre(id));
  EXPECT_EQ(state(id), "stale");
}

TEST_F(RegistryTest, WhoLeftIsGoneAfterATermEvenIfItWasTheLast) {
  std::string a = add("cart");
  report(a);
  EXPECT_TRUE(*registry_->leave(a));
  EXPECT_FALSE(*registry_->leave(a)) << "once is enough";
  EXPECT_EQ(state(a), "leaving");
  clock_.pass(Duration::seconds(10));
  report(a);  // it still drains
  EXPECT_EQ(state(a), "leaving");
  clock_.pass(Duration::minutes(1));
  EXPECT_THAT(expire(), ElementsAre(a));
  EXPECT_EQ(registry_->find(a), nullptr);
}

TEST_F(RegistryTest, ARestartedServerGivesEveryLeaseAFullTermAndKeepsHealth) {
  std::string a = add("cart"), b = add("cart");
  report(a);
  report(b);
  IpAddress mesh = registry_->find(a)->instance.mesh4;
  clock_.pass(Duration::hours(5));
  open();
  EXPECT_EQ(state(a), "serving");
  EXPECT_EQ(registry_->find(a)->instance.mesh4, mesh);
  clock_.pass(Registry::kTerm);
  report(b);
  EXPECT_THAT(expire(), IsEmpty());
  clock_.pass(Duration::seconds(1));
  EXPECT_THAT(expire(), ElementsAre(a));
}

TEST_F(RegistryTest, AnIdThatComesBackHasTheAddressesItHad) {
  std::string a = add("cart"), b = add("cart");
  report(a);
  report(b);
  IpAddress mesh4 = registry_->find(a)->instance.mesh4, mesh6 = registry_->find(a)->instance.mesh6;
  clock_.pass(Duration::minutes(1));
  report(b);
  expire();
  ASSERT_EQ(registry_->find(a), nullptr);
  ASSERT_NE(registry_->former(a), nullptr);
  std::string c = add("cart");
  EXPECT_NE(registry_->find(c)->instance.mesh4, mesh4) << "held for a day";
  EXPECT_EQ(add("cart", a), a);
  EXPECT_EQ(registry_->find(a)->instance.mesh4, mesh4);
  EXPECT_EQ(registry_->find(a)->instance.mesh6, mesh6);
}

TEST_F(RegistryTest, AnIdIsNotTakenOverByAnotherMachineOrWorkload) {
  std::string a = add("cart");
  Registration theft;
  theft.ns = "default";
  theft.instance = a;
  theft.claims = {{"cart", 80, 8080, model::Protocol::kHttp}};
  theft.advertise_port = 1;
  auto other_machine = registry_->add(theft, "laptop-1", IpAddress::v4(1));
  ASSERT_FALSE(other_machine);
  EXPECT_EQ(other_machine.error().kind(), ErrorKind::kDenied);
  theft.claims[0].service = "web";
  EXPECT_FALSE(registry_->add(theft, "", IpAddress::v4(1)));
  // An id that nobody has, but which is no name of this workload, is replaced.
  EXPECT_THAT(add("cart", "bank-123456"), testing::StartsWith("cart-"));
}

TEST_F(RegistryTest, InstancesOfTheServersHostMoveWithItsAddress) {
  std::string local = add("cart");
  std::string remote = add("web", "", "laptop-1");
  EXPECT_EQ(registry_->find(local)->instance.address.to_string(), "127.0.0.1:20001");
  EXPECT_EQ(registry_->find(remote)->instance.address.to_string(), "192.0.2.9:20001");
  EXPECT_THAT(registry_->set_host_ip(*IpAddress::parse("198.51.100.1")), ElementsAre(local));
  EXPECT_EQ(registry_->find(local)->instance.address.to_string(), "198.51.100.1:20001");
  open();
  EXPECT_EQ(registry_->find(local)->instance.address.to_string(), "198.51.100.1:20001");
}

TEST_F(RegistryTest, ReportsOfUnknownInstancesAskThemToRegister) {
  auto unknown = registry_->report("cart-000000", {});
  ASSERT_FALSE(unknown);
  EXPECT_EQ(unknown.error().kind(), ErrorKind::kNotFound);
}

struct BadRegistration {
  const char* what;
  std::function<void(v1::RegisterRequest&)> spoil;
};

TEST(RegistryCodec, RefusesWhatNoHonestKeeperSends) {
  const BadRegistration rows[] = {
      {"namespace", [](auto& r) { r.set_namespace_("A/B"); }},
      {"service", [](auto& r) { r.mutable_services(0)->set_name("../x"); }},
      {"port", [](auto& r) { r.mutable_services(0)->set_port(70000); }},
      {"protocol", [](auto& r) { r.mutable_services(0)->set_protocol("smtp"); }},
      {"twice", [](auto& r) { *r.add_services() = r.services(0); }},
      {"no name", [](auto& r) { r.clear_services(); }},
      {"instance", [](auto& r) { r.set_instance("a b"); }},
      {"advertise port", [](auto& r) { r.clear_advertise_port(); }},
      {"advertise ip", [](auto& r) { r.set_advertise_ip("abc"); }},
      {"any address", [](auto& r) { r.set_advertise_ip(std::string(4, '\0')); }},
      {"too many services",
       [](auto& r) {
         for (uint32_t i = 0; i < 40; ++i) {
           auto* s = r.add_services();
           s->set_name("s");
           s->set_port(i + 1);
         }
       }},
      {"long label", [](auto& r) { (*r.mutable_labels())["a"] = std::string(300, 'x'); }},
  };
  v1::RegisterRequest good;
  auto* service = good.add_services();
  service->set_name("cart");
  service->set_port(80);
  good.set_advertise_port(20001);
  auto fine = read_registration(good);
  ASSERT_TRUE(fine) << fine.error().message();
  EXPECT_EQ(fine->ns, "default");
  EXPECT_EQ(fine->claims.at(0).app_port, 80)
      << "the app listens where the service does, unless told";
  for (const auto& row : rows) {
    v1::RegisterRequest bad = good;
    row.spoil(bad);
    EXPECT_FALSE(read_registration(bad)) << row.what;
  }
}

TEST(RegistryCodec, ARecordComesBackFromTheStoreWhole) {
  InstanceRecord record;
  record.registration.ns = "shop";
  record.registration.claims = {{"cart", 80, 8080, model::Protocol::kGrpc}};
  record.registration.labels = {{"version", "v2"}};
  record.registration.advertise_port = 20005;
  record.instance.address = *SocketAddress::parse("192.0.2.1:20005");
  record.instance.ready = {{8080, true}};
  record.instance.leaving = true;
  record.on_server_host = true;
  auto back = unpack_instance(pack_instance(record));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(back->registration.ns, "shop");
  EXPECT_EQ(back->registration.claims.at(0).protocol, model::Protocol::kGrpc);
  EXPECT_EQ(back->registration.labels.at("version"), "v2");
  EXPECT_EQ(back->instance.address, record.instance.address);
  EXPECT_TRUE(back->instance.ready.at(8080));
  EXPECT_TRUE(back->instance.leaving);
  EXPECT_TRUE(back->on_server_host);
}

}  // namespace
}  // namespace weft::control
