"""Passing means: however a run on Slurm is interrupted, none of its steps or jobs is left."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from .runs import LIVE
from .slurm_neighbours import neighbours
from .slurm_rig import Rig, rig

pytestmark = pytest.mark.selftest

INTERRUPTED = 2
# One handler takes both signals: each moment is tried with the one that also comes from Slurm.
MOMENTS = (
    ("TERM", "launch"),
    ("TERM", "ready"),
    ("TERM", "close"),
    ("INT", "ready"),
)
LIMIT_S = 60.0


@pytest.fixture(scope="module")
def shared() -> Iterator[Rig]:
    """Two nodes for the run, and one for somebody else."""
    with rig(nodes=3) as found:
        yield found


@pytest.mark.parametrize(("name", "moment"), MOMENTS)
def test_a_signal_leaves_nothing(name: str, moment: str, shared: Rig, tmp_path: Path) -> None:
    # With few checks, the stop comes soon.
    few = ("suites/launch", "suites/shutdown")
    with shared.started(tmp_path, *LIVE, *few) as running:
        running.wait_for(moment)
        running.process.send_signal(signal.Signals[f"SIG{name}"])
        run = running.ended(LIMIT_S)

    # All that was asked for may have been judged before the stop: then the verdict stands.
    assert run.exit_code in ((INTERRUPTED, 10) if moment != "close" else (0, INTERRUPTED, 10))
    assert "INTERNALERROR" not in run.output
    assert shared.left_by(running.run_dir) == []


def test_a_signal_spares_the_users_allocation_and_the_steps_of_others(
    shared: Rig, tmp_path: Path
) -> None:
    with (
        shared.allocation(2, "--nodelist=gb01,gb02") as job_id,
        neighbours(shared, "gb03", job_id) as others,
        shared.up(tmp_path, *LIVE, environment={"SLURM_JOB_ID": job_id}) as running,
    ):
        running.process.send_signal(signal.SIGTERM)
        run = running.ended(LIMIT_S)

        assert run.exit_code == INTERRUPTED, run.output
        assert shared.left_by(running.run_dir) == []
        assert others.unharmed
        assert job_id in shared.jobs()


def test_signals_that_are_repeated_do_not_tear_the_clean_up(shared: Rig, tmp_path: Path) -> None:
    with shared.up(tmp_path, *LIVE, "-n", "2") as running:
        for _ in range(3):
            running.process.send_signal(signal.SIGTERM)
            shared.ask("true")  # as long as a user needs to press a key again
        run = running.ended(LIMIT_S)

    assert run.exit_code == INTERRUPTED, run.output
    assert shared.left_by(running.run_dir) == []


def test_a_signal_while_the_allocation_waits_takes_the_request_back(
    shared: Rig, tmp_path: Path
) -> None:
    with shared.allocation(3), shared.started(tmp_path, *LIVE) as running:
        shared.wait_for_request(running)
        running.process.send_signal(signal.SIGTERM)
        run = running.ended(LIMIT_S)

        assert run.exit_code == INTERRUPTED, run.output
        assert shared.left_by(running.run_dir) == []
