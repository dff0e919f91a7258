"""Traffic from outside through `weft gateway`: HTTP, HTTPS by server name, TLS passed on, what changes while it runs."""

import concurrent.futures
import json
import socket
import ssl
import subprocess

from harness import equal, have, holds, wait_until
from test_tls_passthrough import certificate
from weftlib import Program, free_port


class Edge:
    """A Gateway `edge` whose listeners 80, 443 and 9443 are at free ports of 127.0.0.1."""

    def __init__(self, t, mesh):
        self.mesh, self.ports = mesh, {port: free_port() for port in (80, 443, 9443)}
        line = [mesh.bin / "weft", "gateway", "edge", "--address", "127.0.0.1"]
        for port, local in self.ports.items():
            line += ["--port", f"{port}={local}"]
        self.program = Program("edge", line, mesh.logs, mesh.environment, mesh.user)
        mesh.programs.append(self.program)

    def gateway(self):
        return json.loads(self.mesh.cli("get", "gateway", "edge", "-o", "json").stdout)

    def conditions(self, listener=None):
        status = self.gateway()["status"]
        if listener:
            status = next(one for one in status["listeners"] if one["name"] == listener)
        return {one["type"]: (one["status"], one["reason"]) for one in status["conditions"]}

    def curl(self, url, *options, port=None):
        """(exit status, HTTP status, body)"""
        host, port = url.split("/")[2].split(":")[0], port or (443 if url.startswith("https") else 80)
        done = subprocess.run(["curl", "-sS", "--max-time", "10", "-w", "\n%{http_code} %{http_version} %{redirect_url}",
                               "--connect-to", f"{host}:{port}:127.0.0.1:{self.ports[port]}", *map(str, options), url],
                              capture_output=True, text=True)
        body, _, numbers = done.stdout.rpartition("\n")
        numbers = numbers.split(" ")
        return done.returncode, int(numbers[0] or 0), body + done.stderr, numbers[1:]

    def is_up(self, listeners=1):
        status = self.gateway()["status"]
        return status["served"]["users"] == 1 == status["served"]["current"] and \
            sum(one["status"] == "True" for each in status["listeners"] for one in each["conditions"]
                if one["type"] == "Programmed") == listeners


def secret(folder, name, host):
    key, file = certificate(folder, host)
    indent = "\n".join
    return file, f"""
apiVersion: v1
kind: Secret
metadata: {{name: {name}}}
type: kubernetes.io/tls
stringData:
  tls.crt: |
{indent("    " + line for line in file.read_text().splitlines())}
  tls.key: |
{indent("    " + line for line in key.read_text().splitlines())}
---
"""


GATEWAY = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: weft
  listeners:
  - {name: plain, port: 80, protocol: HTTP}
  - {name: shop, port: 443, protocol: HTTPS, hostname: shop.example, tls: {certificateRefs: [{name: shop}]}}
  - {name: blog, port: 443, protocol: HTTPS, hostname: "*.blog.example", tls: {certificateRefs: [{name: blog}]}}
---
"""


def route(name, backend, section="", hosts="", more=""):
    section = f", sectionName: {section}" if section else ""
    return f"""
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: {name}}}
spec:
  parentRefs: [{{name: edge{section}}}]
  hostnames: [{hosts}]
  rules: [{{{more or f"backendRefs: [{{name: {backend}, port: 80}}]"}}}]
