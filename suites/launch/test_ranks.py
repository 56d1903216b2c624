"""Every rank that was planned exists, once, in its place, and lives.

Passing means that the MPI worlds are the planned ones. Not covered: what the ranks compute.
"""

from __future__ import annotations

from pathlib import Path

from fixtures.clients.ranks import load_lines, rank_lines, rank_processes
from fixtures.evidence import EvidenceStore
from fixtures.judges.ranks import (
    every_rank_announced_once,
    every_rank_is_in_its_place,
    every_rank_saw_the_world,
    every_worker_has_one_leader,
    no_node_was_lost,
    nobody_died_early,
    roles_share_no_node,
    scheduler_placed_in_blocks,
)
from fixtures.model.deployment import DeploymentRecord
from fixtures.model.requirement import Applies, Mode
from fixtures.model.stop import CloseRecord
from fixtures.outcome import verify
from fixtures.requirements import requirement

GUIDE = "Multi-node TRT-LLM on Slurm guide, Understanding the Output"


@requirement(
    "RNK-001",
    "launch",
    needs="placed",
    source=GUIDE,
    killed_by=(
        "never_starts_the_worker",
        "loses_a_rank",
        "announces_a_rank_twice",
        "tells_every_node_the_heads_address",
        "crashes_in_a_loop",
        "cannot_pull_the_image",
        "restarts_a_pod_once",
        "wraps_the_command_in_two_shells",
    ),
)
def test_ranks_are_announced_exactly_once(
    deployment: DeploymentRecord, evidence: EvidenceStore
) -> None:
    """In each worker, ranks 0 to N-1 announce themselves exactly once and load the model."""
    lines, loaded = rank_lines(deployment.workers), load_lines(deployment.workers)
    evidence.keep("rank-lines", {"announced": lines, "loaded": loaded})
    evidence.cite(Path(deployment.workers[0].logs[0]).parent)

    plans = [worker.plan for worker in deployment.workers]
    verify(every_rank_announced_once(lines, loaded, plans))


@requirement(
    "RNK-002",
    "launch",
    needs="processes_alive",
    source=GUIDE,
    killed_by=(
        "runs_a_rank_on_the_wrong_node",
        "puts_both_roles_on_one_node",
        "gives_two_pods_one_rank",
        "loses_a_gpu_per_pod",
    ),
)
def test_ranks_run_on_their_planned_nodes(
    deployment: DeploymentRecord, evidence: EvidenceStore
) -> None:
    """Each rank runs on the node and the GPU that the placement plan gave it."""
    processes, unseen = rank_processes(deployment)
    evidence.keep("rank-processes", {"seen": processes, "not_looked_at": unseen})

    plans = [worker.plan for worker in deployment.workers]
    verify(every_rank_is_in_its_place(processes, plans, unseen))


@requirement(
    "RNK-003",
    "launch",
    needs="ranks_loaded",
    source=GUIDE,
    killed_by=("announces_a_wrong_world_size",),
)
def test_ranks_see_the_planned_world_size(
    deployment: DeploymentRecord, evidence: EvidenceStore
) -> None:
    """Each rank reports the world size of its worker."""
    lines = rank_lines(deployment.workers)
    evidence.keep("rank-lines", lines)

    verify(every_rank_saw_the_world(lines, [worker.plan for worker in deployment.workers]))


@requirement(
    "RNK-004",
    "launch",
    mode=Mode.CLOSED,
    source="MPI: a process that dies takes its world along; guide, Known Issues",
    killed_by=(
        "a_rank_dies_after_loading",
        "loses_a_ray_node",
        "tells_every_node_the_heads_address",
        "crashes_in_a_loop",
        "restarts_a_pod_once",
        "wraps_the_command_in_two_shells",
    ),
)
def test_no_process_dies_before_the_stop(ended: CloseRecord) -> None:
    """Every process of the deployment lives until it is told to stop."""
    verify(nobody_died_early(ended))


@requirement(
    "RNK-005",
    "launch",
    applies=Applies.DISAGGREGATED,
    needs="processes_alive",
    source="Multi-node TRT-LLM on Slurm guide, Disaggregated WideEP: 4 nodes for each role",
    killed_by=("puts_both_roles_on_one_node",),
    # On Kubernetes the device plugin keeps the GPUs of two pods on one node apart.
    launchers=("mock", "slurm", "ray"),
)
def test_prefill_and_decode_share_no_node(
    deployment: DeploymentRecord, evidence: EvidenceStore
) -> None:
    """No node runs ranks of both prefill and decode."""
    processes, unseen = rank_processes(deployment)
    evidence.keep("rank-processes", {"seen": processes, "not_looked_at": unseen})

    plans = [worker.plan for worker in deployment.workers]
    verify(roles_share_no_node(processes, plans, unseen))


@requirement(
    "RNK-006",
    "launch",
    needs="ranks_loaded",
    source=GUIDE + "; TensorRT-LLM, trtllm-llmapi-launch",
    killed_by=("announces_two_leaders",),
)
def test_each_worker_has_one_leader(deployment: DeploymentRecord, evidence: EvidenceStore) -> None:
    """In each worker exactly one rank leads, and it is rank 0."""
    lines = rank_lines(deployment.workers)
    evidence.keep("rank-lines", lines)

    verify(every_worker_has_one_leader(lines, [worker.plan for worker in deployment.workers]))


@requirement(
    "RNK-007",
    "launch",
    needs="placed",
    source=GUIDE + ": srun: launching StepId=... on host node1, 4 tasks: [0-3]",
    launchers=("slurm",),
)
def test_the_scheduler_placed_ranks_in_blocks(
    deployment: DeploymentRecord, evidence: EvidenceStore
) -> None:
    """By the layout of the scheduler, each node of a worker holds the planned block of ranks."""
    evidence.keep(
        "layouts", [(each.plan.name, each.step, each.layout) for each in deployment.workers]
    )

    verify(scheduler_placed_in_blocks(deployment.workers))


@requirement(
    "RNK-008",
    "launch",
    mode=Mode.CLOSED,
    source="Slurm, slurm.conf: SlurmdTimeout; Ray, fault tolerance of nodes: a lost node takes its"
    " ranks along",
    killed_by=("loses_a_ray_node",),
    launchers=("slurm", "ray"),
)
def test_no_node_is_lost_before_the_stop(closed: CloseRecord) -> None:
    """Every node of the deployment is up and runs programs until the stop."""
    verify(no_node_was_lost(closed))
