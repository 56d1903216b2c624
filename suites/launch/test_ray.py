"""Each worker has its Ray cluster: whole, its own, and its ranks are where they were planned.

Passing means that Ray itself says so, before the engine starts and while it serves. Not covered:
what Ray's own objects and tasks do; clusters that were there before may serve others as well.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fixtures.clients.node_access import look
from fixtures.clients.nodes import Request
from fixtures.clients.ray import cluster_views
from fixtures.evidence import EvidenceStore
from fixtures.judges.ray import (
    every_multi_node_worker_has_a_cluster,
    every_node_is_alive_and_planned,
    no_two_workers_share_a_cluster,
    one_version_everywhere,
)
from fixtures.judges.ray_ranks import (
    HOST_VARIABLE,
    every_rank_is_a_living_actor,
    every_rank_knows_its_address,
    no_worker_is_told_both_ways,
    one_group_spread_as_planned,
)
from fixtures.model.deployment import DeploymentRecord
from fixtures.model.ray import ClusterView, RayRecord
from fixtures.model.requirement import Finding
from fixtures.outcome import LaunchFailed, NotEvaluated, verify
from fixtures.requirements import requirement

RAY = ("ray",)
GUIDE = "Multinode Examples"
VLLM = "vLLM, Parallelism and scaling: multi-node with Ray"


def record_of(deployment: DeploymentRecord) -> RayRecord:
    """The clusters of a deployment; where no worker spans nodes there is nothing to judge."""
    __tracebackhide__ = True
    if deployment.ray is None:
        raise LaunchFailed("the launcher kept no record of its Ray clusters")
    plans = [worker.plan for worker in deployment.workers]
    verify(every_multi_node_worker_has_a_cluster(deployment.ray, plans))
    if not deployment.ray.clusters:
        raise NotEvaluated("not evaluated, no worker of this topology needs a Ray cluster")
    return deployment.ray


def verify_now(
    judge: Callable[[RayRecord, Sequence[ClusterView]], list[Finding]],
    deployment: DeploymentRecord,
    evidence: EvidenceStore,
) -> None:
    """Ask Ray about every cluster now, and fail with what the judge finds."""
    __tracebackhide__ = True
    record = record_of(deployment)
    views = cluster_views(record)
    evidence.keep("ray", {"before": [each.before for each in record.clusters], "now": views})
    verify(judge(record, views))


@requirement(
    "RCL-001",
    "launch",
    needs="services_up",
    source=f"{GUIDE}: ray status lists both nodes",
    launchers=RAY,
    killed_by=("joins_one_cluster_for_two_workers",),
)
def test_every_node_of_a_cluster_is_alive(
    deployment: DeploymentRecord, evidence: EvidenceStore
) -> None:
    """Every node of a worker's Ray cluster is alive, and there is no other node in it."""
    verify_now(every_node_is_alive_and_planned, deployment, evidence)


@requirement(
    "RCL-002",
    "launch",
    needs="services_up",
    source=f"{GUIDE}: independent clusters for prefill and decode",
    launchers=RAY,
    killed_by=("joins_one_cluster_for_two_workers",),
)
def test_no_two_workers_share_a_cluster(
    deployment: DeploymentRecord, evidence: EvidenceStore
) -> None:
    """No two workers share a Ray cluster."""
    verify_now(no_two_workers_share_a_cluster, deployment, evidence)


@requirement(
    "RCL-003",
    "launch",
    needs="processes_alive",
    source="Ray, Placement groups; vLLM, ray_utils.py: one bundle with one GPU for each rank",
    launchers=RAY,
)
def test_the_placement_group_is_spread_as_planned(
    deployment: DeploymentRecord, evidence: EvidenceStore
) -> None:
    """Each worker has one placement group, created, with its bundles on its nodes as planned."""
    verify_now(one_group_spread_as_planned, deployment, evidence)


@requirement(
    "RCL-004",
    "launch",
    needs="processes_alive",
    source="vLLM, Ray executor: one actor for each rank",
    launchers=RAY,
)
def test_each_rank_is_a_living_actor(deployment: DeploymentRecord, evidence: EvidenceStore) -> None:
    """Each rank is a living Ray actor on its planned node, and there are no more of them."""
    verify_now(every_rank_is_a_living_actor, deployment, evidence)


@requirement(
    "RCL-005",
    "launch",
    needs="services_up",
    source="Ray: a node or driver of another Ray or Python version is refused",
    launchers=RAY,
)
def test_ray_and_python_have_one_version(
    deployment: DeploymentRecord, evidence: EvidenceStore
) -> None:
    """Ray and Python have one version on all nodes of a deployment."""
    record = record_of(deployment)
    seen = [(each.worker, each.versions, each.before.ray_version) for each in record.clusters]
    evidence.keep("ray-versions", seen)

    verify(one_version_everywhere(record))


@requirement(
    "RCL-006",
    "launch",
    # A wrong address ends the ranks: it has to be judged where they do not live, too.
    needs="placed",
    source=f"{VLLM}: {HOST_VARIABLE} differs on each node",
    launchers=RAY,
    killed_by=(
        "leaves_a_host_without_its_address",
        "tells_every_node_the_heads_address",
    ),
)
def test_each_rank_knows_its_address(deployment: DeploymentRecord, evidence: EvidenceStore) -> None:
    """Each rank has VLLM_HOST_IP set to an address of its own node."""
    record, access = record_of(deployment), deployment.access
    if access is None:
        raise LaunchFailed("the launcher does not say how to look at its hosts")
    views = cluster_views(record)
    asked = Request(("identity", "processes"), access.deadline_s, marker=(HOST_VARIABLE, None))
    reports = look(access, asked)
    evidence.keep("ray", {"now": views, "nodes": reports})

    verify(every_rank_knows_its_address(record, views, reports))


@requirement(
    "RCL-007",
    "launch",
    needs="placed",
    source="vLLM config/parallel.py: nnodes and the Ray executor exclude each other",
    launchers=RAY,
)
def test_no_worker_is_told_both_ways(deployment: DeploymentRecord, evidence: EvidenceStore) -> None:
    """No worker on a Ray cluster is told nnodes, node-rank or master-addr."""
    record = record_of(deployment)
    evidence.keep("commands", [(each.worker, each.command) for each in record.clusters])

    verify(no_worker_is_told_both_ways(record))
