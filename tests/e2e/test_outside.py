"""What is no service of the mesh: the host's network, seen from inside. The host and the network around
it are namespaces made by the test."""

import subprocess

from harness import World, equal, have, holds, needs_root, wait_until

WHY = "it builds a network of its own"


def certificate(folder, name, address):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days",
                    "2", "-keyout", str(folder / "key.pem"), "-out", str(folder / "cert.pem"), "-subj", f"/CN={name}",
                    "-addext", f"subjectAltName=IP:{address},DNS:{name}"], check=True, capture_output=True)


@needs_root(WHY)
def test_an_https_page_and_a_database_outside_are_reached_unchanged(t):
    have("nginx", "redis-server", "curl", "openssl")
    world = World(t)
    certificate(t.folder, "outside.example", World.OUTSIDE)
    (t.folder / "nginx.conf").write_text(f"""
daemon off; master_process off; pid {t.folder}/nginx.pid; error_log {t.folder}/nginx.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {t.folder}/a; proxy_temp_path {t.folder}/b; fastcgi_temp_path {t.folder}/c;
  uwsgi_temp_path {t.folder}/d; scgi_temp_path {t.folder}/e;
  server {{
    listen {World.OUTSIDE}:443 ssl; listen [{World.OUTSIDE6}]:443 ssl;
    ssl_certificate {t.folder}/cert.pem; ssl_certificate_key {t.folder}/key.pem;
    location / {{ return 200 "outside says hello to $remote_addr\\n"; }}
  }}
}}""")
    world.start(world.outside, "nginx", "-c", str(t.folder / "nginx.conf"), "-p", str(t.folder))
    world.start(world.outside, "redis-server", "--port", "6379", "--save", "", "--protected-mode", "no", "--dir",
                str(t.folder))
    mesh = t.mesh(prefix=World.prefix(world.host))

    def up():
        return subprocess.run([*World.prefix(world.host), "curl", "-sk", f"https://{World.OUTSIDE}/"],
                              capture_output=True).returncode == 0
    wait_until("the outside", up)
    ca = ["--cacert", str(t.folder / "cert.pem")]
    status, out = t.curl(mesh, *ca, f"https://{World.OUTSIDE}/")
    equal((status, out), (0, f"outside says hello to {World.HOST}\n"))
    status, out = t.curl(mesh, "-k", "-g", f"https://[{World.OUTSIDE6}]/")
    equal((status, out), (0, f"outside says hello to {World.HOST6}\n"))
    out = t.python(mesh, f"""
import socket
c = socket.create_connection(("{World.OUTSIDE}", 6379))
c.sendall(b"SET k v\\r\\nGET k\\r\\n")
print(repr(c.makefile("rb").read(12)))
""")
    holds("+OK" in out and "$1" in out, out)

    def counted():
        return [e for e in mesh.status()["edges"] if e["destination"] == "external" and e["connections"] > 0]
    wait_until("the report of external connections", counted, 20, 0.3)


@needs_root(WHY)
def test_names_outside_the_mesh_go_to_the_hosts_own_resolver(t):
    world = World(t)
    (t.folder / "resolv.conf").write_text(f"nameserver {World.OUTSIDE}\nsearch corp.example\noptions ndots:2\n")
    world.at(world.host, "mount", "--bind", str(t.folder / "resolv.conf"), "/etc/resolv.conf")
    server = r'''
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.bind((sys.argv[1], 53))
def name(q):
    out, at = [], 12
    while q[at]: out.append(q[at + 1:at + 1 + q[at]].decode()); at += 1 + q[at]
    return ".".join(out).lower(), at + 5
while True:
    q, peer = s.recvfrom(2000)
    asked, end = name(q)
    kind = struct.unpack("!H", q[end - 4:end - 2])[0]
    known = asked in ("outside.example", "wiki.corp.example")
    answer = known and kind == 1
    head = q[:2] + (b"\x81\x80" if known else b"\x81\x83") + b"\0\1" + (b"\0\1" if answer else b"\0\0") + b"\0\0\0\0"
    s.sendto(head + q[12:end] + (b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xcb\0\x71\7" if answer else b""), peer)
'''
    from harness import PYTHON
    world.start(world.outside, PYTHON, "-c", server, World.OUTSIDE)
    mesh = t.mesh(prefix=World.prefix(world.host))
    t.http_app(mesh, "web:80:8080/http")
    out = t.python(mesh, """
import socket
for name in ("outside.example", "wiki", "web", "no.such.example"):
    try: print(name, socket.gethostbyname(name))
    except socket.gaierror: print(name, "none")
""")
    lines = dict(line.split() for line in out.splitlines())
    equal(lines["outside.example"], "203.0.113.7")
    equal(lines["wiki"], "203.0.113.7", "the host's search domain")
    holds(lines["web"].startswith("240.240."), out)
    equal(lines["no.such.example"], "none")


@needs_root(WHY)
def test_a_host_port_is_reachable_inside_only_when_asked_for(t):
    world = World(t)
    from harness import APPS, PYTHON
    world.start(world.host, PYTHON, str(APPS / "http_app.py"), "9000", "127.0.0.1", "hostapp")
    mesh = t.mesh(prefix=World.prefix(world.host))

    def up():
        return subprocess.run([*World.prefix(world.host), "curl", "-s", "http://127.0.0.1:9000/"],
                              capture_output=True).returncode == 0
    wait_until("the host's program", up)
    status, out = t.curl(mesh, "http://127.0.0.1:9000/")
    holds(status == 7, f"reached the host's loopback without being asked: {status} {out}")
    status, out = t.curl(mesh, "http://127.0.0.1:9000/", options=["--host-port", "9000"])
    holds(status == 0 and "hostapp" in out, f"{status} {out}")
