"""Every example does what its README says; the demo's checks all hold."""

import os
import subprocess
import sys

from harness import ROOT, Skip, as_users, have, holds, limit


def run_example(t, name):
    environment = {**os.environ, "WEFT_BIN": str(t.bin), "WEFT_EXAMPLE_DIR": str(t.folder / "state")}
    done = subprocess.run(["bash", str(ROOT / "examples" / name / "run.sh")], env=environment, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=85)
    holds(done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}")


def test_hello(t):
    run_example(t, "01-hello")


def test_split(t):
    run_example(t, "02-split")


def test_tcp(t):
    run_example(t, "03-tcp")


def test_tls(t):
    have("openssl")
    run_example(t, "04-tls")


def test_retries(t):
    run_example(t, "07-retries")


def test_breaker(t):
    run_example(t, "08-breaker")


def test_ingress(t):
    have("openssl", "curl")
    run_example(t, "13-ingress")


def test_outside(t):
    have("openssl", "curl")
    run_example(t, "15-outside")


def test_faults(t):
    run_example(t, "09-faults")


def test_locality(t):
    run_example(t, "10-locality")


def test_sticky_sessions(t):
    run_example(t, "11-sticky-sessions")


def test_rate_limits(t):
    run_example(t, "12-rate-limits")


def test_canary(t):
    run_example(t, "05-canary")


def test_mirroring(t):
    run_example(t, "06-mirroring")


def test_grpc_routing(t):
    if subprocess.run(["/usr/bin/python3", "-c", "import grpc"], capture_output=True).returncode != 0:
        raise Skip("python3-grpcio is not installed")
    run_example(t, "14-grpc-routing")


@as_users("root", "user")
@limit(300)
def test_the_shop(t):
    have("node", "redis-server")
    if not (ROOT / "examples/shop/node_modules").exists():
        raise Skip("examples/shop has no node_modules (tools/setup.sh demo)")
    shop, prefix = ROOT / "examples/shop", []
    if t.unprivileged and os.getuid() == 0:
        # The checkout may be unreadable for another user: a copy of what the demo needs.
        for folder in ("examples", "tools", "bin"):
            (t.folder / folder).mkdir()
        subprocess.run(["cp", "-r", str(shop), str(t.folder / "examples/shop")], check=True)
        subprocess.run(["cp", str(ROOT / "tools/weftlib.py"), str(t.folder / "tools")], check=True)
        subprocess.run(["cp", str(t.bin / "weft"), str(t.bin / "weft-proxy"), str(t.folder / "bin")], check=True)
        subprocess.run(["chmod", "-R", "a+rX", str(t.folder)], check=True)
        shop = t.folder / "examples/shop"
        prefix = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]
    python = "/usr/bin/python3" if os.access("/usr/bin/python3", os.X_OK) else sys.executable
    bin_dir = t.folder / "bin" if prefix else t.bin
    done = subprocess.run([*prefix, python, str(shop / "demo.py"), "--bin", str(bin_dir), "--no-stay"],
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=290,
                          env={**os.environ, "HOME": "/nonexistent"})
    holds(done.returncode == 0, f"status {done.returncode}\n{done.stdout}\n{done.stderr}")
