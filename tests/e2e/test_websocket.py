"""WebSocket through the pair, with the implementation of python3-websockets at both ends."""

import subprocess

from harness import APPS, Skip, equal, have, wait_until

# A Python that was not Debian's does not see Debian's modules.
DEBIAN_PYTHON = "/usr/bin/python3"


def server(t, mesh, service, port):
    if subprocess.run([DEBIAN_PYTHON, "-c", "import websockets"], capture_output=True).returncode != 0:
        raise Skip("python3-websockets is not installed")
    running = mesh.run(service.split(":")[0], [DEBIAN_PYTHON, str(APPS / "websocket_app.py"), str(port)], [service])
    mesh.wait_serving(service.split(":")[0], 1, 30, [running])
    return running


def client(mesh, code, timeout=60):
    """Lines of an async function that has `websockets`."""
    body = "".join(f"    {line}\n" for line in code.strip().splitlines())
    program = f"import asyncio, websockets\nasync def main():\n{body}asyncio.run(main())\n"
    status, out, err = mesh.once([DEBIAN_PYTHON, "-c", program], timeout=timeout)
    equal(status, 0, err)
    return out.splitlines()


def test_messages_pass_both_ways_and_both_sides_may_close(t):
    mesh = t.mesh()
    for service in ("chat:80:8080/http", "undeclared:81:8081"):
        app = server(t, mesh, service, int(service.split(":")[2].split("/")[0]))
        name, port = service.split(":")[:2]
        out = client(mesh, f"""
async with websockets.connect("ws://{name}:{port}/room", subprotocols=["shop.v1"], max_size=None) as c:
    print(c.subprotocol)
    for message in ("hello", "", "naïve ✓", b"\\0\\xff" * 500_000):
        await c.send(message)
        print(await c.recv() == message)
    await c.send(["in ", "three ", "frames"])
    print(await c.recv())
    await (await c.ping(b"are you there"))
    await c.close(4001, "bye")
async with websockets.connect("ws://{name}:{port}/") as c:
    await c.send("close 4002")
    try: await c.recv()
    except websockets.ConnectionClosed as end: print(end.rcvd.code, end.rcvd.reason)
""")
        equal(out, ["shop.v1", "True", "True", "True", "True", "in three frames", "4002 as asked"], name)
        wait_until("both ends at the app", lambda: len(app.output().splitlines()) >= 2, 10)
        equal(app.output().splitlines()[:2], ["ended 4001 bye", "ended 4002 as asked"], name)


def test_an_upgrade_that_is_refused_is_a_plain_answer(t):
    mesh = t.mesh()
    server(t, mesh, "chat:80:8080/http", 8080)
    out = client(mesh, """
try: await websockets.connect("ws://chat/closed")
except websockets.InvalidStatusCode as no: print(no.status_code, no.headers["x-why"])
""")
    equal(out, ["403 closed"])


def test_a_hundred_sockets_at_once_each_hear_their_own(t):
    mesh = t.mesh()
    server(t, mesh, "chat:80:8080/http", 8080)
    out = client(mesh, """
async def one(n):
    async with websockets.connect("ws://chat/", open_timeout=30) as c:
        for i in range(20):
            await c.send(f"{n} {i}")
            if await c.recv() != f"{n} {i}": return False
    return True
print(sum(await asyncio.gather(*[one(n) for n in range(100)])))
""")
    equal(out, ["100"])


def test_an_app_that_vanishes_ends_its_sockets(t):
    mesh = t.mesh()
    app = server(t, mesh, "chat:80:8080/http", 8080)
    waiting = mesh.run("waiting", [DEBIAN_PYTHON, "-c", """
import asyncio, websockets
async def main():
    async with websockets.connect("ws://chat/") as c:
        print("open", flush=True)
        try: await c.recv()
        except websockets.ConnectionClosedError as end: print("lost", c.close_code)
asyncio.run(main())
"""], ["client"])
    wait_until("an open socket", lambda: "open" in waiting.output() or not waiting.running(), 20)
    app.kill()
    equal(waiting.wait(15), 0, waiting.errors())
    equal(waiting.output().splitlines(), ["open", "lost 1006"])


def over_http2(*arguments):
    return ["node", str(APPS / "websocket_http2.js"), *arguments]


def test_a_client_over_http2_reaches_a_server_of_http1(t):
    have("node")
    mesh = t.mesh()
    app = server(t, mesh, "chat:80:8080/http", 8080)
    status, out, err = mesh.once(over_http2("client", "chat:80"), timeout=30)
    equal(status, 0, err)
    equal(out.splitlines(), ["announced true", "200 shop.v1 true", '1 "hello"', '8 "\\u000f¡"', "ended"])
    wait_until("the end at the app", lambda: app.output().splitlines(), 10)
    equal(app.output().splitlines(), ["ended 4001 "])


def test_a_client_of_http1_reaches_a_server_that_speaks_http2_alone(t):
    have("node")
    mesh = t.mesh()
    app = mesh.run("chat", over_http2("server", "8080"), ["chat:80:8080/h2c"])
    mesh.wait_serving("chat", 1, 30, [app])
    out = client(mesh, """
async with websockets.connect("ws://chat/room", subprotocols=["shop.v1"], compression=None) as c:
    print(c.subprotocol)
    await c.send("hello")
    print(await c.recv())
    await c.close(4001)
try: await websockets.connect("ws://chat/closed", compression=None)
except websockets.InvalidStatusCode as no: print(no.status_code, no.headers["x-why"])
""")
    equal(out, ["shop.v1", "hello", "403 closed"])
    wait_until("the end at the app", lambda: "ended" in app.output(), 10)
    equal(app.output().splitlines(), ["opened websocket true", "ended"])
    status, out, err = mesh.once(over_http2("client", "chat:80"), timeout=30)
    equal(out.splitlines(), ["announced true", "200 shop.v1 true", '1 "hello"', '8 "\\u000f¡"', "ended"], err)
