#!/usr/bin/env python3
"""What a hop costs: CPU microseconds per request of the proxies on the way, Weft against haproxy, and the
direct way for scale. One run, alternating round by round; medians, and ratios of medians.

    bench.py --bin FOLDER --out FOLDER [--rounds 5] [--requests 20000] [--clients 16,64]

Layout: load generator and origin on CPU 0, proxies on CPU 1. Load: h2load, HTTP/1.1, keep-alive, 1 KiB
answers of nginx. Both proxies write access logs. CPU is read from schedstat of all threads; loopback
charges the receiver's softirq work to the sender. The direct row is the CPU of h2load and nginx together.
Writes OUT/results.json: {"rows": [{name, unit, weft, peers, ratio, n, spread}]}, spread = (max-min)/median
of Weft's rounds."""

import argparse
import json
import os
import pathlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tools"))
from weftlib import Mesh, MeshError, free_port, wait_until  # noqa: E402

BODY_BYTES = 1024


def pin(pid, cpu):
    if os.cpu_count() < 2:
        return
    for task in os.listdir(f"/proc/{pid}/task"):
        os.sched_setaffinity(int(task), {cpu})


def cpu_ns(pids):
    total = 0
    for pid in pids:
        for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_text().split()[0])
    return total


def rss_mb(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1)) / 1024


