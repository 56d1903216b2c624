"""Passing means: a site gets the world it asks for, by what a step proves, and its ranks know.

The step is made up here: a program called `srun` that says what real ones said.
"""

from __future__ import annotations

import importlib.util
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.clients.slurm import SlurmClient
from fixtures.config.load import load_site, load_topology
from fixtures.launchers import slurm_world
from fixtures.launchers.base import LaunchError
from fixtures.launchers.rehearsal import Rehearsal
from fixtures.launchers.slurm_plan import Naming, Place, PlannedWorker, build
from fixtures.launchers.slurm_world import STEP_ENVIRONMENT, World, choose, unproven
from fixtures.model.slurm import SlurmSite
from fixtures.placement import plan_workers
from fixtures.simulator.spec import WorkerSpec

from .runs import ROOT

pytestmark = pytest.mark.selftest

DEADLINE_S = 30.0
NODES = ("gb01", "gb02", "gb03", "gb04")
FORMED = "echo ' 0: mpi world of 2 ranks: Open MPI v5.0.11'"
# What 22.05 prints where it cannot open libpmix, and where it has no such plugin.
NO_LIBRARY = (
    "echo 'srun: error: Invalid MPI type '\"'pmix'\"', --mpi=list for acceptable types' >&2"
)
NO_MPI4PY = "echo \"1: no mpi world: /py cannot use mpi4py: No module named 'mpi4py'\""
ALONE = "echo '0: no mpi world: a step of 2 tasks gave a world of 1 ranks'"


