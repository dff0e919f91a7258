"""The app's own TLS, steered by its server name and never opened; and doors behind a load balancer that says who the
client is."""

import json
import socket
import subprocess

from harness import equal, have, holds, wait_until
from weftlib import free_port


def certificate(folder, name):
    key, file = folder / f"{name}.key", folder / f"{name}.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-keyout", key, "-out", file, "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}"],
                   check=True, capture_output=True)
    return key, file


def test_tls_goes_to_the_backend_its_server_name_asks_for(t):
    have("openssl")
    mesh = t.mesh()
    programs = []
    for number, name in enumerate(("red", "blue")):
        key, file = certificate(mesh.folder, f"{name}.example")
        programs.append(mesh.run(name, ["openssl", "s_server", "-accept", str(8443 + number), "-key", key, "-cert", file,
                                        "-rev", "-quiet"], [f"{name}:443:{8443 + number}/tcp"]))
        mesh.wait_serving(name, 1, 30, programs)
    # The name that is dialled has no app of its own: it leads to the two.
    mesh.apply("""
apiVersion: v1
kind: Service
metadata: {name: colours}
spec: {ports: [{port: 443, appProtocol: tls}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: red}
spec:
  parentRefs: [{kind: Service, group: "", name: colours}]
  hostnames: [red.example]
  rules: [{backendRefs: [{name: red, port: 443}]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: TLSRoute
metadata: {name: others}
spec:
  parentRefs: [{kind: Service, group: "", name: colours}]
  hostnames: ["*.example"]
  rules: [{backendRefs: [{name: blue, port: 443}]}]
""")
    trust = mesh.folder / "both.pem"
    trust.write_text((mesh.folder / "red.example.pem").read_text() + (mesh.folder / "blue.example.pem").read_text())
    out = t.python(mesh, f"""
import socket, ssl
for name in ("red.example", "blue.example", "green.test", None):
    context = ssl.create_default_context(cafile={str(trust)!r})
    context.check_hostname = name is not None
    raw = socket.create_connection(("colours", 443), 10)
    try:
        with context.wrap_socket(raw, server_hostname=name) as c:
            c.sendall(b"olleh\\n")
            print(c.getpeercert()["subject"][0][0][1], c.recv(100).decode().strip())
    except ssl.SSLError as error:
        print(error.reason)
raw = socket.create_connection(("colours", 443), 10)
raw.sendall(b"EHLO me\\r\\n")
try: print(len(raw.recv(100)))
except ConnectionResetError: print("reset")
""")
    equal(out.splitlines(), ["red.example hello", "blue.example hello", "TLSV1_UNRECOGNIZED_NAME",
                             "TLSV13_ALERT_MISSING_EXTENSION", "reset"])
    route = json.loads(mesh.cli("get", "tlsroute", "red", "-o", "json").stdout)
    for condition in route["status"]["parents"][0]["conditions"]:
        equal(condition["status"], "True", str(condition))


def test_a_door_behind_a_load_balancer_learns_who_the_client_is(t):
    have("haproxy", "curl")
    mesh = t.mesh()
    door, plain, first, second = (free_port() for _ in range(4))
    t.http_app(mesh, "web:80:8080/http", options=["--publish", f"{door}:8080/proxy-protocol", "--publish",
                                                        f"{plain}:8080"])
    config = t.folder / "haproxy.cfg"
    config.write_text(f"""
defaults
    mode tcp
    timeout connect 5s
    timeout client 10s
    timeout server 10s
listen v1
    bind 127.0.0.1:{first}
    server door 127.0.0.1:{door} send-proxy
listen v2
    bind 127.0.0.1:{second}
    server door 127.0.0.1:{door} send-proxy-v2 proxy-v2-options crc32c,unique-id
""")
    balancer = subprocess.Popen(["haproxy", "-db", "-f", str(config)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    t.processes.append(balancer)

    def ask(port, *options, source="127.0.0.77"):
        done = subprocess.run(["curl", "-fsS", "--max-time", "10", "--interface", source, *options,
                               f"http://127.0.0.1:{port}/x"], capture_output=True, text=True)
        return json.loads(done.stdout)["fields"] if done.returncode == 0 else None

    def told(fields):
        return [line.split(": ", 1)[1] for line in fields if line.lower().startswith("x-forwarded-for: ")]

    wait_until("the load balancer", lambda: ask(first), 10)
    for port in (first, second):
        equal(told(ask(port)), ["127.0.0.77"], f"through {port}")
    equal(told(ask(door, "--haproxy-protocol")), ["127.0.0.77"], "curl's own header")
    equal(ask(door), None, "without a header")
    # Where no header is agreed on, one is nothing but a malformed request.
    holds(ask(plain, "--haproxy-protocol") is None, "a header was believed at a plain door")
    with socket.create_connection(("127.0.0.1", door), 5) as c:
        c.sendall(b"PROXY TCP4 192.0.2.1 nonsense 1 2\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
        try:
            equal(c.recv(100), b"")
        except ConnectionResetError:
            pass

    def refused():
        lines = [json.loads(line) for file in mesh.folder.rglob("access.log") for line in file.read_text().splitlines()]
        return {line["client"].split(":")[0] for line in lines if line.get("flags") == "DPE"}
    wait_until("both in the access log", lambda: refused() == {"127.0.0.77", "127.0.0.1"}, 10)
