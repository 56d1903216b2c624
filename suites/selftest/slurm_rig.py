"""Runs of the suite on a small real Slurm, as a user starts them on a login node.

The run does not know that the cluster is small: its site says no more than where steps run.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fixtures.ledger import LEDGER_NAME, Ledger
from fixtures.minislurm.cluster import Cluster, ClusterShape, MiniSlurmError

from .runs import HERE, ROOT, TINY_DISAGG, WITHOUT_OTHERS, SuiteRun, command
from .slurm_clusters import need_slurm, on_login, on_node
from .test_interrupts import journal_says, marked, wait_for

QUICK_SLURM = HERE / "sites" / "quick-slurm.yaml"
QUICK_PYXIS = HERE / "sites" / "quick-slurm-pyxis.yaml"
HASTY_SLURM = HERE / "sites" / "quick-slurm-hasty.yaml"
RUN_S = 150.0
START_S = 60.0
GONE_S = 60.0
TOPOLOGY = "tiny-disagg"


@dataclass(frozen=True, slots=True)
class Running:
    """A run of the suite that is under way."""

    process: subprocess.Popen[str]
    runs_dir: Path

    @property
    def run_dir(self) -> Path:
        """Where its files are."""
        (found,) = self.runs_dir.iterdir()
        return found

    def wait_for(self, moment: str) -> None:
        """Wait until its journal has got that far."""

        def reached() -> bool:
            ended = self.process.poll() is not None
            assert not ended or journal_says(self.runs_dir, moment), self.ended().output
            return journal_says(self.runs_dir, moment)

        wait_for(moment, reached, START_S)

    def ended(self, limit_s: float = RUN_S) -> SuiteRun:
        """What it left, once it has come to its end by itself."""
        output, _ = self.process.communicate(timeout=limit_s)
        found = sorted(self.runs_dir.glob("*/report.json"))
        return SuiteRun(self.process.returncode, output, found[-1].parent if found else None)


@dataclass(frozen=True, slots=True)
class Rig:
    """One cluster, and what its users do on the login node."""

    cluster: Cluster

    @contextlib.contextmanager
    def started(
        self,
        runs_dir: Path,
        *arguments: str,
        site: Path = QUICK_SLURM,
        topology: Path = TINY_DISAGG,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[Running]:
        """A run of the suite; it is killed where the test gives up."""
        where = (f"--site={site}", f"--topology={topology}")
        process = subprocess.Popen(
            self.cluster.on_login(command(runs_dir, *WITHOUT_OTHERS, *where, *arguments)),
            cwd=ROOT,
            env={**login_environment(), **(environment or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            yield Running(process, runs_dir)
        finally:
            unfinished = process.poll() is None
            process.kill()
            process.communicate()
            for ledger in runs_dir.glob(f"*/{LEDGER_NAME}") if unfinished else ():
                self._reap(ledger.parent)

    @contextlib.contextmanager
    def up(self, runs_dir: Path, *arguments: str, **how: Any) -> Iterator[Running]:
        """A run of the suite whose deployment is ready."""
        with self.started(runs_dir, *arguments, **how) as running:
            running.wait_for("ready")
            yield running

    def wait_for_request(self, running: Running) -> None:
        """Wait until a run has asked for an allocation that it cannot have yet."""

        def asked() -> bool:
            runs = [path.name for path in running.runs_dir.glob("*")]
            return any(run_id in name for run_id in runs for name in self.jobs().values())

        wait_for("a request for an allocation", asked, START_S)

    def run(self, runs_dir: Path, *arguments: str, **how: Any) -> SuiteRun:
        """Run the suite to its end, within a deadline."""
        with self.started(runs_dir, *arguments, **how) as running:
            return running.ended()

    def reap(self, run_dir: Path) -> str:
        """End what the ledger of a run still lists, as its user would; returns what is said."""
        done = self._reap(run_dir)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _reap(self, run_dir: Path) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "fixtures.ledger", "reap", str(run_dir)]
        return on_login(self.cluster, "env", f"PYTHONPATH={ROOT}", *argv)

    def ask(self, *argv: str) -> str:
        """What a command of the scheduler prints, where it must succeed."""
        done = on_login(self.cluster, *argv)
        assert done.returncode == 0, f"{argv}: {done.stderr}"
        return done.stdout.strip()

    def jobs(self) -> dict[str, str]:
        """Names of the jobs that have not ended, by id."""
        return _table(self.ask("squeue", "-h", "-o", "%i|%j"))

    def steps(self) -> dict[str, str]:
        """Names of the job steps that have not ended, by id."""
        return _table(self.ask("squeue", "-s", "-h", "-o", "%i|%j"))

    def shared_memory(self) -> list[str]:
        """What lies in /dev/shm of any node that is on, each with its node."""
        found = []
        for node in self.cluster.nodes:
            with contextlib.suppress(MiniSlurmError):
                names = on_node(self.cluster, node, "ls", "/dev/shm").split()  # noqa: S108
                found += [f"{node}:{name}" for name in names]
        return found

    @contextlib.contextmanager
    def allocation(self, nodes: int, *options: str) -> Iterator[str]:
        """An allocation of somebody who is about to run the suite in it; yields its id."""
        self.ask("salloc", "--no-shell", "--job-name=given", f"--nodes={nodes}", *options)
        (job_id,) = (id_ for id_, name in self.jobs().items() if name == "given")
        try:
            yield job_id
        finally:
            on_login(self.cluster, "scancel", job_id)
        wait_for(f"the end of job {job_id}", lambda: job_id not in self.jobs(), GONE_S)

    def left_by(self, run_dir: Path | None) -> list[str]:
        """What ledger, scheduler and nodes still know of a run; empty where it left nothing."""
        assert run_dir is not None
        run_id = run_dir.name
        left = [f"ledger: {entry}" for entry in Ledger.open_entries(run_dir / LEDGER_NAME)]
        for what, listed in (("job", self.jobs()), ("step", self.steps())):
            left += [f"{what} {id_} ({name})" for id_, name in listed.items() if run_id in name]
        # The processes of every node show here, as those of this machine do.
        left += [_told(pid) for pid in marked(run_id)]
        left += [name for name in self.shared_memory() if run_id in name]
        left += map(str, Path(tempfile.gettempdir()).glob(f"*{run_id}*"))
        return left + list(map(str, (run_dir / "work").glob("*")))


def login_environment() -> dict[str, str]:
    """The environment of a login shell: nothing in it speaks of a job."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}


