#!/usr/bin/env python3
"""grpc_client.py TARGET CHECK...: plays checks against a weft.test.Echo (grpc_app.py) with the C core of gRPC, one line
each: "ok NAME" or "FAILED NAME: why"; without names, all but `huge`. grpc_client.js is its twin.
grpc_client.py TARGET status:METHOD:SECONDS...: "STATUS SECONDS TEXT" of one call each, with or without a deadline."""

import queue
import sys
import time
import traceback

import grpc

TARGET = sys.argv[1]
OPTIONS = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]
channel = grpc.insecure_channel(TARGET, options=OPTIONS)
CODES = {code.value[0]: code for code in grpc.StatusCode}
DATA = bytes(range(256))


def path(name):
    return name if name.startswith("/") else f"/weft.test.Echo/{name}"


def unary(name):
    return channel.unary_unary(path(name))


def expect(found, wanted):
    if found != wanted:
        raise AssertionError(f"found {str(found)[:300]}, wanted {str(wanted)[:300]}")


def status_of(call, *arguments, **options):
    try:
        for _ in [call(*arguments, **options)]:
            return 0, ""
    except grpc.RpcError as error:
        return error.code().value[0], error.details()


def cancelled_soon(before):
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        if int(unary("Cancelled")(b"", timeout=10)) > before:
            return
        time.sleep(0.05)
    raise AssertionError("the server saw no cancellation")


def cancelled_so_far():
    return int(unary("Cancelled")(b"", timeout=10))


def check_unary():
    for message in (b"hello", b"", b"x" * 1_000_000):
        answer, call = unary("Unary").with_call(message, timeout=20, metadata=(("x-data-bin", DATA), ("x-text", "a b")))
        expect(answer, message)
        expect(dict(call.initial_metadata())["echo-data-bin"], DATA)
        expect(dict(call.trailing_metadata())["trail-data-bin"], DATA)


def check_compressed():
    answer = unary("Unary")(b"z" * 200_000, timeout=20, compression=grpc.Compression.Gzip)
    expect(len(answer), 200_000)


def check_client_stream():
    expect(channel.stream_unary(path("ClientStream"))((b"x" * 10_000 for _ in range(200)), timeout=20), b"200 2000000")


def check_server_stream():
    sizes = [len(message) for message in channel.unary_stream(path("ServerStream"))(b"200 10000", timeout=20)]
    expect(sizes, [10_000] * 200)


def check_bidi():
    """Each message waits for the answer to the one before it."""
    waiting = queue.Queue()
    waiting.put(b"0")
    call = channel.stream_stream(path("Bidi"))(iter(waiting.get, None), timeout=20)
    for n in range(100):
        expect(next(call), str(n).encode())
        waiting.put(str(n + 1).encode() if n < 99 else None)
    expect(list(call), [])
    expect(call.code(), grpc.StatusCode.OK)


def check_deadline_reaches_the_server():
    left = int(unary("Deadline")(b"", timeout=8))
    expect(4000 < left <= 8500, True)  # the C core rounds it up on the wire
    expect(unary("Deadline")(b""), b"-1")


def check_deadline_ends_a_call():
    before, begin = cancelled_so_far(), time.monotonic()
    expect(status_of(unary("Hang"), b"", timeout=0.6)[0], 4)
    expect(0.5 < time.monotonic() - begin < 3, True)
    cancelled_soon(before)


def check_cancel_a_stream():
    before = cancelled_so_far()
    call = channel.unary_stream(path("Ticks"))(b"")
    expect([next(call) for _ in range(3)], [b"tick"] * 3)
    call.cancel()
    cancelled_soon(before)


def check_cancel_a_call():
    before = cancelled_so_far()
    call = unary("Hang").future(b"")
    time.sleep(0.2)
    call.cancel()
    cancelled_soon(before)


def check_every_status():
    text = "naïve 100% ✓\nline"
    for code in range(1, 17):
        try:
            unary("Fail")(f"{code} {text}".encode(), timeout=10)
            raise AssertionError(f"{code} was answered OK")
        except grpc.RpcError as error:
            expect((error.code().value[0], error.details()), (code, text))
            expect(dict(error.trailing_metadata())["why-bin"], b"\x00\xff")


def check_status_after_messages():
    call = channel.unary_stream(path("ServerStream"))(b"3 10 9", timeout=10)
    seen = 0
    try:
        for _ in call:
            seen += 1
    except grpc.RpcError as error:
        expect((seen, error.code().value[0], error.details()), (3, 9, "after the messages"))
        return
    raise AssertionError("it ended OK")


def check_unknown_method():
    expect(status_of(unary("Nothing"), b"", timeout=10)[0], 12)


def check_health():
    expect(unary("/grpc.health.v1.Health/Check")(b"", timeout=10), b"\x08\x01")
    watch = channel.unary_stream("/grpc.health.v1.Health/Watch")(b"", timeout=10)
    expect(next(watch), b"\x08\x01")
    watch.cancel()


def check_many_at_once():
    calls = [unary("Unary").future(b"%d" % n, timeout=30) for n in range(1000)]
    expect([call.result() for call in calls], [b"%d" % n for n in range(1000)])


def check_slow_readers_do_not_hold_up_others():
    """Thirty streams whose messages nobody takes, on the same connection as a call that must go through."""
    slow = [channel.unary_stream(path("ServerStream"))(b"100 100000", timeout=30) for _ in range(30)]
    for call in slow:
        expect(len(next(call)), 100_000)
    time.sleep(0.5)  # windows fill: this is what is tested
    expect(len(unary("Unary")(b"x" * 200_000, timeout=5)), 200_000)
    for call in slow[:5]:
        expect(sum(len(message) for message in call), 9_900_000)
    for call in slow[5:]:
        call.cancel()


def check_huge():
    """64 MiB in one message, both ways at once."""
    message = b"x" * (64 << 20)
    expect(unary("Unary")(message, timeout=60) == message, True)


def main():
    checks = {name[6:]: function for name, function in globals().items() if name.startswith("check_")}
    if sys.argv[2:] and sys.argv[2].startswith("status:"):
        for word in sys.argv[2:]:
            _, name, seconds = word.split(":")
            begin = time.monotonic()
            code, text = status_of(unary(name), b"hello", timeout=float(seconds) if seconds else None)
            print(f"{CODES[code].name} {time.monotonic() - begin:.1f} {text}", flush=True)
        return
    for name in sys.argv[2:] or [name for name in checks if name != "huge"]:
        try:
            checks[name]()
            print("ok", name, flush=True)
        except BaseException as error:
            at = traceback.extract_tb(error.__traceback__)[-1].lineno
            print(f"FAILED {name}: {type(error).__name__} {str(error)[:500]!r} (line {at})", flush=True)


if __name__ == "__main__":
    main()
