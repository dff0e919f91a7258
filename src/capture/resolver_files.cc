// Line by line, so that what is not understood stays as it was.
#include "capture/resolver_files.h"

namespace weft::capture {
namespace {

constexpr std::string_view kBlank = " \t";

// Calls `visit` with each line, its end of line excluded.
template <typename Visit>
void for_each_line(std::string_view text, Visit visit) {
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    visit(text.substr(0, end));
    text.remove_prefix(std::min(text.size(), end + 1));
  }
}

// Takes the next blank-separated word off the front; empty at the end.
std::string_view next_word(std::string_view& line) {
  line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size()));
  const std::string_view word = line.substr(0, line.find_first_of(kBlank));
  line.remove_prefix(word.size());
  return word;
}

// The sources of a hosts line, or nothing when the line is another one.
std::optional<std::string_view> hosts_sources(std::string_view line) {
  line = line.substr(0, line.find('#'));
  line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size()));
  constexpr std::string_view kKey = "hosts";
  if (!line.starts_with(kKey)) return std::nullopt;
  line.remove_prefix(kKey.size());
  line.remove_prefix(std::min(line.find_first_not_of(kBlank), line.size()));
  if (!line.starts_with(':')) return std::nullopt;
  return line.substr(1);
}

// "files dns", in any order, each once or not at all before the other, is what we want anyway; an action
// such as [NOTFOUND=return] could keep a question from DNS.
bool asks_files_and_dns(std::string_view sources) {
  bool files = false, dns = false;
  for (std::string_view word = next_word(sources); !word.empty(); word = next_word(sources)) {
    if (word == "files")
      files = true;
    else if (word == "dns")
      dns = true;
    else
      return false;
  }
  return files && dns;
}

}  // namespace

std::optional<std::string> nsswitch_inside(std::string_view text) {
  std::string out;
  bool changed = false;
  for_each_line(text, [&](std::string_view line) {
    auto sources = hosts_sources(line);
    if (sources && !asks_files_and_dns(*sources)) {
      changed = true;
      line = "hosts: files dns";
    }
    out.append(line).append("\n");
  });
  if (!changed) return std::nullopt;
  return out;
}

std::optional<std::string> resolv_conf_inside(std::string_view text) {
  std::string out;
  bool scoped = false;
  for_each_line(text, [&](std::string_view line) {
    std::string_view rest = line;
    if (next_word(rest) == "nameserver") {
      scoped |= rest.find('%') != std::string_view::npos;
      return;
    }
    out.append(line).append("\n");
  });
  if (!scoped) return std::nullopt;
  return out + "nameserver 127.0.0.1\n";
}

ResolvConf parse_resolv_conf(std::string_view text) {
  ResolvConf conf;
  for_each_line(text, [&](std::string_view line) {
    const std::string_view key = next_word(line);
    if (key == "nameserver") {
      const std::string_view address = next_word(line);
      if (!address.empty()) conf.nameservers.emplace_back(address);
    } else if (key == "search" || key == "domain") {
      // The last of them counts (resolv.conf(5)).
      conf.search.clear();
      for (std::string_view word = next_word(line); !word.empty(); word = next_word(line))
        conf.search.emplace_back(word);
    }
  });
  if (conf.nameservers.empty()) conf.nameservers.emplace_back("127.0.0.1");
  return conf;
}

}  // namespace weft::capture
