#!/usr/bin/env python3
"""Compiles each header alone, so that including it is enough to use it, and that it starts with
#pragma once. Results are kept in build/headers.ok: only headers that changed, or that include a changed
one, are compiled again.

    tools/lint_headers.py BUILD      (BUILD: a configured folder, for the generated headers)"""

import concurrent.futures
import json
import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^\s*#\s*include\s+"([^"]+)"', re.M)
# Third-party headers that stay in .cc files: each costs every includer hundreds of milliseconds.
HEAVY = re.compile(r"^\s*#\s*include\s+[<\"](fmt/|openssl/|nghttp2/|google/protobuf|yaml-cpp/|nlohmann/|sqlite3|re2/"
                   r"|regex>|iostream>|.*\.pb\.h)", re.M)
HEAVY_ALLOWED = ("src/xds/", "src/app/", "tests/",
                 "src/trust/openssl.h",             # wraps OpenSSL for trust/*.cc
                 "src/wire/hpack_test_support.h")   # another implementation to compare with, for tests


def newest(path, seen):
    """Latest mtime of a header and of our headers that it includes."""
    if path in seen:
        return 0
    seen.add(path)
    time = path.stat().st_mtime
    for target in INCLUDE.findall(path.read_text(errors="replace")):
        for base in (ROOT / "src", ROOT / "tests"):
            if (base / target).exists():
                time = max(time, newest(base / target, seen))
    return time


def compile_alone(header, flags):
    command = ["clang++-19", *flags, "-fsyntax-only", "-x", "c++", "-Wno-pragma-once-outside-header",
               "-Wno-unused-const-variable", str(header)]
    done = subprocess.run(command, capture_output=True, text=True)
    return header, done.returncode == 0, done.stderr


def main():
    build = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/dev").resolve()
    flags = ["-std=c++23", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-Wno-missing-field-initializers",
             f"-I{ROOT}/src", f"-I{ROOT}/tests", f"-isystem{build}/proto"]
    headers = sorted([*(ROOT / "src").rglob("*.h"), *(ROOT / "tests").rglob("*.h")])
    cache_file = ROOT / "build/headers.ok"
    cache = json.loads(cache_file.read_text()) if cache_file.exists() else {}
    faults = []
    due = []
    times = {}
    for header in headers:
        name = str(header.relative_to(ROOT))
        text = header.read_text(errors="replace")
        if "#pragma once" not in text:
            faults.append(f"{name}: no #pragma once")
        if not name.startswith(HEAVY_ALLOWED):
            for found in HEAVY.finditer(text):
                line = text.count("\n", 0, found.start(1)) + 1
                faults.append(f"{name}:{line}: {found.group(1)}… belongs into a .cc file")
        times[name] = newest(header, set())
        if cache.get(name) != times[name]:
            due.append(header)
    with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
        for header, ok, message in pool.map(lambda h: compile_alone(h, flags), due):
            name = str(header.relative_to(ROOT))
            if ok:
                cache[name] = times[name]
            else:
                cache.pop(name, None)
                faults.append(f"{name} does not compile alone:\n{message.strip()}")
    cache_file.parent.mkdir(exist_ok=True)
    cache_file.write_text(json.dumps(cache))
    for fault in faults:
        print(fault)
    print(f"headers: {len(headers)} headers, {len(due)} compiled, {len(faults)} faults")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
