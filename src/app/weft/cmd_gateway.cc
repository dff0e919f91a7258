// `weft gateway`: an instance like any other (keeper, sidecar, identity, upgrades), whose program does nothing
// but wait. That program is the verb `hold`.
#include <fmt/format.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>

#include "app/weft/gateway_options.h"
#include "app/weft/run_instance.h"
#include "app/weft/verbs.h"

namespace weft::app {
namespace {

Result<std::string> own_program() {
  char path[4096];
  const ssize_t size = ::readlink("/proc/self/exe", path, sizeof path);
  if (size <= 0) return std::unexpected(Error::from_errno(errno, "/proc/self/exe"));
  return std::string(path, static_cast<size_t>(size));
}

}  // namespace

int verb_gateway(std::span<char* const> args) {
  const capture::CallerSignals signals = capture::CallerSignals::capture();
  auto self = own_program();
  if (!self) {
    fmt::print(stderr, "weft gateway: {}\n", self.error().message());
    return kExitFailed;
  }
  auto options = parse_gateway_options(args, *self);
  if (!options) {
    fmt::print(stderr, "weft gateway: {}\n`weft gateway --help` is the manual\n",
               options.error().message());
    return kExitUsage;
  }
  if (options->help) {
    fmt::print("{}", gateway_help());
    return kExitOk;
  }
  return run_instance(*options, signals);
}

int verb_hold(std::span<char* const>) {
  sigset_t ends;
  sigemptyset(&ends);
  for (int number : {SIGTERM, SIGINT, SIGHUP, SIGQUIT}) sigaddset(&ends, number);
  ::sigprocmask(SIG_BLOCK, &ends, nullptr);
  int number = 0;
  while (::sigwait(&ends, &number) != 0) {
  }
  return kExitOk;
}

}  // namespace weft::app
