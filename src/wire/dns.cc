// Questions about DNS messages that need no full parse, and the reading half of the codec
// (dns_write.cc writes). Only the record types the mesh answers with are taken apart, everything
// else stays raw.
#include "wire/dns.h"

#include <algorithm>
#include <array>
#include <utility>

namespace weft::wire {
namespace {

constexpr size_t kHeader = 12;
constexpr size_t kMaxName = 255;
constexpr int kMaxJumps = 32;

std::unexpected<Error> malformed(const char* what) {
  return fail(ErrorKind::kInvalid, std::string("DNS message: ") + what);
}

uint16_t u16_at(std::string_view bytes, size_t at) {
  return static_cast<uint16_t>(static_cast<unsigned char>(bytes[at]) << 8 |
                               static_cast<unsigned char>(bytes[at + 1]));
}

bool is_plain(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
         c == '_';
}

void append_label(std::string& name, std::string_view label) {
  if (!name.empty()) name += '.';
  for (const char c : label) {
    if (is_plain(c)) {
      name += c;
      continue;
    }
    const auto byte = static_cast<unsigned char>(c);
    name += '\\';
    name += static_cast<char>('0' + byte / 100);
    name += static_cast<char>('0' + byte / 10 % 10);
    name += static_cast<char>('0' + byte % 10);
  }
}

// Walks through a message. After a failed read `good()` is false and all else reads as zero.
class Reader {
 public:
  explicit Reader(std::string_view message) : message_(message) {}
  bool good() const { return good_; }
  size_t at() const { return at_; }
  bool at_end() const { return at_ == message_.size(); }

  std::string_view bytes(size_t size) {
    if (!good_ || message_.size() - at_ < size) {
      good_ = false;
      return {};
    }
    const std::string_view taken = message_.substr(at_, size);
    at_ += size;
    return taken;
  }
  uint8_t u8() {
    const auto b = bytes(1);
    return good_ ? static_cast<uint8_t>(b[0]) : 0;
  }
  uint16_t u16() {
    const auto b = bytes(2);
    return good_ ? u16_at(b, 0) : 0;
  }
  uint32_t u32() {
    const uint32_t high = u16();
    return high << 16 | u16();
  }

  // RFC 1035, section 4.1.4.
  std::string name() {
    std::string name;
    size_t size = 1;  // on the wire, uncompressed; the root's zero
    int jumps = 0;
    size_t resume = 0;    // behind the first pointer
    size_t lowest = at_;  // a pointer must lead before everything read so far
    while (good_) {
      const uint8_t length = u8();
      if (length == 0) break;
      if ((length & 0xc0) == 0xc0) {
        const size_t target = static_cast<size_t>(length & 0x3f) << 8 | u8();
        if (resume == 0) resume = at_;
        if (target < kHeader || target >= lowest || ++jumps > kMaxJumps) good_ = false;
        at_ = lowest = target;
        continue;
      }
      size += 1u + length;
      if (length > 63 || size > kMaxName) good_ = false;
      append_label(name, bytes(length));
    }
    if (resume != 0) at_ = resume;
    if (!good_) name.clear();
    return name;
  }

 private:
  std::string_view message_;
  size_t at_ = 0;
  bool good_ = true;
};

DnsQuestion read_question(Reader& in) {
  DnsQuestion question;
  question.name = in.name();
  question.type = static_cast<DnsType>(in.u16());
  question.klass = in.u16();
  return question;
}

// The record's data, which must be exactly `size` bytes. False when it is not what its type says.
bool read_data(Reader& in, size_t size, DnsRecord& record) {
  const size_t begin = in.at();
  switch (record.type) {
    case DnsType::kA:
    case DnsType::kAaaa: {
      if (size != (record.type == DnsType::kA ? 4u : 16u)) return false;
      auto address = IpAddress::from_bytes(in.bytes(size));
      if (!address) return false;
      record.data = *address;
      break;
    }
    case DnsType::kNs:
    case DnsType::kCname:
    case DnsType::kPtr: record.data = DnsName{in.name()}; break;
    case DnsType::kSrv: {
      DnsSrv srv{.priority = in.u16(), .weight = in.u16(), .port = in.u16()};
      srv.target = in.name();
      record.data = std::move(srv);
      break;
    }
    case DnsType::kSoa: {
      DnsSoa soa{.primary = in.name()};
      soa.mailbox = in.name();
      for (uint32_t* value : {&soa.serial, &soa.refresh, &soa.retry, &soa.expire, &soa.minimum}) {
        *value = in.u32();
      }
      record.data = std::move(soa);
      break;
    }
    default: record.data = DnsRaw{std::string(in.bytes(size))};
  }
  return in.good() && in.at() == begin + size;
}

// RFC 6891, section 6.1.2: the fixed fields of OPT mean other things.
Result<DnsEdns> read_opt(const DnsRecord& record) {
  if (!record.name.empty()) return malformed("an OPT record that is not at the root");
  return DnsEdns{.udp_size = record.klass,
                 .version = static_cast<uint8_t>(record.ttl >> 16),
                 .dnssec_ok = (record.ttl & 0x8000) != 0};
}

Result<void> read_section(Reader& in, size_t count, std::vector<DnsRecord>& into,
                          DnsMessage& message, bool additional) {
  for (size_t i = 0; i < count; ++i) {
    DnsRecord record;
    record.name = in.name();
    record.type = static_cast<DnsType>(in.u16());
    record.klass = in.u16();
    record.ttl = in.u32();
    const size_t size = in.u16();
    if (!in.good() || !read_data(in, size, record)) return malformed("a damaged record");
    if (record.type != DnsType::kOpt) {
      into.push_back(std::move(record));
      continue;
    }
    if (!additional || message.edns) return malformed("a misplaced OPT record");
    auto edns = read_opt(record);
    if (!edns) return std::unexpected(std::move(edns.error()));
    message.edns = *edns;
    const auto code = static_cast<uint16_t>(message.code) | (record.ttl >> 24) << 4;
    message.code = static_cast<DnsCode>(code);
  }
  return {};
}

}  // namespace

std::string dns_lower(std::string_view name) {
  std::string lower(name);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c + ('a' - 'A'));
  }
  return lower;
}

