"""Proxies with more than one worker: every protocol through any of them, connections spread evenly, and changes,
deaths and drains that all workers take part in."""

import json
import os
import re
import signal
import time
import urllib.request

from harness import APPS, PYTHON, equal, holds, limit, wait_until
from test_grpc import needs_grpc, played, server
from weftlib import free_port

WORKERS = ["--workers", "3"]


def told(mesh, program_name, what):
    """What the admin door of a program's sidecar answers."""
    name = next(i["name"] for i in mesh.instances() if i["name"].startswith(program_name + "-"))
    door = (mesh.folder / "state/weft/instances" / name / "admin").read_text().strip()
    with urllib.request.urlopen(f"http://{door}/{what}", timeout=10) as answer:
        return answer.read().decode()


def connections(mesh, service):
    """Accepted connections by worker."""
    return [int(count) for count in re.findall(r'^weft_worker_connections\{worker="\d+"\} (\d+)$',
                                               told(mesh, service, "metrics"), re.M)]


def caller(mesh, code, name="caller"):
    """A client with three workers that runs `code` and waits for a line where that reads its input."""
    read, write = os.pipe()
    program = mesh.run(name, [PYTHON, "-u", "-c", code], [name], options=WORKERS, stdin=read)
    os.close(read)
    return program, write


def go_on(program, write):
    os.write(write, b"go\n")
    os.close(write)
    equal(program.wait(60), 0, program.errors()[-1000:])


def test_connections_made_at_once_are_spread_over_all_workers(t):
    mesh = t.mesh()
    door = free_port()
    t.http_app(mesh, "web:80:8080/http", options=[*WORKERS, "--publish", f"{door}:8080"])
    client, write = caller(mesh, """
import http.client, sys
kept = [http.client.HTTPConnection("web", 80, timeout=20) for _ in range(60)]
for c in kept: c.connect()
answers = 0
for c in kept: c.request("GET", "/")
for c in kept: answers += c.getresponse().read() != b""
print(answers)
sys.stdin.readline()
""")
    wait_until("the answers", lambda: client.output() == "60\n" or not client.running(), 30)
    # 60 of the app at the caller's; of each of its three workers one to the instance.
    equal(connections(mesh, "caller"), [20, 20, 20], client.errors()[-500:])
    equal(connections(mesh, "web"), [1, 1, 1])
    go_on(client, write)
    wait_until("the caller to be gone", lambda: sum(connections(mesh, "web")) == 0, 10)
    # Strangers at a published door; what is closed counts no more.
    import socket
    strangers = [socket.create_connection(("127.0.0.1", door), 5) for _ in range(30)]
    wait_until("all 30", lambda: sum(connections(mesh, "web")) == 30, 10)
    equal(connections(mesh, "web"), [10, 10, 10])
    for stranger in strangers:
        stranger.close()
    wait_until("fewer", lambda: sum(connections(mesh, "web")) == 0, 10)


def test_a_gateway_has_a_worker_for_each_cpu_and_a_sidecar_one(t):
    mesh = t.mesh()
    t.http_app(mesh, "side:80:8080/http")
    t.http_app(mesh, "gate:80:8080/http", options=["--publish", f"{free_port()}:8080"])
    equal(len(connections(mesh, "side")), 1)
    equal(len(connections(mesh, "gate")), min(4, len(os.sched_getaffinity(0))))


def test_a_number_of_workers_that_cannot_be_is_refused(t):
    mesh = t.mesh(server=False)
    for number in ("0", "65", "-1", "two", ""):
        status, _, err = mesh.once(["true"], ["client"], options=["--workers", number])
        equal(status, 2)
        holds("expected a number from 1 to 64" in err, err)


@limit(180)
def test_grpc_passes_any_worker(t):
    needs_grpc()
    mesh = t.mesh()
    server(mesh, "core:50051/grpc", "grpc_app.py", 50051, options=WORKERS)
    equal(len(played(mesh, "grpc_client.py", "core:50051")), 15)


