#!/usr/bin/env python3
"""The demo: a shop of ordinary programs in a mesh on this machine, what the mesh promises tried on it, and
the figures. `make demo` builds what it needs and runs it.

    demo.py --bin FOLDER [--stay | --no-stay] [--keep FOLDER]

Exit status 0 only if every check held. On a terminal it then stays up until Ctrl-C, with addresses to open
in a browser. Needs no root. Leaves nothing behind (with --keep: the logs, in FOLDER)."""

import argparse
import contextlib
import glob
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import sys
import tempfile
import time
import urllib.request

SHOP = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(SHOP.parent.parent / "tools"))
from story import Story, binomial_bounds  # noqa: E402
from weftlib import Mesh, MeshError, free_port, wait_until  # noqa: E402

SVID_TTL_S = 60
APP_PORT = 8080
LOAD_CLIENTS = 16
# Who calls whom, as the shop's programs are written: (source, destination, protocol).
HOPS = [("shopper", "web", "http"), ("web", "catalog", "http"), ("web", "cart", "http"),
        ("web", "recommendations", "grpc"), ("recommendations", "catalog", "http"), ("cart", "redis", "tcp")]


def short(identity):
    """spiffe://…/ns/default/sa/cart → cart"""
    return identity.rsplit("/", 1)[-1]


