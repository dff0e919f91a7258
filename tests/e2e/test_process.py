"""`weft run` as the parent of a program: what the program notices of it (nothing), and what is left of it."""

import contextlib
import json
import os
import signal
import subprocess
import time

from harness import PYTHON, Skip, as_users, equal, holds, limit, needs_root, wait_until
from weftlib import MeshError, command_line, descendants_of, host_state


@as_users("root", "user")
def test_the_exit_status_is_the_programs_as_a_shell_gives_it(t):
    mesh = t.mesh()
    for command, wanted in ((["true"], 0), (["sh", "-c", "exit 3"], 3), (["sh", "-c", "kill -9 $$"], 137),
                            (["sh", "-c", "kill -TERM $$"], 143), (["/no/such/program"], 127), (["/etc/passwd"], 126)):
        status, _, _ = mesh.once(command, ["client"])
        equal(status, wanted, " ".join(command))


def test_input_output_and_errors_are_the_programs_own(t):
    mesh = t.mesh()
    read, write = os.pipe()
    program = mesh.run("cat", ["sh", "-c", "cat; echo err >&2"], ["client"], stdin=read)
    os.close(read)
    os.write(write, b"through\n")
    os.close(write)
    equal(program.wait(20), 0)
    equal((program.output(), program.errors()), ("through\n", "err\n"))


@as_users("root", "user")
def test_the_program_keeps_its_uid_and_has_no_capability(t):
    mesh = t.mesh()
    out = t.python(mesh, """
import os
status = open("/proc/self/status").read()
effective, inheritable, permitted, ambient = (int([l for l in status.splitlines() if l.startswith(k)][0].split()[1], 16)
    for k in ("CapEff", "CapInh", "CapPrm", "CapAmb"))
CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYS_MODULE, CAP_SETFCAP = 21, 12, 19, 16, 31
print(os.getuid(), os.getgid(), [c for c in (CAP_SYS_ADMIN, CAP_NET_ADMIN, CAP_SYS_PTRACE, CAP_SYS_MODULE)
                                 if effective >> c & 1 or permitted >> c & 1])
""")
    user = mesh.user or (os.getuid(), os.getgid())
    equal(out.strip(), f"{user[0]} {user[1]} []")


def test_the_program_cannot_undo_the_capture(t):
    mesh = t.mesh()
    out = t.python(mesh, """
import subprocess
for command in (["nft", "flush", "ruleset"], ["ip", "link", "set", "lo", "down"], ["ip", "addr", "add", "192.0.2.9/32", "dev", "lo"],
                ["nsenter", "-t", "1", "-n", "true"]):
    try: print(subprocess.run(command, capture_output=True, env={"PATH": "/usr/sbin:/sbin:/usr/bin:/bin"}).returncode != 0)
    except OSError: print(True)
""")
    equal(out.split(), ["True"] * 4)


@as_users("root", "user")
def test_a_killed_keeper_leaves_nothing_and_its_instance_goes(t):
    mesh = t.mesh()
    app = t.http_app(mesh, "web:80:8080/http")
    below = descendants_of(app.pid)
    holds(len(below) >= 2, f"expected a sidecar and the app: {[command_line(p) for p in below]}")
    lines = [command_line(p) for p in below]
    app.kill()
    wait_until(f"the end of {lines}", lambda: not any(os.path.exists(f"/proc/{p}") and command_line(p) for p in below), 10)
    wait_until("the instance to be gone or not served",
               lambda: not [i for i in mesh.instances("web") if i["state"] == "serving"], 60, 0.5)


@as_users("root", "user")
def test_a_keeper_killed_together_with_the_process_inside_leaves_nothing(t):
    mesh = t.mesh()
    app = t.http_app(mesh, "web:80:8080/http")
    fork = mesh.run("fork", ["/bin/bash", "-c", "trap '' TERM HUP; setsid sleep 600 & setsid bash -c 'sleep 600 & wait' & wait"], ["fork"])
    wait_until("the processes of the second", lambda: len(descendants_of(fork.pid)) >= 6, 20)
    for program in (app, fork):
        below = descendants_of(program.pid)
        inside = [p for p in below if open(f"/proc/{p}/comm").read() == "weft-inside\n"]
        equal(len(inside), 1, "processes inside")
        os.kill(inside[0], signal.SIGSTOP)  # so that it cannot act on the keeper's end
        program.kill()
        os.kill(inside[0], signal.SIGKILL)
        wait_until("the end of all", lambda: not any(os.path.exists(f"/proc/{p}") and command_line(p) for p in below), 10)


