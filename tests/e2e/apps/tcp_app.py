#!/usr/bin/env python3
"""tcp_app.py PORT MODE BIND: banner = speaks first ("hello\\n"), then echoes; echo = echoes; sum = reads to
the client's half close, then answers with the number of bytes; reset = resets after the first byte."""

import socket
import struct
import sys
import threading


def serve(connection, mode):
    with connection:
        if mode == "banner":
            connection.sendall(b"hello\n")
        if mode == "reset":
            connection.recv(1)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            return
        count = 0
        while part := connection.recv(65536):
            count += len(part)
            if mode != "sum":
                connection.sendall(part)
        if mode == "sum":
            connection.sendall(f"{count}\n".encode())


if __name__ == "__main__":
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((sys.argv[3], int(sys.argv[1])))
    listener.listen(128)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=serve, args=(connection, sys.argv[2]), daemon=True).start()
