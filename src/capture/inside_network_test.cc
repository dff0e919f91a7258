// What leaves the instance, what is refused, and how the sidecar reaches in.
#include "capture/inside_network.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstring>

#include "base/ip.h"
#include "capture/handoff.h"
#include "capture/inside_for_test.h"
#include "capture/listeners.h"

namespace weft::capture {
namespace {

TEST(Inside, BringsTcpToTheSidecarWithItsOriginalDestination) {
  as_root_and_as_user([] {
    struct Case {
      const char *host, *target, *source;
      Place place;
    };
    for (const Case& c : {Case{"240.240.0.9/80", "240.240.0.9:80", "240.241.0.7", kOut4},
                          Case{"192.0.2.1/443", "192.0.2.1:443", "240.241.0.7", kOut4},
                          Case{"127.0.0.1/7432", "127.0.0.1:7432", "127.0.0.1", kOut4},
                          Case{"2001:db8::9/81", "[2001:db8::9]:81", "fd00:1:2:2::7", kOut6}}) {
      Instance instance(std::string("exec 3<>/dev/tcp/") + c.host +
                        " && read -r line <&3 && [ \"$line\" = hi ]");
      ASSERT_TRUE(instance.ready()) << instance.why();
      instance.run();
      Accepted accepted = accept_captured(instance.socket(c.place));
      ASSERT_TRUE(accepted.socket) << c.host;
      EXPECT_EQ(accepted.original, c.target);
      EXPECT_EQ(accepted.peer, c.source);
      ASSERT_EQ(::write(accepted.socket.get(), "hi\n", 3), 3);
      EXPECT_EQ(instance.exit_status(), 0);
    }
  });
}

TEST(Inside, BringsDnsToTheSidecarWhateverServerIsAsked) {
  as_root_and_as_user([] {
    for (const char* server : {"10.255.255.53", "127.0.0.53", "8.8.8.8"}) {
      Instance instance(
          std::string("exec 3<>/dev/udp/") + server +
          "/53 && echo -n question >&3 && [ \"$(timeout 10 head -c 6 <&3)\" = answer ]");
      ASSERT_TRUE(instance.ready()) << instance.why();
      instance.run();
      pollfd ready{instance.socket(kUdp4), POLLIN, 0};
      ASSERT_EQ(::poll(&ready, 1, 10'000), 1) << server;
      char question[64];
      sockaddr_storage from{};
      socklen_t size = sizeof from;
      const ssize_t length = ::recvfrom(instance.socket(kUdp4), question, sizeof question, 0,
                                        reinterpret_cast<sockaddr*>(&from), &size);
      EXPECT_EQ(std::string(question, static_cast<size_t>(length)), "question");
      ASSERT_EQ(::sendto(instance.socket(kUdp4), "answer", 6, 0, reinterpret_cast<sockaddr*>(&from),
                         size),
                6);
      EXPECT_EQ(instance.exit_status(), 0) << server;
    }
  });
}

TEST(Inside, BringsDnsOverTcpToTheSidecar) {
  as_root_and_as_user([] {
    Instance instance("exec 3<>/dev/tcp/9.9.9.9/53 && read -r line <&3 && [ \"$line\" = hi ]");
    ASSERT_TRUE(instance.ready()) << instance.why();
    instance.run();
    Accepted accepted = accept_captured(instance.socket(kTcp4));
    ASSERT_TRUE(accepted.socket);
    ASSERT_EQ(::write(accepted.socket.get(), "hi\n", 3), 3);
    EXPECT_EQ(instance.exit_status(), 0);
  });
}

TEST(Inside, TracksNoConnectionsButThoseToNameServers) {
  as_root_and_as_user([] {
    Instance instance(
        "exec 3<>/dev/tcp/240.240.0.9/80 && read -r line <&3 && exit "
        "$(cat /proc/sys/net/netfilter/nf_conntrack_count)");
    ASSERT_TRUE(instance.ready()) << instance.why();
    instance.run();
    Accepted accepted = accept_captured(instance.socket(kOut4));
    ASSERT_TRUE(accepted.socket);
    ASSERT_EQ(::write(accepted.socket.get(), "hi\n", 3), 3);
    EXPECT_EQ(instance.exit_status(), 0);
  });
}

TEST(Inside, RefusesOtherDatagramsAtOnceCountsThemAndNamesEachTargetOnce) {
  as_root_and_as_user([] {
    // The second write meets the ICMP error of the first.
    Instance instance(
        "exec 3<>/dev/udp/203.0.113.5/443; echo a >&3; echo b >&3 && exit 9; exec "
        "3<>/dev/udp/2001:db8::5/443; "
        "echo a >&3; echo b >&3 && exit 9; exit 0");
    ASSERT_TRUE(instance.ready()) << instance.why();
    instance.run();
    EXPECT_EQ(instance.wait_for(InsideKind::kRefused).text,
              "udp to 203.0.113.5:443 was refused: only DNS may leave the instance as datagrams");
    EXPECT_EQ(instance.wait_for(InsideKind::kRefused).text,
              "udp to [2001:db8::5]:443 was refused: only DNS may leave the instance as datagrams");
  });
}

TEST(Inside, CountsEveryRefusedDatagram) {
  as_root_and_as_user([] {
    Instance instance(
        "for ((i = 0; i < 500; i++)); do echo x > /dev/udp/203.0.113.5/9; done; sleep 30");
    ASSERT_TRUE(instance.ready()) << instance.why();
    instance.run();
    unsigned long sum = 0;
    while (sum < 500) {
      const InsideMessage message = instance.wait_for(InsideKind::kRefusedCounts);
      ASSERT_EQ(message.kind, InsideKind::kRefusedCounts);
      sum += std::strtoul(message.text.c_str(), nullptr, 10);
    }
    EXPECT_EQ(sum, 500u);
  });
}

TEST(Inside, RefusesAtOnceAPortThatIsKnownNotToBeDeclared) {
  as_root_and_as_user([] {
    struct Case {
      const char *host, *port;
      bool open;
    };
    const std::vector<Case> cases = {{"240.240.0.9", "80", true},   {"240.240.0.9", "81", false},
                                     {"fd00:1:2:1::9", "80", true}, {"fd00:1:2:1::9", "81", false},
                                     {"240.240.0.10", "81", true},   // its ports are not known
                                     {"192.0.2.1", "81", true},      // not of the mesh
                                     {"240.240.0.11", "80", false},  // no longer declared
                                     {"240.240.0.12", "81", true}};  // no longer known
    std::string script = "n=0; ";
    for (const Case& c : cases)
      script += std::string("exec 3<>/dev/tcp/") + c.host + "/" + c.port +
                "; [ $? = " + (c.open ? "0" : "1") + " ] || exit $((n + 1)); n=$((n + 1)); ";
    Instance instance(script + "exit 0");
    ASSERT_TRUE(instance.ready()) << instance.why();
    for (const char* change :
         {"clear\n+240.240.0.9 80\n+240.240.0.9\n+fd00:1:2:1::9 80\n+fd00:1:2:1::9\n"
          "+240.240.0.11 80\n+240.240.0.11\n+240.240.0.12 80\n+240.240.0.12\n",
          "-240.240.0.11 80\n-240.240.0.12\n-240.240.0.12 80\n"}) {
      ASSERT_TRUE(instance.inside().declare(change).has_value());
      EXPECT_EQ(instance.wait_for(InsideKind::kDeclared).text, "");
    }
    instance.run();
    std::string named;
    unsigned long refused = 0;
    int status = -1;
    while (true) {
      auto message = instance.inside().receive();
      if (!message) break;
      if (message->kind == InsideKind::kRefusedPort) named += message->text + " ";
      if (message->kind == InsideKind::kRefusedCounts)
        refused += std::strtoul(message->text.c_str() + message->text.find(' '), nullptr, 10);
      EXPECT_NE(message->kind, InsideKind::kRefused) << message->text;
      if (message->kind == InsideKind::kExited) status = std::atoi(message->text.c_str());
    }
    EXPECT_EQ(status, 0) << "case " << WEXITSTATUS(status);
    EXPECT_EQ(named, "240.240.0.9:81 [fd00:1:2:1::9]:81 240.240.0.11:80 ");
    EXPECT_EQ(refused, 3u);
  });
}

TEST(Inside, SaysWhyDeclaredPortsCannotBeChangedAndChangesNone) {
  as_root_and_as_user([] {
    Instance instance("exec 3<>/dev/tcp/240.240.0.9/81");
    ASSERT_TRUE(instance.ready()) << instance.why();
    for (const char* change :
         {"+240.240.0.9\n-240.240.0.99\n", "+nonsense\n", "+240.240.0.9 0\n"}) {
      ASSERT_TRUE(instance.inside().declare(change).has_value());
      EXPECT_NE(instance.wait_for(InsideKind::kDeclared).text, "") << change;
    }
    instance.run();
    EXPECT_EQ(instance.exit_status(), 0);
  });
}

TEST(Inside, ExplainsAConnectToALoopbackPortWhereNothingListens) {
  as_root_and_as_user([] {
    Instance instance("exec 3<>/dev/tcp/127.0.0.1/5432");
    ASSERT_TRUE(instance.ready()) << instance.why();
    instance.run();
    EXPECT_NE(instance.wait_for(InsideKind::kRefused).text.find("--host-port 5432"),
              std::string::npos);
    EXPECT_TRUE(instance.ended());
  });
}

TEST(Inside, GivesTheSidecarSocketsThatReachTheAppFromAForeignAddress) {
  as_root_and_as_user([] {
    Instance instance("sleep 30");
    ASSERT_TRUE(instance.ready()) << instance.why();
    // A listener of the app: made by the same call the app would make, on the wildcard inside.
    ASSERT_TRUE(instance.inside().make_sockets("6").has_value());
    InsideMessage sockets = instance.wait_for(InsideKind::kSockets);
    ASSERT_EQ(sockets.fds.size(), static_cast<size_t>(kSocketBatch));
    const int listener = sockets.fds[0].get();
    sockaddr_in6 any{};
    any.sin6_family = AF_INET6;
    any.sin6_port = htons(8080);
    ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&any), sizeof any), 0);
    ASSERT_EQ(::listen(listener, 8), 0);

    for (const auto& [family, from, to] :
         {std::tuple("4", "240.241.0.99", "127.0.0.1:8080"),
          std::tuple("4", "240.241.0.99", "240.241.0.7:8080"),
          std::tuple("6", "fd00:1:2:2::99", "[fd00:1:2:2::7]:8080")}) {
      ASSERT_TRUE(instance.inside().make_sockets(family).has_value());
      InsideMessage more = instance.wait_for(InsideKind::kSockets);
      ASSERT_FALSE(more.fds.empty());
      const int dial = more.fds[0].get();
      sockaddr_storage source{}, target{};
      socklen_t size;
      const SocketAddress destination = *SocketAddress::parse(to);
      if (std::string(family) == "4") {
        auto& s = reinterpret_cast<sockaddr_in&>(source);
        auto& t = reinterpret_cast<sockaddr_in&>(target);
        s.sin_family = t.sin_family = AF_INET;
        ::inet_pton(AF_INET, from, &s.sin_addr);
        t.sin_addr.s_addr = htonl(destination.ip.v4_value());
        t.sin_port = htons(destination.port);
        size = sizeof s;
      } else {
        auto& s = reinterpret_cast<sockaddr_in6&>(source);
        auto& t = reinterpret_cast<sockaddr_in6&>(target);
        s.sin6_family = t.sin6_family = AF_INET6;
        ::inet_pton(AF_INET6, from, &s.sin6_addr);
        std::memcpy(&t.sin6_addr, destination.ip.raw().data(), 16);
        t.sin6_port = htons(destination.port);
        size = sizeof s;
      }
      ASSERT_EQ(::bind(dial, reinterpret_cast<sockaddr*>(&source), size), 0)
          << from << std::strerror(errno);
      const int connected = ::connect(dial, reinterpret_cast<sockaddr*>(&target), size);
      ASSERT_TRUE(connected == 0 || errno == EINPROGRESS) << std::strerror(errno);
      pollfd ready{listener, POLLIN, 0};
      ASSERT_EQ(::poll(&ready, 1, 10'000), 1);
      sockaddr_storage peer{};
      socklen_t peer_size = sizeof peer;
      Fd accepted(::accept(listener, reinterpret_cast<sockaddr*>(&peer), &peer_size));
      ASSERT_TRUE(accepted);
      EXPECT_EQ(peer_ip(peer), from);
    }
  });
}

TEST(Inside, LetsTheAppBindLowPortsAndAddressesOfTheHostAndTellsTheSidecarWhere) {
  as_root_and_as_user([] {
    int ends[2];
    ASSERT_EQ(::pipe(ends), 0);
    Instance instance(std::vector<std::string>{
        "python3", "-c",
        "import os, socket, time\n"
        "kept = [socket.create_server(a) for a in (('0.0.0.0', 80), ('192.168.9.9', 8080))]\n"
        "s = socket.socket(socket.AF_INET6); s.bind(('2001:db8::7', 81)); s.listen()\n"
        "os.write(" +
            std::to_string(ends[1]) + ", b'up'); time.sleep(600)"});
    ASSERT_TRUE(instance.ready()) << instance.why();
    instance.run();
    ::close(ends[1]);
    char up[2];
    ASSERT_EQ(::read(ends[0], up, 2), 2);
    for (const auto& [port, address] : {std::pair(80, "127.0.0.1"), std::pair(8080, "192.168.9.9"),
                                        std::pair(81, "2001:db8::7")}) {
      auto found = listening_addresses(instance.socket(kDiag), static_cast<uint16_t>(port));
      ASSERT_TRUE(found.has_value()) << found.error().message();
      ASSERT_EQ(found->size(), 1u) << port;
      EXPECT_EQ((*found)[0].to_string(), address);
    }
    auto nobody = listening_addresses(instance.socket(kDiag), 82);
    ASSERT_TRUE(nobody.has_value());
    EXPECT_TRUE(nobody->empty());
  });
}

}  // namespace
}  // namespace weft::capture
