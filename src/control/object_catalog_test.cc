#include "control/object_catalog.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/disk.h"
#include "sim/sqlite_vfs.h"

namespace weft::control {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class SetClock final : public Clock {
 public:
  Instant now() const override { return {}; }
  WallTime wall_now() const override { return wall; }
  WallTime wall = WallTime::from_unix_seconds(1'800'000'000);
};

constexpr const char* kCart =
    "{apiVersion: v1, kind: Service, metadata: {name: cart}, spec: {ports: [{port: "
    "80}]}}\n";

class CatalogTest : public testing::Test {
 protected:
  CatalogTest() : vfs_(disk_, "catalog-test") { restart(); }

  void restart() {
    catalog_.reset();
    store_.reset();
    auto store = Store::open({.path = "/weft.db", .vfs = vfs_.name()});
    if (!store) return (void)(ADD_FAILURE() << store.error().message());
    store_ = std::move(*store);
    compiler_ = std::make_unique<Compiler>();
    catalog_ = std::make_unique<ObjectCatalog>(
        *store_, *compiler_, clock_, random_,
        VirtualRanges{[](uint32_t n) { return IpAddress::v4(0xf0f00000 + n); },
                      [](uint32_t n) {
                        return IpAddress::v6({0xfd, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
                                              static_cast<uint8_t>(n)});
                      }});
    ASSERT_TRUE(catalog_->load());
    catalog_->on_publish([this](const Affected& services, uint64_t version) {
      published_.clear();
      for (const model::ServiceName& name : services) published_.push_back(name.to_string());
      published_version_ = version;
    });
  }

  std::vector<std::string> apply(const std::string& text, bool dry_run = false) {
    auto outcome = catalog_->apply({{"f.yaml", text}}, dry_run);
    if (!outcome) return {"failed: " + outcome.error().message()};
    std::vector<std::string> out = outcome->errors;
    for (const auto& row : outcome->rows) out.push_back(row.key.to_string() + " " + row.action);
    return out;
  }
  std::string address_of(const char* service) {
    const auto compiled = compiler_->compile(model::ServiceName::parse(service).value());
    return compiled ? compiled->service.vip4.to_string() : "none";
  }
  Instance claimant(const std::string& id, const std::string& service) {
    Instance out;
    out.id = id;
    out.ns = "default";
    out.claims = {{service, 80, 8080, model::Protocol::kHttp}};
    return out;
  }

