"""The Gateway API's conformance tests as data (suites/gateway-api/cases.json), for real processes: reads the suite,
compares answers by its rules, scores. What they are played on is the caller's: see test_gateway_cases.py, and
`Door` for clients from outside (the gateway group)."""

import json
import re
import urllib.parse

GATEWAY_ADDRESS = "{gateway_address}"


def documents(text):
    return [part for part in re.split(r"^---\s*$", text, flags=re.M) if re.search(r"^kind:", part, re.M)]


def kind_of(document):
    return re.search(r"^kind:\s*(\S+)", document, re.M).group(1)


def metadata_of(document):
    """(namespace, name) of block-style YAML as the suite has it."""
    block = re.search(r"^metadata:\n((?: +.*\n?)*)", document, re.M).group(1)
    namespace = re.search(r"^  namespace:\s*(\S+)", block, re.M)
    return (namespace.group(1) if namespace else None, re.search(r"^  name:\s*(\S+)", block, re.M).group(1))


def pod_labels(document):
    block = re.search(r"^  template:\n    metadata:\n      labels:\n((?:        .*\n)+)", document, re.M).group(1)
    return dict(line.strip().split(": ") for line in block.splitlines())


class Suite:
    def __init__(self, folder):
        self.folder = folder
        self.tests = json.loads((folder / "cases.json").read_text())["tests"]

    def group(self, name):
        return [test for test in self.tests if test["group"] == name]

    def manifests(self, test):
        return "\n---\n".join((self.folder / file).read_text() for file in test["manifests"])

    def base(self, test):
        """(Services as YAML documents, [(namespace, name, labels)] of pods)."""
        parts = documents((self.folder / test["base"]).read_text())
        return ([p for p in parts if kind_of(p) == "Service"],
                [(*metadata_of(p), pod_labels(p)) for p in parts if kind_of(p) == "Deployment"])


class Door:
    """How clients from outside come in. `service_door` is a Service beside the routes; a Gateway's address makes
    another: parents stay as they are written, `instance` is None where `call` is to come from outside the mesh."""

    def __init__(self, address, adapt=lambda manifests: manifests, parent=None):
        self.address, self.adapt, self.parent = address, adapt, parent


def on_a_service(manifests):
    """The manifests with a Service `frontend` as the routes' parent."""
    namespace = metadata_of(documents(manifests)[0])[0]
    text = re.sub(r"^  parentRefs:\n(?:  - .*\n(?:    .*\n)*)+",
                  '  parentRefs: [{group: "", kind: Service, name: frontend}]\n', manifests, flags=re.M)
    return (f"apiVersion: v1\nkind: Service\nmetadata:\n  name: frontend\n  namespace: {namespace}\n"
            f"spec: {{ports: [{{port: 80}}]}}\n---\n{text}")


def service_door():
    return Door("frontend", on_a_service, ("Service", "frontend"))


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


def place(one):
    return one["workload"], one["namespace"]


def compare_backend(expect, reached, door):
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
        if part in request and filled(request[part], door) != one[part]:
            yield f"backend_request.{part}", f"{one[part]!r}, not {request[part]!r}"
    yield from compare_headers("backend_request", request, one["headers"])


def filled(text, door):
    return text.replace(GATEWAY_ADDRESS, door.address) if door else text


def differences(expect, answer, reached, door):
    """[(field of `expect`, what is otherwise)]"""
    if answer["status"] not in expect["status"]:
        yield "status", f"{answer['status']} {answer.get('error', '')}"
    if "grpc_status" in expect and expect["grpc_status"] != answer.get("grpc_status"):
        yield "grpc_status", str(answer.get("grpc_status"))
    yield from compare_backend(expect, reached, door)
    yield from compare_headers("response", expect.get("response", {}), answer["headers"])
    if "location" in expect:
        found, default_written = url(answer["headers"].get("location", ""))
        if found != url(filled(expect["location"], door))[0] or default_written:
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


def is_strict(case, field):
    return any(name == "*" or field == name or field.startswith(name + ".") for name in case["strict"])
