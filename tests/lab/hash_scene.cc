// Sessions by a hash, over real sidecars: who belongs to an instance stays there while others come and go,
// and a client without a cookie gets one that keeps it where it was.
#include <algorithm>
#include <cmath>
#include <map>

#include "http/simple_client.h"
#include "lab/scene.h"
#include "steer/binomial_test_support.h"

namespace weft::lab {
namespace {

constexpr int kUsers = 60;

struct HashScene : testing::TestWithParam<const char*> {
  HashScene() {
    for (int i = 0; i < 5; ++i) lab.endpoint("cart", "cart-" + std::to_string(i));
    lab.caller("web");
    lab.apply(backend_policy("cart", std::string("loadBalancing: {algorithm: ") + GetParam() +
                                         ", hashBy: [{type: Header, name: x-user}, "
                                         "{type: Cookie, name: lane, ttl: 600s}]}"));
  }
  http::FetchResponse ask(const std::string& field, const std::string& value) {
    const std::string ip = lab.mesh().world().run(lab.mesh().resolve("web", "cart"));
    sim::Node& node = *lab.mesh().instance("web").app;
    wire::RequestHead head;
    head.method = "GET";
    head.target = "/";
    head.authority = "cart";
    if (!field.empty()) head.fields.add(field, value);
    auto answer = lab.mesh().world().run(http::fetch(node.loop(), node.network(),
                                                     SocketAddress{*IpAddress::parse(ip), 80},
                                                     std::move(head), {}, Duration::seconds(10)));
    EXPECT_TRUE(answer) << answer.error().message();
    return answer ? std::move(*answer) : http::FetchResponse();
  }
  std::map<int, std::string> owners() {
    std::map<int, std::string> owners;
    for (int user = 0; user < kUsers; ++user) {
      owners[user] = ask("x-user", "user-" + std::to_string(user)).body;
    }
    return owners;
  }
  Lab lab{21};
};
INSTANTIATE_TEST_SUITE_P(Both, HashScene, testing::Values("RingHash", "Maglev"));

TEST_P(HashScene, UsersStayWhereTheyAreThroughChurnOfOthers) {
  const auto before = owners();
  std::map<std::string, int> count;
  for (const auto& [user, owner] : before) ++count[owner];
  EXPECT_EQ(count.size(), 5u);
  EXPECT_EQ(owners(), before);

  lab.mesh().kill("cart-2");
  const auto without = owners();
  int moved = 0;
  for (int user = 0; user < kUsers; ++user) {
    EXPECT_NE(without.at(user), "cart-2");
    if (before.at(user) == "cart-2") continue;
    moved += without.at(user) != before.at(user) ? 1 : 0;
  }
  EXPECT_LE(moved, kUsers / 50);

  lab.mesh().open_app("cart-2");
  lab.mesh().restart_sidecar("cart-2");
  lab.mesh().world().run_for(Duration::seconds(40));  // its rest is over
  owners();
  EXPECT_EQ(owners(), before);
}

// How evenly keys lie over five instances, and how few move when a sixth comes: a sixth of them, and to it alone.
TEST_P(HashScene, KeysAreSpreadEvenlyAndOnlyItsShareMovesToANewcomer) {
  constexpr uint64_t kKeys = 600;
  const auto places = [this] {
    std::vector<std::string> owners;
    for (uint64_t key = 0; key < kKeys; ++key)
      owners.push_back(ask("x-user", "key-" + std::to_string(key)).body);
    return owners;
  };
  const auto before = places();
  // A ring's members have places of different length (512 points each: 4 % deviation), Maglev's a percent.
  const double apart = std::string(GetParam()) == "RingHash" ? 0.2 : 0.01;
  for (int i = 0; i < 5; ++i) {
    const auto count = static_cast<uint64_t>(
        std::count(before.begin(), before.end(), "cart-" + std::to_string(i)));
    EXPECT_GE(count, steer::binomial_bounds(kKeys, 0.2 * (1 - apart), 1e-9).least) << i;
    EXPECT_LE(count, steer::binomial_bounds(kKeys, 0.2 * (1 + apart), 1e-9).most) << i;
  }
  lab.endpoint("cart", "cart-5");
  lab.mesh().world().run_for(Duration::seconds(2));
  const auto after = places();
  uint64_t moved = 0, elsewhere = 0;
  for (size_t key = 0; key < kKeys; ++key) {
    moved += after[key] != before[key] ? 1 : 0;
    elsewhere += after[key] != before[key] && after[key] != "cart-5" ? 1 : 0;
  }
  EXPECT_GE(moved, steer::binomial_bounds(kKeys, (1 - apart) / 6, 1e-9).least);
  EXPECT_LE(moved, steer::binomial_bounds(kKeys, (1 + apart) / 6 + 0.02, 1e-9).most);
  EXPECT_LE(elsewhere, kKeys / 50);
}

// One user asks for more than one instance may carry: the others take what is beyond the bound.
TEST(BoundedLoadScene, NobodyGetsMoreThanTheBoundOfTheMean) {
  for (const char* algorithm : {"RingHash", "Maglev"}) {
    const auto play = [&](const std::string& bound) {
      Lab lab(22);
      for (int i = 0; i < 5; ++i)
        lab.endpoint("cart", "cart-" + std::to_string(i), {.service = Duration::millis(200)});
      lab.caller("web");
      lab.apply(backend_policy("cart", std::string("loadBalancing: {algorithm: ") + algorithm +
                                           ", hashBy: [{type: Header, name: x-user}]" + bound +
                                           "}"));
      lab.load(
          {.from = "web",
           .to = "cart",
           .per_second = 100,
           .length = Duration::seconds(10),
           .head = [](uint64_t, wire::RequestHead& head) { head.fields.add("x-user", "ada"); }});
      lab.play();
      return lab.samples();
    };
    const auto unbounded = play(""), bounded = play(", boundedLoadPercent: 125");
    EXPECT_EQ(share(unbounded, answered_by(unbounded.front().endpoint)), 1) << algorithm;
    EXPECT_EQ(share(bounded, kOk), 1);
    double most = 0;
    for (int i = 0; i < 5; ++i)
      most = std::max(most, share(bounded, answered_by("cart-" + std::to_string(i))));
    // A quarter more than the fifth each, and what rounding up to whole requests gives of some twenty in flight.
    EXPECT_LE(most, 0.25 + 1 / 20.0) << algorithm;
    EXPECT_GE(most, 0.22) << algorithm << ": its own instance has the most";
    // At the moment of each request: those in flight at its instance, itself among them.
    for (const Sample& one : bounded) {
      const Pick under_way = [&](const Sample& other) {
        return other.at <= one.at && other.at + other.latency > one.at;
      };
      const auto all = std::count_if(bounded.begin(), bounded.end(), under_way);
      const auto here = std::count_if(bounded.begin(), bounded.end(), [&](const Sample& other) {
        return other.endpoint == one.endpoint && under_way(other);
      });
      // What the caller has not read to its end yet has ended for its sidecar: one more at most.
      EXPECT_LE(static_cast<double>(here), std::ceil(1.25 * static_cast<double>(all) / 5) + 1);
    }
  }
}

TEST_P(HashScene, AClientWithoutACookieGetsOneThatKeepsItWhereItWas) {
  std::map<std::string, int> count;
  for (int client = 0; client < 20; ++client) {
    const http::FetchResponse first = ask("", "");
    const std::string cookie(first.fields.get("set-cookie").value_or(""));
    ASSERT_TRUE(cookie.starts_with("lane=")) << cookie;
    EXPECT_NE(cookie.find("; Path=/; Max-Age=600; HttpOnly"), std::string::npos) << cookie;
    const std::string pair = cookie.substr(0, cookie.find(';'));
    for (int i = 0; i < 3; ++i) {
      const http::FetchResponse again = ask("cookie", "theme=dark; " + pair);
      EXPECT_EQ(again.body, first.body);
      EXPECT_FALSE(again.fields.has("set-cookie"));
    }
    ++count[first.body];
  }
  EXPECT_GE(count.size(), 3u);
  // The first key that the request has decides.
  EXPECT_FALSE(ask("x-user", "ada").fields.has("set-cookie"));
}

}  // namespace
}  // namespace weft::lab
