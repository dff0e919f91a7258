// What a rotation of certificates does to the connections that are there, and to what was kept of them.
#include <gtest/gtest.h>

#include "proxy/tls_set.h"
#include "scenarios/mesh.h"

namespace weft::scenarios {
namespace {

constexpr int kCallers = 40;

TEST(Rotation, AsksCallersToComeAnewAtTimesSpreadOverAQuarterOfWhatIsLeft) {
  Mesh mesh(5);
  mesh.set_svid_life(Duration::seconds(200));
  mesh.add({.name = "cart",
            .services = {{"cart", 80, 8080, model::Protocol::kHttp, false}},
            .behaviour = {}});
  const auto call = [&](const std::string& from) {
    wire::RequestHead head;
    head.method = "GET";
    head.target = "/";
    head.authority = "cart";
    head.fields.add("Host", "cart");
    return mesh.call(from, head, "cart", 80).status;
  };
  const auto caller = [](int i) { return "caller-" + std::to_string(i); };
  for (int i = 0; i < kCallers; ++i) mesh.add({.name = caller(i), .services = {}, .behaviour = {}});
  for (int i = 0; i < kCallers; ++i) ASSERT_EQ(call(caller(i)), 200);
  Instance& cart = mesh.instance("cart");
  proxy::Inbound& inbound = cart.worker->inbound;
  ASSERT_EQ(inbound.connections(), static_cast<size_t>(kCallers));

  const Duration window = (cart.svid->not_after() - mesh.world().wall_now()) / 4;
  ASSERT_GT(window, Duration::seconds(30));
  inbound.rotated();
  mesh.world().run_for(Duration::seconds(1));
  // Of 40 spread evenly over half a minute or more, one or two go in the first second.
  EXPECT_GE(inbound.connections(), kCallers - 8u);
  mesh.world().run_for(window / 2 - Duration::seconds(1));
  EXPECT_GE(inbound.connections(), 10u);
  EXPECT_LE(inbound.connections(), 30u);

  mesh.add({.name = "late", .services = {}, .behaviour = {}});
  EXPECT_EQ(call("late"), 200);
  mesh.world().run_for(window / 2 + Duration::seconds(1));
  EXPECT_EQ(inbound.connections(), 1u) << "who came after the rotation stays";
  EXPECT_EQ(call("caller-0"), 200);
  EXPECT_EQ(inbound.connections(), 2u);
}

// One sidecar dials another as for an opaque connection.
Result<http::TlsConnection> dial(Mesh& mesh, const std::string& from, const std::string& to) {
  const proxy::Worker& callee = mesh.instance(to).worker->worker;
  return mesh.world().run(
      mesh.instance(from).worker->pool.connect({callee.self.instance,
                                                {mesh.instance(to).side->ip(), 20000},
                                                callee.self.identity.uri(),
                                                8080},
                                               proxy::kAlpnTcp));
}

bool resumes(Mesh& mesh, const std::string& from, const std::string& to) {
  auto connection = dial(mesh, from, to);
  EXPECT_TRUE(connection) << connection.error().message();
  EXPECT_TRUE(!connection || connection->info.peer_spiffe_id ==
                                 mesh.instance(to).worker->worker.self.identity.uri());
  return connection && connection->resumed;
}

void rotate(Instance& instance) {
  proxy::WorkerSide& side = *instance.worker;
  auto set = proxy::make_tls_set(side.worker.tls->generation + 1, instance.svid, instance.bundle,
                                 side.worker.self.instance);
  ASSERT_TRUE(set);
  side.use_certificates(std::move(*set));
}

TEST(Resumption, LastsUntilEitherEndRotatesOrStartsAnew) {
  Mesh mesh(6);
  for (const char* name : {"cart", "pay"}) {
    mesh.add({.name = name,
              .services = {{name, 80, 8080, model::Protocol::kTcp, true}},
              .behaviour = {}});
  }
  mesh.add({.name = "caller", .services = {}, .behaviour = {}});
  EXPECT_FALSE(resumes(mesh, "caller", "cart"));
  EXPECT_TRUE(resumes(mesh, "caller", "cart"));
  EXPECT_FALSE(resumes(mesh, "caller", "pay")) << "what was kept of one is not offered to another";
  EXPECT_TRUE(resumes(mesh, "caller", "pay"));

  rotate(mesh.instance("cart"));
  EXPECT_FALSE(resumes(mesh, "caller", "cart"));
  EXPECT_TRUE(resumes(mesh, "caller", "cart"));
  EXPECT_TRUE(resumes(mesh, "caller", "pay"));
  rotate(mesh.instance("caller"));
  EXPECT_FALSE(resumes(mesh, "caller", "cart"));
  EXPECT_FALSE(resumes(mesh, "caller", "pay"));
  EXPECT_TRUE(resumes(mesh, "caller", "cart"));
  mesh.kill_sidecar("cart");
  mesh.restart_sidecar("cart");
  mesh.world().run_for(Duration::seconds(5));
  EXPECT_FALSE(resumes(mesh, "caller", "cart"));
  EXPECT_TRUE(resumes(mesh, "caller", "cart"));
}

TEST(Resumption, WhoMayNotCallMayNotTheSecondTimeEither) {
  Mesh mesh(7);
  mesh.add({.name = "cart",
            .services = {{"cart", 80, 8080, model::Protocol::kTcp, true}},
            .behaviour = {}});
  mesh.add({.name = "stranger", .ns = "elsewhere", .services = {}, .behaviour = {}});
  for (const bool again : {false, true}) {
    auto connection = dial(mesh, "stranger", "cart");
    ASSERT_TRUE(connection) << connection.error().message();
    EXPECT_EQ(connection->resumed, again);
    connection->stream->write("hello");
    mesh.world().run_for(Duration::seconds(1));
    Buffer answer;
    EXPECT_EQ(connection->stream->read(answer).kind, io::ReadOutcome::kError);
    EXPECT_TRUE(answer.empty());
  }
  const std::string log = mesh.log_text();
  const std::string denied = "caller denied";
  const size_t first = log.find(denied);
  ASSERT_NE(first, std::string::npos) << log;
  EXPECT_NE(log.find(denied, first + 1), std::string::npos) << log;
}

}  // namespace
}  // namespace weft::scenarios
