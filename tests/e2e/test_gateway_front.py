"""The front of an edge Gateway: who may connect, listeners of ListenerSets, and at which addresses."""

import json
import socket
import ssl
import subprocess

from harness import equal, have, holds, wait_until
from test_gateway import Edge, route, secret, served_shop
from weftlib import Program, free_port

EDGE = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: weft
  %s
  listeners:
  - {name: plain, port: 80, protocol: HTTP}
  - {name: shop, port: 443, protocol: HTTPS, hostname: shop.example, tls: {certificateRefs: [{name: shop}]}}
---
"""


def openssl(*line):
    subprocess.run(["openssl", *map(str, line)], check=True, capture_output=True)


class Authority:
    """A root that signs clients."""

    def __init__(self, folder, name):
        self.folder, self.name = folder, name
        self.key, self.file = folder / f"{name}.ca.key", folder / f"{name}.ca.pem"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj",
                f"/CN={name}", "-keyout", self.key, "-out", self.file)

    def client(self, name):
        """Options of curl."""
        key, request, file = (self.folder / f"{self.name}.{name}.{end}" for end in ("key", "csr", "pem"))
        names = self.folder / f"{self.name}.{name}.ext"
        names.write_text(f"subjectAltName=URI:urn:{name}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/O=Shops/CN={name}", "-keyout",
                key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.file, "-CAkey", self.key, "-CAcreateserial", "-days", "2", "-extfile",
                names, "-out", file)
        return ["--cert", file, "--key", key]

    def config_map(self, name):
        lines = "\n".join("    " + line for line in self.file.read_text().splitlines())
        return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata:\n  ca.crt: |\n{lines}\n---\n"


def fields_of(body):
    return {line.split(": ", 1)[0].lower(): line.split(": ", 1)[1] for line in json.loads(body)["fields"]}


def frontend(mode):
    return "tls: {frontend: {default: {validation: {mode: %s, caCertificateRefs: [{group: '', kind: ConfigMap, name: partners}]}}}}" \
        % mode


def test_clients_show_certificates(t):
    mesh = served_shop(t)
    file, shop = secret(mesh.folder, "shop", "shop.example")
    partners, others = Authority(mesh.folder, "partners"), Authority(mesh.folder, "others")
    alice, mallory = partners.client("alice"), others.client("mallory")
    mesh.apply(EDGE % frontend("AllowValidOnly") + shop + route("red", "red"))
    edge = Edge(t, mesh)
    equal(edge.conditions("shop")["Accepted"], ("False", "NoValidCACertificate"))
    equal(edge.conditions("shop")["ResolvedRefs"], ("False", "InvalidCACertificateRef"))
    mesh.apply(partners.config_map("partners"))
    wait_until("the gateway", lambda: edge.is_up(2), 30)

    def ask(*options):
        return edge.curl("https://shop.example/", "--cacert", file, "-H", "X-Forwarded-Client-Cert: URI=urn:evil", *options)

    for version in ("--http2", "--http1.1"):
        code, status, body, _ = ask(version, *alice)
        equal((code, status), (0, 200), body)
        said = fields_of(body)["x-forwarded-client-cert"]
        first, last = said.split(",By=")
        holds(first.startswith("By=spiffe://weft.local/ns/default/sa/gateway-edge;Hash="), said)
        holds('CN=alice' in first and 'O=Shops' in first and first.endswith(";URI=urn:alice"), said)
        equal(last, "spiffe://weft.local/ns/default/sa/red;URI=spiffe://weft.local/ns/default/sa/gateway-edge")
    holds(ask()[0] != 0, "a client without a certificate was let in")
    holds(ask(*mallory)[0] != 0, "a client of another authority was let in")
    code, status, body, _ = edge.curl("http://shop.example/", "-H", "X-Forwarded-Client-Cert: URI=urn:evil")
    equal((code, status), (0, 200))
    equal(fields_of(body)["x-forwarded-client-cert"], "By=" + last, "what a stranger says of itself without TLS")

    # Other authorities while it runs: who is connected has one more answer, and is asked to connect anew.
    context = ssl.create_default_context(cafile=str(file))
    context.load_cert_chain(alice[1], alice[3])
    kept = context.wrap_socket(socket.create_connection(("127.0.0.1", edge.ports[443]), 10), server_hostname="shop.example")
    kept.sendall(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
    holds(b" 200 " in kept.recv(100000).split(b"\r\n")[0], "the first answer")
    mesh.apply(others.config_map("partners"))
    wait_until("the other authority", lambda: ask(*mallory)[:2] == (0, 200), 10)
    holds(ask(*alice)[0] != 0, "a client of the authority before was let in")
    kept.sendall(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
    answer = b""
    while piece := kept.recv(100000):
        answer += piece
    holds(answer.startswith(b"HTTP/1.1 200 ") and b"connection: close" in answer.lower(), answer)
    kept.close()

    mesh.apply(EDGE % frontend("AllowInsecureFallback"))
    wait_until("the fallback", lambda: ask()[:2] == (0, 200), 10)
    equal(edge.conditions()["InsecureFrontendValidationMode"], ("True", "ConfigurationChanged"))
    equal(fields_of(ask()[2])["x-forwarded-client-cert"], "By=" + last, "a client without a certificate")
    equal(fields_of(ask(*alice)[2])["x-forwarded-client-cert"], "By=" + last, "one whose certificate does not hold")
    holds("URI=urn:mallory" in fields_of(ask(*mallory)[2])["x-forwarded-client-cert"], "one whose certificate holds")


def test_a_listener_set_has_listeners_of_its_own(t):
    mesh = served_shop(t)
    _, shop = secret(mesh.folder, "shop", "shop.example")
    listeners = """
