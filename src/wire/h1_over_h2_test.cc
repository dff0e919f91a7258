// Property: encode → what HTTP/2 does to a field section → restore gives back the message, hop-by-hop
// fields apart. HTTP/2 lower-cases names, moves Host into :authority, carries Content-Length but no
// transfer coding, and keeps the order of lines; the session's own mapping does that here.
#include "wire/h1_over_h2.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "base/random.h"
#include "wire/http1_writer.h"
#include "wire/http2_mapping.h"

namespace weft::wire {
namespace {

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + 32);
  }
  return out;
}

RequestHead cross(const RequestHead& head, bool end) {
  std::vector<Http2Line> lines;
  std::string scratch;
  list_request(head, lines, scratch);
  Http2Section section(1 << 20, 1000);
  for (const auto& line : lines) section.add(lower(line.name), line.value);
  RequestHead out;
  EXPECT_TRUE(section.take_request(out, end));
  return out;
}

ResponseHead cross(const ResponseHead& head, bool end) {
  std::vector<Http2Line> lines;
  std::string scratch;
  list_response(head, lines, scratch);
  Http2Section section(1 << 20, 1000);
  section.begin(Http2Section::Kind::kResponse);
  for (const auto& line : lines) section.add(lower(line.name), line.value);
  ResponseHead out;
  EXPECT_TRUE(section.take_response(out, end));
  return out;
}

std::string text(const RequestHead& head, bool end) {
  Buffer out;
  write_request_head(head, end, out);
  return out.to_string();
}
std::string text(const ResponseHead& head, bool end) {
  Buffer out;
  write_response_head(head, {"GET"}, end, out);
  return out.to_string();
}

RequestHead over(RequestHead head, bool end) {
  encode_for_hop(head);
  RequestHead there = cross(head, end);
  EXPECT_TRUE(carries_http1(there.fields));
  EXPECT_TRUE(restore_from_hop(there, end));
  return there;
}
ResponseHead over(ResponseHead head, bool end) {
  encode_for_hop(head);
  ResponseHead there = cross(head, end);
  EXPECT_TRUE(restore_from_hop(there, end));
  return there;
}

Fields fields(std::initializer_list<std::pair<const char*, const char*>> lines) {
  Fields out;
  for (const auto& [name, value] : lines) out.add(name, value);
  return out;
}

TEST(H1OverH2, RestoresARequestToTheOctet) {
  RequestHead head;
  head.method = "POST";
  head.target = "/a?b";
  head.authority = "Cart:80";
  head.length = {BodyLength::kStreamed, 0};
  head.fields = fields({{"x-A", "1"},
                        {"HOST", "Cart:80"},
                        {"X-a", "2"},
                        {"Transfer-encoding", "chunked"},
                        {"Cookie", "a=b; c=d"},
                        {"X-A", ""},
                        {"accept", "*/*"}});
  const RequestHead there = over(head, false);
  EXPECT_EQ(
      text(there, false),
      "POST /a?b HTTP/1.1\r\nx-A: 1\r\nHOST: Cart:80\r\nX-a: 2\r\nTransfer-encoding: chunked\r\n"
      "Cookie: a=b; c=d\r\nX-A: \r\naccept: */*\r\n\r\n");
}

TEST(H1OverH2, KeepsContentLengthAndItsPlace) {
  RequestHead head;
  head.method = "PUT";
  head.target = "/";
  head.authority = "a";
  head.length = {BodyLength::kSized, 3};
  head.fields = fields({{"Content-Length", "3"}, {"Host", "a"}});
  EXPECT_EQ(text(over(head, false), false),
            "PUT / HTTP/1.1\r\nContent-Length: 3\r\nHost: a\r\n\r\n");
}

TEST(H1OverH2, KeepsHttp10AndTheAbsenceOfHost) {
  RequestHead head;
  head.method = "GET";
  head.target = "/";
  head.version = Version::kHttp10;
  head.fields = fields({{"X", "y"}});
  EXPECT_EQ(text(over(head, true), true), "GET / HTTP/1.0\r\nX: y\r\n\r\n");
  head.version = Version::kHttp11;
  head.fields = fields({{"Host", ""}});
  EXPECT_EQ(text(over(head, true), true), "GET / HTTP/1.1\r\nHost: \r\n\r\n");
  // The name the hop uses when there is none is an ordinary name to a client.
  head.authority = "weft.invalid";
  head.fields = fields({{"Host", "weft.invalid"}});
  EXPECT_EQ(text(over(head, true), true), "GET / HTTP/1.1\r\nHost: weft.invalid\r\n\r\n");
}

TEST(H1OverH2, RestoresResponsesWithTheirReasonAndFraming) {
  ResponseHead head;
  head.status = 200;
  head.exact_reason = true;
  for (const char* reason : {"OK", "", "Fine by me", "100% \x80", " odd "}) {
    for (auto kind : {BodyLength::kSized, BodyLength::kStreamed, BodyLength::kToClose}) {
      head.reason = reason;
      head.length = {kind, kind == BodyLength::kSized ? 5u : 0u};
      head.fields = fields({{"Server", "x"}, {"SET-Cookie", "a"}, {"set-cookie", "b"}});
      if (kind == BodyLength::kSized) head.fields.add("Content-length", "5");
      if (kind == BodyLength::kStreamed) head.fields.add("transfer-encoding", "chunked");
      EXPECT_EQ(text(over(head, false), false), text(head, false));
    }
  }
}

