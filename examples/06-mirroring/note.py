#!/usr/bin/env python3
"""Appends what it is asked to a file and answers with its name, after SECONDS."""

import http.server
import sys
import time

NAME, FILE, SECONDS = sys.argv[1], sys.argv[2], float(sys.argv[3])


class Note(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"])).decode()
        with open(FILE, "a", encoding="utf-8") as notes:
            notes.write(f"{self.command} {self.path} {body}\n")
        time.sleep(SECONDS)
        text = f"{NAME}\n".encode()
        self.send_response(200)
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    http.server.ThreadingHTTPServer(("0.0.0.0", 8080), Note).serve_forever()
