"""A mesh with the workloads of the Gateway API's base manifests, each a real program with its sidecar, on which the
cases of gateway_cases.py are played: manifests applied and deleted test by test, requests made by long-lived clients.

The workloads start once for a group. A pod is apps/gateway_echo.js, which is told over a Unix socket what to answer
and what to ask, and says what came to it. Every request has a mark, by which it is found again at the workloads."""

import json
import re
import socket
import time

from gateway_cases import documents, kind_of, name_of, place, differences
from harness import APPS, holds, wait_until
from weftlib import Program, tail

PORTS = (3000, 3001, 7070, 8080, 8443, 9090)
MARK = "x-case-mark"


class Peer:
    """A gateway_echo.js and its Unix socket."""

    def __init__(self, mesh, namespace, name):
        self.mesh, self.namespace, self.name = mesh, namespace, name
        self.path = mesh.folder / "home" / f"{namespace}.{name}"
        self.program, self.stream = None, None

    def command(self, ports):
        return ["node", self.mesh.share(APPS / "gateway_echo.js"), self.name, self.namespace, self.path, *map(str, ports)]

    def in_the_mesh(self, labels=None, ports=()):
        self.program = self.mesh.run(f"{self.namespace}.{self.name}", self.command(ports), [self.name], labels=labels,
                                     options=["--namespace", self.namespace])
        return self

    def beside_the_mesh(self):
        """A client without a sidecar."""
        self.program = Program(self.name, self.command([]), self.mesh.logs, self.mesh.environment, self.mesh.user)
        self.mesh.programs.append(self.program)
        return self

    def ready(self):
        holds(self.program.running(), f"{self.name} ended: {tail(self.program.err)}")
        return self.path.exists()

    def ask(self, **what):
        if not self.stream:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(30)
            connection.connect(str(self.path))
            self.stream = connection.makefile("rw")
        self.stream.write(json.dumps(what) + "\n")
        self.stream.flush()
        return json.loads(self.stream.readline())


class Door:
    """How clients from outside the cluster (the gateway group) come in.

    address   what {gateway_address} reads as
    client    the Peer that asks for them
    adapt     what is applied in the place of manifests
    parent    (kind, name) that conditions are looked for at; None: the one that the suite has
    target    where port 80 of the address is to be connected to, if not there: (host, port)"""

    def __init__(self, address, client, adapt=lambda manifests: manifests, parent=None, target=None):
        self.address, self.client, self.adapt, self.parent, self.target = address, client, adapt, parent, target


def on_a_service(manifests):
    """The manifests with a Service `frontend` as the routes' parent."""
    text = re.sub(r"^  parentRefs:\n(?:  - .*\n(?:    .*\n)*)+",
                  '  parentRefs: [{group: "", kind: Service, name: frontend}]\n', manifests, flags=re.M)
    return (f"apiVersion: v1\nkind: Service\nmetadata:\n  name: frontend\n  namespace: {name_of(manifests)[0]}\n"
            f"spec: {{ports: [{{port: 80}}]}}\n---\n{text}")


def service_door(stage, namespace):
    return Door("frontend", stage.client(namespace), on_a_service, ("Service", "frontend"))


