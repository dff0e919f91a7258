#!/usr/bin/env python3
"""Carts, kept in Redis. An ordinary program of the standard library; it speaks Redis over a plain socket.

    GET    /carts/ID         {"items": {SKU: quantity}}
    POST   /carts/ID/items   {"sku": "merino", "quantity": 1}
    DELETE /carts/ID
    GET    /healthz          200 while Redis answers"""

import http.server
import json
import os
import queue
import socket

PORT = int(os.environ.get("PORT", "8080"))
REDIS = (os.environ.get("REDIS_HOST", "redis"), int(os.environ.get("REDIS_PORT", "6379")))


class RedisConnection:
    """One connection and its reader: enough of RESP2 for strings, numbers and lists."""

    def __init__(self):
        self.socket = socket.create_connection(REDIS, timeout=5)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def call(self, *words):
        words = [str(word).encode() for word in words]
        self.socket.sendall(b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words))
        return self.read()

    def read(self):
        line = self.file.readline()
        if not line.endswith(b"\r\n"):
            raise ConnectionError("redis closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest.decode()
        if kind == b":":
            return int(rest)
        if kind == b"-":
            raise RuntimeError(rest.decode())
        if kind == b"$":
            return None if rest == b"-1" else self.file.read(int(rest) + 2)[:-2].decode()
        return [self.read() for _ in range(int(rest))]

    def close(self):
        self.file.close()
        self.socket.close()


class Redis:
    """A pool. A kept connection may have died while idle: then one fresh one is tried."""

    def __init__(self):
        self.idle = queue.SimpleQueue()

    def call(self, *words):
        try:
            connection, kept = self.idle.get_nowait(), True
        except queue.Empty:
            connection, kept = RedisConnection(), False
        try:
            answer = connection.call(*words)
        except OSError:
            connection.close()
            if not kept:
                raise
            connection = RedisConnection()
            answer = connection.call(*words)
        self.idle.put(connection)
        return answer


redis = Redis()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave in one write

    def do_GET(self):
        if self.path == "/healthz":
            return self.guarded(lambda: redis.call("PING") and {"ok": True})
        return self.guarded(lambda: self.items(self.cart_id()))

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", "0")))

        def add():
            item = json.loads(body)
            key = self.cart_id()
            redis.call("HINCRBY", f"cart:{key}", item["sku"], int(item.get("quantity", 1)))
            redis.call("EXPIRE", f"cart:{key}", 86400)
            return self.items(key)
        return self.guarded(add)

    def do_DELETE(self):
        return self.guarded(lambda: {"deleted": redis.call("DEL", f"cart:{self.cart_id()}")})

    def cart_id(self):
        parts = self.path.strip("/").split("/")
        if len(parts) < 2 or parts[0] != "carts" or not parts[1].isalnum():
            raise KeyError(self.path)
        return parts[1]

    @staticmethod
    def items(key):
        flat = redis.call("HGETALL", f"cart:{key}")
        return {"items": {sku: int(count) for sku, count in zip(flat[::2], flat[1::2])}}

    def guarded(self, work):
        try:
            status, body = 200, work()
        except KeyError as missing:
            status, body = 404, {"error": f"nothing at {missing}"}
        except (ValueError, TypeError) as wrong:
            status, body = 400, {"error": str(wrong)}
        except (OSError, RuntimeError) as away:
            status, body = 503, {"error": f"redis: {away}"}
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


if __name__ == "__main__":
    Server(("0.0.0.0", PORT), Handler).serve_forever()
