"""The Gateway API's own gateway tests through an edge Gateway: clients beside the mesh, which speak HTTP/1.1, h2c and gRPC."""

import json

from gateway_cases import Score, Suite, kind_of
from gateway_stage import Door, Peer, Stage
from harness import have, limit, wait_until
from test_gateway_cases import NAMESPACE, report
from weftlib import Program, free_port

GATEWAY = "same-namespace"


def edge_door(stage):
    mesh, port = stage.mesh, free_port()
    mesh.apply("\n---\n".join(part.replace("{GATEWAY_CLASS_NAME}", "weft") for part in stage.suite.base(stage.group)
                              if kind_of(part) in ("Namespace", "Gateway")))
    mesh.programs.append(Program("edge", [mesh.bin / "weft", "gateway", GATEWAY, "--namespace", NAMESPACE, "--address", "127.0.0.1",
                                          "--port", f"80={port}"], mesh.logs, mesh.environment, mesh.user))

    def programmed():
        status = json.loads(mesh.cli("get", "gateway", GATEWAY, "-n", NAMESPACE, "-o", "json").stdout)["status"]
        return all(one["status"] == "True" for one in status["conditions"]) and status["served"]["users"] == 1
    wait_until("the gateway", programmed, 30)
    client = Peer(mesh, NAMESPACE, "stranger").beside_the_mesh()
    wait_until("the client", client.ready, 30)
    return Door("edge.test", client, target=("127.0.0.1", port))


@limit(240)
def test_the_gateway_group_through_an_edge_gateway(t):
    have("node")
    stage = Stage(t, Suite(), "gateway")
    report(t, "edge Gateway", stage.score(Score(), edge_door(stage)), 88, 32)
