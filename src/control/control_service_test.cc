// Who may ask what, method by method, without sockets.
#include "control/control_service.h"

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include "control.pb.h"
#include "io/epoll_loop.h"
#include "trust/svid.h"
#include "xds/join_token.h"
#include "xds/resource_type.h"

namespace weft::control {
namespace {

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

class ControlServiceTest : public testing::Test {
 protected:
  ControlServiceTest() : random_(5), discovery_(loop_, compiler_) {
    path_ = std::filesystem::temp_directory_path() /
            ("weft-control-" + std::to_string(getpid()) + "-" +
             testing::UnitTest::GetInstance()->current_test_info()->name() + ".db");
    remove_files();
    store_ = std::move(*Store::open({path_, ""}));
    ca_.emplace(std::move(*CaService::open(*store_, random_, "", clock_.wall_now())));
    registry_ =
        std::make_unique<Registry>(*store_, clock_, random_, ca_->addresses(), ca_->trust_domain());
    joining_ = std::make_unique<JoinService>(
        *store_, *ca_, clock_, random_,
        std::vector<SocketAddress>{*SocketAddress::parse("192.0.2.1:7443")});
    ControlService::Parts parts;
    parts.clock = &clock_;
    parts.ca = &*ca_;
    parts.joining = joining_.get();
    parts.registry = registry_.get();
    parts.edges = &edges_;
    parts.discovery = &discovery_;
    parts.changed = [this](const Registry::Changed& ids) {
      changed_.insert(ids.begin(), ids.end());
    };
    parts.local_discovery = *SocketAddress::parse("127.0.0.1:7443");
    parts.allowed_uids = {0, 1000};
    service_ = std::make_unique<ControlService>(std::move(parts));
  }
  ~ControlServiceTest() override {
    store_.reset();
    remove_files();
  }
  void remove_files() {
    for (const char* suffix : {"", "-wal", "-shm"})
      std::filesystem::remove(path_.string() + suffix);
  }

  Caller caller(Caller::Kind kind, const std::string& path = "") {
    Caller out;
    out.kind = kind;
    if (!path.empty()) out.id = *model::SpiffeId::parse("spiffe://weft.local" + path);
    out.from = *IpAddress::parse("198.51.100.7");
    out.to = *SocketAddress::parse("192.0.2.1:7443");
    return out;
  }
  std::string csr() {
    auto key = trust::PrivateKey::generate();
    return *key->make_csr(*model::SpiffeId::parse("spiffe://weft.local/x"));
  }
  v1::RegisterRequest registration(const std::string& name, const std::string& instance = "") {
    v1::RegisterRequest request;
    auto* service = request.add_services();
    service->set_name(name);
    service->set_port(80);
    request.set_advertise_port(20001);
    request.set_csr(csr());
    request.set_instance(instance);
    return request;
  }
  // The instance's id.
  Result<std::string> enroll(const Caller& who, const v1::RegisterRequest& request) {
    auto bytes = service_->unary(xds::kRegisterPath, who, request.SerializeAsString());
    if (!bytes) return std::unexpected(bytes.error());
    v1::RegisterResponse response;
    response.ParseFromString(*bytes);
    return response.instance();
  }
  Result<v1::ReportResponse> report(const Caller& who, v1::ReportRequest request) {
    auto bytes = service_->unary(xds::kReportPath, who, request.SerializeAsString());
    if (!bytes) return std::unexpected(bytes.error());
    v1::ReportResponse response;
    response.ParseFromString(*bytes);
    return response;
  }
  Result<std::string> issue(const Caller& who) {
    v1::IssueSvidRequest request;
    request.set_csr(csr());
    return service_->unary(xds::kIssueSvidPath, who, request.SerializeAsString());
  }
  // A machine that has joined; the path of its identity.
  std::string joined() {
    auto made = joining_->create_token({});
    auto token = xds::JoinToken::decode(made->token);
    v1::JoinRequest request;
    request.set_token_secret(xds::base64url_encode(token->secret));
    request.set_machine_name("laptop");
    request.set_csr(csr());
    EXPECT_TRUE(
        service_->unary(xds::kJoinPath, caller(Caller::kAnonymous), request.SerializeAsString()));
    return "/machine/" + store_->machines()->back().id;
  }
  void end_lease(const std::string& id) {
    clock_.pass(Duration::minutes(1));
    registry_->expire([](const std::string&) { return Affected{}; });
    ASSERT_EQ(registry_->find(id), nullptr);
  }

