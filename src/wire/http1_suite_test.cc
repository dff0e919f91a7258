// Runs the llhttp message vectors (external test data, see its README for the format) against the
// parser: a case whose log ends in an error must be refused, any other must give the same messages.
// Both whole and in one-octet pieces and in every cut into two.
//
// Weft asks for a Host line in HTTP/1.1, most vectors have none: the runner puts one in where the parser
// misses it and takes it out of the result. Weft hands heads out whole: a message whose head is not
// complete is not compared. The README's count of 251 is that of the `http` blocks; the 21 `url` blocks
// test a URL splitter of llhttp's API that Weft does not have. Where Weft answers otherwise on purpose the case stands in
// http1_suite_exceptions.h with the reason, and counts as counted out.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "wire/http1_parser.h"
#include "wire/http1_suite_exceptions.h"
#include "wire/http1_syntax.h"

namespace weft::wire {
namespace {

struct Case {
  std::string id;  // file: heading
  std::string type;
  bool pause = false;
  bool skip_body = false;  // the answer to a HEAD request
  std::string input;
  std::vector<std::string> log;
};

struct Message {
  std::string method, target, version, status, reason, body;
  std::vector<std::pair<std::string, std::string>> fields;
  bool head_complete = false;
  bool complete = false;

  std::string text() const {
    std::string out = method + " " + target + " " + version + " " + status + " " + reason + "\n";
    for (const auto& [name, value] : fields) out += name + ": " + value + "\n";
    return out + "[" + body + "]" + (complete ? "." : "") + "\n";
  }
};

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

// The README's rules for turning a block into octets.
std::string octets_of(std::string text) {
  if (text.ends_with('\n')) text.pop_back();
  replace_all(text, "\\\n", "");
  replace_all(text, "\n", "\r\n");
  std::string out;
  auto is_octal = [](char c) { return c >= '0' && c <= '7'; };
  for (size_t i = 0; i < text.size(); ++i) {
    const char next = i + 1 < text.size() ? text[i + 1] : '\0';
    if (text[i] != '\\') {
      out += text[i];
    } else if (next == 'r' || next == 'n' || next == 't' || next == 'f') {
      out += next == 'r' ? '\r' : next == 'n' ? '\n' : next == 't' ? '\t' : '\f';
      ++i;
    } else if (next == 'x') {
      size_t end = i + 2;
      while (end < text.size() && std::isxdigit(static_cast<unsigned char>(text[end]))) ++end;
      out += static_cast<char>(std::stoul(text.substr(i + 2, end - i - 2), nullptr, 16));
      i = end - 1;
    } else if (is_octal(next)) {
      size_t end = i + 1;
      while (end < text.size() && end < i + 4 && is_octal(text[end])) ++end;
      out += static_cast<char>(std::stoul(text.substr(i + 1, end - i - 1), nullptr, 8));
      i = end - 1;
    } else {
      out += text[i];
    }
  }
  return out;
}

std::vector<Case> read_cases(const std::filesystem::path& root) {
  std::vector<std::filesystem::path> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(root)) {
    if (entry.path().extension() == ".md") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  std::vector<Case> cases;
  for (const auto& file : files) {
    std::ifstream in(file);
    std::string line, heading, meta, block, last, body;
    while (std::getline(in, line)) {
      if (!block.empty()) {
        if (line != "```") {
          body += line + "\n";
          continue;
        }
        if (block == "log" && last == "http") {
          std::istringstream log(body);
          for (std::string entry; std::getline(log, entry);) cases.back().log.push_back(entry);
        } else if (block == "http") {
          Case c;
          c.id = std::filesystem::relative(file, root).string() + ": " + heading;
          const size_t at = meta.find("\"type\"");
          if (at != std::string::npos) {
            const size_t from = meta.find('"', meta.find(':', at)) + 1;
            c.type = meta.substr(from, meta.find('"', from) - from);
          }
          c.pause = meta.find("\"pause\"") != std::string::npos;
          c.skip_body = meta.find("\"skipBody\"") != std::string::npos;
          c.input = octets_of(body);
          cases.push_back(std::move(c));
        }
        last = block;
        block.clear();
      } else if (line.starts_with("```http") || line.starts_with("```url") ||
                 line.starts_with("```log")) {
        block = line.substr(3);
        body.clear();
      } else if (line.starts_with("##")) {
        heading = line.substr(line.find_first_not_of("# "));
      } else if (line.starts_with("<!-- meta=")) {
        meta = line;
      }
    }
  }
  return cases;
}

struct Expected {
  std::vector<Message> messages;
  bool refused = false;
  std::optional<int> finish;  // what llhttp says of the end: 0 safe, 1 ends the message, 2 cuts it
};

Expected expected_of(const Case& c) {
  Expected out;
  bool in_trailers = false, new_field = true, new_value = true;
  for (const std::string& line : c.log) {
    int off = 0, len = 0, code = 0;
    char span[64] = {};
    if (line.find("message begin") != std::string::npos) {
      out.messages.emplace_back();
      in_trailers = false;
      new_field = true;
    } else if (std::sscanf(line.c_str(), "off=NULL finish=%d", &code) == 1) {
      out.finish = code;
    } else if (std::sscanf(line.c_str(), "off=%d error code=%d", &off, &code) == 2) {
      // 21 to 23 tell the caller to stop and look: upgrades and pauses, not refusals.
      out.refused = code < 21 || code > 23;
    } else if (out.messages.empty()) {
      continue;
    } else if (std::sscanf(line.c_str(), "off=%d len=%d span[%63[^]]", &off, &len, span) == 3) {
      Message& m = out.messages.back();
      const std::string text = c.input.substr(static_cast<size_t>(off), static_cast<size_t>(len));
      const std::string_view kind(span);
      if (kind == "method") m.method += text;
      if (kind == "url") m.target += text;
      if (kind == "version") m.version += text;
      if (kind == "status") m.reason += text;
      if (kind == "body") m.body += text;
      if (in_trailers) continue;
      if (kind == "header_field") {
        if (new_field) m.fields.emplace_back();
        new_field = false;
        new_value = true;
        m.fields.back().first += text;
      }
      if (kind == "header_value") {
        if (new_value && !m.fields.back().second.empty()) m.fields.back().second.clear();
        new_value = false;
        m.fields.back().second += text;
      }
    } else if (line.find("header_field complete") != std::string::npos ||
               line.find("header_value complete") != std::string::npos) {
      new_field = true;
    } else if (line.find("headers complete") != std::string::npos) {
      in_trailers = out.messages.back().head_complete = true;
      const size_t at = line.find("status=");
      if (at != std::string::npos)
        out.messages.back().status = std::to_string(std::atoi(line.c_str() + at + 7));
    } else if (line.find("message complete") != std::string::npos) {
      out.messages.back().complete = true;
    }
  }
  std::erase_if(out.messages, [](const Message& m) { return !m.head_complete; });
  for (Message& m : out.messages) {
    // The log counts an escape above \x7f as two octets, which takes the CR along.
    for (auto& [name, value] : m.fields) {
      if (value.ends_with('\r')) value.pop_back();
      value = std::string(trim_ows(value));
    }
    // http://host and http://host?query mean the path "/" (RFC 9110 §4.2.3): Weft says so.
    const size_t authority = m.target.find("://");
    const size_t path =
        authority == std::string::npos ? authority : m.target.find_first_of("/?", authority + 3);
    if (authority != std::string::npos && (path == std::string::npos || m.target[path] == '?')) {
      m.target.insert(std::min(path, m.target.size()), "/");
    }
  }
  return out;
}

struct Outcome {
  std::vector<Message> messages;
  bool refused = false;
  std::string why;
  std::optional<int> finish;
  size_t missing_host_at = std::string::npos;  // where to put one: behind this request line

