// What instances say of themselves is checked field by field; what is stored reads back the same.
#include "control/registry_codec.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "control.pb.h"

namespace weft::control {
namespace {

using testing::HasSubstr;

v1::RegisterRequest good() {
  v1::RegisterRequest request;
  auto* service = request.add_services();
  service->set_name("cart");
  service->set_port(80);
  service->set_app_port(8080);
  service->set_protocol("http");
  request.set_advertise_port(20001);
  return request;
}

TEST(RegistryCodec, ReadsARegistrationAndFillsInWhatWasLeftOut) {
  auto request = good();
  auto* second = request.add_services();
  second->set_name("admin");
  second->set_port(90);
  (*request.mutable_labels())["version"] = "v2";
  auto registration = read_registration(request);
  ASSERT_TRUE(registration) << registration.error().message();
  EXPECT_EQ(registration->ns, "default");
  EXPECT_EQ(registration->account(), "cart");
  ASSERT_EQ(registration->claims.size(), 2u);
  EXPECT_EQ(registration->claims[0].protocol, model::Protocol::kHttp);
  EXPECT_EQ(registration->claims[1].app_port, 90) << "the port itself";
  EXPECT_EQ(registration->claims[1].protocol, model::Protocol::kAuto);
  EXPECT_EQ(registration->labels.at("version"), "v2");
}

TEST(RegistryCodec, RefusesEachFieldThatMakesNoSenseWithItsReason) {
  using Request = v1::RegisterRequest;
  const struct {
    void (*spoil)(Request&);
    const char* why;
  } kCases[] = {
      {[](Request& r) { r.set_instance("../x"); }, "instance id"},
      {[](Request& r) { r.set_namespace_("A B"); }, "namespace 'A B'"},
      {[](Request& r) { r.mutable_services(0)->set_name("a.b"); }, "service 'a.b'"},
      {[](Request& r) { r.mutable_services(0)->set_port(65536); }, "1 to 65535"},
      {[](Request& r) { r.mutable_services(0)->set_app_port(70000); }, "1 to 65535"},
      {[](Request& r) { r.mutable_services(0)->set_protocol("smtp"); }, "unknown protocol 'smtp'"},
      {[](Request& r) { *r.add_services() = r.services(0); }, "cart:80 is named twice"},
      {[](Request& r) { r.clear_services(); }, "needs a name"},
      {[](Request& r) { r.set_advertise_ip("12"); }, "advertised address"},
      {[](Request& r) { r.set_advertise_ip(std::string(4, '\0')); }, "others can dial"},
      {[](Request& r) { r.set_advertise_port(0); }, "advertised port"},
      {[](Request& r) { r.set_advertise_port(65536); }, "advertised port"},
      {[](Request& r) { (*r.mutable_labels())["a"] = std::string(257, 'x'); }, "256 bytes"},
      {[](Request& r) {
         for (int i = 0; i < 65; ++i) (*r.mutable_labels())[std::to_string(i)] = "";
       },
       "more than 64 labels"},
      {[](Request& r) {
         for (int i = 0; i < 32; ++i) {
           auto* one = r.add_services();
           one->set_name("s");
           one->set_port(static_cast<uint32_t>(i + 1));
         }
       },
       "more than 32 services"},
  };
  for (const auto& c : kCases) {
    auto request = good();
    c.spoil(request);
    auto registration = read_registration(request);
    ASSERT_FALSE(registration) << c.why;
    EXPECT_EQ(registration.error().kind(), ErrorKind::kInvalid);
    EXPECT_THAT(registration.error().message(), HasSubstr(c.why));
  }
}

TEST(RegistryCodec, AReportIsCutToWhatIsKeptOfIt) {
  v1::ReportRequest request;
  request.add_ports()->set_app_port(0);
  request.add_ports()->set_app_port(65536);
  auto* port = request.add_ports();
  port->set_app_port(8080);
  port->set_why(std::string(10'000, 'w'));
  for (int i = 0; i < 100; ++i) request.add_notes("note");
  request.set_svid_not_after(INT64_MAX);
  const HealthReport health = read_health(request);
  ASSERT_EQ(health.ports.size(), 1u);
  EXPECT_EQ(health.ports[0].app_port, 8080);
  EXPECT_EQ(health.ports[0].why.size(), 512u);
  EXPECT_EQ(health.notes.size(), 32u);
  EXPECT_EQ(health.svid_expires, WallTime{}) << "no year anybody means";
}

TEST(RegistryCodec, WhatIsStoredReadsBackTheSame) {
  InstanceRecord record;
  record.registration = *read_registration(good());
  record.registration.instance = "cart-7f3a9c";
  record.registration.advertise_ip = *IpAddress::parse("2001:db8::7");
  record.instance.address = *SocketAddress::parse("[2001:db8::7]:20001");
  record.instance.ready = {{8080, true}, {9090, false}};
  record.instance.leaving = true;
  record.on_server_host = true;
  auto back = unpack_instance(pack_instance(record));
  ASSERT_TRUE(back) << back.error().message();
  EXPECT_EQ(back->registration.instance, "cart-7f3a9c");
  EXPECT_EQ(back->registration.advertise_ip, record.registration.advertise_ip);
  EXPECT_EQ(back->registration.claims[0].protocol, model::Protocol::kHttp);
  EXPECT_EQ(back->instance.address, record.instance.address);
  EXPECT_EQ(back->instance.ready, record.instance.ready);
  EXPECT_TRUE(back->instance.leaving);
  EXPECT_TRUE(back->on_server_host);
  EXPECT_FALSE(unpack_instance("\xff\xff"));
}

}  // namespace
}  // namespace weft::control
