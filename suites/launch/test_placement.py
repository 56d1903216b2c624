"""Each worker has its place, its nodes and its GPUs, before an engine is started there.

Passing means that the orchestrator itself says so. Not covered: whether the ranks then run in their
place (RNK-002), and workers of one node that no orchestrator places.
"""

from __future__ import annotations

from fixtures.clients.kubernetes import kube_view
from fixtures.evidence import EvidenceStore
from fixtures.judges.kubernetes_pods import every_pod_has_a_place
from fixtures.judges.ray import every_cluster_has_its_gpus, every_multi_node_worker_has_a_cluster
from fixtures.model.deployment import DeploymentRecord
from fixtures.model.requirement import Finding
from fixtures.outcome import verify
from fixtures.requirements import requirement


def placed_by_ray(deployment: DeploymentRecord, evidence: EvidenceStore) -> list[Finding]:
    """What Ray said of each cluster before its engine was started."""
    if deployment.ray is None:
        return []
    evidence.keep("ray", [(each.worker, each.before) for each in deployment.ray.clusters])
    plans = [worker.plan for worker in deployment.workers]
    return [
        *every_multi_node_worker_has_a_cluster(deployment.ray, plans),
        *every_cluster_has_its_gpus(deployment.ray),
    ]


def placed_by_kubernetes(deployment: DeploymentRecord, evidence: EvidenceStore) -> list[Finding]:
    """What the cluster says of the pods."""
    if deployment.kubernetes is None:
        return []
    view = kube_view(deployment.kubernetes)
    evidence.keep("kubernetes", {"asked": deployment.kubernetes, "seen": view})
    return every_pod_has_a_place(deployment.kubernetes, view)


def refused(deployment: DeploymentRecord) -> list[Finding]:
    """Why the launcher itself gave up, or has no record of any place."""
    expected = "every worker has its nodes and GPUs before its engine starts"
    if deployment.placement_problem:
        return [Finding(expected, deployment.placement_problem)]
    if deployment.ray is None and deployment.kubernetes is None:
        return [Finding(expected, "no orchestrator was asked")]
    return []


@requirement(
    "PLC-001",
    "launch",
    needs="services_up",
    source="Multinode Examples: aggregated GPU count in ray status; Multinode Deployment Guide",
    launchers=("ray", "kubernetes"),
    killed_by=(
        "counts_too_few_gpus",
        "joins_one_cluster_for_two_workers",
        "schedules_half_a_gang",
    ),
)
def test_every_worker_has_its_place(deployment: DeploymentRecord, evidence: EvidenceStore) -> None:
    """The orchestrator gives every worker its nodes and GPUs before the engine starts."""
    evidence.keep("placement", {"problem": deployment.placement_problem})

    found = [*placed_by_ray(deployment, evidence), *placed_by_kubernetes(deployment, evidence)]
    verify(found or refused(deployment))
