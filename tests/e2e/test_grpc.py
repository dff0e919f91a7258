"""gRPC through the sidecar pair with two implementations on either side: grpc-js, and the C core of gRPC (which is
libgrpc++ as well as python3-grpcio, the package of Debian that needs no compiler)."""

import contextlib
import pathlib
import re
import subprocess

from harness import APPS, ROOT, Skip, equal, have, holds, limit, wait_until

# A Python that was not Debian's does not see Debian's modules.
DEBIAN_PYTHON = "/usr/bin/python3"
MODULES = ROOT / "examples" / "shop" / "node_modules"
ENVIRONMENT = {"NODE_PATH": str(MODULES)}


def needs_grpc():
    have("node")
    if not (MODULES / "@grpc" / "grpc-js").is_dir():
        raise Skip("grpc-js is not installed (npm ci in examples/shop)")
    if subprocess.run([DEBIAN_PYTHON, "-c", "import grpc"], capture_output=True).returncode != 0:
        raise Skip("python3-grpcio is not installed")


def command(program, *arguments):
    return ["node" if program.endswith(".js") else DEBIAN_PYTHON, str(APPS / program), *map(str, arguments)]


def server(mesh, service, program, port, *arguments, wait=True, options=()):
    name = service.split(":")[0]
    running = mesh.run(name, command(program, port, *arguments), [service], environment=ENVIRONMENT, options=options)
    if wait:
        mesh.wait_serving(name, 1, 30, [running])
    return running


def played(mesh, program, target, *checks, timeout=80):
    """Runs checks of a client in the mesh: all of them must be well."""
    status, out, err = mesh.once(command(program, target, *checks), timeout=timeout, environment=ENVIRONMENT)
    failed = [line for line in out.splitlines() if not line.startswith("ok ")]
    holds(status == 0 and not failed and out, f"{program} → {target}: status {status}\n" + "\n".join(failed) + err[-2000:])
    return [line[3:] for line in out.splitlines()]


def statuses(mesh, target, *calls):
    """[(status, seconds, text)] of calls "METHOD:SECONDS", one after the other on one channel."""
    status, out, err = mesh.once(command("grpc_client.py", target, *[f"status:{call}" for call in calls]), timeout=60)
    equal(status, 0, err)
    return [(word, float(seconds), text) for word, seconds, text in (line.split(" ", 2) for line in out.splitlines())]


@limit(180)
def test_two_implementations_call_each_other_through_the_mesh(t):
    needs_grpc()
    mesh = t.mesh()
    server(mesh, "core:50051/grpc", "grpc_app.py", 50051)
    server(mesh, "js:50052", "grpc_app.js", 50052)  # nobody said that this is gRPC
    for target in ("core:50051", "js:50052"):
        equal(len(played(mesh, "grpc_client.py", target)), 15, target)
        equal(len(played(mesh, "grpc_client.js", target)), 15, target)


def peak_kib(pid):
    with contextlib.suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())
        return int(found.group(1)) if found else 0
    return 0


@limit(240)
def test_messages_of_64_mib_cross_with_little_memory(t):
    needs_grpc()
    mesh = t.mesh()
    servers = {"core:50051": server(mesh, "core:50051/grpc", "grpc_app.py", 50051),
               "js:50052": server(mesh, "js:50052/grpc", "grpc_app.js", 50052)}
    for target, far in servers.items():
        for program in ("grpc_client.js", "grpc_client.py"):
            idle = peak_kib(far.proxy_pid())
            near = mesh.run(f"huge-{target[:2]}-{program}", command(program, target, "unary", "huge"), ["client"],
                            environment=ENVIRONMENT)
            near_pid = wait_until("the client's sidecar", near.proxy_pid)
            peak = 0
            while near.running():
                peak = max(peak, peak_kib(near_pid))
            equal(near.output(), "ok unary\nok huge\n", near.errors())
            far_peak = peak_kib(far.proxy_pid())
            holds(peak - idle < 16_384, f"{program} → {target}: the near sidecar took {peak} KiB, {idle} are usual")
            holds(far_peak - idle < 16_384, f"{program} → {target}: the far sidecar took {far_peak} KiB")


