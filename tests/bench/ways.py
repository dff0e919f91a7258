"""Everything that runs during the bench: origin, peers and the mesh, all at once, so that what the machine
does meanwhile hits all alike; and the ways a load can take through them.

Layout on two CPUs: load generator and origins on CPU 0, proxies on CPU 1; pin() moves the proxies. With more
than one worker each worker gets a CPU behind the first, if there are enough, else the proxies may use all."""

import contextlib
import json
import os
import pathlib
import re
import shlex
import signal
import subprocess
import sys
import time

import steering
from get_envoy import envoy
from peers import Envoy, Haproxy, Nginx, write_origin
from weftlib import Mesh, MeshError, children_of, free_port, wait_until

HERE = pathlib.Path(__file__).resolve().parent
CLIENTS = HERE / "clients.py"
TWO_CPUS = (os.cpu_count() or 1) > 1


def family(pid):
    """A proxy's processes: nginx has one for each worker."""
    return [pid, *children_of(pid)]


def threads(pids):
    for pid in pids:
        for member in family(pid):
            with contextlib.suppress(OSError):
                yield from pathlib.Path(f"/proc/{member}/task").iterdir()


def cpu_ns(pids):
    total = 0
    for thread in threads(pids):
        with contextlib.suppress(OSError):
            total += int((thread / "schedstat").read_text().split()[0])
    return total


def rss_kb(pid):
    """Resident memory of a proxy; of several processes what each has and its part of what they share."""
    members = family(pid)
    if len(members) == 1:
        return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))
    return sum(int(re.search(r"Pss:\s+(\d+)", pathlib.Path(f"/proc/{member}/smaps_rollup").read_text()).group(1))
               for member in members)


