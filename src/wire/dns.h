// DNS messages for a small server that answers for the mesh and forwards the rest: RFC 1035 with
// EDNS0 (RFC 6891) and SRV (RFC 2782). Plain values; no sockets, no cache. Parsing is strict: what
// does not fit exactly is an error, compression pointers lead only backwards and at most kMaxJumps
// times, names have at most 255 bytes. What is forwarded is never re-encoded: only its id is
// changed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/buffer.h"
#include "base/ip.h"
#include "base/result.h"

namespace weft::wire {

enum class DnsType : uint16_t {
  kA = 1,
  kNs = 2,
  kCname = 5,
  kSoa = 6,
  kPtr = 12,
  kTxt = 16,
  kAaaa = 28,
  kSrv = 33,
  kOpt = 41,
  kAny = 255,
};

enum class DnsCode : uint16_t {
  kNoError = 0,
  kFormErr = 1,
  kServFail = 2,
  kNxDomain = 3,
  kNotImp = 4,
  kRefused = 5,
  kBadVers = 16,  // of EDNS
};

inline constexpr uint16_t kDnsClassIn = 1;

// Names are text without the final dot ("cart.default.svc.mesh", "" is the root) in the letter case
// of the wire; a byte that is no letter, digit, '-' or '_' is written \DDD.
std::string dns_lower(std::string_view name);

struct DnsQuestion {
  std::string name;
  DnsType type{};
  uint16_t klass = kDnsClassIn;
};

struct DnsName {  // CNAME, NS, PTR
  std::string name;
};
struct DnsSrv {
  uint16_t priority = 0, weight = 0, port = 0;
  std::string target;
};
struct DnsSoa {
  std::string primary, mailbox;
  uint32_t serial = 0, refresh = 0, retry = 0, expire = 0;
  uint32_t minimum = 0;  // how long a negative answer may be kept (RFC 2308)
};
struct DnsRaw {  // any other type
  std::string bytes;
};

struct DnsRecord {
  std::string name;
  DnsType type{};
  uint16_t klass = kDnsClassIn;
  uint32_t ttl = 0;  // seconds
  std::variant<IpAddress, DnsName, DnsSrv, DnsSoa, DnsRaw> data;
};

struct DnsEdns {
  uint16_t udp_size = 1232;  // what the sender can receive
  uint8_t version = 0;
  bool dnssec_ok = false;
};

struct DnsMessage {
  uint16_t id = 0;
  bool response = false;
  uint8_t opcode = 0;
  bool authoritative = false, truncated = false;
  bool recursion_desired = false, recursion_available = false;
  DnsCode code = DnsCode::kNoError;
  std::vector<DnsQuestion> questions;
  std::vector<DnsRecord> answers, authority, additional;  // without the OPT record
  std::optional<DnsEdns> edns;
};

Result<DnsMessage> parse_dns(std::string_view bytes);
// The same for what a client asks: one question, opcode QUERY, no answers. kUnsupported for another
// opcode, kInvalid for anything else that is wrong.
Result<DnsMessage> parse_dns_query(std::string_view bytes);

// The beginning of an answer: id, question and flags of the query, EDNS when the query has it.
DnsMessage dns_reply_to(const DnsMessage& query, DnsCode code);
// At most `limit` bytes: what does not fit loses its additional records, then leaves as question
// only, with TC set, so that the client asks again over TCP.
std::string build_dns(const DnsMessage& message, size_t limit);
// How long a UDP answer to this query may be: 512, or what EDNS offers up to 1232 (no fragments).
size_t dns_udp_limit(const DnsMessage& query);
inline constexpr size_t kDnsTcpLimit = 65535;
// A bare refusal for bytes that do not parse as a query. Empty when nothing may be answered: no
// whole header, or it is itself an answer.
std::string dns_refusal(std::string_view message, DnsCode code);

// Forwarding. The id of a message of at least 12 bytes; 0 for shorter ones.
uint16_t dns_id(std::string_view message);
void set_dns_id(std::string& message, uint16_t id);
// Is this a response with that id to exactly this question (RFC 5452, section 9.1)? `query` is the
// message that was sent.
bool dns_answers(std::string_view response, std::string_view query);

// TCP framing, RFC 1035, section 4.2.2: two bytes of length before each message.
void append_dns_frame(Buffer& out, std::string_view message);
// The next whole message, taken off the front; nothing until it is all there.
std::optional<std::string> take_dns_frame(Buffer& in);

}  // namespace weft::wire
