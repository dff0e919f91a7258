"""`weft explain`: a running sidecar says what it would do, and that is what happens."""

import json

from harness import equal, holds

ROUTES = """
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: cart}
spec:
  parentRefs: [{group: "", kind: Service, name: cart, port: 80}]
  rules:
    - name: canary
      matches: [{path: {type: PathPrefix, value: /items}, headers: [{name: x-canary, value: "1"}]}]
      timeouts: {request: 3s}
      backendRefs: [{name: cart-v2, port: 80}]
    - name: items
      matches: [{path: {type: PathPrefix, value: /items}}]
      backendRefs: [{name: cart, port: 80}]
    - name: moved
      matches: [{path: {type: PathPrefix, value: /moved}}]
      filters: [{type: RequestRedirect, requestRedirect: {hostname: shop.test, statusCode: 301}}]
"""

SEND = """
import http.client, json
out = []
for path, headers in CASES:
    c = http.client.HTTPConnection("cart", 80, timeout=20)
    c.request("GET", path, headers=headers)
    answer = c.getresponse()
    body = answer.read()
    name = json.loads(body)["name"] if answer.status == 200 else ""
    out.append([answer.status, name, answer.getheader("location") or ""])
print(json.dumps(out))
"""


def test_what_is_explained_is_what_happens(t):
    mesh = t.mesh()
    for name in ("cart", "cart-v2", "web"):
        t.http_app(mesh, f"{name}:80:8080/http", name=name)
    mesh.apply(ROUTES)
    cases = [("/items/7", {"x-canary": "1"}), ("/items/7", {}), ("/moved/a?b", {}), ("/nothing", {})]
    happened = json.loads(t.python(mesh, SEND.replace("CASES", repr(cases))))
    equal([status for status, _, _ in happened], [200, 200, 301, 404])
    for (path, headers), (status, name, location) in zip(cases, happened):
        fields = [word for pair in headers.items() for word in ("-H", ": ".join(pair))]
        said = json.loads(mesh.cli("explain", "GET", f"http://cart{path}", *fields, "--from", "web", "-o", "json").stdout)
        holds(said["instance"].startswith("web-"), said["instance"])
        outcome = said["outcome"]
        equal(outcome.get("status", 200), status, path)
        equal(outcome.get("location", ""), location, path)
        holds(all(one.rsplit("-", 1)[0] == name for one in outcome["endpoints"]), f"{path}: {outcome}, but {name}")
        equal(bool(outcome["endpoints"]), bool(name), path)

    text = mesh.cli("explain", "GET", "http://cart/items/7", "--from", "web").stdout
    for part in ("HTTPRoute default/cart rule items", "not HTTPRoute default/cart rule canary: it needs the header x-canary: 1",
                 "mutual TLS 1.3", "the request goes to cart-"):
        holds(part in text, f"'{part}' is missing:\n{text}")
    service = mesh.cli("explain", "cart").stdout
    holds("HTTPRoute default/cart rule canary" in service and "default" in service, service)


def test_who_cannot_be_asked_is_named(t):
    mesh = t.mesh()
    t.http_app(mesh, "web:80:8080/http", name="web")
    done = mesh.cli("explain", "cart", "--from", "wbe", check=False)
    equal(done.returncode, 4)
    holds("did you mean web?" in done.stderr, done.stderr)
    equal(mesh.cli("explain", "ftp://cart/", "--from", "web", check=False).returncode, 2)
    gone = mesh.cli("explain", "GET", "http://nobody/", "--from", "web", check=False)
    equal(gone.returncode, 0)
    refused = mesh.cli("explain", "tcp", "web:81", "--from", "web").stdout
    holds("declares no port 81" in refused, refused)
