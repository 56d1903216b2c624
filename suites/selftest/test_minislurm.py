"""Passing means: the mini cluster is a real Slurm, and each node of it is a machine of its own."""

from __future__ import annotations

import contextlib
import secrets
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.minislurm.cluster import Cluster, ClusterShape, MiniSlurmError

from .slurm_clusters import DEADLINE_S, mini_cluster, on_login, on_node, ran

pytestmark = pytest.mark.selftest

CONNECT = """
import socket
server = socket.create_server(("127.0.0.1", 0))
client = socket.create_connection(server.getsockname(), timeout=5)
print(server.accept()[1][0])
"""

LISTEN = """
import socket
server = socket.create_server(("", 4000))
server.settimeout(1)
print("ready", flush=True)
try:
    print(server.accept()[1])
except TimeoutError:
    print("nobody came")
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with mini_cluster(tmp_path_factory.mktemp("minislurm"), 4) as cluster:
        yield cluster


def test_all_nodes_are_idle_when_start_returns(cluster: Cluster) -> None:
    assert on_login(cluster, "sinfo", "-h", "-o", "%T %D").stdout.strip() == "idle 4"
    assert cluster.nodes == ("gb01", "gb02", "gb03", "gb04")


def test_a_step_runs_on_every_node_under_its_own_name_and_address(cluster: Cluster) -> None:
    script = 'echo "$SLURM_PROCID $(hostname) $(ip -4 -o addr show eth0)"'

    step = on_login(cluster, "srun", "-N4", "sh", "-c", script)

    assert step.returncode == 0, step.stderr
    seen = {line.split()[1]: line for line in step.stdout.splitlines()}
    assert set(seen) == set(cluster.nodes)
    assert all(f" {cluster.address(node)}/24 " in seen[node] for node in cluster.nodes)


def test_the_login_node_is_nothing_but_a_network(cluster: Cluster) -> None:
    names = on_login(cluster, "sh", "-c", "readlink /proc/self/ns/*").stdout.split()

    ours = {
        kind: str(Path(f"/proc/self/ns/{kind}").readlink()) for kind in ("mnt", "uts", "pid", "ipc")
    }
    assert set(ours.values()) <= set(names)
    assert str(Path("/proc/self/ns/net").readlink()) not in names
    assert str(cluster.net_namespace.readlink()) in names


def test_a_signal_to_a_command_on_the_login_node_reaches_that_command(cluster: Cluster) -> None:
    script = "trap 'echo caught; exit 5' TERM; echo ready; while :; do sleep 0.01; done"
    with subprocess.Popen(
        cluster.on_login(["sh", "-c", script]), stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

        process.send_signal(signal.SIGTERM)

        assert process.wait(DEADLINE_S) == 5
        assert process.stdout.read() == "caught\n"


def test_fake_gpus_are_a_resource_that_slurm_hands_out(cluster: Cluster) -> None:
    script = 'echo "$SLURMD_NODENAME $CUDA_VISIBLE_DEVICES"'

    nodes = on_login(cluster, "sinfo", "-N", "-h", "-o", "%N %G").stdout.split("\n")
    step = on_login(cluster, "srun", "-N2", "--gres=gpu:4", "sh", "-c", script)
    refused = on_login(cluster, "srun", "-N1", "--gres=gpu:5", "true")

    assert "gb03 gpu:4" in nodes
    assert sorted(step.stdout.splitlines()) == ["gb01 0,1,2,3", "gb02 0,1,2,3"]
    assert refused.returncode != 0


@pytest.mark.parametrize("place", ["/dev/shm", "/run"])  # noqa: S108 - what is under test
def test_memory_of_a_node_is_its_own(cluster: Cluster, place: str) -> None:
    path = f"{place}/moe_{secrets.token_hex(4)}"

    on_node(cluster, "gb01", "touch", path)

    assert ran(cluster.on_node("gb01", ["test", "-e", path])).returncode == 0
    assert ran(cluster.on_node("gb02", ["test", "-e", path])).returncode == 1
    assert not Path(path).exists()


def test_the_file_system_is_shared_by_all(cluster: Cluster, tmp_path: Path) -> None:
    on_node(cluster, "gb01", "sh", "-c", f"hostname >{tmp_path}/from-gb01")

    assert on_node(cluster, "gb02", "cat", f"{tmp_path}/from-gb01") == "gb01"
    assert (tmp_path / "from-gb01").read_text() == "gb01\n"


def test_nodes_know_each_other_by_name_and_have_a_loopback(cluster: Cluster) -> None:
    assert on_node(cluster, "gb02", "getent", "hosts", "gb03").split() == ["10.88.0.3", "gb03"]
    assert on_node(cluster, "gb02", "getent", "hosts", "login").split()[0] == cluster.login_address
    assert on_node(cluster, "gb02", "python3", "-c", CONNECT) == "127.0.0.1"


def test_a_node_sees_only_its_own_processes(cluster: Cluster) -> None:
    seen = on_node(cluster, "gb04", "ps", "-e", "-o", "args=")

    assert "slurmd -N gb04" in seen
    assert "slurmctld" not in seen
    assert "gb03" not in seen


def test_nobody_outside_reaches_a_node(cluster: Cluster) -> None:
    wait = cluster.on_node("gb01", ["python3", "-c", LISTEN])
    with subprocess.Popen(wait, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        # Where this ends is up to the network outside: only that it does not end here matters.
        with contextlib.suppress(OSError):
            socket.create_connection((cluster.address("gb01"), 4000), timeout=0.5).close()

        assert server.communicate(timeout=DEADLINE_S)[0] == "nobody came\n"


def test_a_command_on_a_node_ends_with_its_caller(cluster: Cluster, tmp_path: Path) -> None:
    script = f"echo $$ >{tmp_path}/pid.new; mv {tmp_path}/pid.new {tmp_path}/pid; sleep 600 & wait"
    with subprocess.Popen(cluster.on_node("gb01", ["sh", "-c", script])) as process:
        poll = f"while ! test -e {tmp_path}/pid; do sleep 0.01; done"
        on_node(cluster, "gb01", "sh", "-c", poll)
        pid = (tmp_path / "pid").read_text().strip()

        process.kill()
        process.wait(DEADLINE_S)

    on_node(cluster, "gb01", "sh", "-c", f"while kill -0 {pid} 2>/dev/null; do sleep 0.01; done")


def test_another_process_finds_the_cluster_by_its_directory(cluster: Cluster) -> None:
    found = Cluster.attach(cluster.directory)

    assert found.shape == cluster.shape
    assert found.environment == cluster.environment
    assert found.net_namespace == cluster.net_namespace
    assert on_login(found, "srun", "-N1", "hostname").stdout == "gb01\n"


def test_without_the_plugin_srun_refuses_container_options(cluster: Cluster) -> None:
    refused = on_login(cluster, "srun", "-N1", "--container-image=/some.sqsh", "true")

    assert not cluster.container_options
    assert refused.returncode == 255
    assert "unrecognized option '--container-image=/some.sqsh'" in refused.stderr


def test_a_node_that_is_not_there_is_named_together_with_those_that_are(cluster: Cluster) -> None:
    with pytest.raises(MiniSlurmError, match="no node 'gb99': there are gb01, gb02, gb03, gb04"):
        cluster.on_node("gb99", ["true"])
    with pytest.raises(MiniSlurmError, match="gb01 is on already"):
        cluster.power_on("gb01")


def test_a_second_cluster_cannot_have_the_same_directory(cluster: Cluster) -> None:
    with pytest.raises(MiniSlurmError, match="already holds a cluster"):
        Cluster.start(cluster.directory)
    assert cluster.running


@pytest.mark.parametrize(
    ("shape", "complaint"),
    [({"nodes": 0}, "0 nodes"), ({"nodes": 251}, "251 nodes"), ({"cpus_per_node": 0}, "one CPU")],
)
def test_an_impossible_shape_is_refused(shape: dict[str, int], complaint: str) -> None:
    with pytest.raises(MiniSlurmError, match=complaint):
        ClusterShape(**shape)


@pytest.mark.parametrize(
    ("place", "complaint"),
    [("with blank", "slurm.conf cannot hold"), ("list[1-3]", "slurm.conf cannot hold")],
)
def test_a_directory_that_slurm_cannot_name_is_refused(
    tmp_path: Path, cluster: Cluster, place: str, complaint: str
) -> None:
    assert cluster.running
    with pytest.raises(MiniSlurmError, match=complaint):
        Cluster.start(tmp_path / place)
    assert not (tmp_path / place).exists()


def test_a_directory_that_is_private_to_each_node_is_refused(cluster: Cluster) -> None:
    assert cluster.running
    with pytest.raises(MiniSlurmError, match="each node has its own /run"):
        Cluster.start(Path("/run/minislurm-selftest"))
    assert not Path("/run/minislurm-selftest").exists()


def test_a_directory_in_use_is_refused_and_left_alone(tmp_path: Path, cluster: Cluster) -> None:
    assert cluster.running
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc" / "mine").write_text("kept")

    with pytest.raises(MiniSlurmError, match="already has etc: name an empty directory"):
        Cluster.start(tmp_path)

    assert (tmp_path / "etc" / "mine").read_text() == "kept"
