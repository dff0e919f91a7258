#!/usr/bin/env python3
"""Does the sidecar stay up? Real programs behind a real pair, in numbers and for minutes, with the memory of both
sidecars watched. Prints a table; exit status 0 if every check held. `make soak` is the whole; README.md says more.

    soak.py --bin DIR [--scale 0.1] [--only NAME,...] [--out FILE] [--folder DIR]

--scale shrinks counts and durations; a number in the table is always what was really done."""

import argparse
import json
import pathlib
import sys
import time

import checks
from stage import MeshError, Soak, raise_descriptor_limit


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--only", default="", help="comma separated: " + ", ".join(checks.ALL))
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--folder", type=pathlib.Path, help="keeps the mesh's files and logs there")
    arguments = parser.parse_args()
    raise_descriptor_limit()
    names = [name for name in arguments.only.split(",") if name] or list(checks.ALL)
    soak = Soak(arguments.bin, arguments.scale, arguments.folder)
    begin = time.monotonic()
    try:
        for name in names:
            started = time.monotonic()
            try:
                checks.ALL[name](soak)
            except MeshError as error:
                soak.check(name, False, str(error)[:600])
            print(f"       ({name}: {time.monotonic() - started:.0f} s)", flush=True)
    finally:
        faults = soak.mesh.close()
    soak.check("nothing is left behind", not faults, "; ".join(faults)[:300])
    if arguments.out:
        arguments.out.parent.mkdir(parents=True, exist_ok=True)
        arguments.out.write_text(json.dumps({"seconds": round(time.monotonic() - begin), "scale": arguments.scale,
                                             "rows": soak.rows}, indent=1) + "\n")
    return soak.report()


if __name__ == "__main__":
    sys.exit(main())
