"""Services served outside the mesh: plain, over TLS that the sidecar makes, and what is refused. The servers are on the
host's loopback, which the callers' --host-port opens."""

import http.server
import json
import ssl
import subprocess
import threading

from harness import World, equal, have, holds, needs_root, wait_until
from test_gateway import route, secret
from weftlib import Program, free_port


def authority(folder, name):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-keyout", folder / f"{name}.key", "-out", folder / f"{name}.pem", "-subj", f"/CN={name}"],
                   check=True, capture_output=True)
    return folder / f"{name}.pem"


def certificate(folder, ca, name, alternatives):
    base = folder / name
    subprocess.run(["openssl", "req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    f"{base}.key", "-out", f"{base}.csr", "-subj", f"/CN={name}"], check=True, capture_output=True)
    (folder / f"{name}.ext").write_text(f"subjectAltName={alternatives}\n")
    subprocess.run(["openssl", "x509", "-req", "-in", f"{base}.csr", "-CA", ca, "-CAkey", ca.with_suffix(".key"), "-days",
                    "2", "-out", f"{base}.pem", "-extfile", f"{base}.ext"], check=True, capture_output=True)
    return f"{base}.pem", f"{base}.key"


class Answer(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.rfile.read(int(self.headers.get("content-length") or 0))
        version = self.connection.version() if isinstance(self.connection, ssl.SSLSocket) else "plain"
        shown = self.connection.getpeercert() if version != "plain" else None
        body = json.dumps({"version": version, "line": self.requestline, "fields": self.headers.items(),
                           "client": dict(one[0] for one in shown["subject"]) if shown else None,
                           "resumed": version != "plain" and self.connection.session_reused}).encode()
        status = 503 if self.path == "/fails" else 200
        self.send_response(status, "As It Likes")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Mixed-Case", "kept")
        if self.path == "/close":
            self.send_header("Connection", "close")  # which sets close_connection
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_POST = do_HEAD = do_GET

    def log_message(self, *_):
        pass


class Outside:
    """A server on the host's loopback."""

    def __init__(self, pair=None, most=None, clients=None):
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.server.daemon_threads = True
        self.port = self.server.server_port
        if pair:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*pair)
            if most:
                context.maximum_version = most
            if clients:
                context.verify_mode = ssl.CERT_REQUIRED
                context.load_verify_locations(clients)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def service(name, *ports, protocol="http"):
    slices = "".join(f"""
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-{port}, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
endpoints: [{{addresses: [127.0.0.{1 + number}]}}]
ports: [{{port: {port}}}]
---""" for number, port in enumerate(ports))
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{ports: [{{port: 80, appProtocol: {protocol}}}]}}
---{slices}
"""


def config_map(name, file):
    lines = "\n".join("    " + line for line in file.read_text().splitlines())
    return f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\ndata:\n  ca.crt: |\n{lines}\n---\n"


def policy(name, hostname="api.example", more="", ca="ca"):
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {{name: {name}}}
spec:
  targetRefs: [{{group: "", kind: Service, name: {name}}}]
  validation:
    hostname: {hostname}
    caCertificateRefs: [{{group: "", kind: ConfigMap, name: {ca}}}]
{more}
---
"""


def ask(t, mesh, ports, *arguments):
    """(HTTP status, body) of a curl inside the mesh whose sidecar may reach these ports of the host."""
    options = [word for port in ports for word in ("--host-port", str(port))]
    status, out = t.curl(mesh, "-w", "\n%{http_code}", *arguments, options=options)
    holds(status == 0, out)
    body, _, code = out.rpartition("\n")
    return int(code), body


def test_a_service_outside_is_called_as_any_other(t):
    have("curl")
    mesh, server = t.mesh(), Outside()
    mesh.apply(service("bank", server.port) + """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: bank}
spec:
  parentRefs: [{kind: Service, group: "", name: bank}]
  rules:
  - filters:
    - {type: RequestHeaderModifier, requestHeaderModifier: {add: [{name: x-route, value: taken}]}}
    backendRefs: [{name: bank, port: 80}]
---
""")
    code, body = ask(t, mesh, [server.port], "-i", "-X", "POST", "-d", "a=b", "-H", "X-Mine: 1", "http://bank/x?y")
    holds(code == 200 and "HTTP/1.1 200 As It Likes" in body and "X-Mixed-Case: kept" in body, body)
    answer = json.loads(body[body.index("{"):])
    equal((answer["version"], answer["line"]), ("plain", "POST /x?y HTTP/1.1"))
    fields = dict(answer["fields"])
    equal((fields["Host"], fields["X-Mine"], fields["x-route"]), ("bank", "1", "taken"))
    holds(not [name for name in fields if name.lower().startswith(("weft-", "x-forwarded"))], fields)
    code, body = ask(t, mesh, [], "http://bank/")
    holds(code == 503 and "loopback is closed" in body, body)

    def seen():
        return [e for e in mesh.status()["edges"] if e["destination"] == "external" and e["service"].startswith("bank")]
    wait_until("the edge in telemetry", seen, 20, 0.3)


def test_tls_outside_is_verified_or_nothing_is_sent(t):
    have("curl", "openssl")
    mesh = t.mesh()
    ca, other = authority(mesh.folder, "ca"), authority(mesh.folder, "other")
    names = "DNS:api.example,URI:spiffe://outside/bank"
    server = Outside(certificate(mesh.folder, ca, "server", names))
    old = Outside(certificate(mesh.folder, ca, "old", "DNS:api.example"), ssl.TLSVersion.TLSv1_2)
    ports = [server.port, old.port]
    mesh.apply(service("bank", server.port) + service("old", old.port) + policy("bank") + policy("old"))
    code, body = ask(t, mesh, ports, "http://bank/")
    holds(code == 503 and "there is no ConfigMap default/ca" in body, body)

    mesh.apply(config_map("ca", ca) + config_map("other", other))
    code, body = ask(t, mesh, ports, "http://bank/")
    equal((code, json.loads(body)["version"]), (200, "TLSv1.3"), body)
    code, body = ask(t, mesh, ports, "http://old/")
    equal((code, json.loads(body)["version"]), (200, "TLSv1.2"), body)

    def san(kind, value):
        return f"    subjectAltNames: [{{type: {kind}, {kind.lower()}: {value}}}]"
    rows = [("another name", policy("bank", "other.example"), 503),
            ("a URI in place of the name", policy("bank", "other.example", san("URI", "spiffe://outside/bank")), 200),
            ("another URI", policy("bank", "api.example", san("URI", "spiffe://outside/else")), 503),
            ("another of its names", policy("bank", "sni.example", san("Hostname", "api.example")), 200),
            ("another authority", policy("bank", ca="other"), 503),
            ("the right one again", policy("bank"), 200)]
    for what, yaml, wanted in rows:
        mesh.apply(yaml)
        code, body = ask(t, mesh, ports, "http://bank/")
        equal(code, wanted, f"{what}: {body}")


def test_authorities_rotate_while_a_program_runs(t):
    have("curl", "openssl")
    mesh = t.mesh()
    ca, other = authority(mesh.folder, "ca"), authority(mesh.folder, "other")
    server = Outside(certificate(mesh.folder, ca, "server", "DNS:api.example"))
    mesh.apply(service("bank", server.port) + policy("bank") + config_map("ca", ca))
    program = mesh.run("caller", ["sh", "-c", "while sleep 0.1; do curl -s --max-time 5 -o /dev/null -w '%{http_code}\\n' "
                                  "http://bank/; done"], ["caller"], options=["--host-port", str(server.port)])

    def last():
        lines = program.output().split()
        return lines[-1] if lines else ""
    wait_until("an answer", lambda: last() == "200", 30)
    mesh.apply(config_map("ca", other))
    wait_until("the refusal", lambda: last() == "503", 20)
    mesh.apply(config_map("ca", ca))
    wait_until("the answer again", lambda: last() == "200", 20)
    text = mesh.cli("explain", "GET", "http://bank/", "--from", "caller").stdout
    holds("api.example" in text and "ConfigMap ca" in text and "outside" in text, text)


def test_failing_endpoints_outside_are_retried_elsewhere(t):
    have("curl")
    mesh, server = t.mesh(), Outside()
    dead = free_port()
    mesh.apply(service("bank", server.port, dead))
    for _ in range(4):
        code, body = ask(t, mesh, [server.port, dead], "http://bank/")
        equal(code, 200, body)


@needs_root("it builds a network of its own")
def test_a_gateway_shows_its_certificate_to_backends_outside(t):
    have("curl", "openssl")
    world = World(t)
    prefix = World.prefix(world.host)
    mesh = t.mesh(prefix=prefix)
    ca = authority(t.folder, "ca")
    pem, key = certificate(t.folder, ca, "server", "DNS:api.example")
    shop_file, shop = secret(t.folder, "shop", "shop.example")
    world.start(world.outside, "openssl", "s_server", "-accept", f"{World.OUTSIDE}:8443", "-cert", pem, "-key", key,
                "-CAfile", str(shop_file), "-Verify", "2", "-verify_return_error", "-www")
    slices = service("bank", 8443).replace("127.0.0.1", World.OUTSIDE)
    without = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: weft
  listeners: [{name: plain, port: 80, protocol: HTTP}]
---
"""
    shown = without.replace("  listeners:", "  tls: {backend: {clientCertificateRef: {name: shop}}}\n  listeners:")
    mesh.apply(shown + slices + policy("bank") + config_map("ca", ca) + route("bank", "bank"))
    program = Program("edge", [*prefix, mesh.bin / "weft", "gateway", "edge", "--address", World.HOST], mesh.logs,
                      mesh.environment, mesh.user)
    mesh.programs.append(program)

    def conditions():
        status = json.loads(mesh.cli("get", "gateway", "edge", "-o", "json").stdout)["status"]
        return {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}

    def code():
        done = subprocess.run([*prefix, "curl", "-s", "--max-time", "5", "-o", "/dev/null", "-w", "%{http_code}",
                               f"http://{World.HOST}/"], capture_output=True, text=True)
        return done.stdout
    wait_until("the gateway", lambda: conditions()["Programmed"] == ("True", "Programmed"), 30)
    equal(conditions()["ResolvedRefs"], ("False", "InvalidClientCertificateRef"), "no such Secret yet")
    wait_until("the refusal", lambda: code() in ("502", "503"), 20, 0.3)
    mesh.apply(shop)
    equal(conditions()["ResolvedRefs"], ("True", "ResolvedRefs"))
    wait_until("the answer", lambda: code() == "200", 20, 0.3)
    mesh.apply(without)
    holds("ResolvedRefs" not in conditions(), conditions())
    wait_until("the refusal again", lambda: code() in ("502", "503"), 20, 0.3)
