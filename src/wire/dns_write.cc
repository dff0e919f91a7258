// The writing half of the DNS codec. Of compression it uses the one case that matters, an owner
// name equal to the question's (RFC 1035, section 4.1.4): that is nearly every record of our
// answers.
#include <array>
#include <utility>

#include "base/assert.h"
#include "wire/dns.h"

namespace weft::wire {
namespace {

constexpr size_t kHeader = 12;
constexpr uint16_t kQuestionPointer = 0xc000 | kHeader;
constexpr uint16_t kOurUdpSize = 1232;

void put_u16(std::string& out, uint32_t value) {
  out += static_cast<char>(value >> 8);
  out += static_cast<char>(value);
}
void put_u32(std::string& out, uint32_t value) {
  put_u16(out, value >> 16);
  put_u16(out, value);
}

// Names come from our parser or are made of checked labels: too long a one is our own mistake.
void put_name(std::string& out, std::string_view name) {
  std::string label;
  const size_t begin = out.size();
  const auto end_label = [&] {
    WEFT_ASSERT(!label.empty() && label.size() <= 63);
    out += static_cast<char>(label.size());
    out += label;
    label.clear();
  };
  for (size_t i = 0; i < name.size(); ++i) {
    if (name[i] == '.') {
      end_label();
    } else if (name[i] == '\\' && i + 3 < name.size()) {
      label += static_cast<char>((name[i + 1] - '0') * 100 + (name[i + 2] - '0') * 10 +
                                 (name[i + 3] - '0'));
      i += 3;
    } else {
      label += name[i];
    }
  }
  if (!name.empty()) end_label();
  out += '\0';
  WEFT_ASSERT(out.size() - begin <= 255);
}

struct DataWriter {
  std::string& out;
  void operator()(const IpAddress& address) const { out += address.to_bytes(); }
  void operator()(const DnsName& name) const { put_name(out, name.name); }
  void operator()(const DnsSrv& srv) const {
    put_u16(out, srv.priority);
    put_u16(out, srv.weight);
    put_u16(out, srv.port);
    put_name(out, srv.target);  // RFC 2782: never compressed
  }
  void operator()(const DnsSoa& soa) const {
    put_name(out, soa.primary);
    put_name(out, soa.mailbox);
    for (const uint32_t value : {soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum}) {
      put_u32(out, value);
    }
  }
  void operator()(const DnsRaw& raw) const { out += raw.bytes; }
};

void put_record(std::string& out, const DnsRecord& record, const DnsMessage& message) {
  if (!message.questions.empty() && record.name == message.questions[0].name &&
      !record.name.empty()) {
    put_u16(out, kQuestionPointer);
  } else {
    put_name(out, record.name);
  }
  put_u16(out, static_cast<uint16_t>(record.type));
  put_u16(out, record.klass);
  put_u32(out, record.ttl);
  const size_t length_at = out.size();
  put_u16(out, 0);
  std::visit(DataWriter{out}, record.data);
  const size_t length = out.size() - length_at - 2;
  out[length_at] = static_cast<char>(length >> 8);
  out[length_at + 1] = static_cast<char>(length);
}

void put_opt(std::string& out, const DnsEdns& edns, DnsCode code) {
  out += '\0';
  put_u16(out, static_cast<uint16_t>(DnsType::kOpt));
  put_u16(out, edns.udp_size);
  put_u32(out, static_cast<uint32_t>(code) >> 4 << 24 | static_cast<uint32_t>(edns.version) << 16 |
                   (edns.dnssec_ok ? 0x8000u : 0u));
  put_u16(out, 0);
}

uint16_t flags_of(const DnsMessage& message) {
  return static_cast<uint16_t>(
      (message.response ? 0x8000 : 0) | message.opcode << 11 |
      (message.authoritative ? 0x0400 : 0) | (message.truncated ? 0x0200 : 0) |
      (message.recursion_desired ? 0x0100 : 0) | (message.recursion_available ? 0x0080 : 0) |
      (static_cast<uint16_t>(message.code) & 0xf));
}

}  // namespace

DnsMessage dns_reply_to(const DnsMessage& query, DnsCode code) {
  DnsMessage reply;
  reply.id = query.id;
  reply.response = true;
  reply.recursion_desired = query.recursion_desired;
  reply.recursion_available = true;
  reply.code = code;
  reply.questions = query.questions;
  if (query.edns) {
    reply.edns = DnsEdns{.udp_size = kOurUdpSize, .dnssec_ok = query.edns->dnssec_ok};
  }
  return reply;
}

std::string build_dns(const DnsMessage& message, size_t limit) {
  std::string out;
  put_u16(out, message.id);
  put_u16(out, flags_of(message));
  const std::array<size_t, 4> counts = {message.questions.size(), message.answers.size(),
                                        message.authority.size(),
                                        message.additional.size() + (message.edns ? 1 : 0)};
  for (const size_t count : counts) put_u16(out, static_cast<uint32_t>(count));
  for (const DnsQuestion& question : message.questions) {
    put_name(out, question.name);
    put_u16(out, static_cast<uint16_t>(question.type));
    put_u16(out, question.klass);
  }
  for (const auto* section : {&message.answers, &message.authority, &message.additional}) {
    for (const DnsRecord& record : *section) put_record(out, record, message);
  }
  if (message.edns) put_opt(out, *message.edns, message.code);
  if (out.size() <= limit || (message.truncated && message.additional.empty())) return out;

  DnsMessage shorter = message;
  if (!message.additional.empty()) {
    shorter.additional.clear();  // nobody is misled by the absence of what was not asked for
  } else {
    shorter.truncated = true;
    shorter.answers.clear();
    shorter.authority.clear();
  }
  return build_dns(shorter, limit);
}

std::string dns_refusal(std::string_view message, DnsCode code) {
  if (message.size() < kHeader || (static_cast<unsigned char>(message[2]) & 0x80) != 0) return {};
  DnsMessage refusal;
  refusal.id = dns_id(message);
  refusal.response = true;
  refusal.opcode = static_cast<uint8_t>(static_cast<unsigned char>(message[2]) >> 3 & 0xf);
  refusal.recursion_desired = (message[2] & 1) != 0;
  refusal.recursion_available = true;
  refusal.code = code;
  return build_dns(refusal, kDnsTcpLimit);
}

}  // namespace weft::wire
