#!/usr/bin/env python3
"""A service that answers every third request with 503."""

import http.server
import itertools

numbers = itertools.count(1)


class Stock(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def answer(self):
        self.rfile.read(int(self.headers.get("content-length", 0)))
        well = next(numbers) % 3 != 0
        text = b"7 pears\n" if well else b"try again\n"
        self.send_response(200 if well else 503)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = answer

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Stock).serve_forever()
