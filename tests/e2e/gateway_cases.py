"""The Gateway API's conformance tests as data (suites/gateway-api/cases.json): reads them, says what of an answer is
otherwise than a case has it, by the suite's own rules, and adds up. Where they are played: gateway_stage.py."""

import json
import os
import pathlib
import re
import urllib.parse

from harness import ROOT, Skip

TITLE = "gateway-api cases, real processes"


def documents(text):
    return [part for part in re.split(r"^---\s*$", text, flags=re.M) if re.search(r"^kind:", part, re.M)]


def kind_of(document):
    return re.search(r"^kind:\s*(\S+)", document, re.M).group(1)


def name_of(document):
    """(namespace, name) of block-style YAML as the suite has it."""
    block = re.search(r"^metadata:\n((?: +.*\n?)*)", document, re.M).group(1)
    namespace = re.search(r"^  namespace:\s*(\S+)", block, re.M)
    return (namespace.group(1) if namespace else None, re.search(r"^  name:\s*(\S+)", block, re.M).group(1))


def pod_labels(document):
    block = re.search(r"^  template:\n    metadata:\n      labels:\n((?:        .*\n)+)", document, re.M).group(1)
    return dict(line.strip().split(": ") for line in block.splitlines())


def place(one):
    return one["namespace"], one["workload"]


class Suite:
    def __init__(self):
        self.folder = pathlib.Path(os.environ.get("WEFT_SUITES_DIR", ROOT.parent / "shared/suites")) / "gateway-api"
        if not (self.folder / "cases.json").exists():
            raise Skip(f"no Gateway API suite: {self.folder}")
        self.tests = json.loads((self.folder / "cases.json").read_text())["tests"]

    def group(self, name):
        return [test for test in self.tests if test["group"] == name]

    def manifests(self, test):
        return "\n---\n".join((self.folder / file).read_text() for file in test["manifests"])

    def base(self, group):
        """Documents of the base manifests; a Service with a UDP port is none of Weft's."""
        [file] = {test["base"] for test in self.group(group)}
        return [part for part in documents((self.folder / file).read_text()) if "protocol: UDP" not in part]

    def pods(self, group):
        """[(namespace, name, labels)] of the workloads that the group's cases speak of."""
        named = set()
        for test in self.group(group):
            for case in test["cases"]:
                expect = case["expect"]
                named |= {place(one) for one in [case["client"], *expect.get("mirrored_to", []), *expect.get(
                    "backend_any_of", []), *filter(None, [expect.get("backend")])] if "workload" in one}
            named |= {(test["route_status"][0]["route"]["namespace"], workload)
                      for workload in test.get("distribution", {}).get("weights", {})}
        return [(*name_of(part), pod_labels(part)) for part in self.base(group)
                if kind_of(part) == "Deployment" and name_of(part) in named]


# --- comparison

def listed(value):
    return [part.strip() for part in value.split(",")]


def url(text):
    parts = urllib.parse.urlsplit(text)
    usual = {"http": 80, "https": 443}.get(parts.scheme)
    return (parts.scheme, parts.hostname, parts.port or usual, parts.path, parts.query), parts.port == usual


def compare_headers(field, expect, headers):
    for name, value in expect.get("headers", {}).items():
        found = headers.get(name.lower())
        if found is None or listed(found) != listed(value):
            yield f"{field}.headers", f"{name} is {found!r}, not {value!r}"
    for name in expect.get("absent_headers", []):
        if name.lower() in headers:
            yield f"{field}.absent_headers", f"{name} is there"


def compare_backend(expect, reached, filled):
    mirrors = [place(to) for to in expect.get("mirrored_to", [])]
    originals = [one for one in reached if place(one) not in mirrors]
    if len(originals) != (1 if expect["reaches_backend"] else 0):
        yield "reaches_backend", f"{len(originals)} requests came"
        return
    if not originals:
        return
    one = originals[0]
    if "backend" in expect:
        for part in ("workload", "namespace"):
            if expect["backend"][part] != one[part]:
                yield f"backend.{part}", one[part]
    if "backend_any_of" in expect and place(one) not in map(place, expect["backend_any_of"]):
        yield "backend_any_of", str(place(one))
    request = expect.get("backend_request")
    if not request:
        return
    for part in ("method", "path", "host", "protocol"):
        if part in request and filled(request[part]) != one[part]:
            yield f"backend_request.{part}", f"{one[part]!r}, not {filled(request[part])!r}"
    yield from compare_headers("backend_request", request, one["headers"])


def differences(expect, answer, reached, filled):
    """[(field of `expect`, what is otherwise)]. `reached`: requests as the workloads saw them; `filled` puts values
    in the place of {…}."""
    if answer["status"] not in expect["status"]:
        yield "status", f"{answer['status']} {answer.get('error', '')}"
    if "grpc_status" in expect and expect["grpc_status"] != answer.get("grpc_status"):
        yield "grpc_status", str(answer.get("grpc_status"))
    yield from compare_backend(expect, reached, filled)
    yield from compare_headers("response", expect.get("response", {}), answer["headers"])
    if "location" in expect:
        found, default_written = url(answer["headers"].get("location", ""))
        if found != url(filled(expect["location"]))[0] or default_written:
            yield "location", answer["headers"].get("location", "none")
    for to in expect.get("mirrored_to", []):
        count = sum(place(one) == place(to) and one["path"] == to["path"] for one in reached)
        if count == 0:
            yield "mirrored_to", "no copy came"
        if count != to["count"]:
            yield "mirrored_to.count", str(count)
    elapsed = expect.get("elapsed_ms", {})
    if not elapsed.get("min", 0) <= answer["elapsed_ms"] <= elapsed.get("max", 1e9):
        yield "elapsed_ms", str(answer["elapsed_ms"])


# --- scores

def is_strict(case, field):
    return any(name == "*" or field == name or field.startswith(name + ".") for name in case["strict"])


class Score:
    """Strict: everything a case states; upstream: what the upstream comparer looks at."""

    def __init__(self):
        self.strict = self.total = self.upstream = self.upstream_total = self.conditions = self.conditions_total = 0
        self.faults, self.counted_out = [], []

    def case(self, case, wrong):
        self.total, self.strict = self.total + 1, self.strict + (not wrong)
        if "*" not in case["strict"]:
            self.upstream_total += 1
            self.upstream += all(is_strict(case, field) for field, _ in wrong)
        self.faults += [f"{case['id']}: {field}: {what}" for field, what in wrong]

    def condition(self, test, found, wanted):
        right = found == (wanted["status"], wanted["reason"])
        self.conditions_total, self.conditions = self.conditions_total + 1, self.conditions + right
        if not right:
            self.faults.append(f"{test['id']}: {wanted['type']}: {found}, not {wanted['status']}, {wanted['reason']}")

    def line(self, name):
        out = "".join(f"; counted out: {one}" for one in self.counted_out)
        return (f"{name} {self.strict} of {self.total} (upstream score {self.upstream} of {self.upstream_total}, "
                f"route conditions {self.conditions} of {self.conditions_total}{out})")
