#!/usr/bin/env python3
"""versions.py NAME PORT: an app that answers each request with its name and the request's x-by-rule."""

import asyncio
import re
import sys

MARK = re.compile(rb"(?i)\r\nx-by-rule: *(\d+)")


class Http(asyncio.Protocol):
    def connection_made(self, transport):
        self.transport, self.data = transport, b""

    def data_received(self, data):
        self.data += data
        while (end := self.data.find(b"\r\n\r\n")) >= 0:
            mark = MARK.search(self.data[:end + 2])
            self.data = self.data[end + 4:]
            body = sys.argv[1].encode() + b" " + (mark.group(1) if mark else b"none")
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))


async def main():
    await asyncio.get_running_loop().create_server(Http, "0.0.0.0", int(sys.argv[2]))
    await asyncio.Future()


asyncio.run(main())
