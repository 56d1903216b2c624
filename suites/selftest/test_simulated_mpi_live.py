"""Passing means: on a real Slurm the simulated ranks are one MPI world, or say why they are not.

Few runs, since sixteen real MPI processes are heavy; the rest is tested with ranks that meet by
themselves. Not covered: containers.
"""

from __future__ import annotations

import signal
import venv
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

from fixtures.minislurm.missing import missing_for_mpi

from .runs import LIVE, ROOT, SuiteRun
from .slurm_rig import QUICK_SLURM, START_S, Rig, findings_of, red_and_errors, rig
from .test_faults import killed_by
from .test_interrupts import marked
from .test_simulated_mpi import need_mpi

pytestmark = pytest.mark.selftest

FEW = (*LIVE, "suites/launch", "suites/shutdown")
WIDE_AGG = ROOT / "configs" / "topologies" / "deepseek-r1-wide-ep-agg.yaml"


@pytest.fixture(scope="module")
def four() -> Iterator[Rig]:
    """Four nodes of four ranks, on a machine where Slurm's PMIx plugin can be loaded."""
    need_mpi(*missing_for_mpi())
    with rig(nodes=4) as found:
        yield found


@pytest.fixture
def bare_python(tmp_path: Path) -> str:
    """An interpreter that has everything but mpi4py."""
    directory = tmp_path / "bare"
    venv.create(directory, with_pip=False)
    (theirs,) = directory.glob("lib/python*/site-packages")
    for each in Path(yaml.__file__).parent.parent.iterdir():
        if not each.name.startswith("mpi4py"):
            (theirs / each.name).symlink_to(each)
    return str(directory / "bin" / "python")


def site(directory: Path, **settings: object) -> Path:
    """The quick site with other settings of Slurm."""
    content: dict[str, Any] = yaml.safe_load(QUICK_SLURM.read_text())
    content["slurm"].update(settings)
    path = directory / "site.yaml"
    path.write_text(yaml.safe_dump(content))
    return path


def origin(run: SuiteRun) -> str:
    """What the report says about the MPI world."""
    value: str = run.report["run"]["settings"]["mpi"]["value"]
    return value


def test_sixteen_ranks_are_one_world_and_are_accepted(four: Rig, tmp_path: Path) -> None:
    real = site(tmp_path, world="mpi")

    run = four.run(tmp_path / "runs", *LIVE, site=real, topology=WIDE_AGG)

    assert red_and_errors(run, WIDE_AGG.stem) == (set(), set()), run.output
    assert run.exit_code == 0, run.output
    assert origin(run).startswith("real MPI world: Open MPI v")
    assert run.run_dir is not None
    log = next(run.run_dir.glob("logs/*/aggregated-0.log")).read_text()
    assert "16 ranks add up in one MPI world" in log
    assert four.left_by(run.run_dir) == []


def test_a_rank_that_is_killed_takes_its_world_along(four: Rig, tmp_path: Path) -> None:
    with four.up(tmp_path / "runs", *LIVE, site=site(tmp_path, world="mpi")) as running:
        killed, other = (rank_of("decode-0", rank, running.run_dir.name) for rank in (1, 0))
        killed.send_signal(signal.SIGKILL)
        gone, _ = psutil.wait_procs([other], START_S)
        run = running.ended()

    assert gone == [other]
    assert run.exit_code == 1, run.output
    assert "step acc-" in findings_of(run, "RNK-004"), run.output
    assert run.run_dir is not None
    log = next(run.run_dir.glob("logs/*/decode-0.log")).read_text()
    assert "task 1: Killed" in log or "tasks 0-1: Killed" in log
    assert four.left_by(run.run_dir) == []


def rank_of(worker: str, rank: int, run_id: str) -> psutil.Process:
    """The process of one rank."""
    (found,) = (
        process
        for process in map(psutil.Process, marked(run_id))
        if process.environ().get("ACCEPTANCE_WORKER") == worker
        and process.environ().get("SLURM_PROCID") == str(rank)
    )
    return found


@pytest.mark.parametrize("fault", ["a_rank_dies_after_loading", "announces_a_wrong_world_size"])
def test_a_fault_turns_red_what_it_does_without_mpi(fault: str, four: Rig, tmp_path: Path) -> None:
    run = four.run(tmp_path / "runs", *LIVE, "--fault", fault, site=site(tmp_path, world="mpi"))

    assert red_and_errors(run) == (killed_by(fault), set()), run.output
    assert run.run_dir is not None
    assert four.left_by(run.run_dir) == []


def test_without_mpi4py_the_ranks_meet_by_themselves(
    four: Rig, bare_python: str, tmp_path: Path
) -> None:
    run = four.run(tmp_path / "runs", *FEW, site=site(tmp_path, world="auto", python=bare_python))

    assert run.exit_code == 0, run.output
    assert origin(run) == (
        f"own rendezvous: {bare_python} cannot use mpi4py: No module named 'mpi4py'"
    )


def test_a_type_that_srun_does_not_know_leaves_the_ranks_without_mpi(
    four: Rig, tmp_path: Path
) -> None:
    run = four.run(tmp_path / "runs", *FEW, site=site(tmp_path, world="auto", mpi="pmix_v9"))

    assert run.exit_code == 0, run.output
    assert origin(run).startswith("own rendezvous: srun ended with exit code 1: ")
    assert "mpi/pmix_v9" in origin(run)


def test_a_site_that_insists_on_mpi_is_told_what_is_missing(
    four: Rig, bare_python: str, tmp_path: Path
) -> None:
    run = four.run(tmp_path / "runs", *LIVE, site=site(tmp_path, world="mpi", python=bare_python))

    assert run.exit_code != 0
    assert "the site says `world: mpi`, but" in run.output
    assert "No module named 'mpi4py' (install the extra `mpi` of this package" in run.output
    assert run.run_dir is not None
    assert four.left_by(run.run_dir) == []
