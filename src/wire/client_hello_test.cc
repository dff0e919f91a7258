#include "wire/client_hello.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "wire/tls_test_support.h"

namespace weft::wire {
namespace {

using Kind = ClientHello::Kind;

const std::string kVersions = extension(43, "\2\3\4");  // supported_versions: TLS 1.3

TEST(ClientHelloTest, GivesTheNameThatIsAskedFor) {
  struct Case {
    const char* what;
    std::string extensions, name;
  };
  for (const Case& c : {
           Case{"alone", sni("cart.example"), "cart.example"},
           Case{"letter case does not count", sni("Cart.Example"), "cart.example"},
           Case{"behind others", kVersions + sni("a-b_c.x"), "a-b_c.x"},
           Case{"behind much", extension(21, std::string(4000, '\0')) + sni("late"), "late"},
           Case{"GREASE", extension(0x0a0a, "") + sni("a") + extension(0xfafa, "x"), "a"},
           Case{"beside an encrypted hello", sni("public.example") + extension(0xfe0d, "\0abc"),
                "public.example"},
           Case{"an address is a name like any", sni("10.0.0.1"), "10.0.0.1"},
           Case{"the longest", sni(std::string(255, 'a')), std::string(255, 'a')},
           Case{"none", kVersions, ""},
           Case{"no extensions", "", ""},
       }) {
    const ClientHello hello = read_client_hello(client_hello(c.extensions) + "rest");
    EXPECT_EQ(hello.kind, Kind::kHello) << c.what;
    EXPECT_EQ(hello.server_name, c.name) << c.what;
  }
}

TEST(ClientHelloTest, OfTls10MayEndBeforeTheExtensions) {
  std::string message = hello_message("");
  message.resize(message.size() - 2);
  message[3] = static_cast<char>(message.size() - 4);
  EXPECT_EQ(read_client_hello(handshake_record(message)).kind, Kind::kHello);
}

TEST(ClientHelloTest, MayBeSpreadOverRecords) {
  const std::string message = hello_message(kVersions + sni("split.example"));
  for (const size_t fragment : {1, 2, 3, 4, 5, 40, 80}) {
    const std::string bytes = in_records(message, fragment);
    for (size_t size = 0; size < bytes.size(); ++size) {
      ASSERT_EQ(read_client_hello(bytes.substr(0, size)).kind, Kind::kNeedMore)
          << size << " bytes, fragments of " << fragment;
    }
    EXPECT_EQ(read_client_hello(bytes).server_name, "split.example") << fragment;
    EXPECT_EQ(read_client_hello(bytes + "\x14\x03\x03").kind, Kind::kHello) << fragment;
  }
}

TEST(ClientHelloTest, IsNotWhatOthersSay) {
  for (const std::string& bytes :
       {std::string("GET / HTTP/1.1\r\n"), std::string("SSH-2.0-x"),
        std::string("\x80\x2e\x01\x03\x01\0\x15\0\0\0\x10", 11),  // SSLv2's hello for TLS 1.0
        std::string("\x15\x03\x01\0\2\1\0", 7),                   // an alert
        std::string("\x16\x02\0\0\x10", 5), std::string("\x16\x03\x05\0\x10", 5),
        std::string("\x16\x03\x01\0\0", 5),           // an empty fragment
        std::string("\x16\x03\x01\x40\x01\x01", 6),   // a fragment above 2^14
        std::string("\x16\x03\x01\0\x10\x02", 6)}) {  // a ServerHello
    EXPECT_EQ(read_client_hello(bytes).kind, Kind::kNotTls) << bytes;
  }
}

TEST(ClientHelloTest, ThatBreaksTheRulesIsRefused) {
  const auto body_of = [](std::string body) {
    return handshake_record("\x01" + std::string(1, '\0') + u16(body.size()) + body);
  };
  const std::string head = "\x03\x03" + std::string(32, 'r');
  const std::string rest = u16(2) + "\x13\x01" + std::string("\x01\x00", 2);
  struct Case {
    const char* what;
    std::string bytes;
  };
  const std::vector<Case> cases = {
      Case{"session id of 33", body_of(head + "\x21" + std::string(33, 's') + rest)},
      Case{"no cipher suites", body_of(head + std::string(3, '\0') + std::string("\1\0", 2))},
      Case{"odd cipher suites", body_of(head + '\0' + u16(3) + "abc" + std::string("\1\0", 2))},
      Case{"no compression", body_of(head + '\0' + u16(2) + "\x13\x01" + '\0')},
      Case{"cut in the random", body_of("\x03\x03rrrr")},
      Case{"extensions longer than the message", body_of(head + '\0' + rest + u16(9) + "a")},
      Case{"bytes behind the extensions", body_of(head + '\0' + rest + u16(0) + "a")},
      Case{"a cut extension", client_hello(u16(43) + u16(9) + "a")},
      Case{"two names", client_hello(sni("a") + sni("b"))},
      Case{"two entries", client_hello(extension(0, u16(8) + std::string("\0\0\1a\0\0\1b", 8)))},
      Case{"an empty list", client_hello(extension(0, u16(0)))},
      Case{"an empty extension", client_hello(extension(0, ""))},
      Case{"an empty name", client_hello(sni(""))},
      Case{"a name of 256", client_hello(sni(std::string(256, 'a')))},
      Case{"another type", client_hello(extension(0, u16(4) + std::string("\1\0\1a", 4)))},
      Case{"a blank in the name", client_hello(sni("bad name"))},
      Case{"NUL in the name", client_hello(sni(std::string("nul\0.x", 6)))},
      Case{"bytes above ASCII", client_hello(sni("caf\xc3\xa9.example"))},
      Case{"a second message in the record", handshake_record(hello_message(sni("a")) + "\x0b")},
      Case{"an alert in between",
           in_records(hello_message(sni("a")), 20).substr(0, 25) + "\x15\x03\x01"},
      Case{"an empty record in between", in_records(hello_message(sni("a")), 20).substr(0, 25) +
                                             std::string("\x16\x03\x01\0\0", 5)},
  };
  for (const Case& c : cases) {
    EXPECT_EQ(read_client_hello(c.bytes).kind, Kind::kMalformed) << c.what;
  }
}

TEST(ClientHelloTest, IsReadUpToABound) {
  const auto padded = [](size_t size) {
    return hello_message(extension(21, std::string(size, '\0')) + sni("a"));
  };
  // One that says at its beginning that it is too long.
  EXPECT_EQ(read_client_hello(std::string("\x16\x03\x01\x40\0\x01\x01\0\0", 9)).kind,
            Kind::kTooLong);
  // One that fills the look with record headers.
  const std::string many = in_records(padded(4000), 1);
  EXPECT_EQ(read_client_hello(many.substr(0, kClientHelloLimit - 1)).kind, Kind::kNeedMore);
  EXPECT_EQ(read_client_hello(many.substr(0, kClientHelloLimit)).kind, Kind::kTooLong);
  EXPECT_EQ(read_client_hello(many).kind, Kind::kTooLong);
  EXPECT_EQ(read_client_hello(in_records(padded(16'000), 1 << 14)).server_name, "a");
}

TEST(ClientHelloTest, AnAlertIsOneRecord) {
  EXPECT_EQ(tls_alert(TlsAlert::kUnrecognizedName), std::string("\x15\x03\x03\0\x02\x02\x70", 7));
}

}  // namespace
}  // namespace weft::wire
