"""Passing means: what breaks under a running deployment is told by its name, and ends cleanly.

The cluster breaks, not the suite: every check is judged or says why not, and nothing hangs.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from .runs import LIVE, SuiteRun
from .slurm_rig import HASTY_SLURM, Rig, findings_of, red_and_errors, rig
from .test_interrupts import marked

pytestmark = pytest.mark.selftest

FEW = (*LIVE, "suites/launch", "suites/shutdown")
"""Enough to see what a lost node does; the other checks would only wait for answers."""
RANKS = "suites/launch/test_ranks.py::test_"
FEWER = (
    *LIVE,
    f"{RANKS}ranks_are_announced_exactly_once",
    f"{RANKS}no_process_dies_before_the_stop",
    f"{RANKS}no_node_is_lost_before_the_stop",
    *("suites/chat", "suites/streaming", "suites/shutdown"),
)
"""Without those that look at every node: each look waits for the one that does not answer."""


@pytest.fixture
def alert() -> Iterator[Rig]:
    """A scheduler that notices a lost node within the time of a run."""
    with rig(slurmd_timeout_s=4) as found:
        yield found


@pytest.fixture
def slow() -> Iterator[Rig]:
    """A scheduler that believes in a lost node until long after the run."""
    with rig(slurmd_timeout_s=300) as found:
        yield found


def assert_told(run: SuiteRun) -> None:
    """The run is rejected for the deployment; nothing is in error, nothing without a reason."""
    assert red_and_errors(run)[1] == set(), run.output
    assert run.exit_code == 1, run.output
    (entry,) = run.report["topologies"]
    assert entry["first_failing_layer"] == "launch", run.output
    open_ = [row for row in entry["rows"] if row["verdict"] == "unverified"]
    assert [row["requirement"] for row in open_ if not row["reason"]] == []


def test_a_node_that_loses_power_is_named(alert: Rig, tmp_path: Path) -> None:
    with alert.up(tmp_path / "runs", *LIVE) as running:
        alert.cluster.power_cut("gb02")
        run = running.ended()

    assert_told(run)
    assert "gb02 is up and runs programs until the stop" in findings_of(run, "RNK-008"), run.output
    assert "gb01" not in findings_of(run, "RNK-008")
    assert "Node failure on gb02" in findings_of(run, "RNK-004")
    alert.cluster.power_on("gb02")
    assert alert.left_by(run.run_dir) == []


def test_the_head_node_that_loses_power_is_named(alert: Rig, tmp_path: Path) -> None:
    with alert.up(tmp_path / "runs", *FEW) as running:
        alert.cluster.power_cut("gb01")
        run = running.ended()

    assert_told(run)
    assert "gb01 is up and runs programs until the stop" in findings_of(run, "RNK-008"), run.output
    assert "gb02" not in findings_of(run, "RNK-008")
    alert.cluster.power_on("gb01")
    assert alert.left_by(run.run_dir) == []


def test_an_allocation_that_a_lost_node_takes_along_is_told_apart(
    alert: Rig, tmp_path: Path
) -> None:
    with alert.allocation(2) as job_id:
        with alert.up(tmp_path / "runs", *LIVE, environment={"SLURM_JOB_ID": job_id}) as running:
            alert.cluster.power_cut("gb02")
            run = running.ended()

        assert_told(run)
        told = findings_of(run, "RNK-008")
        assert f"no job step can run there: job {job_id} is NODE_FAIL" in told, run.output
        alert.cluster.power_on("gb02")
        assert alert.left_by(run.run_dir) == []


def test_a_slurmd_that_is_killed_is_named_while_its_tasks_go_on(slow: Rig, tmp_path: Path) -> None:
    with slow.allocation(2) as job_id:
        how = {"environment": {"SLURM_JOB_ID": job_id}, "site": HASTY_SLURM}
        with slow.started(tmp_path / "runs", *FEWER, **how) as running:
            running.wait_for("ranks_loaded")
            slow.cluster.kill_slurmd("gb02")
            run = running.ended()

        assert_told(run)
        told = findings_of(run, "RNK-008")
        assert "gb02 is up and runs programs until the stop / a job step cannot run" in told, told
        verdicts = run.verdicts("tiny-disagg")
        assert (verdicts["RNK-001"], verdicts["RNK-004"]) == ("pass", "pass")
        slow.cluster.start_slurmd("gb02")
        slow.reap(run.run_dir)
        assert slow.left_by(run.run_dir) == []
        assert job_id in slow.jobs()


def test_a_step_whose_client_was_killed_is_ended_all_the_same(alert: Rig, tmp_path: Path) -> None:
    with alert.up(tmp_path / "runs", *FEW) as running:
        for pid in marked(running.run_dir.name):
            with contextlib.suppress(psutil.Error):
                process = psutil.Process(pid)
                if any(word.endswith("-decode-0") for word in process.cmdline()):
                    process.send_signal(signal.SIGKILL)
        run = running.ended()

    red, errors = red_and_errors(run)
    assert ("RNK-004" in red, errors) == (True, set()), run.output
    assert "decode-0 (exit code -9" in findings_of(run, "RNK-004"), run.output
    assert alert.left_by(run.run_dir) == []
