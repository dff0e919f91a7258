"""The Gateway API's conformance tests through real sidecars in namespaces: the mesh group, and the gateway group on
a Service as parent. The same cases run on the simulated network in tests/scenarios/gateway_cases_test.cc."""

from gateway_cases import TITLE, Score, Suite
from gateway_stage import Stage, service_door
from harness import equal, have, holds, limit

NAMESPACE = "gateway-conformance-infra"


def closed_namespace(stage, case):
    """Identities of one namespace may call each other, those of another may not and see no name of theirs: a route
    does not open a namespace."""
    [(answer, reached)] = stage.play(case)
    equal((answer["status"], reached), (0, []), case["id"])
    holds("ENOTFOUND" in answer["error"], answer)
    return "namespaces are closed to each other by design"


def report(t, name, score, cases, conditions):
    t.count(TITLE, score.line(name))
    holds(not score.faults, "\n".join([score.line(name), *score.faults]))
    equal((score.total, score.conditions_total), (cases, conditions), "how many there are")


@limit(240)
def test_the_mesh_group(t):
    have("node")
    score = Stage(t, Suite(), "mesh").score(Score(), counted_out={"MeshConsumerRoute/01": closed_namespace})
    report(t, "mesh", score, 90, 45)


@limit(240)
def test_the_gateway_group_on_service_parents(t):
    have("node")
    stage = Stage(t, Suite(), "gateway")
    report(t, "Service parents", stage.score(Score(), service_door(stage, NAMESPACE)), 88, 32)
