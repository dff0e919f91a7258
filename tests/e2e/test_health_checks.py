"""Active health checks of kinds GRPC and TCP with real programs: whoever fails them is left out by callers, says why in the
status, and comes back."""

import json
import os
import signal

from harness import PYTHON, equal, holds, limit, wait_until
from test_grpc import ENVIRONMENT, command, needs_grpc, statuses

# Says its name to whoever connects, with room for one or two in its accept queue. SIGUSR1 closes the port, SIGUSR2 opens it.
NAMED = """
import select, signal, socket, sys, time
def listen():
    global listener
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("0.0.0.0", 5000))
    listener.listen(0)
def close():
    listener.close()
listen()
todo = []
signal.signal(signal.SIGUSR1, lambda *_: todo.append(close))
signal.signal(signal.SIGUSR2, lambda *_: todo.append(listen))
while True:
    while todo:
        todo.pop(0)()
    if listener.fileno() < 0 or not select.select([listener], [], [], 0.05)[0]:
        time.sleep(0.02)
        continue
    connection, _ = listener.accept()
    try:
        connection.sendall(sys.argv[1].encode() + b"\\n")
    except OSError:
        pass
    connection.close()
"""

CALLS = """
import socket
names = []
for _ in range(12):
    try:
        with socket.create_connection(("db", 5000), 10) as c:
            c.settimeout(10)
            names.append(c.makefile().readline().strip() or "nothing")
    except OSError as error:
        names.append(type(error).__name__)
print(" ".join(sorted(set(names))))
"""


def policy(service, how):
    return f"""
apiVersion: weft.dev/v1
kind: BackendPolicy
metadata: {{name: {service}}}
spec:
  targetRefs: [{{kind: Service, name: {service}}}]
  healthCheck: {{{how}}}
"""


def row_of(mesh, program):
    """The status of the instance of a program."""
    text = program.errors() + program.output()
    rows = [row for row in mesh.status()["instances"] if row["labels"].get("copy") == program.name]
    equal(len(rows), 1, f"instances of {program.name}: {text[-500:]}")
    return rows[0]


def becomes(mesh, program, state, why=""):
    def now():
        row = row_of(mesh, program)
        return row["state"] == state and why in row["why"]
    wait_until(f"{program.name} to be {state} {why}", now, 20, 0.1)


def states(mesh, kind, *arguments):
    """{instance: state} as a running sidecar sees them."""
    said = json.loads(mesh.cli("explain", kind, *arguments, "--from", "caller", "-o", "json").stdout)
    return {one["workload"]: one["state"] for one in said["endpoints"]}


@limit(150)
def test_whoever_is_not_serving_by_grpc_is_left_out_until_it_is(t):
    needs_grpc()
    mesh = t.mesh()
    copies, files = [], []
    for number in (1, 2):
        file = mesh.folder / f"health-{number}"
        file.write_text("serving")
        copies.append(mesh.run(f"core-{number}", command("grpc_app.js", 50051, file), ["core:50051/grpc"],
                               labels={"copy": f"core-{number}"}, environment=ENVIRONMENT))
        files.append(file)
    mesh.wait_serving("core", 2, 40, copies)
    mesh.run("caller", ["sleep", "1000"], ["caller"])
    mesh.apply(policy("core", "type: GRPC, grpcService: weft.test.Echo, interval: 500ms, timeout: 300ms, "
                              "unhealthyThreshold: 2, healthyThreshold: 2"))

    def calls(count):
        """What became of calls, and how many of them each copy saw."""
        before = [copy.output().count("unary") for copy in copies]
        found = {status for status, _, _ in statuses(mesh, "core:50051", *["Unary:10"] * count)}
        return found, [copy.output().count("unary") - old for copy, old in zip(copies, before)]
    found, seen = calls(20)
    equal((found, sum(seen)), ({"OK"}, 20))
    holds(min(seen) > 0, f"one of them got all: {seen}")

    for word, why in (("not serving", "it does not serve"), ("late", "no answer in time")):
        files[0].write_text(word)
        becomes(mesh, copies[0], "not ready", why)
        holds("health check of BackendPolicy default/core" in row_of(mesh, copies[0])["why"], row_of(mesh, copies[0]))
        equal(row_of(mesh, copies[1])["state"], "serving")
        wait_until("the caller's sidecar to know", lambda: states(
            mesh, "POST", "http://core:50051/weft.test.Echo/Unary")[row_of(mesh, copies[0])["name"]] == "not ready", 10, 0.1)
        equal(calls(20), ({"OK"}, [0, 20]), word)
        files[0].write_text("serving")
        becomes(mesh, copies[0], "serving")

    for file in files:
        file.write_text("not serving")
    for copy in copies:
        becomes(mesh, copy, "not ready")
    wait_until("callers to hear so", lambda: statuses(mesh, "core:50051", "Unary:10")[0][0] == "UNAVAILABLE", 10, 0.2)
    # A service that the server does not know is not healthy, in its own words.
    mesh.apply(policy("core", "type: GRPC, grpcService: shop.Cart, interval: 500ms, timeout: 300ms"))
    becomes(mesh, copies[0], "not ready", "no service shop.Cart")
    # The server as a whole.
    for file in files:
        file.write_text("serving")
    mesh.apply(policy("core", "type: GRPC, interval: 500ms, timeout: 300ms"))
    for copy in copies:
        becomes(mesh, copy, "serving")
    wait_until("callers to hear so", lambda: statuses(mesh, "core:50051", "Unary:10")[0][0] == "OK", 10, 0.2)


@limit(120)
def test_whoever_accepts_no_connection_is_left_out_until_it_does(t):
    mesh = t.mesh()
    copies = [mesh.run(f"db-{number}", [PYTHON, "-c", NAMED, f"db-{number}"], ["db:5000/tcp"],
                       labels={"copy": f"db-{number}"}) for number in (1, 2)]
    mesh.wait_serving("db", 2, 40, copies)
    mesh.run("caller", ["sleep", "1000"], ["caller"])
    mesh.apply(policy("db", "type: TCP, interval: 300ms, timeout: 200ms, unhealthyThreshold: 3, healthyThreshold: 2"))

    def answers():
        return t.python(mesh, CALLS).strip()
    wait_until("both", lambda: answers() == "db-1 db-2", 20, 0.2)
    [pid] = copies[0].app_pids("db-1")

    # It hangs: the port stays open, and its queue fills.
    os.kill(pid, signal.SIGSTOP)
    becomes(mesh, copies[0], "not ready", "no answer in time (health check of BackendPolicy default/db)")
    wait_until("the caller's sidecar to know",
               lambda: states(mesh, "tcp://db:5000")[row_of(mesh, copies[0])["name"]] == "not ready", 10, 0.1)
    equal(answers(), "db-2")
    os.kill(pid, signal.SIGCONT)
    becomes(mesh, copies[0], "serving")
    wait_until("both again", lambda: answers() == "db-1 db-2", 20, 0.2)

    os.kill(pid, signal.SIGUSR1)
    becomes(mesh, copies[0], "not ready", "nothing accepts on port 5000")
    wait_until("only the other", lambda: answers() == "db-2", 10, 0.2)
    os.kill(pid, signal.SIGUSR2)
    becomes(mesh, copies[0], "serving")
    wait_until("both once more", lambda: answers() == "db-1 db-2", 20, 0.2)
