"""The Gateway API's conformance tests through real sidecars in namespaces: the mesh group, and the gateway group on
a Service as parent. The same cases run on the simulated network in tests/scenarios/gateway_cases_test.cc."""

import json
import os
import pathlib
import socket
import time

import gateway_cases
from harness import APPS, ROOT, Skip, equal, have, holds, limit, wait_until

PORTS = (3000, 3001, 7070, 8080, 8443, 9090)


def suite():
    folder = pathlib.Path(os.environ.get("WEFT_SUITES_DIR", ROOT.parent / "shared" / "suites")) / "gateway-api"
    if not (folder / "cases.json").exists():
        raise Skip(f"{folder} is missing")
    return gateway_cases.Suite(folder)


class Pod:
    """A workload of the suite: an echo app with its sidecar, told by a socket what to do."""

    def __init__(self, mesh, namespace, name, labels):
        self.name, self.namespace, self.labels = name, namespace, labels
        self.path = mesh.folder / f"{namespace}.{name}.sock"
        self.program = mesh.run(
            f"{namespace}-{name}",
            ["node", mesh.share(APPS / "gateway_echo.js"), name, namespace, self.path, *map(str, PORTS)], [name],
            labels=labels, options=["--namespace", namespace])
        self.stream = None

    def ask(self, **what):
        if not self.stream:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(30)
            connection.connect(str(self.path))
            self.stream = connection.makefile("rw")
        self.stream.write(json.dumps(what) + "\n")
        self.stream.flush()
        return json.loads(self.stream.readline())


