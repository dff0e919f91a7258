// The HTTP/1 parser on any octets, whole and in pieces: never a crash, never more taken than was given,
// and the same messages however the input was cut. What it accepts, the writer writes and the parser
// reads again as the same head; so does what crosses the HTTP/2 hop.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "base/assert.h"
#include "wire/h1_over_h2.h"
#include "wire/http1_parser.h"
#include "wire/http1_writer.h"

namespace {

using namespace weft::wire;

std::string text_of(const Fields& fields) {
  std::string out;
  for (const auto& line : fields) {
    out.append(line.name).append(":").append(line.value).append("\n");
  }
  return out;
}

// Everything the parser says; heads are checked on the way.
template <typename Check>
std::string play(Http1Parser::Role role, std::string_view input, size_t piece, Check check) {
  Http1Parser parser(role);
  std::string pending, said;
  while (true) {
    const size_t size = std::min(piece, input.size());
    pending += input.substr(0, size);
    input.remove_prefix(size);
    for (;;) {
      const Http1Step step = parser.next(pending);
      WEFT_ASSERT(step.skip + step.take <= pending.size());
      pending.erase(0, step.skip);
      if (step.event == Http1Event::kNeedMore) break;
      if (step.event == Http1Event::kBody) {
        WEFT_ASSERT(step.take > 0);
        said += pending.substr(0, step.take);
        pending.erase(0, step.take);
      } else if (step.event == Http1Event::kHead) {
        said += "\nhead ";
        said += role == Http1Parser::Role::kRequests ? check(parser.request())
                                                     : text_of(parser.response().fields);
      } else if (step.event == Http1Event::kEnd) {
        said += "\nend " + text_of(parser.trailers());
      } else {
        return said + "\nerror " + std::to_string(parser.error_status());
      }
    }
    if (input.empty()) break;
  }
  const Http1Step end = parser.end_of_stream();
  return said + (end.event == Http1Event::kError ? "\ncut" : "\nwhole");
}

std::string written(const RequestHead& head) {
  weft::Buffer out;
  const bool end = head.length.kind == BodyLength::kNone || head.length.kind == BodyLength::kTunnel;
  write_request_head(head, end, out);
  return out.to_string();
}

std::string check_request(const RequestHead& head) {
  const std::string once = written(head);
  Http1Parser again(Http1Parser::Role::kRequests);
  const Http1Step step = again.next(once);
  // A target in absolute form may have grown by its path.
  if (once.size() < 8000)
    WEFT_ASSERT(step.event == Http1Event::kHead && written(again.request()) == once);
  if (head.method != "CONNECT" && !head.absolute_form) {
    RequestHead hop = head;
    remove_hop_by_hop(hop.fields);
    remove_weft_fields(hop.fields);
    const std::string expected = written(hop);
    const bool end = head.length.kind == BodyLength::kNone;
    encode_for_hop(hop);
    WEFT_ASSERT(restore_from_hop(hop, end));
    WEFT_ASSERT(written(hop) == expected);
  }
  return once;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size < 2) return 0;
  const auto role =
      (data[0] & 1) != 0 ? Http1Parser::Role::kResponses : Http1Parser::Role::kRequests;
  const size_t piece = 1 + data[1] % 64;
  const std::string_view input(reinterpret_cast<const char*>(data) + 2, size - 2);
  const auto plain = [](const RequestHead& head) { return written(head); };
  const std::string whole = play(role, input, input.size() + 1, check_request);
  WEFT_ASSERT(play(role, input, piece, plain) == whole);
  return 0;
}
