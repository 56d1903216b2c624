"""Runs of the suite over real Ray on small hosts, as a user starts them who reaches those by ssh.

The run does not know that the hosts are small: its site says no more than how they are reached.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.ledger import LEDGER_NAME, Ledger
from fixtures.minihosts.hosts import HostShape, MiniHosts, missing_requirements
from fixtures.model.hosts import Host

from .runs import HERE, ROOT, SuiteRun, command
from .slurm_rig import Running
from .test_interrupts import marked

SITE = HERE / "sites" / "quick-ray.yaml"
TWO_NODES = HERE / "topologies" / "ray-two-node.yaml"
TWO_CLUSTERS = HERE / "topologies" / "tiny-vllm-disagg.yaml"
LIVE = ("-m", "hopper and not static")
"""What needs a deployment: rules read files alone, so they have nothing to say about Ray."""
WITHOUT_OTHERS = ("-p", "no:hypothesispytest", "-p", "no:anyio")
"""Plugins of others, which users of the suite do not have: to load them takes longer than ours."""
RUN_S = 150.0
START_S = 60.0
SIZES = """\
gpus_per_host: 2
cpus_per_host: 2
object_store_mib: 75
"""
"""What a cluster that we start is told of its hosts."""
SECTION = """
nodes: [{nodes}]
ray:
  hosts: given
  ssh: [sh, {ssh}]
  start_s: 60
  call_s: 10
  addresses: {{{addresses}}}
{more}
  # Limits that any machine meets: nothing here needs large shared memory or pinned buffers.
  preflight:
    min_time_left_s: 0
    min_shm_mib: 16
    min_open_files: 1024
    need_unlimited_locked_memory: false
