#!/usr/bin/env python3
"""grpc_app.py PORT [FILE]: the service weft.test.Echo over the C core of gRPC (python3-grpcio of Debian: the library under
libgrpc++), with raw bytes for messages, and the standard health service, which says NOT_SERVING until FILE exists. grpc_app.js is its twin.

    Unary         echoes the message; `x-data-bin` comes back as `echo-data-bin` (head) and `trail-data-bin` (trailers)
    ClientStream  answers "MESSAGES BYTES"
    ServerStream  "N SIZE" -> N messages of SIZE bytes; "N SIZE CODE" ends with that status
    Bidi          echoes each message as it comes
    Deadline      the milliseconds left, as the server sees them
    Hang          never answers; Ticks sends until cancelled
    Cancelled     how many calls of Hang and Ticks the server saw cancelled
    Fail          "CODE TEXT" -> that status, and trailers"""

import concurrent.futures
import os
import sys
import threading
import time

import grpc

OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
CODES = {code.value[0]: code for code in grpc.StatusCode}
cancelled = 0
lock = threading.Lock()


def unary(request, context):
    data = dict(context.invocation_metadata()).get("x-data-bin", b"none")
    context.send_initial_metadata((("echo-data-bin", data),))
    context.set_trailing_metadata((("trail-data-bin", data),))
    return request


def client_stream(requests, context):
    count = size = 0
    for message in requests:
        count, size = count + 1, size + len(message)
    return f"{count} {size}".encode()


def server_stream(request, context):
    count, size, *code = map(int, request.split())
    for _ in range(count):
        yield b"x" * size
    if code:
        context.abort(CODES[code[0]], "after the messages")


def bidi(requests, context):
    yield from requests


def deadline(request, context):
    left = context.time_remaining()
    return str(-1 if left is None or left > 1e6 else int(left * 1000)).encode()


def count_end():
    global cancelled
    with lock:
        cancelled += 1


def over(context, then=lambda: None):
    """Set when the call is over, after `then`. A generator is not resumed for that, a callback is called."""
    event = threading.Event()

    def end():
        then()
        event.set()
    if not context.add_callback(end):
        end()
    return event


def hang(request, context):
    over(context, count_end).wait()
    return b""


def ticks(request, context):
    ended = over(context, count_end)
    while not ended.wait(0.02):
        yield b"tick"


def fail(request, context):
    code, text = request.split(b" ", 1)
    context.set_trailing_metadata((("why-bin", b"\x00\xff"),))
    context.abort(CODES[int(code)], text.decode())


def health(request, context):
    serving = len(sys.argv) < 3 or os.path.exists(sys.argv[2])
    return b"\x08\x01" if serving else b"\x08\x02"  # HealthCheckResponse{status: SERVING or NOT_SERVING}


def watch(request, context):
    yield b"\x08\x01"
    over(context).wait()


if __name__ == "__main__":
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(64), options=OPTIONS)
    one, many_in = grpc.unary_unary_rpc_method_handler, grpc.stream_unary_rpc_method_handler
    many_out, both = grpc.unary_stream_rpc_method_handler, grpc.stream_stream_rpc_method_handler
    server.add_generic_rpc_handlers((
        grpc.method_handlers_generic_handler("weft.test.Echo", {
            "Unary": one(unary), "ClientStream": many_in(client_stream), "ServerStream": many_out(server_stream),
            "Bidi": both(bidi), "Deadline": one(deadline), "Hang": one(hang), "Ticks": many_out(ticks), "Fail": one(fail),
            "Cancelled": one(lambda request, context: str(cancelled).encode())}),
        grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": one(health), "Watch": many_out(watch)})))
    if server.add_insecure_port(f"0.0.0.0:{sys.argv[1]}") == 0:
        sys.exit("the port is taken")
    server.start()
    while True:
        time.sleep(1000)
