"""The Gateway API's own gateway tests (cases.json) through an edge Gateway: strict, so what reaches the backend, Location and the
routes' conditions count too. Counted out: what needs gRPC or h2c backends."""

import concurrent.futures
import http.client
import json
import time
import urllib.parse

from harness import APPS, PYTHON, ROOT, Skip, equal, holds, limit, wait_until
from weftlib import Program, free_port

SUITE = ROOT.parent / "shared/suites/gateway-api"
NS = "gateway-conformance-infra"
ADDRESS = "edge.test"  # what the suite calls {gateway_address}
COUNTED_OUT = {"HTTPRouteBackendProtocolH2C", "GRPCExactMethodMatching", "GRPCRouteWeight"}


def documents(file):
    """Those of the kinds that Weft has; a Service with a UDP port is none of its."""
    for text in file.read_text().replace("{GATEWAY_CLASS_NAME}", "weft").split("\n---"):
        kind = next((line.split(":")[1].strip() for line in text.splitlines() if line.startswith("kind:")), "")
        if (kind in ("Namespace", "Gateway", "Service") or kind.endswith("Route")) and "protocol: UDP" not in text:
            yield text


def same(found, wanted, what):
    return [] if found == wanted else [f"{what}: {found!r}, not {wanted!r}"]


def listed(value):
    return [one.strip() for one in value.split(",")]


def ask(port, request, extra=None):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.putrequest(request["method"], request["path"], skip_host=True, skip_accept_encoding=True)
    connection.putheader("Host", request["authority"].replace("{gateway_address}", ADDRESS))
    for name, value in {**request.get("headers", {}), **(extra or {})}.items():
        connection.putheader(name, value)
    if request["method"] in ("POST", "PUT", "PATCH"):
        connection.putheader("Content-Length", "0")
    connection.endheaders()
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer, body


def faults(port, case, log):
    request, expect = case["request"], case["expect"]
    extra = {}
    if "backend_sets_response_headers" in case:
        extra["X-Echo-Set-Header"] = ",".join(f"{k}:{v}" for k, v in case["backend_sets_response_headers"].items())
    before = {name: file.read_text().count("\n") if file.exists() else 0 for name, file in log.items()}
    start = time.monotonic()
    answer, body = ask(port, request, extra)
    took = (time.monotonic() - start) * 1000
    wrong = [] if answer.status in expect["status"] else [f"status {answer.status}"]
    echo = json.loads(body) if answer.status == 200 and body else None
    if echo and "backend" in expect:
        wrong += same(echo["workload"], expect["backend"]["workload"], "backend")
    if echo and "backend_any_of" in expect:
        wrong += [] if echo["workload"] in [one["workload"] for one in expect["backend_any_of"]] else ["backend"]
    wanted = expect.get("backend_request", {}) if echo else {}
    for part in ("method", "path"):
        if part in wanted:
            wrong += same(echo[part], wanted[part], f"backend's {part}")
    if "host" in wanted:
        wrong += same(echo["headers"]["host"].split(":")[0], wanted["host"].replace("{gateway_address}", ADDRESS), "host")
    for name, value in wanted.get("headers", {}).items():
        wrong += same(listed(echo["headers"].get(name.lower(), "")), listed(value), f"field {name}")
    for name in wanted.get("absent_headers", []):
        wrong += [f"field {name} is there"] if name.lower() in echo["headers"] else []
    response = expect.get("response", {})
    for name, value in response.get("headers", {}).items():
        wrong += same(listed(",".join(answer.headers.get_all(name, [""]))), listed(value), f"answer's {name}")
    for name in response.get("absent_headers", []):
        wrong += [f"answer's {name} is there"] if name in answer.headers else []
    if "location" in expect:
        wrong += same(answer.headers.get("location"), expect["location"].replace("{gateway_address}", ADDRESS), "Location")
    limits = expect.get("elapsed_ms", {})
    wrong += [f"took {took:.0f} ms"] if took < limits.get("min", 0) else []
    for one in expect.get("mirrored_to", []):
        file = log[one["workload"]]
        until = time.monotonic() + 3
        while (count := file.read_text().count("\n") if file.exists() else 0) <= before[one["workload"]] \
                and time.monotonic() < until:
            time.sleep(0.05)
        wrong += [] if count > before[one["workload"]] else [f"no copy at {one['workload']}"]
    return [f"{case['id']}: {one}" for one in wrong]


