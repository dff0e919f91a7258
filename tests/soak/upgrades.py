"""Upgrades under load, for the soak and the end-to-end tests: one instance serves everything, one calls it, and both
get new sidecars in turn."""

import json
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT / "tools"))
from weftlib import wait_until  # noqa: E402

APPS = ROOT / "tests" / "e2e" / "apps"
MODULES = ROOT / "examples" / "shop" / "node_modules"
LINE = re.compile(r"upgraded (\S+): (\S+) → (\S+) in (\d+) ms; (\d+) connections drained, (\d+) cut\n")


def modules():
    return MODULES.exists()


def under_load(mesh, count, seconds, pace):
    """`count` upgrades spread over `seconds` of load, the last while the load goes on. {"load": {kind: {done, faults}},
    "upgrades": [{ms, drained, cut}], "requests"}. Old sidecars may go on until the load has ended, so that any
    connection they lose is a fault; `weft upgrade` is waited for at the end."""
    environment = {"NODE_PATH": str(MODULES)}
    far = mesh.run("far", ["node", APPS / "upgrade_peer.js", "8080", "8081", "7000"],
                   ["far:80:8080/http", "far:81:8081/h2c", "far:7000/tcp"])
    grpc = mesh.run("grpc", ["node", APPS / "grpc_app.js", "50051"], ["grpc:50051/grpc"], environment=environment)
    for service, program in (("far", far), ("grpc", grpc)):
        mesh.wait_serving(service, 1, 30, [program])
    load = mesh.run("load", ["node", APPS / "upgrade_load.js", "far", str(pace)], ["load"], environment=environment,
                    stdin=subprocess.PIPE)
    wait_until("the load", lambda: load.output().startswith("started") or not load.running(), 40)
    names = {one["name"].rsplit("-", 1)[0]: one["name"] for one in mesh.instances()}
    order = [names["far"], names["load"], names["far"], names["load"], names["grpc"]]
    asked = []
    begin = time.monotonic()
    for number in range(count):
        time.sleep(max(0.0, begin + seconds * (number + 1) / (count + 1) - time.monotonic()))
        asked.append(subprocess.Popen([mesh.bin / "weft", "upgrade", order[number % len(order)], "--deadline", "1h"],
                                      env=mesh.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
    time.sleep(max(0.0, begin + seconds - time.monotonic()))
    load.process.stdin.write(b"end\n")
    load.process.stdin.flush()
    status = load.wait(60)
    found = {"upgrades": [], "seconds": round(time.monotonic() - begin, 1)}
    for process in asked:
        out, errors = process.communicate(timeout=90)
        line = LINE.fullmatch(out)
        found["upgrades"].append({"ms": int(line[4]), "drained": int(line[5]), "cut": int(line[6])} if line
                                 else {"ms": 0, "drained": 0, "cut": -1, "why": errors})
    if status != 0:
        raise RuntimeError(f"the load ended with {status}: {load.errors()[-1000:]}")
    found["load"] = json.loads(load.output().splitlines()[-1])
    # Words on held connections come besides.
    found["requests"] = sum(row["done"] for kind, row in found["load"].items() if kind != "held")
    return found
