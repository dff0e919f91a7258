// The hand-over protocol on the wire: one byte of kind, then the text; descriptors beside it.
#include "capture/handoff.h"

#include "capture/packet.h"

namespace weft::capture {

Result<void> send_handoff(int socket, HandoffKind kind, std::string_view text,
                          const std::vector<int>& fds) {
  std::string bytes(1, static_cast<char>(kind));
  bytes += text;
  return send_packet(socket, bytes, fds);
}

Result<HandoffMessage> receive_handoff(int socket) {
  auto packet = receive_packet(socket);
  if (!packet) return std::unexpected(std::move(packet.error()));
  HandoffMessage message;
  message.kind = static_cast<HandoffKind>(packet->bytes[0]);
  message.text = packet->bytes.substr(1);
  for (Fd& fd : packet->fds) message.fds.push_back(fd.release());
  return message;
}

}  // namespace weft::capture