def kill(process):
    for member in reversed(family(process.pid)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(member, signal.SIGKILL)
    process.wait()


def pin(pids, cpus):
    if TWO_CPUS:
        for thread in threads(pids):
            os.sched_setaffinity(int(thread.name), cpus)


def cpus_for(workers):
    count = os.cpu_count() or 1
    return set(range(1, 1 + workers)) if workers == 1 or workers < count else set(range(count))


class Host:
    """Runs a client on this machine."""

    def run(self, command):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        return done.stdout + done.stderr


class Inside:
    """Runs a client in the caller's namespace: through a shell that `weft run` started."""

    def __init__(self, folder, mesh, options, name="caller"):
        self.folder, self.count = folder, 0
        read, write = os.pipe()
        self.shell = os.fdopen(write, "w")
        self.program = mesh.run(name, ["sh"], [name], options=options, stdin=read)
        os.close(read)
        wait_until("the caller's sidecar", self.program.proxy_pid, 20)

    def run(self, command):
        self.count += 1
        out, mark = self.folder / f"inside-{self.count}.out", self.folder / f"inside-{self.count}.done"
        self.shell.write(f"{shlex.join(command)} >{out} 2>&1 </dev/null; touch {mark}\n")
        self.shell.flush()
        wait_until("a client inside", lambda: mark.exists() or not self.program.running(), 300, 0.005)
        text = out.read_text()
        out.unlink()
        return text


class Way:
    """How a load reaches the origin: where its client runs, the addresses it dials, whose CPU and memory count."""

    def __init__(self, name, runner, pids, **where):
        self.name, self.runner, self.pids, self.where = name, runner, pids, where

    def client(self, command, cpu=0):
        if TWO_CPUS:
            command = ["taskset", "-c", str(cpu), *command]
        return self.runner.run(command)

    def measured(self, command, cpu=0):
        """(output, CPU ns of the proxies meanwhile; of the direct way: of client and origin together)."""
        before, mine = cpu_ns(self.pids()), os.times()
        out = self.client(command, cpu)
        spent, now = cpu_ns(self.pids()) - before, os.times()
        if self.name == "direct":
            spent += (now.children_user + now.children_system - mine.children_user - mine.children_system) * 1e9
        return out, spent

    def script(self, what, kind, *words):
        """A command of clients.py to this way's address for `kind`."""
        address, port = self.where[kind].split("://")[1].rsplit(":", 1)
        return [sys.executable, str(CLIENTS), what, address, port, *map(str, words)]

    def told(self, command, cpu=0):
        out, spent = self.measured(command, cpu)
        try:
            return json.loads(out), spent
        except ValueError:
            raise MeshError(f"{self.name}: {shlex.join(command[:6])}: {out[-500:]}") from None


class Bench:
    def __init__(self, bin_dir, folder, workers=1):
        self.folder, self.processes, self.workers = folder, [], workers
        self.cpus = cpus_for(workers)
        self.options = ["--workers", str(workers)]
        self.host = Host()
        self.mesh = Mesh(bin_dir, folder / "mesh")
        self.envoy, self.no_envoy = envoy()

    def start(self, name, command, cpus=None):
        with open(self.folder / f"{name}.out", "ab") as out:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self.processes.append(process)
        pin([process.pid], cpus or self.cpus)
        return process

    def start_peer(self, name, peer):
        return [self.start(f"{name}-{i}", command) for i, command in enumerate(peer.commands)]

    def certificates(self):
        """A root, and one certificate for both ends: P-256 throughout."""
        def openssl(*words):
            subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=self.folder)
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        openssl("req", "-x509", *curve, "-days", "2", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=bench root")
        openssl("req", *curve, "-keyout", "end.key", "-out", "end.csr", "-subj", "/CN=bench")
        (self.folder / "ext").write_text("subjectAltName=DNS:bench\n")
        openssl("x509", "-req", "-in", "end.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", "ext", "-out", "end.pem")
        (self.folder / "both.pem").write_text((self.folder / "end.pem").read_text() + (self.folder / "end.key").read_text())

    def peer(self, name, services=0, tag=""):
        """A peer's configuration, made but not started."""
        origin, rpc, sink = self.origin
        folder = self.folder / f"{name}{tag}"
        kind = name.partition("-")[2] or "hop"
        if name == "nginx":
            return Nginx(folder, origin, self.workers, services)
        if name.startswith("haproxy"):
            return Haproxy(folder, kind, origin, rpc, sink, self.folder, self.workers, services)
        return Envoy(self.envoy, folder, kind, origin, rpc, sink, self.folder, self.workers, services)

    def peer_names(self):
        return ["haproxy", "nginx", "haproxy-h1", "haproxy-h2"] + \
            (["envoy", "envoy-h1", "envoy-h2"] if self.envoy else [])

    def open(self):
        self.certificates()
        self.origin = free_port(), free_port(), free_port()
        origin, rpc, sink = self.origin
        url = "http://127.0.0.1:{}".format
        app = self.start("origin", write_origin(self.folder / "origin", origin, rpc), {0})
        self.start("sink", [sys.executable, str(CLIENTS), "sink", str(sink)], {0})
        self.ways = {"direct": Way("direct", self.host, lambda: [app.pid], http=url(origin), h2=None, rpc=url(rpc),
                                   tcp=url(sink))}
        for name in self.peer_names():
            peer = self.peer(name)
            pids = [process.pid for process in self.start_peer(name, peer)]
            ports = peer.ports
            self.ways[name] = Way(name, self.host, lambda pids=pids: pids, http=url(ports["http"]),
                                  h2=url(ports.get("h2", ports["http"])),
                                  **{kind: url(ports[kind]) for kind in ("rpc", "tcp", steering.NAME) if kind in ports})
        self.open_mesh()
        for way in self.ways.values():
            wait_until(f"{way.name} answers", lambda way=way: "1024" in way.client(
                ["curl", "-s", "-o", "/dev/null", "-w", "%{size_download}", way.where["http"] + "/1k"]), 30)

    def open_mesh(self):
        mesh = self.mesh
        mesh.start_server()
        door = free_port()
        nginx = write_origin(self.folder / "inside", 8080, 8081)
        app = mesh.run("origin", ["sh", "-c", f"{sys.executable} {CLIENTS} sink 8082 & exec {' '.join(nginx)}"],
                       ["origin:80:8080/http", "rpc:81:8081/grpc", "sink:82:8082/tcp",
                        f"{steering.NAME}:{steering.PORT}:8080/http"],
                       options=["--publish", f"{door}:8080", *self.options])
        mesh.wait_serving("origin", 1, 30, [app])
        caller = Inside(self.folder, mesh, self.options)
        self.far, self.near = app.proxy_pid, caller.program.proxy_pid
        self.ways["weft"] = Way("weft", self.host, lambda: [self.far()], http=f"http://127.0.0.1:{door}",
                                h2=f"http://127.0.0.1:{door}")
        self.ways["weft-pair"] = Way("weft", caller, lambda: [self.near(), self.far()], http="http://origin:80",
                                     h2="http://origin:80", rpc="http://rpc:81", tcp="tcp://sink:82",
                                     steered=f"http://{steering.NAME}:{steering.PORT}")
        mesh.apply(steering.weft())
        pin([self.near(), self.far()], self.cpus)
        pin(app.app_pids("nginx") + app.app_pids("clients.py"), {0})

    def close(self):
        if "weft-pair" in getattr(self, "ways", {}):
            self.ways["weft-pair"].runner.shell.close()
        faults = self.mesh.close()
        for process in self.processes:
            kill(process)
        return faults


def settle(seconds=1.0):
    time.sleep(seconds)
