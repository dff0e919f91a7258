#!/usr/bin/env python3
"""client.py MODE …: the app behind the near sidecar. What it finds is printed as one line of JSON; "go" on its input
leads from one step to the next.

    hold KIND HOST PORT N        N connections, one exchange on each; go: one more on each
    short HOST PORT RATE S       RATE connections a second for S seconds, a request on each, closed by us
    slow HOST PORT N SIZE        N requests for SIZE bytes that nobody reads; go: ten are read to their end
    loris HOST PORT N S          N connections that send a head, an octet a second, for up to S seconds
    drip HOST PORT N S           N requests whose body comes an octet a second
    versions HOST PORT N         N connections that ask for /hot again and again, and look whether what answers is of one
                                 version; go: the end, and what was seen last
    mix HOST PORT ECHO RATE S    everything an app does with connections, tidy or not, RATE times a second"""

import asyncio
import collections
import contextlib
import json
import pathlib
import random
import re
import socket
import struct
import sys
import time

REQUEST = b"GET /2 HTTP/1.1\r\nHost: far\r\n\r\n"
AT_ONCE = 256


def say(**facts):
    print(json.dumps(facts), flush=True)


async def go():
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)


async def dial(host, port, receive_buffer=None):
    """A connected non-blocking socket: lighter than a StreamReader and a StreamWriter each."""
    s = socket.socket()
    s.setblocking(False)
    if receive_buffer:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    try:
        await asyncio.get_running_loop().sock_connect(s, (host, port))
    except BaseException:
        s.close()
        raise
    return s


async def exchange(s, kind):
    """One request and its answer, or one echo."""
    loop = asyncio.get_running_loop()
    message = REQUEST if kind == "http" else b"0123456789abcdef"
    await loop.sock_sendall(s, message)
    answer = b""
    while not (answer.endswith(b"\r\n\r\nxx") if kind == "http" else answer == message):
        part = await loop.sock_recv(s, 4096)
        if not part:
            raise ConnectionError("closed early")
        answer += part
    if kind == "http" and not answer.startswith(b"HTTP/1.1 200"):
        raise ConnectionError(answer[:40].decode("latin-1"))


async def each(items, work, at_once=AT_ONCE, seconds=60):
    """(results, {error: count}) of `work` over all items."""
    faults, gate = collections.Counter(), asyncio.Semaphore(at_once)

    async def one(item):
        async with gate:
            try:
                return await asyncio.wait_for(work(item), seconds)
            except (OSError, asyncio.TimeoutError) as error:
                faults[type(error).__name__ + " " + str(error)] += 1
                return None
    found = await asyncio.gather(*[one(item) for item in items])
    return [item for item in found if item is not None], dict(faults)


async def hold(kind, host, port, count):
    address = socket.gethostbyname(host)

    async def begin(_):
        s = await dial(address, int(port))
        await exchange(s, kind)
        return s

    async def again(s):
        await exchange(s, kind)
        return s
    begun = time.monotonic()
    held, faults = await each(range(int(count)), begin)
    say(open=len(held), faults=faults, seconds=round(time.monotonic() - begun, 1))
    await go()
    alive, faults = await each(held, again)
    say(alive=len(alive), faults=faults)
    await go()
    for s in held:
        s.close()
    say(closed=True)
    await go()


def number_in(path, after=None):
    with contextlib.suppress(OSError, ValueError, IndexError):
        words = pathlib.Path(path).read_text().split()
        return int(words[words.index(after) + 1] if after else words[0])
    return 0


