"""After the stop nothing of the deployment is left.

Passing means that the next deployment on the same nodes starts clean. Not covered: streams
in flight, stops in another order.
"""

from __future__ import annotations

from collections.abc import Sequence

from fixtures.judges.kubernetes_left import nothing_is_left_in_the_namespace
from fixtures.judges.ray_left import nothing_of_ray_is_left
from fixtures.judges.shutdown import (
    discovery_is_empty,
    every_exit_is_clean,
    every_port_is_free,
    every_process_is_gone,
    gpu_memory_is_back,
    no_step_is_left,
    shared_memory_is_clean,
)
from fixtures.model.requirement import Finding, Mode
from fixtures.model.stop import CloseRecord
from fixtures.outcome import Blocked, NotEvaluated, verify
from fixtures.requirements import requirement

ON_NODES = ("mock", "slurm", "ray")
"""Launchers whose nodes can be looked at; ports and shared memory of a pod end with the pod."""
KNOWN_ISSUES = "Multi-node TRT-LLM on Slurm guide, Known Issues"
NODES = "RNK-008"


def verify_seen(findings: Sequence[Finding], unseen: str) -> None:
    """Fail with what was found; where nothing could be looked at, nothing is judged."""
    __tracebackhide__ = True
    verify(findings)
    if unseen:
        raise Blocked(f"no node could be looked at after the stop: {unseen}", NODES)


@requirement(
    "SHD-001",
    "shutdown",
    mode=Mode.CLOSED,
    source=KNOWN_ISSUES,
    killed_by=("leaves_a_child_behind", "keeps_a_port_open"),
)
def test_every_process_is_gone(ended: CloseRecord) -> None:
    """No process of the deployment outlives the stop."""
    verify_seen(every_process_is_gone(ended), ended.blind)


@requirement(
    "SHD-002",
    "shutdown",
    mode=Mode.CLOSED,
    source="Two deployments in a row use the same ports",
    killed_by=("keeps_a_port_open",),
    launchers=ON_NODES,
)
def test_every_port_is_free(closed: CloseRecord) -> None:
    """Every port of the deployment is free after the stop."""
    unseen = "" if closed.ports else "; ".join(closed.unseen)
    verify_seen(every_port_is_free(closed), closed.blind or unseen)


@requirement(
    "SHD-003",
    "shutdown",
    mode=Mode.CLOSED,
    source="Dynamo discovery plane: keys vanish with their lease",
    killed_by=("leaves_an_etcd_key_behind",),
)
def test_discovery_is_empty(closed: CloseRecord) -> None:
    """No discovery key of the deployment is left once the lease time is over."""
    verify(discovery_is_empty(closed))


@requirement(
    "SHD-004",
    "shutdown",
    mode=Mode.CLOSED,
    source=KNOWN_ISSUES + ": /dev/shm/moe_*",
    # An aborted world cleans nothing up: that is the guides' known issue.
    killed_by=("leaves_shared_memory_behind", "a_rank_dies_after_loading"),
    launchers=ON_NODES,
)
def test_shared_memory_is_clean(closed: CloseRecord) -> None:
    """No shared memory file of the deployment is left."""
    verify_seen(shared_memory_is_clean(closed), closed.blind)


@requirement(
    "SHD-005",
    "shutdown",
    mode=Mode.CLOSED,
    source=KNOWN_ISSUES + "; Dynamo graceful shutdown",
    killed_by=("ignores_term", "exits_with_an_error"),
)
def test_every_exit_is_clean(ended: CloseRecord) -> None:
    """Every process ends after TERM, in time, with exit code 0."""
    verify(every_exit_is_clean(ended))


@requirement(
    "SHD-006",
    "shutdown",
    mode=Mode.CLOSED,
    source=KNOWN_ISSUES + "; Slurm, squeue -s",
    launchers=("slurm",),
)
def test_no_job_step_is_left(closed: CloseRecord) -> None:
    """The scheduler lists no job step of the deployment after the stop."""
    verify(no_step_is_left(closed))


@requirement(
    "SHD-007",
    "shutdown",
    mode=Mode.CLOSED,
    source=KNOWN_ISSUES + ": GPU memory left in use",
    launchers=("slurm", "ray"),
)
def test_gpu_memory_is_given_back(closed: CloseRecord) -> None:
    """No GPU of the deployment's nodes holds memory after the stop."""
    verify_seen(gpu_memory_is_back(closed), closed.blind)
    if not closed.gpu_memory:
        raise NotEvaluated("not evaluated, no node has a driver that reports GPU memory")


@requirement(
    "SHD-008",
    "shutdown",
    mode=Mode.CLOSED,
    source="Ray, ray start: a cluster outlives the command that started it",
    launchers=("ray",),
)
def test_nothing_of_ray_is_left(closed: CloseRecord) -> None:
    """Nothing of Ray is left: no daemon, no session directory, no port of clusters of ours."""
    verify_seen(nothing_of_ray_is_left(closed), closed.blind)


@requirement(
    "SHD-009",
    "shutdown",
    mode=Mode.CLOSED,
    source="Kubernetes, Garbage Collection: owners and finalizers",
    launchers=("kubernetes",),
    killed_by=(
        "hangs_deletion_on_a_finalizer",
        "leaves_a_pvc_behind",
    ),
)
def test_nothing_is_left_in_the_namespace(closed: CloseRecord) -> None:
    """Nothing that was applied or made from it is left in the namespace: custom resource, pods,
    Grove and LWS objects, services, claims."""
    verify(nothing_is_left_in_the_namespace(closed))
