// Client and server state machines talking to each other through strings, and each against messages
// written by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "discovery.pb.h"
#include "xds/convert.h"
#include "xds/delta_client.h"
#include "xds/delta_server.h"

namespace weft::xds {
namespace {

namespace discovery = envoy::service::discovery::v3;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

std::vector<std::string> names_of(const Update& update) {
  std::vector<std::string> out;
  for (const auto& resource : update.changed) out.push_back(resource.name);
  return out;
}

// A proxy and a server with a stream between them that loses nothing until told so.
class Pair {
 public:
  Pair() : server_(std::make_unique<DeltaServerStream>(cache_)), client_({"web-1", "0.1", 1}) {
    client_.connected();
  }

  ResourceCache& cache() { return cache_; }
  DeltaClient& client() { return client_; }
  DeltaServerStream& server() { return *server_; }

  void to_server() {
    for (const auto& message : client_.take_output()) ASSERT_TRUE(server_->receive(message));
  }
  // What the server has to say now, not acknowledged yet.
  std::vector<Update> to_client() {
    for (const auto& key : cache_.take_changed()) server_->changed(key);
    std::vector<Update> updates;
    for (const auto& message : server_->take_output()) {
      auto update = client_.receive(message);
      EXPECT_TRUE(update) << update.error().message();
      if (update) updates.push_back(*update);
    }
    return updates;
  }
  // One round: requests there, responses back, all acknowledged.
  std::vector<Update> round() {
    to_server();
    auto updates = to_client();
    for (const auto& update : updates) client_.acknowledge(update.id);
    to_server();
    return updates;
  }
  void reconnect() {
    client_.disconnected();
    server_ = std::make_unique<DeltaServerStream>(cache_);
    client_.connected();
  }

