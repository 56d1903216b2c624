"""Passing means: a mini cluster ends completely, whoever ends it, and the machine is as before."""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from fixtures.identity import Identity, is_alive, process_identity, signal_process, wait_until_gone
from fixtures.ledger import LEDGER_NAME, Ledger, reap
from fixtures.minislurm.cluster import Cluster, ClusterShape, MiniSlurmError
from fixtures.services.base import wait_until

from .slurm_clusters import DEADLINE_S, mini_cluster, need_slurm, on_login, ran

pytestmark = pytest.mark.selftest

TWO = ClusterShape(nodes=2, containers=False)
CONFIGURATION = ("hosts", "resolv.conf", "hostname", "slurm", "munge", "passwd")
STARTER = """
import sys
from pathlib import Path
from fixtures.ledger import Ledger
from fixtures.minislurm.cluster import Cluster, ClusterShape
directory, ledger, run_id = sys.argv[1:]
ledger = Ledger(Path(ledger), run_id) if ledger else None
Cluster.start(Path(directory), ClusterShape(nodes=2, containers=False), ledger)
print("started", flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Machine:
    """What a cluster could leave behind on its host, apart from what others do there meanwhile."""

    mounts: tuple[str, ...]
    network: tuple[str, ...]
    name: str
    configuration: tuple[tuple[str, float, str], ...]
    temporary: tuple[str, ...]


def machine(temporary: Path) -> Machine:
    mounts = Path("/proc/self/mountinfo").read_text().splitlines()
    network = ran(["ip", "-o", "address"]).stdout + ran(["ip", "route"]).stdout
    files = [
        path
        for name in CONFIGURATION
        for path in [Path("/etc", name), *Path("/etc", name).glob("*")]
        if path.exists()
    ]
    text = {path: path.read_text(errors="replace") if path.is_file() else "" for path in files}
    return Machine(
        mounts=tuple(each for each in mounts if "/cluster" in each or " /etc/" in each),
        network=tuple(each for each in network.splitlines() if "10.88." in each or "gb0" in each),
        name=os.uname().nodename,
        configuration=tuple((str(p), p.stat().st_mtime, text[p]) for p in files),
        temporary=tuple(each.name for each in temporary.iterdir()),
    )


@pytest.fixture
def temporary(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A place for temporary files of this test alone, with a path short enough for sockets."""
    with tempfile.TemporaryDirectory() as directory:
        monkeypatch.setattr(tempfile, "tempdir", directory)
        monkeypatch.setenv("TMPDIR", directory)
        yield Path(directory)


def everybody(cluster: Cluster) -> list[Identity]:
    """Every process of a running cluster."""
    outer = process_identity(int(cluster.net_namespace.parts[2]))
    assert outer is not None
    below = psutil.Process(outer.pid).children(recursive=True)
    found = [outer, *(process_identity(each.pid) for each in below)]
    return [one for one in found if one is not None]


def starter(directory: Path, ledger: str = "", run_id: str = "") -> subprocess.Popen[str]:
    """A process that started a cluster and holds on."""
    process = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(directory), ledger, run_id],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


def test_stop_leaves_no_process_no_mount_no_link_and_no_file(
    tmp_path: Path, temporary: Path
) -> None:
    need_slurm()
    before = machine(temporary)
    cluster = Cluster.start(tmp_path / "cluster", TWO)
    try:
        assert on_login(cluster, "srun", "-N2", "true").returncode == 0
        processes = everybody(cluster)
        assert machine(temporary).network == before.network == ()
        assert machine(temporary).mounts == before.mounts
    finally:
        cluster.stop()

    assert len(processes) > 10
    assert [one for one in processes if is_alive(one)] == []
    assert not cluster.directory.exists()
    assert machine(temporary) == before
    assert not cluster.running


def test_stop_ends_what_is_still_running_there(tmp_path: Path) -> None:
    need_slurm()
    cluster = Cluster.start(tmp_path / "cluster", TWO)
    script = f"trap '' TERM; touch {tmp_path}/$SLURM_PROCID; sleep 600"
    with subprocess.Popen(cluster.on_login(["srun", "-N2", "sh", "-c", script])) as step:
        assert wait_until(lambda: (tmp_path / "1").exists(), DEADLINE_S)
        processes = everybody(cluster)

        cluster.stop()

        assert [one for one in processes if is_alive(one)] == []
        # It is a process of the host, so it lives on until somebody ends it, as on a login node.
        step.kill()


def test_stop_may_be_called_again_and_by_another_process(tmp_path: Path) -> None:
    need_slurm()
    cluster = Cluster.start(tmp_path / "cluster", TWO)
    other = Cluster.attach(cluster.directory)

    other.stop()
    cluster.stop()
    cluster.stop()

    assert not cluster.directory.exists()
    with pytest.raises(MiniSlurmError, match="does not run any more"):
        cluster.on_login(["true"])


def test_stopping_an_old_cluster_spares_a_new_one_in_its_place(tmp_path: Path) -> None:
    need_slurm()
    old = Cluster.start(tmp_path / "cluster", TWO)
    Cluster.attach(old.directory).stop()
    with mini_cluster(tmp_path / "cluster") as new:
        old.stop()

        assert on_login(new, "srun", "-N2", "true").returncode == 0


