#!/usr/bin/env python3
"""The end-to-end tests: real binaries, real processes, real namespaces.

    tests/e2e/run.py --bin FOLDER [--report FILE] [--jobs N] [NAME…]

Runs every function test_… of the files test_*.py, each in a process and a folder of its own. Prints a line
for each; of a failed one also the error and the ends of its logs, all of which stay in build/e2e/NAME."""

import argparse
import concurrent.futures
import importlib
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
import harness  # noqa: E402


def discover():
    """{name: (function, unprivileged)}; a test marked for two users is two tests."""
    tests = {}
    for file in sorted(HERE.glob("test_*.py")):
        module = importlib.import_module(file.stem)
        for name, function in vars(module).items():
            if name.startswith("test_") and callable(function):
                users = getattr(function, "users", None)
                if users is None or os.getuid() != 0:
                    tests[f"{file.stem[5:]}.{name[5:]}"] = (function, os.getuid() != 0)
                else:
                    for user in users:
                        tests[f"{file.stem[5:]}.{name[5:]}[{user}]"] = (function, user != "root")
    return tests


def run_here(name, function, unprivileged, bin_dir, folder):
    """Runs one test in this process; prints why it failed. Exit status 0 passed, 1 failed, 77 skipped."""
    def too_long(*_):
        raise TimeoutError(f"took longer than {seconds} s")
    seconds = getattr(function, "limit", harness.DEFAULT_LIMIT_S)
    if os.getuid() != 0 and hasattr(function, "root_reason"):
        print(f"needs root: {function.root_reason}")
        return 77
    t = harness.Test(bin_dir, folder, unprivileged)
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(seconds)
    status = 0
    try:
        function(t)
    except harness.Skip as reason:
        print(reason)
        status = 77
    except BaseException:
        traceback.print_exc(file=sys.stdout)
        status = 1
    signal.alarm(0)
    faults = t.close()
    if faults and status == 0:
        print("after the test:\n" + "\n".join(faults))
        status = 1
    return status


def run_apart(name, bin_dir, keep):
    # /tmp, not the checkout: an unprivileged user must reach it, and socket paths are short.
    folder = pathlib.Path(tempfile.mkdtemp(prefix="weft-e2e-"))
    os.chmod(folder, 0o755)
    begin = time.monotonic()
    done = subprocess.run([sys.executable, str(HERE / "run.py"), "--bin", str(bin_dir), "--one", name, "--folder",
                           str(folder)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    seconds = time.monotonic() - begin
    output = done.stdout.decode(errors="replace")
    logs = ""
    if done.returncode not in (0, 77):
        for log in sorted(folder.glob("mesh*/logs/*")):
            if text := log.read_text(errors="replace").strip():
                logs += f"--- {log.name}\n" + "\n".join(text.splitlines()[-12:]) + "\n"
        target = keep / name
        shutil.rmtree(target, ignore_errors=True)
        subprocess.run(["cp", "-a", str(folder), str(target)], stderr=subprocess.DEVNULL)
    counts = json.loads((folder / "counts.json").read_text()) if (folder / "counts.json").exists() else None
    shutil.rmtree(folder, ignore_errors=True)
    return name, done.returncode, seconds, output, logs, counts


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--report", type=pathlib.Path)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=pathlib.Path, help=argparse.SUPPRESS)
    parser.add_argument("names", nargs="*", help="only tests whose name contains one of these")
    arguments = parser.parse_args()
    tests = discover()
    if arguments.one:
        return run_here(arguments.one, *tests[arguments.one], arguments.bin.resolve(), arguments.folder)
    names = [n for n in tests if not arguments.names or any(part in n for part in arguments.names)]
    if arguments.list:
        print("\n".join(names))
        return 0

    keep = harness.ROOT / "build" / "e2e"
    keep.mkdir(parents=True, exist_ok=True)
    counts = {0: 0, 77: 0}
    failed, figures = 0, {}
    with concurrent.futures.ThreadPoolExecutor(arguments.jobs) as pool:
        for name, status, seconds, output, logs, counted in pool.map(
                lambda n: run_apart(n, arguments.bin.resolve(), keep), names):
            word = {0: "ok", 77: "skipped"}.get(status, "FAILED")
            if counted:
                figures.setdefault(counted[0], []).append(counted[1])
            note = f": {output.strip()}" if status == 77 else ""
            print(f"e2e {name:58} {word:7} ({seconds:.1f} s){note}", flush=True)
            if status in counts:
                counts[status] += 1
            else:
                failed += 1
                print("    " + "\n    ".join((output + logs).splitlines()[-90:]), flush=True)
    for title, lines in figures.items():
        print(f"{title}: {', '.join(lines)}")
    print(f"end-to-end: {counts[0]} passed, {failed} failed, {counts[77]} skipped")
    if arguments.report:
        arguments.report.write_text(json.dumps({"passed": counts[0], "failed": failed, "skipped": counts[77]}))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
