// The message vectors that Weft answers otherwise on purpose, each with its reason. Used by the suite
// runner only; a case that agrees after all makes the runner fail until it is taken off this list.
#pragma once

#include <map>
#include <string>

namespace weft::wire {

inline const std::map<std::string, std::string>& http1_suite_exceptions() {
  static constexpr const char* kToken =
      "RFC 9110 §9.1: methods are open-ended, an unknown token is forwarded, not a syntax error";
  static constexpr const char* kOtherProtocol =
      "RTSP and ICE are other protocols; carried as opaque TCP";
  static constexpr const char* kFragment =
      "RFC 9112 §3.2: no form of the request target has a fragment; two readers would cut it "
      "differently";
  static constexpr const char* kEmptyLine =
      "RFC 9112 §2.2 lets servers skip an empty line before a request, not clients before a "
      "response: "
      "surplus octets on a connection are how responses get exchanged";
  static constexpr const char* kCoding =
      "RFC 9112 §6.3 would read such a response to its end; a coding we cannot follow is a 502 "
      "instead";
  static const std::map<std::string, std::string> kExceptions = {
      {"request/content-length.md: Content-Length reset when no body is received",
       "skipBody of llhttp's API for a request; a request with Content-Length has that content"},
      {"request/invalid.md: HTTP protocol and ANNOUNCE method", kToken},
      {"request/invalid.md: Invalid method", kToken},
      {"request/method.md: CONNECT with body",
       "RFC 9110 §9.3.6: CONNECT has no content; octets behind it belong to the tunnel"},
      {"request/method.md: M-SEARCH request", "RFC 9112 §3.2.4: asterisk-form is for OPTIONS only"},
      {"request/method.md: SOURCE request with ICE", kOtherProtocol},
      {"request/method.md: OPTIONS request with RTSP", kOtherProtocol},
      {"request/method.md: ANNOUNCE request with RTSP", kOtherProtocol},
      {"request/method.md: PRI request HTTP2",
       "the HTTP/2 preface is told apart before this parser sees a byte"},
      {"request/sample.md: No HTTP version", "HTTP/0.9 is not spoken"},
      {"request/transfer-encoding.md: POST with `chunked` as last transfer-encoding", kFragment},
      {"request/transfer-encoding.md: POST with `chunked` as last transfer-encoding (multiple "
       "headers)",
       kFragment},
      {"request/uri.md: Quotes in URI",
       "the target has backslashes, which some servers read as slashes: refused"},
      {"request/uri.md: Fragment in URI", kFragment},
      {"request/uri.md: `host:port` and basic auth",
       "RFC 9110 §4.2.4: userinfo in a target is an error of its sender and a disguise"},
      {"response/connection.md: HTTP 304 with Content-Length", kEmptyLine},
      {"response/connection.md: HTTP 100 first, then 400", kEmptyLine},
      {"response/pipelining.md: Should parse multiple events", kEmptyLine},
      {"response/sample.md: RTSP response", kOtherProtocol},
      {"response/sample.md: ICE response", kOtherProtocol},
      {"response/sample.md: HTTP version 0.9", "HTTP/0.9 is not spoken"},
      {"response/sample.md: Response starting with CRLF", kEmptyLine},
      {"response/transfer-encoding.md: `chunked` before other transfer-encoding", kCoding},
      {"response/transfer-encoding.md: multiple transfer-encoding where chunked is not the last "
       "one",
       kCoding},
      {"response/transfer-encoding.md: `chunkedchunked` transfer-encoding does not enable chunked "
       "enconding",
       kCoding},
  };
  return kExceptions;
}

}  // namespace weft::wire