  std::string text() const {
    std::string out = refused ? "refused: " + why + "\n" : "";
    for (const Message& m : messages) out += m.text();
    return out;
  }
};

// Plays the connection around the parser as far as the vectors expect one: it stops at an upgrade and
// takes nothing after "Connection: close".
class Player {
 public:
  Player(bool request, bool skip_body)
      : request_(request),
        parser_(request ? Http1Parser::Role::kRequests : Http1Parser::Role::kResponses) {
    if (skip_body) parser_.expect_response_to("HEAD");
  }

  void feed(std::string_view bytes) {
    pending_ += bytes;
    while (!out.refused && !stopped_) {
      if (closing_ && parser_.between_messages()) {
        const size_t rest = pending_.find_first_not_of("\r\n");
        if (rest != std::string::npos) refuse("data after close");
        return;
      }
      const Http1Step step = parser_.next(pending_);
      drop(step.skip);
      switch (step.event) {
        case Http1Event::kNeedMore: return;
        case Http1Event::kHead: head(); break;
        case Http1Event::kBody:
          out.messages.back().body += pending_.substr(0, step.take);
          drop(step.take);
          break;
        case Http1Event::kEnd: end(); break;
        case Http1Event::kError:
          out.missing_host_at = parser_.error().message() == "Host is missing" ? start_of_message_
                                                                               : std::string::npos;
          refuse(parser_.error().message());
          break;
      }
    }
  }
  // The end of the input. A line that llhttp refuses in its middle is refused by us at its end.
  void finish(bool decided_early) {
    if (!out.refused && !stopped_ && decided_early) feed("\r\n\r\n");
  }
  int end_of_input() {
    const Http1Step step = parser_.end_of_stream();
    return step.event == Http1Event::kError ? 2 : step.event == Http1Event::kEnd ? 1 : 0;
  }

