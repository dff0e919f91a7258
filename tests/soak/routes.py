"""Many routes, and changes of them under load: for the soak. Each version of the route sets three marks (on the request,
on the answer, and which backend it is), so that a request served by parts of two versions shows itself."""

import http.client
import json
import pathlib
import socket
import time

HERE = pathlib.Path(__file__).resolve().parent

PYTHON = "/usr/bin/python3"
HEAD = """apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: %s}
spec:
  parentRefs: [{group: "", kind: Service, name: even}]
  rules:
"""
ITEM = HEAD + """  - matches: [{path: {type: Exact, value: /item/%d}}]
    filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-item, value: "%d.%d"}]}}]
    backendRefs: [{name: even, port: 80}]
"""
HOT = HEAD + """  - matches: [{path: {value: /hot}}]
    filters: [{type: RequestHeaderModifier, requestHeaderModifier: {set: [{name: x-by-rule, value: "%d"}]}}]
    backendRefs:
    - name: %s
      port: 80
      filters: [{type: ResponseHeaderModifier, responseHeaderModifier: {set: [{name: x-by-backend, value: "%d"}]}}]
"""


A_FILE = 1000  # objects: a file may have 200 000 values


def item(number, edition=0):
    return ITEM % (f"item-{number}", number, number, edition)


def hot(number):
    return HOT % ("hot", number, "odd" if number % 2 else "even", number)


class Api(http.client.HTTPConnection):
    """The server's API on its socket, on one connection."""

    def __init__(self, path):
        super().__init__("localhost", timeout=120)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)

    def apply(self, *objects):
        """In one version, whatever their number."""
        files = [{"file": f"routes-{at}", "text": "---\n".join(objects[at:at + A_FILE])} for at in range(0, len(objects), A_FILE)]
        self.request("POST", "/v1/apply", json.dumps({"files": files}))
        answer = self.getresponse()
        body = answer.read().decode()
        if answer.status != 200:
            raise RuntimeError(body[:500])


def cpu_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def stage(mesh):
    """Starts the two apps with the first version of the route between them; the API."""
    apps = [mesh.run(name, [PYTHON, str(HERE / "versions.py"), name, "8080"], [f"{name}:80:8080/http"])
            for name in ("even", "odd")]
    for name, program in zip(("even", "odd"), apps):
        mesh.wait_serving(name, 1, 30, [program])
    api = Api(mesh.socket)
    api.apply(hot(1))
    return api


def change(api, last, rate, seconds):
    """Changes the route `rate` times a second, from the version after `last`; (the last version now, seconds)."""
    begin, made = time.monotonic(), 0
    while (now := time.monotonic() - begin) < seconds:
        if made > now * rate:
            time.sleep(made / rate - now)
        made += 1
        api.apply(hot(last + made))
    return last + made, time.monotonic() - begin
