// What tables say of the server's answers.
#include "app/weft/views.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace weft::app {
namespace {

using control::Node;
using testing::HasSubstr;

Node read(std::string_view json) {
  control::Problems problems;
  auto documents = control::read_yaml("test", json, problems);
  EXPECT_TRUE(problems.empty());
  return documents.empty() ? Node{} : std::move(documents[0]);
}

TEST(Views, TimeLeftIsSaidInTheUnitThatMatters) {
  const struct {
    const char *then, *text;
  } kCases[] = {{"2026-03-01T10:01:59Z", "119 s"},    {"2026-03-01T10:02:00Z", "2 min"},
                {"2026-03-01T12:00:00Z", "2 h"},      {"2026-03-03T10:00:00Z", "2 days"},
                {"2026-03-01T09:59:59Z", "expired"},  {"", ""},
                {"2036-02-27T10:00:00Z", "3650 days"}};
  for (const auto& c : kCases) {
    EXPECT_EQ(time_left("2026-03-01T10:00:00Z", c.then), c.text) << c.then;
  }
}

TEST(Views, ServedSaysWhoUsesItAndWhoRefuses) {
  const std::pair<const char*, const char*> kCases[] = {
      {R"({"current":0,"users":0})", "no user yet"},
      {R"({"current":1,"users":2})", "1 of 2"},
      {R"({"current":1,"users":2,"problem":"web-1: too old"})", "refused: web-1: too old"},
      {R"({"current":0,"users":2,"problem":"too large","withheld":true})", "not sent: too large"}};
  for (const auto& [json, text] : kCases) {
    const Node served = read(json);
    EXPECT_EQ(served_text(&served), text);
  }
  EXPECT_EQ(served_text(nullptr), "");
}

TEST(Views, TheFirstConditionThatDoesNotHoldIsTheState) {
  const Node fine = read(R"([{"type":"Accepted","status":"True","reason":"Accepted"}])");
  const Node bad = read(R"([{"type":"Accepted","status":"True","reason":"Accepted"},)"
                        R"({"type":"ResolvedRefs","status":"False","reason":"BackendNotFound"}])");
  EXPECT_EQ(conditions_text(&fine), "in force");
  EXPECT_EQ(conditions_text(&bad), "BackendNotFound");
}

TEST(Views, AProblemIsOneLineWhateverItsText) {
  const Node rows =
      read(R"([{"name":"r","namespace":"shop","conditions":[{"type":"Accepted","status":"False",)"
           R"("reason":"NoMatchingParent","message":"two\nlines"}]}])");
  EXPECT_EQ(problems_text(&rows, "HTTPRoute"),
            "! HTTPRoute shop/r: NoMatchingParent: two\\nlines\n");
}

TEST(Views, AWorkloadsRowShowsIdentityAndWhatItNotes) {
  const Node rows =
      read(R"([{"name":"cart-1","namespace":"default","state":"not ready","why":"port 80 refuses",)"
           R"("services":["cart.default:80"],"identity":"spiffe://weft.local/ns/default/sa/cart",)"
           R"("meshAddresses":["240.241.0.1"],"address":"127.0.0.1:20000","notes":["a note"]}])");
  const std::string table = workloads_table(&rows, "2026-03-01T10:00:00Z").to_string();
  EXPECT_THAT(table, HasSubstr("default/cart"));
  EXPECT_THAT(table, HasSubstr("port 80 refuses; a note"));
}

TEST(Views, ShowServicesFromStatus) {
  const Node status = read(R"([
    {"name": "cart", "namespace": "default", "headless": false, "fromClaims": false,
     "addresses": ["240.240.0.1", "fd00::1"], "ports": [{"port": 80, "protocol": "http", "rules": 1}],
     "ready": 1, "instances": 2, "served": {"current": 3, "users": 4},
     "conditions": [{"type": "Accepted", "status": "True"},
                    {"type": "ResolvedRefs", "status": "False", "reason": "PortNotFound", "message": "m"}]},
    {"name": "db", "namespace": "default", "headless": true, "fromClaims": true, "addresses": [],
     "ports": [], "ready": 0, "instances": 0, "served": {"current": 0, "users": 2, "problem": "too old"}}])");
  EXPECT_EQ(
      services_table(&status).to_string(),
      "NAME   NAMESPACE   ADDRESS       PORTS     READY    SERVED BY          STATE\n"
      "cart   default     240.240.0.1   80/http   1 of 2   3 of 4             PortNotFound\n"
      "db     default     headless      -         0 of 0   refused: too old   from workloads\n");
  EXPECT_EQ(problems_text(&status, "Service"), "! Service default/cart: PortNotFound: m\n");
}

TEST(Views, APolicysRowShowsItsTargetsAndWhyItDoesNotAct) {
  const Node objects = read(R"([
    {"metadata": {"name": "slow", "namespace": "shop"}, "status": {"ancestors": [
       {"ancestorRef": {"kind": "Service", "name": "cart"},
        "conditions": [{"type": "Accepted", "status": "True"}]},
       {"ancestorRef": {"kind": "HTTPRoute", "name": "split", "sectionName": "items"},
        "conditions": [{"type": "Accepted", "status": "False", "reason": "Conflicted"}]}],
      "expires": "2026-03-01T10:15:00Z", "served": {"current": 1, "users": 2}}},
    {"metadata": {"name": "past", "namespace": "shop"}, "status": {"ancestors": [
       {"ancestorRef": {"kind": "Service", "name": "cart"},
        "conditions": [{"type": "Accepted", "status": "True"}]}],
      "expires": "2026-03-01T09:15:00Z", "served": {"current": 0, "users": 0}}}])");
  EXPECT_EQ(
      policies_table(&objects, "2026-03-01T10:00:00Z").to_string(),
      "NAME   NAMESPACE   TARGETS                              SERVED BY     STATE        ENDS IN\n"
      "slow   shop        Service cart,HTTPRoute split/items   1 of 2        Conflicted   15 min\n"
      "past   shop        Service cart                         no user yet   over         "
      "expired\n");
}

TEST(Views, AnObjectIsInForceOrSaysFirstWhatIsWrongAndOfWhat) {
  const Node objects = read(R"([
    {metadata: {name: fine, namespace: shop}, status: {listeners: [
      {name: http, conditions: [{type: Accepted, status: "True"}, {type: Conflicted, status: "False"}]}]}},
    {metadata: {name: edge, namespace: shop}, status: {conditions: [{type: Accepted, status: "True"}],
      listeners: [{name: https, conditions: [
        {type: ResolvedRefs, status: "False", reason: InvalidCertificateRef, message: no Secret c}]}]}},
    {metadata: {name: twice, namespace: shop}, status: {listeners: [
      {name: a, conditions: [{type: Conflicted, status: "True", reason: HostnameConflict, message: as b}]}]}},
    {metadata: {name: late, namespace: shop}, status: {parents: [
      {parentRef: {kind: Service, name: cart, namespace: shop, port: 80, sectionName: x},
       conditions: [{type: Accepted, status: "False", reason: Conflicted, message: r is older}]}]}}])");
  EXPECT_EQ(objects_table(&objects).to_string(),
            "NAME    NAMESPACE   STATE                   WHY\n"
            "fine    shop        in force                -\n"
            "edge    shop        InvalidCertificateRef   listener https: no Secret c\n"
            "twice   shop        HostnameConflict        listener a: as b\n"
            "late    shop        Conflicted              Service cart.shop:80/x: r is older\n");
}

}  // namespace
}  // namespace weft::app
