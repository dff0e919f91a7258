// Rules that travel apart from their service: how they are cut, what one edit moves, what is refused, and
// how a stream carries them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "base/hash.h"
#include "resources.pb.h"
#include "xds/convert.h"
#include "xds/delta_client.h"
#include "xds/delta_server.h"

namespace weft::xds {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const model::ServiceName kCart{"default", "cart"};

model::RouteRule rule(int number) {
  model::RouteRule out;
  out.route = "default/route-" + std::to_string(number);
  out.rule = "0";
  out.match.path = {model::PathMatch::kPrefix, "/item/" + std::to_string(number)};
  out.backends = {{.service = {"default", "cart-v1"}, .port = 80}};
  return out;
}

model::Service service(int rules) {
  model::Service out{.name = kCart};
  out.ports.push_back({.port = 80, .name = "", .routed = true, .rules = {}});
  for (int i = 0; i < rules; ++i) out.ports[0].rules.push_back(rule(i));
  return out;
}

std::set<std::string> names(const EncodedService& encoded) {
  std::set<std::string> out;
  for (const auto& part : encoded.parts) out.insert(part.name);
  return out;
}

// The bytes of what is in `now` and was not in `before`: what an edit moves.
size_t moved(const EncodedService& before, const EncodedService& now, size_t& parts) {
  const std::set<std::string> known = names(before);
  size_t bytes = now.service.size();
  parts = 0;
  for (const auto& part : now.parts) {
    if (known.contains(part.name)) continue;
    bytes += part.payload.size();
    ++parts;
  }
  return bytes;
}

TEST(Parts, FewRulesStayInTheServiceForAnyProxy) {
  const EncodedService encoded = encode_in_parts(service(static_cast<int>(kInlineRules)));
  EXPECT_THAT(encoded.parts, IsEmpty());
  const auto decoded = decode_service(encoded.service, 1);
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_THAT(decoded->ports.at(0).rules, SizeIs(kInlineRules));
  EXPECT_THAT(decoded->ports.at(0).parts, IsEmpty());
}

TEST(Parts, ManyRulesComeBackInTheirOrder) {
  model::Service before = service(5000);
  model::BackendPolicy policy;
  policy.retries.emplace().origin = "BackendPolicy default/p";
  before.ports[0].rules[4000].policy = std::make_shared<const model::BackendPolicy>(policy);
  before.ports[0].rules[4001].fault = std::make_shared<const model::Fault>();
  const EncodedService encoded = encode_in_parts(before);
  const auto decoded = decode_service(encoded.service);
  ASSERT_TRUE(decoded) << decoded.error().message();
  EXPECT_THAT(decoded->ports.at(0).rules, IsEmpty());
  std::map<std::string, std::string> payloads;
  for (const auto& part : encoded.parts) {
    EXPECT_LE(part.payload.size(), kPartBytes + 1024);
    payloads[part.name] = part.payload;
  }
  std::vector<model::RouteRule> rules;
  for (const uint64_t id : decoded->ports.at(0).parts) {
    const std::string& payload = payloads.at(part_name(kCart, id));
    EXPECT_EQ(xxh64(payload), id) << "named by its content";
    auto part = decode_rules(payload);
    ASSERT_TRUE(part) << part.error().message();
    EXPECT_LE(part->size(), kPartRules);
    rules.insert(rules.end(), part->begin(), part->end());
  }
  ASSERT_THAT(rules, SizeIs(5000));
  for (int i = 0; i < 5000; ++i) {
    ASSERT_EQ(rules[static_cast<size_t>(i)].route, "default/route-" + std::to_string(i));
  }
  ASSERT_TRUE(rules[4000].policy);
  EXPECT_EQ(*rules[4000].policy, policy);
  EXPECT_TRUE(rules[4001].fault);
  EXPECT_FALSE(rules[4002].policy || rules[4002].fault);
}

TEST(Parts, AnEditAnInsertionAndARemovalMoveKilobytes) {
  const model::Service whole = service(5000);
  const EncodedService before = encode_in_parts(whole);
  EXPECT_GT(encode_service(whole).size(), 300'000u);
  for (const size_t at : {0u, 1u, 17u, 2500u, 4998u, 4999u}) {
    const auto edit = [&](const char* what, auto change) {
      model::Service after = whole;
      change(after.ports[0].rules);
      size_t parts = 0;
      const size_t bytes = moved(before, encode_in_parts(after), parts);
      EXPECT_LE(parts, 3u) << what << " at " << at;
      EXPECT_LE(bytes, 24'000u) << what << " at " << at;
    };
    using Rules = std::vector<model::RouteRule>;
    const auto offset = static_cast<ptrdiff_t>(at);
    edit("edit", [&](Rules& rules) { rules[at].backends[0].weight = 7; });
    edit("insertion", [&](Rules& rules) { rules.insert(rules.begin() + offset, rule(9999)); });
    edit("removal", [&](Rules& rules) { rules.erase(rules.begin() + offset); });
  }
}

TEST(Parts, TwoPortsWithTheSameRulesShareThem) {
  model::Service both = service(200);
  both.ports.push_back(both.ports[0]);
  both.ports[1].port = 81;
  EXPECT_EQ(names(encode_in_parts(both)), names(encode_in_parts(service(200))));
}

TEST(Parts, FewRulesThatOneResourceCannotHoldTravelApartToo) {
  model::Service large = service(40);
  for (model::RouteRule& each : large.ports[0].rules) {
    each.request_headers.set.assign(4, {"x", std::string(8 * 1024, 'v')});
  }
  const EncodedService encoded = encode_in_parts(large);
  EXPECT_LE(encoded.service.size(), kResourceBytes);
  EXPECT_THAT(encoded.parts, SizeIs(40));
  EXPECT_EQ(encoded.parts[7].last_rule, "default/route-7 rule 0");
  ASSERT_TRUE(decode_service(encoded.service));
  for (const auto& part : encoded.parts) EXPECT_TRUE(decode_rules(part.payload)) << part.name;
  // What fits stays in one.
  large.ports[0].rules.resize(20);
  EXPECT_THAT(encode_in_parts(large).parts, IsEmpty());
}

TEST(Parts, AnOlderProxySaysWhichLevelItLacks) {
  const EncodedService encoded = encode_in_parts(service(65));
  const auto decoded = decode_service(encoded.service, 4);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().kind(), ErrorKind::kUnsupported);
  EXPECT_THAT(decoded.error().message(),
              HasSubstr("needs proxy level 5, this proxy has level 4: update weft-proxy"));
  EXPECT_TRUE(decode_service(encoded.service, 5));
}

TEST(Parts, WhatIsOutOfBoundsIsRefusedByName) {
  const auto why = [](const v1::Rules& message) {
    const auto decoded = decode_rules(message.SerializeAsString());
    return decoded ? "" : decoded.error().message();
  };
  v1::Rules message;
  ASSERT_TRUE(message.ParseFromString(encode_in_parts(service(65)).parts.at(0).payload));
  EXPECT_EQ(why(message), "");
  v1::Rules broken = message;
  broken.mutable_rules(0)->set_policy(1);
  EXPECT_THAT(why(broken),
              HasSubstr("route default/route-0 rule 0: rule.policy: 1 of a table of 0"));
  broken = message;
  while (broken.rules_size() <= static_cast<int>(kPartRules))
    *broken.add_rules() = message.rules(0);
  EXPECT_THAT(why(broken), HasSubstr("rules: 65 entries, at most 64"));
  broken = message;
  broken.set_min_proxy(99);
  EXPECT_THAT(why(broken), HasSubstr("needs proxy level 99"));
  EXPECT_FALSE(decode_rules("\xff\xff"));

  v1::Service both;
  ASSERT_TRUE(both.ParseFromString(encode_in_parts(service(65)).service));
  *both.mutable_ports(0)->add_rules() = message.rules(0);
  const auto decoded = decode_service(both.SerializeAsString());
  ASSERT_FALSE(decoded);
  EXPECT_THAT(decoded.error().message(), HasSubstr("rules: both here and in parts"));
  both.mutable_ports(0)->clear_rules();
  for (size_t i = 0; i <= kPortRules; ++i) both.mutable_ports(0)->add_parts(i);
  EXPECT_FALSE(decode_service(both.SerializeAsString()));
}

// --- on a stream ---

class Stream {
 public:
  Stream() : server_(std::make_unique<DeltaServerStream>(cache_)), client_({"web-1", "0.1"}) {
    client_.connected();
  }
  ResourceCache& cache() { return cache_; }
  DeltaClient& client() { return client_; }
  void set(const std::string& name) { cache_.set(ResourceType::kRules, name, "rules of " + name); }
  void reconnect() {
    client_.disconnected();
    server_ = std::make_unique<DeltaServerStream>(cache_);
    client_.connected();
  }
  // What a round brings of Rules: "+name" and "-name".
  std::vector<std::string> round() {
    to_server();
    for (const auto& key : cache_.take_changed()) server_->changed(key);
    std::vector<std::string> out;
    for (const auto& message : server_->take_output()) {
      auto update = client_.receive(message);
      EXPECT_TRUE(update);
      for (const auto& resource : update->changed) out.push_back("+" + resource.name);
      for (const auto& name : update->removed) out.push_back("-" + name);
      client_.acknowledge(update->id);
    }
    to_server();
    return out;
  }

 private:
  void to_server() {
    for (const auto& message : client_.take_output()) EXPECT_TRUE(server_->receive(message));
  }
  ResourceCache cache_;
  std::unique_ptr<DeltaServerStream> server_;
  DeltaClient client_;
};

TEST(PartsOnAStream, ComeAndGoByTheServiceTheyAreOf) {
  Stream stream;
  for (const char* name :
       {"cart.default/a", "cart.default/b", "cart.defaultish/x", "web.default/w"}) {
    stream.set(name);
  }
  stream.client().subscribe(ResourceType::kRules, "cart.default");
  EXPECT_THAT(stream.round(), ElementsAre("+cart.default/a", "+cart.default/b"));
  EXPECT_THAT(stream.round(), IsEmpty());
  stream.cache().remove(ResourceType::kRules, "cart.default/a");
  stream.set("cart.default/c");
  stream.set("web.default/v");
  EXPECT_THAT(stream.round(), ElementsAre("+cart.default/c", "-cart.default/a"));
  stream.client().unsubscribe(ResourceType::kRules, "cart.default");
  stream.set("cart.default/d");
  EXPECT_THAT(stream.round(), IsEmpty());
  EXPECT_EQ(stream.client().held_version(ResourceType::kRules, "cart.default/c"), "");
}

TEST(PartsOnAStream, AServiceWithoutPartsIsNotAnsweredUntilItHasSome) {
  Stream stream;
  stream.client().subscribe(ResourceType::kRules, "cart.default");
  EXPECT_THAT(stream.round(), IsEmpty());
  stream.set("cart.default/a");
  EXPECT_THAT(stream.round(), ElementsAre("+cart.default/a"));
}

TEST(PartsOnAStream, AReconnectTransfersOnlyWhatDiffers) {
  Stream stream;
  for (const char* name : {"cart.default/a", "cart.default/b"}) stream.set(name);
  stream.client().subscribe(ResourceType::kRules, "cart.default");
  ASSERT_THAT(stream.round(), SizeIs(2));
  stream.cache().remove(ResourceType::kRules, "cart.default/a");
  stream.set("cart.default/c");
  (void)stream.cache().take_changed();
  stream.reconnect();
  EXPECT_THAT(stream.round(), ElementsAre("+cart.default/c", "-cart.default/a"));
  EXPECT_THAT(stream.round(), IsEmpty());
}

}  // namespace
}  // namespace weft::xds
