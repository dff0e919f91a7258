// What may go wrong while a sidecar is replaced, tried with stand-ins: whatever it is, who asked hears of
// it in words, and somebody serves. A test's new sidecar is a script, so that it behaves otherwise than the
// one before it.
#include <gmock/gmock.h>

#include <chrono>

#include "app/weft/instance_control.h"
#include "capture/packet.h"
#include "weft_run.h"

namespace weft::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::UnorderedElementsAre;

class Upgrading {
 public:
  explicit Upgrading(const std::string& mode = "", const std::string& script = kServed,
                     Duration next_ready_within = Duration::seconds(20))
      : run_(script, {.mode = mode, .next_ready_within = next_ready_within}) {
    EXPECT_TRUE(run_.recorded("bootstrap first"));
    EXPECT_TRUE(run_.says("up"));
  }
  WeftRun& run() { return run_; }

  // A weft-proxy that behaves so.
  std::string proxy(const std::string& mode) {
    const std::string path = run_.folder() + "/proxy-" + mode;
    write(path, "#!/bin/sh\nSTAND_IN_MODE=" + mode + " exec " + stand_in_program() + "\n", 0755);
    return path;
  }
  std::string write(const std::string& path, const std::string& text, mode_t mode) {
    EXPECT_TRUE(capture::write_file(path, text, true).has_value());
    ::chmod(path.c_str(), mode);
    return path;
  }
  Fd ask(const std::string& program, const std::string& deadline = "1000") {
    auto socket = connect_to_instance(run_.folder());
    EXPECT_TRUE(socket.has_value()) << socket.error().message();
    if (!socket) return {};
    EXPECT_TRUE(capture::send_packet(socket->get(), "upgrade\n" + program + "\n" + deadline));
    return std::move(*socket);
  }
  // The next answer, or what came instead.
  static std::vector<std::string> answer(const Fd& asked) {
    pollfd ready{asked.get(), POLLIN, 0};
    if (::poll(&ready, 1, 30'000) <= 0) return {"no answer"};
    auto packet = capture::receive_packet(asked.get());
    return packet ? control_lines(packet->bytes)
                  : std::vector<std::string>{packet.error().message()};
  }
  std::string refusal(const std::string& program) {
    const auto lines = answer(ask(program));
    return lines.size() == 2 && lines[0] == "failed" ? lines[1] : testing::PrintToString(lines);
  }
  // Connects of the app are answered.
  void expect_served() {
    static int round = 0;
    const std::string word = "again" + std::to_string(++round);
    write(run_.folder() + "/go", word, 0644);
    EXPECT_TRUE(run_.says(word + " 240.240.0.9:80")) << run_.output();
  }

 private:
  // Whenever the file "go" says another word: a connect, and what was answered.
  static constexpr const char* kServed =
      "echo up; while :; do read -r word 2>/dev/null < ${STAND_IN_LOG%log}go || sleep 0.02; "
      "[ \"$word\" = \"$done\" ] && sleep 0.02 && continue; done=$word; "
      "exec 3<>/dev/tcp/240.240.0.9/80 && read -r line <&3 && echo \"$word $line\"; exec 3<&-; "
      "done";
  WeftRun run_;
};

TEST(Upgrade, TheNewOneServesOnceTheOldOneHasStoppedAccepting) {
  as_root_and_as_user([] {
    Upgrading test;
    test.expect_served();
    const Fd asked = test.ask(test.proxy(""), "700");
    auto serving = test.answer(asked);
    ASSERT_EQ(serving.size(), 5u) << testing::PrintToString(serving);
    EXPECT_THAT(std::vector(serving.begin(), serving.begin() + 3),
                ElementsAre("serving", "1.0", "2.0"));
    EXPECT_EQ(serving[4], "2");
    EXPECT_THAT(test.answer(asked), ElementsAre("done", "2", "0"));
    test.expect_served();
    std::vector<std::string> words;
    for (const std::string& line : test.run().records()) words.push_back(line.substr(0, 7));
    // The last two are two processes' words.
    ASSERT_EQ(words.size(), 5u) << testing::PrintToString(test.run().records());
    EXPECT_THAT(std::vector(words.begin(), words.begin() + 3),
                ElementsAre("bootstr", "standby", "retires"));
    EXPECT_THAT(std::vector(words.begin() + 3, words.end()),
                UnorderedElementsAre("takes o", "closed"));
  });
}

TEST(Upgrade, WhatIsNoProxyIsRefusedBeforeAnythingHappens) {
  as_root_and_as_user([] {
    Upgrading test;
    const std::string folder = test.run().folder();
    EXPECT_THAT(test.refusal(folder + "/none"), HasSubstr("No such file"));
    EXPECT_THAT(test.refusal("weft-proxy"), HasSubstr("must be absolute"));
    EXPECT_THAT(test.refusal(folder), HasSubstr("is no file"));
    EXPECT_THAT(test.refusal(test.write(folder + "/plain", "#!/bin/sh\n", 0644)),
                HasSubstr("is not executable"));
    EXPECT_THAT(test.refusal(test.write(folder + "/broken", "#!/no/such/shell\n", 0755)),
                HasSubstr("could not be executed"));
    const Fd asked = test.ask(folder, "for ever");
    EXPECT_THAT(test.answer(asked).back(), HasSubstr("deadline"));
    test.expect_served();
  });
}

TEST(Upgrade, ANewOneThatDoesNotGetReadyLeavesTheOldOne) {
  as_root_and_as_user([] {
    Upgrading test;
    const pid_t old = test.run().sidecar();
    EXPECT_THAT(
        test.refusal(test.proxy("dies")),
        AllOf(HasSubstr("ended with status 1 before it was ready"), HasSubstr("no such luck")));
    EXPECT_THAT(test.refusal(test.proxy("failed")),
                HasSubstr("the new proxy says: no certificate"));
    // A program from before upgrades gives up on a first message that it does not know.
    const std::string old_program = test.write(
        test.run().folder() + "/old", "#!/bin/sh\necho 'this is no bootstrap' >&2\nexit 1\n", 0755);
    EXPECT_THAT(test.refusal(old_program), HasSubstr("this is no bootstrap"));
    test.expect_served();
    EXPECT_EQ(::kill(old, 0), 0);
    EXPECT_EQ(test.run().sidecar(), old);
  });
}

TEST(Upgrade, ANewOneThatIsNeverReadyIsGivenUp) {
  as_root_and_as_user([] {
    Upgrading test("", "echo up; sleep 600", Duration::seconds(1));
    EXPECT_EQ(test.refusal(test.proxy("silent")), "the new proxy was not ready within 1 s");
    ASSERT_TRUE(test.run().recorded("standby"));
    EXPECT_EQ(::kill(test.run().sidecar(), 0), 0);
  });
}

TEST(Upgrade, OneAtATimeAndNoneWhileTheInstanceEnds) {
  as_root_and_as_user([] {
    Upgrading test;
    const std::string silent = test.proxy("silent");
    const Fd first = test.ask(silent);
    ASSERT_TRUE(test.run().recorded("standby"));
    EXPECT_THAT(test.refusal(silent), HasSubstr("an upgrade is under way"));
    test.expect_served();
    ::kill(test.run().pid(), SIGTERM);
    EXPECT_THAT(test.answer(first), ElementsAre("failed", "the instance is being stopped"));
    EXPECT_EQ(test.run().exit_status(), 143);
    EXPECT_FALSE(connect_to_instance(test.run().folder()).has_value());
  });
}

TEST(Upgrade, AnAppThatEndsEndsItToo) {
  as_root_and_as_user([] {
    Upgrading test("", "echo up; until [ -e ${STAND_IN_LOG%log}go ]; do sleep 0.02; done; exit 5");
    const Fd asked = test.ask(test.proxy("silent"));
    ASSERT_TRUE(test.run().recorded("standby"));
    test.write(test.run().folder() + "/go", "", 0644);
    EXPECT_THAT(test.answer(asked), ElementsAre("failed", "the app has ended"));
    EXPECT_EQ(test.run().exit_status(), 5);
  });
}

TEST(Upgrade, AnOldOneThatDiesMeanwhileIsReplacedByItsLike) {
  as_root_and_as_user([] {
    Upgrading test;
    const Fd asked = test.ask(test.proxy("silent"));
    ASSERT_TRUE(test.run().recorded("standby"));
    ::kill(test.run().sidecar(), SIGKILL);
    EXPECT_THAT(test.answer(asked), ElementsAre("failed", "the sidecar died meanwhile"));
    EXPECT_TRUE(test.run().recorded("bootstrap again"));
    test.expect_served();
  });
}

TEST(Upgrade, AnOldOneThatDiesWhileItDrainsIsCounted) {
  as_root_and_as_user([] {
    Upgrading test("retires-dies");
    const Fd asked = test.ask(test.proxy(""));
    EXPECT_EQ(test.answer(asked).front(), "serving");
    const auto last = test.answer(asked);
    EXPECT_EQ(last.front(), "lost");
    EXPECT_THAT(last.back(), HasSubstr("the 2 connections it still carried were cut"));
    test.expect_served();
  });
}

TEST(Upgrade, AnOldOneThatDoesNotAnswerIsKilled) {
  as_root_and_as_user([] {
    Upgrading test("deaf");
    const Fd asked = test.ask(test.proxy(""));
    EXPECT_EQ(test.answer(asked).front(), "serving");
    EXPECT_EQ(test.answer(asked).front(), "lost");
    test.expect_served();
  });
}

TEST(Upgrade, ANewOneThatDiesWhenItTakesOverIsStartedAnew) {
  as_root_and_as_user([] {
    Upgrading test;
    const Fd asked = test.ask(test.proxy("serves-dies"));
    EXPECT_EQ(test.answer(asked).front(), "serving");
    EXPECT_TRUE(test.run().recorded("bootstrap again"));
    test.expect_served();
  });
}

TEST(Upgrade, ANewOneThatDiesBetweenReadyAndServingIsNotMissed) {
  as_root_and_as_user([] {
    Upgrading test("slow");
    EXPECT_THAT(test.refusal(test.proxy("ready-dies")), HasSubstr("before it served"));
    EXPECT_TRUE(test.run().recorded("bootstrap again"));
    test.expect_served();
  });
}

TEST(Upgrade, WhatOutlivesTheDeadlineIsCutAndCountedAndOthersMayFollow) {
  as_root_and_as_user([] {
    Upgrading test("holds");
    const Fd first = test.ask(test.proxy("holds"), "1500");
    EXPECT_EQ(test.answer(first).front(), "serving");
    const Fd second = test.ask(test.proxy(""), "60000");
    EXPECT_EQ(test.answer(second).front(), "serving") << "the first still drains";
    EXPECT_THAT(test.answer(first), ElementsAre("done", "1", "1"));
    test.expect_served();
    // The second drains for a minute, but not longer than the instance lives.
    ::kill(test.run().pid(), SIGKILL);
    EXPECT_EQ(test.run().exit_status(), 1000 + SIGKILL);
  });
}

TEST(Upgrade, WhatAnOldOneStillCarriesOutwardsHoldsNobodyUpAtTheEnd) {
  as_root_and_as_user([] {
    Upgrading test("holds");
    const Fd asked = test.ask(test.proxy(""), "60000");
    EXPECT_EQ(test.answer(asked).front(), "serving");
    const auto begin = std::chrono::steady_clock::now();
    ::kill(test.run().pid(), SIGTERM);
    EXPECT_EQ(test.run().exit_status(), 143);
    EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(10));
    EXPECT_THAT(test.answer(asked), ElementsAre("done", "1", "1")) << "cut with the instance";
  });
}

TEST(Upgrade, LeavesNothingWhenTheKeeperIsKilled) {
  as_root_and_as_user([] {
    Upgrading test;
    const Fd asked = test.ask(test.proxy("silent"));
    ASSERT_TRUE(test.run().recorded("standby"));
    std::vector<pid_t> below = capture::descendants(test.run().pid());
    ASSERT_GE(below.size(), 4u);
    ::kill(test.run().pid(), SIGKILL);
    EXPECT_EQ(test.run().exit_status(), 1000 + SIGKILL);
    for (pid_t pid : below) {
      EXPECT_TRUE(eventually([&] {
        while (::waitpid(-1, nullptr, WNOHANG) > 0) {
        }
        return ::kill(pid, 0) != 0;
      })) << pid;
    }
  });
}

}  // namespace
}  // namespace weft::app
