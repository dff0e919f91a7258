// weft apply: reads files, sends them in one request, prints what became of each object. All checking is
// the server's, so what is accepted never depends on the CLI's version.
#include <fmt/format.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <iterator>

#include "app/weft/cli.h"
#include "app/weft/kinds_text.h"

namespace weft::app {
namespace {

constexpr std::string_view kManual = R"(weft apply - create or change objects

  weft apply -f FILE|DIR|- [-f ...] [--dry-run] [-o table|json|yaml]

Sends objects (YAML or JSON, several to a file separated by ---) to the server, which checks all of
them, stores them in one transaction and hands them to the sidecars as one version. If anything is
wrong, everything wrong is listed, each with file, line, column, path and a hint, and nothing is
applied. Unknown fields are errors. What an object already is stays unchanged.

OPTIONS
  -f, --filename PATH   a file, a directory (its *.yaml, *.yml and *.json, not those of its
                        subdirectories) or - for standard input; may be repeated
      --dry-run         check and say what would happen, change nothing
  -o, --output FORM     table (default), json or yaml
      --socket PATH     the server's socket (default: $WEFT_SOCKET, or where `weft server` puts it)

KINDS
)";

constexpr std::string_view kManualEnd = R"(
  Every field with its default: docs/reference.

EXAMPLES
  weft apply -f split.yaml
  weft apply -f config/ --dry-run
  weft get routes -o yaml | sed s/10/50/ | weft apply -f -

EXIT STATUS
  0 applied (or nothing to change)   1 something is wrong with the objects, or the store failed
  2 wrong usage or unreadable file   3 no server answers   5 this user may not
)";

Result<std::string> read_stream(std::istream& in, const std::string& name) {
  std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  if (in.bad()) return fail(ErrorKind::kInvalid, fmt::format("{}: cannot be read", name));
  return text;
}

void add_file(control::Node& files, const std::string& name, std::string_view text) {
  control::Node file = control::Node::map();
  file.add("file", name);
  file.add("text", text);
  files.items.push_back(std::move(file));
}

Result<void> add_path(control::Node& files, const std::string& path) {
  namespace fs = std::filesystem;
  if (path == "-") {
    auto text = read_stream(std::cin, "standard input");
    if (!text) return std::unexpected(std::move(text.error()));
    add_file(files, "stdin", *text);
    return {};
  }
  std::error_code failure;
  std::vector<std::string> names;
  if (fs::is_directory(path, failure)) {
    for (const auto& entry : fs::directory_iterator(path, failure)) {
      const std::string extension = entry.path().extension();
      if (extension == ".yaml" || extension == ".yml" || extension == ".json") {
        names.push_back(entry.path().string());
      }
    }
    if (failure) return fail(ErrorKind::kInvalid, fmt::format("{}: {}", path, failure.message()));
    if (names.empty()) {
      return fail(ErrorKind::kInvalid, fmt::format("{}: no *.yaml, *.yml or *.json in it", path));
    }
    std::ranges::sort(names);
  } else {
    names.push_back(path);
  }
  for (const std::string& name : names) {
    std::ifstream in(name, std::ios::binary);
    if (!in) return fail(ErrorKind::kInvalid, fmt::format("{}: {}", name, std::strerror(errno)));
    auto text = read_stream(in, name);
    if (!text) return std::unexpected(std::move(text.error()));
    add_file(files, name, *text);
  }
  return {};
}

void print_outcome(const control::Node& body, bool dry_run) {
  if (const control::Node* objects = body.find("objects")) {
    for (const control::Node& row : objects->items) {
      print(fmt::format("{}/{} {}{}\n", row.text_of("kind"), row.text_of("name"),
                        row.text_of("action"), dry_run ? " (dry run)" : ""));
    }
  }
  if (const control::Node* warnings = body.find("warnings")) {
    for (const control::Node& warning : warnings->items) {
      fmt::print(stderr, "warning: {}\n", warning.text);
    }
  }
}

}  // namespace

int verb_apply(std::span<char* const> args) {
  static constexpr Option kFile{"filename", 'f'};
  static constexpr Option kDryRun{"dry-run", 0, false};
  const Option options[] = {kFile, kDryRun, kOutput, kSocket, kHelp};
  auto line = CommandLine::parse(args, options);
  if (!line) return usage_error("apply", line.error().message());
  if (line->has("help")) {
    print(fmt::format("{}{}{}", kManual, kinds_manual(), kManualEnd));
    return kExitOk;
  }
  auto form = output_form(*line);
  if (!form) return usage_error("apply", form.error().message());
  if (!line->words().empty()) {
    return usage_error("apply",
                       fmt::format("what is '{}'? Files are named with -f", line->words()[0]));
  }
  if (!line->has("filename")) return usage_error("apply", "which file? -f FILE, -f DIR or -f -");

  control::Node request = control::Node::map();
  control::Node& files = request.add("files", control::Node::list());
  for (const std::string& path : line->values("filename")) {
    if (auto added = add_path(files, path); !added) return report("apply", added.error());
  }
  const bool dry_run = line->has("dry-run");
  auto reply = ask(*line, "POST", dry_run ? "/v1/apply?dry-run=true" : "/v1/apply",
                   control::to_json(request));
  if (!reply) return report("apply", reply.error());
  if (reply->status != 200) return report("apply", *reply);
  if (*form != OutputForm::kTable) {
    print_node(reply->body, *form);
  } else {
    print_outcome(reply->body, dry_run);
  }
  return kExitOk;
}

}  // namespace weft::app
