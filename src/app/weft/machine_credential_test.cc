// The file and the reckoning; the renewal itself is tried end to end (tests/e2e/test_join.py).
#include "app/weft/machine_credential.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "trust/ca.h"

namespace weft::app {
namespace {

using testing::HasSubstr;

constexpr WallTime kNow = WallTime::from_unix_seconds(4'000'000'000);  // 2096

xds::MachineCredential credential(Duration life, WallTime now = kNow) {
  auto authority = trust::CertificateAuthority::create("weft.local", now);
  auto svid = authority->issue(*model::SpiffeId::for_machine("weft.local", "laptop-1"), now, life);
  return {*svid, authority->bundle(), {*SocketAddress::parse("192.0.2.7:7443")}};
}

class MachineCredentialTest : public testing::Test {
 protected:
  MachineCredentialTest() {
    std::string dir = testing::TempDir() + "weft-credential-XXXXXX";
    dir_ = mkdtemp(dir.data());
  }
  ~MachineCredentialTest() override { std::filesystem::remove_all(dir_); }
  std::string dir_;
};

TEST(MachineCredential, IsDueAtHalfOfItsLifeAndEndsWithIt) {
  const auto one = credential(Duration::hours(24 * 14));
  const WallTime begin = one.svid->not_before(), end = one.svid->not_after();
  const Duration half = (end - begin) / 2;
  EXPECT_EQ(until_renewal(one, begin), half);
  EXPECT_EQ(until_renewal(one, begin + half - Duration::seconds(1)), Duration::seconds(1));
  EXPECT_EQ(until_renewal(one, begin + half), Duration{});
  EXPECT_EQ(until_renewal(one, end), Duration{});
  EXPECT_FALSE(expired(one, end + Duration::nanos(-1)));
  EXPECT_TRUE(expired(one, end));
}

TEST(MachineCredential, ItsEndSaysHowToJoinAgain) {
  const std::string text = join_again_text(credential(Duration::hours(1)));
  EXPECT_THAT(text, HasSubstr("weft token create"));
  EXPECT_THAT(text, HasSubstr("weft run --server 192.0.2.7:7443 --token TOKEN"));
}

TEST_F(MachineCredentialTest, IsKeptForItsOwnerAloneTogetherWithTheTokenThatMadeIt) {
  CredentialFile file(dir_ + "/state");
  EXPECT_EQ(file.load().error().kind(), ErrorKind::kNotFound);
  EXPECT_FALSE(file.made_by("weft1.a"));
  ASSERT_TRUE(file.save(credential(Duration::hours(1)), "weft1.a"));
  EXPECT_TRUE(file.made_by("weft1.a"));
  EXPECT_FALSE(file.made_by("weft1.b"));
  auto loaded = file.load();
  ASSERT_TRUE(loaded) << loaded.error().message();
  EXPECT_EQ(loaded->svid->id().uri(), "spiffe://weft.local/machine/laptop-1");
  struct stat info{};
  ASSERT_EQ(::stat((dir_ + "/state/machine.credential").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(MachineCredentialTest, ADamagedFileIsSaidToBeDamaged) {
  std::ofstream(dir_ + "/machine.credential") << "nonsense";
  auto loaded = CredentialFile(dir_).load();
  ASSERT_FALSE(loaded);
  EXPECT_EQ(loaded.error().kind(), ErrorKind::kInvalid);
  EXPECT_THAT(loaded.error().message(), HasSubstr("damaged"));
}

TEST_F(MachineCredentialTest, ALookThatFindsNothingToDoStartsNothing) {
  std::vector<std::string> said;
  CredentialKeeper keeper(dir_, [&](const std::string& line) { said.push_back(line); });
  EXPECT_EQ(keeper.look(), Duration::minutes(10)) << "no credential";
  ASSERT_TRUE(CredentialFile(dir_).save(credential(Duration::hours(1))));
  EXPECT_EQ(keeper.look(), Duration::minutes(10)) << "it begins in the far future";
  EXPECT_TRUE(said.empty());
  const WallTime past = WallTime::from_unix_seconds(1'700'000'000);
  ASSERT_TRUE(CredentialFile(dir_).save(credential(Duration::hours(1), past)));
  EXPECT_EQ(keeper.look(), Duration::minutes(10));
  EXPECT_EQ(keeper.look(), Duration::minutes(10));
  EXPECT_THAT(said, testing::ElementsAre(HasSubstr("credential ended at 2023-11-14")));
}

}  // namespace
}  // namespace weft::app