class Demo:
    def __init__(self, mesh, story):
        self.mesh, self.story = mesh, story
        self.python = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
        self.node = shutil.which("node")
        self.door = self.pick_door()
        self.port_was_free = not can_connect("127.0.0.1", APP_PORT)
        self.catalogs = 0

    @staticmethod
    def pick_door():
        for port in (8088, 8888, 9088):
            if not can_connect("127.0.0.1", port):
                return port
        return free_port()

    # --- pieces

    def start(self, name, command, services, **more):
        return self.mesh.run(name, command, services, cwd=str(SHOP), **more)

    def start_catalog(self, version):
        self.catalogs += 1
        program = [self.python, "catalog-v1/catalog.py"] if version == "v1" else [self.node, "catalog-v2/catalog.js"]
        return self.start(f"catalog-{version}-{self.catalogs}", program, [f"catalog:80:{APP_PORT}/http"],
                          labels={"app": "catalog", "version": version}, environment={"LATENCY_MS": "5"})

    def shopper(self, url, *options):
        self.visits = getattr(self, "visits", 0) + 1
        return self.start(f"shopper-{self.visits}", [self.python, "shopper.py", url, *map(str, options)], ["shopper"])

    def result(self, program, timeout=90):
        status = program.wait(timeout)
        lines = program.output().splitlines()
        if status != 0 or not lines or not lines[-1].startswith("{"):
            raise MeshError(f"{program.name} ended with {status}\n{program.errors()}{program.output()}")
        return json.loads(lines[-1])

    def under_load(self, url, *options):
        """A shopper that is known to be served already."""
        program = self.shopper(url, *options)
        wait_until("the load", lambda: program.output().startswith("started") or not program.running(), 30)
        return program

    # --- chapters

    def open_the_shop(self):
        story, mesh = self.story, self.mesh
        story.heading("A control plane, and the shop's programs, none of which knows of it")
        begin = time.monotonic()
        story.command("weft server")
        mesh.start_server()
        story.say(f"up after {1000 * (time.monotonic() - begin):.0f} ms; trust domain {mesh.status()['server']['trustDomain']}")
        redis = ["redis-server", "--port", "6379", "--save", "", "--protected-mode", "no", "--dir", str(mesh.folder)]
        rows = [("redis:6379/tcp", redis), (f"cart:80:{APP_PORT}/http", [self.python, "cart/cart.py"]),
                ("recommendations:50051/grpc", [self.node, "recommendations/recommendations.js"]),
                (f"web:80:{APP_PORT}/http", [self.node, "web/web.js"])]
        begin = time.monotonic()
        programs = []
        for service, command in rows:
            name = service.split(":")[0]
            door = ["--publish", f"{self.door}:{APP_PORT}"] if name == "web" else []
            shown = [os.path.basename(command[0]), *command[1:3 if command[0] == "redis-server" else 2]]
            story.command(" ".join(["weft run --service", service, *door, "--", *shown]))
            programs.append(self.start(name, command, [service], options=door))
        for version in ("v1", "v1", "v2"):
            program = "python3 catalog-v1/catalog.py" if version == "v1" else "node catalog-v2/catalog.js"
            story.command(f"weft run --service catalog:80:{APP_PORT}/http --label app=catalog "
                          f"--label version={version} -- {program}")
            programs.append(self.start_catalog(version))
        self.catalog_programs = programs[-3:]
        for service, count in (("redis", 1), ("cart", 1), ("recommendations", 1), ("web", 1), ("catalog", 3)):
            mesh.wait_serving(service, count, 40, programs)
        story.check(True, f"seven instances of six programs serve after {time.monotonic() - begin:.1f} s; five of them "
                          f"listen on port {APP_PORT}, each in a network of its own")
        with urllib.request.urlopen(f"http://127.0.0.1:{self.door}/", timeout=20) as page:
            html = page.read().decode()
        story.check("Merino yarn" in html and "Warp &amp; Thread" in html,
                    f"the shop's page, through the one door published on this host: {len(html)} bytes of HTML")

    def every_hop_is_mtls(self):
        story = self.story
        story.heading("Every hop is mutual TLS between known identities")
        result = self.result(self.shopper("http://web/", "--journey", "--clients", 8, "--requests", 60))
        story.check(result["failed"] == 0 and result["requests"] == 180,
                    f"60 visitors looked, bought and looked again: {result['requests']} requests, "
                    f"{result['failed']} failed, p50 {result['latency_ms']['p50']} ms", result["failures"][:5])

        def edges():
            known = {(short(e["source"]), short(e["destination"])): e for e in self.mesh.status()["edges"]}
            # Reports come every two seconds: the figures are whole when the visitors' own are.
            whole = known.get(("shopper", "web"), {}).get("requests", 0) >= result["requests"]
            return known if whole and all((s, d) in known for s, d, _ in HOPS) else None
        try:
            known = wait_until("reports of every hop", edges, 20, 0.3)
        except MeshError:
            known = {(short(e["source"]), short(e["destination"])): e for e in self.mesh.status()["edges"]}
        rows = []
        for source, destination, protocol in HOPS:
            edge = known.get((source, destination))
            if edge:
                rows.append((edge["source"], edge["destination"], edge["protocol"], "mTLS" if edge["mtls"] else "PLAIN",
                             max(edge["requests"], edge["connections"])))
            else:
                rows.append((source, destination, protocol, "not seen", 0))
        story.table(("from", "to", "as", "over", "count"), rows)
        story.check(all(row[3] == "mTLS" and row[0].startswith("spiffe://") for row in rows),
                    f"{len(HOPS)} of {len(HOPS)} hops of the shop were mTLS between the identities they should show")
        records = self.access_records()
        inside = [r for r in records if r.get("source", "").startswith("spiffe://")
                  and r.get("destination", "").startswith("spiffe://")]
        plain = [r for r in inside if not r.get("mtls")]
        story.check(len(inside) > 0 and not plain,
                    f"the sidecars' access logs agree: {len(inside)} records between identities, {len(plain)} not mTLS",
                    plain[:3])

    def access_records(self):
        records = []
        for path in glob.glob(f"{self.mesh.folder}/**/access*", recursive=True):
            for line in open(path, errors="replace"):
                try:
                    records.append(json.loads(line))
                except ValueError:
                    continue
        return records

    def no_way_round(self):
        story = self.story
        story.heading("There is no way round the sidecar")
        cart = self.mesh.instances("cart")[0]
        addresses = own_addresses()
        if self.port_was_free:
            story.check(not any(can_connect(address, APP_PORT) for address in addresses),
                        f"port {APP_PORT} of this host ({', '.join(addresses)}): connection refused, though five programs "
                        "listen on it inside")
        host, port = cart["address"].rsplit(":", 1)
        host = host.strip("[]")
        answer = exchange(host, int(port), b"GET /healthz HTTP/1.1\r\nHost: cart\r\n\r\n")
        story.check(b"HTTP/1" not in answer and b"ok" not in answer,
                    f"plain HTTP to its sidecar's mTLS port {cart['address']}: refused", answer)
        refused = tls_without_certificate(host, int(port), cart["name"])
        story.check(bool(refused), f"TLS without a certificate of the mesh: {refused or 'was let in!'}")
        addresses = cart["meshAddresses"]
        refused = connect_here(addresses[0], APP_PORT)
        story.check(refused and not any(map(is_own_address, addresses)),
                    f"its mesh addresses {' and '.join(addresses)}: no interface of this host has them; a connect from here: "
                    f"{refused or 'succeeded!'}")
        status, out, errors = self.mesh.once(
            [self.python, "-c", f"import urllib.request as u; print(u.urlopen('http://{addresses[0]}:{APP_PORT}/healthz').status)"],
            ["visitor"])
        story.check(status == 0 and out.strip() == "200", f"the same address from another instance, through both sidecars: {out.strip()}",
                    errors)

    def split(self):
        story = self.story
        story.heading("A 90/10 split between two versions, applied while it runs")
        story.command("weft apply -f examples/shop/mesh/split.yaml")
        self.mesh.cli("apply", "-f", SHOP / "mesh/split.yaml")
        # A new client asks for the route with its first connect, so it gets the new one.
        result = self.result(self.shopper("http://catalog/products", "--clients", 8, "--requests", 2000))
        v1, v2 = result["versions"].get("v1", 0), result["versions"].get("v2", 0)
        low, high = binomial_bounds(2000, 0.1)
        story.check(result["failed"] == 0 and v1 + v2 == 2000, f"2000 requests, {result['failed']} failed, "
                    f"{2000 / result['seconds']:.0f} a second from {8} clients", result["failures"][:5])
        story.check(low <= v2 <= high, f"v1 answered {v1}, v2 answered {v2} = {v2 / 20:.1f} % "
                                       f"(99.9 % of fair draws lie within {low} and {high})")

    def stop_one(self):
        story = self.story
        story.heading("An instance is stopped by SIGTERM under load")
        load = self.under_load("http://catalog/products", "--clients", LOAD_CLIENTS)
        time.sleep(1)
        begin = time.monotonic()
        victim = self.catalog_programs.pop(0)
        status = victim.stop()
        took = time.monotonic() - begin
        time.sleep(1)
        load.signal(signal.SIGTERM)
        result = self.shopper_result_after_signal(load)
        story.check(result["failed"] == 0, f"{result['requests']} requests, {result['failed']} failed; the instance left "
                    f"the registry, drained and was gone after {took:.1f} s (status {status})", result["failures"][:5])
        self.catalog_programs.insert(0, self.start_catalog("v1"))
        self.mesh.wait_serving("catalog", 3, 30, self.catalog_programs)

    def shopper_result_after_signal(self, load):
        """The keeper returns the client's own status after passing SIGTERM on."""
        load.wait(60)
        lines = [line for line in load.output().splitlines() if line.startswith("{")]
        if not lines:
            raise MeshError(f"{load.name} printed no result\n{load.errors()}")
        return json.loads(lines[-1])

    def kill_one(self, retries):
        story = self.story
        if not retries:
            story.heading("An instance is killed by SIGKILL under load")
        else:
            story.command("weft apply -f examples/shop/mesh/retry.yaml")
            self.mesh.cli("apply", "-f", SHOP / "mesh/retry.yaml")
        load = self.under_load("http://catalog/products", "--clients", LOAD_CLIENTS)
        time.sleep(1)
        killed_at = time.monotonic()
        self.catalog_programs.pop(0).kill()
        time.sleep(1.5)
        load.signal(signal.SIGTERM)
        result = self.shopper_result_after_signal(load)
        in_hand = sum(began <= killed_at + 0.05 for began, _, _ in result["failures"])
        if retries:
            story.check(result["failed"] == 0, f"with a retry policy for the route: {result['requests']} requests, "
                        f"{result['failed']} failed", result["failures"][:5])
        else:
            story.check(result["failed"] <= LOAD_CLIENTS and in_hand == result["failed"],
                        f"{result['requests']} requests, {LOAD_CLIENTS} at a time; {result['failed']} failed: no more than "
                        "the killed instance had in hand", result["failures"][:20])
        self.catalog_programs.insert(0, self.start_catalog("v1"))
        self.mesh.wait_serving("catalog", 3, 30, self.catalog_programs)

    def rotation(self):
        story = self.story
        story.heading("Certificates rotate under load")
        watched = {i["name"]: i["certificateExpires"] for i in self.mesh.instances() if i["state"] == "serving"}
        load = self.under_load("http://web/", "--journey", "--clients", 4, "--rate", 40)
        begin = time.monotonic()

        def rotated():
            now = {i["name"]: i["certificateExpires"] for i in self.mesh.instances()}
            return all(now.get(i) != before for i, before in watched.items())
        done = True
        try:
            wait_until("rotation", rotated, SVID_TTL_S, 0.5)
        except MeshError:
            done = False
        time.sleep(2)
        load.signal(signal.SIGTERM)
        result = self.shopper_result_after_signal(load)
        story.check(done, f"all {len(watched)} instances got a new certificate within {time.monotonic() - begin:.0f} s "
                          f"(they live {SVID_TTL_S} s here and are renewed at half life)")
        story.check(result["failed"] == 0, f"meanwhile {result['requests']} requests through the whole shop, "
                                           f"{result['failed']} failed", result["failures"][:5])

    def golden_signals(self):
        story = self.story
        story.heading("Golden signals of every edge, as the control plane has them")
        rows = []
        for edge in sorted(self.mesh.status()["edges"], key=lambda e: (short(e["source"]), short(e["destination"]))):
            count = edge["requests"] or edge["connections"]
            rows.append((f"{short(edge['source']) or '(door)'} → {short(edge['destination'])}", edge["protocol"], count,
                         edge["errors"], f"{edge['requestsPerSecond']:.1f}", f"{100 * edge['successRatio']:.1f} %",
                         f"{edge['p50Ms']:.2f}", f"{edge['p99Ms']:.2f}"))
        story.table(("edge", "as", "count", "errors", "per s", "success", "p50 ms", "p99 ms"), rows)
        seen = {tuple(row[0].split(" → ")) for row in rows if int(row[2]) > 0}
        story.check(all((s, d) in seen for s, d, _ in HOPS), f"traffic, errors and latency for all {len(HOPS)} edges")
        with contextlib.suppress(MeshError):  # a sidecar gives memory back when it has become idle
            wait_until("idle sidecars", lambda: max(self.sidecar_memory(), default=0) <= 11, 7)
        if memory := self.sidecar_memory():
            story.say(f"{len(memory)} idle sidecars use {min(memory):.1f} to {max(memory):.1f} MB each.")

    def sidecar_memory(self):
        """VmRSS of each sidecar in MB."""
        memory = []
        for program in self.mesh.programs:
            if program.running() and (pid := program.proxy_pid()):
                status = pathlib.Path(f"/proc/{pid}/status").read_text()
                memory.append(int(status.split("VmRSS:")[1].split()[0]) / 1024)
        return memory