  std::filesystem::path path_;
  ManualClock clock_;
  SeededRandom random_;
  io::EpollLoop loop_;
  Compiler compiler_;
  Discovery discovery_;
  EdgesView edges_;
  std::unique_ptr<Store> store_;
  std::optional<CaService> ca_;
  std::unique_ptr<Registry> registry_;
  std::unique_ptr<JoinService> joining_;
  std::unique_ptr<ControlService> service_;
  Registry::Changed changed_;
};

TEST_F(ControlServiceTest, TheConnectionSaysWhoCalls) {
  http::ConnectionInfo info;
  info.peer_uid = 1000;
  EXPECT_EQ(service_->caller_of(info)->kind, Caller::kLocal);
  info.peer_uid = 1001;
  EXPECT_EQ(service_->caller_of(info).error().kind(), ErrorKind::kDenied);
  info.peer_uid = -1;
  EXPECT_FALSE(service_->caller_of(info));
  info.tls = true;
  EXPECT_EQ(service_->caller_of(info)->kind, Caller::kAnonymous);
  info.peer_spiffe_id = "spiffe://weft.local/machine/laptop-1";
  EXPECT_EQ(service_->caller_of(info)->kind, Caller::kMachine);
  info.peer_spiffe_id = "spiffe://weft.local/ns/default/sa/web";
  EXPECT_EQ(service_->caller_of(info)->kind, Caller::kWorkload);
  info.peer_spiffe_id = "spiffe://weft.local/server";
  EXPECT_FALSE(service_->caller_of(info));
}

TEST_F(ControlServiceTest, OnlyMachinesAndTheSocketMayRegister) {
  EXPECT_TRUE(enroll(caller(Caller::kLocal), registration("cart")));
  EXPECT_TRUE(enroll(caller(Caller::kMachine, joined()), registration("cart")));
  for (const auto& who :
       {caller(Caller::kAnonymous), caller(Caller::kWorkload, "/ns/default/sa/cart"),
        caller(Caller::kMachine, "/machine/never-joined")}) {
    auto refused = enroll(who, registration("cart"));
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind(), ErrorKind::kDenied);
  }
}

TEST_F(ControlServiceTest, ARegistrationWithoutAUsableKeyChangesNothing) {
  auto request = registration("cart");
  request.set_csr("garbage");
  EXPECT_FALSE(enroll(caller(Caller::kLocal), request));
  EXPECT_TRUE(registry_->all().empty());
  EXPECT_TRUE(changed_.empty());
}

TEST_F(ControlServiceTest, AJoiningMachineTeachesTheServerItsOwnAddress) {
  auto local = enroll(caller(Caller::kLocal), registration("cart"));
  ASSERT_TRUE(local);
  EXPECT_EQ(registry_->find(*local)->instance.address.to_string(), "127.0.0.1:20001");
  joined();
  EXPECT_EQ(registry_->find(*local)->instance.address.to_string(), "192.0.2.1:20001");
  EXPECT_TRUE(changed_.contains(*local));
}

TEST_F(ControlServiceTest, AnInstanceWhoseLeaseEndedComesBackByItsReport) {
  std::string machine = joined();
  auto id = enroll(caller(Caller::kMachine, machine), registration("cart"));
  ASSERT_TRUE(id);
  IpAddress mesh = registry_->find(*id)->instance.mesh4;
  end_lease(*id);
  Caller cart = caller(Caller::kWorkload, "/ns/default/sa/cart");

  v1::ReportRequest bare;
  bare.set_instance(*id);
  auto unknown = report(cart, bare);
  ASSERT_TRUE(unknown);
  EXPECT_FALSE(unknown->known());

  v1::ReportRequest full = bare;
  *full.mutable_registration() = registration("cart");
  auto forged = report(caller(Caller::kWorkload, "/ns/default/sa/web"), full);
  ASSERT_TRUE(forged);
  EXPECT_FALSE(forged->known());
  auto back = report(cart, full);
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_TRUE(back->known());
  EXPECT_EQ(registry_->find(*id)->instance.mesh4, mesh);
  EXPECT_EQ("/machine/" + registry_->find(*id)->machine, machine);
}

TEST_F(ControlServiceTest, ARevokedMachineAndItsInstancesGetNothingMore) {
  std::string machine = joined();
  auto id = enroll(caller(Caller::kMachine, machine), registration("cart"));
  ASSERT_TRUE(id);
  Caller cart = caller(Caller::kWorkload, "/ns/default/sa/cart");
  EXPECT_TRUE(issue(cart));
  ASSERT_TRUE(store_->revoke_machine(machine.substr(std::string("/machine/").size())));
  EXPECT_EQ(issue(cart).error().kind(), ErrorKind::kDenied);
  EXPECT_FALSE(enroll(caller(Caller::kMachine, machine), registration("cart")));
  v1::RenewMachineRequest renew;
  renew.set_csr(csr());
  EXPECT_FALSE(service_->unary(xds::kRenewMachinePath, caller(Caller::kMachine, machine),
                               renew.SerializeAsString()));
  end_lease(*id);
  v1::ReportRequest full;
  full.set_instance(*id);
  *full.mutable_registration() = registration("cart");
  EXPECT_FALSE(report(cart, full));
}

TEST_F(ControlServiceTest, CertificatesAreForRegisteredIdentitiesOnly) {
  EXPECT_FALSE(issue(caller(Caller::kWorkload, "/ns/default/sa/ghost")));
  EXPECT_FALSE(issue(caller(Caller::kLocal)));
  EXPECT_FALSE(issue(caller(Caller::kAnonymous)));
}

TEST_F(ControlServiceTest, GarbageIsInvalidAndUnknownMethodsAreUnsupported) {
  for (auto path : {xds::kJoinPath, xds::kRegisterPath, xds::kReportPath, xds::kLeavePath,
                    xds::kIssueSvidPath, xds::kRenewMachinePath}) {
    auto answer = service_->unary(path, caller(Caller::kWorkload, "/ns/default/sa/a"), "\xff\xff");
    ASSERT_FALSE(answer) << path;
    EXPECT_EQ(answer.error().kind(), ErrorKind::kInvalid) << path;
  }
  EXPECT_EQ(service_->unary("/x/Y", caller(Caller::kLocal), "").error().kind(),
            ErrorKind::kUnsupported);
}

TEST_F(ControlServiceTest, ASidecarThatRetiresSpeaksForItsCountsOnly) {
  const Caller cart = caller(Caller::kWorkload, "/ns/default/sa/cart");
  auto id = enroll(caller(Caller::kLocal), registration("cart"));
  const auto says = [&](const char* version, uint64_t sequence, bool ready, bool retiring) {
    v1::ReportRequest request;
    request.set_instance(*id);
    request.set_sequence(sequence);
    request.set_version(version);
    request.set_retiring(retiring);
    auto* port = request.add_ports();
    port->set_app_port(80);
    port->set_ready(ready);
    auto* edge = request.add_edges();
    edge->set_source("spiffe://weft.local/ns/default/sa/web");
    edge->set_destination(cart.id.uri());
    edge->set_service("cart.default");
    edge->set_inbound(true);
    edge->set_requests(10);
    EXPECT_TRUE(report(cart, request)->known());
  };
  says("0.3.1", 7000, true, false);
  says("0.3.0", 12, false, true);
  says("0.3.1", 7001, true, false);
  const InstanceRecord& record = *registry_->find(*id);
  EXPECT_TRUE(record.instance.ready.at(80));
  EXPECT_EQ(record.sidecar_version, "0.3.1");
  EXPECT_EQ(record.retiring_version, "0.3.0");
  EXPECT_EQ(record.retiring_heard, clock_.now());
  uint64_t requests = 0;
  for (const auto& row : edges_.rows(Duration::minutes(1), clock_.now()))
    requests += row.total.requests;
  EXPECT_EQ(requests, 30u);
}

TEST_F(ControlServiceTest, LeavingTwiceIsFineAndLeavingForOthersIsNot) {
  auto id = enroll(caller(Caller::kLocal), registration("cart"));
  v1::LeaveRequest request;
  request.set_instance(*id);
  auto leave = [&](const Caller& who) {
    return service_->unary(xds::kLeavePath, who, request.SerializeAsString()).has_value();
  };
  EXPECT_FALSE(leave(caller(Caller::kWorkload, "/ns/default/sa/web")));
  EXPECT_FALSE(leave(caller(Caller::kAnonymous)));
  EXPECT_TRUE(leave(caller(Caller::kWorkload, "/ns/default/sa/cart")));
  EXPECT_TRUE(registry_->find(*id)->instance.leaving);
  EXPECT_TRUE(leave(caller(Caller::kLocal)));
}

}  // namespace
}  // namespace weft::control
