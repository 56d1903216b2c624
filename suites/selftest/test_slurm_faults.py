"""Passing means: on a real Slurm each rehearsed fault turns red exactly what it does in mock mode.

On top come only the requirements that Slurm alone can judge, and nothing is left on any node.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.config.load import load_site
from fixtures.launchers.rehearsal import why_not_rehearsed
from fixtures.simulator.faults import FAULTS, Place

from .runs import LIVE, TINY_DISAGG, run_suite
from .slurm_rig import QUICK_SLURM, Rig, findings_of, red_and_errors, rig
from .test_faults import REQUIREMENTS, killed_by

pytestmark = pytest.mark.selftest

SITE = load_site(QUICK_SLURM)
DEFECTS = sorted(
    name
    for name, fault in FAULTS.items()
    if not fault.legal and (not fault.launchers or SITE.launcher in fault.launchers)
)
SHOWN = [name for name in DEFECTS if not why_not_rehearsed(name, SITE)]
NOT_SHOWN = [name for name in DEFECTS if why_not_rehearsed(name, SITE)]
# Answers come from the same engine through the same frontend to the same client as in mock mode:
# one lie in them shows that Slurm's tasks get the fault they are told.
IN_ANSWERS = [n for n in SHOWN if {REQUIREMENTS[id_].area for id_ in killed_by(n)} == {"chat"}]
TRIED = [name for name in SHOWN if name not in IN_ANSWERS[1:]]
ON_SLURM = {
    # By its layout, the scheduler never placed these ranks where they were planned.
    "never_starts_the_worker": {"RNK-007"},
    "loses_a_rank": {"RNK-007"},
    "puts_both_roles_on_one_node": {"RNK-007"},
    # Its label says which rank a task really is.
    "announces_a_rank_twice": {"RNK-006"},
}
"""What a fault turns red on Slurm beyond what its requirements say."""

SAID = {
    "a_rank_dies_after_loading": {"RNK-004": ": Exited with exit code 1"},
    "ignores_term": {"SHD-005": "decode-0 ends after TERM / it took KILL"},
    "loses_a_rank": {"RNK-007": "decode-0: gb02: 0-1 / gb02: 0"},
    "puts_both_roles_on_one_node": {"RNK-005": "gb01: decode and prefill"},
    "leaves_a_child_behind": {"SHD-001": "gb02: pid "},
    "leaves_shared_memory_behind": {"SHD-004": " on gb02"},
}
"""Words of the scheduler or the name of the node, by fault and requirement."""


@pytest.fixture(scope="module")
def small() -> Iterator[Rig]:
    """Two nodes: one for each role."""
    with rig() as found:
        yield found


@pytest.mark.parametrize("fault", TRIED)
def test_a_fault_turns_exactly_its_requirements_red(fault: str, small: Rig, tmp_path: Path) -> None:
    run = small.run(tmp_path, *LIVE, "--fault", fault)

    red = killed_by(fault) | ON_SLURM.get(fault, set())
    assert red_and_errors(run) == (red, set()), run.output
    gating = {id_ for id_ in red if REQUIREMENTS[id_].level == "MUST"}
    assert run.exit_code == (1 if gating else 0), run.output
    for requirement, words in SAID.get(fault, {}).items():
        assert words in findings_of(run, requirement)
    assert small.left_by(run.run_dir) == []


def test_what_slurm_cannot_show_is_what_needs_a_proxy_and_one_more() -> None:
    on_the_wire = {name for name in DEFECTS if FAULTS[name].place is Place.WIRE}

    assert set(NOT_SHOWN) == on_the_wire | {"runs_a_rank_on_the_wrong_node"}


@pytest.mark.parametrize("fault", ["drops_the_done_marker", "runs_a_rank_on_the_wrong_node"])
def test_a_fault_that_slurm_cannot_show_is_refused(fault: str, tmp_path: Path) -> None:
    where = (f"--site={QUICK_SLURM}", f"--topology={TINY_DISAGG}")

    run = run_suite(tmp_path, *LIVE, *where, "--fault", fault)

    assert run.exit_code == 4, run.output
    assert f"--fault {fault} cannot be rehearsed at quick-slurm: " in run.output
    assert list(tmp_path.iterdir()) == []
