#!/usr/bin/env python3
"""echo_app.py PORT NAME [LOG]: answers every request with JSON about it, as the Gateway API's echo backend does:
?delay=1s waits, X-Echo-Set-Header: NAME:VALUE[,…] sets fields of the answer. A line of LOG for each request."""

import http.server
import json
import sys
import time
import urllib.parse


class Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self):
        self.rfile.read(int(self.headers.get("content-length", "0")))
        if len(sys.argv) > 3:
            with open(sys.argv[3], "a") as log:
                log.write(f"{self.command} {self.path}\n")
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.path).query))
        time.sleep(float(query.get("delay", "0s").rstrip("s")))
        headers = {}
        for name, value in self.headers.items():
            headers[name.lower()] = f"{headers[name.lower()]},{value}" if name.lower() in headers else value
        body = json.dumps({"workload": sys.argv[2], "method": self.command, "path": self.path, "headers": headers}).encode()
        self.send_response(200)
        for one in filter(None, self.headers.get("x-echo-set-header", "").split(",")):
            name, value = one.split(":", 1)
            self.send_header(name.strip(), value.strip())
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = answer

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("0.0.0.0", int(sys.argv[1])), Echo).serve_forever()
