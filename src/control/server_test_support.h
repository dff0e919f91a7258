// A whole control plane over real loopback sockets, and a proxy that is only its protocol.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>

#include "control/object_catalog.h"
#include "control/server.h"
#include "http/client.h"
#include "http/grpc.h"
#include "http/tls_stream.h"
#include "io/epoll_loop.h"
#include "io/event.h"
#include "io/socket_network.h"
#include "trust/tls.h"
#include "xds/convert.h"
#include "xds/delta_client.h"
#include "xds/join_token.h"
#include "xds/registration.h"

namespace weft::v1 {
class ReportRequest;
class ReportResponse;
}  // namespace weft::v1

namespace weft::control {

using xds::ResourceType;

inline constexpr Duration kPatience = Duration::seconds(10);

class NullSink final : public LogSink {
 public:
  void write(LogLevel, std::string_view) override {}
};

class ServerTest : public testing::Test {
 protected:
  ServerTest() : network_(loop_), random_(7), log_(sink_, loop_, "server") {
    dir_ = std::filesystem::temp_directory_path() /
           ("weft-server-test-" + std::to_string(getpid()) + "-" +
            testing::UnitTest::GetInstance()->current_test_info()->name());
    std::filesystem::remove_all(dir_);
    std::filesystem::create_directories(dir_);
  }
  ~ServerTest() override {
    server_.reset();
    std::filesystem::remove_all(dir_);
  }

  ServerOptions options() {
    ServerOptions options;
    options.store.path = dir_ / "weft.db";
    options.listen = {IpAddress::v4(0x7f000001), port_};
    options.socket_path = dir_ / "s";
    options.advertised = {{IpAddress::v4(0x7f000001), 0}};
    options.allowed_uids = {0};
    options.peer_credentials = [this](const io::Stream&) {
      return PeerCredentials{caller_uid_, 1};
    };
    return options;
  }
  void start() {
    server_ = std::make_unique<Server>(loop_, network_, random_, log_, options());
    auto ok = server_->start();
    ASSERT_TRUE(ok) << ok.error().message();
    port_ = server_->listening().port;
  }
  // A crash: nothing is said to anybody.
  void restart() {
    server_.reset();
    start();
  }

  template <typename T>
  T run(io::Task<T> task) {
    std::optional<T> result;
    io::TaskScope scope;
    auto wrap = [](io::Task<T> inner, std::optional<T>& out) -> io::Task<void> {
      out = co_await std::move(inner);
    };
    scope.spawn(wrap(std::move(task), result));
    EXPECT_TRUE(loop_.run_for_test([&] { return result.has_value(); }, kPatience));
    return std::move(*result);
  }
  bool until(const std::function<bool()>& done) { return loop_.run_for_test(done, kPatience); }

  xds::ServerAccess socket() { return {dir_ / "s", std::nullopt}; }
  Result<xds::Registered> register_as(xds::ServerAccess access,
                                      std::vector<xds::ServiceClaim> claims,
                                      std::string instance = "", std::string ns = "default",
                                      std::string identity = "") {
    auto key = trust::PrivateKey::generate();
    xds::RegisterParams params;
    params.ns = std::move(ns);
    params.services = std::move(claims);
    params.advertise_port = 20001;
    params.instance = std::move(instance);
    params.identity_name = std::move(identity);
    return run(xds::register_instance(loop_, network_, std::move(access), *key, params, kPatience));
  }
  Result<xds::MachineCredential> join(const std::string& text) {
    auto token = xds::JoinToken::decode(text);
    EXPECT_TRUE(token);
    return run(xds::join(loop_, network_, *token, "laptop", kPatience));
  }
  NewToken token(TokenRequest request = {}) {
    auto made = server_->create_token(request);
    EXPECT_TRUE(made) << made.error().message();
    return *made;
  }

