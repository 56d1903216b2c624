"""The cluster runs what was declared: its pods, ranks, GPUs, places, gangs and commands.

Passing means that the API server itself says so while the deployment serves. Not covered: what runs
inside the pods (RNK), and what the operator does on the next update.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from fixtures.clients.kubernetes import kube_view
from fixtures.evidence import EvidenceStore
from fixtures.judges.kubernetes_places import (
    gpus_share_one_nvlink_domain,
    pods_run_on_nodes_of_their_own,
    workers_are_scheduled_as_gangs,
)
from fixtures.judges.kubernetes_pods import (
    every_component_has_its_pods,
    every_pod_has_its_gpus,
    no_container_restarted,
    ranks_are_unique,
)
from fixtures.judges.kubernetes_spec import (
    commands_are_those_of_the_spec,
    deployment_is_ready,
    what_runs_is_what_was_declared,
    worlds_of,
)
from fixtures.judges.preflight_base import NothingToJudge
from fixtures.model.deployment import DeploymentRecord
from fixtures.model.kubernetes import KubeRecord, KubeView
from fixtures.model.requirement import Finding
from fixtures.model.topology import Topology
from fixtures.outcome import LaunchFailed, NotEvaluated, verify
from fixtures.requirements import requirement

GUIDE = "Multinode Deployment Guide"
OPERATOR = "Dynamo operator, internal/dynamo"
cluster_check = partial(requirement, area="launch", launchers=("kubernetes",))
"""Binds a check to a requirement on a deployment by the Dynamo operator."""


def verify_now(
    judge: Callable[[KubeRecord, KubeView], list[Finding]],
    deployment: DeploymentRecord,
    evidence: EvidenceStore,
) -> None:
    """Ask the cluster about the deployment now, and fail with what the judge finds."""
    __tracebackhide__ = True
    record = deployment.kubernetes
    if record is None:
        raise LaunchFailed("the launcher kept no record of what it applied")
    view = kube_view(record)
    evidence.keep("kubernetes", {"asked": record, "seen": view})
    try:
        findings = judge(record, view)
    except NothingToJudge as why:
        raise NotEvaluated(f"not evaluated: {why}") from None
    verify(findings)


@cluster_check(
    "KDP-001",
    needs="placed",
    source=f"{GUIDE}, The multinode Section",
    killed_by=(
        "crashes_in_a_loop",
        "runs_another_node_count",
        "cannot_pull_the_image",
        "wraps_the_command_in_two_shells",
    ),
)
def test_each_component_has_its_pods(deployment: DeploymentRecord, evidence: EvidenceStore) -> None:
    """Each component has replicas x nodeCount pods, all running."""
    verify_now(every_component_has_its_pods, deployment, evidence)


@cluster_check(
    "KDP-002",
    needs="placed",
    source="Grove and LeaderWorkerSet: index of a pod in its replica",
    killed_by=(
        "runs_another_node_count",
        "gives_two_pods_one_rank",
    ),
)
def test_each_rank_is_there_once(deployment: DeploymentRecord, evidence: EvidenceStore) -> None:
    """In each replica the ranks of its pods are 0 to nodeCount - 1, each once, and rank 0 leads."""
    verify_now(ranks_are_unique, deployment, evidence)


@cluster_check(
    "KDP-003",
    needs="placed",
    source=f"{GUIDE}, GPU Distribution",
    killed_by=(
        "runs_another_node_count",
        "loses_a_gpu_per_pod",
    ),
)
def test_each_pod_has_its_gpus(deployment: DeploymentRecord, evidence: EvidenceStore) -> None:
    """Each pod of a worker has the GPUs that its component asks for."""
    verify_now(every_pod_has_its_gpus, deployment, evidence)


@cluster_check(
    "KDP-004",
    needs="placed",
    source=f"{GUIDE}, GPU Distribution: nodes x GPUs per node",
    killed_by=("runs_another_node_count",),
)
def test_pods_run_on_nodes_of_their_own(
    deployment: DeploymentRecord, evidence: EvidenceStore
) -> None:
    """The pods of one worker run on different nodes, and no GPU of a node is given twice."""
    verify_now(pods_run_on_nodes_of_their_own, deployment, evidence)


@cluster_check(
    "KDP-005",
    needs="placed",
    source="NVIDIA GPU feature discovery, gpu.clique; ComputeDomain",
    killed_by=("spreads_over_two_nvlink_domains",),
)
def test_gpus_share_one_nvlink_domain(
    deployment: DeploymentRecord, evidence: EvidenceStore
) -> None:
    """All GPUs of a worker are in one NVLink domain or hold channels of one ComputeDomain, and so
    are those of all workers together where KV cache moves over NVLink."""
    verify_now(gpus_share_one_nvlink_domain, deployment, evidence)


@cluster_check(
    "KDP-006",
    needs="services_up",
    source=f"{GUIDE}, Using Grove, Using LWS and Volcano: gang scheduling",
    killed_by=("schedules_half_a_gang",),
)
def test_workers_are_scheduled_as_gangs(
    deployment: DeploymentRecord, evidence: EvidenceStore
) -> None:
    """A multinode worker is scheduled as a gang: all of its pods or none."""
    verify_now(workers_are_scheduled_as_gangs, deployment, evidence)


@cluster_check(
    "KDP-007",
    needs="placed",
    source="Kubernetes, containerStatuses: restartCount",
    killed_by=(
        "crashes_in_a_loop",
        "restarts_a_pod_once",
        "wraps_the_command_in_two_shells",
    ),
)
def test_no_container_has_restarted(deployment: DeploymentRecord, evidence: EvidenceStore) -> None:
    """No container of the deployment has restarted."""
    verify_now(no_container_restarted, deployment, evidence)


@cluster_check(
    "KDP-008",
    needs="placed",
    source=f"{GUIDE}, Tensor Parallelism Alignment; {OPERATOR}/backend_trtllm.go",
    killed_by=("wraps_the_command_in_two_shells",),
)
def test_commands_are_those_of_the_spec(
    deployment: DeploymentRecord, evidence: EvidenceStore, topology: Topology
) -> None:
    """The command of each worker goes through at most one shell, and its parallelism is that of
    the spec."""

    def judge(record: KubeRecord, view: KubeView) -> list[Finding]:
        return commands_are_those_of_the_spec(record, view, worlds_of(topology, record.plans))

    verify_now(judge, deployment, evidence)


@cluster_check("KDP-009", needs="placed", source=f"{OPERATOR}: pods follow the live spec")
def test_what_runs_is_what_was_declared(
    deployment: DeploymentRecord, evidence: EvidenceStore
) -> None:
    """The live custom resource has the spec that was applied, defaults aside, and its pods have its
    images and arguments."""
    verify_now(what_runs_is_what_was_declared, deployment, evidence)


@cluster_check(
    "KDP-010",
    needs="placed",
    source="Dynamo operator, condition Ready; EndpointSlice",
    killed_by=(
        "never_becomes_ready",
        "says_ready_without_endpoints",
        "crashes_in_a_loop",
        "cannot_pull_the_image",
        "wraps_the_command_in_two_shells",
    ),
)
def test_the_deployment_is_ready(deployment: DeploymentRecord, evidence: EvidenceStore) -> None:
    """The deployment is Ready for its newest generation, and the frontend's service has
    endpoints."""
    verify_now(deployment_is_ready, deployment, evidence)
