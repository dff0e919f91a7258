"""gRPC, opaque bytes and WebSockets to servers outside the mesh, in plain and with TLS that the sidecar makes; whom it believes
on which port; and what a second connection costs. The servers are programs of the host, on its loopback."""

import json
import os
import socket
import ssl
import subprocess

from harness import APPS, Skip, equal, have, holds, limit, wait_until
from test_grpc import ENVIRONMENT, command, needs_grpc
from test_outside_backends import Outside, authority, certificate, config_map, policy, service
from test_websocket import DEBIAN_PYTHON, over_http2
from weftlib import free_port


def start(t, *words, environment=None):
    t.processes.append(subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL,
                                        env={**os.environ, **(environment or {})}))


def listening(port):
    def up():
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0
    wait_until(f"the server at port {port}", up, 20, 0.1)


def opened(*ports):
    return [word for port in ports for word in ("--host-port", str(port))]


def ports_of(name, *ports, protocol="http"):
    """A Service with a named port 80, 81, … for each (NAME, PORT of the host)."""
    named = ", ".join(f"{{name: {one}, port: {80 + i}, appProtocol: {protocol}}}" for i, (one, _) in enumerate(ports))
    places = ", ".join(f"{{name: {one}, port: {port}}}" for one, port in ports)
    return f"""
apiVersion: v1
kind: Service
metadata: {{name: {name}}}
spec: {{ports: [{named}]}}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
endpoints: [{{addresses: [127.0.0.1]}}]
ports: [{places}]
---
"""


@limit(150)
def test_grpc_of_two_implementations_outside_in_plain_and_over_tls(t):
    needs_grpc()
    have("openssl")
    mesh = t.mesh()
    ca = authority(t.folder, "ca")
    pem, key = certificate(t.folder, ca, "server", "DNS:api.example")
    plain, safe = free_port(), free_port()
    start(t, *command("grpc_app.py", plain))
    start(t, *command("grpc_app.js", safe), environment={**ENVIRONMENT, "CERTIFICATE": pem, "KEY": key})
    listening(plain)
    listening(safe)
    mesh.apply(service("plain", plain, protocol="grpc") + service("safe", safe, protocol="grpc") + config_map("ca", ca)
               + policy("safe"))
    for target in ("plain:80", "safe:80"):
        for program in ("grpc_client.py", "grpc_client.js"):
            status, out, err = mesh.once(command(program, target), timeout=80, environment=ENVIRONMENT,
                                         options=opened(plain, safe))
            failed = [line for line in out.splitlines() if not line.startswith("ok ")]
            holds(status == 0 and not failed and len(out.splitlines()) == 15,
                  f"{program} → {target}: status {status}\n{out}{err[-2000:]}")


def test_opaque_bytes_and_websockets_outside_in_plain_and_over_tls(t):
    have("openssl")
    if subprocess.run([DEBIAN_PYTHON, "-c", "import websockets"], capture_output=True).returncode != 0:
        raise Skip("python3-websockets is not installed")
    mesh = t.mesh()
    ca = authority(t.folder, "ca")
    pem, key = certificate(t.folder, ca, "server", "DNS:api.example")
    echo, lines, chat, safe_chat = (free_port() for _ in range(4))
    start(t, DEBIAN_PYTHON, APPS / "tcp_app.py", echo, "sum", "127.0.0.1")
    start(t, "openssl", "s_server", "-accept", f"127.0.0.1:{lines}", "-cert", pem, "-key", key, "-rev", "-quiet")
    start(t, DEBIAN_PYTHON, APPS / "websocket_app.py", chat)
    start(t, DEBIAN_PYTHON, APPS / "websocket_app.py", safe_chat, pem, key)
    for port in (echo, lines, chat, safe_chat):
        listening(port)
    options = opened(echo, lines, chat, safe_chat)
    mesh.apply(service("sum", echo, protocol="tcp") + service("lines", lines, protocol="tcp") + service("chat", chat)
               + service("safe-chat", safe_chat) + config_map("ca", ca) + policy("lines") + policy("safe-chat"))
    out = t.python(mesh, """
import socket
c = socket.create_connection(("sum", 80))
c.sendall(b"x" * 3_000_000)
c.shutdown(socket.SHUT_WR)
print(c.makefile().read().strip())
c = socket.create_connection(("lines", 80))
c.sendall(b"hello\\n")
print(c.makefile().readline().strip())
""", options=options)
    equal(out.split(), ["3000000", "olleh"])
    program = """
import asyncio, websockets
async def main():
    for name in ("chat", "safe-chat"):
        async with websockets.connect(f"ws://{name}/room", subprotocols=["shop.v1"], max_size=None) as c:
            print(c.subprotocol)
            for message in ("hello", b"\\0\\xff" * 500_000):
                await c.send(message)
                print(await c.recv() == message)
            await c.close(4001, "bye")
asyncio.run(main())
"""
    status, out, err = mesh.once([DEBIAN_PYTHON, "-c", program], options=options)
    equal((status, out.split()), (0, ["shop.v1", "True", "True"] * 2), err)
    have("node")
    for name in ("chat", "safe-chat"):  # the app speaks HTTP/2, the server does not
        status, out, err = mesh.once(over_http2("client", f"{name}:80"), options=options)
        equal((status, out.splitlines()),
              (0, ["announced true", "200 shop.v1 true", '1 "hello"', '8 "\\u000f¡"', "ended"]), f"{name}: {err}")


