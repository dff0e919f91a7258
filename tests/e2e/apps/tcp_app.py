#!/usr/bin/env python3
"""tcp_app.py PORT MODE BIND: banner = speaks first ("hello\\n"), then echoes; echo = echoes; sum = reads to
the client's half close, then answers with the number of bytes; reset = resets after the first byte; last = resets
after 300 000 bytes of its own and an answer; first = says "bye\\n" and closes its half at once, then reads on. Each connection's end
is printed: "closed BYTES" or "reset BYTES"."""

import socket
import struct
import sys
import threading


def serve(connection, mode):
    with connection:
        if mode == "banner":
            connection.sendall(b"hello\n")
        if mode == "first":
            connection.sendall(b"bye\n")
            connection.shutdown(socket.SHUT_WR)
        if mode in ("reset", "last"):
            connection.recv(1)
            if mode == "last":
                connection.sendall(b"x" * 300_000)
                connection.recv(1)  # a reset may overtake what is still on the way
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        count = 0
        end = "closed"
        try:
            while part := connection.recv(65536):
                count += len(part)
                if mode in ("echo", "banner"):
                    connection.sendall(part)
            if mode == "sum":
                connection.sendall(f"{count}\n".encode())
        except ConnectionResetError:
            end = "reset"
        print(end, count, flush=True)


if __name__ == "__main__":
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((sys.argv[3], int(sys.argv[1])))
    listener.listen(128)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, sys.argv[2]), daemon=True).start()