def test_a_program_that_only_calls_leaves_at_once_and_is_counted(t):
    mesh = t.mesh()
    t.http_app(mesh, "web:80:8080/http")
    t.get_json(mesh, "http://web/")
    times = []
    for _ in range(5):
        program = mesh.run("short", [PYTHON, "-c", "import urllib.request, time; urllib.request.urlopen('http://web/').read(); "
                                     "print(time.time(), flush=True)"], ["short"])
        equal(program.wait(30), 0)
        times.append(time.time() - float(program.output()))
    holds(sorted(times)[2] < 0.25, f"time from the program's end to that of weft run: {times}")
    edges = mesh.status()["edges"]
    mine = [e for e in edges if "/short" in json.dumps(e)]
    equal(sum(e["requests"] for e in mine if not e.get("inbound")), 5, json.dumps(edges)[:1000])


def test_an_idle_sidecar_is_small_before_and_after_traffic(t):
    if b"__asan_init" in (t.bin / "weft-proxy").read_bytes() or b"__tsan_init" in (t.bin / "weft-proxy").read_bytes():
        raise Skip("a sanitizer keeps memory of its own")
    mesh = t.mesh()
    app = t.http_app(mesh, "web:80:8080/http")
    sidecar = next(p for p in descendants_of(app.pid) if "weft-proxy" in (command_line(p) or ""))

    def kilobytes():
        with open(f"/proc/{sidecar}/status") as status:
            return int(next(line.split()[1] for line in status if line.startswith("VmRSS")))
    wait_until("the sidecar to become small", lambda: kilobytes() <= 8192, 20)
    load = t.load(mesh, "http://web/", "--clients", 8)
    time.sleep(2)  # traffic: the sample, not a synchronisation
    holds(t.end_load(load)["requests"] > 100, "there was traffic")
    wait_until("the sidecar to be small again", lambda: kilobytes() <= 9830, 20)  # within 20 %


def test_sigterm_drains_first_and_the_program_gets_the_signal(t):
    mesh = t.mesh()
    t.http_app(mesh, "web:80:8080/http")
    second = t.http_app(mesh, "web:80:8080/http", wait=False)
    mesh.wait_serving("web", 2, 30, [second])
    load = t.load(mesh, "http://web/?ms=20", "--clients", 8)
    time.sleep(1)  # traffic on both: the sample, not a synchronisation
    equal(second.stop(), 143)
    time.sleep(1)
    result = t.end_load(load)
    holds(result["requests"] > 100, str(result)[:300])
    equal(result["failures"][:5], [])


def test_a_program_that_daemonizes_keeps_its_instance(t):
    mesh = t.mesh()
    code = f"""
import os, subprocess, sys
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
os.execv({PYTHON!r}, [{PYTHON!r}, {mesh.share(str(__import__('harness').APPS / 'http_app.py'))!r}, "8080", "0.0.0.0", "demon"])
"""
    program = mesh.run("demon", [PYTHON, "-c", code], ["demon:80:8080/http"])
    mesh.wait_serving("demon", 1, 20, [program])
    equal(t.get_json(mesh, "http://demon/")["name"], "demon")
    holds(program.running(), "weft run ended with the first process")


@as_users("root", "user")
def test_nothing_on_the_host_changes(t):
    before = host_state()
    mesh = t.mesh()
    t.http_app(mesh, "web:80:8080/http")
    equal(t.get_json(mesh, "http://web/")["name"], "web")
    during = host_state()
    mesh.close()
    after = host_state()
    for moment, state in (("while it runs", during), ("afterwards", after)):
        changed = [key for key in before if state.get(key) != before[key]]
        equal(changed, [], f"what changed on the host {moment}")


def test_a_new_instance_waits_for_the_server_and_says_so(t):
    mesh = t.mesh(server=False)
    begin = time.monotonic()
    status, _, errors = mesh.once(["true"], ["client"], options=["--wait", "2s"])
    took = time.monotonic() - begin
    holds(status not in (0, 1, 126, 127), f"a status of its own, not {status}")
    holds(1.5 < took < 15, f"waited {took:.1f} s")
    holds(len(errors.strip()) > 20, f"says why: {errors}")


def test_the_instance_serves_only_while_its_port_accepts(t):
    mesh = t.mesh()
    program = mesh.run("late", [PYTHON, "-c", "import time; time.sleep(600)"], ["late:80:8080/http"])

    def known():
        found = mesh.instances("late")
        return found and found[0]
    instance = wait_until("the instance", known, 20, 0.2)
    holds(instance["state"] != "serving" and instance["why"], f"not served, and why: {instance}")
    program.stop()


@needs_root("it looks at files of the mesh's user")
@limit(60)
def test_no_private_key_touches_the_disk(t):
    mesh = t.mesh()
    t.http_app(mesh, "web:80:8080/http")
    t.get_json(mesh, "http://web/")
    found = subprocess.run(["grep", "-rlE", "BEGIN (EC )?PRIVATE KEY", str(mesh.folder)], capture_output=True, text=True)
    keys = [line for line in found.stdout.splitlines() if not ("/ca" in line or "weft.db" in line or "machine" in line
                                                               or "server" in line)]
    equal(keys, [], "files with a workload's private key")
    with contextlib.suppress(MeshError):
        mesh.server.signal(signal.SIGTERM)
