#include "wire/dns.h"

#include <gtest/gtest.h>

#include <string>

namespace weft::wire {
namespace {

using namespace std::string_literals;

// "cart.default" A IN, id 0x1234, recursion desired (laid out by hand, RFC 1035, section 4).
const std::string kQuery =
    "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00"s
    "\x04"
    "cart"
    "\x07"
    "default\0"
    "\x00\x01\x00\x01"s;
// The same with EDNS0: UDP size 1232, DO set (RFC 6891, section 6.1).
const std::string kEdnsQuery = "\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x01"s +
                               kQuery.substr(12) + "\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x00"s;

DnsMessage parsed(std::string_view bytes) {
  auto message = parse_dns(bytes);
  EXPECT_TRUE(message) << message.error().message();
  return message ? std::move(*message) : DnsMessage{};
}

TEST(DnsTest, ReadsAQuery) {
  const auto query = parse_dns_query(kQuery);
  ASSERT_TRUE(query);
  EXPECT_EQ(query->id, 0x1234);
  EXPECT_TRUE(query->recursion_desired);
  EXPECT_FALSE(query->response);
  EXPECT_FALSE(query->edns);
  ASSERT_EQ(query->questions.size(), 1u);
  EXPECT_EQ(query->questions[0].name, "cart.default");
  EXPECT_EQ(query->questions[0].type, DnsType::kA);
  EXPECT_EQ(query->questions[0].klass, kDnsClassIn);
  EXPECT_EQ(dns_udp_limit(*query), 512u);
}

TEST(DnsTest, ReadsEdns) {
  const auto query = parse_dns_query(kEdnsQuery);
  ASSERT_TRUE(query) << query.error().message();
  ASSERT_TRUE(query->edns);
  EXPECT_EQ(query->edns->udp_size, 1232);
  EXPECT_EQ(query->edns->version, 0);
  EXPECT_TRUE(query->edns->dnssec_ok);
  EXPECT_TRUE(query->additional.empty());
  EXPECT_EQ(dns_udp_limit(*query), 1232u);
}

TEST(DnsTest, KeepsTheUdpLimitBetweenClassicAndUnfragmented) {
  DnsMessage query;
  for (const auto& [offered, limit] : {std::pair{0, 512}, {511, 512}, {900, 900}, {65535, 1232}}) {
    query.edns = DnsEdns{.udp_size = static_cast<uint16_t>(offered)};
    EXPECT_EQ(dns_udp_limit(query), static_cast<size_t>(limit));
  }
}

TEST(DnsTest, EveryPrefixOfAMessageIsRefused) {
  for (size_t size = 0; size < kEdnsQuery.size(); ++size) {
    EXPECT_FALSE(parse_dns(std::string_view(kEdnsQuery).substr(0, size))) << size;
  }
  EXPECT_FALSE(parse_dns(kEdnsQuery + "x"));
}

TEST(DnsTest, RefusesWhatIsNoPlainQuery) {
  std::string other_opcode = kQuery;
  other_opcode[2] = 0x29;  // UPDATE
  EXPECT_EQ(parse_dns_query(other_opcode).error().kind(), ErrorKind::kUnsupported);
  std::string response = kQuery;
  response[2] = static_cast<char>(0x81);
  EXPECT_EQ(parse_dns_query(response).error().kind(), ErrorKind::kInvalid);
  std::string two = kQuery + kQuery.substr(12);
  two[5] = 2;
  ASSERT_TRUE(parse_dns(two));
  EXPECT_EQ(parse_dns_query(two).error().kind(), ErrorKind::kInvalid);
  std::string none = kQuery.substr(0, 12);
  none[5] = 0;
  EXPECT_EQ(parse_dns_query(none).error().kind(), ErrorKind::kInvalid);
}

TEST(DnsTest, FollowsCompressionBackwards) {
  // An answer to the query whose owner is a pointer to the question's name, and a CNAME target that
  // shares its tail: "web" + pointer to "default" at offset 12 + 5.
  const std::string response = "\x12\x34\x81\x80\x00\x01\x00\x02\x00\x00\x00\x00"s +
                               kQuery.substr(12) +
                               "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\xf0\xf0\x00\x09"s +
                               "\xc0\x0c\x00\x05\x00\x01\x00\x00\x00\x3c\x00\x06\x03web\xc0\x11"s;
  const DnsMessage message = parsed(response);
  ASSERT_EQ(message.answers.size(), 2u);
  EXPECT_EQ(message.answers[0].name, "cart.default");
  EXPECT_EQ(message.answers[0].ttl, 60u);
  EXPECT_EQ(std::get<IpAddress>(message.answers[0].data).to_string(), "240.240.0.9");
  EXPECT_EQ(std::get<DnsName>(message.answers[1].data).name, "web.default");
}

TEST(DnsTest, RefusesPointersThatDoNotLeadBackwards) {
  const std::string header = "\0\1\0\0\0\1\0\0\0\0\0\0"s, tail = "\0\1\0\1"s;
  EXPECT_FALSE(parse_dns(header + "\xc0\x0c"s + tail));  // itself
  EXPECT_FALSE(parse_dns(header +
                         "\x01"
                         "a\xc0\x0c"s +
                         tail));                         // a loop through itself
  EXPECT_FALSE(parse_dns(header + "\xc0\x20"s + tail));  // forwards
  EXPECT_FALSE(parse_dns(header + "\xc0\x04"s + tail));  // into the header
  EXPECT_FALSE(parse_dns(header + "\x40xx\0"s + tail));  // a label type of no meaning
  EXPECT_FALSE(parse_dns(header + "\x80xx\0"s + tail));
}

TEST(DnsTest, BoundsTheLengthOfNames) {
  const auto query = [](size_t labels, size_t last) {
    std::string bytes = "\0\1\0\0\0\1\0\0\0\0\0\0"s;
    for (size_t i = 0; i < labels; ++i) bytes += "\x3f" + std::string(63, 'a');
    if (last > 0) bytes += static_cast<char>(last) + std::string(last, 'b');
    return bytes + "\0\0\1\0\1"s;
  };
  EXPECT_TRUE(parse_dns(query(3, 61)));   // 3 * 64 + 62 + 1 = 255
  EXPECT_FALSE(parse_dns(query(3, 62)));  // 256
  EXPECT_FALSE(parse_dns(query(4, 0)));   // 257
}

TEST(DnsTest, ALongChainOfPointersEnds) {
  // Each pointer leads to the one before: legal one by one, refused as a chain.
  std::string bytes = "\0\1\0\0\0\1\0\0\0\0\0\1"s;
  bytes += "\x01x\0\0\1\0\1"s;
  std::string raw;
  const size_t first = bytes.size() + 11;  // behind the record's fixed part with a root name
  raw += "\xc0\x0c"s;
  for (int i = 1; i < 100; ++i) {
    const size_t previous = first + 2 * (static_cast<size_t>(i) - 1);
    raw += static_cast<char>(0xc0 | previous >> 8);
    raw += static_cast<char>(previous);
  }
  bytes += "\0\0\x63\0\1\0\0\0\0"s;  // type 99
  bytes += static_cast<char>(raw.size() >> 8);
  bytes += static_cast<char>(raw.size());
  bytes += raw;
  ASSERT_TRUE(parse_dns(bytes));
  const auto ask_link = [&](size_t link) {  // a second record whose owner is that link of the chain
    const size_t at = first + 2 * link;
    std::string chained = bytes;
    chained[11] = 2;
    chained += static_cast<char>(0xc0 | at >> 8);
    chained += static_cast<char>(at);
    return parse_dns(chained + "\0\x63\0\1\0\0\0\0\0\0"s);
  };
  ASSERT_TRUE(ask_link(20));
  EXPECT_EQ(ask_link(20)->additional.at(1).name, "x");
  EXPECT_FALSE(ask_link(99));
}

TEST(DnsTest, KeepsLetterCaseAndEscapesOddBytes) {
  const std::string query =
      "\0\1\0\0\0\1\0\0\0\0\0\0\x04"
      "CaRt\x03"
      "a.b\0\0\1\0\1"s;
  const DnsMessage message = parsed(query);
  EXPECT_EQ(message.questions[0].name, "CaRt.a\\046b");
  EXPECT_EQ(dns_lower(message.questions[0].name), "cart.a\\046b");
  EXPECT_EQ(build_dns(message, 512), query);
}

TEST(DnsTest, BuildsAnAnswerByTheBook) {
  const auto query = *parse_dns_query(kEdnsQuery);
  DnsMessage reply = dns_reply_to(query, DnsCode::kNoError);
  reply.authoritative = true;
  reply.answers.push_back({.name = "cart.default",
                           .type = DnsType::kA,
                           .ttl = 30,
                           .data = *IpAddress::parse("240.240.0.9")});
  const std::string expected = "\x12\x34\x85\x80\x00\x01\x00\x01\x00\x00\x00\x01"s +
                               kQuery.substr(12) +
                               "\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x1e\x00\x04\xf0\xf0\x00\x09"s +
                               "\x00\x00\x29\x04\xd0\x00\x00\x80\x00\x00\x00"s;
  EXPECT_EQ(build_dns(reply, 512), expected);
}

TEST(DnsTest, WhatIsBuiltIsReadBack) {
  DnsMessage message;
  message.id = 7;
  message.response = true;
  message.questions.push_back({.name = "x.y", .type = DnsType::kSrv});
  message.answers.push_back(
      {.name = "x.y",
       .type = DnsType::kSrv,
       .ttl = 1,
       .data = DnsSrv{.priority = 1, .weight = 2, .port = 3, .target = "t.u"}});
  message.answers.push_back(
      {.name = "p.q", .type = DnsType::kPtr, .ttl = 2, .data = DnsName{"cart.default.svc.mesh"}});
  message.answers.push_back(
      {.name = "x.y", .type = DnsType::kAaaa, .ttl = 3, .data = *IpAddress::parse("fd00::9")});
  message.answers.push_back({.name = "x.y", .type = DnsType::kTxt, .data = DnsRaw{"\2hi"}});
  message.authority.push_back({.name = "y",
                               .type = DnsType::kSoa,
                               .ttl = 4,
                               .data = DnsSoa{.primary = "a",
                                              .mailbox = "b.c",
                                              .serial = 1,
                                              .refresh = 2,
                                              .retry = 3,
                                              .expire = 4,
                                              .minimum = 5}});
  const DnsMessage again = parsed(build_dns(message, kDnsTcpLimit));
  ASSERT_EQ(again.answers.size(), 4u);
  const auto& srv = std::get<DnsSrv>(again.answers[0].data);
  EXPECT_EQ(srv.priority, 1);
  EXPECT_EQ(srv.weight, 2);
  EXPECT_EQ(srv.port, 3);
  EXPECT_EQ(srv.target, "t.u");
  EXPECT_EQ(again.answers[1].name, "p.q");
  EXPECT_EQ(std::get<DnsName>(again.answers[1].data).name, "cart.default.svc.mesh");
  EXPECT_EQ(std::get<IpAddress>(again.answers[2].data).to_string(), "fd00::9");
  EXPECT_EQ(std::get<DnsRaw>(again.answers[3].data).bytes, "\2hi");
  const auto& soa = std::get<DnsSoa>(again.authority.at(0).data);
  EXPECT_EQ(soa.mailbox, "b.c");
  EXPECT_EQ(soa.serial, 1u);
  EXPECT_EQ(soa.minimum, 5u);
}

TEST(DnsTest, AnExtendedCodeTravelsInTheOptRecord) {
  const auto query = *parse_dns_query(kEdnsQuery);
  const DnsMessage again = parsed(build_dns(dns_reply_to(query, DnsCode::kBadVers), 512));
  EXPECT_EQ(again.code, DnsCode::kBadVers);
}

TEST(DnsTest, TruncatesWhatDoesNotFit) {
  const auto query = *parse_dns_query(kQuery);
  DnsMessage reply = dns_reply_to(query, DnsCode::kNoError);
  // 30 bytes of header and question, 16 for each answer: 30 answers fit 512 bytes, 31 do not.
  for (int i = 0; i < 30; ++i) {
    reply.answers.push_back({.name = "cart.default", .type = DnsType::kA, .data = IpAddress()});
  }
  EXPECT_EQ(parsed(build_dns(reply, 512)).answers.size(), 30u);
  reply.additional.push_back({.name = "cart.default", .type = DnsType::kA, .data = IpAddress()});
  EXPECT_FALSE(parsed(build_dns(reply, 512)).truncated);
  EXPECT_EQ(parsed(build_dns(reply, 512)).answers.size(), 30u);
  reply.answers.push_back(reply.answers[0]);
  const DnsMessage cut = parsed(build_dns(reply, 512));
  EXPECT_TRUE(cut.truncated);
  EXPECT_TRUE(cut.answers.empty());
  EXPECT_EQ(cut.questions.size(), 1u);
  EXPECT_EQ(parsed(build_dns(reply, kDnsTcpLimit)).answers.size(), 31u);
}

TEST(DnsTest, RefusesWithoutUnderstanding) {
  const std::string refusal = dns_refusal("\xab\xcd\x29\x00garbage!"s, DnsCode::kNotImp);
  EXPECT_EQ(refusal, "\xab\xcd\xa9\x84\0\0\0\0\0\0\0\0"s);
  EXPECT_EQ(dns_refusal("short", DnsCode::kFormErr), "");
  EXPECT_EQ(dns_refusal("\xab\xcd\x80\x00garbage!"s, DnsCode::kFormErr), "");
}

TEST(DnsTest, RewritesIds) {
  std::string message = kQuery;
  set_dns_id(message, 0xbeef);
  EXPECT_EQ(dns_id(message), 0xbeef);
  EXPECT_EQ(message.substr(2), kQuery.substr(2));
  std::string runt = "ab";
  set_dns_id(runt, 1);
  EXPECT_EQ(runt, "ab");
  EXPECT_EQ(dns_id(runt), 0);
}

TEST(DnsTest, KnowsWhichResponseAnswersAQuery) {
  std::string response = kQuery;
  response[2] = static_cast<char>(0x81);
  EXPECT_TRUE(dns_answers(response, kQuery));
  EXPECT_FALSE(dns_answers(kQuery, kQuery));  // no response
  std::string other_id = response;
  other_id[0] ^= 1;
  EXPECT_FALSE(dns_answers(other_id, kQuery));
  std::string other_name = response;
  other_name[13] = 'd';
  EXPECT_FALSE(dns_answers(other_name, kQuery));
  std::string other_type = response;
  other_type[response.size() - 3] = 28;
  EXPECT_FALSE(dns_answers(other_type, kQuery));
  std::string other_case = response;
  other_case[13] = 'C';
  EXPECT_TRUE(dns_answers(other_case, kQuery));
  // A bare error without the question is an answer; a bare success is not.
  EXPECT_TRUE(dns_answers("\x12\x34\x81\x81\0\0\0\0\0\0\0\0"s, kQuery));
  EXPECT_FALSE(dns_answers("\x12\x34\x81\x80\0\0\0\0\0\0\0\0"s, kQuery));
  EXPECT_FALSE(dns_answers("\x12\x34", kQuery));
}

TEST(DnsTest, FramesMessagesOnTcp) {
  Buffer buffer;
  append_dns_frame(buffer, "first");
  append_dns_frame(buffer, "");
  append_dns_frame(buffer, "third");
  EXPECT_EQ(buffer.view().substr(0, 7), "\0\5first"s);
  Buffer in;
  std::vector<std::string> taken;
  for (const char c : buffer.view()) {
    in.append(c);
    while (auto message = take_dns_frame(in)) taken.push_back(std::move(*message));
  }
  EXPECT_EQ(taken, (std::vector<std::string>{"first", "", "third"}));
  EXPECT_TRUE(in.empty());
}

}  // namespace
}  // namespace weft::wire
