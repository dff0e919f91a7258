"""What an end-to-end test gets: `t`, which makes meshes, starts the test programs in them, and asks
things from inside. A test is a function test_…(t); it passes if it returns.

    @as_users("root", "user")   run once as root and once as an unprivileged user (as far as the caller may)
    @needs_root("why")          skipped for an unprivileged caller
    @limit(seconds)             instead of the usual 90"""

import json
import os
import pathlib
import shutil
import socket
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from weftlib import Mesh, MeshError, wait_until  # noqa: E402

PYTHON = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
APPS = pathlib.Path(__file__).resolve().parent / "apps"
NOBODY = (65534, 65534)
DEFAULT_LIMIT_S = 90


class Skip(Exception):
    """This machine cannot run the test; the text says what is missing."""


def as_users(*users):
    def mark(function):
        function.users = users
        return function
    return mark


def needs_root(why):
    def mark(function):
        function.root_reason = why
        return function
    return mark


def limit(seconds):
    def mark(function):
        function.limit = seconds
        return function
    return mark


def equal(found, wanted, what="value"):
    if found != wanted:
        raise AssertionError(f"{what}: found {found!r}, wanted {wanted!r}")


def holds(condition, text):
    if not condition:
        raise AssertionError(text)


class Test:
    def __init__(self, bin_dir, folder, unprivileged):
        self.bin, self.folder, self.unprivileged = bin_dir, folder, unprivileged
        self.meshes, self.processes, self.counter = [], [], 0

    # --- pieces

    def mesh(self, server=True, **options):
        self.counter += 1
        user = NOBODY if self.unprivileged and os.getuid() == 0 else None
        mesh = Mesh(self.bin, self.folder / f"mesh{self.counter}", user, **options)
        self.meshes.append(mesh)
        if server:
            mesh.start_server()
        return mesh

    def http_app(self, mesh, service, name=None, port=8080, bind="0.0.0.0", labels=None, options=(), wait=True):
        """tests/e2e/apps/http_app.py as an instance of a service "cart:80:8080/http"."""
        name = name or service.split(":")[0]
        self.counter += 1
        program = mesh.run(f"{name}-{self.counter}", [PYTHON, mesh.share(APPS / "http_app.py"), str(port), bind, name],
                           [service], labels=labels, options=options)
        if wait:
            short = service.split(":")[0]
            mesh.wait_serving(short, 1, 30, [program])
        return program

    def tcp_app(self, mesh, service, mode, port, bind="0.0.0.0"):
        self.counter += 1
        program = mesh.run(f"tcp-{self.counter}", [PYTHON, mesh.share(APPS / "tcp_app.py"), str(port), mode, bind],
                           [service])
        mesh.wait_serving(service.split(":")[0], 1, 30, [program])
        return program

    def load(self, mesh, url, *options, name="load"):
        """The demo's shopper as steady traffic; known to be served when this returns."""
        self.counter += 1
        program = mesh.run(f"{name}-{self.counter}",
                           [PYTHON, mesh.share(ROOT / "examples/shop/shopper.py"), url, *map(str, options)], ["load"])
        wait_until("the load", lambda: program.output().startswith("started") or not program.running(), 30)
        holds(program.running(), f"the load ended early: {program.errors()}{program.output()}")
        return program

    @staticmethod
    def end_load(program):
        program.signal(15)
        program.wait(60)
        lines = [line for line in program.output().splitlines() if line.startswith("{")]
        holds(lines, f"{program.name} printed no result: {program.errors()}")
        return json.loads(lines[-1])

    @staticmethod
    def curl(mesh, *arguments, services=("client",), timeout=40, **more):
        """curl inside the mesh: (exit status, what it printed)."""
        status, out, err = mesh.once(["curl", "-sS", "--max-time", "20", *arguments], services, timeout, **more)
        return status, out if status == 0 else out + err

    def get_json(self, mesh, url, *arguments, **more):
        status, out = self.curl(mesh, url, *arguments, **more)
        holds(status == 0, f"curl {url}: status {status}: {out}")
        try:
            return json.loads(out)
        except ValueError:
            raise AssertionError(f"curl {url}: no JSON: {out}") from None

    @staticmethod
    def python(mesh, code, services=("client",), timeout=60, **more):
        """A few lines of Python inside the mesh: what they printed."""
        status, out, err = mesh.once([PYTHON, "-c", code], services, timeout, **more)
        holds(status == 0, f"the client ended with {status}: {err}{out}")
        return out

    def count(self, title, line):
        """A line of `title` for the end of the run, as figures that make tests comparable."""
        (self.folder / "counts.json").write_text(json.dumps([title, line]))

    # --- the end

    def close(self):
        faults = []
        for mesh in self.meshes:
            faults += mesh.close()
        for process in self.processes:
            process.kill()
            process.wait()
        return faults