  sim::SimDisk disk_;
  sim::SqliteVfs vfs_;
  SetClock clock_;
  SeededRandom random_{1};
  std::unique_ptr<Store> store_;
  std::unique_ptr<Compiler> compiler_;
  std::unique_ptr<ObjectCatalog> catalog_;
  std::vector<std::string> published_;
  uint64_t published_version_ = 0;
};

TEST_F(CatalogTest, SaysWhatBecameOfEachObject) {
  EXPECT_THAT(apply(kCart), ElementsAre("Service/default/cart created"));
  EXPECT_THAT(published_, ElementsAre("cart.default"));
  EXPECT_EQ(published_version_, 1u);
  EXPECT_THAT(apply(kCart), ElementsAre("Service/default/cart unchanged"));
  EXPECT_EQ(catalog_->version(), 1u) << "what changes nothing is no new version";
  EXPECT_THAT(
      apply("{apiVersion: v1, kind: Service, metadata: {name: cart}, spec: {ports: [{port: 81}]}}"),
      ElementsAre("Service/default/cart configured"));
  const Object* object = compiler_->object({"Service", "default", "cart"});
  EXPECT_EQ(object->meta.generation, 2);
  EXPECT_EQ(object->meta.created, clock_.wall);
  EXPECT_EQ(object->meta.uid.size(), 36u);
}

TEST_F(CatalogTest, AppliesNothingUnlessAllIsValid) {
  EXPECT_THAT(apply(std::string(kCart) + "---\n{kind: Wrong}\n"),
              ElementsAre(testing::StartsWith(
                  "f.yaml:3:8: kind: Weft knows no kind 'Wrong' (kinds: Service, ")));
  EXPECT_THAT(
      apply(std::string(kCart) + "---\n" + kCart),
      ElementsAre("f.yaml:3:1: Service/default/cart is there twice, first at f.yaml:1 (keep one of "
                  "the two)"));
  EXPECT_THAT(store_->objects().value(), IsEmpty());
  EXPECT_THAT(published_, IsEmpty());
}

TEST_F(CatalogTest, ADryRunChangesNothing) {
  EXPECT_THAT(apply(kCart, true), ElementsAre("Service/default/cart created"));
  EXPECT_THAT(store_->objects().value(), IsEmpty());
  EXPECT_THAT(published_, IsEmpty());
}

TEST_F(CatalogTest, AServiceKeepsItsAddressOverChangesAndRestarts) {
  apply(kCart);
  const std::string address = address_of("cart");
  EXPECT_EQ(address, "240.240.0.1");
  apply("{apiVersion: v1, kind: Service, metadata: {name: other}, spec: {ports: [{port: 80}]}}");
  restart();
  EXPECT_EQ(address_of("cart"), address);
  EXPECT_EQ(address_of("other"), "240.240.0.2");
  EXPECT_EQ(compiler_->object({"Service", "default", "cart"})->meta.generation, 1);
  // Deleted, its address rests; it comes back with it.
  ASSERT_TRUE(catalog_->remove({{"Service", "default", "cart"}}));
  EXPECT_THAT(published_, ElementsAre("cart.default"));
  EXPECT_EQ(address_of("cart"), "none");
  apply("{apiVersion: v1, kind: Service, metadata: {name: third}, spec: {ports: [{port: 80}]}}");
  EXPECT_EQ(address_of("third"), "240.240.0.3");
  apply(kCart);
  EXPECT_EQ(address_of("cart"), address);
}

TEST_F(CatalogTest, ClaimsGetAnAddressAndSurviveARestart) {
  compiler_->put_instance(claimant("web-1", "web"));
  EXPECT_THAT(catalog_->settle().value(),
              UnorderedElementsAre(model::ServiceName{"default", "web"}));
  EXPECT_EQ(address_of("web"), "240.240.0.1");
  EXPECT_THAT(catalog_->settle().value(), IsEmpty()) << "nothing is left to settle";
  restart();
  EXPECT_EQ(address_of("web"), "240.240.0.1");
  // Without instances it can be forgotten; with some it cannot.
  compiler_->put_instance(claimant("web-1", "web"));
  EXPECT_EQ(catalog_->forget_implicit({"default", "web"}).error().kind(), ErrorKind::kConflict);
  compiler_->remove_instance("web-1");
  ASSERT_TRUE(catalog_->forget_implicit({"default", "web"}));
  EXPECT_EQ(address_of("web"), "none");
  restart();
  EXPECT_EQ(address_of("web"), "none");
}

TEST_F(CatalogTest, AFullDiskChangesNothingAnywhere) {
  apply(kCart);
  published_.clear();
  disk_.set_capacity(disk_.used());
  const auto failed =
      apply("{apiVersion: v1, kind: Service, metadata: {name: big, annotations: {a: \"" +
            std::string(100'000, 'x') + "\"}}, spec: {ports: [{port: 80}]}}");
  ASSERT_EQ(failed.size(), 1u);
  EXPECT_THAT(failed[0], HasSubstr("the disk is full"));
  EXPECT_THAT(published_, IsEmpty());
  EXPECT_EQ(compiler_->object({"Service", "default", "big"}), nullptr);
  EXPECT_EQ(catalog_->version(), 1u);
  disk_.set_capacity(UINT64_MAX);
  EXPECT_THAT(
      apply("{apiVersion: v1, kind: Service, metadata: {name: b}, spec: {ports: [{port: 80}]}}"),
      ElementsAre("Service/default/b created"));
}

TEST_F(CatalogTest, WarnsOfWhatIsAcceptedButNotInForce) {
  const auto outcome = catalog_->apply(
      {{"f",
        "{apiVersion: gateway.networking.k8s.io/v1, kind: HTTPRoute, metadata: {name: r}, spec: "
        "{parentRefs: [{kind: Service, name: nobody}]}}"}},
      false);
  ASSERT_TRUE(outcome);
  ASSERT_FALSE(outcome->warnings.empty());
  EXPECT_EQ(outcome->warnings[0],
            "HTTPRoute/default/r: NoMatchingParent: there is no Service nobody.default");
}

TEST_F(CatalogTest, WarnsOfAGatewaysListenersEachMessageOnce) {
  const auto outcome = catalog_->apply(
      {{"f",
        "{apiVersion: gateway.networking.k8s.io/v1, kind: Gateway, metadata: {name: edge}, spec: "
        "{gatewayClassName: weft, listeners: [{name: plain, port: 80, protocol: HTTP}, "
        "{name: tls, port: 443, protocol: HTTPS, tls: {certificateRefs: [{name: c}]}}]}}"}},
      false);
  ASSERT_TRUE(outcome);
  EXPECT_THAT(outcome->warnings,
              testing::ElementsAre(
                  "Gateway/default/edge: Pending: nobody serves it: run `weft gateway edge`",
                  "Gateway/default/edge, listener tls: InvalidCertificateRef: there is no "
                  "Secret default/c"));
}

TEST_F(CatalogTest, RemovesAllOrNone) {
  apply(kCart);
  const auto outcome =
      catalog_->remove({{"Service", "default", "cart"}, {"Service", "default", "absent"}});
  EXPECT_EQ(outcome.error().kind(), ErrorKind::kNotFound);
  EXPECT_NE(compiler_->object({"Service", "default", "cart"}), nullptr);
}

}  // namespace
}  // namespace weft::control
