// Who may ask the server what: machines and their tokens, users of its socket, sidecars.
#include <gmock/gmock.h>

#include "control.pb.h"
#include "control/server_test_support.h"

namespace weft::control {
namespace {

using testing::HasSubstr;

TEST_F(ServerTest, AMachineJoinsOnceAndThenNeedsNoToken) {
  start();
  NewToken made = token();
  auto machine = join(made.token);
  ASSERT_TRUE(machine) << machine.error().message();
  EXPECT_TRUE(machine->svid->id().is_machine());
  auto kept = xds::MachineCredential::parse(machine->serialize());
  ASSERT_TRUE(kept) << kept.error().message();
  auto cart = register_as({"", *kept}, {kCart});
  ASSERT_TRUE(cart) << cart.error().message();
  restart();
  EXPECT_TRUE(register_as({"", *kept}, {kCart}));
  auto renewed = run(xds::renew_machine(loop_, network_, *kept, kPatience));
  ASSERT_TRUE(renewed) << renewed.error().message();
  EXPECT_EQ(renewed->svid->id(), machine->svid->id());
  EXPECT_TRUE(register_as({"", *renewed}, {kCart}));

  auto twice = join(made.token);
  ASSERT_FALSE(twice);
  EXPECT_EQ(twice.error().kind(), ErrorKind::kUnauthenticated);
}

TEST_F(ServerTest, WrongAndExpiredTokensAreRefusedAndAWrongRootIsNotTrusted) {
  start();
  auto decoded = xds::JoinToken::decode(token().token);
  ASSERT_TRUE(decoded);
  auto wrong = *decoded;
  wrong.secret[0] ^= 1;
  auto refused = join(wrong.encode());
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::kUnauthenticated);

  auto pinned = *decoded;
  pinned.root_spki_sha256 = std::string(64, '0');
  EXPECT_FALSE(join(pinned.encode()));
  EXPECT_TRUE(join(decoded->encode())) << "neither attempt used the token up";

  NewToken brief = token({"", "", Duration::nanos(1)});
  auto expired = join(brief.token);
  ASSERT_FALSE(expired);
  EXPECT_EQ(expired.error().kind(), ErrorKind::kUnauthenticated);
}

TEST_F(ServerTest, AMachineMayDoOnlyWhatItsTokenAllowed) {
  start();
  auto machine = join(token({"default", "cart", Duration::hours(1)}).token);
  ASSERT_TRUE(machine) << machine.error().message();
  EXPECT_TRUE(register_as({"", *machine}, {kCart}));
  auto other = register_as({"", *machine}, {kWeb});
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().kind(), ErrorKind::kDenied);
  auto mine = register_as(socket(), {kCart});
  auto theft = register_as({"", *machine}, {kCart}, mine->instance);
  ASSERT_FALSE(theft);
  EXPECT_EQ(theft.error().kind(), ErrorKind::kDenied);
  EXPECT_FALSE(run(xds::leave(loop_, network_, {"", *machine}, mine->instance, kPatience)));
}

TEST_F(ServerTest, TheSocketIsForRootAndTheServersUserOnly) {
  start();
  caller_uid_ = 12345;
  auto refused = register_as(socket(), {kCart});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::kDenied);
  EXPECT_THAT(refused.error().message(), HasSubstr("uid 12345"));
}

TEST_F(ServerTest, ASidecarSpeaksOnlyForItself) {
  start();
  auto web = register_as(socket(), {kWeb});
  auto cart = register_as(socket(), {kCart});
  FakeProxy proxy(loop_, network_, *web);
  proxy.connect();
  ASSERT_TRUE(until([&] { return proxy.connected(); }));
  v1::ReportRequest foreign;
  foreign.set_instance(cart->instance);
  auto refused = run(proxy.call(xds::kReportPath, foreign.SerializeAsString()));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind(), ErrorKind::kDenied);

  auto key = trust::PrivateKey::generate();
  v1::IssueSvidRequest issue;
  issue.set_csr(*key->make_csr(cart->svid->id()));
  auto issued = run(proxy.call(xds::kIssueSvidPath, issue.SerializeAsString()));
  ASSERT_TRUE(issued) << issued.error().message();
  v1::IssueSvidResponse response;
  ASSERT_TRUE(response.ParseFromString(*issued));
  auto svid = trust::Svid::make({response.chain().begin(), response.chain().end()}, *key);
  ASSERT_TRUE(svid);
  EXPECT_EQ((*svid)->id(), web->svid->id())
      << "the certificate's identity, whatever the request names";
  EXPECT_FALSE(run(proxy.call(xds::kRegisterPath, "")));
  EXPECT_FALSE(run(proxy.call("/weft.v1.Control/Nothing", "")));
}

}  // namespace
}  // namespace weft::control
