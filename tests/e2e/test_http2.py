"""HTTP/2 clients of other makes at a sidecar's doors: nghttp2's and curl's."""

import json
import os
import re
import subprocess

from harness import equal, have, holds, limit
from weftlib import free_port


def output(*command, timeout=60):
    done = subprocess.run(command, capture_output=True, timeout=timeout)
    holds(done.returncode == 0, f"{' '.join(command)}: status {done.returncode}\n{done.stderr.decode()[-1000:]}")
    return done.stdout


@limit(180)
def test_other_clients_speak_http2_to_a_sidecar(t):
    have("h2load", "nghttp", "curl")
    mesh = t.mesh()
    published = free_port()
    t.http_app(mesh, "web:80:8080/http", options=["--publish", f"{published}:8080"])
    url = f"http://127.0.0.1:{published}"

    equal(output("curl", "-sS", "--http2-prior-knowledge", "-o", "/dev/null", "-w", "%{http_version} %{http_code}",
                 f"{url}/").decode(), "2 200")
    body = t.folder / "body"
    body.write_bytes(os.urandom(1_000_000))
    answer = output("curl", "-sS", "--http2-prior-knowledge", "--data-binary", f"@{body}", f"{url}/")
    holds(json.loads(answer)["body"].encode("latin-1") == body.read_bytes(), "the body that arrived is another")

    def load(*options, count):
        out = output("h2load", "-n", str(count), *options).decode()
        equal(re.search(r"(\d+) succeeded, (\d+) failed, (\d+) errored", out).groups(), (str(count), "0", "0"), "h2load")

    load("-c", "4", "-m", "100", f"{url}/", count=5000)
    # Many at a time, larger than any window, both ways.
    load("-c", "2", "-m", "20", f"{url}/?size=300000", count=200)
    load("-c", "2", "-m", "20", "-d", str(body), f"{url}/?size=10", count=20)
    # Priorities, padding and trailers, which few clients send.
    answer = output("nghttp", "-v", "--trailer", "x-end: 1", "-d", str(body), "-b", "100", "-p", "7", f"{url}/?size=10")
    holds(b":status: 200" in answer, answer[-2000:])