apiVersion: gateway.networking.k8s.io/v1
kind: ListenerSet
metadata: {name: more}
spec:
  parentRef: {name: edge}
  listeners: [{name: plain, port: 9443, protocol: HTTP}]
---
"""
    to_set = route("blue", "blue").replace("[{name: edge}]", "[{kind: ListenerSet, name: more}]")
    mesh.apply(EDGE % "" + shop + route("red", "red") + listeners + to_set)
    edge = Edge(t, mesh)

    def conditions(kind, name):
        return {one["type"]: (one["status"], one["reason"])
                for one in json.loads(mesh.cli("get", kind, name, "-o", "json").stdout)["status"]["conditions"]}
    wait_until("the gateway", lambda: edge.is_up(2), 30)
    equal(conditions("listenerset", "more")["Accepted"], ("False", "NotAllowed"))
    equal(edge.gateway()["status"]["attachedListenerSets"], 0)
    mesh.apply(EDGE % "allowedListeners: {namespaces: {from: Same}}")
    wait_until("the ListenerSet", lambda: edge.curl("http://x.example:9443/", port=9443)[1] == 200, 10)
    equal(json.loads(edge.curl("http://x.example:9443/", port=9443)[2])["name"], "blue")
    equal(json.loads(edge.curl("http://x.example/")[2])["name"], "red")
    equal(conditions("listenerset", "more")["Programmed"], ("True", "Programmed"))
    equal(edge.gateway()["status"]["attachedListenerSets"], 1)
    status = json.loads(mesh.cli("get", "listenerset", "more", "-o", "json").stdout)["status"]
    equal([(one["name"], one["attachedRoutes"]) for one in status["listeners"]], [("plain", 1)])
    equal((status["served"]["users"], status["served"]["current"]), (1, 1))


def test_it_listens_where_the_gateway_says(t):
    have("curl")
    mesh = served_shop(t)
    local = free_port()

    def gateway(*addresses):
        return EDGE.replace("  - {name: shop", "#  - {name: shop") % ("addresses: [%s]" % ", ".join(
            "{value: %s}" % one for one in addresses))
    mesh.apply(gateway("127.0.0.2", "127.0.0.3") + route("red", "red"))
    mesh.programs.append(Program("edge", [mesh.bin / "weft", "gateway", "edge", "--port", f"80={local}"], mesh.logs,
                                 mesh.environment, mesh.user))

    def is_open(address):
        with socket.socket() as probe:
            return probe.connect_ex((address, local)) == 0

    def state():
        status = json.loads(mesh.cli("get", "gateway", "edge", "-o", "json").stdout)["status"]
        return ([one["value"] for one in status["addresses"]],
                next((one["status"], one["reason"]) for one in status["conditions"] if one["type"] == "Programmed"))
    wait_until("the addresses", lambda: [is_open(f"127.0.0.{n}") for n in (1, 2, 3)] == [False, True, True], 30)
    wait_until("the status", lambda: state() == (["127.0.0.2", "127.0.0.3"], ("True", "Programmed")), 10)
    # All of them is in the way of each of them, and the other way round.
    mesh.apply(EDGE.replace("  - {name: shop", "#  - {name: shop") % "")
    wait_until("every address", lambda: all(is_open(f"127.0.0.{n}") for n in (1, 2, 3)), 10)
    mesh.apply(gateway("127.0.0.3"))
    wait_until("one address", lambda: [is_open(f"127.0.0.{n}") for n in (1, 2, 3)] == [False, False, True], 10)
    mesh.apply(gateway("192.0.2.7"))  # of no interface here
    wait_until("what cannot be", lambda: state()[1] == ("False", "AddressNotUsable"), 10)
    holds(not is_open("127.0.0.3"), "an address that is asked for no more is open")
