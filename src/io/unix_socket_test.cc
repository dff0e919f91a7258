// Unix sockets: whose they are, and whose file it is.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>

#include "io/socket_test_support.h"

namespace weft::io {
namespace {

class UnixSocketTest : public SocketTest {
 protected:
  UnixSocketTest() {
    std::string pattern = testing::TempDir() + "weft-unix-XXXXXX";
    directory = mkdtemp(pattern.data());
    path = directory + "/s";
  }
  ~UnixSocketTest() override {
    listener.reset();
    std::filesystem::remove_all(directory);
  }
  std::string directory;
  std::string path;
};

TEST_F(UnixSocketTest, ConnectsTellsWhoAndRemovesItsFile) {
  listener = *network.listen_unix(path, take());
  client = std::make_unique<Reader>(std::move(*run(network.connect_unix(path, kLimit))));
  client->stream->write("hi");
  ASSERT_TRUE(until([&] { return server && server->text == "hi"; }));
  EXPECT_EQ(peer_credentials(server->stream->descriptor())->pid, getpid());
  listener.reset();
  EXPECT_FALSE(std::filesystem::exists(path));
  EXPECT_EQ(run(network.connect_unix(path, kLimit)).error().kind(), ErrorKind::kNotFound);
}

TEST_F(UnixSocketTest, ReplacesASocketNobodyAnswersOnAndNoOther) {
  {
    const Fd stale(socket(AF_UNIX, SOCK_STREAM, 0));
    sockaddr_un address{.sun_family = AF_UNIX};
    path.copy(address.sun_path, sizeof address.sun_path - 1);
    ASSERT_EQ(bind(stale.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
  }
  ASSERT_TRUE(std::filesystem::exists(path));
  auto first = network.listen_unix(path, take());
  ASSERT_TRUE(first.has_value()) << first.error().message();
  const auto second = network.listen_unix(path, take());
  ASSERT_FALSE(second.has_value());
  EXPECT_EQ(second.error().kind(), ErrorKind::kConflict);
  EXPECT_TRUE(std::filesystem::exists(path));

  const std::string file = directory + "/file";
  close(open(file.c_str(), O_CREAT | O_WRONLY, 0600));
  EXPECT_EQ(network.listen_unix(file, take()).error().kind(), ErrorKind::kConflict);
  EXPECT_EQ(network.listen_unix(std::string(200, 'x'), take()).error().kind(), ErrorKind::kInvalid);
}

TEST_F(UnixSocketTest, LeavesAFileThatAnotherHasPutInItsPlace) {
  listener = *network.listen_unix(path, take());
  std::filesystem::rename(path, directory + "/moved");
  auto second = *network.listen_unix(path, take());
  listener.reset();
  EXPECT_TRUE(std::filesystem::exists(path));
}

}  // namespace
}  // namespace weft::io
