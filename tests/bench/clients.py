#!/usr/bin/env python3
"""The clients and the server of the bench that h2load is not. Run inside the mesh or outside, same code.

    clients.py rate ADDRESS PORT PATH RPS SECONDS CONNECTIONS   → {"p50": µs, "p99": µs, "late": n}
    clients.py push ADDRESS PORT MEGABYTES STREAMS              → {"mb_per_s": x}
    clients.py connects ADDRESS PORT COUNT                      → {"connections": n}
    clients.py hold ADDRESS PORT COUNT REQUEST MARK             opens COUNT connections, makes the file MARK,
                                                                keeps them until the file is gone
    clients.py sink PORT                                        a TCP server for push and connects

rate is an open loop: request i is due at start + i/RPS and its latency counts from then, sent or not."""

import json
import os
import select
import socket
import sys
import threading
import time

BLOCK = bytes(256 * 1024)


def connect(address, port):
    connection = socket.create_connection((address, int(port)))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


class Call:
    """One HTTP/1.1 keep-alive connection with at most one request in flight."""

    def __init__(self, address, port):
        self.socket = connect(address, port)
        self.due = None
        self.data = b""

    def send(self, request, due):
        self.due, self.data = due, b""
        self.socket.sendall(request)

    def done(self):
        """Reads what is there; true when the response is whole (Content-Length framing)."""
        self.data += self.socket.recv(256 * 1024)
        head, mark, body = self.data.partition(b"\r\n\r\n")
        if not mark:
            return False
        if not head.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"not 200: {head[:100]}")
        lower = head.lower()
        length = int(lower.split(b"content-length:", 1)[1].split(b"\r\n", 1)[0])
        return len(body) >= length


def rate(address, port, path, rps, seconds, connections):
    rps, total = float(rps), int(float(rps) * float(seconds))
    request = f"GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode()
    idle = [Call(address, port) for _ in range(int(connections))]
    busy, waiting, taken = {}, [], []
    start, sent = time.monotonic() + 0.01, 0
    while len(taken) < total:
        now = time.monotonic()
        while sent < total and start + sent / rps <= now:
            waiting.append(start + sent / rps)
            sent += 1
        while waiting and idle:
            call = idle.pop()
            call.send(request, waiting.pop(0))
            busy[call.socket] = call
        pause = max(0.0, start + sent / rps - time.monotonic()) if sent < total else 5.0
        for ready in select.select(list(busy), [], [], pause)[0]:
            if busy[ready].done():
                call = busy.pop(ready)
                taken.append(time.monotonic() - call.due)
                idle.append(call)
    taken.sort()
    return {"p50": taken[total // 2] * 1e6, "p99": taken[total * 99 // 100] * 1e6,
            "late": sum(t > 0.1 for t in taken)}


def push(address, port, megabytes, streams):
    """Sends MEGABYTES over STREAMS connections; the sink says when it has all."""
    blocks = int(megabytes) * 1024 * 1024 // len(BLOCK) // int(streams)

    def one():
        with connect(address, port) as stream:
            for _ in range(blocks):
                stream.sendall(BLOCK)
            stream.shutdown(socket.SHUT_WR)
            told = int(stream.makefile().readline())
            if told != blocks * len(BLOCK):
                raise SystemExit(f"the sink has {told} bytes")
    begin = time.monotonic()
    threads = [threading.Thread(target=one) for _ in range(int(streams))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"mb_per_s": blocks * len(BLOCK) * int(streams) / 1e6 / (time.monotonic() - begin)}


def connects(address, port, count):
    for _ in range(int(count)):
        with connect(address, port) as stream:
            stream.sendall(b"x")
            stream.shutdown(socket.SHUT_WR)
            if stream.makefile().readline() != "1\n":
                raise SystemExit("the sink did not answer")
    return {"connections": int(count)}


def hold(address, port, count, request, mark):
    """REQUEST: a path to GET once on each connection, or "-" for one byte to the sink."""
    held = []
    for _ in range(int(count)):
        if request == "-":
            held.append(connect(address, port))
            held[-1].sendall(b"x")
            continue
        call = Call(address, port)
        call.send(f"GET {request} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode(), 0)
        while not call.done():
            pass
        held.append(call)
    open(mark, "w").close()
    while os.path.exists(mark):
        time.sleep(0.05)
    return {"held": len(held)}


def sink(port):
    """Reads to the end of each connection and answers how many bytes that were."""
    def serve(stream):
        total, block = 0, bytearray(len(BLOCK))
        try:
            while size := stream.recv_into(block):
                total += size
            stream.sendall(f"{total}\n".encode())
        except OSError:
            pass
        stream.close()
    server = socket.create_server(("127.0.0.1", int(port)), backlog=4096)
    threading.stack_size(256 * 1024)
    while True:
        stream, _ = server.accept()
        threading.Thread(target=serve, args=(stream,), daemon=True).start()


if __name__ == "__main__":
    what = {"rate": rate, "push": push, "connects": connects, "hold": hold, "sink": sink}
    print(json.dumps(what[sys.argv[1]](*sys.argv[2:])))