  io::EpollLoop loop_;
  io::SocketNetwork network_;
  SeededRandom random_;
  NullSink sink_;
  Log log_;
  std::filesystem::path dir_;
  uint16_t port_ = 0;
  int caller_uid_ = 0;
  std::unique_ptr<Server> server_;
};

// The protocol of a sidecar: a discovery stream and reports, everything accepted at once.
class FakeProxy {
 public:
  FakeProxy(io::Loop& loop, io::Network& network, xds::Registered registered)
      : loop_(loop),
        network_(network),
        registered_(std::move(registered)),
        client_({registered_.instance, "test", xds::kProxyLevel}),
        due_(loop) {}

  void connect() {
    call_.reset();
    connection_.reset();
    scope_.emplace();
    scope_->spawn(converse());
  }
  void disconnect() {
    scope_.reset();
    call_.reset();
    connection_.reset();
    client_.disconnected();
  }
  void subscribe(ResourceType type, std::string_view name) {
    client_.subscribe(type, name);
    due_.set();
  }
  const std::string* held(ResourceType type, const std::string& name) const {
    auto it = held_.find({type, name});
    return it == held_.end() ? nullptr : &it->second;
  }
  size_t received() const { return received_; }
  std::string refuse;  // name of a resource to refuse
  std::string why = "needs proxy level 2";

  // server_test.cc
  io::Task<Result<v1::ReportResponse>> report(v1::ReportRequest request);
  io::Task<Result<std::string>> call(std::string_view path, std::string request) {
    co_return co_await http::grpc_unary(loop_, *connection_, std::string(path), "server",
                                        std::move(request), kPatience);
  }
  bool connected() const { return connection_ != nullptr; }

 private:
  io::Task<void> converse() {
    trust::TlsClientConfig config{registered_.svid, registered_.bundle, {"h2"}, ""};
    auto context = trust::make_client_context(config);
    auto stream = co_await network_.connect(registered_.discovery.front(), kPatience);
    if (!stream) co_return;
    auto server = model::SpiffeId::for_server(registered_.bundle.trust_domain);
    auto tls = co_await http::tls_connect(loop_, std::move(*stream), *context, "x", server->uri(),
                                          kPatience);
    EXPECT_TRUE(tls) << tls.error().message();
    if (!tls) co_return;
    connection_ = http::connect_http(loop_, std::move(tls->stream), http::ClientProtocol::kHttp2,
                                     tls->info, {}, [] {});
    auto call = http::GrpcCall::open(*connection_, xds::kDeltaPath, "server");
    EXPECT_TRUE(call);
    if (!call) co_return;
    call_ = std::move(*call);
    client_.connected();
    scope_->spawn(write());
    while (true) {
      auto message = co_await call_->read();
      if (!message || !*message) co_return;
      take(**message);
    }
  }
  io::Task<void> write() {
    while (true) {
      for (auto& message : client_.take_output()) {
        auto ok = co_await call_->write(std::move(message));
        if (!ok) co_return;
      }
      due_.reset();
      co_await due_.wait();
    }
  }
  void take(const std::string& message) {
    auto update = client_.receive(message);
    ASSERT_TRUE(update) << update.error().message();
    std::vector<xds::Rejection> rejections;
    for (const auto& resource : update->changed) {
      ++received_;
      if (resource.name == refuse) {
        rejections.push_back({resource.name, why});
      } else {
        held_[{update->type, resource.name}] = resource.payload;
      }
    }
    for (const auto& name : update->removed) held_.erase({update->type, name});
    client_.acknowledge(update->id, rejections);
    due_.set();
  }

  io::Loop& loop_;
  io::Network& network_;
  xds::Registered registered_;
  xds::DeltaClient client_;
  io::Event due_;
  std::map<std::pair<ResourceType, std::string>, std::string> held_;
  size_t received_ = 0;
  std::unique_ptr<http::ClientConnection> connection_;
  std::unique_ptr<http::GrpcCall> call_;
  std::optional<io::TaskScope> scope_;
};

inline const xds::ServiceClaim kCart{"cart", 80, 8080, model::Protocol::kHttp};
inline const xds::ServiceClaim kWeb{"web", 80, 3000, model::Protocol::kHttp};
inline const model::ServiceName kCartName{"default", "cart"};

// server_test.cc
v1::ReportRequest ready_report(uint32_t app_port, uint64_t sequence = 1);

}  // namespace weft::control
