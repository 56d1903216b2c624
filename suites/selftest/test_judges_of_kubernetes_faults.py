"""Passing means: each way in which a deployment can be wrong is named by its judge."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.judges.preflight_base import NothingToJudge
from fixtures.model.kubernetes import Condition, GangView, KubeEvent

from .kube_cases import (
    DOMAIN,
    ELASTIC,
    GANG,
    GROVE,
    JUDGES,
    LEADER,
    MANY,
    OLD,
    SINGLE,
    judged,
    with_command,
)
from .kube_views import Case, case

pytestmark = pytest.mark.selftest

WAITS = "Unschedulable: 0/8 nodes are available: 8 Insufficient nvidia.com/gpu."
CRASH = "CrashLoopBackOff: back-off 5m0s restarting failed container"
REFUSED = KubeEvent("Warning", "FailedCreate", "PodClique/x", "Pod p is invalid: spec.hostname")
BROKEN: list[tuple[str, Case, str]] = [
    ("PLC-001", GROVE.pod(LEADER, node="", phase="Pending", waiting=WAITS), "Insufficient"),
    ("PLC-001", GROVE.without("decode-0-3"), "decode: 1 x 4 = 4 pods: 3"),
    ("PLC-001", GROVE.changed(errors=("Pod: 403 forbidden",)), "403"),
    ("KDP-001", GROVE.without("prefill-0-2"), "prefill: 1 x 4 = 4 pods: 3"),
    ("KDP-001", GROVE.with_pod(LEADER, node="spare"), "1 x 4 = 4 pods: 5"),
    ("KDP-001", MANY.without("prefill-1-2"), "prefill: 2 x 4 = 8 pods: 7"),
    ("KDP-001", GROVE.pod(LEADER, phase="Pending", waiting="ImagePullBackOff"), "ImagePull"),
    (
        "KDP-001",
        GROVE.pod(LEADER, waiting=CRASH, restarts=5),
        "restarting (CrashLoopBackOff, 5 restarts)",
    ),
    ("KDP-001", GROVE.changed(pods=(), events=(REFUSED,)), "no pod; FailedCreate: Pod"),
    ("PLC-001", GROVE.changed(pods=(), events=(REFUSED,)), "no pod; FailedCreate: Pod"),
    ("KDP-001", GROVE.pod(LEADER, phase="Failed"), "Failed"),
    ("KDP-001", GROVE.with_pod(LEADER, component="planner"), "of planner"),
    ("KDP-001", GROVE.changed(pods=()), "prefill: 1 x 4 = 4 pods: 0: no pod"),
    ("KDP-001", GROVE.changed(errors=("the API server does not answer",)), "does not answer"),
    ("KDP-002", GROVE.pod("prefill-0-2", rank=1), "rank 1 2 times"),
    ("KDP-002", GROVE.pod("prefill-0-2", rank=1), "no pod has rank 2"),
    ("KDP-002", GROVE.pod("prefill-0-2", rank=4), "rank 4"),
    ("KDP-002", GROVE.pod("prefill-0-2", rank=None), "tell the rank"),
    ("KDP-002", MANY.pod("prefill-1-0", replica="0"), "prefill replica 0"),
    ("KDP-002", GROVE.pod("prefill-0-3", replica="7"), "prefill: 1 replicas: 0, 7"),
    ("KDP-002", GROVE.without("prefill-0-0"), "no pod has rank 0"),
    ("KDP-002", GROVE.changed(pods=()), "prefill: 1 replicas: none"),
    (
        "KDP-002",
        GROVE.pod("prefill-0-1", command=("mpirun", "-n", "16", "bash"), args=()),
        "rank 0 alone",
    ),
    ("KDP-003", GROVE.pod("decode-0-1", gpus=2), "decode-0-1: 4 GPUs: 2"),
    ("KDP-003", GROVE.pod("decode-0-1", gpus=0), "4 GPUs: 0"),
    ("KDP-003", GROVE.pod("frontend-0-0", gpus=1), "0 GPUs: 1"),
    ("KDP-003", GROVE.changed(pods=()), "no pod"),
    ("KDP-004", GROVE.pod("prefill-0-1", node="node00"), "node00: acc"),
    ("KDP-004", GROVE.pod("prefill-0-1", node="node04"), "node04: at most its 4 GPUs"),
    ("KDP-004", GROVE.pod(LEADER, node="", waiting=WAITS), "has a node: Unschedulable"),
    ("KDP-004", GROVE.changed(pods=()), "none is there"),
    ("KDP-005", GROVE.clique(2, "rack2.0"), "all workers: one NVLink domain"),
    ("KDP-005", GROVE.clique(2, "rack2.0").recorded(domain=False), "prefill: one NVLink domain"),
    ("KDP-005", GROVE.clique(2, "rack2.0").clique(3, None), "rack2.0: node02"),
    ("KDP-005", DOMAIN.clique(2, "rack2.0"), "one NVLink domain"),
    ("KDP-005", ELASTIC.clique(2, "b.0").pod("prefill-0-1", claims=("other",)), "one NVLink"),
    ("KDP-005", GROVE.changed(pods=()), "none is there"),
    ("KDP-006", case(orchestrator=""), "in none"),
    ("KDP-006", GROVE.changed(gangs=()), "in none"),
    ("KDP-006", GROVE.changed(gangs=(GangView("PodGang", GANG, 8, 5, "Starting"),)), "5 are (St"),
    ("KDP-006", GROVE.changed(gangs=(GangView("PodGang", GANG, 2, 8),)), "waits for all 4"),
    ("KDP-006", GROVE.pod("prefill-0-1", node=""), "without one"),
    ("KDP-006", GROVE.pod("prefill-0-1", labels={}), "in none: "),
    (
        "KDP-006",
        MANY.pod("prefill-0-1", labels={"grove.io/podgang": f"{MANY.record.name}-1"}),
        "one gang holds all",
    ),
    ("KDP-007", GROVE.pod(LEADER, restarts=1), "no restart: 1"),
    ("KDP-007", GROVE.pod("frontend-0-0", restarts=4, waiting=CRASH), "no restart: 4: Crash"),
    ("KDP-007", GROVE.changed(pods=()), "no pod"),
    ("KDP-008", with_command(GROVE, "/bin/sh", "-c", "python3 -m dynamo.trtllm"), "2 shells"),
    ("KDP-008", with_command(GROVE, "bash", "-c", "sh -c 'python3 -m dynamo.trtllm'"), "3 shells"),
    ("KDP-008", with_command(GROVE, "sleep", "infinity"), "runs a Dynamo worker"),
    ("KDP-008", GROVE.pod(LEADER, args=("mpirun 'never closes",)), "cannot read"),
    ("KDP-008", GROVE.pod(LEADER, args=("python3 -m dynamo.trtllm",)), "there is no mpirun"),
    (
        "KDP-008",
        GROVE.pod(LEADER, args=("mpirun -n 4 -H a,b,c,d bash -c 'python3 -m dynamo.trtllm'",)),
        "mpirun -n 4",
    ),
    (
        "KDP-008",
        GROVE.pod(LEADER, args=("mpirun -n 16 -H a,b python3 -m dynamo.trtllm",)),
        "mpirun -H with 2",
    ),
    (
        "KDP-008",
        with_command(GROVE, "python3", "-m", "dynamo.trtllm", "--tensor-parallel-size", "8"),
        "sizes is 8",
    ),
    (
        "KDP-008",
        with_command(GROVE, "python3", "-m", "dynamo.vllm", "--nnodes=2", "--tp", "16"),
        "--nnodes 2",
    ),
    (
        "KDP-008",
        GROVE.recorded(plans=tuple(replace(p, node_count=2) for p in GROVE.record.plans)),
        "engine config spans 16",
    ),
    ("KDP-008", GROVE.changed(pods=()), "none is there"),
    ("KDP-009", GROVE.changed(spec=None), "it is not there"),
    ("KDP-009", GROVE.recorded(applied="{"), "cannot be read"),
    ("KDP-009", GROVE.live("components", 1, "multinode", "nodeCount", value=2), "nodeCount: 4: 2"),
    ("KDP-009", GROVE.live("components", 1, "multinode", value=None), "it is gone"),
    ("KDP-009", OLD.live("services", "prefill", "replicas", value=3), "replicas: 1: 3"),
    ("KDP-009", OLD.live("services", "decode", value=None), "services.decode"),
    ("KDP-009", OLD.live("services", "planner", value={"replicas": 1}), "also planner"),
    ("KDP-009", SINGLE.live("components", 1, "multinode", value={"nodeCount": 2}), "nodeCount 2"),
    ("KDP-009", GROVE.live("backendFramework", value="vllm"), "trtllm: vllm"),
    (
        "KDP-009",
        GROVE.live("components", 1, "podTemplate", "spec", "containers", 0, "args", 1, value="x"),
        "args.1",
    ),
    (
        "KDP-009",
        GROVE.live("components", 1, "podTemplate", "spec", "containers", 0, "args", value=["x"]),
        "containers.main.args",
    ),
    ("KDP-009", OLD.live("services", "prefill", "sharedMemory", "size", value="8Gi"), "800Gi: 8Gi"),
    (
        "KDP-009",
        OLD.live("services", "prefill", "resources", "limits", "gpu", value="8"),
        "limits.gpu: 4: 8",
    ),
    ("KDP-009", GROVE.pod("prefill-0-3", image="other:1"), "prefill-0-3: image"),
    (
        "KDP-009",
        with_command(GROVE, "python3", "-m", "dynamo.trtllm", "--model", "other"),
        "dynamo.trtllm --model other",
    ),
    ("KDP-009", GROVE.changed(pods=()), "none is there"),
    ("KDP-010", GROVE.changed(conditions=()), "is Ready: not reported"),
    (
        "KDP-010",
        GROVE.changed(conditions=(Condition("Ready", "False", "insufficient_capacity", "4 < 8"),)),
        "insufficient_capacity 4 < 8",
    ),
    ("KDP-010", GROVE.changed(generation=3), "generation 3: of generation 2"),
    (
        "KDP-010",
        GROVE.changed(observed_generation=1, conditions=(Condition("Ready", "True"),)),
        "of generation 1",
    ),
    ("KDP-010", GROVE.changed(endpoints=0), "ready endpoint: none"),
    ("KDP-010", GROVE.changed(endpoints=None), "nobody says"),
]


@pytest.mark.parametrize(
    "number", range(len(BROKEN)), ids=[f"{b[0]}-{n}" for n, b in enumerate(BROKEN)]
)
def test_each_fault_is_named(number: int) -> None:
    id_, one, said = BROKEN[number]

    assert said in judged(JUDGES[id_], one)


def test_where_no_pod_is_nothing_is_said_of_gangs() -> None:
    one = GROVE.changed(pods=())

    with pytest.raises(NothingToJudge, match="no pod is there"):
        JUDGES["KDP-006"](one.record, one.view)
    blind = GROVE.changed(pods=(), errors=("Pod: 403 forbidden",))
    assert "403" in judged(JUDGES["KDP-006"], blind)


def test_hints_name_what_to_look_at() -> None:
    crashed = GROVE.pod(LEADER, waiting=CRASH, restarts=5).recorded(log_dir="/runs/1/logs/x-g1")
    no_image = GROVE.pod(LEADER, phase="Pending", waiting='ErrImagePull: "x": not found')
    (pod,) = [each.name for each in crashed.view.pods if each.restarts]

    for id_ in ("KDP-001", "KDP-007"):
        (finding,) = JUDGES[id_](crashed.record, crashed.view)
        assert f"/runs/1/logs/x-g1/{pod}.log" in finding.hint
    (finding,) = JUDGES["KDP-001"](no_image.record, no_image.view)
    assert "kubernetes.pull_secrets" in finding.hint


def test_there_is_a_broken_case_for_each_judge() -> None:
    assert {id_ for id_, _, _ in BROKEN} == set(JUDGES)
