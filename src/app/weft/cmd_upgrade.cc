// weft upgrade: gives running instances of this machine a new sidecar. The instances are found by their
// directories and asked one after another; what is left to their old sidecars drains in all of them at the
// same time.
#include <fmt/format.h>
#include <poll.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <filesystem>

#include "app/weft/cli.h"
#include "app/weft/instance_control.h"
#include "app/weft/paths.h"
#include "app/weft/run_sidecar.h"
#include "base/text.h"
#include "base/time.h"
#include "capture/packet.h"

namespace weft::app {
namespace {

constexpr std::string_view kManual = R"(weft upgrade - give running instances a new sidecar

  weft upgrade INSTANCE... [--proxy PATH] [--deadline TIME]
  weft upgrade --all       [--proxy PATH] [--deadline TIME]

Replaces the weft-proxy of instances that run on this machine (names as in `weft status`) by the one
beside this `weft`. The programs inside go on as they are: the new sidecar first gets certificate and
configuration, then takes over the sockets; until then the old one serves, and if anything goes wrong
it stays. No connect is refused and no request is lost.

What is open at that moment stays with the old sidecar: streams and TCP connections go on until they
end or TIME has passed. HTTP/1.1 clients are told "Connection: close" with their next answer, HTTP/2
clients GOAWAY, and so come to the new sidecar in their own time. Only what is still under way after
TIME is cut, and counted. This command ends when the old sidecars have.

OPTIONS
      --all             every instance of this user that runs here
      --proxy PATH      the weft-proxy to use. Default: the one beside this `weft`
      --deadline TIME   how long the old sidecars may go on; default 30s, at most 24h

`weft run` itself stays the one that was started: to have a new one, start the program anew.

ENVIRONMENT
  WEFT_STATE_DIR     where the instances keep their files; see `weft run --help`

EXIT STATUS
  0 all upgraded   1 an instance kept its old sidecar, or its old sidecar died   2 wrong usage
  4 no such instance runs here   5 it is another user's
)";

constexpr int kAnswerWithinMs = 60'000;  // of the keeper, beyond what it allows itself

struct Asked {
  std::string name;
  Fd socket;
  std::vector<std::string> serving;  // the keeper's answer of that word
};

int failed(std::string_view name, std::string_view why) {
  fmt::print(stderr, "weft upgrade: {}: {}\n", name, why);
  return kExitFailed;
}

Result<std::vector<std::string>> next_answer(const Fd& socket, int within_ms) {
  pollfd ready{socket.get(), POLLIN, 0};
  if (::poll(&ready, 1, within_ms) == 0) {
    return fail(ErrorKind::kTimeout, "its `weft run` does not answer");
  }
  auto packet = capture::receive_packet(socket.get());
  if (!packet) return fail(ErrorKind::kClosed, "the instance ended meanwhile");
  return control_lines(packet->bytes);
}

// Returns when the new sidecar serves.
int begin(Asked& asked, const std::string& program, uint64_t deadline_ms) {
  auto sent = capture::send_packet(asked.socket.get(),
                                   fmt::format("upgrade\n{}\n{}", program, deadline_ms));
  if (!sent) return failed(asked.name, sent.error().message());
  auto answer = next_answer(asked.socket, kAnswerWithinMs);
  if (!answer) return failed(asked.name, answer.error().message());
  if (answer->size() == 5 && answer->front() == "serving") {
    asked.serving = std::move(*answer);
    return kExitOk;
  }
  return failed(asked.name, answer->size() > 1 ? (*answer)[1] : "it answers in an unknown way");
}

// Returns when the old sidecar has ended.
int end(const Asked& asked, uint64_t deadline_ms) {
  auto last = next_answer(asked.socket, static_cast<int>(deadline_ms) + kAnswerWithinMs);
  const std::string upgraded = fmt::format("{}: {} → {} in {} ms", asked.name, asked.serving[1],
                                           asked.serving[2], asked.serving[3]);
  if (!last) return failed(upgraded, last.error().message());
  if (last->size() == 3 && last->front() == "done") {
    print(fmt::format("upgraded {}; {} connections drained, {} cut\n", upgraded, (*last)[1],
                      (*last)[2]));
    return kExitOk;
  }
  return failed(upgraded, last->size() > 1 ? (*last)[1] : "its last word is unknown");
}

// The instances of this user that run here.
std::vector<std::string> running(const std::string& instances) {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(instances, error))
    if (connect_to_instance(entry.path())) names.push_back(entry.path().filename());
  std::ranges::sort(names);
  return names;
}

Result<std::string> program_to_use(const CommandLine& line) {
  if (!line.has("proxy")) return find_sidecar_program();
  char absolute[PATH_MAX];
  const std::string given = line.value("proxy");
  if (!::realpath(given.c_str(), absolute))
    return std::unexpected(Error::from_errno(errno, "--proxy " + given));
  return std::string(absolute);
}

int upgrade(const std::vector<std::string>& names, const std::string& instances,
            const std::string& program, uint64_t deadline_ms) {
  int status = kExitOk;
  std::vector<Asked> asked;
  for (const std::string& name : names) {
    auto socket = connect_to_instance(fmt::format("{}/{}", instances, name));
    if (!socket) {
      const bool denied = socket.error().kind() == ErrorKind::kDenied;
      failed(name, denied ? socket.error().message() : "no such instance runs here");
      status = std::max<int>(status, denied ? kExitDenied : kExitNotFound);
      continue;
    }
    asked.push_back({name, std::move(*socket), {}});
    const int begun = begin(asked.back(), program, deadline_ms);
    status = std::max(status, begun);
    if (begun != kExitOk) asked.pop_back();
  }
  for (const Asked& one : asked) status = std::max(status, end(one, deadline_ms));
  return status;
}

}  // namespace

int verb_upgrade(std::span<char* const> args) {
  const Option options[] = {
      {.name = "all", .takes_value = false}, {.name = "proxy"}, {.name = "deadline"}, kHelp};
  auto line = CommandLine::parse(args, options);
  if (!line) return usage_error("upgrade", line.error().message());
  if (line->has("help")) return print(kManual), kExitOk;
  const bool all = line->has("all");
  if (all != line->words().empty()) {
    return usage_error("upgrade",
                       all ? "--all takes no names" : "needs the name of an instance, or --all");
  }
  auto deadline = parse_duration_ns(line->value("deadline", "30s"));
  if (!deadline || *deadline < 0 || *deadline > Duration::hours(24).ns) {
    return usage_error("upgrade", "--deadline is a time such as 30s, at most 24h");
  }
  for (const std::string& name : line->words()) {
    if (name.empty() || name[0] == '.' || name.find('/') != std::string::npos)
      return usage_error("upgrade", name + " is no name of an instance");
  }
  auto program = program_to_use(*line);
  if (!program) return failed("--proxy", program.error().message());
  const std::string instances = state_dir(read_environment()) + "/instances";
  const std::vector<std::string> names = all ? running(instances) : line->words();
  return upgrade(names, instances, *program, static_cast<uint64_t>(*deadline / 1'000'000));
}

}  // namespace weft::app