  Outcome out;

 private:
  void refuse(std::string why) {
    out.refused = true;
    out.why = std::move(why);
  }
  void drop(size_t size) {
    pending_.erase(0, size);
    at_ += size;
  }
  void head() {
    Message m;
    const Fields* fields = nullptr;
    if (request_) {
      const RequestHead& r = parser_.request();
      m.method = r.method;
      m.target = r.absolute_form         ? r.scheme + "://" + r.authority + r.target
                 : r.method == "CONNECT" ? r.authority
                                         : r.target;
      m.version = r.version == Version::kHttp10 ? "1.0" : "1.1";
      fields = &r.fields;
      upgrade_ = r.method == "CONNECT" ||
                 (fields->has_token("connection", "upgrade") && fields->has("upgrade"));
      closing_ = fields->has_token("connection", "close") ||
                 (r.version == Version::kHttp10 && !fields->has_token("connection", "keep-alive"));
    } else {
      const ResponseHead& r = parser_.response();
      m.status = std::to_string(r.status);
      m.reason = r.reason;
      m.version = r.version == Version::kHttp10 ? "1.0" : "1.1";
      fields = &r.fields;
      upgrade_ = r.status == 101;
      closing_ =
          !r.interim() &&
          (fields->has_token("connection", "close") ||
           (r.version == Version::kHttp10 && !fields->has_token("connection", "keep-alive")));
      m.complete = r.interim();
    }
    for (const auto& line : *fields) m.fields.emplace_back(line.name, line.value);
    out.messages.push_back(std::move(m));
    if (!request_ && upgrade_) {
      out.messages.back().complete = true;
      stopped_ = true;
    }
    if (!request_ && out.messages.back().complete) start_of_message_ = at_;
  }
  void end() {
    out.messages.back().complete = true;
    start_of_message_ = at_;
    if (request_ && upgrade_) stopped_ = true;
  }

