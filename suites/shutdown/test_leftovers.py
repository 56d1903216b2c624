"""After the stop nothing of the deployment is left.

Passing means that the next deployment on the same nodes starts clean. Not covered: GPU memory,
streams in flight, stops in another order.
"""

from __future__ import annotations

from fixtures.judges.shutdown import (
    discovery_is_empty,
    every_exit_is_clean,
    every_port_is_free,
    every_process_is_gone,
    shared_memory_is_clean,
)
from fixtures.model.deployment import CloseRecord
from fixtures.model.requirement import Mode
from fixtures.outcome import verify
from fixtures.requirements import requirement

KNOWN_ISSUES = "Multi-node TRT-LLM on Slurm guide, Known Issues"


@requirement(
    "SHD-001",
    "shutdown",
    mode=Mode.CLOSED,
    source=KNOWN_ISSUES,
    killed_by=("leaves_a_child_behind", "keeps_a_port_open"),
)
def test_every_process_is_gone(closed: CloseRecord) -> None:
    """No process of the deployment outlives the stop."""
    verify(every_process_is_gone(closed))


@requirement(
    "SHD-002",
    "shutdown",
    mode=Mode.CLOSED,
    source="Two deployments in a row use the same ports",
    killed_by=("keeps_a_port_open",),
)
def test_every_port_is_free(closed: CloseRecord) -> None:
    """Every port of the deployment is free after the stop."""
    verify(every_port_is_free(closed))


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
)
def test_shared_memory_is_clean(closed: CloseRecord) -> None:
    """No shared memory file of the deployment is left."""
    verify(shared_memory_is_clean(closed))


@requirement(
    "SHD-005",
    "shutdown",
    mode=Mode.CLOSED,
    source=KNOWN_ISSUES + "; Dynamo graceful shutdown",
    killed_by=("ignores_term", "exits_with_an_error"),
)
def test_every_exit_is_clean(closed: CloseRecord) -> None:
    """Every process ends after TERM, in time, with exit code 0."""
    verify(every_exit_is_clean(closed))
