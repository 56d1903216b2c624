"""Shared memory is large and clean, and a process may open and lock what it needs.

Passing means that engines find /dev/shm and their limits as they need them. Files of others are
reported, and never removed. Not covered: host memory.
"""

from __future__ import annotations

from fixtures.judges.preflight_limits import (
    memory_can_be_locked,
    no_expert_weights_are_left,
    no_transport_segments_are_left,
    open_files_suffice,
    shared_memory_is_free,
    shared_memory_is_large,
)
from fixtures.model.preflight import PreflightRecord
from fixtures.model.requirement import Level
from fixtures.preflight_checks import preflight_requirement, settle

KNOWN_ISSUES = "Multi-node TRT-LLM on Slurm guide, Known Issues"


@preflight_requirement(
    "PRE-021", source=f"{KNOWN_ISSUES}: /dev/shm/moe_* must be cleaned up before deploying again"
)
def test_no_expert_weights_are_left(preflight: PreflightRecord) -> None:
    """No shared memory file with expert weights of an earlier deployment is left on a node."""
    settle(no_expert_weights_are_left, preflight)


@preflight_requirement(
    "PRE-022", level=Level.SHOULD, source=f"{KNOWN_ISSUES}: leftover shared memory files"
)
def test_no_transport_segments_are_left(preflight: PreflightRecord) -> None:
    """No shared memory segment of NIXL, UCX, PSM or NCCL lies on a node unused."""
    settle(no_transport_segments_are_left, preflight)


@preflight_requirement(
    "PRE-025",
    source="TensorRT-LLM expert load balancing keeps expert weights in /dev/shm; NCCL, Docker",
)
def test_shared_memory_is_large_enough(preflight: PreflightRecord) -> None:
    """The /dev/shm of every node is at least as large as the site asks for."""
    settle(shared_memory_is_large, preflight)


@preflight_requirement(
    "PRE-026", level=Level.SHOULD, source=f"{KNOWN_ISSUES}: leftover shared memory files"
)
def test_shared_memory_is_free(preflight: PreflightRecord) -> None:
    """As much of /dev/shm is free on every node as the site asks for."""
    settle(shared_memory_is_free, preflight)


@preflight_requirement(
    "PRE-030",
    level=Level.SHOULD,
    source="srun(1), --propagate: steps get the limits of their caller; etcd and NATS guides",
)
def test_open_files_suffice(preflight: PreflightRecord) -> None:
    """A task may open as many files as the site asks for."""
    settle(open_files_suffice, preflight)


@preflight_requirement(
    "PRE-031",
    level=Level.SHOULD,
    source="UCX and NCCL guides: registering memory for RDMA locks it (ulimit -l unlimited)",
)
def test_memory_can_be_locked(preflight: PreflightRecord) -> None:
    """A task may lock memory without limit."""
    settle(memory_can_be_locked, preflight)
