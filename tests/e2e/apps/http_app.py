#!/usr/bin/env python3
"""http_app.py PORT BIND NAME: answers every request with JSON about it: who answered, from where it came,
the request line and the field lines exactly as they arrived. ?ms=N waits, ?status=N answers so, ?size=N
answers with N bytes. With BIND "a,b" it listens on both."""

import json
import socket
import sys
import threading
import time
import urllib.parse


def read_head(file):
    lines = []
    while (line := file.readline()) not in (b"\r\n", b"\n", b""):
        lines.append(line.decode("latin-1").rstrip("\r\n"))
    return lines


def read_body(file, fields):
    names = {line.split(":", 1)[0].lower(): line.split(":", 1)[1].strip() for line in fields}
    if "chunked" in names.get("transfer-encoding", "").lower():
        body = b""
        while size := int(file.readline().split(b";")[0], 16):
            body += file.read(size)
            file.readline()
        while file.readline() not in (b"\r\n", b""):
            pass
        return body
    return file.read(int(names.get("content-length", "0")))


def serve(connection, peer, name):
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    file = connection.makefile("rb")
    try:
        while head := read_head(file):
            body = read_body(file, head[1:])
            query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(head[0].split(" ")[1]).query))
            time.sleep(int(query.get("ms", "0")) / 1000)
            answer = json.dumps({"name": name, "peer": peer[0], "local": connection.getsockname()[0], "line": head[0],
                                 "fields": head[1:], "body": body.decode("latin-1")}).encode()
            if "size" in query:
                answer = b"x" * int(query["size"])
            status = query.get("status", "200")
            connection.sendall(f"HTTP/1.1 {status} Fine By Me\r\nX-ODD-case: Kept\r\nContent-Type: application/json\r\n"
                               f"Content-Length: {len(answer)}\r\n\r\n".encode() +
                               (b"" if head[0].startswith("HEAD ") else answer))
    except (OSError, ValueError, IndexError):
        pass
    finally:
        connection.close()


def listen(address, port, name):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    listener.bind((address, port))
    listener.listen(256)
    while True:
        connection, peer = listener.accept()
        threading.Thread(target=serve, args=(connection, peer, name), daemon=True).start()


if __name__ == "__main__":
    threads = [threading.Thread(target=listen, args=(address, int(sys.argv[1]), sys.argv[3]))
               for address in sys.argv[2].split(",")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
