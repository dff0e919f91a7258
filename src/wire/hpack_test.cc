// HPACK against the examples of RFC 7541 Appendix C and against octets that must be refused.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "base/random.h"
#include "wire/hpack_encoder.h"
#include "wire/hpack_huffman.h"
#include "wire/hpack_test_support.h"

namespace weft::wire {
namespace {

using hpack_test::decode;
using hpack_test::Inflater;
using hpack_test::Lines;
using hpack_test::octets;

std::string encode(HpackEncoder& encoder, const Lines& lines) {
  Buffer out;
  encoder.begin(out);
  for (const auto& [name, value] : lines) encoder.encode(out, name, value);
  return out.to_string();
}

std::string huffman(std::string_view text) {
  std::string out(huffman_size(text), '\0');
  EXPECT_EQ(huffman_encode(text, out.data()), out.data() + out.size());
  return out;
}

std::optional<std::string> unhuffman(std::string_view text) {
  std::string out(huffman_decoded_bound(text.size()), '\0');
  const auto size = huffman_decode(text, out.data());
  if (!size) return std::nullopt;
  out.resize(*size);
  return out;
}

TEST(Huffman, CodesTheExamplesOfTheRfc) {
  const std::pair<std::string, std::string> examples[] = {
      {"www.example.com", "f1e3c2e5f23a6ba0ab90f4ff"},
      {"no-cache", "a8eb10649cbf"},
      {"custom-value", "25a849e95bb8e8b4bf"},
      {"Mon, 21 Oct 2013 20:13:21 GMT", "d07abe941054d444a8200595040b8166e082a62d1bff"},
      {"foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1",
       "94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d500"
       "7"},
  };
  for (const auto& [text, hex] : examples) {
    EXPECT_EQ(huffman(text), octets(hex)) << text;
    EXPECT_EQ(unhuffman(octets(hex)), text) << text;
  }
}

TEST(Huffman, CodesEveryOctet) {
  std::string all;
  for (int c = 0; c < 256; ++c) {
    const std::string one(3, static_cast<char>(c));
    EXPECT_EQ(unhuffman(huffman(one)), one) << c;
    all += static_cast<char>(c);
  }
  EXPECT_EQ(unhuffman(huffman(all)), all);
}

TEST(Huffman, RefusesEosAndFalsePadding) {
  EXPECT_EQ(unhuffman(octets("ffffffff")), std::nullopt);  // EOS
  EXPECT_EQ(unhuffman(octets("fffffffc")), std::nullopt);  // EOS, then zeros
  EXPECT_EQ(unhuffman(octets("1fff")), std::nullopt);      // 'a' and 11 bits of padding
  EXPECT_EQ(unhuffman(octets("18")), std::nullopt);        // 'a' and zeros
  EXPECT_EQ(unhuffman(octets("ff")), std::nullopt);        // nothing but 8 bits of padding
  EXPECT_EQ(unhuffman(octets("1f")), "a");
  EXPECT_EQ(unhuffman(""), "");
}

// RFC 7541 C.3 and C.4: three requests, plain and Huffman-coded.
TEST(HpackDecoder, ReadsTheRequestsOfTheRfc) {
  const std::string forms[2][3] = {
      {"828684410f7777772e6578616d706c652e636f6d", "828684be58086e6f2d6361636865",
       "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565"},
      {"828684418cf1e3c2e5f23a6ba0ab90f4ff", "828684be5886a8eb10649cbf",
       "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf"},
  };
  for (const auto& form : forms) {
    HpackDecoder decoder;
    EXPECT_EQ(decode(decoder, octets(form[0])), (Lines{{":method", "GET"},
                                                       {":scheme", "http"},
                                                       {":path", "/"},
                                                       {":authority", "www.example.com"}}));
    EXPECT_EQ(decode(decoder, octets(form[1])), (Lines{{":method", "GET"},
                                                       {":scheme", "http"},
                                                       {":path", "/"},
                                                       {":authority", "www.example.com"},
                                                       {"cache-control", "no-cache"}}));
    EXPECT_EQ(decode(decoder, octets(form[2])), (Lines{{":method", "GET"},
                                                       {":scheme", "https"},
                                                       {":path", "/index.html"},
                                                       {":authority", "www.example.com"},
                                                       {"custom-key", "custom-value"}}));
  }
}

// RFC 7541 C.5: responses with a table of 256 octets, so that entries are evicted.
TEST(HpackDecoder, EvictsAsTheRfcShows) {
  HpackDecoder decoder;
  ASSERT_EQ(
      decode(decoder,
             octets("3fe101"
                    "4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31"
                    "333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d"))
          ->size(),
      4u);
  const auto second = decode(decoder, octets("4803333037c1c0bf"));
  ASSERT_TRUE(second);
  EXPECT_EQ((*second)[0].second, "307");
  EXPECT_EQ((*second)[3],
            std::pair(std::string("location"), std::string("https://www.example.com")));
  // ":status: 302" is gone: the table has four entries, 62 to 65.
  EXPECT_EQ(decode(decoder, octets("c2")), std::nullopt);
}

TEST(HpackDecoder, RefusesWhatTheRfcForbids) {
  const std::pair<const char*, const char*> blocks[] = {
      {"80", "index 0"},
      {"be", "an index past the end of the dynamic table"},
      {"7f7f", "an integer that does not end"},
      {"7e0161", "a name index past the end"},
      {"3fe21f", "a table size above the limit"},
      {"8220", "a size update after a field"},
      {"ffffffffffffffff7f", "an integer beyond all bounds"},
      {"ff8080808080808000", "an integer with too many octets"},
      {"4082", "a name that ends early"},
      {"0001610261", "a value that ends early"},
      {"000161", "no value"},
      {"00", "no name"},
  };
  for (const auto& [hex, why] : blocks) {
    HpackDecoder decoder;
    EXPECT_EQ(decode(decoder, octets(hex)), std::nullopt) << why;
  }
}

TEST(HpackDecoder, WantsASizeUpdateAfterTheLimitFell) {
  HpackDecoder decoder;
  decoder.set_limit(100);
  EXPECT_EQ(decode(decoder, octets("82")), std::nullopt);

  HpackDecoder obeyed;
  obeyed.set_limit(100);
  EXPECT_EQ(decode(obeyed, octets("3f4582")), (Lines{{":method", "GET"}}));  // 31 + 69 = 100
  EXPECT_EQ(decode(obeyed, octets("82")), (Lines{{":method", "GET"}}));
}

TEST(HpackDecoder, TellsNeverIndexedFieldsApart) {
  HpackDecoder decoder;
  decoder.begin(
      std::string_view("\x10\x01"
                       "a\x01"
                       "b",
                       5));
  HpackField field;
  ASSERT_EQ(decoder.next(field), HpackDecoder::Step::kField);
  EXPECT_TRUE(field.never_indexed);
}

TEST(HpackDecoder, KeepsANameThatItsOwnInsertionEvicts) {
  HpackDecoder decoder;
  const std::string name(2000, 'n');
  std::string block = octets("407fd10e00").substr(0, 1);
  block += octets("7fd10e");  // 127 + 0x51 + (0x0e << 7) = 2000
  block += name + octets("0161");
  ASSERT_TRUE(decode(decoder, block));
  // The name of entry 62 with a value that leaves no room for it.
  std::string second = octets("7e") + octets("7fd10e") + std::string(2000, 'v');
  const auto lines = decode(decoder, second);
  ASSERT_TRUE(lines);
  EXPECT_EQ((*lines)[0].first, name);
}

TEST(HpackEncoder, NamesRepeatedFieldsByTheirIndex) {
  HpackEncoder encoder;
  const Lines request = {{":method", "GET"}, {":authority", "a.test"}, {"x-own", "1"}};
  const size_t first = encode(encoder, request).size();
  encode(encoder, request);
  EXPECT_GT(first, request.size());
  EXPECT_EQ(encode(encoder, request).size(), request.size());
}

TEST(HpackEncoder, DoesNotLetChangingValuesPushOutWhatRepeats) {
  HpackEncoder encoder;
  encode(encoder, {{":authority", "a.test"}});
  for (int i = 0; i < 1000; ++i) {
    encode(encoder, {{":path", "/" + std::to_string(i)}, {"x-request-id", std::to_string(i * 7)}});
  }
  EXPECT_EQ(encode(encoder, {{":authority", "a.test"}}).size(), 1u);
}

TEST(HpackEncoder, NeverIndexesSecrets) {
  for (const auto& [name, value] :
       Lines{{"authorization", "Bearer abc"}, {"cookie", "a=b"}, {"proxy-authorization", "x"}}) {
    HpackEncoder encoder;
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(encode(encoder, {{name, value}})[0] & 0xf0, 0x10) << name;
    }
  }
}

TEST(HpackEncoder, LeavesLiteralsPlainForWhoIsNear) {
  HpackEncoder encoder(/*plain_literals=*/true);
  const Lines lines = {{":path", "/aaaaaaaaaaaa"}};
  // RFC 7541 §6.2.2: without indexing, the name by its index 4, then 13 octets as they are.
  EXPECT_EQ(encode(encoder, lines), octets("040d") + "/aaaaaaaaaaaa");
  HpackEncoder squeezing;
  EXPECT_LT(encode(squeezing, lines).size(), 15u);
}

TEST(HpackEncoder, TellsBothEndsOfAChangeOfTheTable) {
  HpackEncoder encoder;
  const Lines lines = {{"user-agent", "weft"}};
  encode(encoder, lines);
  encoder.set_limit(0);
  encoder.set_limit(1000);
  const std::string block = encode(encoder, lines);
  EXPECT_EQ(block.substr(0, 4), octets("203fc907"));  // 0, then 31 + 0x49 + (7 << 7) = 1000
  HpackDecoder decoder;
  EXPECT_EQ(decode(decoder, block), lines);
}

// Any lists, through both our decoder and another one, with the table changing its size in between.
TEST(HpackEncoder, IsUnderstoodByOthers) {
  SeededRandom random(7);
  HpackEncoder encoder;
  HpackDecoder decoder;
  Inflater inflater;
  for (int round = 0; round < 2000; ++round) {
    if (random.below(50) == 0) {
      const size_t limit = random.below(5000);
      encoder.set_limit(limit);
      decoder.set_limit(limit);
      inflater.set_limit(limit);
    }
    Lines lines;
    for (uint64_t i = random.below(12); i > 0; --i) {
      std::string name = random.below(3) == 0
                             ? std::string(hpack_static(1 + random.below(kHpackStaticCount)).name)
                             : "x-" + std::to_string(random.below(40));
      lines.emplace_back(std::move(name),
                         std::string(random.below(120), static_cast<char>(random.below(256))));
    }
    const std::string block = encode(encoder, lines);
    ASSERT_EQ(decode(decoder, block), lines);
    ASSERT_EQ(inflater.decode(block), lines);
  }
}

}  // namespace
}  // namespace weft::wire
