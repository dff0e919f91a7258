// What goes over the wire, written out by hand.
#include "wire/http1_writer.h"

#include <gtest/gtest.h>

namespace weft::wire {
namespace {

RequestHead request(std::string_view method, std::string_view target, BodyLength length = {}) {
  RequestHead head;
  head.method = method;
  head.target = target;
  head.authority = "a";
  head.length = length;
  return head;
}

ResponseHead response(int status, BodyLength length = {}) {
  ResponseHead head;
  head.status = status;
  head.length = length;
  return head;
}

std::string written(const RequestHead& head, bool end, Http1Framing framing) {
  Buffer out;
  EXPECT_EQ(write_request_head(head, end, out), framing);
  return out.to_string();
}

std::string written(const ResponseHead& head, const Http1ResponseContext& context, bool end,
                    Http1Framing framing) {
  Buffer out;
  EXPECT_EQ(write_response_head(head, context, end, out), framing);
  return out.to_string();
}

constexpr BodyLength kSized3{BodyLength::kSized, 3};
constexpr BodyLength kStreamed{BodyLength::kStreamed, 0};
constexpr BodyLength kToClose{BodyLength::kToClose, 0};

TEST(Http1Writer, KeepsOrderCaseAndValuesAndThePlaceOfFraming) {
  RequestHead head = request("GET", "/x?y", kSized3);
  head.fields.add("X-b", "1");
  head.fields.add("hOST", "a");
  head.fields.add("CONTENT-length", "003");
  head.fields.add("X-B", "");
  EXPECT_EQ(written(head, false, Http1Framing::kSized),
            "GET /x?y HTTP/1.1\r\nX-b: 1\r\nhOST: a\r\nCONTENT-length: 3\r\nX-B: \r\n\r\n");
}

TEST(Http1Writer, SaysInRequestsWhatFollows) {
  EXPECT_EQ(written(request("GET", "/"), true, Http1Framing::kNone),
            "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
  EXPECT_EQ(written(request("PUT", "/", {BodyLength::kSized, 0}), true, Http1Framing::kNone),
            "PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(written(request("PUT", "/"), false, Http1Framing::kChunked),
            "PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
  RequestHead both = request("PUT", "/", kStreamed);
  both.fields.add("Content-Length", "3");
  both.fields.add("transfer-Encoding", "gzip");
  EXPECT_EQ(written(both, true, Http1Framing::kChunked),
            "PUT / HTTP/1.1\r\nHost: a\r\ntransfer-Encoding: chunked\r\n\r\n");
}

TEST(Http1Writer, WritesEveryFormOfTheTarget) {
  RequestHead absolute = request("GET", "/p");
  absolute.absolute_form = true;
  absolute.version = Version::kHttp10;
  EXPECT_EQ(written(absolute, true, Http1Framing::kNone),
            "GET http://a/p HTTP/1.0\r\nHost: a\r\n\r\n");
  absolute.method = "OPTIONS";
  absolute.target = "*";
  EXPECT_EQ(written(absolute, true, Http1Framing::kNone),
            "OPTIONS http://a HTTP/1.0\r\nHost: a\r\n\r\n");
  RequestHead connect = request("CONNECT", "", {BodyLength::kTunnel, 0});
  connect.authority = "a:443";
  EXPECT_EQ(written(connect, true, Http1Framing::kNone),
            "CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n");
  RequestHead bare = request("GET", "/");
  bare.authority.clear();
  bare.version = Version::kHttp10;
  EXPECT_EQ(written(bare, true, Http1Framing::kNone), "GET / HTTP/1.0\r\n\r\n");
}

TEST(Http1Writer, SaysInResponsesWhatFollows) {
  const Http1ResponseContext get{"GET"}, head{"HEAD"}, connect{"CONNECT"};
  const Http1ResponseContext old{"GET", Version::kHttp10};
  const struct {
    ResponseHead response;
    Http1ResponseContext context;
    bool end;
    Http1Framing framing;
    const char* text;
  } cases[] = {
      {response(200, kSized3), get, false, Http1Framing::kSized,
       "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"},
      {response(200), get, true, Http1Framing::kNone,
       "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
      {response(200), get, false, Http1Framing::kChunked,
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {response(200, kStreamed), old, false, Http1Framing::kRaw, "HTTP/1.1 200 OK\r\n\r\n"},
      {response(200, kToClose), get, false, Http1Framing::kRaw, "HTTP/1.1 200 OK\r\n\r\n"},
      {response(200, kSized3), head, true, Http1Framing::kNone,
       "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"},
      {response(200, kStreamed), head, true, Http1Framing::kNone,
       "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"},
      {response(200), head, true, Http1Framing::kNone, "HTTP/1.1 200 OK\r\n\r\n"},
      {response(304, kSized3), get, true, Http1Framing::kNone,
       "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n"},
      {response(204, kSized3), get, true, Http1Framing::kNone, "HTTP/1.1 204 No Content\r\n\r\n"},
      {response(103), get, true, Http1Framing::kNone, "HTTP/1.1 103 Early Hints\r\n\r\n"},
      {response(101, {BodyLength::kTunnel, 0}), get, false, Http1Framing::kRaw,
       "HTTP/1.1 101 Switching Protocols\r\n\r\n"},
      {response(200, kSized3), connect, false, Http1Framing::kRaw, "HTTP/1.1 200 OK\r\n\r\n"},
      {response(599), get, true, Http1Framing::kNone, "HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n"},
  };
  for (const auto& c : cases) EXPECT_EQ(written(c.response, c.context, c.end, c.framing), c.text);
}

TEST(Http1Writer, KeepsAReasonPhraseEvenAnEmptyOne) {
  ResponseHead head = response(200);
  head.reason = "Fine  by me";
  EXPECT_EQ(written(head, {"HEAD"}, true, Http1Framing::kNone), "HTTP/1.1 200 Fine  by me\r\n\r\n");
  head.reason.clear();
  head.exact_reason = true;
  EXPECT_EQ(written(head, {"HEAD"}, true, Http1Framing::kNone), "HTTP/1.1 200 \r\n\r\n");
}

TEST(Http1Writer, SaysCloseOnce) {
  ResponseHead head = response(200);
  Http1ResponseContext context{"HEAD"};
  context.close = true;
  EXPECT_EQ(written(head, context, true, Http1Framing::kNone),
            "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n");
  head.fields.add("connection", "x, Close");
  EXPECT_EQ(written(head, context, true, Http1Framing::kNone),
            "HTTP/1.1 200 OK\r\nconnection: x, Close\r\n\r\n");
}

TEST(Http1Writer, WritesChunksAndTrailers) {
  Buffer out;
  write_chunk(std::string(26, 'x'), out);
  write_chunk("", out);
  Fields trailers;
  trailers.add("X-Sum", "1");
  trailers.add("Content-Length", "5");
  write_last_chunk(trailers, out);
  EXPECT_EQ(out.view(), "1a\r\n" + std::string(26, 'x') + "\r\n0\r\nX-Sum: 1\r\n\r\n");
}

}  // namespace
}  // namespace weft::wire
