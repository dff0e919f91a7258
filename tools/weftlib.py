"""A mesh on this machine, for the demo, the end-to-end tests and the benchmark: starts `weft server` and
`weft run` in a folder of their own, one call per action, and ends everything it started, by pid.

Programs get no terminal; what they print goes to files in the mesh's folder. Every program dies with
this process (PR_SET_PDEATHSIG), and this process adopts orphans (PR_SET_CHILD_SUBREAPER), so that
`leftovers()` can tell whether anything outlived its keeper. Python 3.11, standard library only."""

import contextlib
import ctypes
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
LIBC = ctypes.CDLL(None, use_errno=True)
PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36
SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class MeshError(Exception):
    """Something did not come up or did not answer; the text says what, with the end of its log."""


def wait_until(what, check, timeout=20.0, interval=0.05):
    """Calls `check` until it returns something true, and returns that."""
    deadline = time.monotonic() + timeout
    while True:
        result = check()
        if result:
            return result
        if time.monotonic() >= deadline:
            raise MeshError(f"{what}: not within {timeout:g} s")
        time.sleep(interval)


def free_port(host="127.0.0.1", family=socket.AF_INET, kind=socket.SOCK_STREAM):
    with socket.socket(family, kind) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def adopt_orphans():
    LIBC.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children_of(pid):
    """Direct children, from /proc (also those of other threads)."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, ValueError, IndexError):
                if int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1]) == pid:
                    found.append(int(entry.name))
    return found


def descendants_of(pid):
    found = []
    for child in children_of(pid):
        found += [child, *descendants_of(child)]
    return found


def command_line(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
    return ""


def is_zombie(pid):
    with contextlib.suppress(OSError, IndexError):
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    return True


def tail(path, lines=15):
    with contextlib.suppress(OSError):
        return "\n".join(pathlib.Path(path).read_text(errors="replace").splitlines()[-lines:])
    return ""


class Program:
    """A process this mesh started: the server, or a `weft run` with what runs under it."""

    def __init__(self, name, command, folder, environment, user=None, stdin=None, cwd=None):
        self.name, self.command = name, [str(word) for word in command]
        self.out, self.err = folder / f"{name}.out", folder / f"{name}.err"
        parent = os.getpid()

        def die_with_parent():
            LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os._exit(1)

        if user is not None:
            # Changing the uid clears the death signal, so it is set after that, by setpriv itself.
            self.command = ["setpriv", f"--reuid={user[0]}", f"--regid={user[1]}", "--clear-groups",
                            "--pdeathsig=KILL", "--", *self.command]
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(self.command, stdin=stdin or subprocess.DEVNULL, stdout=out, stderr=err,
                                            env=environment, cwd=cwd, start_new_session=True,
                                            preexec_fn=die_with_parent)
        self.pid = self.process.pid

    def running(self):
        return self.process.poll() is None

    def output(self):
        return self.out.read_bytes().decode(errors="replace")

    def errors(self):
        return self.err.read_bytes().decode(errors="replace")

    def signal(self, number):
        if self.running():
            self.process.send_signal(number)

    def wait(self, timeout=30):
        """Exit status as Popen has it (negative: by that signal)."""
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise MeshError(f"{self.name} did not end within {timeout:g} s\n{tail(self.err)}") from None

    def stop(self, timeout=20):
        self.signal(signal.SIGTERM)
        return self.wait(timeout)

    def kill(self):
        """As an out-of-memory killer would: the keeper gets SIGKILL."""
        self.signal(signal.SIGKILL)
        return self.wait(10)

    def proxy_pid(self):
        for pid in descendants_of(self.pid):
            if "weft-proxy" in command_line(pid).split(" ")[0]:
                return pid
        return None

    def app_pids(self, word):
        """Processes under this keeper whose command line has `word` and which are not Weft's own."""
        return [p for p in descendants_of(self.pid)
                if word in command_line(p) and "weft" not in os.path.basename(command_line(p).split(" ")[0])]


