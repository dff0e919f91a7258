#!/usr/bin/env python3
"""Runs the tests of a build folder and adds them up.

    tools/run_tests.py BUILD [--only NAME...] [--e2e] [--jobs N]

Asks ctest which programs there are, runs each GoogleTest program once (a process per case would cost
minutes), shows what failed and every `suite NAME: P of T, X counted out` line, then the end-to-end tests,
and ends with the line `N passed, N failed`. Exit status 0 only if something ran and nothing failed.
"""

import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM_TIMEOUT_S = 900
SUITE_LINE = re.compile(r"suite \S+: \d+ of \d+, \d+ counted out( \(.*\))?")


def discover(build):
    """[(name, command, cwd, environment, is_gtest)], one row per program."""
    listing = subprocess.run(["ctest", "--show-only=json-v1"], cwd=build, capture_output=True, text=True)
    if listing.returncode != 0:
        sys.exit(f"run_tests: ctest cannot list the tests of {build}:\n{listing.stdout}{listing.stderr}")
    programs = {}
    for test in json.loads(listing.stdout)["tests"]:
        command = test.get("command")
        if not command:  # a program that was not built for this preset
            continue
        properties = {p["name"]: p["value"] for p in test.get("properties", [])}
        cwd = properties.get("WORKING_DIRECTORY", str(build))
        environment = dict(e.split("=", 1) for e in properties.get("ENVIRONMENT", []))
        is_gtest = any(a.startswith("--gtest_filter=") for a in command)
        key = command[0] if is_gtest else tuple(command)
        name = os.path.basename(command[0]) if is_gtest else test["name"]
        programs[key] = (name, command[:1] if is_gtest else command, cwd, environment, is_gtest)
    return sorted(programs.values())


def run_program(build, program):
    name, command, cwd, environment, is_gtest = program
    report = build / "test-reports" / f"{name}.json"
    report.parent.mkdir(exist_ok=True)
    report.unlink(missing_ok=True)
    if is_gtest:
        command = command + [f"--gtest_output=json:{report}", "--gtest_brief=1"]
    begin = time.monotonic()
    try:
        done = subprocess.run(command, cwd=cwd, env={**os.environ, **environment}, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PROGRAM_TIMEOUT_S)
        output, status = done.stdout.decode(errors="replace"), done.returncode
    except subprocess.TimeoutExpired as late:
        output = (late.stdout or b"").decode(errors="replace") + f"\nended after {PROGRAM_TIMEOUT_S} s\n"
        status = -1
    seconds = time.monotonic() - begin
    (report.parent / f"{name}.log").write_text(output)
    if not is_gtest:
        return name, int(status == 0), int(status != 0), 0, seconds, output, status
    if not report.exists():
        return name, 0, 1, 0, seconds, output, status
    data = json.loads(report.read_text())
    skipped = sum(case.get("result") == "SKIPPED" for suite in data["testsuites"] for case in suite["testsuite"])
    failed = data["failures"] + data.get("errors", 0)
    passed = data["tests"] - failed - skipped
    if status != 0 and failed == 0:  # e.g. a sanitizer's report at exit
        failed = 1
    return name, passed, failed, skipped, seconds, output, status


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--only", nargs="*", help="only these programs")
    parser.add_argument("--e2e", action="store_true", help="the end-to-end tests too")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    build = arguments.build.resolve()

    programs = discover(build)
    if arguments.only is not None:
        programs = [p for p in programs if p[0] in arguments.only]
    passed = failed = skipped = 0
    suites = []
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for row in pool.map(lambda p: run_program(build, p), programs):
            name, ok, bad, left_out, seconds, output, status = row
            passed, failed, skipped = passed + ok, failed + bad, skipped + left_out
            note = f", {left_out} skipped" if left_out else ""
            print(f"{name:24} {ok:5} passed, {bad} failed{note}  ({seconds:.1f} s)", flush=True)
            if bad:
                lines = [line for line in output.splitlines() if not line.startswith("[       OK")]
                print("\n".join("    " + line for line in lines[-150:]))
                print(f"    exit status {status}; whole output in {build}/test-reports/{name}.log", flush=True)
            suites += [line for line in output.splitlines() if SUITE_LINE.fullmatch(line.strip())]
    for line in suites:
        print(line.strip())

    if arguments.e2e:
        report = build / "test-reports" / "e2e.json"
        report.parent.mkdir(exist_ok=True)
        report.unlink(missing_ok=True)
        subprocess.run([sys.executable, str(ROOT / "tests/e2e/run.py"), "--bin", str(build / "src/app"),
                        "--report", str(report)], stdin=subprocess.DEVNULL)
        try:
            data = json.loads(report.read_text())
            passed, failed, skipped = passed + data["passed"], failed + data["failed"], skipped + data["skipped"]
        except (OSError, ValueError, KeyError):
            print("run_tests: the end-to-end tests wrote no report")
            failed += 1

    if skipped:
        print(f"{skipped} skipped (each says why above)")
    print(f"{passed} passed, {failed} failed", flush=True)
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
