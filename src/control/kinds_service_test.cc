// Services as users write them, right and wrong.
#include "control/kinds_test_support.h"

namespace weft::control {
namespace {

using testing::ElementsAre;

TEST(WrongObjects, ServicesSayWherePathWhatAndHint) {
  const WrongCase kCases[] = {
      {service("  prots: [{port: 80}]\n  ports: [{port: 80}]\n"),
       "f.yaml:5:3: spec.prots: unknown field (did you mean 'ports'?)"},
      {service("  ports: [{port: 80}]\n  targetPort: 8080\n"),
       "f.yaml:6:3: spec.targetPort: unknown field ('targetPort' belongs under ports[])"},
      {service("  ports: [{port: 80}]\n  wibble: 1\n"),
       "f.yaml:6:3: spec.wibble: unknown field (fields of a Service's spec: selector, clusterIP, "
       "ports, "
       "type, sessionAffinity)"},
      {service("  ports: [{port: \"80\"}]\n"),
       "f.yaml:5:18: spec.ports[0].port: must be a whole number from 1 to 65535, not the text '80' "
       "(write "
       "it without quotes)"},
      {service("  ports: [{port: 70000}]\n"),
       "f.yaml:5:18: spec.ports[0].port: 70000 is out of range: 1 to 65535"},
      {service("  ports: [{name: http}]\n"),
       "f.yaml:5:11: spec.ports[0].port: required by a Service port (Port that clients connect "
       "to.)"},
      {service("  ports: []\n"), "f.yaml:5:10: spec.ports: needs at least 1 item"},
      {service("  ports: {port: 80}\n"),
       "f.yaml:5:10: spec.ports: must be a list, not a map (begin each item with '- ')"},
      {service("  selector: {app: 1}\n  ports: [{port: 80}]\n"),
       "f.yaml:5:19: spec.selector.app: must be text, not the number 1 (put it in quotes: \"1\")"},
      {service("  selector: {app: 'a b'}\n  ports: [{port: 80}]\n"),
       "f.yaml:5:19: spec.selector.app: the text 'a b' is not a label value: at most 63 of A-Z, "
       "a-z, 0-9, "
       "'-', '_', '.', or empty (for example v2)"},
      {service("  selector: {'a b': x}\n  ports: [{port: 80}]\n"),
       "f.yaml:5:14: spec.selector: the name 'a b' is not a label name: [PREFIX/]NAME, NAME of at "
       "most 63 "
       "of A-Z, a-z, 0-9, '-', '_', '.' (for example app.kubernetes.io/name)"},
      {service("  ports: [{port: 80, protocol: UDP}]\n"),
       "f.yaml:5:32: spec.ports[0].protocol: 'UDP' is not supported yet (supported: TCP)"},
      {service("  ports: [{port: 80, appProtocol: htp}]\n"),
       "f.yaml:5:35: spec.ports[0].appProtocol: the text 'htp' is not allowed here (did you mean "
       "'http'? "
       "allowed: http, h2c, grpc, tcp, tls, https, kubernetes.io/h2c, kubernetes.io/ws, "
       "kubernetes.io/wss)"},
      {service("  type: LoadBalancer\n  ports: [{port: 80}]\n"),
       "f.yaml:5:9: spec.type: 'LoadBalancer' is not supported yet (supported: ClusterIP)"},
      {service("  clusterIP: 10.0.0.1\n  ports: [{port: 80}]\n"),
       "f.yaml:5:14: spec.clusterIP: the text '10.0.0.1' is not allowed here (allowed: None)"},
      {service("  externalIPs: [1.2.3.4]\n  ports: [{port: 80}]\n"),
       "f.yaml:5:16: spec.externalIPs: not supported yet (leave it out)"},
      {service("  ports: [{port: 80, name: a}, {port: 80, name: b}]\n"),
       "f.yaml:5:39: spec.ports[1].port: port 80 is already spec.ports[0] (each port once)"},
      {service("  ports: [{port: 80, name: a}, {port: 81}]\n"),
       "f.yaml:5:32: spec.ports[1].name: required when a Service has several ports (for example "
       "http)"},
      {service("  ports: [{port: 80, name: a}, {port: 81, name: a}]\n"),
       "f.yaml:5:49: spec.ports[1].name: the name 'a' is already spec.ports[0] (each name once)"},
      {service("  ports: [{port: 80, targetPort: HTTP}]\n"),
       "f.yaml:5:34: spec.ports[0].targetPort: the text 'HTTP' is not a port name: at most 15 of "
       "a-z, 0-9 "
       "and single '-', one letter at least (for example http)"},
      {"apiVersion: v1\nkind: Service\nmetadata: {name: My_Cart}\nspec: {ports: [{port: 80}]}\n",
       "f.yaml:3:18: metadata.name: the text 'My_Cart' is not a DNS label: 1 to 63 of a-z, 0-9 and "
       "'-', "
       "not at an end (for example cart-v2)"},
      {"apiVersion: v1\nkind: Service\nspec: {ports: [{port: 80}]}\n",
       "f.yaml:1:1: metadata: required by Service (Who the object is.)"},
      {"apiVersion: v1\nkind: Service\nmetadata: {name: a}\n",
       "f.yaml:1:1: spec: required by Service (What the Service is.)"},
      {"apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: 5\n",
       "f.yaml:4:7: spec: must be a map with the fields of a Service's spec, not the number 5 "
       "(fields: "
       "selector, clusterIP, ports, type, sessionAffinity)"},
  };
  for (const WrongCase& c : kCases)
    EXPECT_THAT(problems_of(c.text), ElementsAre(c.problem)) << c.text;
}

TEST(Service, IsReadWithDefaultsFilledIn) {
  const Object object = decode_one(
      "apiVersion: v1\nkind: Service\n"
      "metadata: {name: cart, namespace: shop, labels: {team: a}}\n"
      "spec:\n  selector: {app: cart, version: v2}\n  ports:\n"
      "  - {name: http, port: 80, targetPort: 8080, appProtocol: kubernetes.io/h2c}\n"
      "  - {name: admin, port: 81, targetPort: admin}\n");
  EXPECT_EQ(object.key().to_string(), "Service/shop/cart");
  const auto& spec = std::get<ServiceSpec>(object.spec);
  EXPECT_EQ(spec.selector, (Labels{{"app", "cart"}, {"version", "v2"}}));
  EXPECT_FALSE(spec.headless);
  ASSERT_EQ(spec.ports.size(), 2u);
  EXPECT_EQ(spec.ports[0].target.number, 8080);
  EXPECT_EQ(spec.ports[0].protocol, model::Protocol::kH2c);
  EXPECT_EQ(spec.ports[1].target.name, "admin");
  EXPECT_EQ(spec.ports[1].protocol, model::Protocol::kAuto);
  EXPECT_EQ(object.body,
            R"({"apiVersion":"v1","kind":"Service","metadata":{"name":"cart","namespace":"shop",)"
            R"("labels":{"team":"a"}},"spec":{"selector":{"app":"cart","version":"v2"},)"
            R"("ports":[{"name":"http","port":80,"targetPort":8080,"protocol":"TCP",)"
            R"("appProtocol":"kubernetes.io/h2c"},{"name":"admin","port":81,"targetPort":"admin",)"
            R"("protocol":"TCP"}]}})");
}

TEST(Service, HeadlessIsClusterIpNone) {
  EXPECT_TRUE(
      std::get<ServiceSpec>(decode_one(service("  clusterIP: None\n  ports: [{port: 80}]\n")).spec)
          .headless);
}

}  // namespace
}  // namespace weft::control
