// Plays the HPACK stories (external test data, see its README): blocks of three other encoders are decoded
// octet by octet as their authors meant them, every prefix of a block that cuts a field is refused, and what
// we encode is read back by us and by libnghttp2. Prints how small our encoding is.
#include <gtest/gtest.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "wire/hpack_encoder.h"
#include "wire/hpack_test_support.h"

namespace weft::wire {
namespace {

using hpack_test::decode;
using hpack_test::Inflater;
using hpack_test::Lines;
using hpack_test::octets;
using nlohmann::json;

Lines lines_of(const json& one) {
  Lines out;
  for (const json& header : one["headers"]) {
    for (const auto& [name, value] : header.items())
      out.emplace_back(name, value.get<std::string>());
  }
  return out;
}

// A decoder that has read the first `blocks` blocks.
HpackDecoder after(const json& cases, size_t blocks) {
  HpackDecoder decoder;
  for (size_t i = 0; i < blocks; ++i) {
    if (cases[i].contains("header_table_size")) decoder.set_limit(cases[i]["header_table_size"]);
    decode(decoder, octets(cases[i]["wire"].get<std::string>()));
  }
  return decoder;
}

std::string decode_story(const json& cases) {
  HpackDecoder decoder;
  for (size_t i = 0; i < cases.size(); ++i) {
    if (cases[i].contains("header_table_size")) decoder.set_limit(cases[i]["header_table_size"]);
    if (decode(decoder, octets(cases[i]["wire"].get<std::string>())) != lines_of(cases[i])) {
      return "case " + std::to_string(i) + " decodes to something else";
    }
  }
  return "";
}

// A cut block is an error, or, cut between two fields, a shorter list; never another list. The first cases
// of a story suffice: every prefix needs a decoder of its own. (Up to two table size updates end without a field.)
std::string cut_story(const json& cases) {
  for (size_t i = 0; i < std::min<size_t>(cases.size(), 4); ++i) {
    const std::string block = octets(cases[i]["wire"].get<std::string>());
    const Lines whole = lines_of(cases[i]);
    size_t errors = 0;
    for (size_t size = 0; size < block.size(); ++size) {
      HpackDecoder decoder = after(cases, i);
      if (cases[i].contains("header_table_size")) decoder.set_limit(cases[i]["header_table_size"]);
      const auto lines = decode(decoder, std::string_view(block).substr(0, size));
      errors += lines ? 0 : 1;
      if (!lines) continue;
      if (lines->size() >= whole.size() ||
          !std::equal(lines->begin(), lines->end(), whole.begin())) {
        return "case " + std::to_string(i) + " cut to " + std::to_string(size) +
               " gives a wrong list";
      }
    }
    if (errors + whole.size() + 2 < block.size()) return "a cut field was not noticed";
  }
  return "";
}

struct Sizes {
  size_t raw = 0;
  size_t encoded = 0;
};

std::string encode_story(const json& cases, Sizes& sizes) {
  HpackEncoder encoder;
  HpackDecoder decoder;
  Inflater inflater;
  std::string wrong;
  for (const json& one : cases) {
    const Lines lines = lines_of(one);
    Buffer block;
    encoder.begin(block);
    for (const auto& [name, value] : lines) {
      encoder.encode(block, name, value);
      sizes.raw += name.size() + value.size();
    }
    sizes.encoded += block.size();
    if (decode(decoder, block.view()) != lines) wrong = "we read something else";
    if (inflater.decode(block.view()) != lines) wrong = "libnghttp2 reads something else";
  }
  return wrong;
}

// Percent of the raw octets that each raw story takes when encoded, as recorded; it must not get worse.
const std::map<std::string, int>& recorded() {
  static const std::map<std::string, int> kRecorded = {
      {"story_00", 38}, {"story_01", 33}, {"story_02", 21}, {"story_03", 19}, {"story_04", 19},
      {"story_05", 18}, {"story_06", 24}, {"story_07", 20}, {"story_08", 25}, {"story_09", 20},
      {"story_10", 18}, {"story_11", 23}, {"story_12", 15}, {"story_13", 18}, {"story_14", 20},
      {"story_15", 17}, {"story_16", 24}, {"story_17", 20}, {"story_18", 21}, {"story_19", 21},
      {"story_20", 16}, {"story_24", 32},
  };
  return kRecorded;
}

TEST(HpackSuite, ReadsEveryStoryAndWritesThemSmall) {
  const std::filesystem::path root = std::filesystem::path(WEFT_SUITES_DIR) / "hpack";
  if (!std::filesystem::exists(root)) {
    std::printf("suite hpack: not run, %s is missing\n", root.c_str());
    GTEST_SKIP() << "no external test data at " << root;
  }
  int passed = 0, total = 0;
  Sizes all;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.path().extension() != ".json") continue;
    std::ifstream in(entry.path());
    const json story = json::parse(in, nullptr, false);
    ASSERT_FALSE(story.is_discarded()) << entry.path();
    const json& cases = story["cases"];
    const std::string folder = entry.path().parent_path().filename();
    std::string wrong;
    if (folder == "raw-data") {
      Sizes sizes;
      wrong = encode_story(cases, sizes);
      all.raw += sizes.raw;
      all.encoded += sizes.encoded;
      const int percent = static_cast<int>(sizes.encoded * 100 / sizes.raw);
      const std::string name = entry.path().stem();
      std::printf("hpack %s: %zu of %zu octets, %d %%\n", name.c_str(), sizes.encoded, sizes.raw,
                  percent);
      const auto limit = recorded().find(name);
      if (wrong.empty() && (limit == recorded().end() || percent > limit->second))
        wrong = "larger than recorded";
    } else {
      wrong = decode_story(cases);
      if (wrong.empty()) wrong = cut_story(cases);
    }
    ++total;
    passed += wrong.empty() ? 1 : 0;
    EXPECT_EQ(wrong, "") << entry.path();
  }
  std::printf("hpack all stories: %zu of %zu octets, %zu %%\n", all.encoded, all.raw,
              all.encoded * 100 / std::max<size_t>(1, all.raw));
  std::printf("suite hpack: %d of %d, 0 counted out\n", passed, total);
  EXPECT_EQ(total, 95);
}

}  // namespace
}  // namespace weft::wire