---
"""


def served_shop(t):
    have("openssl", "curl")
    mesh = t.mesh()
    t.http_app(mesh, "red:80:8080/http")
    t.http_app(mesh, "blue:80:8080/http")
    return mesh


def explained_as_served(mesh):
    """What `weft explain` says of the requests above is what became of them."""
    def explain(*question, code=0):
        done = mesh.cli("explain", *question, "--from", "edge", check=False)
        equal(done.returncode, code, done.stderr)
        return done.stdout + done.stderr

    def outcome(*question):
        return json.loads(mesh.cli("explain", *question, "--from", "edge", "-o", "json").stdout)["outcome"]

    for question, status, name in ((["http://shop.example/x"], 0, "red"), (["http://other.example/"], 404, ""),
                                   (["https://shop.example/"], 0, "red"), (["https://a.blog.example/"], 0, "blue"),
                                   (["https://shop.example/", "-H", "Host: a.blog.example"], 421, "")):
        said = outcome(*question)
        equal(said.get("status", 0), status, question)
        equal([one.rsplit("-", 1)[0] for one in said["endpoints"]], [name] if name else [], question)
    text = explain("GET", "https://shop.example/x?y=1")
    for part in ("gateway        Gateway default/edge", "listener       Gateway default/edge listener shop", "of shop.example, until 2",
                 "host           Gateway default/edge listener shop", "HTTPRoute default/red rule 0", "mutual TLS 1.3",
                 "so             the request goes to red-"):
        holds(part in text, f"'{part}' is missing:\n{text}")
    for question, words in ((["https://none.example/"], "no route has the server name none.example"),
                            (["http://shop.example:8080/"], "no listener has port 8080"),
                            (["tcp://shop.example:443"], "the connection is reset: not TLS"),
                            (["red"], "HTTPRoute default/red rule 0"), (["edge"], "port 443, HTTPS, hostname *.blog.example")):
        holds(words in explain(*question), f"{question}: {explain(*question)}")
    holds("which port?" in explain("tcp://shop.example", code=2), "a connection without a port")


def test_a_gateway_serves_http_and_https_by_name(t):
    mesh = served_shop(t)
    shop_file, shop = secret(mesh.folder, "shop", "shop.example")
    blog_file, blog = secret(mesh.folder, "blog", "a.blog.example")
    mesh.apply(GATEWAY + shop + blog + route("red", "red", hosts="shop.example") +
               route("blue", "blue", "blog", '"*.blog.example"'))
    edge = Edge.__new__(Edge)
    edge.mesh = mesh
    equal(edge.conditions()["Programmed"], ("False", "Pending"), "a Gateway that nobody serves")
    equal(edge.conditions("shop")["ResolvedRefs"], ("True", "ResolvedRefs"))
    edge.__init__(t, mesh)
    wait_until("the gateway", lambda: edge.is_up(3), 30)
    equal(edge.conditions()["Programmed"], ("True", "Programmed"))
    attached = {one["name"]: one["attachedRoutes"] for one in edge.gateway()["status"]["listeners"]}
    equal(attached, {"plain": 1, "shop": 1, "blog": 1})

    code, status, body, _ = edge.curl("http://shop.example/x")
    equal((code, status), (0, 200), body)
    answer = json.loads(body)
    equal((answer["name"], answer["line"].split(" ")[1]), ("red", "/x"))
    fields = {line.split(": ")[0].lower(): line.split(": ")[1] for line in answer["fields"]}
    equal((fields["x-forwarded-proto"], fields["x-forwarded-for"]), ("http", "127.0.0.1"))
    equal(edge.curl("http://other.example/")[1], 404, "a host that no route has")

    code, status, body, more = edge.curl("https://shop.example/", "--cacert", shop_file)
    equal((code, status, more[0], json.loads(body)["name"]), (0, 200, "2", "red"), "HTTPS by ALPN h2")
    holds("x-forwarded-proto: https" in body.lower(), body)
    code, status, body, more = edge.curl("https://shop.example/", "--cacert", shop_file, "--http1.1")
    equal((code, status, more[0]), (0, 200, "1.1"))
    code, status, body, _ = edge.curl("https://a.blog.example/", "--cacert", blog_file)
    equal((code, status, json.loads(body)["name"]), (0, 200, "blue"))
    equal(edge.curl("https://shop.example/", "--cacert", blog_file)[0], 60, "another name's certificate")
    holds(edge.curl("https://none.example/", "-k")[0] == 35, "a name that no listener has is refused in the handshake")
    equal(edge.curl("https://shop.example/", "--cacert", shop_file, "-H", "Host: a.blog.example")[1], 421)
    explained_as_served(mesh)

    # Keys are shown to nobody.
    shown = mesh.cli("get", "secret", "shop", "-o", "yaml").stdout
    holds("PRIVATE" not in shown and "(hidden)" in shown and "CERTIFICATE" in shown, shown)
    key = (mesh.folder / "shop.example.key").read_text().splitlines()[1]
    for file in list(mesh.logs.rglob("*")) + list(mesh.folder.rglob("*.log")):
        if file.is_file():
            holds(key not in file.read_text(errors="replace"), f"a key is in {file}")


def test_what_changes_while_it_runs(t):
    mesh = served_shop(t)
    file, shop = secret(mesh.folder, "shop", "shop.example")
    _, blog = secret(mesh.folder, "blog", "a.blog.example")
    mesh.apply(GATEWAY + shop + blog + route("red", "red"))
    edge = Edge(t, mesh)
    wait_until("the gateway", lambda: edge.is_up(3), 30)

    # A connection that is open through all of it, and requests without an end on others.
    context = ssl.create_default_context(cafile=str(file))
    kept = context.wrap_socket(socket.create_connection(("127.0.0.1", edge.ports[443]), 10), server_hostname="shop.example")
    first = kept.getpeercert()["serialNumber"]

    def ask():
        kept.sendall(b"GET / HTTP/1.1\r\nHost: shop.example\r\n\r\n")
        head = b""
        while b"\r\n\r\n" not in head:
            byte = kept.recv(1)
            holds(byte, f"the connection ended: {head}")
            head += byte
        length = next(int(line.split(b":")[1]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
        body = b""
        while len(body) < length:
            body += kept.recv(length - len(body))
        return int(head.split(b" ")[1]), json.loads(body)["name"]

    equal(ask(), (200, "red"))
    stop = False

    def load():
        failed = []
        while not stop:
            code, status, body, _ = edge.curl("http://shop.example/")
            if (code, status) != (0, 200):
                failed.append((code, status, body))
        return failed

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        failed = pool.submit(load)
        try:
            mesh.apply(route("red", "blue"))
            wait_until("the route's change", lambda: ask() == (200, "blue"), 10)
            # Another certificate: new connections get it, the old one goes on.
            file, shop = secret(mesh.folder, "shop", "shop.example")
            mesh.apply(shop)
            wait_until("the certificate", lambda: edge.curl("https://shop.example/", "--cacert", file)[:2] == (0, 200), 10)
            equal(ask(), (200, "blue"))
            equal(kept.getpeercert()["serialNumber"], first)
            # A listener more, and then less.
            port = edge.ports[9443]
            mesh.apply(GATEWAY.replace("  - {name: shop", "  - {name: more, port: 9443, protocol: HTTP}\n  - {name: shop"))
            wait_until("another listener", lambda: edge.curl("http://x.example:9443/", port=9443)[1] == 200, 10)
            mesh.apply(GATEWAY)

            def closed():
                with socket.socket() as probe:
                    return probe.connect_ex(("127.0.0.1", port)) != 0
            wait_until("its end", closed, 10)
            equal(ask(), (200, "blue"))
            # Another proxy on the same listeners.
            mesh.cli("upgrade", "--all", timeout=60)
            equal(edge.curl("https://shop.example/", "--cacert", file)[:2], (0, 200))
        finally:
            stop = True
        equal(failed.result(30), [], "failed requests")
    kept.close()
    mesh.apply(route("red", "", more="filters: [{type: RequestRedirect, requestRedirect: {scheme: https}}]"))
    wait_until("a redirect", lambda: edge.curl("http://shop.example/a?b=1")[1] == 302, 10)
    equal(edge.curl("http://shop.example/a?b=1")[3][1], "https://shop.example/a?b=1")
    edge.program.signal(15)
    equal(edge.program.wait(30), 0, "its exit status")


def test_tls_passes_through_unopened(t):
    have("openssl", "curl")
    mesh = t.mesh()
    key, file = certificate(mesh.folder, "bank.example")
    bank = mesh.run("bank", ["openssl", "s_server", "-accept", "8443", "-key", key, "-cert", file, "-rev", "-quiet"],
                    ["bank:443:8443/tcp"])
    mesh.wait_serving("bank", 1, 30, [bank])
    mesh.apply("""
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  gatewayClassName: weft
  listeners: [{name: tls, port: 443, protocol: TLS, tls: {mode: Passthrough}}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: bank}
spec:
  parentRefs: [{name: edge}]
  hostnames: [bank.example]
  rules: [{backendRefs: [{name: bank, port: 443}]}]
""")
    edge = Edge(t, mesh)
    wait_until("the gateway", edge.is_up, 30)
    context = ssl.create_default_context(cafile=str(file))
    with context.wrap_socket(socket.create_connection(("127.0.0.1", edge.ports[443]), 10),
                             server_hostname="bank.example") as client:
        client.sendall(b"olleh\n")
        equal(client.recv(100), b"hello\n")
    try:
        context.wrap_socket(socket.create_connection(("127.0.0.1", edge.ports[443]), 10), server_hostname="other.example")
        raise AssertionError("a name that no route has was let in")
    except ssl.SSLError as error:
        holds("UNRECOGNIZED_NAME" in str(error).upper().replace(" ", "_"), str(error))
