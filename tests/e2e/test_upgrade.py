"""`weft upgrade` on running instances under load: on both sides, of every kind of traffic, and nothing is lost."""

import json
import re
import subprocess
import sys
import time

from harness import APPS, ROOT, Skip, as_users, equal, holds, limit, wait_until

sys.path.insert(0, str(ROOT / "tests" / "soak"))
import upgrades  # noqa: E402

LINE = re.compile(r"upgraded (\S+): (\S+) → (\S+) in (\d+) ms; (\d+) connections drained, (\d+) cut\n")


def upgrade(mesh, *arguments, check=True):
    """(what the command printed on success, as numbers; its errors)"""
    done = mesh.cli("upgrade", *arguments, check=False, timeout=120)
    if check:
        equal(done.returncode, 0, f"weft upgrade: {done.stderr}")
        found = LINE.fullmatch(done.stdout)
        holds(found, f"unexpected: {done.stdout!r}")
        return {"name": found[1], "ms": int(found[4]), "drained": int(found[5]), "cut": int(found[6])}
    return done


def instance(mesh, service):
    return next(one["name"] for one in mesh.instances() if one["name"].rsplit("-", 1)[0] == service)


@limit(180)
def test_ten_upgrades_under_load_lose_nothing(t):
    if not upgrades.modules():
        raise Skip("examples/shop has no node_modules (tools/setup.sh demo)")
    mesh = t.mesh()
    found = upgrades.under_load(mesh, count=10, seconds=25, pace=4)
    print(json.dumps(found))
    for kind, row in found["load"].items():
        equal(row["faults"][:3], [], kind)
        holds(row["done"] > (20 if kind == "stream" else 100), f"{kind}: only {row['done']}")
    equal([one["cut"] for one in found["upgrades"]], [0] * 10, "cut")
    holds(found["requests"] > 3000, f"only {found['requests']} requests")


@as_users("root", "user")
def test_the_new_sidecar_is_another_process_and_the_program_is_not(t):
    mesh = t.mesh()
    web = t.http_app(mesh, "web:80:8080/http")
    name, before, apps = instance(mesh, "web"), web.proxy_pid(), web.app_pids("http_app.py")
    found = upgrade(mesh, name)
    equal(found["name"], name)
    holds(web.proxy_pid() not in (None, before), "it is the same process")
    equal(web.app_pids("http_app.py"), apps, "the program")
    equal(t.get_json(mesh, "http://web/")["name"], "web")
    holds(mesh.instances("web")[0]["sidecarVersion"], "its version is known")
    equal(mesh.instances("web")[0]["state"], "serving")
    # The declared ports hold in the ruleset as before.
    status, out = t.curl(mesh, "--connect-timeout", "5", "http://web:81/")
    holds(status == 7, f"an undeclared port: {status} {out}")


def test_without_the_server_the_last_good_state_is_enough(t):
    mesh = t.mesh()
    t.http_app(mesh, "web:80:8080/http")
    load = t.load(mesh, "http://web/", "--clients", 2, "--rate", 100)
    names = [instance(mesh, "web"), instance(mesh, "load")]
    time.sleep(3)  # longer than the state takes to the disk
    mesh.server.kill()
    for name in names:
        upgrade(mesh, name)
    time.sleep(1)
    result = t.end_load(load)
    equal(result["failures"][:5], [])
    holds(result["requests"] > 200, str(result)[:300])


def test_what_outlives_the_deadline_is_cut_and_counted_and_nothing_else(t):
    mesh = t.mesh()
    t.tcp_app(mesh, "echo:7000/tcp", "echo", 7000)
    t.http_app(mesh, "web:80:8080/http")
    code = """
import http.client, socket, sys
idle = http.client.HTTPConnection("web"); idle.request("GET", "/"); idle.getresponse().read()
held = socket.create_connection(("echo", 7000)); held.sendall(b"a"); held.recv(1)
print("up", flush=True)
sys.stdin.readline()
try:
    held.sendall(b"b"); print("cut" if not held.recv(1) else "alive", flush=True)
except OSError as error: print(type(error).__name__, flush=True)
print("closed" if idle.sock.recv(1) == b"" else "?", flush=True)
"""
    import os
    read, write = os.pipe()
    client = mesh.run("caller", [__import__("harness").PYTHON, "-c", code], ["caller"], stdin=read)
    os.close(read)
    wait_until("the connections", lambda: client.output() == "up\n", 20)
    found = upgrade(mesh, instance(mesh, "caller"), "--deadline", "1s")
    equal((found["drained"], found["cut"]), (1, 1), "the idle one, the TCP connection")
    os.write(write, b"go\n")
    os.close(write)
    equal(client.wait(20), 0, client.errors())
    holds(client.output().split()[1] in ("ConnectionResetError", "BrokenPipeError"), client.output())
    equal(client.output().split()[2], "closed", "the idle one")


def test_what_cannot_be_used_leaves_the_old_sidecar_with_a_reason(t):
    mesh = t.mesh()
    web = t.http_app(mesh, "web:80:8080/http")
    name, before = instance(mesh, "web"), web.proxy_pid()
    broken = mesh.folder / "broken"
    broken.write_text("#!/bin/sh\necho 'it has no luck' >&2\nexit 3\n", encoding="ascii")
    for arguments, status, text in (
            ([name, "--proxy", mesh.folder / "none"], 1, "No such file"),
            ([name, "--proxy", broken], 1, "is not executable"),
            (["nobody-123"], 4, "no such instance runs here"),
            ([], 2, "needs the name of an instance"),
            (["--all", name], 2, "--all takes no names"),
            ([name, "--deadline", "soon"], 2, "--deadline")):
        done = upgrade(mesh, *arguments, check=False)
        equal(done.returncode, status, f"{arguments}: {done.stderr}")
        holds(text in done.stderr, f"{arguments}: {done.stderr}")
    broken.chmod(0o755)
    done = upgrade(mesh, name, "--proxy", broken, check=False)
    equal(done.returncode, 1)
    holds("ended with status 3 before it was ready: it has no luck" in done.stderr, done.stderr)
    equal(web.proxy_pid(), before)
    equal(t.get_json(mesh, "http://web/")["name"], "web")


def test_all_instances_at_once_and_doors_stay_open(t):
    from weftlib import free_port
    mesh = t.mesh()
    port = free_port()
    t.http_app(mesh, "web:80:8080/http", options=["--publish", str(port)])
    t.http_app(mesh, "shop:80:8080/http")
    client = subprocess.Popen(
        ["sh", "-c", f"for i in $(seq 120); do curl -sS -o /dev/null -w '%{{http_code}}\\n' http://127.0.0.1:{port}/; "
                     "sleep 0.01; done"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    t.processes.append(client)
    time.sleep(0.5)
    done = mesh.cli("upgrade", "--all", check=False, timeout=90)
    equal(done.returncode, 0, done.stderr)
    equal(len(LINE.findall(done.stdout)), 2, done.stdout)
    equal(sorted(set(client.communicate(timeout=60)[0].split())), ["200"], "answers at the door")
