// Parsing is a few lines because the language is words; a word that is not understood is an error, never
// skipped.
#include "scenarios/scenario.h"

#include <sstream>

#include "base/text.h"

namespace weft::scenarios {
namespace {

Result<std::vector<std::string>> words_of(const std::string& line) {
  std::vector<std::string> words;
  size_t at = 0;
  while (at < line.size()) {
    if (line[at] == ' ' || line[at] == '\t') {
      ++at;
    } else if (line[at] == '#') {
      break;
    } else if (line[at] == '"') {
      size_t end = line.find('"', at + 1);
      if (end == std::string::npos) return fail(ErrorKind::kInvalid, "a quote is not closed");
      words.push_back(line.substr(at + 1, end - at - 1));
      at = end + 1;
    } else {
      size_t end = line.find_first_of(" \t", at);
      if (end == std::string::npos) end = line.size();
      words.push_back(line.substr(at, end - at));
      at = end;
    }
  }
  return words;
}

}  // namespace

Result<std::vector<Step>> parse_scenario(const std::string& text) {
  std::vector<Step> steps;
  std::istringstream lines(text);
  std::string line;
  int number = 0;
  while (std::getline(lines, line)) {
    ++number;
    auto words = words_of(line);
    if (!words)
      return fail(ErrorKind::kInvalid,
                  "line " + std::to_string(number) + ": " + words.error().message());
    if (words->empty()) continue;
    Step step;
    step.line = number;
    bool expected = false;
    for (std::string& word : *words) {
      if (word == "=>") {
        expected = true;
      } else {
        (expected ? step.expected : step.words).push_back(std::move(word));
      }
    }
    if (step.words[0] == "apply" || step.words[0] == "apply-refused") {
      bool ended = false;
      while (!ended && std::getline(lines, line)) {
        ++number;
        ended = trim(line) == "end";
        if (!ended) step.block += line + "\n";
      }
      if (!ended)
        return fail(ErrorKind::kInvalid,
                    "line " + std::to_string(step.line) + ": no \"end\" follows");
    }
    steps.push_back(std::move(step));
  }
  return steps;
}

Result<void> Player::play(const std::vector<Step>& steps) {
  for (const Step& next : steps) {
    auto played = step(next);
    if (!played) {
      return std::unexpected(
          std::move(played.error()).context("line " + std::to_string(next.line)));
    }
  }
  if (mesh_.plaintext_segments() > 0) {
    return fail(ErrorKind::kInternal, std::to_string(mesh_.plaintext_segments()) +
                                          " segments of plaintext passed between sidecars");
  }
  return {};
}

}  // namespace weft::scenarios
