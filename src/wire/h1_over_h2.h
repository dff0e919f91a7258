// How an HTTP/1.x message crosses the HTTP/2 hop between two sidecars and comes out as it went in:
// same field lines in the same order and letter case, same values, reason phrase, trailers, place and
// value of Host, Content-Length kept as such and chunked kept chunked. Hop-by-hop fields (RFC 9110
// §7.6.1) end here. Pure functions; the fields they add begin with "weft-" and exist on that hop only:
//
//   weft-h1-names    names in their original order and letter case, comma separated, Host and
//                    Transfer-Encoding included (only the name of the latter crosses). Its presence
//                    says that the message was HTTP/1.x.
//   weft-h1-reason   the reason phrase, percent-encoded, when it is not the standard one
//   weft-h1-version  "1.0" when so
//
// The encoder drops every field beginning with "weft-" that an app sent: those are ours to say.
// Fields that something between encode and restore adds come last, in the order they came.
#pragma once

#include <string_view>

#include "wire/message.h"

namespace weft::wire {

constexpr std::string_view kH1Names = "weft-h1-names";
constexpr std::string_view kH1Reason = "weft-h1-reason";
constexpr std::string_view kH1Version = "weft-h1-version";

// Removes Connection, the fields it names (but never Host, Content-Length or Cache-Control and the like
// that a message needs end to end), Keep-Alive, Proxy-Connection, TE, Upgrade, HTTP2-Settings.
// Transfer-Encoding stays: it marks the framing, which codecs write anew.
void remove_hop_by_hop(Fields& fields);
// The same for a request that asks for another protocol, and for the 101 that grants it: Upgrade stays,
// and of Connection the option that names it.
void remove_hop_by_hop_but_upgrade(Fields& fields);
// Removes the fields that only sidecars may send: all that begin with "weft-".
void remove_weft_fields(Fields& fields);

// HTTP/1.x → the hop. Afterwards the head has no Host, no hop-by-hop field and no Transfer-Encoding.
void encode_for_hop(RequestHead& head);
void encode_for_hop(ResponseHead& head);
void encode_trailers_for_hop(Fields& trailers);

// Did an HTTP/1.x app send this?
bool carries_http1(const Fields& fields);

// The hop → HTTP/1.x, or a plain HTTP/2 message without weft fields when no HTTP/1.x app sent it (the
// result is false then). Every weft field is gone afterwards: read weft-service and its like before.
// `end`: the head is all of the message.
bool restore_from_hop(RequestHead& head, bool end);
bool restore_from_hop(ResponseHead& head, bool end);
void restore_trailers_from_hop(Fields& trailers);

}  // namespace weft::wire
