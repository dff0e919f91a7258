"""What `weft run` says and does where things are not as usual: refused traffic, no namespaces, no isolation."""

import os
import pty
import select
import subprocess
import time

from harness import as_users, equal, holds, needs_root, wait_until
from weftlib import command_line, descendants_of, free_port


@as_users("root", "user")
def test_what_was_refused_inside_is_explained_in_status(t):
    mesh = t.mesh()
    code = """
import socket, time
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(("203.0.113.5", 443))
refused = 0
for _ in range(3):
    try: s.send(b"x"); s.recv(1)
    except ConnectionRefusedError: refused += 1
print("datagrams refused:", refused, flush=True)
try: socket.create_connection(("127.0.0.1", 5432))
except ConnectionRefusedError: print("connect refused", flush=True)
time.sleep(600)
"""
    program = mesh.run("caller", ["/usr/bin/python3", "-c", code], ["caller"])
    wait_until("both refusals", lambda: "connect refused" in program.output(), 20)
    holds("datagrams refused: 3" in program.output(), program.output())
    wait_until("the explanation in weft status",
               lambda: "--host-port 5432" in mesh.cli("status").stdout and "203.0.113.5:443" in mesh.cli("status").stdout, 20)


@as_users("root", "user")
def test_a_port_that_no_service_declares_is_refused_at_connect(t):
    mesh = t.mesh()
    t.http_app(mesh, "cart:80:8080/http")
    code = """
import socket, sys, time
def attempt(family, port):
    begin = time.monotonic()
    with socket.socket(family) as s:
        try: s.connect(socket.getaddrinfo("cart", port, family, socket.SOCK_STREAM)[0][4])
        except OSError as e: return type(e).__name__ if time.monotonic() - begin < 0.5 else "late"
        return "open"
for line in sys.stdin:
    print(line.strip(), attempt(socket.AF_INET, int(line)), attempt(socket.AF_INET6, int(line)), flush=True)
"""
    program = mesh.run("caller", ["/usr/bin/python3", "-c", code], ["caller"], stdin=subprocess.PIPE)

    def attempt(port):
        before = len(program.output().splitlines())
        program.process.stdin.write(f"{port}\n".encode())
        program.process.stdin.flush()
        wait_until("an answer", lambda: len(program.output().splitlines()) > before, 20)
        return program.output().splitlines()[-1]

    wait_until("the declared port", lambda: attempt(80) == "80 open open", 20)
    for _ in range(3):
        equal(attempt(81), "81 ConnectionRefusedError ConnectionRefusedError")
    wait_until("the refusal in weft status",
               lambda: "service cart.default declares no port 81" in mesh.cli("status").stdout, 20)
    sidecar = next(p for p in descendants_of(program.pid) if "weft-proxy" in (command_line(p) or ""))
    os.kill(sidecar, 9)  # the ruleset stays, and the next one goes on with it
    equal(attempt(81), "81 ConnectionRefusedError ConnectionRefusedError")
    t.http_app(mesh, "cart:81:8081/http", port=8081)
    wait_until("the port that is declared now", lambda: attempt(81) == "81 open open", 20)
    equal(attempt(82), "82 ConnectionRefusedError ConnectionRefusedError")


@needs_root("only a user namespace of the test's own may be told to grant none")
def test_without_namespaces_it_says_why_and_offers_explicit(t):
    mesh = t.mesh()
    weft = f"{mesh.bin}/weft run --service client -- true"
    for why, command in (
            ("user.max_net_namespaces is 0", ["unshare", "-Ur", "sh", "-c", f"echo 0 > /proc/sys/user/max_net_namespaces; exec {weft}"]),
            ("install nftables", ["unshare", "-m", "sh", "-c", f"mount --bind /dev/null /usr/sbin/nft && exec {weft}"])):
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, env={**mesh.environment, "PATH": "/usr/bin:/bin:/usr/sbin"})
        equal(done.returncode, 71, why)
        holds(why in done.stderr and "--explicit" in done.stderr, done.stderr)


def test_explicit_mode_reaches_services_by_local_ports_and_serves_others(t):
    mesh = t.mesh()
    port, local = free_port(), free_port()
    t.http_app(mesh, "web:80:8080/http")
    t.http_app(mesh, f"plain:80:{port}/http", port=port, bind="127.0.0.1", options=["--explicit"])
    equal(t.get_json(mesh, "http://plain/")["name"], "plain")
    status, out, errors = mesh.once(["curl", "-sS", "--max-time", "10", "--retry", "5", "--retry-connrefused", f"http://127.0.0.1:{local}/"],
                                    options=["--explicit", "--upstream", f"web:80={local}"])
    holds(status == 0 and '"name": "web"' in out, f"{status} {out} {errors}")


class Terminal:
    """A pseudo-terminal whose session leader is `command`."""

    def __init__(self, command, environment):
        self.seen = ""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.execvpe(command[0], command, environment)

    def type(self, text):
        os.write(self.fd, text.encode())

    def wait_for(self, text, seconds=20):
        end = time.monotonic() + seconds
        while text not in self.seen:
            holds(time.monotonic() < end, f"no {text!r} in {self.seen!r}")
            if select.select([self.fd], [], [], 0.1)[0]:
                self.seen += os.read(self.fd, 4096).decode(errors="replace")
        self.seen = self.seen.split(text, 1)[1]

    def close(self):
        os.kill(self.pid, 9)
        os.waitpid(self.pid, 0)
        os.close(self.fd)


def test_an_interactive_shell_has_its_terminal_and_job_control(t):
    mesh = t.mesh()
    terminal = Terminal(["bash", "--norc", "-i"], {**mesh.environment, "PS1": "outer> ", "TERM": "dumb"})
    try:
        terminal.wait_for("outer> ")
        terminal.type(f"PS1='in''ner> ' {mesh.bin}/weft run --service shell -- bash --norc -i\n")
        terminal.wait_for("inner> ")
        terminal.type("sleep 100\n")
        wait_until("the job", lambda: any(command_line(p).startswith("sleep 100") for p in descendants_of(terminal.pid)))
        terminal.type("\x1a")
        terminal.wait_for("Stopped")
        terminal.wait_for("inner> ")
        terminal.type("kill %1; suspend\n")
        terminal.wait_for("Stopped")
        terminal.wait_for("outer> ")
        terminal.type("fg\n")
        terminal.type("echo in''side $WEFT_INSTANCE\n")
        terminal.wait_for("inside shell-")
        terminal.type("exit 5\n")
        terminal.wait_for("outer> ")
        terminal.type("echo status=$?\n")
        terminal.wait_for("status=5")
    finally:
        terminal.close()