class Setup:
    """All ways at once: they take turns, so that what the machine does meanwhile hits all alike."""

    def __init__(self, bin_dir, folder):
        self.folder = folder
        self.processes = []
        self.origin_port = free_port()
        self.mesh = Mesh(bin_dir, folder / "mesh")

    def start(self, *command, cpu, out=None):
        log = open(self.folder / (out or "out.log"), "ab")
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.processes.append(process)
        pin(process.pid, cpu)
        return process

    def nginx_config(self, name, port):
        folder = self.folder / name
        folder.mkdir()
        (folder / "nginx.conf").write_text(f"""
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4000; }}
http {{
  access_log off; keepalive_requests 100000000; keepalive_timeout 600;
  client_body_temp_path {folder}/a; proxy_temp_path {folder}/b; fastcgi_temp_path {folder}/c;
  uwsgi_temp_path {folder}/d; scgi_temp_path {folder}/e;
  server {{ listen {port} reuseport backlog=4096; location / {{ default_type text/plain; return 200 "{'x' * BODY_BYTES}"; }} }}
}}""")
        return str(folder / "nginx.conf")

    def certificates(self):
        """A root, and one certificate for both ends, as haproxy wants them: P-256 throughout."""
        def openssl(*words):
            subprocess.run(["openssl", *words], check=True, capture_output=True, cwd=self.folder)
        curve = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        openssl("req", "-x509", *curve, "-days", "2", "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=bench root")
        openssl("req", *curve, "-keyout", "end.key", "-out", "end.csr", "-subj", "/CN=bench")
        (self.folder / "ext").write_text("subjectAltName=DNS:bench\n")
        openssl("x509", "-req", "-in", "end.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2",
                "-extfile", "ext", "-out", "end.pem")
        (self.folder / "both.pem").write_text((self.folder / "end.pem").read_text() + (self.folder / "end.key").read_text())

    def haproxy(self, name, sections):
        config = self.folder / f"{name}.cfg"
        config.write_text((HERE / "haproxy.cfg.in").read_text().replace("@SECTIONS@", sections))
        return self.start("haproxy", "-db", "-f", str(config), cpu=1, out=f"{name}.log")

    def plain_section(self, port, target):
        return f"frontend f\n    bind 127.0.0.1:{port}\n    default_backend b\nbackend b\n    server s 127.0.0.1:{target}\n"

    def haproxy_pair(self, name, alpn):
        outer, hop = free_port(), free_port()
        pem, ca = self.folder / "both.pem", self.folder / "ca.pem"
        near = (f"frontend f\n    bind 127.0.0.1:{outer}\n    default_backend b\nbackend b\n"
                f"    server s 127.0.0.1:{hop} ssl verify required ca-file {ca} crt {pem} verifyhost bench sni str(bench) "
                f"alpn {alpn} ssl-min-ver TLSv1.3\n")
        far = (f"frontend f\n    bind 127.0.0.1:{hop} ssl crt {pem} ca-file {ca} verify required alpn {alpn} "
               f"ssl-min-ver TLSv1.3\n    default_backend b\nbackend b\n    server s 127.0.0.1:{self.origin_port}\n")
        processes = [self.haproxy(f"{name}-far", far), self.haproxy(f"{name}-near", near)]
        return outer, [p.pid for p in processes]

    def open(self):
        self.certificates()
        origin = self.start("nginx", "-c", self.nginx_config("origin", self.origin_port), "-p", str(self.folder), cpu=0)
        plain = free_port()
        plain_haproxy = self.haproxy("plain", self.plain_section(plain, self.origin_port))
        h1_port, h1_pids = self.haproxy_pair("h1", "http/1.1")
        h2_port, h2_pids = self.haproxy_pair("h2", "h2")

        mesh = self.mesh
        mesh.start_server()
        door = free_port()
        inside = mesh.run("origin", ["nginx", "-c", self.nginx_config("inside", 8080), "-p", str(self.folder)],
                          ["origin:80:8080/http"], options=["--publish", f"{door}:8080"])
        mesh.wait_serving("origin", 1, 30, [inside])
        read, write = os.pipe()
        self.shell = os.fdopen(write, "w")
        self.caller = mesh.run("caller", ["sh"], ["caller"], stdin=read)
        os.close(read)
        wait_until("the caller's sidecar", self.caller.proxy_pid, 20)
        self.inside_h2load("http://origin/", 100, 4)
        for program in (inside, self.caller):
            pin(program.proxy_pid(), 1)
        for pid in inside.app_pids("nginx"):
            pin(pid, 0)
        url = "http://127.0.0.1:{}/".format
        near, far = self.caller.proxy_pid(), inside.proxy_pid()
        # way → (run the load, whose CPU counts)
        self.ways = {
            "direct": (lambda n, c: self.h2load(url(self.origin_port), n, c), [origin.pid]),
            "plain haproxy": (lambda n, c: self.h2load(url(plain), n, c), [plain_haproxy.pid]),
            "plain weft": (lambda n, c: self.h2load(url(door), n, c), [far]),
            "pair haproxy-h1": (lambda n, c: self.h2load(url(h1_port), n, c), h1_pids),
            "pair haproxy-h2": (lambda n, c: self.h2load(url(h2_port), n, c), h2_pids),
            "pair weft": (lambda n, c: self.inside_h2load("http://origin/", n, c), [near, far]),
        }
        self.sidecars = [near, far]

    @staticmethod
    def h2load_command(url, requests, clients):
        return ["h2load", "--h1", "-t", "1", "-n", str(requests), "-c", str(clients), url]

    @staticmethod
    def checked(output, requests, url):
        # By bytes: haproxy answers with the version of its own server side (HTTP/2.0), which h2load counts as no 2xx.
        found = re.search(r"\((\d+)\) data", output)
        if not found or int(found.group(1)) != requests * BODY_BYTES:
            raise MeshError(f"h2load on {url}: not all of {requests} requests succeeded:\n{output}")

    def h2load(self, url, requests, clients):
        command = self.h2load_command(url, requests, clients)
        if os.cpu_count() > 1:
            command = ["taskset", "-c", "0", *command]
        before = os.times()
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.checked(done.stdout, requests, url)
        after = os.times()
        return (after.children_user + after.children_system - before.children_user - before.children_system) * 1e9

    def inside_h2load(self, url, requests, clients):
        result, mark = self.folder / "inside.out", self.folder / "inside.done"
        mark.unlink(missing_ok=True)
        pinned = "taskset -c 0 " if os.cpu_count() > 1 else ""
        self.shell.write(f"{pinned}{' '.join(self.h2load_command(url, requests, clients))} >{result} 2>&1; "
                         f"touch {mark}\n")
        self.shell.flush()
        wait_until("h2load inside", lambda: mark.exists() or not self.caller.running(), 300, 0.01)
        self.checked(result.read_text(), requests, url)
        return 0

    def measure(self, way, requests, clients):
        run, pids = self.ways[way]
        before = cpu_ns(pids)
        load_ns = run(requests, clients)
        spent = cpu_ns(pids) - before + (load_ns if way == "direct" else 0)
        return spent / requests / 1000

    def close(self):
        if hasattr(self, "shell"):
            self.shell.close()
        faults = self.mesh.close()
        for process in self.processes:
            process.terminate()
            process.wait()
        return faults


