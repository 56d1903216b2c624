"""Passing means: a node can be cut off, lose its slurmd and come back, as real ones do."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.identity import is_alive, process_identity
from fixtures.minislurm.cluster import Cluster, MiniSlurmError
from fixtures.services.base import wait_until

from .slurm_clusters import DEADLINE_S, mini_cluster, on_login, on_node

pytestmark = pytest.mark.selftest

# A peer that answers once and then waits for the other side; prints what the other side did.
SERVER = """
import socket
server = socket.create_server(("10.88.0.2", 4000))
print("ready", flush=True)
connection, _ = server.accept()
connection.sendall(b"hello")
connection.recv(1)
"""
CLIENT = """
import socket
client = socket.create_connection(("10.88.0.2", 4000), timeout=5)
print(client.recv(5).decode(), flush=True)
client.settimeout(1.5)
try:
    print("closed" if client.recv(1) == b"" else "data", flush=True)
except TimeoutError:
    print("silence", flush=True)
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with mini_cluster(tmp_path_factory.mktemp("minislurm"), 2) as cluster:
        yield cluster


def idle(cluster: Cluster) -> bool:
    return on_login(cluster, "sinfo", "-h", "-o", "%T %D").stdout.strip() == "idle 2"


def test_peers_of_a_node_that_loses_power_see_silence_and_no_end(cluster: Cluster) -> None:
    serve = cluster.on_node("gb02", ["python3", "-c", SERVER])
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        connect = cluster.on_node("gb01", ["python3", "-c", CLIENT])
        with subprocess.Popen(connect, stdout=subprocess.PIPE, text=True) as client:
            assert client.stdout is not None
            assert client.stdout.readline() == "hello\n"

            cluster.power_cut("gb02")

            assert client.communicate(timeout=DEADLINE_S)[0] == "silence\n"
        server.wait(DEADLINE_S)
    cluster.power_on("gb02")


def test_a_node_without_power_is_off_and_one_with_power_is_idle_again(cluster: Cluster) -> None:
    on_node(cluster, "gb02", "touch", "/dev/shm/moe_before")  # noqa: S108 - that of the node

    cluster.power_cut("gb02")

    with pytest.raises(MiniSlurmError, match="gb02 is off"):
        cluster.on_node("gb02", ["true"])
    with pytest.raises(MiniSlurmError, match="gb02 is off"):
        cluster.power_cut("gb02")
    assert on_node(cluster, "gb01", "hostname") == "gb01"

    cluster.power_on("gb02")

    assert wait_until(lambda: idle(cluster), DEADLINE_S)
    assert on_node(cluster, "gb02", "ls", "/dev/shm") == ""  # noqa: S108 - that of the node
    assert on_login(cluster, "srun", "-N2", "hostname").returncode == 0


def test_tasks_outlive_their_slurmd_and_a_new_one_takes_them_over(
    cluster: Cluster, tmp_path: Path
) -> None:
    script = f"touch {tmp_path}/$SLURM_PROCID; until test -e {tmp_path}/go; do sleep 0.01; done"
    with subprocess.Popen(cluster.on_login(["srun", "-N2", "sh", "-c", script])) as step:
        assert wait_until(lambda: (tmp_path / "1").exists(), DEADLINE_S)

        cluster.kill_slurmd("gb02")

        with pytest.raises(MiniSlurmError, match="gb02 has no slurmd"):
            cluster.kill_slurmd("gb02")
        assert "slurmd -N" not in on_node(cluster, "gb02", "ps", "-e", "-o", "args=")
        assert step.poll() is None
        cluster.start_slurmd("gb02")
        (tmp_path / "go").touch()
        assert step.wait(DEADLINE_S) == 0
    assert wait_until(lambda: idle(cluster), DEADLINE_S)


def test_orphans_of_a_node_leave_no_zombie(cluster: Cluster) -> None:
    on_node(cluster, "gb01", "sh", "-c", "for i in 1 2 3; do (sleep 0.05 &) & done; wait")

    def clean() -> bool:
        return "Z" not in on_node(cluster, "gb01", "ps", "-e", "-o", "stat=")

    assert wait_until(clean, DEADLINE_S)


def test_a_power_cut_ends_the_processes_of_that_node_only(cluster: Cluster) -> None:
    with (
        subprocess.Popen(cluster.on_node("gb01", ["sleep", "600"])) as spared,
        subprocess.Popen(cluster.on_node("gb02", ["sleep", "600"])) as hit,
    ):
        cluster.power_cut("gb02")

        assert hit.wait(DEADLINE_S) != 0
        identity = process_identity(spared.pid)
        assert identity is not None
        assert is_alive(identity)
        spared.kill()
    cluster.power_on("gb02")
    assert wait_until(lambda: idle(cluster), DEADLINE_S)


def test_a_node_is_found_while_many_are_switched(cluster: Cluster) -> None:
    for _ in range(3):
        cluster.power_cut("gb01")
        cluster.power_on("gb01")
    deadline = time.monotonic() + DEADLINE_S
    while not idle(cluster):
        assert time.monotonic() < deadline
    assert on_node(cluster, "gb01", "hostname") == "gb01"
