// The credential's memory: whatever moment a sidecar is killed at, the next one finds a whole credential.
#include "app/proxy/handover.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include "trust/ca.h"

namespace weft::app {
namespace {

constexpr uint64_t kHeader = 8;

class CredentialMemory : public testing::Test {
 protected:
  CredentialMemory()
      : ca_(*trust::CertificateAuthority::create("weft.local",
                                                 WallTime::from_unix_seconds(1'800'000'000))),
        memory_(::memfd_create("weft-test", MFD_CLOEXEC)) {}

  std::shared_ptr<const trust::Svid> svid() {
    auto made = ca_.issue(*model::SpiffeId::parse("spiffe://weft.local/ns/default/sa/web"),
                          WallTime::from_unix_seconds(1'800'000'000));
    return *made;
  }
  void write(const std::shared_ptr<const trust::Svid>& svid) {
    ASSERT_TRUE(write_credential(memory_.get(), *svid, ca_.bundle()));
  }
  std::string serial() {
    auto credential = read_credential(memory_.get());
    return credential ? credential->svid->serial_hex() : credential.error().message();
  }
  uint64_t header() {
    uint64_t value = 0;
    EXPECT_EQ(::pread(memory_.get(), &value, kHeader, 0), static_cast<ssize_t>(kHeader));
    return value;
  }
  void set_header(uint64_t value) {
    ASSERT_EQ(::pwrite(memory_.get(), &value, kHeader, 0), static_cast<ssize_t>(kHeader));
  }

  trust::CertificateAuthority ca_;
  Fd memory_;
};

TEST_F(CredentialMemory, GivesBackWhatWasWrittenLast) {
  for (int i = 0; i < 5; ++i) {
    const auto written = svid();
    write(written);
    EXPECT_EQ(serial(), written->serial_hex());
  }
  EXPECT_EQ(read_credential(memory_.get())->bundle.roots_der, ca_.bundle().roots_der);
}

TEST_F(CredentialMemory, HoldsTheOldOneUntilTheHeaderIsWritten) {
  const auto old = svid(), renewed = svid();
  write(old);
  const uint64_t before = header();
  write(renewed);
  const uint64_t after = header();
  ASSERT_NE(before, after);

  set_header(before);  // killed before the header
  EXPECT_EQ(serial(), old->serial_hex());
  // Killed in the middle of the bytes: a part of them is in the other place.
  const std::string half((after & 0xffffffff) / 2, '\xff');
  ASSERT_EQ(::pwrite(memory_.get(), half.data(), half.size(), static_cast<off_t>(after >> 32)),
            static_cast<ssize_t>(half.size()));
  EXPECT_EQ(serial(), old->serial_hex());

  const auto next = svid();
  write(next);
  EXPECT_EQ(serial(), next->serial_hex()) << "the next renewal is not disturbed by the torn one";
}

TEST_F(CredentialMemory, SaysWhatIsWrongWithDamage) {
  EXPECT_NE(serial().find("no header"), std::string::npos);
  write(svid());
  const uint64_t good = header();
  struct Case {
    uint64_t header;
    const char* why;
  };
  for (const Case& c :
       {Case{good + 1'000'000, "too long"}, Case{(good & 0xffffffff) | uint64_t{1} << 60, "cut"},
        Case{good - 1, "damaged"}}) {
    set_header(c.header);
    EXPECT_NE(serial().find(c.why), std::string::npos) << serial();
  }
}

}  // namespace
}  // namespace weft::app
