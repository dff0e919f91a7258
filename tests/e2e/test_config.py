"""What users apply: strictness, splits, and what `weft` says about it."""

import json
import socket

from harness import equal, holds, wait_until


def test_all_errors_of_a_file_are_told_at_once_and_nothing_is_applied(t):
    mesh = t.mesh()
    done = mesh.cli("apply", "-f", "-", check=False, stdin="""
apiVersion: v1
kind: Service
metadata: {name: good}
spec: {ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {name: bad}
spec:
  prots: []
  ports:
    - {port: 99999}
    - {port: eighty}
""")
    equal(done.returncode, 1)
    for word in ("prots", "ports", "99999", "eighty"):
        holds(word in done.stderr + done.stdout, f"no word of {word}: {done.stderr}{done.stdout}")
    items = mesh.cli("get", "service", "-o", "json").stdout
    holds('"good"' not in items, "the valid half was applied")


def test_requests_follow_weights_and_labels(t):
    mesh = t.mesh()
    for version in ("v1", "v2"):
        t.http_app(mesh, "app:80:8080/http", name=version, labels={"app": "app", "version": version}, wait=False)
    mesh.wait_serving("app", 2)
    services = "".join(f"""
apiVersion: v1
kind: Service
metadata: {{name: app-{v}}}
spec: {{selector: {{app: app, version: {v}}}, ports: [{{port: 80, targetPort: 8080, appProtocol: http}}]}}
---""" for v in ("v1", "v2"))

    def route(one, two):
        return services + f"""
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {{name: app}}
spec:
  parentRefs: [{{group: "", kind: Service, name: app, port: 80}}]
  rules:
    - matches: [{{headers: [{{name: x-canary, value: "yes"}}]}}]
      backendRefs: [{{name: app-v2, port: 80}}]
    - backendRefs: [{{name: app-v1, port: 80, weight: {one}}}, {{name: app-v2, port: 80, weight: {two}}}]
"""
    count = """
import http.client, json, collections
c = http.client.HTTPConnection("app", 80, timeout=20); seen = collections.Counter()
for i in range(400):
    c.request("GET", "/", headers=HEADERS); seen[json.loads(c.getresponse().read())["name"]] += 1
print(json.dumps(seen))
"""
    mesh.apply(route(100, 0))
    equal(json.loads(t.python(mesh, count.replace("HEADERS", "{}"))), {"v1": 400})
    mesh.apply(route(50, 50))
    seen = json.loads(t.python(mesh, count.replace("HEADERS", "{}")))
    holds(130 <= seen.get("v1", 0) <= 270, f"50/50 gave {seen}")
    equal(json.loads(t.python(mesh, count.replace("HEADERS", '{"X-Canary": "yes"}'))), {"v2": 400})


def test_status_shows_how_many_proxies_serve_the_object(t):
    mesh = t.mesh()
    t.http_app(mesh, "web:80:8080/http")
    mesh.apply("""
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec:
  parentRefs: [{group: "", kind: Service, name: web}]
  rules: [{backendRefs: [{name: web, port: 80}]}]
""")
    text = mesh.cli("describe", "httproute", "web").stdout
    holds("Accepted" in text and "erved" in text, text)
    holds("web.default" in text and "no sidecar uses it now" in text, text)
    load = t.load(mesh, "http://web/", "--clients", 1, "--rate", 5)
    described = lambda: mesh.cli("describe", "httproute", "web").stdout
    wait_until("a proxy that serves it", lambda: "served by 1 of 1 sidecars" in described(), 10)
    route = json.loads(mesh.cli("get", "httproute", "web", "-o", "json").stdout)
    parent = route["status"]["parents"][0]
    equal(parent["parentRef"], {"group": "", "kind": "Service", "namespace": "default", "name": "web"})
    equal([(c["type"], c["status"]) for c in parent["conditions"]],
          [("Accepted", "True"), ("ResolvedRefs", "True"), ("weft.dev/Served", "True")])
    equal(route["status"]["served"], {"current": 1, "users": 1})
    yaml = mesh.cli("get", "httproute", "web", "-o", "yaml").stdout
    holds("  parents:\n  - parentRef:" in yaml and "served by 1 of 1 sidecars" in yaml, yaml)
    t.end_load(load)


