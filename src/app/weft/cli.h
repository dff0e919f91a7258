// What the verbs that ask the server share: reading a command line, asking, and saying what went wrong.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "app/weft/verbs.h"
#include "base/result.h"
#include "control/yaml.h"

namespace weft::app {

// --- the command line ---

struct Option {
  const char* name;  // without the dashes
  char letter = 0;   // short form, 0 = none
  bool takes_value = true;
};

class CommandLine {
 public:
  // Options may stand anywhere among the words; "--" ends them. `--name=value`, `--name value`,
  // `-n value` and `-nvalue` are the same. kInvalid names the option that is unknown or lacks a value.
  static Result<CommandLine> parse(std::span<char* const> args, std::span<const Option> options);

  bool has(std::string_view option) const { return values_.contains(option); }
  // The last value given, or `otherwise`.
  std::string value(std::string_view option, std::string_view otherwise = "") const;
  std::vector<std::string> values(std::string_view option) const;
  const std::vector<std::string>& words() const { return words_; }

 private:
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
  std::vector<std::string> words_;
};

// Every verb that asks the server has these: -o, -n, -A, --socket, -h.
extern const Option kOutput, kNamespace, kAllNamespaces, kSocket, kHelp;

enum class OutputForm { kTable, kJson, kYaml };
Result<OutputForm> output_form(const CommandLine& line);

// Prints "weft VERB: TEXT" and where the manual is, to stderr; returns kExitUsage.
int usage_error(std::string_view verb, std::string_view text);

// --- asking the server ---

struct ApiReply {
  int status = 0;
  std::string text;
  control::Node body;  // `text` read as JSON
};

// One request over the server's Unix socket (--socket, else paths.h). kUnavailable: nobody answers there;
// the text says what to do.
Result<ApiReply> ask(const CommandLine& line, std::string_view method, std::string path,
                     std::string body = "");

// A word of the user's as a step of a path: whatever is special there is percent-encoded.
std::string path_step(std::string_view word);

// For a reply that is no success, or no reply: says why on stderr and returns the exit status.
int report(std::string_view verb, const Error& error);
int report(std::string_view verb, const ApiReply& reply);

// --- output ---

void print(std::string_view text);  // to stdout, as it is
void print_node(const control::Node& node, OutputForm form);

}  // namespace weft::app