"""


@dataclass(frozen=True, slots=True)
class Rig:
    """Hosts, and what their user has: a way to each, and a site file that says so."""

    hosts: MiniHosts
    directory: Path

    def site(
        self,
        name: str = "quick-ray",
        more: str = SIZES,
        addresses: Mapping[str, str] | None = None,
    ) -> Path:
        """A site file over these hosts, or those in `addresses`; `more` is added to `ray`."""
        found = addresses or {host.name: host.address for host in self.hosts.hosts}
        section = SECTION.format(
            nodes=", ".join(found),
            ssh=self._ssh(),
            addresses=", ".join(f"{each}: {address}" for each, address in found.items()),
            more="".join(f"  {line}\n" for line in more.splitlines()),
        )
        path = self.directory / f"{name}.yaml"
        path.write_text(SITE.read_text() + section)
        return path

    def _ssh(self) -> Path:
        """A program that takes a host and words for a shell there, as `ssh` does."""
        path = self.directory / "ssh.sh"
        cases = "".join(
            f'{host.name}) exec {shlex.join(host.command)} sh -c "$2" ;;\n'
            for host in self.hosts.hosts
        )
        path.write_text(f'case "$1" in\n{cases}*) echo "$1: unknown host" >&2; exit 255 ;;\nesac\n')
        return path

    @contextlib.contextmanager
    def started(
        self,
        runs_dir: Path,
        *arguments: str,
        site: Path,
        topology: Path = TWO_NODES,
        environment: Mapping[str, str] | None = None,
    ) -> Iterator[Running]:
        """A run of the suite in the network of the hosts; killed where the test gives up."""
        where = (f"--site={site}", f"--topology={topology}")
        words = command(runs_dir, *WITHOUT_OTHERS, *where, *arguments)
        process = subprocess.Popen(
            self._inside(words),
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
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

    def run(
        self, runs_dir: Path, *arguments: str, site: Path, topology: Path = TWO_NODES
    ) -> SuiteRun:
        """Run the suite to its end, within a deadline."""
        with self.started(runs_dir, *arguments, site=site, topology=topology) as running:
            return running.ended()

    def _inside(self, argv: Sequence[str]) -> list[str]:
        """The command that runs in the network of the hosts."""
        return ["nsenter", f"--net={self.hosts.net_namespace}", "--", *argv]

    def reap(self, run_dir: Path) -> str:
        """End what the ledger of a run still lists, as its user would; returns what is said."""
        done = self._reap(run_dir)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def _reap(self, run_dir: Path) -> subprocess.CompletedProcess[str]:
        argv = [sys.executable, "-m", "fixtures.ledger", "reap", str(run_dir)]
        return subprocess.run(
            self._inside(argv),
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=RUN_S,
            check=False,
        )

    def on(self, name: str, *argv: str) -> str:
        """What a command prints on a host, where it must succeed."""
        done = subprocess.run(
            next(host for host in self.hosts.hosts if host.name == name).runs(argv),
            capture_output=True,
            text=True,
            timeout=START_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def left_by(self, run_dir: Path | None, *, ports: bool = True) -> list[str]:
        """What ledger and hosts still know of a run; empty where it left nothing.

        `ports`: nobody else listens on the hosts, so a listener is one of the run.
        """
        assert run_dir is not None
        run_id = run_dir.name
        left = [f"ledger: {entry}" for entry in Ledger.open_entries(run_dir / LEDGER_NAME)]
        # The processes of every host show here, as those of this machine do.
        left += [_told(pid) for pid in marked(run_id)]
        # A host that was lost can hold nothing.
        for host in (each for each in self.hosts.hosts if self._answers(each)):
            names = self.on(host.name, "ls", "/dev/shm").split()  # noqa: S108
            left += [f"{host.name}:{name}" for name in names if ports or run_id in name]
            listening = self._listening(host.name) if ports else []
            left += [f"{host.name}: port {port}" for port in listening]
        left += map(str, Path(tempfile.gettempdir()).glob(f"*{run_id}*"))
        return left + list(map(str, (run_dir / "work").glob("*")))

    def _answers(self, host: Host) -> bool:
        """Whether programs run on a host."""
        done = subprocess.run(
            host.runs(("true",)), capture_output=True, timeout=START_S, check=False
        )
        return done.returncode == 0

    def _listening(self, name: str) -> list[str]:
        """Ports on which somebody listens on a host."""
        lines = self.on(name, "cat", "/proc/net/tcp").splitlines()[1:]
        rows = [line.split() for line in lines]
        return [row[1].rpartition(":")[2] for row in rows if row[3] == "0A"]


def _told(pid: int) -> str:
    with contextlib.suppress(OSError):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        return f"process {pid}: {b' '.join(words).decode(errors='replace')[:200]}"
    return f"process {pid}"


def findings_of(run: SuiteRun, topology: str, requirement: str) -> str:
    """Everything that a check said about what it found, in one text."""
    (entry,) = (each for each in run.report["topologies"] if each["name"] == topology)
    (row,) = (each for each in entry["rows"] if each["requirement"] == requirement)
    return "\n".join(f"{each['expected']} / {each['actual']}" for each in row["findings"])


def need_hosts_and_ray() -> None:
    """Skip where hosts cannot start or Ray is missing; fail where REQUIRE_RAY=1."""
    missing = missing_requirements()
    try:
        import ray  # noqa: F401 - only to see whether it is there
    except ImportError:
        missing.append("the package ray (install the extra `ray`)")
    if missing and os.environ.get("REQUIRE_RAY") == "1":
        pytest.fail(f"REQUIRE_RAY=1, and {'; '.join(missing)}", pytrace=False)
    if missing:
        pytest.skip("; ".join(missing))


@contextlib.contextmanager
def rig(hosts: int = 2) -> Iterator[Rig]:
    """Hosts that are up, verified gone afterwards."""
    need_hosts_and_ray()
    with tempfile.TemporaryDirectory(prefix="dynamo-selftest-") as directory:
        started = MiniHosts.start(Path(directory) / "hosts", HostShape(hosts))
        try:
            yield Rig(started, Path(directory))
        finally:
            started.stop()
