// The keeper, the process inside and a stand-in for the sidecar as real processes, as root and as an
// ordinary user. A test's `weft run` is a child of the test that calls keep() as verb_run does.
#include <gmock/gmock.h>

#include "weft_run.h"

namespace weft::app {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

TEST(Keeper, GivesTheExitStatusOfTheApp) {
  as_root_and_as_user([] {
    EXPECT_EQ(WeftRun("exit 7").exit_status(), 7);
    EXPECT_EQ(WeftRun("kill -KILL $$").exit_status(), 137);
    EXPECT_EQ(WeftRun(std::vector<std::string>{"no-such-program"}).exit_status(), 127);
    EXPECT_EQ(WeftRun(std::vector<std::string>{"/etc/passwd"}).exit_status(), 126);
  });
}

TEST(Keeper, LeavesTheRegistryBeforeTheAppGetsItsSignalAndTheSidecarOutlivesTheApp) {
  as_root_and_as_user([] {
    WeftRun run(
        "trap 'echo term >> $STAND_IN_LOG; sleep 0.2; echo gone >> $STAND_IN_LOG; exit 5' TERM; "
        "echo up >> $STAND_IN_LOG; while :; do sleep 0.05; done");
    ASSERT_TRUE(run.recorded("up"));
    ::kill(run.pid(), SIGTERM);
    EXPECT_EQ(run.exit_status(), 5);
    ASSERT_TRUE(run.recorded("closed"));
    EXPECT_THAT(run.records(), ElementsAre(StartsWith("bootstrap first"), "up", "drain", "term",
                                           "gone", "closed"));
  });
}

TEST(Keeper, LeavesTheRegistryWhenTheAppEndsByItself) {
  as_root_and_as_user([] {
    WeftRun run("exit 3");
    EXPECT_EQ(run.exit_status(), 3);
    ASSERT_TRUE(run.recorded("closed"));
    EXPECT_THAT(run.records(), ElementsAre(StartsWith("bootstrap first"), "drain", "closed"));
  });
}

TEST(Keeper, EndsWhatTheAppLeftBehindWhenItWasTold) {
  as_root_and_as_user([] {
    WeftRun run("sleep 600 & echo up >> $STAND_IN_LOG; wait");
    ASSERT_TRUE(run.recorded("up"));
    ::kill(run.pid(), SIGTERM);
    EXPECT_EQ(run.exit_status(), 143);
  });
}

TEST(Keeper, ReplacesAKilledSidecarAndConnectsDuringTheGapWaitAndSucceed) {
  as_root_and_as_user([] {
    WeftRun run(
        "echo up >> $STAND_IN_LOG; read -r pid < <(tail -F -n +1 $STAND_IN_LOG 2>/dev/null | grep "
        "-m1 -o killed); "
        "exec 3<>/dev/tcp/240.240.0.9/80 && read -r line <&3 && echo \"got $line\"; exit 0");
    ASSERT_TRUE(run.recorded("up"));
    const pid_t first = run.sidecar();
    ::kill(first, SIGKILL);
    ASSERT_TRUE(capture::write_file(run.folder() + "/log.tmp", "", true).has_value());
    std::system(("echo killed >> " + run.folder() + "/log").c_str());
    EXPECT_TRUE(run.says("got 240.240.0.9:80")) << run.output();
    EXPECT_TRUE(run.recorded("bootstrap again"));
    EXPECT_NE(run.sidecar(), first);
    ::kill(run.pid(), SIGKILL);
  });
}

TEST(Keeper, RelaysRefusalsAndSockets) {
  as_root_and_as_user([] {
    WeftRun run("exec 3<>/dev/tcp/127.0.0.1/5432; sleep 600");
    EXPECT_TRUE(run.recorded("refused the app connected to 127.0.0.1:5432, where nothing listens"));
    EXPECT_TRUE(run.recorded("sockets 4 16"));
  });
}

TEST(Keeper, SaysWhatTheSidecarSaysWhenItCannotStart) {
  as_root_and_as_user([] {
    WeftRun failed("exit 0", {.mode = "failed"});
    EXPECT_EQ(failed.exit_status(), 73);
    EXPECT_THAT(failed.output(), HasSubstr("weft run: no certificate"));
    WeftRun dies("exit 0", {.mode = "dies"});
    EXPECT_EQ(dies.exit_status(), 70);
    EXPECT_THAT(dies.output(), HasSubstr("the sidecar ended before it was ready"));
  });
}

enum class Victims { kKeeper, kInside, kBoth };

// Kills them and expects that nothing at all is left below this process.
void expect_nothing_left(Victims victims) {
  WeftRun run(
      "trap '' TERM HUP; setsid bash -c 'trap \"\" TERM HUP; echo up >> $STAND_IN_LOG; sleep 600 & "
      "wait' & sleep 600");
  ASSERT_TRUE(run.recorded("up"));
  std::vector<pid_t> below = capture::descendants(run.pid());
  ASSERT_GE(below.size(), 5u);
  const pid_t sidecar = run.sidecar();
  pid_t inside = 0;  // the keeper's other child
  for (pid_t pid : below) {
    auto comm = capture::read_small_file("/proc/" + std::to_string(pid) + "/comm");
    if (comm && *comm == "weft-inside\n") inside = pid;
  }
  ASSERT_NE(inside, 0);
  if (victims == Victims::kInside) {
    ::kill(inside, SIGKILL);
    EXPECT_EQ(run.exit_status(), 137);
  } else {
    // Neither may act on the other's end.
    if (victims == Victims::kBoth) ::kill(inside, SIGSTOP);
    ::kill(run.pid(), SIGKILL);
    if (victims == Victims::kBoth) ::kill(inside, SIGKILL);
    EXPECT_EQ(run.exit_status(), 1000 + SIGKILL);
  }
  below.push_back(sidecar);
  for (pid_t pid : below) {
    EXPECT_TRUE(eventually([&] {
      while (::waitpid(-1, nullptr, WNOHANG) > 0) {
      }
      return ::kill(pid, 0) != 0;
    })) << pid
        << " is left";
  }
}

TEST(Keeper, LeavesNothingWhenItIsKilled) {
  as_root_and_as_user([] { expect_nothing_left(Victims::kKeeper); });
}

TEST(Keeper, LeavesNothingWhenTheProcessInsideIsKilled) {
  as_root_and_as_user([] { expect_nothing_left(Victims::kInside); });
}

TEST(Keeper, LeavesNothingWhenItAndTheProcessInsideAreKilledTogether) {
  as_root_and_as_user([] { expect_nothing_left(Victims::kBoth); });
}

TEST(Keeper, LetsTwoAppsListenOnTheSamePort) {
  as_root_and_as_user([] {
    const std::vector<std::string> command{
        "python3", "-c",
        "import os, socket, time\ns = socket.create_server(('0.0.0.0', 8080))\nprint('listening', "
        "flush=True)\ntime.sleep(600)"};
    WeftRun first(command), second(command);
    EXPECT_TRUE(first.says("listening"));
    EXPECT_TRUE(second.says("listening"));
  });
}

TEST(Keeper, GivesAnInteractiveShellItsJobControl) {
  as_root_and_as_user([] {
    WeftRun run({"bash", "--norc", "-i"}, {.terminal = true});
    run.type("PS1='rea''dy> '\n");
    ASSERT_TRUE(run.says("ready> ")) << run.output();
    EXPECT_EQ(run.output().find("no job control"), std::string::npos) << run.output();
    run.type("sleep 600\n");
    ASSERT_TRUE(eventually([&] {
      for (pid_t pid : capture::descendants(run.pid())) {
        auto comm = capture::read_small_file("/proc/" + std::to_string(pid) + "/comm");
        if (comm && *comm == "sleep\n") return true;
      }
      return false;
    }));
    run.type("\x1a");  // Ctrl-Z stops the job, not the instance
    ASSERT_TRUE(run.says("Stopped"));
    // A shell that still has a stopped job does not leave when told to.
    run.type("kill -9 %1; while kill -0 %1 2>/dev/null; do :; done; echo still''here\n");
    ASSERT_TRUE(run.says("stillhere")) << run.output();
    run.type("exit 4\n");
    EXPECT_EQ(run.exit_status(), 4);
  });
}

TEST(Keeper, LeavesTheTerminalsInterruptToTheApp) {
  as_root_and_as_user([] {
    WeftRun run("trap 'echo caught; exit 9' INT; echo up; while :; do sleep 0.05; done",
                {.terminal = true});
    ASSERT_TRUE(run.says("up"));
    run.type("\x03");
    ASSERT_TRUE(run.says("caught"));
    EXPECT_EQ(run.exit_status(), 9);
    EXPECT_EQ(run.output().find("caught"), run.output().rfind("caught")) << "the signal came twice";
  });
}

TEST(Keeper, PassesOnAnInterruptSentToItAlone) {
  as_root_and_as_user([] {
    WeftRun run("trap 'exit 9' INT; echo up; while :; do sleep 0.05; done");
    ASSERT_TRUE(run.says("up"));
    ::kill(run.pid(), SIGINT);
    EXPECT_EQ(run.exit_status(), 9);
  });
}

TEST(Keeper, StopsAndGoesOnWithTheAppSoThatAShellSeesOneJob) {
  as_root_and_as_user([] {
    WeftRun run("echo up; read -r line; echo \"went on with $line\"; exit 6", {.terminal = true});
    ASSERT_TRUE(run.says("up"));
    run.type("\x1a");
    ASSERT_TRUE(run.says("job stopped"));
    run.type("fg\n");
    run.type("text\n");
    ASSERT_TRUE(run.says("went on with text")) << run.output();
    EXPECT_EQ(run.exit_status(), 6);
  });
}

}  // namespace
}  // namespace weft::app