Result<DnsMessage> parse_dns(std::string_view bytes) {
  Reader in(bytes);
  DnsMessage message;
  message.id = in.u16();
  const uint16_t flags = in.u16();
  message.response = (flags & 0x8000) != 0;
  message.opcode = static_cast<uint8_t>(flags >> 11 & 0xf);
  message.authoritative = (flags & 0x0400) != 0;
  message.truncated = (flags & 0x0200) != 0;
  message.recursion_desired = (flags & 0x0100) != 0;
  message.recursion_available = (flags & 0x0080) != 0;
  message.code = static_cast<DnsCode>(flags & 0xf);
  std::array<size_t, 4> counts{};
  for (size_t& count : counts) count = in.u16();
  if (!in.good()) return malformed("shorter than its header");

  for (size_t i = 0; i < counts[0]; ++i) {
    message.questions.push_back(read_question(in));
    if (!in.good()) return malformed("a damaged question");
  }
  std::vector<DnsRecord>* const sections[] = {&message.answers, &message.authority,
                                              &message.additional};
  for (size_t i = 0; i < 3; ++i) {
    if (auto read = read_section(in, counts[i + 1], *sections[i], message, i == 2); !read) {
      return std::unexpected(std::move(read.error()));
    }
  }
  if (!in.at_end()) return malformed("bytes behind its end");
  return message;
}

Result<DnsMessage> parse_dns_query(std::string_view bytes) {
  if (bytes.size() >= kHeader && (static_cast<unsigned char>(bytes[2]) & 0x78) != 0) {
    return fail(ErrorKind::kUnsupported, "DNS message: an opcode other than QUERY");
  }
  auto query = parse_dns(bytes);
  if (!query) return query;
  if (query->response) return malformed("a response where a query was expected");
  if (query->questions.size() != 1) return malformed("a query has exactly one question");
  if (!query->answers.empty() || !query->authority.empty())
    return malformed("a query with answers");
  return query;
}

size_t dns_udp_limit(const DnsMessage& query) {
  constexpr uint16_t kClassic = 512, kNoFragments = 1232;
  return query.edns ? std::clamp(query.edns->udp_size, kClassic, kNoFragments) : kClassic;
}

uint16_t dns_id(std::string_view message) {
  return message.size() >= kHeader ? u16_at(message, 0) : uint16_t{0};
}

void set_dns_id(std::string& message, uint16_t id) {
  if (message.size() < kHeader) return;
  message[0] = static_cast<char>(id >> 8);
  message[1] = static_cast<char>(id);
}

bool dns_answers(std::string_view response, std::string_view query) {
  if (response.size() < kHeader || query.size() < kHeader) return false;
  if ((static_cast<unsigned char>(response[2]) & 0x80) == 0) return false;
  if (u16_at(response, 0) != u16_at(query, 0)) return false;
  const uint16_t asked = u16_at(query, 4), repeated = u16_at(response, 4);
  // Servers that understand nothing of a query may leave the question out.
  if (repeated == 0) return (response[3] & 0xf) != 0;
  if (asked != repeated) return false;
  Reader from_query(query), from_response(response);
  from_query.bytes(kHeader);
  from_response.bytes(kHeader);
  for (uint16_t i = 0; i < asked; ++i) {
    const DnsQuestion a = read_question(from_query), b = read_question(from_response);
    if (!from_query.good() || !from_response.good()) return false;
    if (a.type != b.type || a.klass != b.klass || dns_lower(a.name) != dns_lower(b.name))
      return false;
  }
  return true;
}

void append_dns_frame(Buffer& out, std::string_view message) {
  out.append(static_cast<char>(message.size() >> 8));
  out.append(static_cast<char>(message.size()));
  out.append(message);
}

std::optional<std::string> take_dns_frame(Buffer& in) {
  if (in.size() < 2) return std::nullopt;
  const size_t size = u16_at(in.view(), 0);
  if (in.size() < 2 + size) return std::nullopt;
  std::string message(in.view().substr(2, size));
  in.consume(2 + size);
  return message;
}

}  // namespace weft::wire