def test_what_fails_in_the_mesh_is_a_grpc_status(t):
    needs_grpc()
    mesh = t.mesh()
    mesh.run("late", ["sleep", "1000"], ["late:50051/grpc"])  # registered, never ready
    core = server(mesh, "core:50051/grpc", "grpc_app.py", 50051)
    wait_until("the late one", lambda: mesh.instances("late"))
    [(status, seconds, text)] = statuses(mesh, "late:50051", "Unary:10")
    equal(status, "UNAVAILABLE", text)
    holds("no instance of late.default:50051 is ready" in text and seconds < 3, f"{seconds} s: {text}")

    mesh.apply("""
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: core}
spec:
  parentRefs: [{group: "", kind: Service, name: core, port: 50051}]
  rules:
    - matches: [{path: {type: PathPrefix, value: /weft.test.Echo/Hang}}]
      timeouts: {request: 700ms}
      backendRefs: [{name: core, port: 50051}]
    - matches: [{path: {type: PathPrefix, value: /weft.test.Echo/Unary}}]
      backendRefs: [{name: core, port: 50051}]
""")
    ok, slow, unmatched = statuses(mesh, "core:50051", "Unary:10", "Hang:", "Fail:10")
    equal(ok[0], "OK", ok)
    equal(slow[0], "DEADLINE_EXCEEDED", slow)
    holds(slow[1] < 3, f"after {slow[1]} s")
    equal(unmatched[0], "UNIMPLEMENTED", unmatched)
    mesh.cli("delete", "httproute", "core")

    # The whole instance dies in the middle of a call.
    caller = mesh.run("caller", command("grpc_client.py", "core:50051", "status:Unary:20", "status:Hang:20", "status:Unary:2"),
                      ["client"])
    wait_until("a call under way", lambda: "OK" in caller.output() or not caller.running(), 20)
    core.kill()
    equal(caller.wait(30), 0, caller.errors())
    lines = caller.output().splitlines()
    equal([line.split()[0] for line in lines], ["OK", "UNAVAILABLE", "UNAVAILABLE"], caller.output())


def test_a_callers_deadline_holds_though_neither_end_watches_it(t):
    needs_grpc()
    mesh = t.mesh()
    t.tcp_app(mesh, "mute:50051/grpc", "sum", 50051)
    status, out, err = mesh.once(["node", "-e", """
const session = require('http2').connect('http://mute:50051');
const begin = Date.now();
const call = session.request({':method': 'POST', ':path': '/a.B/C', 'content-type': 'application/grpc', te: 'trailers',
                              'grpc-timeout': '700m'});
call.end(Buffer.alloc(5));
call.on('response', (head, flags) => {
  const ms = Date.now() - begin;
  console.log(head[':status'], head['grpc-status'], flags & 1, ms >= 650 && ms < 2500);
  process.exit(0);
});
"""], timeout=30)
    equal((status, out.strip()), (0, "200 4 1 true"), err)


def test_a_grpc_probe_follows_the_health_service(t):
    needs_grpc()
    mesh = t.mesh()
    healthy = mesh.folder / "healthy"
    core = server(mesh, "core:50051/grpc", "grpc_app.py", 50051, healthy, wait=False, options=["--probe", "grpc:shop"])
    wait_until("the instance", lambda: mesh.instances("core"), 20)
    equal(statuses(mesh, "core:50051", "Unary:10")[0][0], "UNAVAILABLE", "not healthy")
    healthy.write_text("")
    mesh.wait_serving("core", 1, 30, [core])
    equal(statuses(mesh, "core:50051", "Unary:10")[0][0], "OK", "healthy")
