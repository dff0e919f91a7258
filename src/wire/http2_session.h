// One end of an HTTP/2 connection as bytes in and bytes out (RFC 9113): no sockets, no waiting. It maps
// frames to heads, body pieces and trailers, keeps flow control in the application's hands and bounds
// what a peer can make us hold or do. Extended CONNECT is RFC 8441; priorities are read and ignored.
//
// receive() takes what arrived and calls Http2Events; produce() writes what is due. Nothing is sent
// inside any other call: the owner calls produce() once per turn. Events are called from inside
// receive() and produce(); they may call everything here except these two and the destructor.
//
// The owner names a stream by its Http2Stream handle, valid until on_closed() for it (or the session's
// end); the session names it to the owner by `user`, the pointer that on_request() returned or open()
// was given. Memory: at most about 2 × header_bytes for the field block that is coming in, per stream a
// record of 200 octets and what send_data() queued; received body bytes are handed over at once, bounded
// by the windows. wire/README.md lists the budgets against floods.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/buffer.h"
#include "base/result.h"
#include "base/time.h"
#include "wire/message.h"

namespace weft::wire {

// Error codes of RFC 9113 §7; a peer may send others.
enum class Http2Code : uint32_t {
  kNoError = 0x0,
  kProtocolError = 0x1,
  kInternalError = 0x2,
  kFlowControlError = 0x3,
  kStreamClosed = 0x5,
  kFrameSizeError = 0x6,
  kRefusedStream = 0x7,
  kCancel = 0x8,
  kCompressionError = 0x9,
  kConnectError = 0xa,
  kEnhanceYourCalm = 0xb,
};

struct Http2Limits {
  uint32_t concurrent_streams = 100;  // that the peer may have open
  uint32_t stream_window = 64 * 1024;
  uint32_t connection_window = 1024 * 1024;
  size_t header_bytes = 60 * 1024;  // decoded, names and values; more: 431 or RST_STREAM
  size_t header_lines = 100;
  uint32_t continuations = 8;  // CONTINUATION frames to one head
  // Payload of a frame, both what we announce and the most we send: body pieces of this size cross in
  // one frame. They are handed on as they arrive, so a large frame costs no memory.
  uint32_t frame_bytes = 64 * 1024;
  uint32_t header_table = 4096;   // of HPACK, for what we receive
  bool extended_connect = false;  // server: announce RFC 8441
  bool plain_literals = false;    // see HpackEncoder
  // Streams that end by a reset, whoever sent it, where the peer caused it; then GOAWAY.
  uint32_t reset_burst = 100;
  Duration reset_period = Duration::seconds(30);
  // PING, SETTINGS, PRIORITY, empty DATA frames, streams above the limit, and WINDOW_UPDATE frames beyond
  // what the DATA we sent explains; then GOAWAY.
  uint32_t control_burst = 1000;
  Duration control_period = Duration::seconds(10);
};

// A stream inside a session; opaque.
struct Http2Stream;

class Http2Events {
 public:
  virtual ~Http2Events() = default;
  // Server only. Returns the `user` of the stream; nullptr: no events wanted (it was reset).
  virtual void* on_request(Http2Stream& stream, RequestHead&& head, bool end) = 0;
  // Client only; interim heads first.
  virtual void on_response(void* user, ResponseHead&& head, bool end) = 0;
  // The sender's window stays smaller by as much until consume().
  virtual void on_data(void* user, std::string_view data) = 0;
  // The peer has sent everything (not called when a head said `end`).
  virtual void on_end(void* user, Fields&& trailers) = 0;
  // The queue of send_data() has fallen to the low mark.
  virtual void on_drained(void* user) = 0;
  // The stream is over, cleanly (kNoError) or not. kRefusedStream: the peer has not acted on it.
  virtual void on_closed(void* user, Http2Code code) = 0;
  // The peer's limits changed or it is going away: look at can_open() and going_away().
  virtual void on_peer_changed() = 0;
  // The answer to ping().
  virtual void on_ping_ack(uint64_t) {}
};

class Http2Session {
 public:
  enum class Role : uint8_t { kServer, kClient };
  static constexpr size_t kQueueHigh = 64 * 1024;
  static constexpr size_t kQueueLow = 16 * 1024;

  Http2Session(Role role, const Http2Limits& limits, const Clock& clock, Http2Events& events);
  Http2Session(const Http2Session&) = delete;
  Http2Session& operator=(const Http2Session&) = delete;
  // Does not call events.
  ~Http2Session();

  // False: the connection is beyond use (after a last produce(), which carries the GOAWAY).
  bool receive(std::string_view bytes);
  // Appends frames until `out` holds `limit` bytes or nothing is due.
  void produce(Buffer& out, size_t limit);
  // Something would be produced.
  bool wants_write() const;
  // Octets of frames that wait for produce(), bodies not counted: those wait for windows.
  size_t unsent_frames() const;
  // Nothing more will be read or written: close.
  bool finished() const;

  // Client: opens a stream; nullptr when the connection has no more ids. Requires can_open().
  Http2Stream* open(const RequestHead& head, bool end, void* user);
  // Client: may another stream be opened now, by the peer's limit?
  bool can_open() const;
  // Client: does the server take extended CONNECT (RequestHead::protocol)? Known from its SETTINGS on.
  bool peer_takes_extended_connect() const;
  bool peer_settings_seen() const;
  // GOAWAY was received or sent: no new streams here.
  bool going_away() const;
  size_t open_streams() const;

  void send_interim(Http2Stream& stream, const ResponseHead& head);
  void send_response(Http2Stream& stream, const ResponseHead& head, bool end);
  // Queues; false when more than kQueueHigh is queued: wait for on_drained().
  bool send_data(Http2Stream& stream, Buffer&& data);
  void finish(Http2Stream& stream, Fields&& trailers);
  void reset(Http2Stream& stream, Http2Code code);
  // No more events for this stream, and what the peer still sends on it is dropped. What was queued goes
  // out; a server then tells a peer that is not done to stop (RFC 9113 §8.1).
  void forget(Http2Stream& stream);
  // Client: has the head left produce()?
  static bool sent(const Http2Stream& stream);
  // Gives the sender `size` octets of its window back.
  void consume(Http2Stream& stream, size_t size);

  // Asks the peer for a sign of life; on_ping_ack() brings `opaque` back.
  void ping(uint64_t opaque);
  // Graceful end in two steps (RFC 9113 §6.8): a warning first, and once the peer must have seen it (a
  // PING came back, or the owner calls finish_drain()) the GOAWAY with the last stream that counts.
  void begin_drain();
  void finish_drain();
  // GOAWAY now; open streams are lost.
  void terminate(Http2Code code);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace weft::wire
