"""The rows of the bench: what is loaded, through which ways, and how it is measured. A row's function gets
the Bench and yields, per way, a function that measures once; bench.py alternates them."""

import re
import signal
import time

import steering
from ways import cpu_ns, kill, pin, rss_kb, settle
from weftlib import MeshError, free_port, wait_until

HOP = ["haproxy", "nginx", "envoy"]
PAIR = ["haproxy-h1", "haproxy-h2", "envoy-h1", "envoy-h2"]
SIZES = {"0": 0, "1k": 1024, "64k": 64 * 1024, "10m": 10 * 1024 * 1024}


def ways_of(bench, weft, peers):
    """Row name of a way → the way; the peers that run here, and Weft's own."""
    found = {"weft": bench.ways[weft]}
    found.update({name: bench.ways[name] for name in peers if name in bench.ways})
    return found


def h2load(way, kind, path, requests, clients, streams, cpu):
    """CPU µs per request of the proxies while h2load gets `path`; over HTTP/2 with `streams` to a connection."""
    command = ["h2load", "-t", "1", "-n", str(requests), "-c", str(clients)]
    command += ["--h1"] if kind in ("http", steering.NAME) else ["-p", "h2c", "-m", str(streams)]
    if kind == "rpc":
        command += ["-d", str(way.grpc_request), "-H", "content-type: application/grpc", "-H", "te: trailers"]
    out, spent = way.measured([*command, way.where[kind] + path], cpu)
    found = re.search(r"\((\d+)\) data", out)
    size = 69 if kind == "rpc" else SIZES[path[1:]]
    done = re.search(r"(\d+) done", out)
    # By bytes: haproxy answers with the version of its own server side, which h2load counts as no 2xx.
    if not found or int(found.group(1)) != requests * size or int(done.group(1)) != requests:
        raise MeshError(f"{way.name}: not all of {requests} requests succeeded:\n{out[-1500:]}")
    return spent / requests / 1000