 private:
  ResourceCache cache_;
  std::unique_ptr<DeltaServerStream> server_;
  DeltaClient client_;
};

TEST(DeltaPair, AWildcardSubscriptionGetsEverythingAndThenOnlyChanges) {
  Pair pair;
  pair.cache().set(ResourceType::kName, "cart.default", "1");
  pair.cache().set(ResourceType::kName, "web.default", "2");
  pair.client().subscribe(ResourceType::kName, "*");
  auto first = pair.round();
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_THAT(names_of(first[0]), ElementsAre("cart.default", "web.default"));
  EXPECT_EQ(first[0].changed[0].payload, "1");

  EXPECT_THAT(pair.round(), IsEmpty());
  EXPECT_TRUE(pair.cache().set(ResourceType::kName, "web.default", "3"));
  EXPECT_FALSE(pair.cache().set(ResourceType::kName, "cart.default", "1"));
  auto second = pair.round();
  ASSERT_THAT(second, SizeIs(1));
  EXPECT_THAT(names_of(second[0]), ElementsAre("web.default"));
}

TEST(DeltaPair, AWildcardSubscriptionIsAnsweredEvenWhenThereIsNothing) {
  Pair pair;
  pair.client().subscribe(ResourceType::kName, "*");
  auto first = pair.round();
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_EQ(first[0].type, ResourceType::kName);
  EXPECT_THAT(first[0].changed, IsEmpty());
  EXPECT_THAT(first[0].removed, IsEmpty());
  EXPECT_TRUE(first[0].last_of_generation);
  EXPECT_THAT(pair.round(), IsEmpty());
}

TEST(DeltaPair, OnePushCarriesOneGenerationEndpointsBeforeServicesBeforeNames) {
  Pair pair;
  pair.client().subscribe(ResourceType::kName, "*");
  pair.client().subscribe(ResourceType::kService, "cart.default");
  pair.client().subscribe(ResourceType::kEndpoints, "cart.default");
  pair.to_server();
  pair.cache().set(ResourceType::kName, "cart.default", "n");
  pair.cache().set(ResourceType::kService, "cart.default", "s");
  pair.cache().set(ResourceType::kEndpoints, "cart.default", "e");
  auto updates = pair.to_client();
  ASSERT_THAT(updates, SizeIs(3));
  EXPECT_EQ(updates[0].type, ResourceType::kEndpoints);
  EXPECT_EQ(updates[1].type, ResourceType::kService);
  EXPECT_EQ(updates[2].type, ResourceType::kName);
  EXPECT_EQ(updates[0].generation, updates[2].generation);
  EXPECT_FALSE(updates[0].last_of_generation);
  EXPECT_FALSE(updates[1].last_of_generation);
  EXPECT_TRUE(updates[2].last_of_generation);
}

TEST(DeltaPair, ANameThatDoesNotExistIsAnsweredAsRemovedAndAppearsLater) {
  Pair pair;
  pair.client().subscribe(ResourceType::kService, "later.default");
  auto updates = pair.round();
  ASSERT_THAT(updates, SizeIs(1));
  EXPECT_THAT(updates[0].removed, ElementsAre("later.default"));
  EXPECT_THAT(pair.round(), IsEmpty());
  pair.cache().set(ResourceType::kService, "later.default", "x");
  updates = pair.round();
  ASSERT_THAT(updates, SizeIs(1));
  EXPECT_THAT(names_of(updates[0]), ElementsAre("later.default"));
  pair.cache().remove(ResourceType::kService, "later.default");
  updates = pair.round();
  ASSERT_THAT(updates, SizeIs(1));
  EXPECT_THAT(updates[0].removed, ElementsAre("later.default"));
  EXPECT_EQ(pair.client().held_version(ResourceType::kService, "later.default"), "");
}

TEST(DeltaPair, AReconnectTransfersOnlyWhatDiffers) {
  Pair pair;
  pair.cache().set(ResourceType::kName, "a.default", "1");
  pair.cache().set(ResourceType::kName, "b.default", "1");
  pair.cache().set(ResourceType::kName, "c.default", "1");
  pair.client().subscribe(ResourceType::kName, "*");
  pair.round();
  pair.reconnect();
  pair.cache().set(ResourceType::kName, "b.default", "2");
  pair.cache().remove(ResourceType::kName, "c.default");
  auto updates = pair.round();
  ASSERT_THAT(updates, SizeIs(1));
  EXPECT_THAT(names_of(updates[0]), ElementsAre("b.default"));
  EXPECT_THAT(updates[0].removed, ElementsAre("c.default"));
  // What was not sent again is still known to be in use.
  auto cached = pair.cache().find(ResourceType::kName, "a.default");
  EXPECT_EQ(pair.server().standing(ResourceType::kName, "a.default").serving, cached->version);
}

TEST(DeltaPair, AReconnectTransfersOnlyWhatDiffersOfNamedSubscriptions) {
  Pair pair;
  pair.cache().set(ResourceType::kService, "a.default", "1");
  pair.client().subscribe(ResourceType::kService, "a.default");
  pair.round();
  pair.reconnect();
  EXPECT_THAT(pair.round(), IsEmpty());
}

TEST(DeltaPair, ARefusedResourceKeepsTheOldVersionAndTheServerKnowsWhy) {
  Pair pair;
  pair.cache().set(ResourceType::kService, "cart.default", "1");
  pair.cache().set(ResourceType::kService, "web.default", "1");
  pair.client().subscribe(ResourceType::kService, "cart.default");
  pair.client().subscribe(ResourceType::kService, "web.default");
  pair.round();
  std::string old = pair.client().held_version(ResourceType::kService, "cart.default");

  pair.cache().set(ResourceType::kService, "cart.default", "2");
  pair.cache().set(ResourceType::kService, "web.default", "2");
  auto updates = pair.to_client();
  ASSERT_THAT(updates, SizeIs(1));
  pair.client().acknowledge(updates[0].id, {{"cart.default", "needs proxy level 2"}});
  pair.to_server();

  EXPECT_EQ(pair.client().held_version(ResourceType::kService, "cart.default"), old);
  Standing cart = pair.server().standing(ResourceType::kService, "cart.default");
  EXPECT_EQ(cart.serving, old);
  EXPECT_EQ(cart.refused, "needs proxy level 2");
  Standing web = pair.server().standing(ResourceType::kService, "web.default");
  EXPECT_EQ(web.serving, pair.cache().find(ResourceType::kService, "web.default")->version);
  EXPECT_EQ(web.refused, "");
  // Not sent again until its content changes.
  EXPECT_THAT(pair.round(), IsEmpty());
  pair.cache().set(ResourceType::kService, "cart.default", "3");
  EXPECT_THAT(pair.round(), SizeIs(1));
  EXPECT_THAT(pair.server().rejections(), IsEmpty());
}

TEST(DeltaPair, AnUpdateCountsAsServedOnlyOnceItWasAcknowledged) {
  Pair pair;
  pair.cache().set(ResourceType::kService, "cart.default", "1");
  pair.client().subscribe(ResourceType::kService, "cart.default");
  pair.to_server();
  auto updates = pair.to_client();
  EXPECT_EQ(pair.server().standing(ResourceType::kService, "cart.default").serving, "");
  pair.client().acknowledge(updates.at(0).id);
  pair.to_server();
  EXPECT_NE(pair.server().standing(ResourceType::kService, "cart.default").serving, "");
}

TEST(DeltaPair, AskingAgainSendsAgain) {
  Pair pair;
  pair.cache().set(ResourceType::kEndpoints, "cart.default", "1");
  pair.client().subscribe(ResourceType::kEndpoints, "cart.default");
  pair.round();
  pair.client().refresh(ResourceType::kEndpoints, "cart.default");
  EXPECT_THAT(pair.round(), SizeIs(1));
}

TEST(DeltaPair, AnUnsubscribedNameIsNotSentAnyMore) {
  Pair pair;
  pair.cache().set(ResourceType::kEndpoints, "cart.default", "1");
  pair.client().subscribe(ResourceType::kEndpoints, "cart.default");
  pair.round();
  pair.client().unsubscribe(ResourceType::kEndpoints, "cart.default");
  pair.round();
  pair.cache().set(ResourceType::kEndpoints, "cart.default", "2");
  EXPECT_THAT(pair.round(), IsEmpty());
  EXPECT_FALSE(pair.server().standing(ResourceType::kEndpoints, "cart.default").subscribed);
  // Back again within one batch: sent anew.
  pair.client().subscribe(ResourceType::kEndpoints, "cart.default");
  EXPECT_THAT(pair.round(), SizeIs(1));
}

TEST(DeltaPair, UpdatesMayBeAcknowledgedInAnyOrderAndAfterTheStreamIsGone) {
  Pair pair;
  pair.client().subscribe(ResourceType::kService, "a.default");
  pair.cache().set(ResourceType::kService, "a.default", "1");
  pair.to_server();
  auto first = pair.to_client();
  pair.cache().set(ResourceType::kService, "a.default", "2");
  auto second = pair.to_client();
  pair.client().acknowledge(second.at(0).id);
  pair.to_server();
  std::string newest = pair.cache().find(ResourceType::kService, "a.default")->version;
  EXPECT_EQ(pair.server().standing(ResourceType::kService, "a.default").serving, newest);

  pair.cache().set(ResourceType::kService, "a.default", "3");
  auto third = pair.to_client();
  pair.reconnect();
  pair.client().acknowledge(third.at(0).id);
  EXPECT_THAT(pair.round(), IsEmpty());  // held: told as initial version
}

TEST(DeltaPair, ALargePushIsSplitIntoPartsOfOneGeneration) {
  Pair pair;
  pair.client().subscribe(ResourceType::kService, "*");
  pair.to_server();
  for (int i = 0; i < 5; ++i) {
    pair.cache().set(ResourceType::kService, "s" + std::to_string(i) + ".default",
                     std::string(400'000, static_cast<char>('a' + i)));
  }
  auto updates = pair.to_client();
  ASSERT_THAT(updates, SizeIs(3));
  EXPECT_FALSE(updates[1].last_of_generation);
  EXPECT_TRUE(updates[2].last_of_generation);
}

TEST(DeltaPair, ASlowReaderGetsTheNewestStateOnce) {
  Pair pair;
  pair.client().subscribe(ResourceType::kService, "a.default");
  pair.to_server();
  for (int i = 0; i < 10; ++i) {
    pair.cache().set(ResourceType::kService, "a.default", std::to_string(i));
    for (const auto& key : pair.cache().take_changed()) pair.server().changed(key);
  }
  auto updates = pair.to_client();
  ASSERT_THAT(updates, SizeIs(1));
  EXPECT_EQ(updates[0].changed.at(0).payload, "9");
}

bool of_default(ResourceType type, std::string_view name) {
  return type == ResourceType::kName ? name.ends_with(".default") : name == "web-1";
}

TEST(DeltaServer, ANameThatAProxyMayNotSeeDoesNotExistForIt) {
  ResourceCache cache;
  cache.set(ResourceType::kName, "cart.default", "1");
  cache.set(ResourceType::kName, "till.shop", "2");
  cache.set(ResourceType::kService, "till.shop", "3");
  DeltaServerStream server(cache, of_default);
  DeltaClient client({"web-1", "0.1", 1});
  const auto exchange = [&] {
    for (const auto& message : client.take_output()) EXPECT_TRUE(server.receive(message));
    for (const auto& key : cache.take_changed()) server.changed(key);
    std::vector<Update> updates;
    for (const auto& message : server.take_output()) {
      auto update = client.receive(message);
      EXPECT_TRUE(update);
      if (update) updates.push_back(*update);
    }
    for (const auto& update : updates) client.acknowledge(update.id);
    for (const auto& message : client.take_output()) EXPECT_TRUE(server.receive(message));
    return updates;
  };
  client.connected();
  client.subscribe(ResourceType::kName, "*");
  auto first = exchange();
  ASSERT_THAT(first, SizeIs(1));
  EXPECT_THAT(names_of(first[0]), ElementsAre("cart.default"));

  // Nor when it changes, nor when it is asked for by its name.
  cache.set(ResourceType::kName, "till.shop", "4");
  EXPECT_THAT(exchange(), IsEmpty());
  EXPECT_FALSE(server.has_output());
  client.subscribe(ResourceType::kName, "till.shop");
  auto asked = exchange();
  ASSERT_THAT(asked, SizeIs(1));
  EXPECT_THAT(asked[0].changed, IsEmpty());
  EXPECT_THAT(asked[0].removed, ElementsAre("till.shop"));

  // Details are for whoever names them: a route may lead to another namespace.
  client.subscribe(ResourceType::kService, "till.shop");
  auto details = exchange();
  ASSERT_THAT(details, SizeIs(1));
  EXPECT_THAT(names_of(details[0]), ElementsAre("till.shop"));
}

TEST(DeltaServer, ANameThatAProxyBroughtAlongAndMayNotSeeIsTakenFromIt) {
  ResourceCache cache;
  cache.set(ResourceType::kName, "till.shop", "2");
  DeltaServerStream server(cache, of_default);
  discovery::DeltaDiscoveryRequest request;
  request.set_type_url(std::string(type_url(ResourceType::kName)));
  request.add_resource_names_subscribe("*");
  (*request.mutable_initial_resource_versions())["till.shop"] =
      cache.find(ResourceType::kName, "till.shop")->version;
  ASSERT_TRUE(server.receive(request.SerializeAsString()));
  auto sent = server.take_output();
  ASSERT_THAT(sent, SizeIs(1));
  discovery::DeltaDiscoveryResponse response;
  ASSERT_TRUE(response.ParseFromString(sent[0]));
  EXPECT_EQ(response.resources_size(), 0);
  EXPECT_THAT(response.removed_resources(), ElementsAre("till.shop"));
}

TEST(DeltaServer, OnlyTheIndexIsThereAsAWholeForAProxyThatMayNotSeeAll) {
  for (ResourceType type : {ResourceType::kEndpoints, ResourceType::kService,
                            ResourceType::kWorkloadAddress, ResourceType::kInbound}) {
    ResourceCache cache;
    DeltaServerStream server(cache, of_default);
    discovery::DeltaDiscoveryRequest request;
    request.set_type_url(std::string(type_url(type)));
    request.add_resource_names_subscribe("*");
    EXPECT_FALSE(server.receive(request.SerializeAsString())) << short_name(type);
  }
}

TEST(DeltaServer, WhatIsAskedOfAnInstanceIsGivenToItAlone) {
  ResourceCache cache;
  for (const char* instance : {"web-1", "cart-1"}) {
    cache.set(ResourceType::kInbound, instance, "limits");
  }
  (void)cache.take_changed();
  DeltaServerStream server(cache, of_default);
  discovery::DeltaDiscoveryRequest request;
  request.set_type_url(std::string(type_url(ResourceType::kInbound)));
  request.add_resource_names_subscribe("web-1");
  request.add_resource_names_subscribe("cart-1");
  ASSERT_TRUE(server.receive(request.SerializeAsString()));
  const auto sent = server.take_output();
  ASSERT_THAT(sent, SizeIs(1));
  discovery::DeltaDiscoveryResponse response;
  ASSERT_TRUE(response.ParseFromString(sent[0]));
  ASSERT_EQ(response.resources_size(), 1);
  EXPECT_EQ(response.resources(0).name(), "web-1");
  EXPECT_THAT(response.removed_resources(), ElementsAre("cart-1"));
  cache.set(ResourceType::kInbound, "cart-1", "others");
  for (const auto& key : cache.take_changed()) server.changed(key);
  EXPECT_FALSE(server.has_output());
}

TEST(DeltaServer, StopsSendingToAProxyThatAnswersNothing) {
  ResourceCache cache;
  DeltaServerStream server(cache);
  DeltaClient client({"web-1", "0.1", 1});
  client.connected();
  client.subscribe(ResourceType::kService, "a.default");
  for (const auto& message : client.take_output()) ASSERT_TRUE(server.receive(message));
  size_t sent = 0;
  for (size_t i = 0; i < DeltaServerStream::kMaxUnacknowledged + 10; ++i) {
    cache.set(ResourceType::kService, "a.default", std::to_string(i));
    for (const auto& key : cache.take_changed()) server.changed(key);
    sent += server.take_output().size();
  }
  EXPECT_EQ(sent, DeltaServerStream::kMaxUnacknowledged);
}

TEST(DeltaServer, AnswersTheUnsubscriptionOfANameThatTheWildcardStillCovers) {
  ResourceCache cache;
  cache.set(ResourceType::kName, "a.default", "1");
  DeltaServerStream server(cache);
  discovery::DeltaDiscoveryRequest request;
  request.set_type_url(std::string(type_url(ResourceType::kName)));
  request.add_resource_names_subscribe("*");
  request.add_resource_names_subscribe("a.default");
  ASSERT_TRUE(server.receive(request.SerializeAsString()));
  EXPECT_THAT(server.take_output(), SizeIs(1));
  request.Clear();
  request.set_type_url(std::string(type_url(ResourceType::kName)));
  request.add_resource_names_unsubscribe("a.default");
  ASSERT_TRUE(server.receive(request.SerializeAsString()));
  EXPECT_THAT(server.take_output(), SizeIs(1));
}

TEST(DeltaServer, KeepsSubscriptionsOfARequestWhoseNonceIsStale) {
  ResourceCache cache;
  cache.set(ResourceType::kService, "a.default", "1");
  DeltaServerStream server(cache);
  discovery::DeltaDiscoveryRequest request;
  request.set_type_url(std::string(type_url(ResourceType::kService)));
  request.set_response_nonce("77");
  request.add_resource_names_subscribe("a.default");
  ASSERT_TRUE(server.receive(request.SerializeAsString()));
  EXPECT_THAT(server.take_output(), SizeIs(1));
}

TEST(DeltaServer, RefusesGarbageAndIgnoresTypesItDoesNotKnow) {
  ResourceCache cache;
  DeltaServerStream server(cache);
  EXPECT_FALSE(server.receive("\xff\xff\xff"));
  discovery::DeltaDiscoveryRequest request;
  request.set_type_url("type.googleapis.com/weft.v1.FromTheFuture");
  request.add_resource_names_subscribe("*");
  EXPECT_TRUE(server.receive(request.SerializeAsString()));
  EXPECT_THAT(server.take_output(), IsEmpty());
}

TEST(DeltaServer, LearnsWhoTheProxyIs) {
  ResourceCache cache;
  DeltaServerStream server(cache);
  DeltaClient client({"web-1", "0.1", 7});
  client.connected();
  client.subscribe(ResourceType::kName, "*");
  for (const auto& message : client.take_output()) ASSERT_TRUE(server.receive(message));
  EXPECT_EQ(server.node().id, "web-1");
  EXPECT_EQ(server.node().level, 7u);
}

class ClientAlone : public testing::Test {
 protected:
  ClientAlone() : client_({"web-1", "0.1", 1}) {
    client_.subscribe(ResourceType::kService, "a.default");
    client_.connected();
    client_.take_output();
    response_.set_type_url(std::string(type_url(ResourceType::kService)));
    response_.set_nonce("n1");
  }
  void add(const std::string& name, ResourceType payload_type = ResourceType::kService) {
    auto* resource = response_.add_resources();
    resource->set_name(name);
    resource->set_version("v");
    resource->mutable_resource()->set_type_url(std::string(type_url(payload_type)));
  }
  discovery::DeltaDiscoveryRequest answer() {
    auto update = client_.receive(response_.SerializeAsString());
    EXPECT_TRUE(update);
    if (update) {
      update_ = *update;
      client_.acknowledge(update->id);
    }
    discovery::DeltaDiscoveryRequest request;
    auto output = client_.take_output();
    EXPECT_THAT(output, SizeIs(1));
    if (!output.empty()) EXPECT_TRUE(request.ParseFromString(output[0]));
    return request;
  }
  DeltaClient client_;
  discovery::DeltaDiscoveryResponse response_;
  Update update_;
};

TEST_F(ClientAlone, RefusesAResponseThatNamesAResourceTwice) {
  add("a.default");
  add("a.default");
  auto request = answer();
  EXPECT_EQ(request.response_nonce(), "n1");
  ASSERT_TRUE(request.has_error_detail());
  EXPECT_THAT(request.error_detail().message(), HasSubstr("appears twice"));
  EXPECT_THAT(update_.changed, IsEmpty());
}

TEST_F(ClientAlone, RefusesAPayloadOfAnotherTypeAndTakesTheRest) {
  client_.subscribe(ResourceType::kService, "b.default");
  client_.take_output();
  add("a.default", ResourceType::kEndpoints);
  add("b.default");
  auto request = answer();
  EXPECT_TRUE(request.has_error_detail());
  EXPECT_THAT(names_of(update_), ElementsAre("b.default"));
  EXPECT_EQ(client_.held_version(ResourceType::kService, "b.default"), "v");
  EXPECT_EQ(client_.held_version(ResourceType::kService, "a.default"), "");
}

TEST_F(ClientAlone, IgnoresWhatItIsNotSubscribedTo) {
  add("other.default");
  auto request = answer();
  EXPECT_FALSE(request.has_error_detail());
  EXPECT_THAT(update_.changed, IsEmpty());
}

TEST_F(ClientAlone, EndsTheStreamOnGarbageAndOnTypesNotAskedFor) {
  EXPECT_EQ(client_.receive("\xff\xff").error().kind(), ErrorKind::kProtocol);
  response_.set_type_url(std::string(type_url(ResourceType::kName)));
  EXPECT_EQ(client_.receive(response_.SerializeAsString()).error().kind(), ErrorKind::kProtocol);
}

TEST_F(ClientAlone, TellsTheReasonsTheServerGivesForSingleNames) {
  auto* error = response_.add_resource_errors();
  error->mutable_resource_name()->set_name("a.default");
  error->mutable_error_detail()->set_message("not for you");
  auto request = answer();
  EXPECT_FALSE(request.has_error_detail());
  ASSERT_THAT(update_.errors, SizeIs(1));
  EXPECT_EQ(update_.errors[0].why, "not for you");
}

}  // namespace
}  // namespace weft::xds
