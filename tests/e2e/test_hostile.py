"""Strangers at every door: garbage, silence, and TLS without a right to be there."""

import os
import pathlib
import re
import select
import socket
import ssl

from harness import equal, holds, limit, send_bytes
from weftlib import free_port

GARBAGE = [b"\0" * 200, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
           b"\x16\x03\x01\xff\xff" + b"\x01" * 500, b"A" * 100000, b"\x16\x03\x03\x00\x05hello", b"\r\n" * 1000]


def doors(mesh, app):
    found = []
    for instance in mesh.instances():
        if instance.get("address"):
            host, port = instance["address"].rsplit(":", 1)
            found.append((host.strip("[]"), int(port)))
    return found + [("127.0.0.1", mesh.discovery_port), ("127.0.0.1", mesh.status_port)]


@limit(180)
def test_garbage_on_every_port_hurts_nobody(t):
    mesh = t.mesh()
    published = free_port()
    app = t.http_app(mesh, "web:80:8080/http", options=["--publish", f"{published}:8080"])
    pid = app.proxy_pid()
    for host, port in [*doors(mesh, app), ("127.0.0.1", published)]:
        for garbage in GARBAGE:
            answer = send_bytes(host, port, garbage, 0.2)
            holds(b'"name": "web"' not in answer or port == published, f"{host}:{port} answered {answer[:100]}")
    out = t.python(mesh, f"""
import socket
for name, port in (("web", 80), ("127.0.0.1", 15001), ("127.0.0.1", 15053)):
    for garbage in {GARBAGE!r}:
        try:
            c = socket.create_connection((name, port), 2); c.settimeout(0.1); c.sendall(garbage); c.recv(1000)
        except OSError: pass
        try:
            u = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); u.sendto(garbage[:1400], ("127.0.0.1", 53))
        except OSError: pass
print("done")
""", timeout=100)
    equal(out.strip(), "done")
    equal(app.proxy_pid(), pid, "the sidecar's pid (it did not crash)")
    equal(t.get_json(mesh, "http://web/")["name"], "web", "the mesh afterwards")
    holds(mesh.server.running(), "the server ended")


def test_silent_connections_do_not_stop_others(t):
    mesh = t.mesh()
    app = t.http_app(mesh, "web:80:8080/http")
    silent = [socket.create_connection(door, 3) for door in doors(mesh, app) for _ in range(50)]
    equal(t.get_json(mesh, "http://web/")["name"], "web")
    holds(mesh.status()["instances"], "the server still answers")
    for connection in silent:
        connection.close()


def test_tls_without_a_certificate_of_the_mesh_gets_nothing(t):
    mesh = t.mesh()
    t.http_app(mesh, "web:80:8080/http")
    instance = mesh.instances("web")[0]
    host, port = instance["address"].rsplit(":", 1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for alpn in (["h2"], ["http/1.1"], ["weft-tcp"], []):
        if alpn:
            context.set_alpn_protocols(alpn)
        answer = b""
        try:
            with socket.create_connection((host.strip("[]"), int(port)), 3) as raw:
                with context.wrap_socket(raw, server_hostname=f"p8080.{instance['name']}.mesh") as connection:
                    connection.sendall(b"GET / HTTP/1.1\r\nHost: web\r\n\r\n")
                    answer = connection.recv(1000)
        except OSError:
            continue
        equal(answer, b"", f"data over {alpn}")


def test_the_status_page_refuses_foreign_host_names(t):
    mesh = t.mesh()
    good = send_bytes("127.0.0.1", mesh.status_port, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
    bad = send_bytes("127.0.0.1", mesh.status_port, b"GET / HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n")
    holds(good.startswith(b"HTTP/1.1 200"), good[:100])
    holds(bad.startswith((b"HTTP/1.1 403", b"HTTP/1.1 421", b"HTTP/1.1 400")), bad[:100])


def frame(kind, flags, stream, payload=b""):
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = 0, 1, 2, 3, 4, 6, 8, 9
GET = b"\x82\x86\x84\x41\x01x"  # GET http://x/
# What a flood is made of; `n` counts from 0.
FLOODS = {
    "rapid reset": lambda n: frame(HEADERS, 5, 2 * n + 1, GET) + frame(RST_STREAM, 0, 2 * n + 1, bytes(4)),
    "made-you-reset": lambda n: frame(HEADERS, 4, 2 * n + 1, GET) + frame(WINDOW_UPDATE, 0, 2 * n + 1, bytes(4)),
    "ping": lambda n: frame(PING, 0, 0, bytes(8)),
    "settings": lambda n: frame(SETTINGS, 0, 0, b"\0\4\0\0\xff\xff"),
    "empty data": lambda n: (frame(HEADERS, 4, 1, GET) if n == 0 else b"") + frame(DATA, 0, 1),
    "continuation": lambda n: (frame(HEADERS, 0, 1, GET) if n == 0 else b"") + frame(CONTINUATION, 0, 1),
    "endless head": lambda n: (frame(HEADERS, 0, 1, GET) if n == 0 else b"") + frame(CONTINUATION, 0, 1, b"\0\1x\1y" * 3000),
    "priority": lambda n: frame(PRIORITY, 0, 1, bytes(5)),
    "window update": lambda n: frame(WINDOW_UPDATE, 0, 0, b"\0\0\0\1"),
}
FRAMES = 100_000
GOAWAY = b"\0\0\x08\x07\0\0\0\0\0"


def cost(pid):
    """(CPU seconds, resident KiB) of a process."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    resident = re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK"), int(resident.group(1))


def flooded(port, make, reads):
    """What a door said to a flood, and whether it shut."""
    said, sent = b"", 0
    with socket.create_connection(("127.0.0.1", port), 5) as door:
        door.settimeout(15)  # a door that shuts reads nothing more, and lets go after 5 s
        try:
            door.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0))
            while sent < FRAMES:
                door.sendall(b"".join(make(n) for n in range(sent, sent + 100)))
                sent += 100
                if reads and select.select([door], [], [], 0)[0]:
                    said += door.recv(1 << 20)
            while piece := door.recv(1 << 20):
                said += piece
        except TimeoutError:
            return said, False
        except OSError:
            pass  # reset in the middle of it
    return said, True


@limit(300)
def test_http2_floods_are_cut_off_for_little(t):
    mesh = t.mesh()
    published = free_port()
    app = t.http_app(mesh, "web:80:8080/http", options=["--publish", f"{published}:8080"])
    pid = app.proxy_pid()
    for _ in range(20):
        t.get_json(mesh, "http://web/")
    _, usual = cost(pid)
    for name, make in FLOODS.items():
        for reads in (True, False):
            cpu_before, _ = cost(pid)
            said, shut = flooded(published, make, reads)
            cpu, resident = cost(pid)
            what = f"{name}, {'heard' if reads else 'not heard'}: {cpu - cpu_before:.2f} s, {resident - usual:+} KiB"
            holds(shut, f"was not cut off: {what} {said[-100:]}")
            holds(cpu - cpu_before < 1, f"cost CPU: {what}")
            holds(resident - usual < 16_384, f"cost memory: {what}")
            holds(not reads or GOAWAY in said, f"no GOAWAY was said: {what} {said[-100:]}")
    equal(app.proxy_pid(), pid, "the sidecar's pid (it did not crash)")
    equal(t.get_json(mesh, "http://web/")["name"], "web", "the mesh afterwards")
