// What users write wrong, and the exact words they read: message, place and hint are the interface.
#include "control/kinds_test_support.h"

namespace weft::control {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// In the order of the table.
std::string all_kinds() {
  std::string out = "kinds: ";
  for (const Kind& kind : kinds()) {
    out += (&kind == kinds().data() ? "" : ", ") + std::string(kind.kind);
  }
  return out + ")";
}

TEST(WrongObjects, OfNoKnownKindSayWhatTheyCouldBe) {
  EXPECT_THAT(
      problems_of("kind: Servce\napiVersion: v1\n"),
      ElementsAre("f.yaml:1:7: kind: Weft knows no kind 'Servce' (did you mean 'Service'? " +
                  all_kinds()));
  EXPECT_THAT(
      problems_of("apiVersion: v1\n"),
      ElementsAre("f.yaml:1:1: kind: required: which kind of object is this? (" + all_kinds()));
  EXPECT_THAT(
      problems_of("apiVersion: v2\nkind: Service\n"),
      ElementsAre("f.yaml:1:13: apiVersion: 'v2' is not the version of Service that Weft reads "
                  "(write apiVersion: v1)"));
  EXPECT_THAT(problems_of("kind: HTTPRoute\n"),
              ElementsAre("f.yaml:1:1: apiVersion: required by HTTPRoute (write apiVersion: "
                          "gateway.networking.k8s.io/v1)"));
  EXPECT_THAT(
      problems_of("- 1\n"),
      ElementsAre("f.yaml:1:1: an object is a map, not a list (begin with apiVersion, kind, "
                  "metadata and spec)"));
  EXPECT_THAT(problems_of("kind: List\n"),
              ElementsAre("f.yaml:1:1: items: a List needs a list of items"));
}

TEST(WrongObjects, EverythingWrongIsSaidAtOnceInOrderOfPlace) {
  const std::string text =
      "apiVersion: v1\nkind: Service\nmetadata: {name: UPPER, lables: {}}\n"
      "spec:\n  type: NodePort\n  ports:\n  - {port: 0, name: a}\n  - {port: 80}\n"
      "---\napiVersion: v1\nkind: Nothing\n---\n" +
      route("  - {matches: [{path: {value: x}}], weight: 1}\n");
  EXPECT_THAT(
      problems_of(text),
      ElementsAre(
          "f.yaml:3:18: metadata.name: the text 'UPPER' is not a DNS label: 1 to 63 of a-z, 0-9 "
          "and "
          "'-', not at an end (for example cart-v2)",
          "f.yaml:3:25: metadata.lables: unknown field (did you mean 'labels'?)",
          "f.yaml:5:9: spec.type: 'NodePort' is not supported yet (supported: ClusterIP)",
          "f.yaml:7:12: spec.ports[0].port: 0 is out of range: 1 to 65535",
          "f.yaml:8:5: spec.ports[1].name: required when a Service has several ports (for example "
          "http)",
          "f.yaml:11:7: kind: Weft knows no kind 'Nothing' (" + all_kinds(),
          "f.yaml:19:31: spec.rules[0].matches[0].path.value: 'x' does not begin with '/' (did you "
          "mean '/x'?)",
          "f.yaml:19:37: spec.rules[0].weight: unknown field ('weight' belongs under "
          "backendRefs[])"));
}

// Valid, kept, and told in the status: Object::unsupported.
TEST(Objects, SayWhatOfThemIsNotCarriedOut) {
  struct Case {
    const char* rule;
    const char* told;
  };
  for (const Case& c :
       {Case{"timeouts: {request: 25h}",
             "spec.rules[0].timeouts.request: 25h is longer than a day, the longest Weft carries "
             "out"},
        Case{"retry: {backoff: 90000s}",
             "spec.rules[0].retry.backoff: 90000s is longer than a day, the longest Weft carries "
             "out"},
        Case{"retry: {attempts: 11}",
             "spec.rules[0].retry.attempts: 11 is more than Weft carries out: 10"},
        Case{"filters: [{type: ExtensionRef, extensionRef: {group: a.b, kind: C, name: d}}]",
             "spec.rules[0].filters[0].type: 'ExtensionRef' is not supported yet: a sidecar asks "
             "no authorizer, and Weft has no filters of its own kinds; supported: "}}) {
    const Object object = decode_one(route(std::string("  - ") + c.rule + "\n"));
    ASSERT_EQ(object.unsupported.size(), 1u) << c.rule;
    EXPECT_THAT(object.unsupported[0], testing::StartsWith(c.told));
  }
}

TEST(Objects, OfOtherVersionsAreKeptAsOne) {
  EXPECT_EQ(decode_one("apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\n"
                       "metadata: {name: g}\nspec:\n  from: [{group: '', kind: A, namespace: n}]\n"
                       "  to: [{group: '', kind: Service}]\n")
                .body,
            R"({"apiVersion":"gateway.networking.k8s.io/v1","kind":"ReferenceGrant",)"
            R"("metadata":{"name":"g","namespace":"default"},)"
            R"("spec":{"from":[{"group":"","kind":"A","namespace":"n"}],)"
            R"("to":[{"group":"","kind":"Service"}]}})");
}

TEST(Objects, WhatTheServerPrintsIsReadBackWithoutEffect) {
  const std::string plain = service("  ports: [{port: 80}]\n");
  const std::string printed =
      "apiVersion: v1\nkind: Service\nmetadata:\n  name: cart\n  namespace: default\n  uid: abc\n"
      "  generation: 3\n  creationTimestamp: 2026-01-01T00:00:00Z\n  resourceVersion: '5'\n"
      "spec:\n  ports: [{port: 80, protocol: TCP}]\nstatus: {anything: [goes]}\n";
  EXPECT_EQ(decode_one(plain).body, decode_one(printed).body);
}

TEST(Objects, AListIsUnfolded) {
  Problems problems;
  const auto objects = decode_objects(
      "f",
      R"({"apiVersion":"v1","kind":"List","items":[)"
      R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"a"},"spec":{"ports":[{"port":1}]}},)"
      R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"b"},"spec":{"ports":[{"port":1}]}}]})",
      problems);
  EXPECT_THAT(problems, IsEmpty());
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_EQ(objects[1].object.meta.name, "b");
}

TEST(Objects, CanonicalBodiesAreReadBackToThemselves) {
  const Object first = decode_one(route("  - backendRefs: [{name: a, port: 80}]\n"));
  EXPECT_EQ(decode_one(first.body).body, first.body);
}

TEST(Kinds, GoByManyNames) {
  EXPECT_EQ(parse_kind("svc"), "Service");
  EXPECT_EQ(parse_kind("HTTPRoute"), "HTTPRoute");
  EXPECT_EQ(parse_kind("routes"), "HTTPRoute");
  EXPECT_EQ(parse_kind("gtw"), "Gateway");
  EXPECT_FALSE(parse_kind("pod").has_value());
}

}  // namespace
}  // namespace weft::control