@limit(150)
def test_nothing_is_lost_over_changes_deaths_and_drains(t):
    """HTTP and opaque TCP under steady load with three workers everywhere, while a route changes, one of two
    instances is killed, the other's sidecar is killed, a third joins, and one drains."""
    mesh = t.mesh()
    apps = [t.http_app(mesh, "web:80:8080/http", name=name, labels={"v": name}, options=WORKERS, wait=False)
            for name in ("one", "two")]
    mesh.wait_serving("web", 2, 30, apps)
    tcp = mesh.run("sum", [PYTHON, mesh.share(APPS / "tcp_app.py"), "7001", "sum", "0.0.0.0"], ["sum:7001/tcp"],
                   options=WORKERS)
    mesh.wait_serving("sum", 1, 30, [tcp])
    client, write = caller(mesh, """
import http.client, json, socket, sys, threading, time
failed, names, streams, end = [], [], [], threading.Event()
def requests():
    while not end.is_set():
        c = http.client.HTTPConnection("web", 80, timeout=20)
        try:
            for _ in range(20):
                at = time.time(); c.request("GET", "/"); answer = c.getresponse(); body = answer.read()
                if answer.status == 200: names.append((at, json.loads(body)["name"]))
                else: failed.append((time.time(), answer.status))
                time.sleep(0.01)
        except (OSError, http.client.HTTPException) as error: failed.append((time.time(), repr(error)))
        c.close()
def opaque():
    while not end.is_set():
        try:
            with socket.create_connection(("sum", 7001), 20) as c:
                c.sendall(b"x" * 50000); c.shutdown(socket.SHUT_WR)
                data = b""
                while part := c.recv(4096): data += part
                if data.split() == [b"50000"]: streams.append(time.time())
                else: failed.append((time.time(), data[:40].decode()))
        except OSError as error: failed.append((time.time(), repr(error)))
        time.sleep(0.02)
threads = [threading.Thread(target=work) for work in [requests] * 9 + [opaque] * 3]
for thread in threads: thread.start()
print("started")
sys.stdin.readline()
end.set()
for thread in threads: thread.join()
print(json.dumps({"failed": failed, "names": names, "streams": len(streams)}))
""", "load")
    wait_until("the load", lambda: client.output().startswith("started") or not client.running(), 30)

    time.sleep(1.5)
    mesh.apply("""
apiVersion: v1
kind: Service
metadata: {name: web-two}
spec: {selector: {v: two}, ports: [{port: 80, targetPort: 8080, appProtocol: http}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{group: "", kind: Service, name: web, port: 80}]
  rules: [{backendRefs: [{name: web-two, port: 80}]}]
""")
    served = lambda: json.loads(mesh.cli("get", "httproute", "web", "-o", "json").stdout)["status"]["served"]
    wait_until("the route to be served", lambda: served()["current"] == served()["users"] > 0, 20)
    changed = time.time()
    time.sleep(1)
    back = time.time()
    mesh.cli("delete", "httproute", "web")
    time.sleep(0.5)

    third = t.http_app(mesh, "web:80:8080/http", name="three", options=WORKERS, wait=False)
    mesh.wait_serving("web", 3, 30, [third])
    killed = time.time()
    apps[0].kill()  # with all that it had in hand
    time.sleep(1.5)
    first = apps[1].proxy_pid()
    sidecar_killed = time.time()
    os.kill(first, signal.SIGKILL)
    wait_until("another sidecar", lambda: apps[1].proxy_pid() not in (None, first), 5, 0.02)
    time.sleep(2)
    third.signal(signal.SIGTERM)
    third.wait(30)
    time.sleep(1)
    go_on(client, write)
    result = json.loads(client.output().splitlines()[-1])
    holds(len(result["names"]) > 500 and result["streams"] > 50, str(result)[:500])
    equal({name for _, name in result["names"]}, {"one", "two", "three"})
    # Said to be served means that every worker of the caller follows it.
    equal({name for at, name in result["names"] if changed < at < back}, {"two"})
    # What was in hand of the dead is lost, of nobody else: nine HTTP clients, and those a retry did not save.
    others = [f for f in result["failed"] if not any(0 <= f[0] - at < 1 for at in (killed, sidecar_killed))]
    equal(others, [])
    holds(len(result["failed"]) <= 18, str(result["failed"])[:1000])
