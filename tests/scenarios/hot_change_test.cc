// Many routes, and changes under load: 100 versions a second for a minute, each of which leaves three marks on
// a request (what the rule adds to it, what the backend's reference adds to the answer, and which backend
// it is), so that a request served by parts of two versions shows itself; and 5 000 routes on one service,
// of which one is edited.
#include <fmt/format.h>

#include "scenarios/policy_mesh.h"

namespace weft::scenarios {
namespace {

constexpr const char* kRoute =
    "apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {{name: {}}}\nspec:\n"
    "  parentRefs: [{{group: '', kind: Service, name: cart}}]\n";

class HotChanges : public PolicyMesh {
 protected:
  HotChanges() {
    for (const std::string name : {"even", "odd"}) {
      mesh.add({.name = name,
                .services = {{name, 80, 8080, model::Protocol::kHttp, false}},
                .behaviour = {.script = [name](const wire::RequestHead& head) -> AppAnswer {
                  const auto version = head.fields.get("x-by-rule");
                  return {.says = fmt::format("{} {}", name, version ? *version : "none")};
                }}});
    }
  }

  static std::string version(int number) {
    return fmt::format(kRoute, "hot") + fmt::format(R"(  rules:
  - matches: [{{path: {{value: /hot}}}}]
    filters: [{{type: RequestHeaderModifier, requestHeaderModifier: {{set: [{{name: x-by-rule, value: '{0}'}}]}}}}]
    backendRefs:
    - name: {1}
      port: 80
      filters: [{{type: ResponseHeaderModifier, responseHeaderModifier: {{set: [{{name: x-by-backend, value: '{0}'}}]}}}}]
)",
                                                    number, number % 2 == 0 ? "even" : "odd");
  }
  // One of many: answered with its number.
  static std::string item(int number, int edition = 0) {
    return fmt::format(kRoute, fmt::format("item-{:04}", number)) + fmt::format(R"(  rules:
  - matches: [{{path: {{type: Exact, value: /item/{0}}}}}]
    filters: [{{type: ResponseHeaderModifier, responseHeaderModifier: {{set: [{{name: x-item, value: '{0}.{1}'}}]}}}}]
    backendRefs: [{{name: cart, port: 80}}]
)",
                                                                                number, edition);
  }
  void apply_items(int count) {
    constexpr int kAtOnce = 1000;  // a file may have 200 000 values
    for (int first = 0; first < count; first += kAtOnce) {
      std::string some;
      for (int i = first; i < std::min(count, first + kAtOnce); ++i) some += item(i) + "---\n";
      const CallResult applied = mesh.apply(some);
      ASSERT_EQ(applied.status, 200) << applied.body;
    }
    world().run_for(Duration::seconds(1));
  }
  std::string item_of(const std::string& path) {
    const std::string answer = ask("GET " + path + " HTTP/1.1\r\nHost: cart\r\n\r\n");
    return answer.starts_with("HTTP/1.1 200 ") ? field(answer, "x-item") : answer.substr(0, 60);
  }

  // A client that asks again as soon as it has its answer, and looks at each.
  struct Client {
    std::unique_ptr<RawPeer> peer;
    int answers = 0, newest = 0;
  };
  static void look(const std::string& answer, Client& client) {
    ASSERT_TRUE(answer.starts_with("HTTP/1.1 200 ")) << answer;
    const int by_backend = std::stoi("0" + field(answer, "x-by-backend"));
    const std::string expected =
        fmt::format("{} {}", by_backend % 2 == 0 ? "even" : "odd", by_backend);
    ASSERT_EQ(body(answer), expected) << "a mixture of two versions:\n" << answer;
    ASSERT_GE(by_backend, client.newest) << "a version came back";
    client.newest = by_backend;
    ++client.answers;
  }
};

TEST_F(HotChanges, AHundredASecondForAMinuteFailNoRequestAndMixNoVersions) {
  constexpr int kVersions = 6000;
  const std::string request = "GET /hot HTTP/1.1\r\nHost: cart\r\n\r\n";
  apply_items(80);  // so that the rules travel in parts
  ASSERT_EQ(mesh.apply(version(1)).status, 200);
  world().run_for(Duration::seconds(1));
  std::vector<Client> clients(4);
  for (Client& client : clients) {
    client.peer = dial(cart);
    client.peer->write(request);
  }
  int seen = 0;
  const Instant begin = world().now();
  for (int number = 2; number <= kVersions; ++number) {
    ASSERT_EQ(mesh.apply(version(number)).status, 200);
    for (Client& client : clients) {
      ASSERT_FALSE(client.peer->ended) << client.peer->in;
      if (!has_whole_answer(client.peer->in)) continue;
      look(client.peer->in, client);
      if (HasFatalFailure()) return;
      client.peer->in.clear();
      client.peer->write(request);
    }
    const Duration late = world().now() - (begin + Duration::millis(10) * (number - 1));
    ASSERT_LT(late, Duration::millis(50)) << "the changes do not come at 100 a second";
    if (late.ns < 0) world().run_for(Duration::nanos(-late.ns));
  }
  const Duration took = world().now() - begin;
  EXPECT_GE(took, Duration::seconds(59));
  EXPECT_LE(took, Duration::seconds(61));
  world().run_for(Duration::seconds(1));
  for (Client& client : clients) {
    look(client.peer->in, client);
    client.peer->in.clear();
    client.peer->write(request);
    seen += client.answers;
  }
  EXPECT_GT(seen, 15'000);
  world().run_for(Duration::seconds(1));
  for (Client& client : clients) {
    look(client.peer->in, client);
    EXPECT_EQ(client.newest, kVersions) << "what was applied last is in force";
  }
}

TEST_F(HotChanges, OneEditAmongFiveThousandRoutesMovesKilobytes) {
  constexpr int kRoutes = 5000;
  apply_items(kRoutes);
  for (const int number : {0, 1, kRoutes / 2, kRoutes - 1}) {
    EXPECT_EQ(item_of(fmt::format("/item/{}", number)), fmt::format("{}.0", number));
  }
  EXPECT_TRUE(item_of("/item/5000").starts_with("HTTP/1.1 404 "));

  // The observer outlives the test.
  const auto bytes = std::make_shared<size_t>(0);
  world().observe([bytes](const sim::Segment& segment) {
    if (segment.from_host == "server" && segment.to_host == "client")
      *bytes += segment.bytes.size();
  });
  for (const int number : {0, kRoutes / 2, kRoutes - 1}) {
    *bytes = 0;
    ASSERT_EQ(mesh.apply(item(number, 1)).status, 200);
    world().run_for(Duration::seconds(1));
    EXPECT_EQ(item_of(fmt::format("/item/{}", number)), fmt::format("{}.1", number));
    EXPECT_GT(*bytes, 0u);
    EXPECT_LE(*bytes, 20'000u) << "of route " << number;
  }
}

}  // namespace
}  // namespace weft::scenarios