def can_connect(host, port, timeout=1.0):
    try:
        with socket.create_connection((host, port), timeout):
            return True
    except OSError:
        return False


def connect_here(host, port):
    """Why nothing of this host answers there, or "" if something did. Asks no gateway: nothing leaves the host."""
    with socket.socket(socket.AF_INET) as attempt:
        attempt.settimeout(2)
        attempt.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
        try:
            attempt.connect((host, port))
            return ""
        except OSError as error:
            return error.strerror or str(error)


def is_own_address(host):
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as attempt:
        try:
            attempt.bind((host, 0))
            return True
        except OSError:
            return False


def own_addresses():
    """Loopback and, where there is one, the address of the way out (asking for it sends nothing)."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))
            return ["127.0.0.1", probe.getsockname()[0]]
        except OSError:
            return ["127.0.0.1"]


def exchange(host, port, data):
    try:
        with socket.create_connection((host, port), 3) as connection:
            connection.sendall(data)
            return connection.recv(4096)
    except OSError as error:
        return str(error).encode()


def tls_without_certificate(host, port, instance):
    """Why the sidecar refused, or "" if it talked to us."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["h2"])
    try:
        with socket.create_connection((host, port), 3) as raw:
            with context.wrap_socket(raw, server_hostname=f"p{APP_PORT}.{instance}.mesh") as connection:
                connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0")
                answer = connection.recv(100)
                return "" if answer else "the connection was closed"
    except ssl.SSLError as error:
        return f"refused ({error.reason or error})"
    except OSError as error:
        return f"refused ({error.strerror or error})"


