#!/usr/bin/env python3
"""peer.py HTTP-PORT ECHO-PORT: the app behind the far sidecar. HTTP/1.1 with keep-alive: GET /SIZE answers SIZE bytes,
written no faster than they are taken; bodies of known length are read and dropped. The other port echoes."""

import asyncio
import re
import sys

PIECE = b"x" * 65536
LENGTH = re.compile(rb"(?i)\r\ncontent-length: *(\d+)")
SIZE = re.compile(rb"^\S+ /(\d+) ")


class Http(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.data = transport, b""
        self.body = self.owed = 0  # octets of a request yet to come, of an answer yet to go
        self.paused = False

    def data_received(self, data):
        self.data += data
        while not self.owed:
            dropped = min(self.body, len(self.data))
            self.data, self.body = self.data[dropped:], self.body - dropped
            end = self.data.find(b"\r\n\r\n")
            if self.body or end < 0:
                return
            head, self.data = self.data[:end], self.data[end + 4:]
            length, size = LENGTH.search(head), SIZE.match(head)
            self.body = int(length.group(1)) if length else 0
            self.owed = int(size.group(1)) if size else 2
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % self.owed)
            self.send()

    def send(self):
        while self.owed and not self.paused:
            piece = PIECE[:self.owed]
            self.owed -= len(piece)
            self.transport.write(piece)

    def pause_writing(self):
        self.paused = True

    def resume_writing(self):
        self.paused = False
        self.send()
        if not self.owed:
            self.data_received(b"")


class Echo(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.transport.write(data)

    def pause_writing(self):
        self.transport.pause_reading()

    def resume_writing(self):
        self.transport.resume_reading()


async def main():
    loop = asyncio.get_running_loop()
    await loop.create_server(Http, "0.0.0.0", int(sys.argv[1]), backlog=4096)
    await loop.create_server(Echo, "0.0.0.0", int(sys.argv[2]), backlog=4096)
    await asyncio.Future()


asyncio.run(main())
