"""Passing means: clusters are judged before the launch and after the stop, all faults named."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from fixtures.judges.kubernetes_left import nothing_is_left_in_the_namespace
from fixtures.judges.preflight import ALL, CLUSTER_JUDGES, NothingToJudge, NotSeen, first_failure
from fixtures.model.kube_preflight import KubeNeeds, KubePreflight, Permission, QuotaLine
from fixtures.model.kubernetes import ComponentPlan, KubeNode, OwnedObject, Taint
from fixtures.model.stop import CloseRecord, merged
from fixtures.outcome import Blocked, NotEvaluated, RequirementFailed
from fixtures.preflight_checks import settle

pytestmark = pytest.mark.selftest

PREFILL = ComponentPlan("prefill", "prefill", 1, 2, 4, ())
DECODE = ComponentPlan("decode", "decode", 2, 1, 4, ())
FRONTEND = ComponentPlan("frontend", "frontend", 1, 1, 0, ())
NEEDS = KubeNeeds("mine", "dynamo", "v1beta1", (FRONTEND, PREFILL, DECODE))
TAINT = Taint("pool", "gpu", "NoSchedule")
MINE = OwnedObject("DynamoGraphDeployment.nvidia.com", "mine")


def node(name: str, gpus: int = 4, **facts: Any) -> KubeNode:
    return replace(KubeNode(name, True, True, gpus, {"zone": "a"}), **facts)


NODES = tuple(node(f"n{number}") for number in range(4))
GOOD = KubePreflight(
    "topology",
    NEEDS,
    server="v1.33.1",
    namespace_exists=True,
    may_create_namespace=False,
    served=("v1alpha1", "v1beta1"),
    domains_served=False,
    orchestrators=("grove",),
    permissions=(Permission("create", "dynamographdeployments.nvidia.com", True),),
    nodes=NODES,
    gpus_used={},
    existing=(),
    claims=(),
    secrets=(),
    quotas=(),
)
IDLE = {"PRE-038", "PRE-039"}


def needing(**facts: Any) -> KubePreflight:
    return replace(GOOD, needs=replace(NEEDS, **facts))


def said(id_: str, record: KubePreflight) -> str:
    findings = CLUSTER_JUDGES[id_].judge(record)
    return "; ".join(f"{each.expected}: {each.actual}" for each in findings)


def verdict(judge: Callable[[Any], Any], record: KubePreflight) -> str:
    try:
        return "fail" if judge(record) else "pass"
    except NothingToJudge:
        return "idle"
    except NotSeen:
        return "unseen"


def test_a_good_cluster_passes() -> None:
    found = {id_: verdict(each.judge, GOOD) for id_, each in CLUSTER_JUDGES.items()}

    assert found == {id_: "idle" if id_ in IDLE else "pass" for id_ in CLUSTER_JUDGES}
    assert first_failure(GOOD) is None


LEGAL: dict[str, tuple[str, KubePreflight]] = {
    "a namespace that we may create": (
        "PRE-033",
        replace(GOOD, namespace_exists=False, may_create_namespace=True),
    ),
    "an old operator": ("PRE-034", replace(needing(api=""), served=("v1alpha1",))),
    "a ComputeDomain": ("PRE-034", replace(needing(compute_domain=True), domains_served=True)),
    "LWS": ("PRE-035", replace(needing(orchestrator="lws"), orchestrators=("lws",))),
    "a claim": ("PRE-039", replace(needing(claims=("w",)), claims=("w", "x"))),
    "a secret": ("PRE-038", replace(needing(secrets=("s",)), secrets=("s",))),
    "larger nodes": ("PRE-040", replace(GOOD, nodes=(node("a", 8), node("b", 8)))),
    "nodes of two sizes": (
        "PRE-040",
        replace(
            needing(plans=(DECODE, ComponentPlan("big", "decode", 1, 1, 8, ()))),
            nodes=(node("a", 8), node("b"), node("c")),
        ),
    ),
    "nodes that are partly used": (
        "PRE-040",
        replace(GOOD, nodes=tuple(node(f"n{i}", 8) for i in range(4)), gpus_used={"n0": 4}),
    ),
    "nobody says what is used": ("PRE-040", replace(GOOD, gpus_used=None)),
    "a selector that fits": ("PRE-040", needing(node_selector={"zone": "a"})),
    "a taint that is tolerated": (
        "PRE-040",
        replace(
            needing(tolerations=({"key": "pool", "operator": "Exists"},)),
            nodes=tuple(replace(each, taints=(TAINT,)) for each in NODES),
        ),
    ),
    "the taint of GPUs": (
        "PRE-040",
        replace(
            GOOD,
            nodes=tuple(
                replace(each, taints=(Taint("nvidia.com/gpu", "", "NoSchedule"),)) for each in NODES
            ),
        ),
    ),
    "a taint that only prefers": (
        "PRE-040",
        replace(
            GOOD,
            nodes=tuple(
                replace(each, taints=(Taint("pool", "", "PreferNoSchedule"),)) for each in NODES
            ),
        ),
    ),
    "a quota that is just large enough": (
        "PRE-041",
        replace(GOOD, quotas=(QuotaLine("q", "pods", 6, 1), QuotaLine("q", "services", 1, 1))),
    ),
    "a namespace that has nothing yet": (
        "PRE-037",
        replace(GOOD, namespace_exists=False, may_create_namespace=True, existing=None),
    ),
}


@pytest.mark.parametrize("variant", LEGAL)
def test_legal_clusters_pass(variant: str) -> None:
    id_, record = LEGAL[variant]

    assert said(id_, record) == ""


BROKEN: list[tuple[str, KubePreflight, str]] = [
    ("PRE-032", replace(GOOD, server="", error="connection refused"), "connection refused"),
    ("PRE-033", replace(GOOD, namespace_exists=False), "we may not create it"),
    ("PRE-034", replace(GOOD, served=()), "is the Dynamo operator installed"),
    ("PRE-034", replace(GOOD, served=("v1alpha1",)), "v1beta1 is served: v1alpha1"),
    ("PRE-034", replace(needing(api=""), served=("v2",)), "v1beta1 or v1alpha1: v2"),
    ("PRE-034", needing(compute_domain=True), "ComputeDomain is served: it is not"),
    ("PRE-035", replace(GOOD, orchestrators=()), "grove or lws is installed: neither"),
    ("PRE-035", needing(orchestrator="lws"), "lws is installed: grove"),
    (
        "PRE-036",
        replace(GOOD, permissions=(Permission("delete", "pods", False, "RBAC"),)),
        "we may delete pods: RBAC",
    ),
    ("PRE-037", replace(GOOD, existing=(MINE,)), "DynamoGraphDeployment.nvidia.com/mine"),
    ("PRE-038", needing(secrets=("regcred",)), "pull secret regcred is in dynamo: there is none"),
    ("PRE-039", replace(needing(claims=("w",)), claims=("other",)), "Claim w is in dynamo: other"),
    ("PRE-040", replace(GOOD, nodes=NODES[:3]), "prefill: 1 x 2 nodes with 4 free GPUs"),
    ("PRE-040", replace(GOOD, nodes=(node("one", 16),)), "free GPUs: one 16"),
    ("PRE-040", replace(GOOD, nodes=tuple(node(f"n{i}", 2) for i in range(9))), "n0 2, n1 2"),
    ("PRE-040", replace(GOOD, gpus_used={"n3": 1}), "n3 3"),
    ("PRE-040", replace(GOOD, nodes=(*NODES[:3], node("n3", ready=False))), "n3: not ready"),
    ("PRE-040", replace(GOOD, nodes=(*NODES[:3], node("c", schedulable=False))), "c: cordoned"),
    ("PRE-040", replace(GOOD, nodes=(*NODES[:3], node("t", taints=(TAINT,)))), "t: taint pool"),
    ("PRE-040", needing(node_selector={"zone": "b"}), "n0: zone is a"),
    ("PRE-040", replace(GOOD, nodes=()), "free GPUs: none"),
    ("PRE-041", replace(GOOD, quotas=(QuotaLine("q", "pods", 9, 5),)), "q: 5 more of pods"),
    (
        "PRE-041",
        replace(GOOD, quotas=(QuotaLine("q", "requests.nvidia.com/gpu", 15, 0),)),
        "16 more of requests.nvidia.com/gpu: 0 of 15",
    ),
]


@pytest.mark.parametrize(
    "number", range(len(BROKEN)), ids=[f"{each[0]}-{n}" for n, each in enumerate(BROKEN)]
)
def test_each_fault_of_a_cluster_is_named_and_holds_the_launch_back(number: int) -> None:
    id_, record, words = BROKEN[number]

    assert words in said(id_, record)
    assert (first_failure(record) or ("",))[0] == id_
    assert all(each.hint for each in CLUSTER_JUDGES[id_].judge(record))
    with pytest.raises(RequirementFailed):
        settle(CLUSTER_JUDGES[id_].judge, record)


def test_there_is_a_broken_cluster_for_each_requirement() -> None:
    assert {id_ for id_, _, _ in BROKEN} == set(CLUSTER_JUDGES)
    assert len(ALL) == 41


def test_what_nobody_saw_is_open_and_blocked_by_its_cause() -> None:
    blind = KubePreflight("topology", NEEDS, error="connection refused")

    found = {id_: verdict(each.judge, blind) for id_, each in CLUSTER_JUDGES.items()}

    assert found == {
        **dict.fromkeys(CLUSTER_JUDGES, "unseen"),
        **dict.fromkeys(IDLE, "idle"),
        "PRE-032": "fail",
    }
    with pytest.raises(Blocked, match="connection refused") as blocked:
        settle(CLUSTER_JUDGES["PRE-034"].judge, blind)
    assert blocked.value.by == "PRE-032"
    unsure = replace(GOOD, permissions=(Permission("get", "pods", None),))
    assert verdict(CLUSTER_JUDGES["PRE-036"].judge, unsure) == "unseen"
    assert (first_failure(unsure) or ("",))[0] == "PRE-036"


@pytest.mark.parametrize("what", ["nodes", "quotas"])
def test_what_we_may_not_read_is_not_judged(what: str) -> None:
    facts: dict[str, Any] = {what: None}
    record = replace(GOOD, not_looked_at=((what, "HTTP 403: nodes is forbidden"),), **facts)

    with pytest.raises(NotEvaluated, match="403"):
        settle(CLUSTER_JUDGES["PRE-040" if what == "nodes" else "PRE-041"].judge, record)
    assert first_failure(record) is None


def test_single_node_deployments_need_no_gang() -> None:
    record = replace(needing(plans=(FRONTEND, DECODE)), orchestrators=())

    assert verdict(CLUSTER_JUDGES["PRE-035"].judge, record) == "idle"
    assert verdict(CLUSTER_JUDGES["PRE-040"].judge, needing(plans=(FRONTEND,))) == "idle"


def test_records_cross_processes() -> None:
    record = needing(node_selector={"zone": "a"})

    assert pickle.loads(pickle.dumps(record)) == record  # noqa: S301 - our own bytes


CLOSED = CloseRecord(
    processes=(),
    strays=(),
    ports=(),
    discovery_keys_left=(),
    discovery_waited_s=0.0,
    discovery_error="",
    shared_memory_left=(),
    lease_ttl_s=10,
)


def test_what_is_left_after_the_stop_is_named() -> None:
    held = OwnedObject("PodClique.grove.io", "a", "u", True, ("grove.io/podclique",))
    slow, orphan = OwnedObject("Pod", "b", deleting=True), OwnedObject("Service", "c")
    record = merged([CLOSED, replace(CLOSED, kubernetes_left=(held, slow, orphan))])

    found = nothing_is_left_in_the_namespace(record)

    names = [each.actual.split(" ")[0] for each in found]
    assert names == [
        "PodClique.grove.io/a",
        "Pod/b",
        "Service/c",
    ]
    assert "grove.io/podclique" in found[0].actual
    assert ["finalizer" in found[0].hint, "in time" in found[1].hint, "owner" in found[2].hint] == [
        True,
        True,
        True,
    ]
    assert nothing_is_left_in_the_namespace(CLOSED) == []
    assert "Service/c" in record.leftovers