def test_each_port_believes_its_own_authority_and_the_service_those_of_the_host(t):
    have("curl", "openssl")
    mesh = t.mesh()
    cas = {name: authority(mesh.folder, name) for name in ("one", "two", "three")}
    servers = {name: Outside(certificate(mesh.folder, ca, f"server-{name}", f"DNS:{name}.example"))
               for name, ca in cas.items()}
    options = opened(*(server.port for server in servers.values()))

    def of_port(name, ca):
        return policy("bank", f"{name}.example", ca=f"ca-{ca}").replace("{name: bank}", f"{{name: bank-{name}}}", 1).replace(
            "name: bank}]", f"name: bank, sectionName: {name}}}]")
    system = """
apiVersion: gateway.networking.k8s.io/v1
kind: BackendTLSPolicy
metadata: {name: bank}
spec:
  targetRefs: [{group: "", kind: Service, name: bank}]
  validation: {hostname: three.example, wellKnownCACertificates: System}
---
"""
    mesh.apply(ports_of("bank", *((name, server.port) for name, server in servers.items()))
               + config_map("ca-one", cas["one"]) + config_map("ca-two", cas["two"]) + of_port("one", "one")
               + of_port("two", "two") + system)
    trusting = {"SSL_CERT_FILE": str(cas["three"])}  # as OpenSSL knows it

    def codes(**environment):
        words = [word for port in (80, 81, 82) for word in ("-o", "/dev/null", f"http://bank:{port}/")]
        status, out = t.curl(mesh, "-w", "%{http_code} ", *words, options=options, environment=environment)
        return out.split()
    equal(codes(**trusting), ["200", "200", "200"])
    equal(codes(), ["200", "200", "503"], "this host does not trust the test's authority")
    mesh.apply(of_port("two", "one"))
    equal(codes(**trusting), ["200", "503", "200"])


CALLS = """
import http.client, json, sys, time
def resumed():
    c = http.client.HTTPConnection(HOST, 80, timeout=20)
    c.request("GET", "/close")
    answer = c.getresponse()
    return json.loads(answer.read())["resumed"] if answer.status == 200 else answer.status
print([resumed() for _ in range(4)], flush=True)
for line in sys.stdin:
    print([resumed() for _ in range(2)], flush=True)
"""


def test_a_further_connection_to_the_same_server_is_resumed_until_the_policy_changes(t):
    have("openssl")
    mesh = t.mesh()
    ca, other = authority(mesh.folder, "ca"), authority(mesh.folder, "other")
    pair = certificate(mesh.folder, ca, "server", "DNS:api.example,DNS:www.example")
    for name, most in (("bank", None), ("old", ssl.TLSVersion.TLSv1_2)):
        server = Outside(pair, most)
        mesh.apply(service(name, server.port) + policy(name) + config_map("ca", ca))
        read, write = os.pipe()
        program = mesh.run(f"caller-{name}", [DEBIAN_PYTHON, "-c", CALLS.replace("HOST", repr(name))], [f"caller-{name}"],
                           options=opened(server.port), stdin=read)
        os.close(read)

        lines = 0

        def says(program=program):
            """The next line."""
            nonlocal lines
            lines += 1
            wait_until("the calls", lambda: len(program.output().splitlines()) >= lines or not program.running(), 30, 0.1)
            holds(program.running(), program.errors())
            return json.loads(program.output().splitlines()[lines - 1].lower())

        def again(write=write):
            os.write(write, b"again\n")
            return says()
        equal(says(), [False, True, True, True], name)
        # Whatever is verified in another way is verified anew, once: another name, further authorities.
        both = "".join(f"    {line}\n" for line in (other.read_text() + ca.read_text()).splitlines())
        for yaml in (policy(name, "www.example"),
                     f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: ca}}\ndata:\n  ca.crt: |\n{both}---\n"):
            mesh.apply(yaml)
            found = []
            wait_until("a full handshake", lambda found=found: found.extend(again()) or False in found, 20, 0.1)
            found += again()
            equal((found.count(False), found[-2:]), (1, [True, True]), f"{name}: {found} after {yaml[:200]}")
        mesh.apply(config_map("ca", other))
        wait_until("the refusal", lambda: again() == [503, 503], 20, 0.1)
        os.close(write)