def red_and_errors(run: SuiteRun, topology: str = TOPOLOGY) -> tuple[set[str], set[str]]:
    """The requirements that failed, and those that could not be judged for a reason of ours."""
    return run.with_verdict(topology, "fail"), run.with_verdict(topology, "error")


def rows(run: SuiteRun, topology: str = TOPOLOGY) -> dict[str, dict[str, Any]]:
    """The rows of the report for one topology, by requirement."""
    (entry,) = (each for each in run.report["topologies"] if each["name"] == topology)
    return {row["requirement"]: row for row in entry["rows"]}


def findings_of(run: SuiteRun, requirement: str, topology: str = TOPOLOGY) -> str:
    """Everything that a check said about what it found, in one text."""
    findings = rows(run, topology)[requirement]["findings"]
    return "\n".join(f"{each['expected']} / {each['actual']} / {each['hint']}" for each in findings)


def _table(text: str) -> dict[str, str]:
    return {id_: name for id_, _, name in (line.partition("|") for line in text.splitlines())}


def _told(pid: int) -> str:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return f"process {pid}: {b' '.join(words).decode(errors='replace')[:200]}"
    return f"process {pid}"


@contextlib.contextmanager
def rig(**shape: Any) -> Iterator[Rig]:
    """A running cluster of two nodes, or of that shape, verified gone afterwards."""
    need_slurm()
    usual = {"nodes": 2, "containers": False, "kill_wait_s": 2}
    with tempfile.TemporaryDirectory(prefix="dynamo-selftest-") as directory:
        # Other users of the cluster have to read its configuration.
        Path(directory).chmod(0o755)
        cluster = Cluster.start(Path(directory), ClusterShape(**{**usual, **shape}))
        try:
            yield Rig(cluster)
        finally:
            cluster.stop()
            # A cluster removes its directory, and so would the end of this block.
            Path(directory).mkdir(exist_ok=True)
