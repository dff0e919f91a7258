"""Parts of the mesh die or are not there: what programs notice of it."""

import time

from harness import as_users, equal, holds, limit, wait_until
from weftlib import command_line


@limit(120)
def test_the_server_is_killed_and_restarted_under_traffic(t):
    mesh = t.mesh()
    t.http_app(mesh, "web:80:8080/http")
    load = t.load(mesh, "http://web/", "--clients", 4, "--rate", 200)
    address = t.python(mesh, "import socket; print(socket.gethostbyname('web'))").strip()
    time.sleep(1)
    mesh.server.kill()
    time.sleep(3)
    holds(load.running(), "traffic stopped with the server")
    mesh.start_server()
    wait_until("the instance to be back", lambda: any(i["state"] in ("serving", "stale") for i in mesh.instances("web")),
               30, 0.2)
    mesh.wait_serving("web", 1, 40)
    time.sleep(2)
    result = t.end_load(load)
    holds(result["requests"] > 500, str(result)[:300])
    equal(result["failures"][:5], [])
    equal(t.get_json(mesh, "http://web/")["name"], "web", "a new client after the restart")
    equal(t.python(mesh, "import socket; print(socket.gethostbyname('web'))").strip(), address, "the virtual address")


@limit(120)
def test_what_was_applied_survives_kill_9_of_the_server(t):
    mesh = t.mesh()
    yaml = """
apiVersion: v1
kind: Service
metadata: {name: kept}
spec: {ports: [{port: 80, targetPort: 8080, appProtocol: http}]}
"""
    mesh.apply(yaml)
    mesh.server.kill()
    mesh.start_server()
    holds("kept" in mesh.cli("get", "service", "-o", "json").stdout, "the object is gone")


@as_users("root", "user")
def test_a_killed_sidecar_is_restarted_on_the_same_sockets_without_the_server(t):
    mesh = t.mesh()
    app = t.http_app(mesh, "web:80:8080/http")
    load = t.load(mesh, "http://web/", "--clients", 2, "--rate", 100)
    time.sleep(1)
    mesh.server.kill()
    import os
    import signal
    first = app.proxy_pid()
    killed = time.monotonic()
    os.kill(first, signal.SIGKILL)
    wait_until("another sidecar", lambda: app.proxy_pid() not in (None, first), 5, 0.02)
    time.sleep(3)
    result = t.end_load(load)
    outage = max([ended for _, ended, _ in result["failures"]], default=killed) - killed
    holds(outage < 1.0, f"served again only after {outage:.2f} s: {result['failures'][-3:]}")
    holds(result["failed"] <= 2, f"more failed than was in flight (2): {result['failures'][:6]}")
    holds(result["requests"] > 200, str(result)[:300])


def test_connects_while_the_callers_sidecar_is_away_wait_and_succeed(t):
    mesh = t.mesh()
    t.http_app(mesh, "web:80:8080/http")
    code = """
import http.client, os, sys, time
def get():
    c = http.client.HTTPConnection("web", 80, timeout=10); c.request("GET", "/"); s = c.getresponse().status; c.close(); return s
print(get(), flush=True)
sys.stdin.readline()
print([get() for _ in range(20)].count(200), flush=True)
"""
    import os
    import signal
    read, write = os.pipe()
    client = mesh.run("caller", [__import__("harness").PYTHON, "-c", code], ["caller"], stdin=read)
    os.close(read)
    wait_until("the first answer", lambda: client.output().startswith("200"), 20)
    first = client.proxy_pid()
    holds("weft-proxy" in command_line(first), command_line(first))
    os.kill(first, signal.SIGKILL)
    os.write(write, b"go\n")
    os.close(write)
    equal(client.wait(40), 0)
    equal(client.output().split(), ["200", "20"])


def test_a_killed_instance_costs_at_most_what_it_had_in_hand(t):
    mesh = t.mesh()
    first = t.http_app(mesh, "web:80:8080/http")
    second = t.http_app(mesh, "web:80:8080/http", wait=False)
    mesh.wait_serving("web", 2, 30, [second])
    load = t.load(mesh, "http://web/?ms=20", "--clients", 8)
    time.sleep(1)
    first.kill()
    time.sleep(2)
    result = t.end_load(load)
    holds(result["failed"] <= 8, f"{result['failed']} failed: {result['failures'][:10]}")
    holds(result["requests"] > 100, str(result)[:300])


@limit(150)
def test_certificates_rotate_under_load_without_a_failure(t):
    mesh = t.mesh(server_options=["--svid-ttl", "20s"])
    t.http_app(mesh, "web:80:8080/http")
    load = t.load(mesh, "http://web/", "--clients", 4, "--rate", 100)
    before = {i["name"]: i["certificateExpires"] for i in mesh.instances("web")}

    def twice():
        now = {i["name"]: i["certificateExpires"] for i in mesh.instances("web")}
        seen.update(now.values())
        return len(seen) >= 3
    seen = set(before.values())
    wait_until("two rotations", twice, 60, 0.3)
    result = t.end_load(load)
    equal(result["failures"][:5], [])
    holds(result["requests"] > 500, str(result)[:300])
