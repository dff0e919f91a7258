"""The checks of soak.py, each a function of the Soak; what they mean stands in README.md."""

import pathlib
import statistics
import subprocess
import tempfile
import time

import routes
import upgrades
from stage import ECHO, HERE, PYTHON, ROOT, Client, Mesh, descriptors, rss_kib

SLACK_KIB = 4096  # what a sidecar may take besides, however few they are


def held_connections(soak, name, kind, port, count, kib_each):
    far_before, far_open = rss_kib(soak.far_proxy), descriptors(soak.far_proxy)
    client = soak.client("hold", kind, "far", port, count)
    near_before = rss_kib(client.proxy)
    opened = client.next(240)
    soak.check(f"{name}: {count} open", opened["open"] == count, f"{opened['open']} in {opened['seconds']} s {opened['faults'] or ''}")
    time.sleep(soak.seconds(70))  # longer than the kernel waits before it probes
    near, far = rss_kib(client.proxy), rss_kib(soak.far_proxy)
    each = (near - near_before) / count, (far - far_before) / count
    held = all(kib * count <= limit * count + SLACK_KIB for kib, limit in zip(each, kib_each))
    soak.check(f"{name}: memory of each", held,
               f"{each[0]:.1f} KiB near (≤ {kib_each[0]}), {each[1]:.1f} KiB far (≤ {kib_each[1]}); "
               f"near {near} KiB, {descriptors(client.proxy)} descriptors")
    upstream = descriptors(soak.far_proxy) - far_open
    if kind == "http":
        soak.check(f"{name}: no upstream open for them", upstream < 64, f"{upstream} descriptors more at the far side")
    soak.still_well(name)
    client.go()
    again = client.next(240)
    soak.check(f"{name}: all still answer", again["alive"] == count, f"{again['alive']} {again['faults'] or ''}")
    client.go()
    client.next(60)
    soak.back(name, {"near": (client.proxy, near_before), "far": (soak.far_proxy, far_before)})
    client.end()


def idle(soak):
    held_connections(soak, "idle HTTP", "http", 80, soak.many(18_000), (12, 1))