class Mesh:
    """One control plane and the programs around it, in `folder` (made and removed if not given)."""

    def __init__(self, bin_dir, folder=None, user=None, server_options=(), prefix=()):
        """user: (uid, gid) to run everything as; prefix: words in front of every command (nsenter …)."""
        adopt_orphans()
        self.prefix = [str(word) for word in prefix]
        self.bin = pathlib.Path(bin_dir).resolve()
        for program in ("weft", "weft-proxy"):
            if not os.access(self.bin / program, os.X_OK):
                raise MeshError(f"{self.bin / program} does not exist: run `make build` first")
        self.own_folder = folder is None
        self.folder = pathlib.Path(folder or tempfile.mkdtemp(prefix="weft-"))
        self.folder.mkdir(parents=True, exist_ok=True)
        self.user = user
        for name in ("state", "runtime", "logs", "home"):
            (self.folder / name).mkdir(exist_ok=True)
            if user:
                os.chown(self.folder / name, *user)
        if user:
            os.chmod(self.folder, 0o755)
            self.copy_programs()
        self.logs = self.folder / "logs"
        self.discovery_port, self.status_port = free_port("0.0.0.0"), free_port()
        self.server_options = list(server_options)
        self.socket = self.folder / "runtime" / "server.sock"
        self.environment = {
            "PATH": f"{self.bin}:{os.environ.get('PATH', '')}:{SYSTEM_PATH}", "LANG": "C.UTF-8",
            "HOME": str(self.folder / "home"), "XDG_STATE_HOME": str(self.folder / "state"),
            "WEFT_STATE_DIR": str(self.folder / "state" / "weft"),
            "XDG_RUNTIME_DIR": str(self.folder / "runtime"), "WEFT_SOCKET": str(self.socket)}
        if "TERM" in os.environ:
            self.environment["TERM"] = os.environ["TERM"]
        self.programs = []
        self.server = None
        self.server_starts = 0

    def copy_programs(self):
        """A checkout may be unreadable for another user."""
        target = self.folder / "bin"
        target.mkdir(exist_ok=True)
        for program in ("weft", "weft-proxy"):
            shutil.copy2(self.bin / program, target / program)
            os.chmod(target / program, 0o755)
        os.chmod(target, 0o755)
        self.bin = target

    def share(self, path):
        """A file of the checkout where the mesh's user can read it."""
        if not self.user:
            return str(path)
        copy = self.folder / pathlib.Path(path).name
        shutil.copy2(path, copy)
        os.chmod(copy, 0o755)
        return str(copy)

    # --- the control plane

    def start_server(self):
        self.server_starts += 1
        self.server = Program(
            f"server-{self.server_starts}",
            [*self.prefix, self.bin / "weft", "server",
             "--listen", f"0.0.0.0:{self.discovery_port}", "--status", f"127.0.0.1:{self.status_port}",
             *self.server_options],
            self.logs, self.environment, self.user)

        def up():
            if not self.server.running():
                raise MeshError(f"weft server ended with {self.server.process.returncode}\n"
                                f"{tail(self.server.err)}\n{tail(self.server.out)}")
            return self.cli("status", "-o", "json", check=False).returncode == 0
        wait_until("weft server", up, 20)
        return self.server

    def status_url(self):
        return f"http://127.0.0.1:{self.status_port}/"

    # --- the command line

    def cli(self, *arguments, stdin=None, check=True, timeout=30):
        command = [*self.prefix, str(self.bin / "weft"), *map(str, arguments)]
        if self.user:
            command = ["setpriv", f"--reuid={self.user[0]}", f"--regid={self.user[1]}", "--clear-groups", "--", *command]
        done = subprocess.run(command, env=self.environment, input=stdin, stdin=subprocess.DEVNULL if stdin is None else None,
                              capture_output=True, text=True, timeout=timeout)
        if check and done.returncode != 0:
            raise MeshError(f"weft {' '.join(map(str, arguments))} ended with {done.returncode}:\n"
                            f"{done.stderr}{done.stdout}")
        return done

    def apply(self, yaml):
        return self.cli("apply", "-f", "-", stdin=yaml)

    def status(self):
        return json.loads(self.cli("status", "-o", "json").stdout)

    def workloads(self):
        items = json.loads(self.cli("get", "workloads", "-o", "json").stdout)
        return items["items"] if isinstance(items, dict) else items

    # --- programs

    def run(self, name, command, services=(), labels=None, options=(), environment=None, cwd=None, stdin=None):
        """`weft run … -- command`. A service of the form "shopper" only calls out."""
        line = [*self.prefix, self.bin / "weft", "run"]
        for service in services:
            line += ["--service", service]
        for key, value in (labels or {}).items():
            line += ["--label", f"{key}={value}"]
        line += [*options, "--", *command]
        program = Program(name, line, self.logs, {**self.environment, **(environment or {})}, self.user, stdin, cwd)
        self.programs.append(program)
        return program

    def instances(self, service=None):
        """Instances as `weft status` has them; `service` is a name such as "cart" or "cart.default"."""
        found = self.status()["instances"]
        if service is None:
            return found
        full = service if "." in service else f"{service}.default"
        return [i for i in found if any(s.rsplit(":", 1)[0] == full for s in i["services"])]

    def wait_serving(self, service, count=1, timeout=30, programs=()):
        def check():
            for program in programs:
                if not program.running():
                    raise MeshError(f"{program.name} ended with {program.process.returncode}\n"
                                    f"{tail(program.err)}\n{tail(program.out)}")
            return sum(i["state"] == "serving" for i in self.instances(service)) >= count
        try:
            wait_until(f"{count} serving instance(s) of {service}", check, timeout, 0.1)
        except MeshError as late:
            raise MeshError(f"{late}\nstatus: {json.dumps(self.instances(service))[:2000]}") from None

    def once(self, command, services=("client",), timeout=60, **more):
        """Runs a command inside the mesh to its end: (exit status, stdout, stderr)."""
        program = self.run(f"once-{len(self.programs)}", command, services=services, **more)
        status = program.wait(timeout)
        return status, program.output(), program.errors()

    # --- the end

    def leftovers(self):
        """Processes that outlived what they belonged to, apart from zombies."""
        for child in children_of(os.getpid()):
            if child not in [p.pid for p in self.programs] and (not self.server or child != self.server.pid):
                with contextlib.suppress(ChildProcessError):
                    os.waitpid(child, os.WNOHANG)
        known = {p.pid for p in self.programs if p.running()} | ({self.server.pid} if self.server else set())
        return [(p, command_line(p)) for p in children_of(os.getpid())
                if p not in known and not is_zombie(p) and str(self.folder) in
                (command_line(p) + environment_of(p))]

    def close(self):
        """Ends all programs (politely, then not), then the server; returns what had to be forced or was
        left over, in words."""
        faults = []
        for program in self.programs:
            program.signal(signal.SIGTERM)
        for program in [*self.programs, *([self.server] if self.server else [])]:
            if program is self.server:
                program.signal(signal.SIGTERM)
            try:
                program.wait(20)
            except MeshError:
                faults.append(f"{program.name} had to be killed")
                program.kill()
        deadline = time.monotonic() + 5
        while (left := self.leftovers()) and time.monotonic() < deadline:
            time.sleep(0.05)
        for pid, line in left:
            faults.append(f"left over: {pid} {line}")
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)
        return faults

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def environment_of(pid):
    with contextlib.suppress(OSError):
        return pathlib.Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
    return ""


