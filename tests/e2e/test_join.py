"""Other machines: tokens and credentials. The "machine" is this one, with a state directory of its own and
the server reached over its network port alone."""

import json
import os
import subprocess
import time

from harness import Skip, equal, holds, limit, needs_root, wait_until
from weftlib import Mesh


def machine(t, mesh, name):
    """A mesh object without a server: its `weft run` knows nothing of the other's socket."""
    other = Mesh(mesh.bin, t.folder / name, mesh.user)
    other.environment["WEFT_SOCKET"] = str(other.folder / "runtime" / "none.sock")
    t.meshes.insert(0, other)
    return other


def token(mesh, *options):
    return json.loads(mesh.cli("token", "create", *options, "-o", "json").stdout)["token"]


def join(mesh, other, secret, command=("true",), service="client"):
    options = ["--server", f"127.0.0.1:{mesh.discovery_port}", "--wait", "5s"]
    if secret:
        options += ["--token", secret]
    return other.once(list(command), [service], options=options)


def test_a_token_joins_a_machine_once_and_later_runs_need_none(t):
    mesh = t.mesh()
    t.http_app(mesh, "web:80:8080/http")
    other = machine(t, mesh, "other")
    secret = token(mesh)
    status, out, errors = join(mesh, other, secret, ["curl", "-sS", "--max-time", "10", "http://web/"])
    holds(status == 0 and '"name": "web"' in out, f"{status} {out} {errors}")
    status, out, errors = join(mesh, other, "", ["curl", "-sS", "--max-time", "10", "http://web/"])
    holds(status == 0 and '"name": "web"' in out, f"without a token, later: {status} {out} {errors}")
    modes = subprocess.run(["find", str(other.folder / "state"), "-name", "*machine*", "-type", "f", "-perm", "/077"],
                           capture_output=True, text=True).stdout
    equal(modes, "", "credential files readable by others")


def test_wrong_expired_and_reused_tokens_are_refused_with_the_reason(t):
    mesh = t.mesh()
    secret = token(mesh)
    wrong = secret[:-4] + ("aaaa" if secret[-4:] != "aaaa" else "bbbb")
    for name, value, ttl in (("wrong", wrong, None), ("nonsense", "nonsense", None), ("expired", None, "1s")):
        if ttl:
            value = token(mesh, "--ttl", ttl)
            time.sleep(2.2)  # the token's own life
        status, out, errors = join(mesh, machine(t, mesh, name), value, ["echo", "in"])
        holds(status not in (0, 127) and "in\n" not in out, f"{name} token was let in: {status} {out}")
        holds("token" in errors.lower(), f"{name}: says nothing of the token: {errors}")
    equal(join(mesh, machine(t, mesh, "first"), secret)[0], 0, "the right token, once")
    status, _, errors = join(mesh, machine(t, mesh, "second"), secret)
    holds(status != 0 and "token" in errors.lower(), f"a reused token was let in: {status} {errors}")


@limit(120)
def test_a_machines_credential_is_renewed_while_an_instance_runs_and_its_end_is_explained(t):
    mesh = t.mesh(server_options=["--machine-ttl", "12s"])
    other = machine(t, mesh, "other")
    options = ["--server", f"127.0.0.1:{mesh.discovery_port}"]
    joined = time.monotonic()
    app = other.run("first", ["sleep", "1000"], ["client"], options=[*options, "--token", token(mesh)])
    kept = other.folder / "state" / "weft" / "machine.credential"
    wait_until("the credential", kept.exists, 10)
    first = kept.read_bytes()
    wait_until("another credential", lambda: kept.read_bytes() != first, 15, 0.2)
    holds(time.monotonic() - joined > 4, "renewed long before half of its life")
    equal(kept.stat().st_mode & 0o777, 0o600)
    # Past the first one's life a new instance needs no token.
    wait_until("the first one's end", lambda: time.monotonic() - joined > 13, 20)
    status, _, errors = join(mesh, other, "", ["true"])
    equal(status, 0, errors)
    # The server is away for a while, and nothing is lost.
    mesh.server.kill()
    mesh.start_server()
    second = kept.read_bytes()
    wait_until("a credential of the server that came back", lambda: kept.read_bytes() != second, 20, 0.2)

    # Nothing runs there any more; off for longer than it lives.
    app.stop()
    last = time.monotonic()
    wait_until("the last one's end", lambda: time.monotonic() - last > 12.5, 20)
    status, _, errors = join(mesh, other, "", ["true"])
    holds(status != 0 and "credential ended" in errors and "weft token create" in errors and "--token" in errors, errors)
    equal(join(mesh, other, token(mesh))[0], 0, "joining again")


def test_a_token_for_one_service_gives_no_other_identity(t):
    mesh = t.mesh()
    other = machine(t, mesh, "bound")
    secret = token(mesh, "--service", "client")
    equal(join(mesh, other, secret)[0], 0)
    status, _, errors = join(mesh, other, "", ["true"], service="cart:80:8080/http")
    holds(status != 0, f"became cart with a token for client: {errors}")


@needs_root("two users are needed")
def test_other_users_may_neither_administer_nor_register(t):
    mesh = t.mesh()
    for path in (mesh.folder, mesh.folder / "runtime"):
        os.chmod(path, 0o755)
    if mesh.socket.exists():
        os.chmod(mesh.socket, 0o666)  # the socket's mode is not what protects it
    else:
        raise Skip("the server's socket is elsewhere")
    mesh.user = (65534, 65534)
    mesh.copy_programs()
    for command in (["get", "service"], ["apply", "-f", "-"], ["token", "create"]):
        done = mesh.cli(*command, stdin="", check=False)
        holds(done.returncode == 5, f"weft {command}: {done.returncode} {done.stderr}{done.stdout}")
    other = t.folder / "mesh1" / "home"
    os.chown(other, 65534, 65534)
    mesh.environment["XDG_STATE_HOME"] = str(other)
    os.chmod(mesh.logs, 0o777)
    status, _, errors = mesh.once(["true"], ["client"], options=["--wait", "2s"])
    holds(status not in (0,), f"another user registered: {errors}")
    mesh.user = None
    wait_until("the server to be well", lambda: mesh.cli("status", check=False).returncode == 0, 5)
