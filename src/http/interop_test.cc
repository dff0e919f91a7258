// Against software we did not write: curl and h2load as clients of our server, nginx as a server for our
// client. Child processes on loopback; a program that is not installed skips its test.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <list>
#include <sstream>
#include <vector>

#include "http/simple_client.h"
#include "http/test_support.h"

extern char** environ;

namespace weft::http {
namespace {

using testing::Answer;
using testing::get;
using testing::Seen;

constexpr Duration kChildPatience = Duration::seconds(60);
constexpr Duration kLook = Duration::millis(5);

std::string slurp(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

class InteropTest : public ::testing::Test {
 protected:
  InteropTest() {
    char name[] = "/tmp/weft-interop-XXXXXX";
    dir = mkdtemp(name);
    auto made = network.listen(*SocketAddress::parse("127.0.0.1:0"), [this](io::StreamPtr stream) {
      auto slot = connections.emplace(connections.end());
      *slot = serve(
          loop, std::move(stream), ServerProtocol::kDetect, {}, {},
          [this](ServerStreamPtr s) { return testing::answer(std::move(s), seen); },
          [this, slot] { connections.erase(slot); });
    });
    WEFT_ASSERT(made.has_value());
    listener = std::move(*made);
    base = "http://" + listener->address().to_string();
  }
  ~InteropTest() override { std::filesystem::remove_all(dir); }

  static bool installed(const std::string& program) {
    return std::system(("command -v " + program + " >/dev/null 2>&1").c_str()) == 0;
  }

  pid_t start(std::vector<std::string> words) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, (dir / "out").c_str(),
                                     O_CREAT | O_WRONLY | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&actions, 2, (dir / "err").c_str(),
                                     O_CREAT | O_WRONLY | O_TRUNC, 0600);
    std::vector<char*> argv;
    for (std::string& word : words) argv.push_back(word.data());
    argv.push_back(nullptr);
    pid_t pid = -1;
    const int failed = posix_spawnp(&pid, argv[0], &actions, nullptr, argv.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    return failed == 0 ? pid : -1;
  }

  // Runs a program while our loop serves it; its standard output.
  std::string output_of(std::vector<std::string> words) {
    const pid_t pid = start(std::move(words));
    int status = -1;
    bool ended = false;
    // A child's end is no event of the loop: look every few milliseconds.
    for (Duration waited; pid > 0 && !ended && waited < kChildPatience; waited = waited + kLook) {
      loop.run_for_test([&] { return ended = ended || waitpid(pid, &status, WNOHANG) == pid; },
                        kLook);
    }
    if (!ended && pid > 0) kill(pid, SIGKILL);
    EXPECT_TRUE(ended && WIFEXITED(status) && WEXITSTATUS(status) == 0) << slurp(dir / "err");
    return slurp(dir / "out");
  }

  io::EpollLoop loop;
  io::SocketNetwork network{loop};
  Seen seen;
  std::list<std::unique_ptr<ServerConnection>> connections;
  std::unique_ptr<io::Listener> listener;
  std::string base;
  std::filesystem::path dir;
};

TEST_F(InteropTest, CurlGetsAndPostsOverBothVersions) {
  if (!installed("curl")) GTEST_SKIP() << "curl is not installed";
  const std::string body = testing::big_body(3'000'000);
  std::ofstream(dir / "body", std::ios::binary) << body;
  for (const char* version : {"--http1.1", "--http2-prior-knowledge"}) {
    const bool two = std::string_view(version) != "--http1.1";
    const std::string hello = output_of({"curl", "-sSi", version, base + "/hello"});
    EXPECT_TRUE(hello.starts_with(two ? "HTTP/2 200" : "HTTP/1.1 200 OK\r\n")) << hello;
    EXPECT_TRUE(hello.ends_with("\r\n\r\nhello")) << hello;
    EXPECT_TRUE(output_of({"curl", "-sS", version, "--data-binary", "@" + (dir / "body").string(),
                           base + "/echo"}) == body);
    EXPECT_TRUE(output_of({"curl", "-sS", version, "-H", "Transfer-Encoding: chunked", "-H",
                           "Expect:", "-T", (dir / "body").string(), base + "/echo"}) == body);
    // One request a run: curl 7.88 cannot use a prior-knowledge connection twice, whoever serves it.
    EXPECT_EQ(output_of({"curl", "-sS", version, base + "/early"}), "late");
    EXPECT_EQ(output_of({"curl", "-sS", version, base + "/trailers"}), "x");
    const std::string bare = output_of({"curl", "-sSI", version, base + "/hello"});
    EXPECT_NE(bare.find("ontent-"), std::string::npos) << bare;
  }
  EXPECT_EQ(seen.errors.size(), 0u);
}

TEST_F(InteropTest, H2loadGetsEveryAnswer) {
  if (!installed("h2load")) GTEST_SKIP() << "h2load is not installed";
  const std::string two = output_of(
      {"h2load", "-n", "2000", "-c", "4", "-m", "32", base + "/hello", base + "/big/40000"});
  EXPECT_NE(two.find("2000 succeeded, 0 failed"), std::string::npos) << two;
  const std::string one = output_of({"h2load", "--h1", "-n", "2000", "-c", "8", base + "/hello"});
  EXPECT_NE(one.find("2000 succeeded, 0 failed"), std::string::npos) << one;
  EXPECT_EQ(seen.running, 0);
}

class NginxTest : public InteropTest {
 protected:
  // A port that was free a moment ago.
  uint16_t free_port() {
    auto made = network.listen(*SocketAddress::parse("127.0.0.1:0"), [](io::StreamPtr) {});
    return made ? (*made)->address().port : 0;
  }

