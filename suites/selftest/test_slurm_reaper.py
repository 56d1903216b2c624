"""Passing means: after a run on Slurm was killed, `reap` ends exactly what that run had started."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from .runs import LIVE
from .slurm_neighbours import neighbours
from .slurm_rig import Rig, Running, rig

pytestmark = pytest.mark.selftest

FEW = (*LIVE, "suites/launch", "suites/shutdown")


@pytest.fixture(scope="module")
def shared() -> Iterator[Rig]:
    """Two nodes for the run, and one for somebody else."""
    with rig(nodes=3) as found:
        yield found


def kill(running: Running) -> Path:
    """End the controller with no word to anybody; returns the directory of its run."""
    run_dir = running.run_dir
    running.process.send_signal(signal.SIGKILL)
    running.process.wait(10)
    return run_dir


@pytest.mark.parametrize("moment", ["launch", "ready", "close"])
def test_reap_gives_the_allocation_back_and_spares_the_neighbours(
    moment: str, shared: Rig, tmp_path: Path
) -> None:
    with neighbours(shared, "gb03") as others, shared.started(tmp_path, *FEW) as running:
        running.wait_for(moment)
        run_dir = kill(running)

        said = shared.reap(run_dir)

        assert shared.left_by(run_dir) == [], said
        assert others.unharmed
        assert "nothing is left" in said


def test_reap_ends_the_steps_in_the_users_allocation_and_no_other_there(
    shared: Rig, tmp_path: Path
) -> None:
    with (
        shared.allocation(2, "--nodelist=gb01,gb02") as job_id,
        neighbours(shared, "gb03", job_id) as others,
        shared.up(tmp_path, *FEW, environment={"SLURM_JOB_ID": job_id}) as running,
    ):
        run_dir = kill(running)
        assert len([name for name in shared.steps().values() if run_dir.name in name]) >= 3

        said = shared.reap(run_dir)

        assert shared.left_by(run_dir) == [], said
        assert "decode-0)" in said
        assert others.unharmed
        assert job_id in shared.jobs()


def test_reap_takes_a_request_back_that_still_waits(shared: Rig, tmp_path: Path) -> None:
    with shared.allocation(3), shared.started(tmp_path, *FEW) as running:
        shared.wait_for_request(running)
        run_dir = kill(running)

        said = shared.reap(run_dir)

        assert shared.left_by(run_dir) == [], said
        assert f"(acc-{run_dir.name})" in said


def test_reap_ends_the_small_cluster_of_a_run_with_all_that_runs_there(
    shared: Rig, tmp_path: Path
) -> None:
    with shared.started(tmp_path, *FEW, site=Path("minislurm")) as running:
        running.wait_for("ready")
        run_dir = kill(running)

        said = shared.reap(run_dir)

        assert "nothing is left" in said
        assert "stopped: process minislurm" in said
        assert shared.left_by(run_dir) == []


def test_a_second_reap_finds_nothing_to_do(shared: Rig, tmp_path: Path) -> None:
    with shared.up(tmp_path, *FEW) as running:
        run_dir = kill(running)
        shared.reap(run_dir)

        assert shared.reap(run_dir).strip() == "nothing is left"