def tell(demo, story):
    demo.open_the_shop()
    demo.every_hop_is_mtls()
    demo.no_way_round()
    demo.split()
    demo.stop_one()
    demo.kill_one(retries=False)
    demo.kill_one(retries=True)
    demo.rotation()
    demo.golden_signals()


def stay(demo, story):
    print(f"\nThe shop stays open:  http://127.0.0.1:{demo.door}/")
    print(f"The status page:      {demo.mesh.status_url()}")
    print("Ctrl-C closes both.", flush=True)
    shopper = demo.shopper("http://web/", "--journey", "--clients", 2, "--rate", 4)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print()
    shopper.signal(signal.SIGTERM)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bin", required=True, help="the folder with weft and weft-proxy")
    parser.add_argument("--stay", action=argparse.BooleanOptionalAction, default=sys.stdout.isatty())
    parser.add_argument("--keep", help="keep logs and state in this folder")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))

    story = Story()
    begin = time.monotonic()
    folder = pathlib.Path(arguments.keep or tempfile.mkdtemp(prefix="weft-demo-"))
    interrupted = False
    mesh = None
    try:
        mesh = Mesh(arguments.bin, folder, server_options=["--svid-ttl", f"{SVID_TTL_S}s"])
        demo = Demo(mesh, story)
        tell(demo, story)
        if arguments.stay and not story.failed:
            stay(demo, story)
    except MeshError as error:
        story.check(False, "the demo could go on", error)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        faults = mesh.close() if mesh else []
        if not arguments.keep:
            shutil.rmtree(folder, ignore_errors=True)
    if interrupted:
        return 130
    story.heading("Closing time")
    story.check(not faults, "every program ended when asked, and nothing is left: no process, no file", "\n".join(faults))
    took = time.monotonic() - begin
    if story.failed:
        print(f"\n{len(story.failed)} check(s) did not hold, after {took:.0f} s:")
        for text in story.failed:
            print(f"  {story.red}✗{story.plain} {text}")
        return 1
    print(f"\nAll of it held, in {took:.0f} s.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
