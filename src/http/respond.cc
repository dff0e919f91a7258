// Bodies are short here: they are sent as one piece.
#include "http/respond.h"

#include <utility>

#include "wire/http1_writer.h"

namespace weft::http {

io::Task<Result<void>> respond(ServerStream& stream, int status, std::string content_type,
                               std::string body) {
  const bool bare = stream.request().method == "HEAD" || body.empty();
  wire::ResponseHead head;
  head.status = status;
  head.length = {wire::BodyLength::kSized, body.size()};
  if (!content_type.empty()) head.fields.add("content-type", content_type);
  stream.send_response(head, bare);
  if (bare) co_return Result<void>();
  Result<void> sent = co_await stream.send_body(Buffer(body));
  if (!sent) co_return sent;
  stream.finish();
  co_return Result<void>();
}

io::Task<Result<std::string>> read_all(ServerStream& stream, size_t limit) {
  const wire::RequestHead& request = stream.request();
  if (!stream.request_ended() && request.fields.has_token("expect", "100-continue")) {
    wire::ResponseHead head;
    head.status = 100;
    stream.send_interim(head);
  }
  std::string body;
  for (;;) {
    Result<BodyPiece> piece = co_await stream.read_body();
    if (!piece) co_return std::unexpected(std::move(piece.error()));
    if (body.size() + piece->data.size() > limit) {
      co_return fail(ErrorKind::kLimit,
                     "the body is longer than " + std::to_string(limit) + " octets",
                     ErrorSource::kDownstream);
    }
    body += piece->data.view();
    if (piece->end) co_return body;
  }
}

Buffer plain_answer(int status, std::string_view why) {
  wire::ResponseHead head;
  head.status = status;
  head.fields.add("Content-Type", "text/plain");
  const std::string body = std::string(why) + "\n";
  head.length = {wire::BodyLength::kSized, body.size()};
  wire::Http1ResponseContext context;
  context.close = true;
  Buffer out;
  wire::write_response_head(head, context, false, out);
  out.append(body);
  return out;
}

}  // namespace weft::http
