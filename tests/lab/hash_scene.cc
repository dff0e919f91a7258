// Sessions by a hash, over real sidecars: who belongs to an instance stays there while others come and go,
// and a client without a cookie gets one that keeps it where it was.
#include <map>

#include "http/simple_client.h"
#include "lab/scene.h"

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
