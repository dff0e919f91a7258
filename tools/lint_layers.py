#!/usr/bin/env python3
"""Fails on an #include that goes up or sideways in the house. tools/layers.txt lists the rows, lowest
first; a module may include itself and rows below its own. Tests may also include the simulated world
(sim/), which itself may use what it imitates: io and what lies below. Nobody includes app/."""

import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"')


def read_rows():
    rows = {}
    lines = (ROOT / "tools/layers.txt").read_text().splitlines()
    for number, line in enumerate(line for line in lines if line.strip() and not line.startswith("#")):
        for module in line.split():
            rows[module] = number
    return rows


def check(path, module, rows, is_test):
    faults = []
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        found = INCLUDE.match(line)
        if not found:
            continue
        target = found.group(1)
        where = f"{path.relative_to(ROOT)}:{number}"
        first = target.split("/")[0]
        if first == "sim":
            if not is_test and module != "sim":
                faults.append(f"{where}: the product never includes the simulated world ({target})")
        elif first in rows:
            if first == "app" and module != "app":
                faults.append(f"{where}: nothing includes app/ ({target})")
            elif module in rows and first != module and rows[first] >= rows[module]:
                side = "its own row" if rows[first] == rows[module] else "a row above"
                faults.append(f"{where}: {module} includes {target} of {side}; see tools/layers.txt")
        elif "/" in target and (ROOT / "src" / first).is_dir():
            faults.append(f"{where}: module {first} is missing in tools/layers.txt")
        elif "/" not in target and not target.endswith(".pb.h") and (path.parent / target).exists():
            faults.append(f"{where}: write the path from src/ ({module}/{target})")
    return faults


def main():
    rows = read_rows()
    faults = []
    files = 0
    for path in sorted((ROOT / "src").rglob("*")):
        if path.suffix in (".cc", ".h") and path.is_file():
            files += 1
            module = path.relative_to(ROOT / "src").parts[0]
            if module not in rows:
                faults.append(f"{path.relative_to(ROOT)}: module {module} is missing in tools/layers.txt")
                continue
            faults += check(path, module, rows, path.stem.endswith(("_test", "_test_util", "_fuzz")))
    for path in sorted((ROOT / "tests/sim").glob("*.[ch]*")):
        files += 1
        faults += check(path, "sim", rows, path.stem.endswith("_test"))
    for fault in faults:
        print(fault)
    print(f"layers: {files} files, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
