// fork, exec, write the ruleset to its stdin, read its stderr. The ruleset is far smaller than a pipe
// holds, so writing first and reading after cannot block.
#include "capture/nft.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>

#include "base/fd.h"
#include "capture/privileges.h"

namespace weft::capture {
namespace {

constexpr const char* kMissing =
    "nft not found in /usr/sbin, /sbin or PATH: install nftables (apt-get install nftables)";

std::string find_nft() {
  std::string directories = "/usr/sbin:/sbin";
  if (const char* path = std::getenv("PATH")) directories.append(":").append(path);
  std::string_view rest = directories;
  while (!rest.empty()) {
    const std::string_view directory = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), directory.size() + 1));
    std::string candidate = fmt::format("{}/nft", directory);
    if (::access(candidate.c_str(), X_OK) == 0) return candidate;
  }
  return "";
}

struct Pipe {
  Fd read, write;
};

Result<Pipe> make_pipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0)
    return std::unexpected(Error::from_errno(errno, "making a pipe"));
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

std::string read_all(int fd) {
  std::string text;
  char piece[1024];
  ssize_t size;
  while ((size = ::read(fd, piece, sizeof piece)) > 0 || (size < 0 && errno == EINTR))
    if (size > 0) text.append(piece, static_cast<size_t>(size));
  return text;
}

}  // namespace

Result<void> load_ruleset(std::string_view ruleset) {
  const std::string program = find_nft();
  if (program.empty()) return fail(ErrorKind::kNotFound, kMissing);
  auto input = make_pipe();
  if (!input) return std::unexpected(std::move(input.error()));
  auto output = make_pipe();
  if (!output) return std::unexpected(std::move(output.error()));

  const pid_t child = ::fork();
  if (child < 0) return std::unexpected(Error::from_errno(errno, "starting nft"));
  if (child == 0) {
    ::dup2(input->read.get(), 0);
    ::dup2(output->write.get(), 1);
    ::dup2(output->write.get(), 2);
    (void)pass_on_net_admin();  // if this fails nft says what it may not do
    ::execl(program.c_str(), "nft", "-f", "-", nullptr);
    ::_exit(127);
  }
  output->write.close();
  const ssize_t written = ::write(input->write.get(), ruleset.data(), ruleset.size());
  input->write.close();
  const std::string said = read_all(output->read.get());
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (written == static_cast<ssize_t>(ruleset.size()) && WIFEXITED(status) &&
      WEXITSTATUS(status) == 0)
    return {};
  return fail(
      ErrorKind::kIo,
      fmt::format("nft refused the ruleset: {}(are the kernel modules nf_tables, nft_chain_nat "
                  "and nft_redir there? `modprobe nft_redir` as root loads them)",
                  said.empty() ? "" : said + " "));
}

}  // namespace weft::capture