  void SetUp() override {
    if (!installed("nginx")) GTEST_SKIP() << "nginx is not installed";
    http1 = free_port();
    http2 = free_port();
    std::ofstream(dir / "big", std::ios::binary) << testing::big_body(1'000'000);
    std::ofstream(dir / "nginx.conf")
        << "daemon off; master_process off; worker_processes 1; pid " << dir.string() << "/pid;\n"
        << "error_log " << dir.string() << "/error.log; events { worker_connections 64; }\n"
        << "http { access_log off; client_body_temp_path " << dir.string() << "/b; proxy_temp_path "
        << dir.string() << "/p; fastcgi_temp_path " << dir.string() << "/f; uwsgi_temp_path "
        << dir.string() << "/u; scgi_temp_path " << dir.string() << "/s;\n"
        << "server { listen 127.0.0.1:" << http1 << "; listen 127.0.0.1:" << http2
        << " http2; root " << dir.string()
        << "; location = /hello { return 200 hello; } location = /gone { return 204; } } }\n";
    nginx = start({"nginx", "-p", dir.string(), "-c", (dir / "nginx.conf").string(), "-e",
                   (dir / "error.log").string()});
    ASSERT_GT(nginx, 0);
  }
  void TearDown() override {
    if (nginx <= 0) return;
    kill(nginx, SIGKILL);
    waitpid(nginx, nullptr, 0);
  }

  // Dials until nginx listens.
  io::StreamPtr dial(uint16_t port) {
    const SocketAddress to{*IpAddress::parse("127.0.0.1"), port};
    for (int i = 0; i < 500; ++i) {
      auto stream = testing::run(loop, network.connect(to, Duration::seconds(1)));
      if (stream && *stream) return std::move(**stream);
      loop.run_for_test([] { return false; }, Duration::millis(10));
    }
    return nullptr;
  }

  pid_t nginx = 0;
  uint16_t http1 = 0;
  uint16_t http2 = 0;
};

TEST_F(NginxTest, AnswersOurClientOverBothVersions) {
  for (const ClientProtocol protocol : {ClientProtocol::kHttp1, ClientProtocol::kHttp2}) {
    io::StreamPtr stream = dial(protocol == ClientProtocol::kHttp1 ? http1 : http2);
    ASSERT_TRUE(stream) << slurp(dir / "err") << slurp(dir / "error.log");
    auto client = connect_http(loop, std::move(stream), protocol, {}, {}, [] {});
    for (const auto& [path, status, size] :
         {std::tuple{"/hello", 200, 5}, std::tuple{"/big", 200, 1000000},
          std::tuple{"/gone", 204, 0}, std::tuple{"/none", 404, 153},
          std::tuple{"/hello", 200, 5}}) {
      Result<ClientStreamPtr> exchange = client->open(get(path), true);
      ASSERT_TRUE(exchange);
      const auto answer = testing::run(loop, testing::read_answer(**exchange));
      ASSERT_TRUE(answer && *answer) << path;
      EXPECT_EQ((*answer)->head.status, status) << path;
      EXPECT_EQ((*answer)->body.size(), static_cast<size_t>(size)) << path;
    }
    EXPECT_TRUE(client->can_open());
  }
}

TEST_F(NginxTest, AnswersFetch) {
  ASSERT_TRUE(dial(http1));
  const SocketAddress to{*IpAddress::parse("127.0.0.1"), http1};
  const auto answer =
      testing::run(loop, fetch(loop, network, to, get("/hello"), "", Duration::seconds(5)));
  ASSERT_TRUE(answer && *answer);
  EXPECT_EQ((*answer)->status, 200);
  EXPECT_EQ((*answer)->body, "hello");
}

}  // namespace
}  // namespace weft::http
