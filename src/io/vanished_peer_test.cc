// A peer that vanishes without a word, on real sockets: in a network of its own everything is dropped from
// one moment on, and both ends must know within ten seconds. Takes as long; skipped where no network
// namespace can be made.
#include <arpa/inet.h>
#include <fcntl.h>
#include <gtest/gtest.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <string>

#include "base/fd.h"
#include "io/socket_test_support.h"

namespace weft::io {
namespace {

// Exit codes of the child.
constexpr int kGood = 0;
constexpr int kNoNamespace = 2;

bool put(const char* path, const std::string& text) {
  const Fd file(open(path, O_WRONLY | O_CLOEXEC));
  return file && write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

// A network of its own, with the right to filter in it.
bool leave_network() {
  const std::string uid = std::to_string(geteuid()), gid = std::to_string(getegid());
  if (uid == "0") return unshare(CLONE_NEWNET) == 0;
  return unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0 && put("/proc/self/setgroups", "deny") &&
         put("/proc/self/uid_map", "0 " + uid + " 1") &&
         put("/proc/self/gid_map", "0 " + gid + " 1");
}

// Not of loopback's range: there nobody is asked whether he still lives.
constexpr const char* kAddress = "192.0.2.1";

bool raise_network() {
  const Fd any(socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
  ifreq request{};
  std::snprintf(request.ifr_name, sizeof request.ifr_name, "lo");
  if (ioctl(any.get(), SIOCGIFFLAGS, &request) != 0) return false;
  request.ifr_flags |= IFF_UP;
  if (ioctl(any.get(), SIOCSIFFLAGS, &request) != 0) return false;
  auto& address = reinterpret_cast<sockaddr_in&>(request.ifr_addr);
  address = {};
  address.sin_family = AF_INET;
  inet_pton(AF_INET, kAddress, &address.sin_addr);
  return ioctl(any.get(), SIOCSIFADDR, &request) == 0;
}

bool drop_everything() {
  FILE* nft = popen("PATH=$PATH:/usr/sbin:/sbin nft -f - 2>/dev/null", "w");
  if (!nft) return false;
  std::fputs(
      "table inet vanish {\n chain in {\n type filter hook input priority 0; policy drop;\n }\n}\n",
      nft);
  return pclose(nft) == 0;
}

struct Pair {
  std::unique_ptr<Reader> client, server;
};

int live_through_it() {
  if (!leave_network() || !raise_network()) return kNoNamespace;
  EpollLoop loop;
  SocketNetwork network{loop};
  std::vector<StreamPtr> accepted;
  auto listener = network.listen(*SocketAddress::parse(std::string(kAddress) + ":0"),
                                 [&](StreamPtr stream) { accepted.push_back(std::move(stream)); });
  if (!listener) return kNoNamespace;
  // One that waits for an answer, one that sends, one that is sent to.
  std::vector<Pair> pairs(3);
  for (Pair& pair : pairs) {
    TaskScope scope;
    scope.spawn([](SocketNetwork& network, SocketAddress to, Pair& pair) -> Task<void> {
      auto stream = co_await network.connect(to, kLimit);
      if (stream) pair.client = std::make_unique<Reader>(std::move(*stream));
    }(network, (*listener)->address(), pair));
    if (!loop.run_for_test([&] { return pair.client && !accepted.empty(); }, kLimit)) return 10;
    pair.server = std::make_unique<Reader>(std::move(accepted.back()));
    accepted.clear();
    pair.client->stream->write("hello");
    if (!loop.run_for_test([&] { return pair.server->text == "hello"; }, kLimit)) return 11;
  }
  if (!drop_everything()) return kNoNamespace;
  pairs[1].client->stream->write("is there anybody?");
  pairs[2].server->stream->write("is there anybody?");
  auto knows = [](const Reader& reader) { return reader.last == ReadOutcome::kError; };
  const bool all = loop.run_for_test(
      [&] { return knows(*pairs[0].client) && knows(*pairs[1].client) && knows(*pairs[2].server); },
      Duration::seconds(10));
  if (all) return kGood;
  return 20 + knows(*pairs[0].client) + 2 * knows(*pairs[1].client) + 4 * knows(*pairs[2].server);
}

TEST(VanishedPeer, IsLeftWithinTenSeconds) {
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) _exit(live_through_it());
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status)) << status;
  if (WEXITSTATUS(status) == kNoNamespace) GTEST_SKIP() << "no network namespace, or no nft";
  EXPECT_EQ(WEXITSTATUS(status), kGood);
}

}  // namespace
}  // namespace weft::io