  bool request_;
  Http1Parser parser_;
  std::string pending_;
  size_t at_ = 0;
  size_t start_of_message_ = 0;
  bool upgrade_ = false;
  bool closing_ = false;
  bool stopped_ = false;
};

Outcome play(const Case& c, std::string_view input, size_t cut, bool early) {
  Player player(c.type.starts_with("request"), c.skip_body);
  if (cut == 0) {
    for (char c : input) player.feed(std::string_view(&c, 1));
  } else {
    player.feed(input.substr(0, cut));
    player.feed(input.substr(std::min(cut, input.size())));
  }
  player.finish(early);
  if (c.type.ends_with("-finish")) player.out.finish = player.end_of_input();
  return player.out;
}

constexpr std::string_view kMadeHost = "Host: made.test\r\n";

// Plays the input whole and cut, with Host lines where they are missing.
Outcome play_all(const Case& c, bool early) {
  std::string input = c.input;
  Outcome whole;
  bool made = false;
  for (int hosts = 0; hosts < 20; ++hosts) {
    whole = play(c, input, input.size() + 1, early);
    if (whole.missing_host_at == std::string::npos) break;
    size_t line = input.find_first_not_of("\r\n", whole.missing_host_at);
    line = input.find("\r\n", line);
    input.insert(line + 2, kMadeHost);
    made = true;
  }
  for (size_t cut = 0; cut < input.size(); ++cut) {
    const Outcome other = play(c, input, cut, early);
    EXPECT_EQ(other.text(), whole.text()) << "cut at " << cut;
    if (other.text() != whole.text()) break;
  }
  for (Message& m : whole.messages) {
    // An absolute target replaces what Host says.
    const bool absolute = m.target.find("://") != std::string::npos;
    std::erase_if(m.fields, [&](const auto& f) {
      return made && f.first == "Host" && (f.second == "made.test" || absolute);
    });
  }
  return whole;
}

std::string reason_to_skip(const Case& c) {
  if (c.pause) return "tests llhttp's pausing of callbacks; Weft's parser is pulled";
  return {};
}

TEST(Http1Suite, AgreesWithTheVectorsOrSaysWhyNot) {
  const std::filesystem::path root = std::filesystem::path(WEFT_SUITES_DIR) / "http1" / "vectors";
  if (!std::filesystem::exists(root)) {
    std::printf("suite http1: not run, %s is missing\n", root.c_str());
    GTEST_SKIP() << "no external test data at " << root;
  }
  int passed = 0, total = 0, out = 0;
  std::map<std::string, int> repeated;
  for (Case& c : read_cases(root)) {
    if (const int n = ++repeated[c.id]; n > 1) c.id += " #" + std::to_string(n);
    SCOPED_TRACE(c.id);
    if (const std::string skip = reason_to_skip(c); !skip.empty()) {
      ++out;
      continue;
    }
    const bool lenient = c.type.find("lenient") != std::string::npos;
    const auto known = http1_suite_exceptions().find(c.id);
    const Expected expected = expected_of(c);
    const Outcome outcome = play_all(c, expected.refused || lenient);
    std::string difference;
    if (lenient) {
      // These switch llhttp's strictness off and are not for comparison; Weft has to refuse the input.
      if (!outcome.refused) difference = "accepted: " + outcome.text();
    } else if (expected.refused != outcome.refused) {
      difference = "expected " + std::string(expected.refused ? "refused" : "accepted") + ", got " +
                   outcome.text();
    } else if (!expected.refused) {
      std::string text;
      for (const Message& m : expected.messages) text += m.text();
      if (text != outcome.text() || expected.finish != outcome.finish)
        difference = "expected\n" + text + "got\n" + outcome.text();
    }
    if (lenient) {
      ++out;
      if (!difference.empty()) ADD_FAILURE() << c.id << "\n" << difference;
      continue;
    }
    if (known != http1_suite_exceptions().end()) {
      ++out;
      EXPECT_FALSE(difference.empty()) << c.id << " agrees: take it off the list";
      continue;
    }
    ++total;
    if (difference.empty()) {
      ++passed;
    } else {
      ADD_FAILURE() << c.id << "\n" << difference;
    }
  }
  std::printf("suite http1: %d of %d, %d counted out\n", passed, total, out);
  EXPECT_EQ(total + out, 251);
}

}  // namespace
}  // namespace weft::wire
