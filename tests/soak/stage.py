"""What a check of the soak gets: a mesh with one far app, clients that are told what to do, and rows to fill."""

import contextlib
import json
import pathlib
import resource
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from weftlib import Mesh, MeshError, wait_until  # noqa: E402

PYTHON = "/usr/bin/python3"  # Debian's, which has its modules
HTTP, ECHO = 8080, 7000
SERVICES = [f"far:80:{HTTP}/http", f"far:{ECHO}/tcp"]
SPARE_DESCRIPTORS = 400
DESCRIPTORS = 65_536  # so that the sidecars' own guard, at 92 % of the limit, is not what is tested
BACK_SECONDS = 30


def rss_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))


def descriptors(pid):
    return sum(1 for _ in pathlib.Path(f"/proc/{pid}/fd").iterdir())


def raise_descriptor_limit():
    """As far as we may: root may raise the hard limit as well."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    for limit in ((DESCRIPTORS, max(hard, DESCRIPTORS)), (hard, hard)):
        with contextlib.suppress(ValueError, OSError):
            return resource.setrlimit(resource.RLIMIT_NOFILE, limit)


class Client:
    """tests/soak/client.py (or another program that talks like it) with its own sidecar."""

    def __init__(self, mesh, name, command, environment=None):
        self.program = mesh.run(name, [str(word) for word in command], ["near"], stdin=subprocess.PIPE,
                                environment=environment)
        self.lines = 0
        self.proxy = wait_until("the near sidecar", self.program.proxy_pid, 20)

    def next(self, timeout):
        """The next line that it prints."""
        def line():
            lines = self.program.output().splitlines()
            if len(lines) > self.lines and self.program.output().endswith("\n"):
                return lines[self.lines]
            if not self.program.running():
                raise MeshError(f"{self.program.name} ended: {self.program.errors()[-1000:]}")
            return None
        found = wait_until(f"a result of {self.program.name}", line, timeout, 0.1)
        self.lines += 1
        return json.loads(found)

    def go(self):
        self.program.process.stdin.write(b"go\n")
        self.program.process.stdin.flush()

    def end(self):
        self.program.stop()


class Soak:
    def __init__(self, bin_dir, scale, folder=None):
        self.scale, self.rows, self.counter = scale, [], 0
        self.mesh = Mesh(bin_dir, folder)
        self.mesh.start_server()
        self.far = self.mesh.run("far", [PYTHON, HERE / "peer.py", HTTP, ECHO], SERVICES)
        self.mesh.wait_serving("far", 1, 30, [self.far])
        self.far_proxy = self.far.proxy_pid()
        # What a sidecar keeps from then on is kept once: the first load is not measured.
        client = self.client("mix", "far", 80, ECHO, 200, 5)
        client.next(60)
        self.usual = rss_kib(self.far_proxy)
        client.end()

    def client(self, mode, *arguments):
        self.counter += 1
        return Client(self.mesh, f"near-{self.counter}", [PYTHON, HERE / "client.py", mode, *arguments])

    def many(self, count):
        """`count` scaled, and no more than descriptors allow to a process with one for each."""
        return max(10, min(int(count * self.scale), resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_DESCRIPTORS))

    def seconds(self, seconds):
        return max(5, int(seconds * self.scale))

    def check(self, name, held, text):
        self.rows.append({"check": name, "held": bool(held), "found": text})
        print(f"{'ok    ' if held else 'FAILED'} {name:44} {text}", flush=True)

    def back(self, name, proxies):
        """{what: (pid, KiB before)}: within BACK_SECONDS each is back to within a fifth of what it was. A sidecar that
        has idled long has given back even more: then it is what one at work has."""
        now = {}
        proxies = {who: (pid, max(before, self.usual)) for who, (pid, before) in proxies.items()}

        def down():
            now.update({who: rss_kib(pid) for who, (pid, _) in proxies.items()})
            return all(now[who] <= before * 1.2 for who, (_, before) in proxies.items())
        held = True
        try:
            wait_until("memory", down, BACK_SECONDS, 0.5)
        except MeshError:
            held = False
        self.check(f"{name}: memory is back", held, ", ".join(
            f"{who} {before} → {now[who]} KiB ({now[who] / before - 1:+.0%})" for who, (_, before) in proxies.items()))

    def still_well(self, name):
        """Others are served meanwhile."""
        client = self.client("short", "far", 80, 50, 3)
        result = client.next(60)
        client.end()
        self.check(f"{name}: others are served", not result["faults"] and result["done"] > 100 and result["p99_ms"] < 500,
                   f"{result['done']} of {result['started']}, p99 {result['p99_ms']} ms {result['faults'] or ''}")

    def report(self):
        failed = [row for row in self.rows if not row["held"]]
        print(f"\nsoak: {len(self.rows) - len(failed)} checks held, {len(failed)} failed")
        return 1 if failed else 0