def settled(port, case, log):
    """As the suite has it: until it holds three times in a row, 30 s at most."""
    until, row, wrong = time.monotonic() + 30, 0, []
    while row < 3 and time.monotonic() < until:
        wrong = faults(port, case, log)
        row = 0 if wrong else row + 1
        if wrong:
            time.sleep(0.2)
    return wrong


def share(port, test):
    """Of 500 requests, ten at a time, each backend's part."""
    request = test["distribution"]["request"]

    def one(_):
        answer, body = ask(port, request)
        return json.loads(body)["workload"] if answer.status == 200 else f"status {answer.status}"
    with concurrent.futures.ThreadPoolExecutor(10) as pool:
        found = list(pool.map(one, range(500)))
    return {name: found.count(name) / 500 for name in set(found)}


@limit(240)
def test_the_suites_gateway_group(t):
    if not SUITE.exists():
        raise Skip("no Gateway API suite beside the checkout")
    tests = [test for test in json.loads((SUITE / "cases.json").read_text())["tests"]
             if test["group"] == "gateway" and test["id"] not in COUNTED_OUT]
    mesh = t.mesh()
    log, programs = {}, []
    for number in (1, 2, 3):
        name = f"infra-backend-v{number}"
        log[name] = mesh.folder / f"{name}.requests"
        programs.append(mesh.run(name, [PYTHON, mesh.share(APPS / "echo_app.py"), "3000", name, log[name]],
                                 [f"{name}:8080:3000/http"], options=["--namespace", NS]))
    for number in (1, 2, 3):
        wait_until("backends", lambda: all(one["state"] == "serving" for one in mesh.status()["instances"]) and
                   len(mesh.status()["instances"]) == 3, 30)
    mesh.apply("\n---".join(documents(SUITE / "gateway/base.yaml")))
    port = free_port()
    edge = Program("edge", [mesh.bin / "weft", "gateway", "same-namespace", "--namespace", NS, "--address", "127.0.0.1",
                            "--port", f"80={port}"], mesh.logs, mesh.environment, mesh.user)
    mesh.programs.append(edge)

    def programmed():
        gateway = json.loads(mesh.cli("get", "gateway", "same-namespace", "-n", NS, "-o", "json").stdout)
        return all(one["status"] == "True" for one in gateway["status"]["conditions"]) and \
            gateway["status"]["served"]["users"] == 1
    wait_until("the gateway", programmed, 30)
    wrong, cases = [], 0
    for test in tests:
        routes = "\n---".join(text for manifest in test["manifests"] for text in documents(SUITE / manifest))
        mesh.apply(routes)
        for case in test["cases"]:
            cases += 1
            wrong += settled(port, case, log)
        for status in test["route_status"]:
            route = status["route"]
            shown = json.loads(mesh.cli("get", route["kind"].lower(), route["name"], "-n", route["namespace"], "-o", "json").stdout)
            parents = {one["parentRef"]["name"]: one for one in shown["status"]["parents"]}
            of = {one["type"]: one for one in parents[status["parent"]["name"]]["conditions"]}
            for wanted in status["conditions"]:
                found = of.get(wanted["type"], {})
                wrong += same((found.get("status"), found.get("reason")), (wanted["status"], wanted["reason"]),
                              f"{test['id']}: {route['name']}: {wanted['type']}")
        if "distribution" in test:
            found = share(port, test)
            weights = {name: weight for name, weight in test["distribution"]["weights"].items() if weight > 0}
            equal(set(found), set(weights), f"{test['id']}: who answered")
            for name, weight in weights.items():
                holds(abs(found[name] - weight) <= 0.05, f"{test['id']}: {found}")
        for status in test["route_status"]:
            route = status["route"]
            mesh.cli("delete", route["kind"].lower(), route["name"], "-n", route["namespace"])
    equal(wrong, [], f"{cases} cases, faults")
    holds(cases == 80, f"{cases} cases")