class Scheduler:
    """Commands of Slurm that do what a test says, and note how they were called."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.log = directory, directory / "calls"
        self.log.touch()
        self.client = SlurmClient({"PATH": f"{directory}:{os.environ['PATH']}"}, DEADLINE_S)

    def has(self, program: str, body: str) -> None:
        """Make `program` a shell script."""
        path = self.directory / program
        path.write_text(f'#!/bin/sh\necho "{program} $*" >>{self.log}\n{body}\n')
        path.chmod(path.stat().st_mode | stat.S_IXUSR)

    @property
    def calls(self) -> list[str]:
        """Every call so far."""
        return self.log.read_text().splitlines()

    def choose(self, site: SlurmSite, nodes: tuple[str, ...] = NODES) -> World:
        """What the launcher would choose."""
        return choose(
            site,
            self.client,
            job_id="7",
            run_name="acc-r1",
            nodes=nodes,
            python="/py",
            container=None,
        )


@pytest.fixture
def scheduler(tmp_path: Path) -> Scheduler:
    return Scheduler(tmp_path)


@pytest.mark.parametrize("world", ["auto", "mpi"])
def test_a_world_that_a_step_has_formed_is_used(world: str, scheduler: Scheduler) -> None:
    scheduler.has("srun", FORMED)

    chosen = scheduler.choose(SlurmSite(world=world))

    origin = "real MPI world: Open MPI v5.0.11 over pmix"
    assert chosen == World("mpi", "pmix", origin, STEP_ENVIRONMENT)
    (call,) = scheduler.calls
    assert "--nodelist=gb01,gb02 --nodes=2 --ntasks=2 --ntasks-per-node=1" in call
    assert "--mpi=pmix" in call
    assert call.endswith("/py -P -m fixtures.simulator.mpi")


def test_one_node_has_to_form_a_world_of_two_ranks(scheduler: Scheduler) -> None:
    scheduler.has("srun", FORMED)

    scheduler.choose(SlurmSite(), ("gb01",))

    assert "--nodes=1 --ntasks=2 --ntasks-per-node=2" in scheduler.calls[0]


@pytest.mark.parametrize(
    ("said", "why", "mpi"),
    [
        (f"{NO_MPI4PY}; exit 1", "/py cannot use mpi4py: No module named 'mpi4py'", "pmix"),
        (f"{ALONE}; exit 1", "a step of 2 tasks gave a world of 1 ranks", "pmix"),
        (f"{NO_LIBRARY}; exit 1", "Invalid MPI type 'pmix'", "none"),
        ("exit 139", "srun ended with exit code 139", "none"),
        (f"{FORMED}; exit 1", "srun ended with exit code 1", "none"),
        ("echo '0: hello'", "the step that tried it said nothing", "none"),
    ],
)
def test_without_one_the_ranks_meet_by_themselves_and_the_reason_is_told(
    said: str, why: str, mpi: str, scheduler: Scheduler
) -> None:
    scheduler.has("srun", said)

    chosen = scheduler.choose(SlurmSite(world="auto"))

    assert (chosen.kind, chosen.mpi, dict(chosen.environment)) == ("rendezvous", mpi, {})
    assert chosen.origin.startswith("own rendezvous: ")
    assert why in chosen.origin


def test_a_site_that_insists_is_told_what_is_missing(scheduler: Scheduler) -> None:
    scheduler.has("srun", f"{NO_MPI4PY}; exit 1")

    with pytest.raises(LaunchError) as told:
        scheduler.choose(SlurmSite(world="mpi"))

    assert str(told.value) == (
        "the site says `world: mpi`, but /py cannot use mpi4py: No module named 'mpi4py' "
        "(install the extra `mpi` of this package for /py, or say `world: auto`)"
    )


@pytest.mark.parametrize(("exit_code", "mpi"), [(0, "pmix"), (1, "none")])
def test_a_site_without_mpi_needs_no_mpi4py_but_steps_that_start(
    exit_code: int, mpi: str, scheduler: Scheduler
) -> None:
    scheduler.has("srun", f"exit {exit_code}")

    chosen = scheduler.choose(SlurmSite(world="rendezvous"))

    assert chosen == World("rendezvous", mpi, "own rendezvous, as the site says")
    assert scheduler.calls[0].endswith(" true")


def test_a_site_whose_mpi_type_is_none_is_not_tried(scheduler: Scheduler) -> None:
    chosen = scheduler.choose(SlurmSite(mpi="none"))

    assert (chosen.kind, chosen.mpi) == ("rendezvous", "none")
    assert scheduler.calls == []


def test_a_step_that_hangs_is_cancelled_by_its_id(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_world, "PROOF_S", 0.5)
    scheduler.has("srun", "exec tail -f /dev/null")
    scheduler.has(
        "squeue", "echo '7.0|me|gb[01-02]|2|other'; echo '7.3|me|gb[01-02]|2|acc-r1-world'"
    )
    scheduler.has("scancel", "")

    chosen = scheduler.choose(SlurmSite())

    assert chosen.origin == "own rendezvous: srun did not end within 0.5 s"
    assert scheduler.calls[-1] == "scancel --signal=KILL 7.3"


def planned(world: World | None, setting: str = "auto") -> PlannedWorker:
    """The first worker of a topology in that world."""
    topology, site = load_topology("deepseek-r1-wide-ep-agg"), load_site("minislurm")
    assert site.slurm is not None
    site = replace(site, slurm=replace(site.slurm, world=setting))
    workers = plan_workers(topology, NODES)
    place = Place(NODES, {node: f"10.88.0.{at}" for at, node in enumerate(NODES, 1)}, "gb01")
    naming = Naming("acc-r1", "acc-r1-x-g1", Path("/shared/work"), "/py")
    rehearsal = Rehearsal("", workers, NODES)
    return build(topology, site, workers, place, naming, rehearsal, world).workers[0]


def test_ranks_of_a_real_world_load_site_packages_and_get_the_fence_that_holds() -> None:
    worker = planned(World("mpi", "pmix", "", STEP_ENVIRONMENT))

    assert worker.step.argv[:2] == ("/py", "-P")
    assert worker.step.environment["SLURM_PMIX_FENCE"] == "ring"
    assert worker.step.mpi == "pmix"
    assert worker.spec is not None
    assert worker.spec.world == "mpi"


def test_ranks_that_meet_by_themselves_stay_light() -> None:
    worker = planned(World("rendezvous", "none"))

    assert worker.step.argv[:3] == ("/py", "-S", "-P")
    assert "SLURM_PMIX_FENCE" not in worker.step.environment
    assert worker.step.mpi == "none"
    assert worker.spec is not None
    assert worker.spec.world == "rendezvous"


@pytest.mark.parametrize(
    ("setting", "kind"), [("auto", "rendezvous"), ("rendezvous", "rendezvous"), ("mpi", "mpi")]
)
def test_where_nothing_is_started_the_site_is_believed(setting: str, kind: str) -> None:
    worker = planned(None, setting)

    assert worker.spec is not None
    assert (worker.spec.world, worker.step.mpi) == (kind, "pmix")
    assert unproven(SlurmSite(world=setting)).kind == kind


def test_a_spec_tells_its_world(tmp_path: Path) -> None:
    spec = planned(World("mpi", "pmix")).spec
    assert spec is not None

    spec.write(tmp_path / "spec.json")

    assert WorkerSpec.read(tmp_path / "spec.json") == spec


def need_mpi(*missing: str) -> None:
    """Skip without mpi4py or what else is missing, and say so; fail where REQUIRE_SLURM=1."""
    if importlib.util.find_spec("mpi4py") is None:
        missing += (f"mpi4py is needed (the extra `mpi` of this package) for {sys.executable}",)
    if missing and os.environ.get("REQUIRE_SLURM") == "1":
        pytest.fail(f"REQUIRE_SLURM=1, and {'; '.join(missing)}", pytrace=False)
    if missing:
        pytest.skip("; ".join(missing))


def prove(*options: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the proof on its own, without a scheduler."""
    return subprocess.run(
        [sys.executable, *options, "-P", "-m", "fixtures.simulator.mpi"],
        env={"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], **environment},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def test_a_python_without_mpi4py_says_so() -> None:
    said = prove("-S")

    assert said.returncode == 1
    assert said.stdout == (
        f"no mpi world: {sys.executable} cannot use mpi4py: No module named 'mpi4py'\n"
    )


def test_tasks_that_are_each_alone_in_their_world_form_none() -> None:
    need_mpi()

    said = prove(SLURM_NTASKS="2")

    assert said.stdout == "no mpi world: a step of 2 tasks gave a world of 1 ranks\n"
    assert said.returncode == 1


def test_options_of_the_caller_do_not_reach_open_mpi() -> None:
    need_mpi()

    said = prove(SLURM_NTASKS="1", OMPI_MCA_pml="nonsense", PMIX_MCA_gds="nonsense")

    assert (said.returncode, said.stderr) == (0, "")
    assert said.stdout.startswith("mpi world of 1 ranks: ")
