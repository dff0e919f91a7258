#!/usr/bin/env python3
"""The demo's visitors: an ordinary HTTP client that keeps N connections busy and counts what came back.

    shopper.py URL [--clients N] [--requests N | --seconds S] [--rate R] [--journey]

Prints one JSON object at the end (or at SIGTERM, or when its input closes):
    requests, failed, statuses {code: n}, versions {catalog version: n}, seconds, latency_ms {p50, p99, max},
    failures [[began, ended, what], …] with times of the machine's monotonic clock.
A first line `started` is printed once the first answer is there. With --journey each client visits the
page, adds a product to its cart and looks again, instead of asking URL over and over."""

import argparse
import http.client
import json
import random
import signal
import sys
import threading
import time
import urllib.parse

SKUS = ["merino", "linen", "indigo", "silk", "shuttle", "felt"]


class Tally:
    def __init__(self, limit):
        self.lock = threading.Lock()
        self.left = limit
        self.latencies, self.failures = [], []
        self.statuses, self.versions = {}, {}
        self.first = threading.Event()

    def take(self):
        with self.lock:
            if self.left is None:
                return True
            self.left -= 1
            return self.left >= 0

    def add(self, began, ended, status, body, problem):
        version = ""
        if status == 200 and b"version" in body[:2000]:
            try:
                data = json.loads(body)
                version = data.get("version") or data.get("catalog_version") or ""
            except ValueError:
                pass
        with self.lock:
            self.latencies.append(ended - began)
            key = str(status) if status else "none"
            self.statuses[key] = self.statuses.get(key, 0) + 1
            if version:
                self.versions[version] = self.versions.get(version, 0) + 1
            if problem:
                self.failures.append([began, ended, problem])
        self.first.set()


class Client(threading.Thread):
    def __init__(self, url, tally, stop, pause, journey):
        super().__init__(daemon=True)
        self.url, self.tally, self.stop, self.pause, self.journey = url, tally, stop, pause, journey
        self.connection = None
        self.session = f"{random.getrandbits(60):x}"

    def ask(self, method, path, form=None):
        began = time.monotonic()
        status, body, problem = 0, b"", ""
        try:
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.url.hostname, self.url.port or 80, timeout=15)
            headers = {"cookie": f"session={self.session}"}
            if form is not None:
                headers["content-type"] = "application/x-www-form-urlencoded"
            self.connection.request(method, path, body=form, headers=headers)
            response = self.connection.getresponse()
            body, status = response.read(), response.status
            if status >= 400:
                problem = f"{status}: {body[:200].decode(errors='replace').strip()}"
        except (OSError, http.client.HTTPException) as error:
            problem = f"{type(error).__name__}: {error}"
            self.connection.close()
            self.connection = None
        self.tally.add(began, time.monotonic(), status, body, problem)

    def run(self):
        path = self.url.path or "/"
        while not self.stop.is_set() and self.tally.take():
            if self.journey:
                self.ask("GET", "/api/page")
                self.ask("POST", "/cart", f"sku={random.choice(SKUS)}")
                self.ask("GET", "/api/page")
            else:
                self.ask("GET", path)
            if self.pause:
                self.stop.wait(self.pause)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("url")
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--requests", type=int, help="of all clients together (with --journey: journeys)")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--rate", type=float, help="at most this many per second, of all clients together")
    parser.add_argument("--journey", action="store_true")
    arguments = parser.parse_args()

    stop = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    tally = Tally(arguments.requests)
    pause = arguments.clients / arguments.rate if arguments.rate else 0
    clients = [Client(urllib.parse.urlsplit(arguments.url), tally, stop, pause, arguments.journey)
               for _ in range(arguments.clients)]
    begin = time.monotonic()
    for client in clients:
        client.start()
    if tally.first.wait(60):
        print("started", flush=True)
    deadline = begin + arguments.seconds if arguments.seconds else None
    while any(client.is_alive() for client in clients) and not stop.is_set():
        if deadline and time.monotonic() >= deadline:
            stop.set()
        stop.wait(0.05)
    for client in clients:
        client.join(20)
    seconds = time.monotonic() - begin
    latencies = sorted(tally.latencies) or [0]
    print(json.dumps({
        "requests": len(tally.latencies), "failed": len(tally.failures), "statuses": tally.statuses,
        "versions": tally.versions, "seconds": round(seconds, 3),
        "latency_ms": {"p50": round(1000 * latencies[len(latencies) // 2], 2),
                       "p99": round(1000 * latencies[len(latencies) * 99 // 100], 2),
                       "max": round(1000 * latencies[-1], 2)},
        "failures": tally.failures[:1000]}), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