def cost(weft, peers, path, clients, requests, kind="http", streams=1, one_cpu=False):
    """CPU µs per request. one_cpu: client, origin and proxies share CPU 0."""
    def row(bench, scale):
        chosen = ways_of(bench, weft, peers)
        n = max(clients * 2, int(requests * scale))
        (bench.folder / "request.grpc").write_bytes(b"\0" + (8).to_bytes(4, "big") + b"x" * 8)
        for way in chosen.values():
            way.grpc_request = bench.folder / "request.grpc"
            pin(way.pids(), {0} if one_cpu else bench.cpus)
            h2load(way, kind, path, max(clients * 2, n // 4), clients, streams, 0)  # past all handshakes
        yield {name: (lambda way=way: h2load(way, kind, path, n, clients, streams, 0)) for name, way in chosen.items()}
        for way in chosen.values():
            pin(way.pids(), bench.cpus)
    row.unit, row.digits = "cpu us/request", 1
    return row


def steered(peers, clients, requests):
    """CPU µs per request of pairs that all steer alike (steering.py); `unsteered` is Weft's pair without it."""
    def row(bench, scale):
        kinds = {name: (way, steering.NAME) for name, way in ways_of(bench, "weft-pair", peers).items()}
        for name, (way, kind) in kinds.items():
            ask = ["curl", "-s", "-o", "/dev/null", "-D", "-", way.where[kind] + "/1k"]
            wait_until(f"{name} steers", lambda way=way, ask=ask: "x-answered" in way.client(ask), 30)
        kinds["unsteered"] = bench.ways["weft-pair"], "http"
        n = max(clients * 2, int(requests * scale))
        for way, kind in kinds.values():
            h2load(way, kind, "/1k", max(clients * 2, n // 4), clients, 1, 0)
        yield {name: (lambda way=way, kind=kind: h2load(way, kind, "/1k", n, clients, 1, 0))
               for name, (way, kind) in kinds.items()}
    row.unit, row.digits = "cpu us/request", 1
    return row


def latency(weft, peers, field, rps=2000, connections=64, seconds=2):
    """Latency at a fixed rate, open loop. What the client and origin need is part of it: see `direct`."""
    def row(bench, scale):
        def once(way):
            told, _ = way.told(way.script("rate", "http", "/1k", rps, seconds, connections))
            return told[field]
        chosen = ways_of(bench, weft, peers)
        for way in chosen.values():
            once(way)
        yield {name: (lambda way=way: once(way)) for name, way in chosen.items()}
    row.unit, row.digits = "us", 0
    return row


def tcp(peers, what, streams, megabytes=512):
    """Bytes one way through the pair: MB/s, or CPU of the proxies."""
    def row(bench, scale):
        def once(way):
            told, spent = way.told(way.script("push", "tcp", int(megabytes * scale), streams))
            return told["mb_per_s"] if what == "speed" else spent / 1e6 / (int(megabytes * scale) / 1024)
        yield {name: (lambda way=way: once(way)) for name, way in ways_of(bench, "weft-pair", peers).items()}
    row.unit, row.digits = ("MB/s", 0) if what == "speed" else ("cpu ms/GiB", 0)
    return row


def handshake(peers, count=300):
    """CPU of the pair for a TCP connection that carries a byte: one mutual TLS handshake each."""
    def row(bench, scale):
        def once(way):
            _, spent = way.told(way.script("connects", "tcp", count))
            return spent / count / 1000
        yield {name: (lambda way=way: once(way)) for name, way in ways_of(bench, "weft-pair", peers).items()}
    row.unit, row.digits = "cpu us/connection", 0
    return row


def held(bench, way, kind, request, count):
    """KiB of resident memory a proxy holds for one idle connection."""
    mark = bench.folder / f"held-{way.name}-{kind}"
    before = sum(rss_kb(pid) for pid in way.pids())
    hold = way.script("hold", kind, count, request, mark)
    way.runner.run(["sh", "-c", " ".join(hold) + " >/dev/null 2>&1 &"])
    wait_until(f"{count} connections", mark.exists, 60)
    settle(1.5)  # app connections of our own go after a second
    found = (sum(rss_kb(pid) for pid in way.pids()) - before) / count / len(way.pids())
    mark.unlink()
    settle()
    return found


def memory_per_connection(weft, peers, kind, request, count):
    """Measured once: memory that was touched is not always given back, so a second time would tell less."""
    def row(bench, scale):
        yield {name: (lambda way=way: held(bench, way, kind, request, count))
               for name, way in ways_of(bench, weft, peers).items()}
    row.unit, row.digits, row.once = "KiB/connection", 1, True
    return row


QUIET_S = 8  # without work, before a proxy counts as idle


def fresh(bench, name, services):
    """RSS in MB of a peer that was started and left alone."""
    tag = f"-fresh{bench.count}"
    bench.count += 1
    processes = bench.start_peer(name + tag, bench.peer(name, services, tag))
    settle(QUIET_S)
    if any(process.poll() is not None for process in processes):
        raise MeshError(f"{name} did not start: {(bench.folder / f'{name}{tag}-0.out').read_text()[-500:]}")
    found = max(rss_kb(process.pid) for process in processes) / 1024
    for process in processes:
        kill(process)
    return found


def service_objects(count):
    return "---\n".join(f"apiVersion: v1\nkind: Service\nmetadata: {{name: extra{i}}}\n"
                        f"spec: {{selector: {{app: extra{i}}}, ports: [{{port: 80}}]}}\n" for i in range(count))


def rss(services):
    """RSS of a proxy that has carried nothing, alone or with SERVICES services known."""
    def row(bench, scale):
        bench.count = getattr(bench, "count", 0)

        def weft():
            if services and not getattr(bench, "applied", False):
                bench.mesh.apply(service_objects(services))
                bench.applied = True
            bench.count += 1
            program = bench.mesh.run(f"fresh{bench.count}", ["sleep", "600"], [f"fresh{bench.count}"],
                                     options=bench.options)
            pid = wait_until("its proxy", program.proxy_pid, 20)
            settle(QUIET_S)
            found = rss_kb(pid) / 1024
            program.stop()
            return found
        peers = [name for name in ("haproxy", "nginx", "envoy") if name in bench.peer_names()]
        yield {"weft": weft, **{name: (lambda name=name: fresh(bench, name, services)) for name in peers}}
    row.unit, row.digits, row.most = "MB", 1, 3
    return row


def ready():
    """From the program's start to its first answer. Weft: from the death of the proxy to the first answer of the
    one its keeper starts in its place, from memory."""
    def row(bench, scale):
        bench.count = getattr(bench, "count", 0)

        def until_answer(url, begin):
            port = int(url.rsplit(":", 1)[1])
            import socket
            while time.monotonic() - begin < 20:
                try:
                    with socket.create_connection(("127.0.0.1", port), 5) as probe:
                        probe.sendall(b"GET /1k HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                        if probe.recv(100).startswith(b"HTTP/1.1 200"):
                            return (time.monotonic() - begin) * 1000
                except OSError:
                    time.sleep(0.0005)
            raise MeshError(f"{url} did not answer")

        def weft():
            import os
            settle(2.5)  # a proxy that dies young is started again more slowly
            begin = time.monotonic()
            os.kill(bench.far(), signal.SIGKILL)
            return until_answer(bench.ways["weft"].where["http"], begin)

        def peer(name):
            bench.count += 1
            made = bench.peer(name, 0, f"-ready{bench.count}")
            begin = time.monotonic()
            processes = bench.start_peer(f"{name}-ready{bench.count}", made)
            took = until_answer(f"http://127.0.0.1:{made.ports['http']}", begin)
            for process in processes:
                kill(process)
            return took
        peers = [name for name in ("haproxy", "nginx", "envoy") if name in bench.peer_names()]
        yield {"weft": weft, **{name: (lambda name=name: peer(name)) for name in peers}}
    row.unit, row.digits, row.most = "ms", 1, 5
    return row


# Memory of connections first: a proxy that has carried load has memory to give without asking for more.
ROWS = {
    "rss-conn-plain": memory_per_connection("weft", HOP, "http", "/1k", 500),
    "rss-conn-tls": memory_per_connection("weft-pair", ["haproxy-h1", "envoy-h1"], "tcp", "-", 500),
    "hop-1k-64": cost("weft", [*HOP, "direct"], "/1k", 64, 12000),
    "hop-1k-1": cost("weft", [*HOP, "direct"], "/1k", 1, 4000, one_cpu=True),
    "hop-64k-16": cost("weft", [*HOP, "direct"], "/64k", 16, 3000),
    "hop-h2-1k-64": cost("weft", HOP, "/1k", 16, 12000, kind="h2", streams=4),
    "pair-1k-64": cost("weft-pair", [*PAIR, "direct"], "/1k", 64, 12000),
    "pair-1k-16": cost("weft-pair", [*PAIR, "direct"], "/1k", 16, 8000),
    "pair-1k-1": cost("weft-pair", [*PAIR, "direct"], "/1k", 1, 3000, one_cpu=True),
    "pair-64k-16": cost("weft-pair", [*PAIR, "direct"], "/64k", 16, 2000),
    "pair-h2-1k-64": cost("weft-pair", ["haproxy-h2", "envoy-h2"], "/1k", 16, 12000, kind="h2", streams=4),
    "pair-grpc-64": cost("weft-pair", ["haproxy-h2", "envoy-h2"], "/bench.Echo/Say", 16, 12000, kind="rpc", streams=4),
    "pair-steered-1k-64": steered(PAIR, 64, 12000),
    "pair-p50-2000": latency("weft-pair", [*PAIR, "direct"], "p50"),
    "pair-p99-2000": latency("weft-pair", [*PAIR, "direct"], "p99"),
    "tcp-pair": tcp(["haproxy-h1", "envoy-h1", "direct"], "speed", 1),
    "tcp-pair-cpu": tcp(["haproxy-h1", "envoy-h1"], "cpu", 1),
    "handshake-pair": handshake(["haproxy-h1", "envoy-h1"]),
    "rss-idle": rss(0),
    "ready": ready(),
}

FULL_ROWS = {
    "hop-0-64": cost("weft", [*HOP, "direct"], "/0", 64, 12000),
    "hop-1k-256": cost("weft", [*HOP, "direct"], "/1k", 256, 12000),
    "pair-0-64": cost("weft-pair", [*PAIR, "direct"], "/0", 64, 12000),
    "pair-1k-256": cost("weft-pair", [*PAIR, "direct"], "/1k", 256, 12000),
    "pair-10m-4": cost("weft-pair", [*PAIR, "direct"], "/10m", 4, 40),
    "tcp-pair-8": tcp(["haproxy-h1", "envoy-h1", "direct"], "speed", 8),
    "rss-1000-services": rss(1000),
}