class Stage:
    """A mesh with the pods of one group's base manifests."""

    def __init__(self, t, cases, group, names=None):
        self.mesh, self.cases, self.marks = t.mesh(), cases, 0
        services, pods = cases.base(cases.group(group)[0])
        wanted = [s for s in services if names is None or gateway_cases.metadata_of(s)[1] in names]
        self.mesh.apply("\n---\n".join(wanted))
        self.pods = [Pod(self.mesh, *pod) for pod in pods if names is None or pod[1] in names]
        wait_until("the pods", lambda: all(pod.path.exists() for pod in self.pods) and
                   sum(i["state"] == "serving" for i in self.mesh.instances()) >= len(self.pods), 60)

    def pod(self, name, namespace=None):
        return next(p for p in self.pods if p.name == name and namespace in (None, p.namespace))

    def play(self, case, door, times=1):
        """[(answer, what reached whom)] of as many requests at once."""
        client, request = case["client"], case["request"]
        caller = self.pods[0] if "outside_cluster" in client else self.pod(client["workload"], client["namespace"])
        host, port = request["connect"].rsplit(":", 1)
        host = gateway_cases.filled(host, door)
        if host.startswith("{pod_ip:"):
            instance = self.pod(host[8:-1], client["namespace"])
            host = next(w["meshAddresses"][0] for w in self.mesh.workloads()
                        if w["namespace"] == instance.namespace and w["labels"] == instance.labels)
        calls = []
        for _ in range(times):
            self.marks += 1
            calls.append({"protocol": request["protocol"], "host": host, "port": int(port),
                          "authority": gateway_cases.filled(request["authority"], door), "method": request["method"],
                          "path": request["path"],
                          "headers": {**request.get("headers", {}), "x-case-mark": str(self.marks)}})
        for pod in self.pods:
            pod.ask(headers=case.get("backend_sets_response_headers", {}))
        answers = caller.ask(calls=calls)
        if case.get("expect", {}).get("mirrored_to"):
            time.sleep(0.1)  # nothing tells when a copy does not come
        reached = [one for pod in self.pods for one in pod.ask(take=True)["reached"]]
        return [(answer, [one for one in reached if one["headers"].get("x-case-mark") == call["headers"]["x-case-mark"]])
                for call, answer in zip(calls, answers)]

    def case(self, case, door):
        """What is otherwise than the case says, after it held three times in a row or 30 s were over."""
        held, end = 0, time.monotonic() + 30
        while True:
            answer, reached = self.play(case, door)[0]
            wrong = list(gateway_cases.differences(case["expect"], answer, reached, door))
            held = 0 if wrong else held + 1
            if held == 3 or time.monotonic() > end:
                return wrong
            if wrong:
                time.sleep(0.5)

    def distribution(self, test, door):
        spec, counts, failed = test["distribution"], {}, 0
        for _ in range(spec["requests"] // spec["concurrency"]):
            for answer, reached in self.play(spec, door, spec["concurrency"]):
                if answer["status"] != 200 or len(reached) != 1 or answer.get("grpc_status", 0) > 0:
                    failed += 1
                else:
                    counts[reached[0]["workload"]] = counts.get(reached[0]["workload"], 0) + 1
        wrong = [f"{failed} failed"] if failed else []
        for name, weight in spec["weights"].items():
            share = counts.pop(name, 0) / spec["requests"]
            if (share > 0 if weight == 0 else abs(share - weight) > spec["tolerance_abs"]):
                wrong.append(f"{name}: {share}")
        return [("distribution", text) for text in wrong + [f"{name} got some" for name in counts]]

    def conditions(self, test, door):
        """[(right, text)]"""
        for one in test["route_status"]:
            route, parent = one["route"], one["parent"]
            status = json.loads(self.mesh.cli("get", route["kind"], route["name"], "-n", route["namespace"], "-o",
                                              "json").stdout)["status"]
            kind, name = door.parent if door and door.parent else (parent["kind"], parent["name"])
            found = {c["type"]: (c["status"], c["reason"]) for p in status["parents"]
                     if (p["parentRef"]["kind"], p["parentRef"]["name"]) == (kind, name)
                     and parent.get("port") in (None, p["parentRef"].get("port")) for c in p["conditions"]}
            for condition in one["conditions"]:
                got = found.get(condition["type"])
                yield got == (condition["status"], condition["reason"]), \
                    f"{test['id']}: {condition['type']} is {got}"

    def score(self, group, door=None, say=print):
        passed, total, upstream, upstream_total, faults = 0, 0, 0, 0, []
        for test in self.cases.group(group):
            manifests = self.cases.manifests(test)
            text = door.adapt(manifests) if door and manifests else manifests
            if text:
                self.mesh.apply(text)
            plays = [(case, lambda case=case: self.case(case, door)) for case in test["cases"]]
            if "distribution" in test:
                plays.append(({"id": test["id"] + "/distribution", "strict": []},
                              lambda test=test: self.distribution(test, door)))
            for case, play in plays:
                wrong = play()
                total, passed = total + 1, passed + (not wrong)
                if "*" not in case["strict"]:
                    upstream_total += 1
                    upstream += all(gateway_cases.is_strict(case, field) for field, _ in wrong)
                faults += [f"{case['id']}: {field}: {what}" for field, what in wrong]
            faults += [what for right, what in self.conditions(test, door) if not right]
            for document in gateway_cases.documents(text):
                kind, (namespace, name) = gateway_cases.kind_of(document), gateway_cases.metadata_of(document)
                if kind.endswith("Route"):
                    self.mesh.cli("delete", kind, name, "-n", namespace)
        say(f"suite gateway-cases: {passed} of {total} ({group}, real processes; "
            f"upstream score {upstream} of {upstream_total})")
        holds(not faults, "\n".join(faults))
        return passed, total


@limit(240)
def test_the_mesh_group(t):
    have("node")
    passed, total = Stage(t, suite(), "mesh").score("mesh")
    equal(passed, total)


@limit(240)
def test_the_gateway_group_on_service_parents(t):
    have("node")
    names = {f"{kind}infra-backend-v{n}" for kind in ("", "grpc-") for n in (1, 2, 3)}
    passed, total = Stage(t, suite(), "gateway", names).score("gateway", gateway_cases.service_door())
    equal(passed, total)
