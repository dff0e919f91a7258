// Expected results are written by hand from RFC 9110 and RFC 9112. Every case is parsed whole, octet by
// octet and in every cut into two pieces; the result must be the same.
#include "wire/http1_parser.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace weft::wire {
namespace {

using Role = Http1Parser::Role;

// Everything a parser said, as one comparable text.
class Transcript {
 public:
  explicit Transcript(Role role, std::string_view method = "GET", const Http1Limits& limits = {})
      : role_(role), parser_(role, limits) {
    parser_.expect_response_to(method);
  }

  void feed(std::string_view bytes) {
    pending_ += bytes;
    for (;;) {
      const Http1Step step = parser_.next(pending_);
      pending_.erase(0, step.skip);
      switch (step.event) {
        case Http1Event::kNeedMore: return;
        case Http1Event::kHead: head(); break;
        case Http1Event::kBody:
          body_ += pending_.substr(0, step.take);
          pending_.erase(0, step.take);
          break;
        case Http1Event::kEnd: end(); break;
        case Http1Event::kError: error(); return;
      }
    }
  }
  void finish() {
    const Http1Step step = parser_.end_of_stream();
    if (step.event == Http1Event::kEnd) end();
    if (step.event == Http1Event::kError) error();
  }
  const std::string& text() const { return text_; }
  int status() const { return parser_.error_status(); }
  const Http1Parser& parser() const { return parser_; }

 private:
  void lines(const Fields& fields) {
    for (const auto& line : fields) {
      text_.append(line.name).append(": ").append(line.value).append("\n");
    }
  }
  void head() {
    static constexpr const char* kKinds[] = {"none", "sized", "streamed", "to-close", "tunnel"};
    BodyLength length;
    if (role_ == Role::kRequests) {
      const RequestHead& r = parser_.request();
      text_ += r.method + " " + r.target + " @" + r.authority +
               (r.absolute_form ? " absolute" : "") +
               (r.version == Version::kHttp10 ? " 1.0" : " 1.1") + "\n";
      lines(r.fields);
      length = r.length;
    } else {
      const ResponseHead& r = parser_.response();
      text_ += std::to_string(r.status) + " [" + r.reason + "]\n";
      lines(r.fields);
      length = r.length;
    }
    text_ += std::string("-- ") + kKinds[length.kind] +
             (length.kind == BodyLength::kSized ? " " + std::to_string(length.size) : "") + "\n";
  }
  void end() {
    text_ += "body [" + body_ + "]\n";
    body_.clear();
    lines(parser_.trailers());
  }
  void error() {
    if (failed_) return;
    failed_ = true;
    text_ += "body [" + body_ + "]\nerror " + std::to_string(parser_.error_status()) + "\n";
  }