def relay(soak):
    # Two descriptors each in a sidecar.
    held_connections(soak, "TCP relay", "tcp", ECHO, min(soak.many(9_000), soak.many(1e9) // 2), (64, 64))


def short(soak):
    rate, seconds = max(100, int(3000 * min(1, soak.scale * 2))), soak.seconds(180)
    far_before = rss_kib(soak.far_proxy)
    client = soak.client("short", "far", 80, rate, seconds)
    near_before = rss_kib(client.proxy)
    result = client.next(seconds + 90)
    text = f"{result['done']} done, {result['rate']}/s, p50 {result['p50_ms']} ms, p99 {result['p99_ms']} ms"
    soak.check(f"short: {seconds} s, none fails", not result["faults"] and result["done"] == result["started"], f"{text} {result['faults'] or ''}")
    # A miss here alone says that this machine, or the client, has no more to give.
    soak.check(f"short: {rate} connections/s", result["done"] >= 0.97 * rate * seconds, f"{result['rate']}/s")
    soak.check("short: ports and tracking hold", result["tracked"] < 60_000,
               f"at most {result['tracked']} tracked, {result['time_wait']} in TIME_WAIT")
    client.end()
    soak.check("short: memory of the near sidecar", True, f"{near_before} KiB at its start")
    soak.back("short", {"far": (soak.far_proxy, far_before)})


def slow(soak):
    count, size = soak.many(200), 10 << 20
    far_before = rss_kib(soak.far_proxy)
    client = soak.client("slow", "far", 80, count, size)
    near_before = rss_kib(client.proxy)
    opened = client.next(120)
    time.sleep(soak.seconds(10))
    near, far = rss_kib(client.proxy) - near_before, rss_kib(soak.far_proxy) - far_before
    # Some windows and buffers of 64 KiB, of the 10 MiB each asked for.
    soak.check(f"slow readers: {count} of 10 MiB", opened["open"] == count and max(near, far) <= 512 * count + SLACK_KIB,
               f"{opened['open']} open, {near / count:.0f} KiB each near, {far / count:.0f} KiB each far (≤ 512)")
    soak.still_well("slow readers")
    client.go()
    whole = client.next(120)
    soak.check("slow readers: who reads on gets all", whole["whole"] == 10, f"{whole['whole']} of 10 {whole['faults'] or ''}")
    client.end()
    soak.back("slow readers", {"far": (soak.far_proxy, far_before)})


def slowloris(soak):
    for mode, name in (("loris", "slow heads"), ("drip", "slow bodies")):
        count, seconds = soak.many(2_000), 25
        far_before = rss_kib(soak.far_proxy)
        client = soak.client(mode, "far", 80, count, seconds)
        near_before = rss_kib(client.proxy)
        opened = client.next(60)
        time.sleep(5)
        near, far = rss_kib(client.proxy) - near_before, rss_kib(soak.far_proxy) - far_before
        soak.check(f"{name}: {count} at once", opened["open"] == count and max(near, far) <= 64 * count + SLACK_KIB,
                   f"{near / count:.1f} KiB each near, {far / count:.1f} KiB each far (≤ 64)")
        soak.still_well(name)
        result = client.next(60)
        if mode == "loris":
            soak.check("slow heads: are cut off", result["cut"] == count and result["last_s"] < 20,
                       f"{result['cut']} of {count}, the last after {result['last_s']} s")
        client.end()
        soak.back(name, {"far": (soak.far_proxy, far_before)})


def grpc(soak):
    count = soak.many(10_000)
    environment = {"NODE_PATH": str(ROOT / "examples/shop/node_modules")}
    app = soak.mesh.run("grpc", ["node", ROOT / "tests/e2e/apps/grpc_app.js", "50051"], ["grpc:50051/grpc"],
                        environment=environment)
    soak.mesh.wait_serving("grpc", 1, 30, [app])
    far, far_before = app.proxy_pid(), rss_kib(app.proxy_pid())
    client = Client(soak.mesh, "grpc-streams", ["node", HERE / "grpc_streams.js", "grpc:50051", count], environment)
    near_before = rss_kib(client.proxy)
    result = client.next(200)
    soak.check(f"gRPC: {count} streams at once", result["open"] == count and result["again"] == count,
               f"{result['open']} open in {result['seconds']} s, {result['again']} heard again {result['faults'] or ''}")
    soak.check("gRPC: memory of each stream", True,
               f"{(rss_kib(client.proxy) - near_before) / count:.1f} KiB near, {(rss_kib(far) - far_before) / count:.1f} KiB far, "
               f"{descriptors(far)} descriptors far")
    client.go()
    client.end()
    soak.back("gRPC", {"far": (far, far_before)})
    app.stop()


WEBSOCKET = """
import asyncio, json, sys, websockets
async def one(n, seconds):
    async with websockets.connect("ws://chat/", ping_interval=None, open_timeout=30) as c:
        for wait in (1, 1, seconds / 4, seconds / 4, seconds / 2):  # silent between: no ping hides a timeout
            await asyncio.sleep(wait)
            await c.send(f"{n} {wait}")
            if await asyncio.wait_for(c.recv(), 10) != f"{n} {wait}": raise ValueError("another answer")
        await c.close(4000)
        return c.close_code
async def main():
    found = await asyncio.gather(*[one(n, float(sys.argv[2])) for n in range(int(sys.argv[1]))], return_exceptions=True)
    print(json.dumps({"well": sum(f == 4000 for f in found), "faults": sorted({repr(f) for f in found if f != 4000})}), flush=True)
asyncio.run(main())
"""


def websocket(soak):
    count, seconds = 50, soak.seconds(240)
    if subprocess.run([PYTHON, "-c", "import websockets"], capture_output=True).returncode != 0:
        return soak.check("WebSocket", False, "python3-websockets is not installed")
    app = soak.mesh.run("chat", [PYTHON, ROOT / "tests/e2e/apps/websocket_app.py", "8090"], ["chat:80:8090/http"])
    soak.mesh.wait_serving("chat", 1, 30, [app])
    client = Client(soak.mesh, "websockets", [PYTHON, "-c", WEBSOCKET, count, seconds])
    result = client.next(seconds + 60)
    soak.check(f"WebSocket: {count} live {seconds} s, mostly silent", result["well"] == count, f"{result['well']} {result['faults'] or ''}")
    client.end()
    return app.stop()


def churn(soak):
    seconds = soak.seconds(600)
    client = soak.client("mix", "far", 80, ECHO, 300, seconds)
    near, far, begin = [], [], time.monotonic()
    pause = max(0.5, seconds / 120)
    while time.monotonic() - begin < seconds - pause:  # the client's sidecar ends with the client
        time.sleep(pause)
        near.append(rss_kib(client.proxy))
        far.append(rss_kib(soak.far_proxy))
    result = client.next(90)
    soak.check(f"churn: {seconds} s of everything", not result["faults"],
               f"{sum(result['done'].values())} connections {result['faults'] or ''}")
    for name, seen in (("near", near), ("far", far)):
        quarter = max(1, len(seen) // 4)
        early, late = statistics.median(seen[quarter:2 * quarter]), statistics.median(seen[-quarter:])
        soak.check(f"churn: {name} is flat", late <= early * 1.05,
                   f"{early:.0f} KiB in the second quarter, {late:.0f} KiB in the last ({late / early - 1:+.1%}), at most {max(seen)}")
    client.end()


def upgrade(soak):
    if not upgrades.modules():
        return soak.check("upgrade", False, "examples/shop has no node_modules (tools/setup.sh demo)")
    # A mesh of its own: its sidecars are replaced.
    with Mesh(soak.mesh.bin) as mesh:
        mesh.start_server()
        found = upgrades.under_load(mesh, 10, soak.seconds(300), 0)
    lost = {kind: row["faults"][:3] for kind, row in found["load"].items() if row["faults"]}
    counts = ", ".join(f"{kind} {row['done']}" for kind, row in found["load"].items())
    soak.check("upgrade: 10 under load, nothing is lost", not lost, f"{found['requests']} in {found['seconds']} s: {counts} {lost or ''}")
    soak.check("upgrade: none is cut", all(one["cut"] == 0 for one in found["upgrades"]),
               f"{sum(one['drained'] for one in found['upgrades'])} connections drained; {[one.get('why') for one in found['upgrades'] if 'why' in one] or ''}")
    times = sorted(one["ms"] for one in found["upgrades"])
    soak.check("upgrade: requests in all", found["requests"] >= 200_000 * min(1, soak.scale), f"{found['requests']}")
    return soak.check("upgrade: time until the new one serves", times[-1] < 3000, f"{times[0]} to {times[-1]} ms")


def hot(soak):
    seconds, rate, others = soak.seconds(60), 100, max(80, int(5000 * min(1, soak.scale)))
    # In memory: every change waits until the disk has it, and many a disk takes longer than a hundredth of a second.
    with tempfile.TemporaryDirectory(dir="/dev/shm") as folder, Mesh(soak.mesh.bin, pathlib.Path(folder)) as mesh:
        mesh.start_server()
        api = routes.stage(mesh)
        client = Client(mesh, "caller", [PYTHON, HERE / "client.py", "versions", "even", 80, 8])
        client.next(30)
        before = rss_kib(client.proxy)

        def changes(name, last, rate):
            begin = routes.cpu_seconds(mesh.server.process.pid), routes.cpu_seconds(client.proxy)
            now, took = routes.change(api, last, rate, seconds)
            made = now - last
            cpu = [(routes.cpu_seconds(pid) - was) / made * 1000 for pid, was in zip((mesh.server.process.pid, client.proxy), begin)]
            time.sleep(2)
            client.go()
            found = client.next(30)
            soak.check(f"{name}: none fails, none is mixed", not found["faults"],
                       f"{found['done']} requests, {found['versions']} versions seen {found['faults'] or ''}")
            soak.check(f"{name}: the last is in force", found["newest"] == now, f"{found['newest']} of {now}")
            soak.check(f"{name}: {rate} a second", made >= 0.97 * rate * seconds,
                       f"{made} in {took:.1f} s, {cpu[0]:.1f} ms of the server and {cpu[1]:.1f} ms of the sidecar for each, requests included")
            return now

        last = changes("hot changes", 1, rate)
        begin = time.monotonic()
        api.apply(*(routes.item(number) for number in range(others)))
        took = time.monotonic() - begin
        time.sleep(soak.seconds(10))
        grown = rss_kib(client.proxy) - before
        soak.check(f"{others} routes on one service", took < 20, f"applied in {took:.1f} s")
        soak.check(f"{others} routes: memory of a sidecar", grown <= 40 * 1024, f"{before} + {grown} KiB (≤ 40 MiB more)")
        changes(f"hot changes among {others}", last, 10)
        client.end()


ALL = {"hot": hot, "idle": idle, "relay": relay, "slow": slow, "slowloris": slowloris, "grpc": grpc, "websocket": websocket,
       "short": short, "upgrade": upgrade, "churn": churn}
