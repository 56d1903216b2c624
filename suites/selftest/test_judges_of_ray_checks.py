"""Passing means: the checks of placement and of Ray ask the right judge; nothing unasked passes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.evidence import EvidenceStore
from fixtures.model.deployment import (
    SIGNALS,
    DeploymentRecord,
    NodeAccess,
    Readiness,
    WorkerPlan,
    WorkerRecord,
)
from fixtures.model.kubernetes import ComponentPlan, KubeAccess, KubeRecord, KubeView
from fixtures.model.node_report import MarkedProcess, NodeReport
from fixtures.model.ray import HostVersions, RayRecord
from fixtures.model.requirement import Finding
from fixtures.outcome import LaunchFailed, NotEvaluated, RequirementFailed
from suites.launch import test_placement as placement
from suites.launch import test_ray as checks

from .ray_views import busy, cluster, node, plan, record, view

pytestmark = pytest.mark.selftest

Check = Callable[[DeploymentRecord, EvidenceStore], None]
ON_RAY: tuple[Check, ...] = (
    checks.test_every_node_of_a_cluster_is_alive,
    checks.test_no_two_workers_share_a_cluster,
    checks.test_the_placement_group_is_spread_as_planned,
    checks.test_each_rank_is_a_living_actor,
    checks.test_ray_and_python_have_one_version,
    checks.test_each_rank_knows_its_address,
    checks.test_no_worker_is_told_both_ways,
)
GOOD = cluster(1, 2)
NOW = busy(1, 2)
REPORTS = tuple(
    NodeReport(
        host.name,
        addresses=(host.address,),
        processes=tuple(
            MarkedProcess(actor.pid, 1, "ray::", (("VLLM_HOST_IP", host.address),))
            for actor in NOW.actors
        ),
    )
    for host in GOOD.hosts
)


def deployment(ray: RayRecord | None, *plans: WorkerPlan, **changes: Any) -> DeploymentRecord:
    made = DeploymentRecord(
        topology="t1",
        namespace="acc",
        generation=1,
        served_model_name="m",
        frontend_url="",
        origins=(),
        etcd_url="",
        workers=tuple(WorkerRecord(each, "", ()) for each in plans or (plan(1, 2),)),
        lease_ttl_s=10,
        request_deadline_s=10.0,
        readiness=Readiness(tuple((name, 1.0) for name in SIGNALS)),
        access=NodeAccess((), (), (), "python3", 5.0, GOOD.hosts),
        ray=ray,
    )
    return replace(made, **changes)


@pytest.fixture
def store(tmp_path: Path) -> EvidenceStore:
    return EvidenceStore(tmp_path / "evidence", tmp_path)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What Ray and the nodes say to the checks."""
    said: dict[str, Any] = {"views": (NOW,), "nodes": REPORTS}
    monkeypatch.setattr(checks, "cluster_views", lambda _record: said["views"])
    monkeypatch.setattr(checks, "look", lambda _access, _request: said["nodes"])
    return said


@pytest.mark.usefixtures("seen")
@pytest.mark.parametrize("check", [*ON_RAY, placement.test_every_worker_has_its_place])
def test_a_good_deployment_passes_and_leaves_evidence(check: Check, store: EvidenceStore) -> None:
    check(deployment(record(GOOD)), store)

    assert store.paths


BAD_VIEWS: tuple[tuple[Check, dict[str, Any]], ...] = (
    (ON_RAY[0], {"views": (view(1),)}),
    (ON_RAY[1], {"views": (busy(1, 2, id="other"),)}),
    (ON_RAY[2], {"views": (busy(1, 2, groups=()),)}),
    (ON_RAY[3], {"views": (busy(1, 2, actors=()),)}),
    (ON_RAY[5], {"nodes": ()}),
)


@pytest.mark.parametrize(("check", "changes"), BAD_VIEWS)
def test_what_is_broken_now_fails(
    check: Check, changes: dict[str, Any], seen: dict[str, Any], store: EvidenceStore
) -> None:
    seen.update(changes)

    with pytest.raises(RequirementFailed):
        check(deployment(record(GOOD)), store)


OTHER_RAY = (HostVersions("h01", "2.60.0", "3.11.7"), HostVersions("h02", "2.59.0", "3.11.7"))


@pytest.mark.usefixtures("seen")
@pytest.mark.parametrize(
    ("check", "broken"),
    [
        (ON_RAY[4], replace(GOOD, versions=OTHER_RAY)),
        (ON_RAY[6], replace(GOOD, command=(*GOOD.command, "--nnodes", "2"))),
        (placement.test_every_worker_has_its_place, replace(GOOD, before=view(1))),
    ],
)
def test_what_was_broken_before_fails(check: Check, broken: Any, store: EvidenceStore) -> None:
    with pytest.raises(RequirementFailed):
        check(deployment(record(broken)), store)


@pytest.mark.usefixtures("seen")
@pytest.mark.parametrize("check", ON_RAY)
def test_without_clusters_nothing_passes(check: Check, store: EvidenceStore) -> None:
    none = RayRecord((), 30.0)

    with pytest.raises(RequirementFailed):
        check(deployment(none), store)
    with pytest.raises(NotEvaluated):
        check(deployment(none, plan(1)), store)
    with pytest.raises(LaunchFailed):
        check(deployment(None), store)


def test_without_a_way_to_the_hosts_addresses_are_not_judged(store: EvidenceStore) -> None:
    with pytest.raises(LaunchFailed):
        checks.test_each_rank_knows_its_address(deployment(record(GOOD), access=None), store)


def placed(store: EvidenceStore, *args: Any, **changes: Any) -> list[Finding]:
    """What the check of placement finds."""
    try:
        placement.test_every_worker_has_its_place(deployment(*args, **changes), store)
    except RequirementFailed as failed:
        return list(failed.findings)
    return []


def test_a_place_is_never_taken_for_granted(store: EvidenceStore) -> None:
    problem = "decode-0 has 8 of 16 GPUs"

    (refused,) = placed(store, record(GOOD), placement_problem=problem)
    (unasked,) = placed(store, None)
    (missing,) = placed(store, RayRecord((), 30.0), placement_problem=problem)
    lost = replace(GOOD, before=view(1, 2, nodes=(node(1),), gpus=2.0))
    (short,) = placed(store, record(lost), placement_problem=problem)

    assert refused.actual == problem
    assert unasked.actual == "no orchestrator was asked"
    assert "decode-0: a Ray cluster" in missing.expected
    assert short.actual == "2 on 1 nodes"
    # A worker of one node needs no cluster.
    assert placed(store, RayRecord((), 30.0), plan(1)) == []


def test_the_pods_of_a_cluster_are_asked_for(
    store: EvidenceStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = ComponentPlan("decode", "decode", 1, 2, 8, ())
    access = KubeAccess("", "", "acc", 5.0)
    asked = KubeRecord(access, "acc", "v1beta1", "{}", (wanted,), False, "nvidia.com/gpu")
    views = iter([KubeView("acc"), KubeView("acc", errors=("forbidden",))])
    monkeypatch.setattr(placement, "kube_view", lambda _record: next(views))

    assert "decode" in placed(store, None, kubernetes=asked)[0].expected
    assert "forbidden" in str(placed(store, None, kubernetes=asked))
