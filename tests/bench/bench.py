#!/usr/bin/env python3
"""What Weft costs beside haproxy, nginx and Envoy: alternating runs in one job, medians, spread, ratios.

    bench.py --bin FOLDER --out FOLDER [--full] [--only ROW,…] [--rounds 5] [--scale 1.0]
             [--workers N]

Writes OUT/results.json (with more than one worker OUT/results-N-workers.json): {"rows": [{"name", "unit", "weft", "peers": {NAME: figure}, "ratio": {NAME: weft/peer},
"n", "spread"}], "machine", …}; spread = (largest − smallest)/median of Weft's rounds. What stands in
docs/bench.md is made of that file by report.py, on demand. Loopback charges the receiver's part of the
kernel's TCP work to the sender; the `direct` peer is client and origin together, without a proxy."""

import argparse
import json
import os
import pathlib
import platform
import shutil
import signal
import statistics
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent / "tools"))
from report import print_row  # noqa: E402
from rows import FULL_ROWS, ROWS  # noqa: E402
from ways import Bench  # noqa: E402
from weftlib import MeshError  # noqa: E402


def take(name, row, bench, rounds, scale):
    """Measures a row: its ways in turn, round by round."""
    rounds = 1 if getattr(row, "once", False) else min(rounds, getattr(row, "most", rounds))
    figures = {}
    for measures in row(bench, scale):
        order = list(measures)
        for number in range(rounds):
            # Each round begins with another way: what follows a heavy neighbour should not always be the same.
            for way in order[number % len(order):] + order[:number % len(order)]:
                figures.setdefault(way, []).append(measures[way]())
    weft = figures.pop("weft")
    middle = statistics.median(weft)
    medians = {peer: statistics.median(values) for peer, values in sorted(figures.items())}
    return {"name": name, "unit": row.unit, "weft": round(middle, row.digits),
            "peers": {peer: round(value, row.digits) for peer, value in medians.items()},
            "ratio": {peer: round(middle / value, 2) for peer, value in medians.items() if value > 0},
            "n": rounds, "spread": round((max(weft) - min(weft)) / middle, 2) if middle > 0 else 0.0}


def machine():
    cpu = next((line.split(":", 1)[1].strip() for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} × {cpu}, Linux {platform.release()}"


def command_of(arguments):
    given = [f"--{name} {getattr(arguments, name)}" for name in ("only", "rounds")
             if getattr(arguments, name) is not None]
    given += [f"--workers {arguments.workers}"] if arguments.workers != 1 else []
    given += [f"--scale {arguments.scale}"] if arguments.scale != 1.0 else []
    return f"make bench{'-full' if arguments.full else ''}" + (f' BENCH_ARGS="{" ".join(given)}"' if given else "")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", required=True)
    parser.add_argument("--out", type=pathlib.Path, required=True)
    parser.add_argument("--full", action="store_true", help="more rows, 9 rounds")
    parser.add_argument("--only", help="rows to take, by name or prefix, comma separated")
    parser.add_argument("--rounds", type=int, help="alternations (default 5, with --full 9)")
    parser.add_argument("--workers", type=int, default=1, help="of each proxy, Weft and the others")
    parser.add_argument("--scale", type=float, default=1.0, help="size of each load")
    arguments = parser.parse_args()
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    for end in (signal.SIGTERM, signal.SIGINT):  # the peers end with us
        signal.signal(end, lambda number, _: sys.exit(128 + number))
    rows = {**ROWS, **(FULL_ROWS if arguments.full else {})}
    if arguments.only:
        words = arguments.only.split(",")
        rows = {name: row for name, row in {**ROWS, **FULL_ROWS}.items() if any(name.startswith(w) for w in words)}
    rounds = arguments.rounds or (9 if arguments.full else 5)
    folder = pathlib.Path(tempfile.mkdtemp(prefix="weft-bench-"))
    bench, results, failed, faults = Bench(arguments.bin, folder, arguments.workers), [], False, []
    try:
        if bench.no_envoy:
            print(f"bench: Envoy is not to be had here, its rows are left out: {bench.no_envoy}")
        bench.open()
        for name, row in rows.items():
            begin = time.monotonic()
            try:
                results.append(take(name, row, bench, rounds, arguments.scale))
                print_row(results[-1], time.monotonic() - begin)
            except MeshError as error:
                failed = True
                print(f"bench: {name}: {error}", file=sys.stderr)
    except MeshError as error:
        failed = True
        print(f"bench: {error}", file=sys.stderr)
    finally:
        faults = bench.close()
        shutil.rmtree(folder, ignore_errors=True)
    arguments.out.mkdir(parents=True, exist_ok=True)
    done = {"rows": results, "machine": machine(), "command": command_of(arguments),
            "date": time.strftime("%Y-%m-%d"), "workers": arguments.workers}
    file = arguments.out / ("results.json" if arguments.workers == 1 else f"results-{arguments.workers}-workers.json")
    file.write_text(json.dumps(done, indent=1) + "\n")
    print(f"\nwritten: {file}")
    for fault in faults:
        print(f"bench: {fault}", file=sys.stderr)
    return 1 if faults or failed else 0


if __name__ == "__main__":
    sys.exit(main())
