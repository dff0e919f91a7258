#!/usr/bin/env python3
"""Runs every fuzz target of a build for its share of a time budget, starting from the committed corpus.
New inputs are kept in BUILD/fuzz/NAME; a crash is copied there too and fails the run.

    tools/run_fuzz.py BUILD [--seconds TOTAL] [--jobs N]"""

import argparse
import concurrent.futures
import os
import pathlib
import re
import subprocess
import sys


def run(build, name, corpus, seconds):
    found = build / "fuzz" / name
    found.mkdir(parents=True, exist_ok=True)
    crashes = found / "crash-"
    command = [str(build / "tests/fuzz" / name), f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
               "-max_len=16384", "-print_final_stats=1", f"-artifact_prefix={crashes}", str(found), corpus]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return name, done.returncode, done.stdout.decode(errors="replace")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=60, help="in total, over all targets")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    build = arguments.build.resolve()
    targets = [line.split(" ", 1) for line in (build / "tests/fuzz/fuzzers.txt").read_text().splitlines()]
    if not targets:
        sys.exit("run_fuzz: there is no fuzz target")
    share = max(3, arguments.seconds * arguments.jobs // len(targets))
    failed = 0
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for name, status, output in pool.map(lambda t: run(build, t[0], t[1], share), targets):
            runs = re.search(r"stat::number_of_executed_units:\s*(\d+)", output)
            print(f"fuzz {name:24} {runs.group(1) if runs else '?':>10} inputs in {share} s: "
                  f"{'ok' if status == 0 else 'FAILED'}", flush=True)
            if status != 0:
                failed += 1
                print("\n".join("    " + line for line in output.splitlines()[-60:]))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
