"""Passing means: each fault turns exactly the requirements red that name it, as FAIL, and nothing
is left; each legal variant turns nothing red.

The table is the checks' own `killed_by`, so a check without a fault, or a fault that kills
something else, shows here.
"""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from fixtures.config.load import load_site
from fixtures.launchers.rehearsal import why_not_rehearsed
from fixtures.ledger import LEDGER_NAME, Ledger
from fixtures.model.requirement import Mode, Requirement
from fixtures.requirements import load_lock
from fixtures.simulator.faults import FAULTS

from .runs import LIVE, QUICK_SITE, TINY_DISAGG, rehearse

pytestmark = pytest.mark.selftest

REQUIREMENTS = load_lock()
SHOWN = [name for name in FAULTS if not why_not_rehearsed(name, load_site(QUICK_SITE))]
DEFECTS = sorted(name for name in SHOWN if not FAULTS[name].legal)
VARIANTS = sorted(name for name in SHOWN if FAULTS[name].legal)
TOPOLOGY = "tiny-disagg"


def killed_by(fault: str) -> set[str]:
    """The requirements of mock mode that say of themselves that this fault breaks them."""
    return {
        each.id
        for each in REQUIREMENTS.values()
        if fault in each.killed_by and (not each.launchers or "mock" in each.launchers)
    }


def assert_nothing_is_left(run_dir: Path) -> None:
    """Neither the ledger, nor the process table, nor shared memory knows this run any more."""
    assert Ledger.open_entries(run_dir / LEDGER_NAME) == []
    marked = [
        process.pid
        for process in psutil.process_iter(["environ"])
        if (process.info["environ"] or {}).get("DYNAMO_ACCEPTANCE_RUN") == run_dir.name
    ]
    assert marked == []
    assert list(Path("/dev/shm").glob(f"*{run_dir.name}*")) == []  # noqa: S108


@pytest.mark.parametrize("fault", [name for name in DEFECTS if not FAULTS[name].launchers])
def test_a_fault_turns_exactly_its_requirements_red(fault: str, tmp_path: Path) -> None:
    run = rehearse(tmp_path, TINY_DISAGG, *LIVE, "--fault", fault)

    red, errors = run.with_verdict(TOPOLOGY, "fail"), run.with_verdict(TOPOLOGY, "error")
    assert (red, errors) == (killed_by(fault), set()), run.output
    gating = {id_ for id_ in red if REQUIREMENTS[id_].level == "MUST"}
    assert run.exit_code == (1 if gating else 0)
    assert run.report["run"]["fault"] == fault
    assert run.run_dir is not None
    assert_nothing_is_left(run.run_dir)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_legal_variant_turns_nothing_red(variant: str, tmp_path: Path) -> None:
    run = rehearse(tmp_path, TINY_DISAGG, *LIVE, "--fault", variant)

    verdicts = run.verdicts(TOPOLOGY)
    # The static rules were not asked; whatever needs the deployment must have passed.
    assert set(verdicts.values()) <= {"pass", "not-applicable", "unverified"}, run.output
    live = {
        id_
        for id_, each in REQUIREMENTS.items()
        if each.mode is not Mode.STATIC and (not each.launchers or "mock" in each.launchers)
    }
    assert {verdicts[id_] for id_ in live} == {"pass"}, run.output
    assert run.exit_code == 0


def test_every_fault_is_named_by_a_requirement() -> None:
    named = {fault for each in REQUIREMENTS.values() for fault in each.killed_by}

    assert named == {name for name, fault in FAULTS.items() if not fault.legal}


@pytest.mark.parametrize("requirement", REQUIREMENTS.values(), ids=lambda each: each.id)
def test_every_check_of_a_deployment_has_a_fault(requirement: Requirement) -> None:
    # What only a scheduler can break is broken on one: see the selftests of Slurm.
    assert requirement.killed_by or requirement.mode is Mode.STATIC or requirement.launchers
