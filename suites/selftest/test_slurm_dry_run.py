"""Passing means: the script of --dry-run runs as it stands, and ends without a trace."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from fixtures.clients.ranks import DEPLOYMENT_VARIABLE
from fixtures.model.requirement import Mode

from .runs import LIVE, ROOT, TINY_AGG, TINY_DISAGG, SuiteRun
from .slurm_rig import GONE_S, QUICK_SLURM, START_S, Rig, login_environment, rig
from .test_faults import REQUIREMENTS
from .test_interrupts import wait_for

pytestmark = pytest.mark.selftest

CHECKS = ("launch", "discovery", "chat", "streaming", "disaggregation")
STOPPED_BY_TERM = 143
STOPPED_BY_INT = 130


@pytest.fixture(scope="module")
def small() -> Iterator[Rig]:
    """Two nodes: one for each role."""
    with rig() as found:
        yield found


def printed(topology: Path) -> str:
    """What --dry-run prints, on stdout and nothing else."""
    where = (f"--site={QUICK_SLURM}", f"--topology={topology}", "--dry-run")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *where],
        cwd=ROOT,
        env=login_environment(),
        capture_output=True,
        text=True,
        timeout=START_S,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@dataclass(frozen=True, slots=True)
class Launched:
    """What a script says of its deployment."""

    run: str
    job_id: str
    directory: Path
    frontend: str


@contextlib.contextmanager
def running(rig: Rig, script: str, directory: Path, **more: str) -> Iterator[subprocess.Popen[str]]:
    """The script, as it was printed, in a directory that every node sees."""
    file = directory / "launch.sh"
    file.write_text(script)
    with (directory / "said").open("w") as said:
        process = subprocess.Popen(
            # A shell ignores INT for what it starts in the background, these tests included.
            rig.cluster.on_login(["env", "--default-signal=INT", "bash", str(file)]),
            cwd=directory,
            env={**login_environment(), **more},
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(GONE_S)


def wait_until_up(rig: Rig, directory: Path, job_id: str = "") -> Launched:
    """Wait until a script has started everything; `job_id` where it has asked for no job."""
    said = directory / "said"
    wait_for("the end of the launch", lambda: "stop it with" in said.read_text(), START_S)
    frontend = re.search(r"frontend: (\S+)", said.read_text())
    logs = re.search(r"logs: +(\S+)", said.read_text())
    assert frontend is not None
    assert logs is not None
    run = Path(logs[1]).name.removeprefix("dynamo-")
    own = [id_ for id_, name in rig.jobs().items() if name == f"acc-{run}"]
    return Launched(run, job_id or own[0], Path(logs[1]), frontend[1])


def judge(rig: Rig, runs_dir: Path, topology: Path, launched: Launched) -> SuiteRun:
    """Run the live checks of the suite against the deployment of a script."""
    adopted = {
        "job_id": launched.job_id,
        "directory": str(launched.directory),
        "frontend": launched.frontend,
    }
    return rig.run(
        runs_dir,
        *LIVE,
        *("-p", "suites.selftest.adopted"),
        *(f"suites/{name}" for name in CHECKS),
        topology=topology,
        environment={"ADOPTED": json.dumps(adopted), "PYTHON": sys.executable},
    )


def assert_live_checks_pass(judged: SuiteRun, topology: Path) -> None:
    """Every check that needs the running deployment has judged it, and found nothing."""
    verdicts = judged.verdicts(topology.stem)
    live = {
        id_: verdicts[id_]
        for id_, each in REQUIREMENTS.items()
        if each.mode in (Mode.SHARED, Mode.EXCLUSIVE) and id_ in verdicts
    }
    assert set(live.values()) == {"pass"}, judged.output
    assert len(live) > 30


def carriers(name: str) -> list[str]:
    """Processes of the script's deployment, on any node."""
    return [
        f"{process.pid}: {' '.join(process.cmdline())[:100]}"
        for process in psutil.process_iter(["environ"])
        if name in (process.info["environ"] or {}).get(DEPLOYMENT_VARIABLE, "")
    ]


def left_by(rig: Rig, run: str) -> list[str]:
    """What the scheduler and the nodes still know of a script's run."""
    wait_for("the end of the job", lambda: f"acc-{run}" not in rig.jobs().values(), GONE_S)
    left = [name for name in rig.steps().values() if run in name]
    left += carriers(run)
    left += [name for name in rig.shared_memory() if run in name]
    return left + list(map(str, Path("/tmp").glob(f"*{run}*")))  # noqa: S108 - where it writes


def test_the_script_as_it_stands_gives_a_deployment_that_passes(small: Rig, tmp_path: Path) -> None:
    with running(small, printed(TINY_DISAGG), tmp_path) as script:
        launched = wait_until_up(small, tmp_path)
        judged = judge(small, tmp_path / "runs", TINY_DISAGG, launched)
        script.send_signal(signal.SIGTERM)
        assert script.wait(GONE_S) == STOPPED_BY_TERM

    assert_live_checks_pass(judged, TINY_DISAGG)
    assert left_by(small, launched.run) == []


def test_the_script_works_in_an_allocation_that_is_there(small: Rig, tmp_path: Path) -> None:
    with small.allocation(2) as job_id:
        with running(small, printed(TINY_AGG), tmp_path, SLURM_JOB_ID=job_id) as script:
            launched = wait_until_up(small, tmp_path, job_id)
            judged = judge(small, tmp_path / "runs", TINY_AGG, launched)
            script.send_signal(signal.SIGINT)
            assert script.wait(GONE_S) == STOPPED_BY_INT

        assert_live_checks_pass(judged, TINY_AGG)
        assert left_by(small, launched.run) == []
        assert job_id in small.jobs()


def test_the_script_takes_a_request_back_that_still_waits(small: Rig, tmp_path: Path) -> None:
    with (
        small.allocation(2),
        running(small, printed(TINY_AGG), tmp_path, ACCEPTANCE_RUN="waiting") as script,
    ):
        wait_for("the request", lambda: "acc-waiting" in small.jobs().values(), START_S)
        script.send_signal(signal.SIGTERM)

        assert script.wait(GONE_S) == STOPPED_BY_TERM
        assert left_by(small, "waiting") == []