def test_stop_keeps_files_of_others(tmp_path: Path) -> None:
    with mini_cluster(tmp_path) as cluster:
        (cluster.directory / "mine").write_text("kept")

    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_two_clusters_run_side_by_side_and_end_apart(tmp_path: Path) -> None:
    with mini_cluster(tmp_path / "one") as one:
        with mini_cluster(tmp_path / "two", 3) as two:
            assert on_login(one, "srun", "-N2", "true").returncode == 0
            assert on_login(two, "srun", "-N3", "true").returncode == 0
            assert one.address("gb01") == two.address("gb01")
            assert str(one.net_namespace.readlink()) != str(two.net_namespace.readlink())
        assert on_login(one, "sinfo", "-h", "-o", "%T %D").stdout.strip() == "idle 2"


@pytest.mark.parametrize("inside", [False, True], ids=["outer", "first-inside"])
def test_one_kill_ends_everything(tmp_path: Path, inside: bool) -> None:
    with mini_cluster(tmp_path / "cluster") as cluster:
        processes = everybody(cluster)
        outer = processes[0]
        first = process_identity(psutil.Process(outer.pid).children()[0].pid)
        assert first is not None

        signal_process(first if inside else outer, signal.SIGKILL)

        assert wait_until_gone(processes, DEADLINE_S) == []
        assert not cluster.running


def test_the_ledger_removes_the_cluster_of_a_killed_run(tmp_path: Path, temporary: Path) -> None:
    need_slurm()
    before = machine(temporary)
    run_id = f"selftest-{secrets.token_hex(4)}"
    ledger = tmp_path / run_id / LEDGER_NAME
    directory = tmp_path / run_id / "cluster"
    with starter(directory, str(ledger), run_id) as process:
        processes = everybody(Cluster.attach(directory))
        process.kill()

    assert all(is_alive(one) for one in processes)
    report = reap(ledger)

    assert report.clean, report
    assert [one for one in processes if is_alive(one)] == []
    assert not directory.exists()
    assert machine(temporary) == before


def test_a_stopped_cluster_is_closed_in_the_ledger(tmp_path: Path) -> None:
    need_slurm()
    run_id = f"selftest-{secrets.token_hex(4)}"
    ledger = Ledger(tmp_path / run_id / LEDGER_NAME, run_id)
    cluster = Cluster.start(tmp_path / run_id / "cluster", TWO, ledger)
    open_ones = Ledger.open_entries(ledger.path)

    Cluster.attach(cluster.directory).stop()
    cluster.stop()

    assert {entry.kind for entry in open_ones} == {"directory", "process"}
    assert str(cluster.directory) in {entry.value for entry in open_ones}
    assert Ledger.open_entries(ledger.path) == []


def test_a_cluster_killed_before_it_was_on_file_can_be_discarded(tmp_path: Path) -> None:
    need_slurm()
    directory = tmp_path / "cluster"
    with starter(directory) as process:
        processes = everybody(Cluster.attach(directory))
        (directory / "minislurm.json").unlink()
        process.kill()

    Cluster.discard(directory)

    assert [one for one in processes if is_alive(one)] == []
    assert not directory.exists()


def test_a_long_path_is_no_obstacle_and_leaves_nothing(tmp_path: Path, temporary: Path) -> None:
    need_slurm()
    before = machine(temporary)
    with mini_cluster(tmp_path / ("long" * 30)) as cluster:
        assert on_login(cluster, "srun", "-N2", "true").returncode == 0
    assert machine(temporary) == before


BROKEN = {
    "slurmctld": ("exit 1", "slurmctld did not start"),
    "munged": ("echo no luck >&2; exit 1", "munged did not start"),
    "slurmd": ("exit 1", "gb01: slurmd did not start|gb02: slurmd did not start"),
}


@pytest.mark.parametrize("daemon", BROKEN)
def test_a_daemon_that_cannot_start_is_named_and_nothing_is_left(
    tmp_path: Path, temporary: Path, monkeypatch: pytest.MonkeyPatch, daemon: str
) -> None:
    need_slurm()
    before = machine(temporary)
    script, complaint = BROKEN[daemon]
    stand_in(tmp_path, monkeypatch, daemon, script)

    with pytest.raises(MiniSlurmError, match=complaint):
        Cluster.start(tmp_path / "cluster", TWO)

    assert not (tmp_path / "cluster").exists()
    assert machine(temporary) == before


@pytest.mark.parametrize(
    ("daemon", "complaint"),
    [
        ("slurmctld", "at the deadline slurmctld does not listen"),
        ("slurmd", "at the deadline not all nodes are idle: sinfo says unknown 2"),
    ],
)
def test_a_daemon_that_does_nothing_is_named_at_the_deadline(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, daemon: str, complaint: str
) -> None:
    need_slurm()
    stand_in(tmp_path, monkeypatch, daemon, "exit 0")

    with pytest.raises(MiniSlurmError, match=complaint):
        Cluster.start(tmp_path / "cluster", TWO, deadline_s=1.5)

    assert not (tmp_path / "cluster").exists()


def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, script: str) -> None:
    """Put a program of that name before the real one."""
    program = tmp_path / "bin" / name
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