class Stage:
    """`apply`: kinds of the base manifests that Weft is given, apart from workloads."""

    def __init__(self, t, suite, group, apply=("Service",)):
        self.suite, self.group, self.marks, self.door = suite, group, 0, None
        self.mesh = t.mesh()
        self.mesh.apply("\n---\n".join(part for part in suite.base(group) if kind_of(part) in apply))
        self.labels = {(namespace, name): labels for namespace, name, labels in suite.pods(group)}
        self.pods = [Peer(self.mesh, *at).in_the_mesh(labels, PORTS) for at, labels in self.labels.items()]
        wait_until("the pods", lambda: all([pod.ready() for pod in self.pods]) and
                   sum(one["state"] == "serving" for one in self.mesh.instances()) >= len(self.pods), 60)

    def client(self, namespace):
        """An instance that only calls."""
        peer = Peer(self.mesh, namespace, "outsider").in_the_mesh()
        wait_until("the client", peer.ready, 30)
        return peer

    def pod(self, name, namespace=None):
        return next(p for p in self.pods if p.name == name and namespace in (None, p.namespace))

    def filled(self, text):
        if self.door:
            text = text.replace("{gateway_address}", self.door.address)
        return re.sub(r"\{pod_ip:([^}]+)\}", lambda found: self.mesh_address(self.pod(found.group(1))), text)

    def mesh_address(self, pod):
        return next(one["meshAddresses"][0] for one in self.mesh.workloads()
                    if one["namespace"] == pod.namespace and one["labels"] == self.labels[pod.namespace, pod.name])

    def call_of(self, request):
        self.marks += 1
        host, port = self.filled(request["connect"]).rsplit(":", 1)
        if self.door and self.door.target:
            host, port = self.door.target
        return {"protocol": request["protocol"], "host": host, "port": int(port), "method": request["method"],
                "path": request["path"], "authority": self.filled(request["authority"]),
                "headers": {**request.get("headers", {}), MARK: str(self.marks)}}

    def reached(self, mirrors=()):
        """What came to the workloads since the last time: when each of `mirrors` got its copies, or after 2 s."""
        found, end = [], time.monotonic() + 2
        while True:
            found += [one for pod in self.pods for one in pod.ask(take=True)["reached"]]
            if all(sum(place(one) == place(to) for one in found) >= to["count"] for to in mirrors) or \
                    time.monotonic() > end:
                return found
            time.sleep(0.02)

    def play(self, case, times=1):
        """[(answer, what reached whom)] of as many requests at once."""
        client = case["client"]
        caller = self.door.client if "outside_cluster" in client else self.pod(client["workload"], client["namespace"])
        calls = [self.call_of(case["request"]) for _ in range(times)]
        for pod in self.pods:
            pod.ask(headers=case.get("backend_sets_response_headers", {}))
        answers = caller.ask(calls=calls)
        reached = self.reached(case.get("expect", {}).get("mirrored_to", ()))
        return [(answer, [one for one in reached if one["headers"].get(MARK) == call["headers"][MARK]])
                for call, answer in zip(calls, answers)]

    def case(self, case):
        """What is otherwise than the case says, after it held three times in a row or 30 s were over."""
        held, end = 0, time.monotonic() + 30
        while True:
            answer, reached = self.play(case)[0]
            wrong = list(differences(case["expect"], answer, reached, self.filled))
            held = 0 if wrong else held + 1
            if held == 3 or time.monotonic() > end:
                return wrong
            if wrong:
                time.sleep(0.1)

    def distribution(self, spec):
        """As `case`. A request that failed or went where none may go counts at once, a share that is off after
        as many attempts as the suite grants."""
        for _ in range(spec["strict"]["max_attempts"]):
            counts, wrong = {}, []
            for _ in range(spec["requests"] // spec["concurrency"]):
                for answer, reached in self.play(spec, spec["concurrency"]):
                    if answer["status"] not in spec["expect_each"]["status"] or len(reached) != 1 or \
                            answer.get("grpc_status", 0) != 0:
                        wrong.append(f"failed: {answer}, reached {reached}")
                    else:
                        counts[reached[0]["workload"]] = counts.get(reached[0]["workload"], 0) + 1
            weights = spec["weights"]
            wrong += [f"{name} got {counts[name]}" for name in counts if not weights.get(name)]
            off = [f"{name} got {counts.get(name, 0)} of {spec['requests']}" for name, weight in weights.items()
                   if abs(counts.get(name, 0) / spec["requests"] - weight) > spec["tolerance_abs"]]
            if wrong or not off:
                break
        return [("distribution", text) for text in wrong + off]

    def conditions(self, one):
        """{type: (status, reason)} of a row of route_status."""
        route, parent = one["route"], one["parent"]
        shown = json.loads(self.mesh.cli("get", route["kind"].lower(), route["name"], "-n", route["namespace"], "-o",
                                         "json").stdout)
        at = self.door.parent if self.door and self.door.parent else (parent["kind"], parent["name"])
        return {found["type"]: (found["status"], found["reason"])
                for ref in shown["status"]["parents"]
                if (ref["parentRef"]["kind"], ref["parentRef"]["name"]) == at and
                parent.get("port") in (None, ref["parentRef"].get("port")) for found in ref["conditions"]}

    def test(self, test, score, counted_out):
        manifests = self.suite.manifests(test)
        text = self.door.adapt(manifests) if self.door and manifests else manifests
        if text:
            self.mesh.apply(text)
        for case in test["cases"]:
            if case["id"] in counted_out:
                score.counted_out.append(f"{case['id']}, {counted_out[case['id']](self, case)}")
            else:
                score.case(case, self.case(case))
        if "distribution" in test:
            score.case({"id": test["id"], "strict": []}, self.distribution(test["distribution"]))
        for one in test["route_status"]:
            found = self.conditions(one)
            for wanted in one["conditions"]:
                score.condition(test, found.get(wanted["type"]), wanted)
        for document in documents(text):
            if kind_of(document).endswith("Route"):
                namespace, name = name_of(document)
                self.mesh.cli("delete", kind_of(document).lower(), name, "-n", namespace)

    def score(self, score, door=None, counted_out=None):
        """Plays the group. counted_out: {id: function(stage, case)}, which checks what happens instead and says why."""
        self.door = door
        for test in self.suite.group(self.group):
            self.test(test, score, counted_out or {})
        return score