def start_times(mesh, count=10):
    """Milliseconds from `weft run` to the first instruction of the program, as the program sees it."""
    found = []
    for _ in range(count):
        begin = time.clock_gettime_ns(time.CLOCK_REALTIME)
        status, out, errors = mesh.once(["date", "+%s%N"], ["starter"])
        if status != 0:
            raise MeshError(f"date inside the mesh ended with {status}: {errors}")
        found.append((int(out) - begin) / 1e6)
    return found


def row(name, unit, weft, peers, digits=1):
    middle = statistics.median(weft)
    figures = {peer: round(statistics.median(values), digits) for peer, values in peers.items()}
    return {"name": name, "unit": unit, "weft": round(middle, digits), "peers": figures,
            "ratio": {peer: round(middle / statistics.median(values), 2) for peer, values in peers.items()},
            "n": len(weft), "spread": round((max(weft) - min(weft)) / middle, 2)}


def print_table(rows):
    print(f"\n{'':46} {'weft':>8}  peers (ratio weft/peer)")
    for r in rows:
        peers = ", ".join(f"{peer} {figure} ({r['ratio'][peer]})" for peer, figure in r["peers"].items())
        print(f"{r['name'] + ' [' + r['unit'] + ']':46} {r['weft']:8}  {peers}  n={r['n']} spread={r['spread']}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=20000)
    parser.add_argument("--clients", default="16,64")
    arguments = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    folder = pathlib.Path(tempfile.mkdtemp(prefix="weft-bench-"))
    setup = None
    rows = []
    try:
        setup = Setup(arguments.bin, folder)
        setup.open()
        idle = [rss_mb(pid) for pid in setup.sidecars]
        for clients in map(int, arguments.clients.split(",")):
            for way in setup.ways:  # past all handshakes
                setup.measure(way, 2000, clients)
            cost = {way: [] for way in setup.ways}
            for round_number in range(arguments.rounds):
                for way in setup.ways:
                    cost[way].append(setup.measure(way, arguments.requests, clients))
                print(f"c={clients} round {round_number + 1}: " +
                      ", ".join(f"{way} {values[-1]:.1f}" for way, values in cost.items()), flush=True)
            rows.append(row(f"plain hop, 1 KiB, c={clients}", "cpu us/request", cost["plain weft"],
                            {"haproxy": cost["plain haproxy"], "direct": cost["direct"]}))
            rows.append(row(f"mTLS pair, 1 KiB, c={clients}", "cpu us/request", cost["pair weft"],
                            {"haproxy-h1": cost["pair haproxy-h1"], "haproxy-h2": cost["pair haproxy-h2"],
                             "direct": cost["direct"]}))
        rows.append(row("sidecar RSS before load", "MB", idle, {}))
        rows.append(row("sidecar RSS after load", "MB", [rss_mb(pid) for pid in setup.sidecars], {}))
        rows.append(row("weft run to the app's start", "ms", start_times(setup.mesh), {}))
    except MeshError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        faults = setup.close() if setup else []
        shutil.rmtree(folder, ignore_errors=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    (arguments.out / "results.json").write_text(json.dumps({"rows": rows}, indent=1) + "\n")
    print_table(rows)
    print(f"\nwritten: {arguments.out}/results.json")
    for fault in faults:
        print(f"bench: {fault}", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
