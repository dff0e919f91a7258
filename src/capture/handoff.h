// What `weft run` (the keeper) hands to the sidecar it starts, and how the two talk afterwards: one
// Unix SOCK_SEQPACKET socket pair, inherited as descriptor kHandoffFd. Messages are small and carry
// descriptors by SCM_RIGHTS.
//
//   keeper → proxy   kBootstrap + descriptors, once: a serialized weft.v1.Bootstrap and the sockets made
//                    inside the instance's network namespace.
//   proxy  → keeper  kReady{its version}, once the sidecar accepts and holds certificate and configuration.
//   proxy  → keeper  kNeedSockets{"4", "6" or kDiagSocket}: answered by kSockets{the same text} with kSocketBatch
//                    unconnected, non-blocking TCP sockets made inside. They may bind any mesh address
//                    as source (port 0), reach every address inside and are never captured. No
//                    descriptor comes with the answer when the kernel refused to make any. kDiagSocket is
//                    answered with one socket as kSockDiag: a dump is for one reader alone.
//   keeper → proxy   kDrain{"" or "ended", when the app has}: leave the registry and refuse new work;
//                    answered by kDrained. To one that retires: answer when nothing is in hand that
//                    callers brought.
//   keeper → proxy   kRefused{text}: a datagram or loopback connect that was refused inside, one
//                    sentence for the log; each destination is named once.
//   keeper → proxy   kRefusedPort{"240.240.0.9:81"}: a connect to a port that is not declared was
//                    refused; each destination is named once.
//   keeper → proxy   kRefusedCounts{"DATAGRAMS CONNECTS"}: so many more datagrams, and connects to ports
//                    that are not declared, were refused (at most one message a second); sums are exact.
//   proxy  → keeper  kDeclare{a change of port_sets.h}: which ports of virtual addresses are declared;
//                    answered by kDeclared{"" or why it could not be done}.
//   proxy  → keeper  kFailed{"CODE reason"}: it cannot start; CODE is the exit status to use.
//   keeper → proxy   kEnd: the instance has ended. A keeper that goes without it was killed: the proxy then
//                    kills what is left in the instance's network namespace, for the process inside may
//                    have been killed too.
//   proxy  → keeper  kListen{"ADDRESS:PORT"}: a door of a Gateway is to be open; answered by kListening{the same,
//                    a blank, and "" or why it cannot be} with its listener. The keeper keeps it open
//                    until kUnlisten{"ADDRESS:PORT"}: proxies come and go.
//   either end closing the socket: the proxy exits when the keeper is gone.
//
// Upgrade in place (docs/design/upgrade.md): the keeper starts a second proxy while the first serves.
//   keeper → proxy   kStandBy + descriptors, instead of kBootstrap and with the same content: accept
//                    nothing, tell the control plane and the ruleset nothing. kReady then means that
//                    certificate and configuration are there. (A proxy from before this message refuses
//                    it with kFailed, as every message that is no bootstrap: the keeper keeps the old.)
//   keeper → proxy   kRetire{"MILLISECONDS"}, to the first: accept no more; what is open may go on for so
//                    long. A second one may shorten the time.
//   proxy  → keeper  kRetired{"COUNT"}: it accepts no more; so many connections are open. Said again when
//                    the count has changed.
//   keeper → proxy   kTakeOver, to the second: accept, speak for the instance.
//   proxy  → keeper  kFinished{"ENDED CUT"}, the last word of the first: so many connections ended by
//                    themselves, so many streams and opaque connections were cut.
//
// Levels. The keeper is as old as its instance, the proxy as new as the last upgrade: the bootstrap says
// what level of this page the keeper speaks. A proxy that needs a higher one says kFailed; a keeper
// ignores messages it does not know.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace weft::capture {

constexpr int kHandoffFd = 3;
// Fixed ports inside the namespace; the app cannot bind them.
constexpr uint16_t kOutboundPort = 15001;
constexpr uint16_t kDnsPort = 15053;
constexpr int kSocketBatch = 16;
constexpr const char* kDiagSocket = "diag";

enum class HandoffKind : uint8_t {
  kBootstrap = 1,
  kReady = 2,
  kNeedSockets = 3,
  kSockets = 4,
  kDrain = 5,
  kDrained = 6,
  kRefused = 7,
  kFailed = 8,
  kRefusedCounts = 9,
  kRefusedPort = 10,
  kDeclare = 11,
  kDeclared = 12,
  kEnd = 13,
  kStandBy = 14,
  kRetire = 15,
  kRetired = 16,
  kTakeOver = 17,
  kFinished = 18,
  kListen = 19,
  kListening = 20,
  kUnlisten = 21,
};

// 1 had no upgrade, and listeners that were redirected to instead of transparent ones.
constexpr uint32_t kHandoffLevel = 2;       // of this page
constexpr uint32_t kLeastHandoffLevel = 2;  // of a keeper that this proxy can live under

// Order of descriptors with kBootstrap. Those marked * are absent in --explicit mode. Behind them come the
// listeners of the doors that the message says are handed over: --publish first, then --upstream.
enum class BootstrapFd : uint8_t {
  kSvidMemory,     // memfd that outlives the proxy: a weft.v1.SvidMemory
  kInboundListen,  // host namespace, the advertised mTLS port (v4; dual-stack where possible)
  kOutbound4,      // * TCP listener inside, 127.0.0.1:kOutboundPort
  kOutbound6,      // * [::1]:kOutboundPort
  kDnsUdp4,        // *
  kDnsUdp6,        // *
  kDnsTcp4,        // *
  kDnsTcp6,        // *
  kSockDiag,  // * NETLINK_SOCK_DIAG socket made inside: lists what the app listens on (sock_diag(7))
};

struct HandoffMessage {
  HandoffKind kind;
  std::string text;
  std::vector<int> fds;  // owned by whoever received the message
};

// One message; blocking sockets block, non-blocking ones return kUnavailable when full.
Result<void> send_handoff(int socket, HandoffKind kind, std::string_view text,
                          const std::vector<int>& fds = {});
// kUnavailable: nothing there now (non-blocking). kClosed: the other end is gone.
Result<HandoffMessage> receive_handoff(int socket);

}  // namespace weft::capture
