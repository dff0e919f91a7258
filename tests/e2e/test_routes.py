"""Thousands of routes on one service, through a real control plane and a real sidecar."""

import subprocess
import sys
import time

from harness import ROOT, equal, holds, limit, wait_until

sys.path.insert(0, str(ROOT / "tests" / "soak"))
import routes  # noqa: E402
from stage import PYTHON, rss_kib  # noqa: E402

COUNT = 5000
ASK = """
import http.client, sys
for path in sys.stdin:
    connection = http.client.HTTPConnection("even", 80, timeout=20)
    connection.request("GET", path.strip())
    answer = connection.getresponse()
    answer.read()
    print(answer.status, answer.getheader("x-item"), flush=True)
"""


@limit(180)
def test_five_thousand_routes_on_one_service(t):
    mesh = t.mesh()
    api = routes.stage(mesh)
    caller = mesh.run("caller", [PYTHON, "-c", ASK], ["caller"], stdin=subprocess.PIPE)
    answers = 0

    def ask(path):
        nonlocal answers
        caller.process.stdin.write(path.encode() + b"\n")
        caller.process.stdin.flush()
        answers += 1
        return wait_until(path, lambda: (caller.output().splitlines() + [None] * answers)[answers - 1], 20, 0.01)

    def becomes(number, answer):
        wait_until(f"{number}: {answer}", lambda: ask(f"/item/{number}") == answer, 20)
    equal(ask("/hot"), "200 None", "the route that is there before")
    before = rss_kib(caller.proxy_pid())
    begin = time.monotonic()
    api.apply(*(routes.item(number) for number in range(COUNT)))
    took = time.monotonic() - begin
    for number in (COUNT - 1, COUNT // 2, 0):
        becomes(number, f"200 {number}.0")
    equal(ask(f"/item/{COUNT}"), "404 None", "beyond the last")
    grown = rss_kib(caller.proxy_pid()) - before
    edits = []
    for number in (0, COUNT // 2, COUNT - 1):
        begin = time.monotonic()
        mesh.apply(routes.item(number, 1))
        edits.append(time.monotonic() - begin)
        becomes(number, f"200 {number}.1")
    print(f"applied in {took:.1f} s, {grown} KiB more, an edit in {max(edits):.2f} s")
    holds(grown <= 40 * 1024, f"{grown} KiB for {COUNT} routes")
    holds(max(edits) < 2, f"one edit took {max(edits):.1f} s")
