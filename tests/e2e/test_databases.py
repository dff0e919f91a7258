"""Servers of other people behind a port whose protocol nobody declared: those that speak first (MariaDB,
SMTP) and one whose client does (PostgreSQL), with their own clients. Everything crosses the mTLS hop."""

import os
import subprocess

from harness import Skip, as_users, equal, have, holds, limit

# A Python that was not Debian's does not see Debian's modules.
DEBIAN_PYTHON = "/usr/bin/python3"
POSTGRES = "/usr/lib/postgresql/15/bin"


def prepared(t, mesh, *command):
    """Runs `command` as the mesh's user outside of the mesh: what a package's installation would do."""
    prefix = ["setpriv", f"--reuid={mesh.user[0]}", f"--regid={mesh.user[1]}", "--clear-groups", "--"] if mesh.user else []
    done = subprocess.run([*prefix, *map(str, command)], cwd="/", env=mesh.environment, capture_output=True, text=True)
    holds(done.returncode == 0, f"{command[0]}: {done.stdout}{done.stderr}")


def serving(mesh, service, command):
    program = mesh.run(service.split(":")[0], [str(word) for word in command], [service])
    mesh.wait_serving(service.split(":")[0], 1, 60, [program])
    return program


def asked(mesh, *command):
    status, out, err = mesh.once([str(word) for word in command], ("client",), 60)
    holds(status == 0, f"{command[0]}: status {status}: {out}{err}")
    return out


@as_users("user")
@limit(180)
def test_mariadb_speaks_first_through_the_mesh(t):
    have("mariadbd", "mariadb-install-db", "mariadb")
    mesh = t.mesh()
    data = mesh.folder / "home" / "mariadb"
    prepared(t, mesh, "mariadb-install-db", "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal",
             "--skip-test-db")
    server = serving(mesh, "db:3306", ["/usr/sbin/mariadbd", "--no-defaults", f"--datadir={data}", "--bind-address=127.0.0.1",
                                       "--port=3306", f"--socket={data}/s.sock", f"--pid-file={data}/pid",
                                       "--innodb-buffer-pool-size=16M", "--skip-name-resolve", "--skip-grant-tables",
                                       "--skip-networking=0"])
    query = "CREATE DATABASE shop; CREATE TABLE shop.t (a INT, b LONGTEXT); INSERT INTO shop.t VALUES (1, REPEAT('x', 300000)), " \
            "(2, 'y'); SELECT SUM(a), MAX(LENGTH(b)), @@version_comment LIKE '%Debian%' FROM shop.t"
    out = asked(mesh, "mariadb", "--no-defaults", "--protocol=tcp", "-h", "db", "-P", "3306", "-u", "root", "-N", "-e", query)
    equal(out.split(), ["3", "300000", "1"])
    equal(server.running(), True, "the database runs")


@as_users("user")
@limit(180)
def test_postgresql_is_asked_through_the_mesh(t):
    if not os.access(f"{POSTGRES}/initdb", os.X_OK):
        raise Skip(f"{POSTGRES}/initdb is not installed")
    mesh = t.mesh()
    data = mesh.folder / "home" / "pg"
    prepared(t, mesh, f"{POSTGRES}/initdb", "-D", data, "-U", "shop", "-A", "trust", "--no-sync", "--locale=C.UTF-8", "-E", "UTF8")
    with open(data / "pg_hba.conf", "a") as rules:
        rules.write("host all all 0.0.0.0/0 trust\nhost all all ::/0 trust\n")
    serving(mesh, "pg:5432", [f"{POSTGRES}/postgres", "-D", data, "-h", "0.0.0.0", "-p", "5432", "-c",
                              "unix_socket_directories=", "-c", "fsync=off", "-c", "shared_buffers=16MB"])
    out = asked(mesh, f"{POSTGRES}/psql", "-h", "pg", "-U", "shop", "-d", "postgres", "-AtX", "-c",
                "SELECT sum(g), length(repeat('x', 300000)) FROM generate_series(1, 1000) g")
    equal(out.strip(), "500500|300000")


@as_users("user")
def test_a_mail_goes_through_the_mesh(t):
    if subprocess.run([DEBIAN_PYTHON, "-c", "import aiosmtpd"], capture_output=True).returncode != 0:
        raise Skip("python3-aiosmtpd is not installed")
    mesh = t.mesh()
    server = serving(mesh, "mail:25:2525", [DEBIAN_PYTHON, "-u", "-m", "aiosmtpd", "-n", "-l", "0.0.0.0:2525",
                                            "-c", "aiosmtpd.handlers.Debugging", "stdout"])
    out = t.python(mesh, """
import smtplib
with smtplib.SMTP("mail", 25, timeout=30) as mail:
    print(mail.ehlo()[0], mail.sendmail("a@shop.example", ["b@shop.example"], "Subject: hello\\n\\n" + "line\\n" * 2000))
""")
    equal(out.strip(), "250 {}")
    holds("Subject: hello" in server.output(), "the server printed no mail")
    equal(server.output().count("line\n"), 2000)
