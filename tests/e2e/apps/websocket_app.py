#!/usr/bin/env python3
"""websocket_app.py PORT [CERTIFICATE KEY]: echoes over python3-websockets of Debian; "close CODE" is answered by closing so, a path of
/closed by 403. How each connection was closed is printed: "ended CODE REASON"."""

import asyncio
import http
import ssl
import sys

import websockets


async def serve(socket):
    try:
        async for message in socket:
            if isinstance(message, str) and message.startswith("close "):
                await socket.close(int(message[6:]), "as asked")
                break
            await socket.send(message)
    except websockets.ConnectionClosed:
        pass
    print("ended", socket.close_code, socket.close_reason, flush=True)


async def refuse(path, headers):
    if path == "/closed":
        return http.HTTPStatus.FORBIDDEN, [("x-why", "closed")], b"not here\n"


async def main():
    tls = None
    if sys.argv[2:]:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*sys.argv[2:4])
    async with websockets.serve(serve, "0.0.0.0", int(sys.argv[1]), subprotocols=["shop.v1"], process_request=refuse,
                                ping_interval=None, max_size=None, ssl=tls):
        await asyncio.Future()


asyncio.run(main())
