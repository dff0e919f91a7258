// The names travel as one field because HPACK turns a repeated list into one or two octets: a client
// sends the same names in the same order again and again. Matching names to lines is quadratic in the
// number of lines only when the order was disturbed; undisturbed, each name finds its line at once.
#include "wire/h1_over_h2.h"

#include <string>
#include <utility>
#include <vector>

#include "wire/http1_writer.h"

namespace weft::wire {

namespace {

// Stands for the authority of a request without one (HTTP/1.0, or an empty Host): HTTP/2 wants some.
// Never recognised on the other side, where a client may have meant this very name.
constexpr std::string_view kNoAuthority = "weft.invalid";

// Follows "Host" among the names when its value was empty; no character of a name (RFC 9110 §5.1).
constexpr char kEmptyHost = '=';

bool is_weft(std::string_view name) {
  return name.size() >= 5 && (name[0] == 'w' || name[0] == 'W') &&
         equal_ignoring_case(name.substr(0, 5), "weft-");
}

// Compares lengths first: most names miss there.
bool is_hop_by_hop(std::string_view name) {
  switch (name.size()) {
    case 2: return equal_ignoring_case(name, "te");
    case 7: return equal_ignoring_case(name, "upgrade");
    case 10:
      return equal_ignoring_case(name, "connection") || equal_ignoring_case(name, "keep-alive");
    case 14: return equal_ignoring_case(name, "http2-settings");
    case 16: return equal_ignoring_case(name, "proxy-connection");
    default: return false;
  }
}

// What a Connection header may not take from a message: without them it would mean something else.
bool is_protected(std::string_view name) {
  for (std::string_view word : {"host", "content-length", "transfer-encoding", "trailer",
                                "content-type", "content-encoding", "date", "cache-control"}) {
    if (equal_ignoring_case(name, word)) return true;
  }
  return false;
}

std::string names_of(const Fields& fields) {
  std::string names;
  names.reserve(256);
  for (const Fields::Line& line : fields) {
    if (!names.empty()) names += ',';
    names += line.name;
    if (line.value.empty() && equal_ignoring_case(line.name, "host")) names += kEmptyHost;
  }
  return names;
}

constexpr char kHex[] = "0123456789ABCDEF";

std::string percent_encode(std::string_view text) {
  std::string out;
  for (char c : text) {
    const auto octet = static_cast<uint8_t>(c);
    if (octet > 0x20 && octet < 0x7f && c != '%') {
      out += c;
    } else {
      out += '%';
      out += kHex[octet >> 4];
      out += kHex[octet & 15];
    }
  }
  return out;
}

std::string percent_decode(std::string_view text) {
  auto digit = [](char c) {
    const size_t at = std::string_view(kHex).find(c);
    return at == std::string_view::npos ? -1 : static_cast<int>(at);
  };
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && text.size() - i > 2 && digit(text[i + 1]) >= 0 &&
        digit(text[i + 2]) >= 0) {
      const char c = static_cast<char>(digit(text[i + 1]) << 4 | digit(text[i + 2]));
      // A peer's word must not break the status line it ends up in.
      if (static_cast<uint8_t>(c) >= 0x20 && c != 0x7f) out += c;
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

// Which of a list of lines were used; of the first 64 without allocating.
class Used {
 public:
  explicit Used(size_t size) : more_(size > 64 ? size - 64 : 0) {}
  bool operator[](size_t i) const { return i < 64 ? (first_ >> i & 1) != 0 : more_[i - 64]; }
  void mark(size_t i) {
    if (i < 64) {
      first_ |= uint64_t{1} << i;
    } else {
      more_[i - 64] = true;
    }
  }

 private:
  uint64_t first_ = 0;
  std::vector<bool> more_;
};

// Puts lines into the order and spelling of `names`; the rest follows. "host" and "transfer-encoding"
// come from `authority` and from the name alone.
void restore_lines(Fields& fields, std::string_view names, const std::string* authority) {
  const Fields from = std::move(fields);
  fields = Fields();
  Used used(from.size());
  size_t first = 0;
  auto take = [&](std::string_view name) {
    for (size_t i = first; i < from.size(); ++i) {
      if (used[i] || !equal_ignoring_case(from[i].name, name)) continue;
      used.mark(i);
      while (first < from.size() && used[first]) ++first;
      fields.add(name, from[i].value);
      return;
    }
  };
  bool hosted = false;
  while (!names.empty()) {
    const size_t comma = std::min(names.find(','), names.size());
    std::string_view name = names.substr(0, comma);
    names.remove_prefix(std::min(comma + 1, names.size()));
    const bool empty = name.ends_with(kEmptyHost);
    if (empty) name.remove_suffix(1);
    if (authority && equal_ignoring_case(name, "host")) {
      if (!std::exchange(hosted, true)) fields.add(name, empty ? std::string_view() : *authority);
    } else if (equal_ignoring_case(name, "transfer-encoding")) {
      fields.add(name, "chunked");
    } else {
      take(name);
    }
  }
  for (size_t i = first; i < from.size(); ++i) {
    if (!used[i]) fields.add(from[i].name, from[i].value);
  }
}

std::string take_value(Fields& fields, std::string_view name) {
  std::string value(fields.get(name).value_or(std::string_view()));
  fields.remove(name);
  return value;
}

void remove_one_hop(Fields& fields, bool keep_upgrade) {
  // Looks into lines that may go as well, whose text stays until a line is added. What nearly every
  // message has names nothing.
  std::vector<std::string_view> nominations;
  for (const Fields::Line& line : fields) {
    if (equal_ignoring_case(line.name, "connection") &&
        !equal_ignoring_case(line.value, "keep-alive")) {
      nominations.push_back(line.value);
    }
  }
  bool connected = false;
  fields.remove_if([&](const Fields::Line& line) {
    if (keep_upgrade && equal_ignoring_case(line.name, "upgrade")) return false;
    if (keep_upgrade && equal_ignoring_case(line.name, "connection")) {
      return std::exchange(connected, true);
    }
    if (is_hop_by_hop(line.name)) return true;
    for (const std::string_view list : nominations) {
      if (list_has_token(list, line.name) && !is_protected(line.name)) return true;
    }
    return false;
  });
  if (connected && !equal_ignoring_case(*fields.get("connection"), "upgrade")) {
    fields.set("connection", "Upgrade");
  }
}

BodyLength restored_length(const Fields& fields, BodyLength carried, BodyLength unframed) {
  if (fields.has("transfer-encoding")) return {BodyLength::kStreamed, 0};
  return carried.kind == BodyLength::kSized ? carried : unframed;
}

}  // namespace

void remove_hop_by_hop(Fields& fields) { remove_one_hop(fields, false); }
void remove_hop_by_hop_but_upgrade(Fields& fields) { remove_one_hop(fields, true); }

void remove_weft_fields(Fields& fields) {
  fields.remove_if([](const Fields::Line& line) { return is_weft(line.name); });
}

void encode_for_hop(RequestHead& head) {
  remove_hop_by_hop(head.fields);
  remove_weft_fields(head.fields);
  const std::string names = names_of(head.fields);
  if (head.authority.empty()) head.authority = kNoAuthority;
  head.fields.remove("host");
  head.fields.remove("transfer-encoding");
  head.fields.add(kH1Names, names);
  if (head.version == Version::kHttp10) head.fields.add(kH1Version, "1.0");
  head.absolute_form = false;
}

void encode_for_hop(ResponseHead& head) {
  remove_hop_by_hop(head.fields);
  remove_weft_fields(head.fields);
  const std::string names = names_of(head.fields);
  head.fields.remove("transfer-encoding");
  head.fields.add(kH1Names, names);
  const bool named = head.exact_reason || !head.reason.empty();
  if (named && head.reason != reason_phrase(head.status)) {
    head.fields.add(kH1Reason, percent_encode(head.reason));
  }
  if (head.version == Version::kHttp10) head.fields.add(kH1Version, "1.0");
}

void encode_trailers_for_hop(Fields& trailers) {
  remove_weft_fields(trailers);
  trailers.remove_if([](const Fields::Line& line) { return forbidden_in_trailers(line.name); });
  if (!trailers.empty()) trailers.add(kH1Names, names_of(trailers));
}

bool carries_http1(const Fields& fields) { return fields.has(kH1Names); }

bool restore_from_hop(RequestHead& head, bool end) {
  const bool http1 = carries_http1(head.fields);
  const std::string names = take_value(head.fields, kH1Names);
  const bool old = take_value(head.fields, kH1Version) == "1.0";
  remove_weft_fields(head.fields);
  if (!http1) return false;
  head.version = old ? Version::kHttp10 : Version::kHttp11;
  restore_lines(head.fields, names, &head.authority);
  head.authority = std::string(head.fields.get("host").value_or(std::string_view()));
  head.length = restored_length(head.fields, head.length,
                                {end ? BodyLength::kNone : BodyLength::kStreamed, 0});
  return true;
}

bool restore_from_hop(ResponseHead& head, bool end) {
  const bool http1 = carries_http1(head.fields);
  const std::string names = take_value(head.fields, kH1Names);
  const bool old = take_value(head.fields, kH1Version) == "1.0";
  if (head.fields.has(kH1Reason)) {
    head.reason = percent_decode(*head.fields.get(kH1Reason));
    head.exact_reason = true;
  }
  remove_weft_fields(head.fields);
  if (!http1) return false;
  head.version = old ? Version::kHttp10 : Version::kHttp11;
  restore_lines(head.fields, names, nullptr);
  const bool bare = end || head.interim() || head.status == 204 || head.status == 304;
  head.length = restored_length(head.fields, head.length,
                                {bare ? BodyLength::kNone : BodyLength::kToClose, 0});
  return true;
}

void restore_trailers_from_hop(Fields& trailers) {
  const std::string names = take_value(trailers, kH1Names);
  remove_weft_fields(trailers);
  if (!names.empty()) restore_lines(trailers, names, nullptr);
}

}  // namespace weft::wire