def host_state():
    """What must be equal before and after: mounts, addresses, routes, rules, nft and sysctls of the host."""
    state = {}
    for name, command in {
            "addresses": ["ip", "-o", "addr"], "routes4": ["ip", "route", "show", "table", "all"],
            "routes6": ["ip", "-6", "route", "show", "table", "all"], "rules4": ["ip", "rule"],
            "rules6": ["ip", "-6", "rule"], "links": ["ip", "-o", "link"], "netns": ["ip", "netns"],
            "nft": ["nft", "list", "ruleset"]}.items():
        done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": SYSTEM_PATH})
        # Lifetimes of learned addresses and routes run down by themselves.
        state[name] = "\n".join(" ".join(w for w in line.split() if not w.endswith("sec"))
                                for line in done.stdout.splitlines())
    state["mounts"] = pathlib.Path("/proc/self/mountinfo").read_text()
    for path in sorted(pathlib.Path("/proc/sys/net").rglob("*")):
        # Counters and tables that move by themselves.
        if path.is_file() and not any(w in path.name for w in ("random", "entropy", "nf_conntrack_count", "flush", "mem")):
            with contextlib.suppress(OSError):
                state[str(path)] = path.read_text()
    return state


if __name__ == "__main__":
    sys.exit("a library; see examples/shop/demo.py, tests/e2e and tests/bench")
