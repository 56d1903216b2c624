"""Passing means: objects are read as a cluster means them, and nonsense in them is no traceback."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from fixtures.clients.kubernetes_gangs import gangs_of
from fixtures.clients.kubernetes_kinds import PODS, Collection
from fixtures.clients.kubernetes_pods import node_view, pod_view
from fixtures.clients.kubernetes_ranks import by_worker
from fixtures.clients.kubernetes_view import conditions_of, members, owned
from fixtures.model.kubernetes import ComponentPlan

from .exchanges import ODD_VALUES

pytestmark = pytest.mark.selftest

GPU = "nvidia.com/gpu"
PLANS = (
    ComponentPlan("frontend", "frontend", 1, 1, 0, ()),
    ComponentPlan("Decode", "decode", 2, 2, 4, ()),
)
SETS = Collection("leaderworkerset.x-k8s.io", "v1", "leaderworkersets", "LeaderWorkerSet")
GANGS = Collection("scheduler.grove.io", "v1alpha1", "podgangs", "PodGang")


def pod(name: str, labels: dict[str, str], **variables: str) -> dict[str, Any]:
    """A pod of the component Decode on a node."""
    env = [{"name": key, "value": value} for key, value in variables.items()]
    env.append({"name": "POD", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}})
    main = {
        "name": "main",
        "image": "i",
        "command": ["a"],
        "args": ["b"],
        "env": env,
        "resources": {"limits": {GPU: "4"}},
    }
    return {
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "labels": {"nvidia.com/dynamo-component": "decode", **labels},
            "ownerReferences": [{"uid": "owner"}],
        },
        "spec": {"nodeName": "n1", "containers": [{"name": "sidecar"}, main]},
        "status": {
            "phase": "Running",
            "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "main", "restartCount": 2, "state": {"running": {}}}],
        },
    }


LEADER = pod("x-0-d-1-d-ldr-abc", {"grove.io/podclique": "x-0-d-1-d-ldr"}, GROVE_PCSG_INDEX="1")
WORKER = pod(
    "x-0-d-1-d-wkr-abc",
    {"grove.io/podclique": "x-0-d-1-d-wkr"},
    GROVE_PCSG_INDEX="1",
    GROVE_PCLQ_POD_INDEX="0",
)
OF_A_SET = pod(
    "x-d-0-1",
    {
        "leaderworkerset.sigs.k8s.io/group-index": "0",
        "leaderworkerset.sigs.k8s.io/worker-index": "1",
    },
)


@pytest.mark.parametrize(
    ("item", "replica", "rank"), [(LEADER, "1", 0), (WORKER, "1", 1), (OF_A_SET, "0", 1)]
)
def test_a_pod_is_found_in_its_replica_by_labels_and_variables(
    item: dict[str, Any], replica: str, rank: int
) -> None:
    seen = pod_view(item, GPU, PLANS)

    assert (seen.component, seen.replica, seen.rank) == ("Decode", replica, rank)
    assert (seen.gpus, seen.restarts, seen.ready, seen.node) == (4, 2, True, "n1")
    assert (seen.command, seen.args, seen.environment["POD"]) == (("a",), ("b",), seen.name)


def test_pods_make_workers_in_the_order_of_replicas_and_ranks() -> None:
    pods = [pod_view(each, GPU, PLANS) for each in (WORKER, LEADER, OF_A_SET)]

    found = by_worker([*pods, replace(pods[0], component="other")], PLANS)

    assert {key: [each.rank for each in own] for key, own in found.items()} == {
        ("Decode", 0): [1],
        ("Decode", 1): [0, 1],
    }


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (
            {"conditions": [{"type": "PodScheduled", "status": "False", "message": "0/8 nodes"}]},
            "not scheduled: 0/8 nodes",
        ),
        (
            {"containerStatuses": [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]},
            "ImagePullBackOff",
        ),
        ({"containerStatuses": [{"state": {"waiting": {"reason": "ContainerCreating"}}}]}, ""),
        (
            {"phase": "Failed", "reason": "Evicted", "message": "low on disk"},
            "Evicted: low on disk",
        ),
    ],
)
def test_why_a_pod_does_not_run_is_told_in_the_words_of_the_cluster(
    status: dict[str, Any], said: str
) -> None:
    assert pod_view({**LEADER, "status": status}, GPU, PLANS).waiting == said


def test_members_are_found_by_label_and_through_owners() -> None:
    def one(uid: str, owner: str = "", label: str = "") -> tuple[Collection, dict[str, Any]]:
        labels = {"nvidia.com/dynamo-graph-deployment-name": label} if label else {}
        owners = [{"uid": owner}] if owner else []
        return PODS, {"metadata": {"uid": uid, "labels": labels, "ownerReferences": owners}}

    everything = [one("c", "b"), one("b", "a"), one("d", label="x"), one("e", "z"), one("a")]

    found = members(everything, "x", "a")

    assert {item["metadata"]["uid"] for _, item in found} == {"a", "b", "c", "d"}


def spoilt(data: Any) -> Iterator[Any]:
    """The same data, with something odd in one place."""
    keys = list(data) if isinstance(data, dict) else range(len(data))
    for key in keys:
        for odd in ODD_VALUES:
            changed = copy.copy(data)
            changed[key] = odd
            yield changed
        if isinstance(data[key], dict | list):
            for inner in spoilt(data[key]):
                changed = copy.copy(data)
                changed[key] = inner
                yield changed


def test_nonsense_from_a_server_is_no_traceback() -> None:
    sets = {"metadata": {"name": "s"}, "spec": {"replicas": 2, "leaderWorkerTemplate": {"size": 2}}}
    gang = {"metadata": {"name": "g"}, "spec": {"podgroups": [{"minReplicas": 1}]}, "status": {}}
    pods = [pod_view(each, GPU, PLANS) for item in (LEADER, WORKER) for each in spoilt(item)]
    for where, item in ((SETS, sets), (GANGS, gang)):
        for each in spoilt(item):
            gangs_of([(where, each)], pods[:3])
            conditions_of(each)
            node_view(each, GPU)
            owned(where, each)
            members([(where, each)], "x", "owner")
    by_worker(pods, PLANS)
    assert len(pods) > 1000