TEST(H1OverH2, CarriesInterimsAndTrailers) {
  ResponseHead early;
  early.status = 103;
  early.reason = "Early";
  early.exact_reason = true;
  early.fields = fields({{"LINK", "</a>"}});
  EXPECT_EQ(text(over(early, false), true), "HTTP/1.1 103 Early\r\nLINK: </a>\r\n\r\n");
  Fields trailers = fields({{"X-Sum", "1"}, {"x-SUM", "2"}, {"Weft-Service", "x"}, {"Host", "h"}});
  encode_trailers_for_hop(trailers);
  Fields received;
  for (const auto& line : trailers) received.add(lower(line.name), line.value);
  trailers = std::move(received);
  restore_trailers_from_hop(trailers);
  ASSERT_EQ(trailers.size(), 2u);
  EXPECT_EQ(trailers[0].name, "X-Sum");
  EXPECT_EQ(trailers[1].name, "x-SUM");
  EXPECT_EQ(trailers[1].value, "2");
}

TEST(H1OverH2, EndsHopByHopFieldsButNotWhatAMessageNeeds) {
  Fields f = fields({{"Connection", "close, X-Mine, Host"},
                     {"connection", "Keep-Alive, content-length"},
                     {"X-Mine", "1"},
                     {"Keep-Alive", "5"},
                     {"Proxy-Connection", "x"},
                     {"TE", "trailers"},
                     {"Upgrade", "h2c"},
                     {"HTTP2-Settings", "x"},
                     {"Host", "a"},
                     {"Content-Length", "3"},
                     {"X-Other", "2"}});
  remove_hop_by_hop(f);
  std::string left;
  for (const auto& line : f) left.append(line.name).append(" ");
  EXPECT_EQ(left, "Host Content-Length X-Other ");
}

TEST(H1OverH2, TakesOurOwnFieldsFromNobody) {
  RequestHead head;
  head.method = "GET";
  head.target = "/";
  head.authority = "a";
  head.fields =
      fields({{"Host", "a"}, {"Weft-H1-Names", "Evil"}, {"wEFT-source-workload", "root"}});
  encode_for_hop(head);
  EXPECT_EQ(head.fields.get("weft-h1-names"), "Host");
  EXPECT_FALSE(head.fields.has("weft-source-workload"));
}

TEST(H1OverH2, LeavesHttp2MessagesAsTheyAre) {
  RequestHead head;
  head.method = "POST";
  head.target = "/pkg.Service/Method";
  head.authority = "a";
  head.version = Version::kHttp2;
  head.fields =
      fields({{"content-type", "application/grpc"}, {"te", "trailers"}, {"weft-service", "a"}});
  EXPECT_FALSE(restore_from_hop(head, false));
  EXPECT_EQ(head.version, Version::kHttp2);
  EXPECT_EQ(head.fields.size(), 2u);
}

TEST(H1OverH2, PutsFieldsAddedOnTheWayLastAndForgetsRemovedOnes) {
  RequestHead head;
  head.method = "GET";
  head.target = "/";
  head.authority = "a";
  head.fields = fields({{"Host", "a"}, {"X-Gone", "1"}, {"X-Kept", "2"}});
  encode_for_hop(head);
  head.fields.remove("x-gone");
  head.fields.add("x-new", "3");
  RequestHead there = cross(head, true);
  restore_from_hop(there, true);
  EXPECT_EQ(text(there, true), "GET / HTTP/1.1\r\nHost: a\r\nX-Kept: 2\r\nx-new: 3\r\n\r\n");
}

TEST(H1OverH2, DoesNotLetNamesSayMoreThanTheFields) {
  RequestHead head;
  head.method = "GET";
  head.target = "/";
  head.authority = "a";
  head.fields =
      fields({{"weft-h1-names", "Host,Host,X-Evil: 1\r\nY,,Transfer-Encoding,Transfer-Encoding,x"},
              {"x", "1"}});
  ASSERT_TRUE(restore_from_hop(head, true));
  EXPECT_EQ(text(head, true),
            "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nx: 1\r\n\r\n");
}

TEST(H1OverH2, RestoresWhateverAParserLetsThrough) {
  SeededRandom random(20261123);
  const std::vector<std::string> names = {
      "X-A", "x-a",     "X-a",  "Cookie", "cookie", "Accept", "!#$%&'*+-.^_`|~",
      "Via", "TRAILER", "Date", "weftish"};
  for (int round = 0; round < 2000; ++round) {
    RequestHead head;
    head.method = "GET";
    head.target = "/" + std::to_string(round);
    head.authority = "h";
    const uint64_t host_at = random.below(8), framing_at = random.below(8),
                   framing = random.below(3);
    for (uint64_t i = 0; i < 8; ++i) {
      if (i == host_at) head.fields.add(random.below(2) ? "Host" : "hosT", "h");
      if (i == framing_at && framing == 1) {
        head.fields.add(random.below(2) ? "Content-Length" : "content-LENGTH", "7");
        head.length = {BodyLength::kSized, 7};
      }
      if (i == framing_at && framing == 2) {
        head.fields.add(random.below(2) ? "Transfer-Encoding" : "TRANSFER-encoding", "chunked");
        head.length = {BodyLength::kStreamed, 0};
      }
      const std::string& name = names[random.below(names.size())];
      head.fields.add(name, std::to_string(random.below(3)));
    }
    const bool end = framing == 0;
    ASSERT_EQ(text(over(head, end), end), text(head, end));
  }
}

}  // namespace
}  // namespace weft::wire