async def short(host, port, rate, seconds):
    address, rate, seconds = socket.gethostbyname(host), int(rate), float(seconds)
    times, faults, open_now = [], collections.Counter(), set()
    tracked = waiting = late = 0

    async def one():
        begin = time.monotonic()
        try:
            s = await dial(address, int(port))
            try:
                await asyncio.wait_for(exchange(s, "http"), 20)
            finally:
                s.close()
            times.append(time.monotonic() - begin)
        except (OSError, asyncio.TimeoutError) as error:
            faults[type(error).__name__ + " " + str(error)] += 1
    begin = next_look = time.monotonic()
    started = 0
    while (now := time.monotonic()) - begin < seconds:
        due = int((now - begin) * rate) - started
        late = max(late, due - rate // 10)
        for _ in range(min(due, 2048 - len(open_now))):
            task = asyncio.ensure_future(one())
            open_now.add(task)
            task.add_done_callback(open_now.discard)
            started += 1
        if now >= next_look:
            tracked = max(tracked, number_in("/proc/sys/net/netfilter/nf_conntrack_count"))
            waiting = max(waiting, number_in("/proc/net/sockstat", "tw"))
            next_look = now + 1
        await asyncio.sleep(0.002)
    lasted = time.monotonic() - begin
    if open_now:
        await asyncio.wait(open_now, timeout=30)
    times.sort()
    say(done=len(times), started=started, rate=round(len(times) / lasted), faults=dict(faults), tracked=tracked,
        time_wait=waiting, p50_ms=round(times[len(times) // 2] * 1000, 1) if times else None,
        p99_ms=round(times[len(times) * 99 // 100] * 1000, 1) if times else None)


async def slow(host, port, count, size):
    address, size = socket.gethostbyname(host), int(size)
    loop = asyncio.get_running_loop()

    async def begin(_):
        s = await dial(address, int(port), 4096)
        await loop.sock_sendall(s, b"GET /%d HTTP/1.1\r\nHost: far\r\n\r\n" % size)
        return s, len(await loop.sock_recv(s, 256))

    async def rest(item):
        s, seen = item
        while seen < size and (part := await loop.sock_recv(s, 1 << 20)):
            seen += len(part)
        return seen if seen >= size else None
    held, faults = await each(range(int(count)), begin)
    say(open=len(held), faults=faults)
    await go()
    whole, faults = await each(held[:10], rest)
    say(whole=len(whole), faults=faults)
    await go()


async def trickle(host, port, count, seconds, first, drip):
    """How many were cut off, and when, of those that send `drip` octet by octet after `first`."""
    address, loop = socket.gethostbyname(host), asyncio.get_running_loop()

    async def begin(_):
        s = await dial(address, int(port))
        await loop.sock_sendall(s, first)
        return s
    held, faults = await each(range(int(count)), begin)
    say(open=len(held), faults=faults)
    started, ends = time.monotonic(), []

    async def feed(s):
        closed = asyncio.ensure_future(loop.sock_recv(s, 4096))
        while time.monotonic() - started < float(seconds):
            with contextlib.suppress(OSError):
                await loop.sock_sendall(s, drip)
            done, _ = await asyncio.wait({closed}, timeout=1)
            if done:
                with contextlib.suppress(OSError):
                    closed.result()
                ends.append(time.monotonic() - started)
                return
        closed.cancel()
    await asyncio.gather(*[feed(s) for s in held])
    say(cut=len(ends), last_s=round(max(ends, default=0), 1))
    await go()


def loris(host, port, count, seconds):
    return trickle(host, port, count, seconds, b"GET / HTTP/1.1\r\nHost: far\r\nX-Slow: ", b"a")


def drip(host, port, count, seconds):
    return trickle(host, port, count, seconds, b"POST /2 HTTP/1.1\r\nHost: far\r\nContent-Length: 100000\r\n\r\n", b"a")


async def mix(host, port, echo, rate, seconds):
    address, rate, seconds = socket.gethostbyname(host), float(rate), float(seconds)
    loop, done, faults = asyncio.get_running_loop(), collections.Counter(), collections.Counter()

    async def read(s, wanted):
        got = 0
        while got < wanted and (part := await loop.sock_recv(s, 65536)):
            got += len(part)
        if got < wanted:
            raise ConnectionError(f"{got} of {wanted}")

    async def keep_alive(s):
        for _ in range(5):
            await exchange(s, "http")

    async def large(s):
        await loop.sock_sendall(s, b"GET /100000 HTTP/1.1\r\nHost: far\r\n\r\n")
        await read(s, 100_000)

    async def post(s):
        await loop.sock_sendall(s, b"POST /2 HTTP/1.1\r\nHost: far\r\nContent-Length: 50000\r\n\r\n" + b"y" * 50_000)
        await read(s, 10)

    async def abandon(s):
        await loop.sock_sendall(s, b"GET /1000000 HTTP/1.1\r\nHost: far\r\n\r\n")
        await read(s, 1)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async def nonsense(s):
        await loop.sock_sendall(s, b"GET / HTTP/9.9\r\nBad Field\r\n\r\n")
        await read(s, 1)

    async def tcp(s):
        for _ in range(3):
            await exchange(s, "tcp")

    async def one(work):
        try:
            s = await dial(address, int(echo if work is tcp else port))
            try:
                await asyncio.wait_for(work(s), 20)
            finally:
                s.close()
            done[work.__name__] += 1
        except (OSError, asyncio.TimeoutError) as error:
            faults[f"{work.__name__} {type(error).__name__} {error}"] += 1
    begin, started, open_now = time.monotonic(), 0, set()
    while (now := time.monotonic()) - begin < seconds:
        for _ in range(min(int((now - begin) * rate) - started, 512 - len(open_now))):
            task = asyncio.ensure_future(one(random.choice((keep_alive, large, post, abandon, nonsense, tcp))))
            open_now.add(task)
            task.add_done_callback(open_now.discard)
            started += 1
        await asyncio.sleep(0.005)
    if open_now:
        await asyncio.wait(open_now, timeout=30)
    say(done=dict(done), faults=dict(faults))


ANSWER = re.compile(rb"HTTP/1\.1 200 .*\r\nx-by-backend: *(\d+)\r\n(?:.*\r\n)?\r\n(\w+) (\w+)$", re.IGNORECASE | re.DOTALL)


async def versions(host, port, count):
    address, loop = socket.gethostbyname(host), asyncio.get_running_loop()
    done, seen, faults, newest = collections.Counter(), set(), collections.Counter(), [0] * int(count)

    async def ask(s, number):
        await loop.sock_sendall(s, b"GET /hot HTTP/1.1\r\nHost: far\r\n\r\n")
        answer = b""
        while b"\r\n\r\n" not in answer or answer.endswith(b"\r\n\r\n"):
            part = await loop.sock_recv(s, 4096)
            if not part:
                raise ConnectionError("closed early")
            answer += part
        found = ANSWER.match(answer)
        if not found:
            faults[answer[:60].decode("latin-1")] += 1
            return
        version = int(found[1])
        if found[2].decode() != ("odd" if version % 2 else "even") or int(found[3]) != version:
            faults[f"a mixture: {answer!r}"] += 1
        if version < newest[number]:
            faults["an older version came back"] += 1
        newest[number] = version
        done["all"] += 1
        seen.add(version)

    async def run(number):
        s = await dial(address, int(port))
        try:
            while True:
                await asyncio.wait_for(ask(s, number), 20)
        except (OSError, asyncio.TimeoutError) as error:
            faults[f"{type(error).__name__} {error}"] += 1
    tasks = [asyncio.ensure_future(run(number)) for number in range(int(count))]
    await asyncio.sleep(1)
    say(running=sum(not task.done() for task in tasks))
    while True:
        await go()
        say(done=done["all"], versions=len(seen), newest=min(newest), faults=dict(faults))
        done.clear(), seen.clear(), faults.clear()


MODES = {"versions": versions, "hold": hold, "short": short, "slow": slow, "loris": loris, "drip": drip, "mix": mix}

if __name__ == "__main__":
    asyncio.run(MODES[sys.argv[1]](*sys.argv[2:]))
