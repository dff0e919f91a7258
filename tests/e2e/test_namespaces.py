"""Namespaces: what one sees of the other, with the real resolver of the host between."""

from harness import equal, holds


def test_names_of_another_namespace_do_not_exist_and_its_addresses_refuse(t):
    mesh = t.mesh()
    t.http_app(mesh, "web:80:8080/http")
    address = mesh.instances("web")[0]["meshAddresses"][0]
    elsewhere = {"options": ["--namespace", "shop"]}
    status, out = t.curl(mesh, "http://web.default.svc.mesh/", **elsewhere)
    equal(status, 6, f"curl could resolve the name: {out}")
    status, out = t.curl(mesh, "-o", "/dev/null", "-w", "%{http_code}", f"http://{address}:8080/", **elsewhere)
    equal((status, out), (0, "403"), "who knows the address")
    # A service of the same name there is another service.
    t.http_app(mesh, "web:80:8080/http", name="web-of-shop", options=["--namespace", "shop"], wait=False)
    mesh.wait_serving("web.shop", 1)
    equal(t.get_json(mesh, "http://web/", **elsewhere)["name"], "web-of-shop")
    equal(t.get_json(mesh, "http://web/")["name"], "web")
    names = {(s["name"], s["namespace"]) for s in mesh.status()["services"]}
    holds({("web", "default"), ("web", "shop")} <= names, str(names))
