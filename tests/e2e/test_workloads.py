"""How workloads come off the list: at once when they left, by hand when they fell silent for good."""

from harness import equal, holds, limit, wait_until


def server_log(mesh):
    return (mesh.folder / "state" / "weft" / "server.log").read_text(errors="replace")


def test_an_instance_that_left_is_gone_from_the_list_at_once(t):
    mesh = t.mesh()
    app = t.http_app(mesh, "web:80:8080/http")
    equal(len(mesh.instances("web")), 1)
    app.stop()
    wait_until("the list to be empty", lambda: not mesh.workloads(), 2, 0.05)


@limit(90)
def test_a_stale_last_instance_is_deleted_by_hand_and_a_living_one_is_not(t):
    mesh = t.mesh()
    app = t.http_app(mesh, "web:80:8080/http")
    name = mesh.instances("web")[0]["name"]
    refused = mesh.cli("delete", "workload", name, check=False)
    equal(refused.returncode, 1, refused.stderr)
    holds("its sidecar was heard" in refused.stderr and "SIGTERM" in refused.stderr, refused.stderr)
    equal(mesh.cli("delete", "workload", "no-such", check=False).returncode, 4)
    equal(mesh.cli("delete", "workload", name, "-n", "shop", check=False).returncode, 4, "another namespace's")

    app.kill()
    wait_until("the instance to be stale", lambda: mesh.instances("web")[0]["state"] == "stale", 30, 0.2)
    holds(f"weft delete workload {name}" in mesh.instances("web")[0]["why"], "the way out is not told")
    equal(mesh.cli("delete", "workload", name).stdout, f"workload/{name} deleted\n")
    equal(mesh.workloads(), [])
    line = next((l for l in server_log(mesh).splitlines() if f"object=Workload/default/{name}" in l), "")
    holds("action=deleted" in line and "uid=" in line, f"the server's log does not say who: {server_log(mesh)}")
