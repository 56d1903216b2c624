"""Passing means: a deployment that loses etcd or NATS is dead, and the service is named."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fixtures.launchers.slurm_stop import Running
from fixtures.ledger import LEDGER_NAME, Ledger
from fixtures.processes import spawn

from .runs import LIVE
from .slurm_rig import Rig, findings_of, red_and_errors, rig

pytestmark = pytest.mark.selftest

GUARD_S = 30.0
FEW = (*LIVE, "suites/launch", "suites/shutdown", "suites/discovery")


@pytest.fixture(scope="module")
def small() -> Iterator[Rig]:
    """Two nodes: one for each role."""
    with rig() as found:
        yield found


def service_of(run_id: str, program: str) -> psutil.Process:
    """The service of a run: its data directory carries the run's name."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            words = process.cmdline()
            if words and words[0].endswith(program) and any(run_id in each for each in words):
                found.append(process)
    (service,) = found
    return service


@pytest.mark.parametrize(("program", "name"), [("etcd", "etcd"), ("nats-server", "nats")])
def test_a_service_that_dies_is_told_as_the_cause(
    program: str, name: str, small: Rig, tmp_path: Path
) -> None:
    with small.up(tmp_path / "runs", *FEW) as running:
        service_of(running.run_dir.name, program).kill()
        run = running.ended()

    red, errors = red_and_errors(run)
    assert ("RNK-004" in red, errors) == (True, set()), run.output
    assert f"{name} ended by itself with exit code -9" in findings_of(run, "RNK-004")
    assert "not read: the step of the head node was over" in findings_of(run, "SHD-003")
    (entry,) = run.report["topologies"]
    assert entry["first_failing_layer"] == "launch"
    assert small.left_by(run.run_dir) == []


def test_the_launcher_reads_the_reason(tmp_path: Path) -> None:
    log = tmp_path / "step.log"
    ledger = Ledger(tmp_path / LEDGER_NAME, "selftest")
    words = "0: head: problem: etcd ended by itself with exit code 1\n"
    scheduler = "srun: error: gb01: task 0: Exited with exit code 1\n"
    argv = [sys.executable, "-c", f"print({words + scheduler!r})"]
    client = spawn("frontend", argv, env={}, log_path=log, cwd=tmp_path, ledger=ledger)
    client.popen.wait(GUARD_S)

    step = Running("frontend", client, 1)

    assert step.cause == step.own_problem == "etcd ended by itself with exit code 1"
    log.write_text(scheduler)
    assert step.own_problem == ""
    assert "Exited with exit code 1" in step.cause
