"""The scheduler answers, the allocation fits, and programs start on every node.

Passing means that a launch gets as far as its own programs. Not covered: queues and limits of
accounts, since the allocation is there by now.
"""

from __future__ import annotations

from fixtures.judges.preflight_scheduler import (
    allocation_is_ours,
    allocation_runs,
    container_options_are_known,
    every_node_runs_a_step,
    mpi_world_starts,
    nodes_are_enough,
    nodes_are_up,
    scheduler_answers,
    time_is_left,
)
from fixtures.model.preflight import PreflightRecord
from fixtures.preflight_checks import preflight_requirement, scheduler_requirement, settle

SETUP = "Multi-node TRT-LLM on Slurm guide, Setup"
OUTPUT = "Multi-node TRT-LLM on Slurm guide, Understanding the Output"


@scheduler_requirement(
    "PRE-001", source="scontrol(1), ping; squeue(1) and sinfo(1) wait for slurmctld"
)
def test_the_scheduler_answers(preflight: PreflightRecord) -> None:
    """The scheduler is up and answers each question within its deadline."""
    settle(scheduler_answers, preflight)


@scheduler_requirement("PRE-002", source=f"{SETUP}: salloc")
def test_the_allocation_is_running(preflight: PreflightRecord) -> None:
    """The launch has an allocation, and its job is running."""
    settle(allocation_runs, preflight)


@scheduler_requirement("PRE-003", source="srun(1), --jobid: a step runs in a job of the same user")
def test_the_allocation_is_ours(preflight: PreflightRecord) -> None:
    """The allocation belongs to the user who launches."""
    settle(allocation_is_ours, preflight)


@scheduler_requirement("PRE-004", source=f"{SETUP}: salloc -t 05:00:00; salloc(1), --time")
def test_enough_time_is_left(preflight: PreflightRecord) -> None:
    """The allocation lasts at least as long as the site asks for."""
    settle(time_is_left, preflight)


@preflight_requirement("PRE-005", source=f"{SETUP}: allocate as many nodes as the example needs")
def test_the_nodes_are_enough(preflight: PreflightRecord) -> None:
    """The allocation, or the site, holds all nodes that the topology needs and those planned."""
    settle(nodes_are_enough, preflight)


@scheduler_requirement("PRE-006", source="sinfo(1), NODE STATE CODES")
def test_every_node_is_up(preflight: PreflightRecord) -> None:
    """Every planned node is up, answers the scheduler, and is not drained or draining."""
    settle(nodes_are_up, preflight)


@preflight_requirement(
    "PRE-007", source="srun(1): a step needs a slurmd that answers on each of its nodes; ssh(1)"
)
def test_every_node_runs_a_step(preflight: PreflightRecord) -> None:
    """A program runs on every planned node in time; a job step with as many tasks as planned."""
    settle(every_node_runs_a_step, preflight)


@scheduler_requirement(
    "PRE-008", source=f"{SETUP}: the Pyxis plugin adds --container-image to srun"
)
def test_srun_knows_the_container_options(preflight: PreflightRecord) -> None:
    """srun knows the container options, where workers run in a container."""
    settle(container_options_are_known, preflight)


@scheduler_requirement("PRE-009", source=f"srun_disaggregated.sh: --mpi pmix; {OUTPUT}")
def test_an_mpi_world_starts(preflight: PreflightRecord) -> None:
    """srun offers the MPI type of the site, and a step of two tasks starts with it."""
    settle(mpi_world_starts, preflight)