def test_the_loser_of_a_conflict_is_described_with_who_won(t):
    mesh = t.mesh()
    for name in ("first", "second"):
        mesh.apply(f"""
apiVersion: weft.dev/v1
kind: BackendPolicy
metadata: {{name: {name}}}
spec:
  targetRefs: [{{kind: Service, name: web}}]
  retries: {{attempts: 2}}
""" + ("""---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
""" if name == "first" else ""))
    described = mesh.cli("describe", "backendpolicy", "second").stdout
    for words in ("default/second", "Service web.default", "Conflicted",
                  "BackendPolicy default/first is older and has the same target Service web", "attempts: 2"):
        holds(words in described, f"no word of {words}: {described}")
    equal(mesh.cli("describe", "backendpolicy", "third", check=False).returncode, 4)
    refused = mesh.cli("describe", "nonsense", "x", check=False)
    equal((refused.returncode, "backendpolicies" in refused.stderr), (2, True), refused.stderr)


def test_routes_of_two_kinds_may_share_a_name(t):
    mesh = t.mesh()
    for kind in ("HTTPRoute", "GRPCRoute"):
        mesh.apply(f"""
apiVersion: gateway.networking.k8s.io/v1
kind: {kind}
metadata: {{name: web}}
spec: {{parentRefs: [{{group: "", kind: Service, name: no-{kind.lower()}}}]}}
""")
    for words, no in (("routes", "no-grpcroute"), ("grpcroutes", "no-httproute")):
        shown = mesh.cli("get", words, "web").stdout
        holds(no not in shown and len(shown.splitlines()) == 2, shown)
        described = mesh.cli("describe", words, "web").stdout
        holds(no not in described and "there is no Service no-" in described, described)
    status = mesh.cli("status").stdout
    for kind in ("HTTPRoute", "GRPCRoute"):
        holds(f"! {kind} default/web: NoMatchingParent: there is no Service no-{kind.lower()}.default" in status, status)


def test_each_verb_has_a_manual(t):
    mesh = t.mesh(server=False)
    for verb in ("server", "run", "apply", "get", "describe", "delete", "status", "token"):
        done = mesh.cli(verb, "--help")
        holds(len(done.stdout.splitlines()) >= 8, f"weft {verb} --help: {done.stdout}")
    equal(mesh.cli("--nonsense", check=False).returncode, 2)
    equal(mesh.cli("status", check=False).returncode, 3, "no server")


def test_tables_json_and_yaml_show_the_same(t):
    mesh = t.mesh()
    t.http_app(mesh, "web:80:8080/http")
    holds("web" in mesh.cli("get", "workloads").stdout, "table")
    holds(mesh.workloads()[0]["meshAddresses"][0].startswith("240.241."), "json")
    holds("240.241." in mesh.cli("get", "workloads", "-o", "yaml").stdout, "yaml")


def scrape(family, address):
    with socket.socket(family) as connection:
        connection.settimeout(5)
        connection.connect(address)
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while part := connection.recv(65536):
            answer += part
    return answer.decode()


def test_metrics_of_server_and_sidecar_are_prometheus_text(t):
    mesh = t.mesh()
    t.http_app(mesh, "web:80:8080/http")
    for _ in range(3):
        t.get_json(mesh, "http://web/")
    name = mesh.instances("web")[0]["name"]
    # A sidecar's admin door is a port of the host's loopback; the file says which.
    host, port = (mesh.folder / "state/weft/instances" / name / "admin").read_text().strip().rsplit(":", 1)
    for family, address in ((socket.AF_UNIX, str(mesh.socket)), (socket.AF_INET, (host, int(port)))):
        text = scrape(family, address)
        holds(text.startswith("HTTP/1.1 200"), text[:200])
        holds("\n# TYPE weft_" in text, text[:600])
    counted = [line for line in text.splitlines() if line.startswith("weft_requests_total{") and "/sa/client" in line]
    equal(sum(float(line.rsplit(" ", 1)[1]) for line in counted), 3.0, f"requests of the edge client → web in {counted}")
