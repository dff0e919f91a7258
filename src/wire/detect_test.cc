#include "wire/detect.h"

#include <gtest/gtest.h>

#include <string>

#include "wire/tls_test_support.h"

namespace weft::wire {
namespace {

TEST(DetectTest, KnowsWhatAClientSpeaks) {
  struct Case {
    std::string bytes;
    Detected kind;
  };
  const std::string long_path = "GET /" + std::string(2000, 'a');
  for (const Case& c : {
           Case{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", Detected::kHttp1},
           Case{"GET / HTTP/1.0\r\n", Detected::kHttp1},
           Case{"M-SEARCH * HTTP/1.1\r\n", Detected::kOpaque},
           Case{"OPTIONS * HTTP/1.1\r\n", Detected::kHttp1},
           Case{"PURGE /x?y HTTP/1.1\r\n", Detected::kHttp1},
           Case{"CONNECT cart:80 HTTP/1.1\r\n", Detected::kHttp1},
           Case{"GET http://cart/ HTTP/1.1\r\n", Detected::kHttp1},
           Case{"GET HTTPS://cart/ HTTP/1.1\r\n", Detected::kHttp1},
           Case{"PRIX / HTTP/1.1\r\n", Detected::kHttp1},
           Case{"GET /\xc3\xa9 HTTP/1.1\r\n", Detected::kHttp1},
           Case{long_path, Detected::kHttp1},
           Case{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Detected::kHttp2},
           Case{"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0", Detected::kHttp2},
           Case{client_hello(""), Detected::kTls},
           // Not HTTP, however alike.
           Case{"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n", Detected::kOpaque},
           Case{"GET /key\r\n", Detected::kOpaque},  // Redis inline, HTTP/0.9
           Case{"SET /key HTTP\r\n", Detected::kOpaque},
           Case{"GET / HTTP/2.0\r\n", Detected::kOpaque},
           Case{"GET / HTTP/1.1\n", Detected::kOpaque},
           Case{"GET / http/1.1\r\n", Detected::kOpaque},
           Case{"GET  / HTTP/1.1\r\n", Detected::kOpaque},
           Case{" GET / HTTP/1.1\r\n", Detected::kOpaque},
           Case{"\r\n", Detected::kOpaque},
           Case{"*1\r\n$4\r\nPING\r\n", Detected::kOpaque},  // RESP
           Case{"EHLO client.example\r\n", Detected::kOpaque},
           Case{"USER anonymous\r\n", Detected::kOpaque},
           Case{"CONNECT {\"verbose\":false}\r\n", Detected::kOpaque},  // NATS
           Case{"get key\r\n", Detected::kOpaque},                      // memcached
           Case{"SSH-2.0-OpenSSH_9.2\r\n", Detected::kOpaque},
           Case{std::string("\0\0\0\x08\x04\xd2\x16\x2f", 8), Detected::kOpaque},  // PostgreSQL
           Case{std::string("\x10\x2c\0\4MQTT", 8), Detected::kOpaque},
           Case{std::string("\x16\x03\x01\0\x10\x02", 6), Detected::kOpaque},  // a ServerHello
           Case{std::string("\x16\x03\x01\xff\xff\x01", 6), Detected::kOpaque},
           Case{std::string("\x15\x03\x01\0\2\1", 6), Detected::kOpaque},  // an alert
           Case{std::string(5000, 'A'), Detected::kOpaque},
       }) {
    EXPECT_EQ(detect(c.bytes), c.kind) << c.bytes.substr(0, 60);
  }
}

TEST(DetectTest, WaitsWhileItCouldStillBecomeSomething) {
  for (const std::string& bytes :
       {std::string(), std::string("P"), std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r"),
        std::string("GET"), std::string("GET "), std::string("GET /"), std::string("GET / HTTP/1"),
        std::string("GET / HTTP/1.1"), std::string("GET / HTTP/1.1\r"), std::string("GET htt"),
        std::string("OPTIONS *"), std::string("\x16"), std::string("\x16\x03"),
        std::string("\x16\x03\x01\0\x20", 5), "GET /" + std::string(1000, 'a')}) {
    EXPECT_EQ(detect(bytes), Detected::kNeedMore) << bytes.substr(0, 60);
  }
}

TEST(DetectTest, AnAnswerHoldsForEveryLongerInput) {
  for (const std::string& whole :
       {std::string("GET /some/path?query=1 HTTP/1.1\r\nHost: cart\r\n\r\nbody"),
        std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\x12\x04\0\0\0\0\0", 33),
        client_hello(extension(10, "\0\2\0\x1d") + sni("cart.example")) + "rest",
        std::string("PRI * HTTP/1.1\r\n"), std::string("SET key value\r\nGET / HTTP/1.1\r\n"),
        "GET /" + std::string(3000, 'x') + " HTTP/1.1\r\n"}) {
    Detected decided = Detected::kNeedMore;
    for (size_t size = 0; size <= whole.size(); ++size) {
      const Detected now = detect(std::string_view(whole).substr(0, size));
      if (decided != Detected::kNeedMore) {
        ASSERT_EQ(now, decided) << size << " bytes of " << whole.substr(0, 40);
      }
      decided = now;
    }
    EXPECT_NE(decided, Detected::kNeedMore);
  }
}

}  // namespace
}  // namespace weft::wire
