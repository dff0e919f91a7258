// What a sidecar bounds, in virtual time: slow and silent parties, long-lived tunnels, floods. Raw clients
// and backends on a mesh of two.
#include <gtest/gtest.h>

#include "http/client.h"
#include "scenarios/raw_mesh.h"

namespace weft::scenarios {
namespace {

using nlohmann::json;

const std::string kUpgrade =
    "GET /ws HTTP/1.1\r\nHost: weft\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
const std::string kSwitch =
    "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";

class StayingUp : public RawMesh {};

TEST_F(StayingUp, AConnectionThatRestedLongerThanItsServiceIsHeldGoesOn) {
  start_backend({kOk, kOk});
  auto peer = dial();
  for (int round = 0; round < 2; ++round) {
    peer->write(kGet);
    EXPECT_TRUE(
        until([&] { return peer->in.ends_with("ok") || peer->ended; }, Duration::seconds(9)));
    EXPECT_EQ(peer->in.substr(0, 12), "HTTP/1.1 200") << round << peer->in;
    peer->in.clear();
    world().run_for(Duration::minutes(10));
  }
}

TEST_F(StayingUp, AWebSocketLivesTenHoursSilentOrNot) {
  start_backend({kSwitch});
  auto busy = dial();
  auto silent = dial();
  busy->write(kUpgrade);
  silent->write(kUpgrade);
  ASSERT_TRUE(until([&] { return busy->in.size() + silent->in.size() >= 2 * kSwitch.size(); },
                    Duration::seconds(5)));
  for (int minute = 0; minute < 600; minute += 5) {
    world().run_for(Duration::minutes(5));  // certificates are renewed twice an hour
    busy->write("ping");
    ASSERT_FALSE(busy->ended) << "after " << minute << " minutes";
    ASSERT_FALSE(silent->ended) << "after " << minute << " minutes";
  }
  silent->write("still there");
  ASSERT_TRUE(until(
      [&] {
        return backend->reached()[0].tunnel.size() + backend->reached()[1].tunnel.size() ==
               120 * 4 + 11;
      },
      Duration::seconds(5)));
}

TEST_F(StayingUp, AHeadThatNeverEndsIsAnsweredAfterTenSeconds) {
  start_backend({kOk});
  for (bool outside : {false, true}) {
    auto peer = outside ? dial_door() : dial();
    peer->write("GET / HTTP/1.1\r\nHost: weft\r\nX-Slow: ");
    for (int second = 0; second < 9; ++second) {
      world().run_for(Duration::seconds(1));
      peer->write("x");
    }
    EXPECT_FALSE(peer->ended);
    ASSERT_TRUE(until([&] { return peer->ended; }, Duration::seconds(3)));
    EXPECT_TRUE(peer->in.starts_with("HTTP/1.1 408 ")) << peer->in;
  }
  EXPECT_TRUE(backend->reached().empty());
}

TEST_F(StayingUp, HalfAnHttp2PrefaceIsNotWaitedForLongerThanAHead) {
  auto peer = dial_door();
  peer->write("PRI * HT");
  EXPECT_TRUE(until([&] { return peer->ended; }, Duration::seconds(11)));
}

TEST_F(StayingUp, ABodyThatStandsStillIsGivenUp) {
  start_backend({kOk});
  struct {
    bool outside;
    Duration allowed;
  } cases[] = {{true, Duration::minutes(1)}, {false, Duration::minutes(5)}};
  size_t reached = 0;
  for (const auto& c : cases) {
    auto peer = c.outside ? dial_door() : dial();
    peer->write("POST / HTTP/1.1\r\nHost: weft\r\nContent-Length: 10\r\n\r\nabc");
    // Octets that come keep it going.
    for (int i = 0; i < 5; ++i) {
      world().run_for(c.allowed - Duration::seconds(2));
      EXPECT_FALSE(peer->ended);
      peer->write("x");
    }
    world().run_for(c.allowed - Duration::seconds(2));
    EXPECT_FALSE(peer->ended);
    ASSERT_TRUE(until([&] { return peer->ended; }, Duration::seconds(4)));
    EXPECT_TRUE(peer->in.starts_with("HTTP/1.1 408 ")) << peer->in;
    world().run_for(Duration::seconds(1));
    ASSERT_EQ(backend->reached().size(), ++reached);
    EXPECT_FALSE(backend->reached().back().complete);
    EXPECT_TRUE(backend->closed_by_peer(backend->reached().back().connection));
  }
}

// One request over HTTP/2 from outside, whose body begins and then stands still.
struct StandingBody {
  io::Task<void> run(http::ClientConnection& connection, std::optional<uint64_t> size) {
    wire::RequestHead head;
    head.method = "POST";
    head.target = "/";
    head.authority = "weft";
    head.length = size ? wire::BodyLength{wire::BodyLength::kSized, *size}
                       : wire::BodyLength{wire::BodyLength::kStreamed, 0};
    if (size) head.fields.add("content-length", std::to_string(*size));
    auto opened = connection.open(head, false);
    if (!opened) co_return;
    stream = std::move(*opened);
    (void)co_await stream->send_body(Buffer("abc"));
    result.emplace(co_await stream->read_head());
  }
  http::ClientStreamPtr stream;
  std::optional<Result<wire::ResponseHead>> result;
};

TEST_F(StayingUp, AnHttp2BodyOfKnownLengthThatStandsStillIsResetAStreamIsNot) {
  start_backend({kOk});
  dial_door();
  sim::Node& outside = world().node("outside");
  auto stream = world().run(outside.network().connect({mesh.instance("backend").side->ip(), kDoor},
                                                      Duration::seconds(5)));
  ASSERT_TRUE(stream);
  auto connection = http::connect_http(outside.loop(), std::move(*stream),
                                       http::ClientProtocol::kHttp2, {}, {}, [] {});
  StandingBody sized, streamed;
  {
    io::TaskScope scope;
    scope.spawn(sized.run(*connection, 10));
    scope.spawn(streamed.run(*connection, std::nullopt));
    world().run_for(Duration::seconds(59));
    EXPECT_FALSE(sized.result);
    EXPECT_EQ(backend->reached().size(), 2u);
    // The connection is looked at once a minute.
    EXPECT_TRUE(until([&] { return sized.result.has_value(); }, Duration::seconds(62)));
    EXPECT_FALSE(sized.result->has_value());
    world().run_for(Duration::minutes(20));
    EXPECT_FALSE(streamed.result);
    // Nothing has moved for an hour.
    EXPECT_TRUE(until([&] { return streamed.result.has_value(); }, Duration::minutes(45)));
    world().run_for(Duration::seconds(1));
    for (const Reached& request : backend->reached()) {
      EXPECT_FALSE(request.complete);
      EXPECT_TRUE(backend->closed_by_peer(request.connection));
    }
  }
  sized.stream.reset();
  streamed.stream.reset();
}

TEST_F(StayingUp, ASlowBackendIsNotTakenForASlowBody) {
  start_backend(json::array({json::object({{"sleep_ms", 1}})}));  // answers after six seconds
  auto peer = dial_door();
  peer->write("POST / HTTP/1.1\r\nHost: weft\r\nContent-Length: 3\r\n\r\nabc");
  ASSERT_TRUE(
      until([&] { return peer->in.find("late") != std::string::npos; }, Duration::seconds(8)));
}

TEST_F(StayingUp, AnIdleConnectionFromOutsideIsClosedAfterFiveMinutes) {
  start_backend({kOk});
  auto peer = dial_door();
  peer->write(kGet);
  ASSERT_TRUE(until([&] { return peer->in.ends_with("ok"); }, Duration::seconds(2)));
  world().run_for(Duration::minutes(4));
  EXPECT_FALSE(peer->ended);
  EXPECT_TRUE(until([&] { return peer->ended; }, Duration::minutes(2)));
}

TEST_F(StayingUp, AnExchangeOfWhichNothingMovesEndsAfterAnHourOutside) {
  start_backend(json::array({json::object({{"never", true}})}));  // never answers
  auto peer = dial_door();
  peer->write(kGet);
  world().run_for(Duration::minutes(59));
  EXPECT_FALSE(peer->ended);
  EXPECT_TRUE(until([&] { return peer->ended; }, Duration::minutes(3)));
}

TEST_F(StayingUp, ASlowReaderHoldsAtMostItsWindowAndNobodyElse) {
  const std::string body(8 * 1024 * 1024, 'x');
  start_backend(
      {"HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body});
  constexpr size_t kSlow = 40;
  std::vector<std::unique_ptr<RawPeer>> slow;
  for (size_t i = 0; i < kSlow; ++i) {
    slow.push_back(dial());
    slow.back()->holding = true;
    slow.back()->write(kGet);
  }
  world().run_for(Duration::seconds(10));
  // What a sidecar of the two holds: what the backend could send, less what the wires hold.
  size_t sent = 0;
  ASSERT_EQ(backend->reached().size(), kSlow);
  for (size_t i = 0; i < kSlow; ++i) sent += body.size() - backend->unsent(i);
  // Kernel windows at both ends (256 KiB each in the simulation), the stream's window on the hop, a queue
  // on either side.
  EXPECT_LT(sent / kSlow, size_t{1200} * 1024);

  auto fast = dial();
  fast->write(kGet);
  EXPECT_TRUE(until([&] { return fast->in.size() > body.size(); }, Duration::seconds(20)))
      << fast->in.size();
  for (auto& peer : slow) peer->read_on();
  EXPECT_TRUE(until(
      [&] {
        return std::all_of(slow.begin(), slow.end(),
                           [&](auto& peer) { return peer->in.size() > body.size(); });
      },
      Duration::seconds(60)));
}

TEST_F(StayingUp, AFloodOfInterimResponsesIsCutOff) {
  json script = json::array();
  for (int i = 0; i < 10'000; ++i) script.push_back("HTTP/1.1 103 Early Hints\r\n\r\n");
  script.push_back(kOk);
  start_backend(script);
  auto peer = dial();
  peer->write(kGet);
  ASSERT_TRUE(until([&] { return peer->in.find("HTTP/1.1 502 ") != std::string::npos; },
                    Duration::seconds(5)));
  EXPECT_LT(peer->in.size(), 10'000u);
}

TEST_F(StayingUp, ARetryTellsTheServerWhatIsLeftOfTheCallersDeadline) {
  ASSERT_EQ(mesh.apply("apiVersion: gateway.networking.k8s.io/v1\n"
                       "kind: HTTPRoute\n"
                       "metadata: {name: again}\n"
                       "spec:\n"
                       "  parentRefs: [{group: \"\", kind: Service, name: weft, port: 80}]\n"
                       "  rules:\n"
                       "  - backendRefs: [{name: weft, port: 80}]\n"
                       "    retry: {codes: [503], attempts: 3, backoff: 500ms}\n")
                .status,
            200);
  const std::string busy = "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
  start_backend({busy, busy, kOk});
  auto peer = dial();
  peer->write(
      "POST /a.B/C HTTP/1.1\r\nHost: weft\r\nContent-Type: application/grpc\r\n"
      "grpc-timeout: 20S\r\nContent-Length: 5\r\n\r\n12345");
  const Instant begin = world().now();
  ASSERT_TRUE(until([&] { return peer->in.ends_with("ok"); }, Duration::seconds(10)));
  const int64_t passed_ms = (world().now() - begin).ns / 1'000'000;
  ASSERT_EQ(backend->reached().size(), 3u);
  // In microseconds.
  auto told = [&](size_t request) {
    const std::string value = backend->reached()[request].message.all("grpc-timeout").at(0);
    return std::stol(value) * (value.ends_with('S') ? 1'000'000 : 1);
  };
  EXPECT_LE(told(0), 20'000'000);
  EXPECT_LT(told(1), told(0));
  EXPECT_LT(told(2), told(1));
  EXPECT_GE(told(2), 20'000'000 - (passed_ms + 1) * 1000);
}

TEST_F(StayingUp, AnOverloadedSidecarShedsNewRequestsAndRecovers) {
  start_backend({kOk});
  auto call = [&](const std::string& extra) {
    auto peer = dial();
    peer->write("GET / HTTP/1.1\r\nHost: weft\r\n" + extra + "Connection: close\r\n\r\n");
    until([&] { return peer->ended; }, Duration::seconds(5));
    return peer->in;
  };
  EXPECT_TRUE(call("").starts_with("HTTP/1.1 200 "));
  for (const char* overloaded : {"backend", "client"}) {
    mesh.instance(overloaded).usage.memory = 930;
    world().run_for(Duration::seconds(1));
    const std::string answer = call("");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 503 ")) << answer;
    EXPECT_NE(answer.find("overloaded"), std::string::npos) << answer;
    EXPECT_NE(answer.find("retry-after: 1\r\n"), std::string::npos) << answer;
    const std::string grpc = call("content-type: application/grpc\r\n");
    EXPECT_NE(grpc.find("grpc-status: 8\r\n"), std::string::npos) << grpc;
    EXPECT_GE(mesh.instance(overloaded).worker->worker.overload.shed(), 2u);
    mesh.instance(overloaded).usage.memory = 100;
    world().run_for(Duration::seconds(1));
    EXPECT_TRUE(call("").starts_with("HTTP/1.1 200 "));
  }
  EXPECT_NE(mesh.log_text().find("not overloaded any more"), std::string::npos);
  std::string type;
  const std::string metrics = mesh.instance("client").sidecar->metrics("", &type);
  EXPECT_NE(metrics.find("weft_shed_requests_total 2"), std::string::npos) << metrics;
}

TEST_F(StayingUp, BeyondSheddingNothingIsAcceptedUntilItIsOver) {
  start_backend({kOk});
  auto open = dial();
  open->write(kGet);
  ASSERT_TRUE(until([&] { return open->in.ends_with("ok"); }, Duration::seconds(2)));
  mesh.instance("client").usage.memory = 960;
  world().run_for(Duration::seconds(1));
  auto waiting = dial();  // in the kernel's queue
  waiting->write(kGet);
  open->in.clear();
  open->write(kGet);
  ASSERT_TRUE(until([&] { return open->in.starts_with("HTTP/1.1 503 "); }, Duration::seconds(2)));
  world().run_for(Duration::seconds(5));
  EXPECT_TRUE(waiting->in.empty());
  EXPECT_FALSE(waiting->ended);
  EXPECT_EQ(mesh.instance("client").worker->worker.overload.pauses(), 1u);
  mesh.instance("client").usage.memory = 100;
  EXPECT_TRUE(until([&] { return waiting->in.ends_with("ok"); }, Duration::seconds(2)));
}

TEST_F(StayingUp, RequestsWaitingForOneInstanceAreBounded) {
  start_backend({kOk});
  // Dials to its sidecar take two seconds to fail.
  sim::Node& node = world().node("backend");
  world().partition(world().node("client"), node);
  proxy::UpstreamPool& pool = mesh.instance("client").worker->pool;
  const proxy::UpstreamTarget target{"nobody", {node.ip(), 20000}, "spiffe://x/y", 80};
  size_t refused = 0, failed = 0;
  auto wait = [&]() -> io::Task<void> {
    auto got = co_await pool.acquire(target);
    if (!got && got.error().kind() == ErrorKind::kLimit) ++refused;
    if (!got) ++failed;
  };
  io::TaskScope scope;
  for (size_t i = 0; i < proxy::UpstreamBounds::kMostWaiting + 100; ++i) scope.spawn(wait());
  EXPECT_EQ(refused, 100u);
  EXPECT_TRUE(until([&] { return failed == proxy::UpstreamBounds::kMostWaiting + 100; },
                    Duration::seconds(10)));
  EXPECT_EQ(refused, 100u);
}

}  // namespace
}  // namespace weft::scenarios