  Role role_;
  Http1Parser parser_;
  std::string pending_;
  std::string body_;
  std::string text_;
  bool failed_ = false;
};

std::string parse(Role role, std::string_view input, std::string_view method = "GET",
                  bool close = false, const Http1Limits& limits = {}) {
  Transcript whole(role, method, limits);
  whole.feed(input);
  if (close) whole.finish();
  Transcript octets(role, method, limits);
  for (char c : input) octets.feed(std::string_view(&c, 1));
  if (close) octets.finish();
  EXPECT_EQ(octets.text(), whole.text());
  const size_t cuts = std::min<size_t>(input.size(), 600);
  for (size_t cut = 1; cut < cuts; ++cut) {
    Transcript two(role, method, limits);
    two.feed(input.substr(0, cut));
    two.feed(input.substr(cut));
    if (close) two.finish();
    EXPECT_EQ(two.text(), whole.text()) << "cut at " << cut;
  }
  return whole.text();
}

std::string request(std::string_view input, const Http1Limits& limits = {}) {
  return parse(Role::kRequests, input, "GET", false, limits);
}
std::string response(std::string_view input, std::string_view method = "GET", bool close = false) {
  return parse(Role::kResponses, input, method, close);
}

TEST(Http1Parser, KeepsOrderCaseAndValuesOfFieldLines) {
  EXPECT_EQ(request("GET /a?b=c HTTP/1.1\r\nhOsT: weft.test:80\r\nX-B:  two words "
                    "\t\r\nX-A:\r\nX-b: \x80\r\n\r\n"),
            "GET /a?b=c @weft.test:80 1.1\nhOsT: weft.test:80\nX-B: two words\nX-A: \nX-b: \x80\n"
            "-- none\nbody []\n");
}

TEST(Http1Parser, ReadsPipelinedMessages) {
  EXPECT_EQ(
      request("\r\nPOST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
              "GET /2 HTTP/1.0\r\n\r\n"
              "PUT /3 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked\r\n\r\n"
              "0003;a=b;c=\"d\\\"\"\r\nxyz\r\nA\r\n0123456789\r\n000\r\nX-T: 1\r\nX-T: 2\r\n\r\n"
              "G"),
      "POST / @a 1.1\nHost: a\nContent-Length: 3\n-- sized 3\nbody [abc]\n"
      "GET /2 @ 1.0\n-- none\nbody []\n"
      "PUT /3 @a 1.1\nHost: a\nTransfer-Encoding: Chunked\n-- streamed\nbody [xyz0123456789]\n"
      "X-T: 1\nX-T: 2\n");
}

TEST(Http1Parser, ReadsAllFormsOfTheTarget) {
  EXPECT_EQ(request("GET http://x.test HTTP/1.1\r\nHost: y\r\n\r\n"),
            "GET / @x.test absolute 1.1\nHost: x.test\n-- none\nbody []\n");
  EXPECT_EQ(request("GET HTTP://x.test:8080?q HTTP/1.1\r\nHost: x.test:8080\r\n\r\n"),
            "GET /?q @x.test:8080 absolute 1.1\nHost: x.test:8080\n-- none\nbody []\n");
  EXPECT_EQ(request("GET http://x.test/old HTTP/1.0\r\n\r\n"),
            "GET /old @x.test absolute 1.0\nHost: x.test\n-- none\nbody []\n");
  EXPECT_EQ(request("OPTIONS https://x.test HTTP/1.1\r\nHost: x.test\r\n\r\n"),
            "OPTIONS * @x.test absolute 1.1\nHost: x.test\n-- none\nbody []\n");
  EXPECT_EQ(request("OPTIONS * HTTP/1.1\r\nHost: x.test\r\n\r\n"),
            "OPTIONS * @x.test 1.1\nHost: x.test\n-- none\nbody []\n");
  EXPECT_EQ(request("CONNECT [::1]:443 HTTP/1.1\r\nHost: [::1]:443\r\n\r\n"),
            "CONNECT  @[::1]:443 1.1\nHost: [::1]:443\n-- tunnel\nbody []\n");
  EXPECT_EQ(request("GET / HTTP/1.2\r\nHost:\r\n\r\n"), "GET / @ 1.1\nHost: \n-- none\nbody []\n");
  EXPECT_EQ(request("x!# /%41|\" HTTP/1.1\r\nHost: a\r\n\r\n"),
            "x!# /%41|\" @a 1.1\nHost: a\n-- none\nbody []\n");
}

TEST(Http1Parser, RefusesRequestsThatCouldBeReadInTwoWays) {
  const struct {
    const char* why;
    std::string input;
    int status;
  } cases[] = {
      {"no Host", "GET / HTTP/1.1\r\n\r\n", 400},
      {"two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},
      {"two Hosts in 1.0", "GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", 400},
      {"Host with userinfo", "GET / HTTP/1.1\r\nHost: u@a\r\n\r\n", 400},
      {"Host with comma", "GET / HTTP/1.1\r\nHost: a,b\r\n\r\n", 400},
      {"Host with slash", "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", 400},
      {"Host with bad port", "GET / HTTP/1.1\r\nHost: a:65536\r\n\r\n", 400},
      {"Host with open bracket", "GET / HTTP/1.1\r\nHost: [::1\r\n\r\n", 400},
      {"two blanks", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"blank in target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"tab", "GET\t/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"trailing blank", "GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400},
      {"no version", "GET /\r\n\r\n", 400},
      {"lower-case version", "GET / http/1.1\r\nHost: a\r\n\r\n", 400},
      {"two-digit minor", "GET / HTTP/1.10\r\nHost: a\r\n\r\n", 400},
      {"version 2", "GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
      {"version 0.9", "GET / HTTP/0.9\r\n\r\n", 505},
      {"method with paren", "G(T / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"no slash", "GET a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"star for GET", "GET * HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"fragment", "GET /#f HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"backslash", "GET /a\\b HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"encoded NUL", "GET /%00 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"bad escape", "GET /%zz HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"cut escape", "GET /%4 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"high octet", "GET /\xff HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"control octet", "GET /\x01 HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"userinfo in target", "GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"other scheme", "GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"CONNECT with a path", "CONNECT /a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"CONNECT without a port", "CONNECT a HTTP/1.1\r\nHost: a\r\n\r\n", 400},
      {"CONNECT with content", "CONNECT a:1 HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\n", 400},
      {"blank before colon", "GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},
      {"tab before colon", "GET / HTTP/1.1\r\nHost: a\r\nX\t: a\r\n\r\n", 400},
      {"no colon", "GET / HTTP/1.1\r\nHost: a\r\nX\r\n\r\n", 400},
      {"empty name", "GET / HTTP/1.1\r\nHost: a\r\n: x\r\n\r\n", 400},
      {"obs-fold", "GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400},
      {"blank before the first field", "GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},
      {"NUL in value", std::string("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", 35), 400},
      {"CR in value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400},
      {"BEL in value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\ab\r\n\r\n", 400},
      {"DEL in value", "GET / HTTP/1.1\r\nHost: a\r\nX: a\x7f\r\n\r\n", 400},
      {"bare LF", "GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400},
      {"LF ends the head", "GET / HTTP/1.1\r\nHost: a\r\n\n", 400},
      {"many empty lines", "\r\n\r\n\r\n\r\n\r\n\r\nGET / HTTP/1.1\r\n", 400},
      {"length and coding",
       "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"two lengths", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
       400},
      {"list of lengths", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1, 1\r\n\r\n", 400},
      {"signed length", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n\r\n", 400},
      {"negative length", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400},
      {"empty length", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400},
      {"hex length", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x1\r\n\r\n", 400},
      {"huge length", "GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 18446744073709551619\r\n\r\n",
       400},
      {"coding in 1.0", "GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
      {"two codings",
       "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: "
       "chunked\r\n\r\n",
       400},
      {"chunked twice", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
       400},
      {"chunked not last", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, gzip\r\n\r\n",
       400},
      {"unknown coding", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
       501},
      {"identity", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 400},
      {"vertical tab", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \vchunked\r\n\r\n", 400},
      {"quoted coding", "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\n\r\n", 400},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(request(c.input), "body []\nerror " + std::to_string(c.status) + "\n") << c.why;
  }
}

TEST(Http1Parser, RefusesBrokenChunks) {
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string head_text = "GET / @a 1.1\nHost: a\nTransfer-Encoding: chunked\n-- streamed\n";
  const struct {
    std::string chunks;
    std::string body;
    int status;
  } cases[] = {
      {"0x3\r\nabc\r\n", "", 400},
      {"+3\r\nabc\r\n", "", 400},
      {"-3\r\nabc\r\n", "", 400},
      {"1_0\r\nabc\r\n", "", 400},
      {"\r\nabc\r\n", "", 400},
      {"g\r\nabc\r\n", "", 400},
      {" 3\r\nabc\r\n", "", 400},
      {"3 3\r\nabc\r\n", "", 400},
      {"3 \r\nabc\r\n", "", 400},
      {"3\nabc\r\n", "", 400},
      {"3;a\nb\r\nabc\r\n", "", 400},
      {"3;\r\nabc\r\n", "", 400},
      {"3;a=\r\nabc\r\n", "", 400},
      {"3;a=\"b\r\nabc\r\n", "", 400},
      {"3\r\nabcd\r\n", "abc", 400},
      {"3\r\nabc\n0\r\n\r\n", "abc", 400},
      {"3\r\nabc\r0\r\n\r\n", "abc", 400},
      {"00000000000000001\r\n", "", 413},
      {"ffffffffffffffff\r\n", "", 413},
      {"0\r\nX : 1\r\n\r\n", "", 400},
      {"0\r\nX: 1\r\n y\r\n\r\n", "", 400},
  };
  for (const auto& c : cases) {
    EXPECT_EQ(request(head + c.chunks),
              head_text + "body [" + c.body + "]\nerror " + std::to_string(c.status) + "\n")
        << c.chunks;
  }
}

TEST(Http1Parser, KeepsToItsLimits) {
  Http1Limits limits;
  limits.start_line_bytes = 40;
  limits.header_bytes = 40;
  limits.header_lines = 2;
  limits.chunk_line_bytes = 10;
  limits.chunk_extension_bytes = 9;
  const std::string start = "GET / HTTP/1.1\r\n";
  const std::string target(40 - 13, 'a');
  EXPECT_EQ(request("GET /" + target + " HTTP/1.1\r\nHost: a\r\n\r\n", limits),
            "body []\nerror 414\n");
  EXPECT_NE(request("GET /" + target.substr(1) + " HTTP/1.1\r\nHost: a\r\n\r\n", limits),
            "body []\nerror 414\n");
  EXPECT_EQ(request(std::string(43, 'A'), limits), "body []\nerror 414\n");
  EXPECT_EQ(request(start + "Host: a\r\nX: " + std::string(26, 'a') + "\r\n\r\n", limits),
            "GET / @a 1.1\nHost: a\nX: " + std::string(26, 'a') + "\n-- none\nbody []\n");
  EXPECT_EQ(request(start + "Host: a\r\nX: " + std::string(27, 'a') + "\r\n\r\n", limits),
            "body []\nerror 431\n");
  EXPECT_EQ(request(start + "Host: a\r\nX: 1\r\nY: 2\r\n\r\n", limits), "body []\nerror 431\n");
  Http1Limits roomy;
  roomy.chunk_line_bytes = 10;
  roomy.chunk_extension_bytes = 9;
  const std::string chunked = start + "Host: a\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string text = "GET / @a 1.1\nHost: a\nTransfer-Encoding: chunked\n-- streamed\n";
  EXPECT_EQ(request(chunked + "1;a=bbbbbbb\r\nx\r\n", roomy), text + "body []\nerror 413\n");
  EXPECT_EQ(request(chunked + "1;a=bb\r\nx\r\n1;a=bb\r\ny\r\n", roomy),
            text + "body [x]\nerror 413\n");
}

TEST(Http1Parser, FramesResponsesByStatusAndMethod) {
  EXPECT_EQ(
      response(
          "HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab"),
      "103 [Early]\nLink: x\n-- none\n200 [OK]\nContent-Length: 2\n-- sized 2\nbody [ab]\n");
  EXPECT_EQ(response("HTTP/1.1 204 \r\nContent-Length: 5\r\n\r\n"),
            "204 []\nContent-Length: 5\n-- none\nbody []\n");
  EXPECT_EQ(response("HTTP/1.1 304\r\nContent-Length: 5\r\n\r\n"),
            "304 []\nContent-Length: 5\n-- sized 5\nbody []\n");
  EXPECT_EQ(response("HTTP/1.1 200 Fine by me\r\nContent-Length: 5\r\n\r\n", "HEAD"),
            "200 [Fine by me]\nContent-Length: 5\n-- sized 5\nbody []\n");
  EXPECT_EQ(response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "HEAD"),
            "200 [OK]\nTransfer-Encoding: chunked\n-- streamed\nbody []\n");
  EXPECT_EQ(response("HTTP/1.0 200 OK\r\n\r\nuntil the end", "GET", true),
            "200 [OK]\n-- to-close\nbody [until the end]\n");
  EXPECT_EQ(response("HTTP/1.1 101 Go\r\nUpgrade: x\r\n\r\nraw", "GET", true),
            "101 [Go]\nUpgrade: x\n-- tunnel\nbody [raw]\n");
  EXPECT_EQ(response("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nraw", "CONNECT", true),
            "200 [OK]\nContent-Length: 1\n-- tunnel\nbody [raw]\n");
}

TEST(Http1Parser, RefusesBrokenResponsesWith502) {
  for (const char* input : {
           "HTTP/1.1 20 OK\r\n\r\n",
           "HTTP/1.1 2000 OK\r\n\r\n",
           "HTTP/1.1 099 OK\r\n\r\n",
           "HTTP/1.1 600 OK\r\n\r\n",
           "HTTP/1.1  200 OK\r\n\r\n",
           "HTTP/2.0 200 OK\r\n\r\n",
           "ICY 200 OK\r\n\r\n",
           "\r\nHTTP/1.1 200 OK\r\n\r\n",
           "HTTP/1.1 200 O\x01K\r\n\r\n",
           "HTTP/1.1 200 OK\nX: a\r\n\r\n",
           "HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
           "HTTP/1.1 200 OK\r\nX: a\r\n b\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n",
           "HTTP/1.1 200 OK\r\nContent-Length: 2x\r\n\r\n",
           "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
       }) {
    EXPECT_EQ(response(input), "body []\nerror 502\n") << input;
  }
}

TEST(Http1Parser, KnowsACutMessageFromAnEnd) {
  EXPECT_EQ(response("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", "GET", true),
            "200 [OK]\nContent-Length: 3\n-- sized 3\nbody [ab]\nerror 502\n");
  EXPECT_EQ(
      response("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n", "GET", true),
      "200 [OK]\nTransfer-Encoding: chunked\n-- streamed\nbody [ab]\nerror 502\n");
  EXPECT_EQ(response("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "GET", true),
            "200 [OK]\nContent-Length: 0\n-- sized 0\nbody []\n");
  Transcript cut(Role::kRequests);
  cut.feed("GET / HT");
  EXPECT_FALSE(cut.parser().between_messages());
  cut.finish();
  EXPECT_EQ(cut.text(), "body []\nerror 400\n");
}

TEST(Http1Parser, SaysWhoseFaultItIs) {
  Transcript theirs(Role::kRequests);
  theirs.feed("nonsense\r\n");
  EXPECT_EQ(theirs.parser().error().source(), ErrorSource::kDownstream);
  EXPECT_EQ(theirs.parser().error().kind(), ErrorKind::kInvalid);
  Transcript server(Role::kResponses);
  server.feed("nonsense\r\n");
  EXPECT_EQ(server.parser().error().source(), ErrorSource::kUpstream);
}

TEST(Http1Parser, TurnsIntoATunnel) {
  Http1Parser parser(Role::kRequests);
  const std::string head = "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n";
  EXPECT_EQ(parser.next(head).event, Http1Event::kHead);
  EXPECT_TRUE(parser.finishing());
  EXPECT_EQ(parser.next({}).event, Http1Event::kEnd);
  parser.become_tunnel();
  const Http1Step raw = parser.next("GET nothing like a request");
  EXPECT_EQ(raw.event, Http1Event::kBody);
  EXPECT_EQ(raw.take, 26u);
  EXPECT_EQ(parser.end_of_stream().event, Http1Event::kEnd);
}

}  // namespace
}  // namespace weft::wire