class World:
    """Two network namespaces of our own joined by a veth pair: `host`, where the mesh runs, and `outside`,
    the network around it. Root only. Nothing of it has a name on the real host, so it ends with its holders."""

    HOST, OUTSIDE = "198.51.100.1", "198.51.100.2"
    HOST6, OUTSIDE6 = "2001:db8:7::1", "2001:db8:7::2"

    def __init__(self, t):
        self.t = t
        self.host, self.outside = self.holder(), self.holder()
        for ns in (self.host, self.outside):
            self.at(ns, "ip", "link", "set", "lo", "up")
        self.at(self.host, "ip", "link", "add", "up0", "type", "veth", "peer", "name", "out0", "netns",
                str(self.outside.pid))
        for ns, link, v4, v6 in ((self.host, "up0", self.HOST, self.HOST6),
                                 (self.outside, "out0", self.OUTSIDE, self.OUTSIDE6)):
            self.at(ns, "ip", "addr", "add", f"{v4}/24", "dev", link)
            self.at(ns, "ip", "addr", "add", f"{v6}/64", "dev", link, "nodad")
            self.at(ns, "ip", "link", "set", link, "up")
        self.at(self.host, "ip", "route", "add", "default", "via", self.OUTSIDE)

    def holder(self):
        process = subprocess.Popen(["unshare", "-n", "-m", "--propagation", "private", "sleep", "infinity"],
                                   stdin=subprocess.DEVNULL)
        self.t.processes.append(process)
        own = os.readlink("/proc/self/ns/net")

        def moved():
            try:
                return os.readlink(f"/proc/{process.pid}/ns/net") != own
            except OSError:
                return False
        wait_until("a network namespace", moved)
        return process

    @staticmethod
    def prefix(holder):
        return ["nsenter", "-t", str(holder.pid), "-n", "-m", "--"]

    def at(self, holder, *command):
        done = subprocess.run([*self.prefix(holder), *command], capture_output=True, text=True)
        holds(done.returncode == 0, f"{' '.join(command)}: {done.stderr}")
        return done.stdout

    def start(self, holder, *command):
        process = subprocess.Popen([*self.prefix(holder), *command], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.t.processes.append(process)
        return process


def send_bytes(address, port, data, wait=2.0):
    """Everything the other side says to `data` until it closes or `wait` seconds passed."""
    answer = b""
    try:
        with socket.create_connection((address, port), 3) as connection:
            connection.settimeout(wait)
            connection.sendall(data)
            while part := connection.recv(65536):
                answer += part
    except OSError:
        pass
    return answer


def have(*programs):
    for program in programs:
        if not shutil.which(program, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin"):
            raise Skip(f"{program} is not installed")


__all__ = ["APPS", "PYTHON", "ROOT", "Mesh", "MeshError", "Skip", "Test", "World", "as_users", "equal", "have", "holds",
           "limit", "needs_root", "send_bytes", "wait_until"]
