#!/usr/bin/env python3
"""Catalog, version 1: the products of the shop as JSON. An ordinary program of the standard library.

    GET /products        all of them
    GET /products/SKU    one
    GET /healthz         200 once it serves

LATENCY_MS makes every answer take that long, as a database behind it would."""

import http.server
import json
import os
import time

PORT = int(os.environ.get("PORT", "8080"))
LATENCY_S = int(os.environ.get("LATENCY_MS", "0")) / 1000
PRODUCTS = [
    {"sku": "merino", "name": "Merino yarn", "cents": 890, "colour": "#c8553d"},
    {"sku": "linen", "name": "Linen ribbon", "cents": 420, "colour": "#d9c5a0"},
    {"sku": "indigo", "name": "Indigo cotton", "cents": 650, "colour": "#33508f"},
    {"sku": "silk", "name": "Silk thread", "cents": 1290, "colour": "#8e5a9e"},
    {"sku": "shuttle", "name": "Loom shuttle", "cents": 2350, "colour": "#8a5a34"},
    {"sku": "felt", "name": "Wool felt", "cents": 540, "colour": "#4f7d5c"},
]


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body leave in one write

    def do_GET(self):
        if self.path == "/healthz":
            return self.answer(200, {"ok": True})
        time.sleep(LATENCY_S)
        if self.path == "/products":
            return self.answer(200, {"version": "v1", "products": PRODUCTS})
        sku = self.path.removeprefix("/products/")
        for product in PRODUCTS:
            if product["sku"] == sku:
                return self.answer(200, {"version": "v1", **product})
        return self.answer(404, {"error": f"no product {sku}"})

    def answer(self, status, body):
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
