// What is forwarded, as a second party reads it. Any octets go the way of a request (or of an answer) through
// both sidecars: parsed, cleaned, encoded for the hop, restored, written. A reader that shares no code
// with the product (plain_http1.h) then reads both what came in and what went out, and must find the same
// messages: as many, with the same method, target, fields, content and trailers. That is what request
// smuggling is the absence of.
//
// The first octet chooses: even, requests; odd, answers, to GET or (bit 1) to HEAD.
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/text.h"
#include "plain_http1.h"
#include "wire/h1_over_h2.h"
#include "wire/http1_parser.h"
#include "wire/http1_writer.h"

namespace {

using namespace weft;
using plain::Line;
using plain::Message;

[[noreturn]] void differs(std::string_view what, std::string_view in, std::string_view out) {
  std::fprintf(stderr, "%.*s\n--- in\n%.*s\n--- out\n%.*s\n", static_cast<int>(what.size()),
               what.data(), static_cast<int>(in.size()), in.data(), static_cast<int>(out.size()),
               out.data());
  std::abort();
}

// HTTP/2 carries names in lower case.
void lower_names(wire::Fields& fields) {
  wire::Fields lowered;
  for (const auto& line : fields) lowered.add(to_lower(line.name), line.value);
  fields = std::move(lowered);
}

void forward(wire::RequestHead& head, bool end, Buffer& out) {
  wire::remove_hop_by_hop(head.fields);
  wire::encode_for_hop(head);
  lower_names(head.fields);
  wire::restore_from_hop(head, end);
  wire::write_request_head(head, end, out);
}

void forward(wire::ResponseHead& head, bool end, std::string_view method, Buffer& out) {
  wire::encode_for_hop(head);
  lower_names(head.fields);
  wire::restore_from_hop(head, end);
  wire::write_response_head(head, {.request_method = method}, end, out);
}

struct Forwarded {
  std::string bytes;    // of whole messages only
  size_t messages = 0;  // among them
  size_t taken = 0;     // input octets they were made of
  bool to_close = false;
};

// Everything up to the first error, tunnel or unfinished message.
Forwarded forward_all(bool requests, std::string_view method, std::string_view in) {
  wire::Http1Parser parser(requests ? wire::Http1Parser::Role::kRequests
                                    : wire::Http1Parser::Role::kResponses);
  parser.expect_response_to(method);
  Forwarded all;
  Buffer out;
  size_t at = 0;
  bool chunked = false;
  while (true) {
    const wire::Http1Step step = parser.next(in.substr(at));
    at += step.skip;
    switch (step.event) {
      case wire::Http1Event::kNeedMore:
        if (at < in.size() || parser.end_of_stream().event != wire::Http1Event::kEnd) return all;
        all.to_close = true;
        all.bytes.append(out.view());
        ++all.messages;
        all.taken = at;
        return all;
      case wire::Http1Event::kError: return all;
      case wire::Http1Event::kHead: {
        out.clear();
        const wire::BodyLength length =
            requests ? parser.request().length : parser.response().length;
        if (length.kind == wire::BodyLength::kTunnel) return all;
        chunked = length.kind == wire::BodyLength::kStreamed && method != "HEAD";
        const bool end = parser.finishing();
        if (requests) {
          forward(parser.request(), end, out);
        } else if (parser.response().interim()) {
          forward(parser.response(), true, method, out);
          all.bytes.append(out.view());
          ++all.messages;
          all.taken = at;
        } else {
          chunked &= !end;
          forward(parser.response(), end, method, out);
        }
        break;
      }
      case wire::Http1Event::kBody:
        if (chunked) {
          wire::write_chunk(in.substr(at, step.take), out);
        } else {
          out.append(in.substr(at, step.take));
        }
        at += step.take;
        break;
      case wire::Http1Event::kEnd: {
        if (chunked) {
          wire::Fields trailers = parser.trailers();
          wire::encode_trailers_for_hop(trailers);
          lower_names(trailers);
          wire::restore_trailers_from_hop(trailers);
          wire::write_last_chunk(trailers, out);
        }
        all.bytes.append(out.view());
        ++all.messages;
        all.taken = at;
        if (!requests) return all;  // what follows answers another request
        break;
      }
    }
  }
}

bool listed(const std::vector<std::string>& lists, std::string_view name) {
  for (const std::string& list : lists) {
    for (std::string_view word : split(list, ',')) {
      if (Message::same_name(trim(word), name)) return true;
    }
  }
  return false;
}

bool among(std::string_view name, std::initializer_list<std::string_view> words) {
  for (std::string_view word : words) {
    if (Message::same_name(name, word)) return true;
  }
  return false;
}

// The fields of a message that must reach the other side, by RFC 9110 section 7.6.1 and by ours.
std::vector<Line> end_to_end(const Message& m) {
  const std::vector<std::string> options = m.all("connection");
  std::vector<Line> out;
  for (const Line& line : m.fields) {
    if (among(line.name, {"connection", "keep-alive", "proxy-connection", "te", "upgrade",
                          "http2-settings", "content-length", "transfer-encoding", "host"}) ||
        Message::same_name(line.name.substr(0, 5), "weft-"))
      continue;
    const bool needed =
        among(line.name, {"trailer", "content-type", "content-encoding", "date", "cache-control"});
    if (!needed && listed(options, line.name)) continue;
    out.push_back(line);
  }
  return out;
}

std::vector<Line> allowed_trailers(const Message& m) {
  std::vector<Line> out;
  for (const Line& line : m.trailers) {
    if (!wire::forbidden_in_trailers(line.name) &&
        !Message::same_name(line.name.substr(0, 5), "weft-"))
      out.push_back(line);
  }
  return out;
}

std::string text(const std::vector<Line>& lines) {
  std::string out;
  for (const Line& line : lines) out += line.name + ": " + line.value + "\n";
  return out;
}

// "http://a?b" and "/?b" name the same resource.
std::string origin_form(const Message& m) {
  const size_t scheme = m.target.find("://");
  if (m.target.starts_with('/') || scheme == std::string::npos) return m.target;
  const size_t path = m.target.find_first_of("/?", scheme + 3);
  if (path == std::string::npos) return m.method == "OPTIONS" ? "*" : "/";
  return (m.target[path] == '?' ? "/" : "") + m.target.substr(path);
}

std::string host_of(const Message& m) {
  const size_t scheme = m.target.find("://");
  if (!m.target.starts_with('/') && scheme != std::string::npos) {
    const size_t end = m.target.find_first_of("/?", scheme + 3);
    return m.target.substr(scheme + 3, end == std::string::npos ? end : end - scheme - 3);
  }
  const auto hosts = m.all("host");
  return hosts.empty() ? "" : hosts[0];
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const bool requests = data[0] % 2 == 0;
  const std::string_view method = data[0] & 2 ? "HEAD" : "GET";
  std::string_view in(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Forwarded all = forward_all(requests, requests ? "GET" : method, in);
  in = in.substr(0, all.taken);
  std::string_view out = all.bytes;
  auto read = [&](std::string_view bytes, Message& m) {
    return requests ? plain::read_request(bytes, m)
                    : plain::read_response(bytes, method, all.to_close, m);
  };
  for (size_t i = 0; i < all.messages; ++i) {
    // Empty lines before a request are nobody's.
    while (requests && in.starts_with("\r\n")) in.remove_prefix(2);
    Message came, went;
    if (read(in, came) != plain::Read::kWhole) differs("accepted, but no message", in, out);
    if (read(out, went) != plain::Read::kWhole) differs("what goes out is no message", in, out);
    if (came.method != went.method || came.status != went.status)
      differs("another method or status", in, out);
    if (requests && origin_form(came) != went.target) differs("another target", in, out);
    if (requests && host_of(came) != host_of(went)) differs("another host", in, out);
    const bool bare = came.status == 204 || came.status == 304 || came.interim();
    if (came.body != went.body || (bare && !went.body.empty())) differs("another body", in, out);
    if (text(end_to_end(came)) != text(end_to_end(went))) differs("other fields", in, out);
    if (end_to_end(went).size() != went.fields.size() - went.all("host").size() -
                                       went.all("content-length").size() -
                                       went.all("transfer-encoding").size())
      differs("a field of one hop goes on", in, out);
    if (text(allowed_trailers(came)) != text(went.trailers)) differs("other trailers", in, out);
    in.remove_prefix(came.size);
    out.remove_prefix(went.size);
  }
  while (requests && in.starts_with("\r\n")) in.remove_prefix(2);
  if (!out.empty() || !in.empty()) differs("octets that belong to no message", in, out);
  return 0;
}
