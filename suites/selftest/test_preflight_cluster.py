"""Passing means: on a real Slurm each real defect is named first, and nothing is left behind."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.judges.preflight import JUDGES, first_failure
from fixtures.minislurm.cluster import Cluster
from fixtures.minislurm.missing import PMIX_LIBRARY, missing_for_mpi

from .preflight_rig import (
    LIMITS,
    SITE,
    Bench,
    allocation,
    first_of,
    login_client,
    need,
    verdicts,
)
from .slurm_clusters import mini_cluster, on_login, on_node

pytestmark = pytest.mark.selftest

BARE = {"PRE-008", "PRE-012", "PRE-013", "PRE-014", "PRE-015", "PRE-016", "PRE-017", "PRE-024"}
NO_DRIVER = {"PRE-011", "PRE-023", "PRE-027", "PRE-028"}
UNLOCKED = {"PRE-031"}
NOBODY = 65534
SERVE = """\
import socket
server = socket.create_server(("", 4222))
print("ready", flush=True)
while True:
    server.accept()[0].sendall(b'INFO {"server_name":"left"}\\r\\n')
"""


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Four nodes."""
    with mini_cluster(tmp_path_factory.mktemp("c") / "m", nodes=4) as found:
        yield found


@pytest.fixture(scope="module")
def bench(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The cluster with an allocation of all its nodes; no step of it is left at the end."""
    client = login_client(cluster, tmp_path_factory.mktemp("client"))
    with allocation(cluster) as job_id:
        yield Bench(cluster, job_id, client)
        assert on_login(cluster, "squeue", "-s", "-h", "-o", "%i %j").stdout == ""


def test_bare_processes_are_approved_of(bench: Bench) -> None:
    record = bench.gather()

    idle = BARE | NO_DRIVER | UNLOCKED
    wanted = {id_: "idle" if id_ in idle else "pass" for id_ in JUDGES}
    assert verdicts(record) == wanted
    assert first_failure(record) is None
    assert record.not_looked_at == (
        ("options of srun", "workers run in no container"),
        ("container", "workers run in no container"),
    )


def test_a_drained_node_is_named(bench: Bench) -> None:
    node = bench.cluster.nodes[1]
    update = ("scontrol", "update", f"nodename={node}")
    on_login(bench.cluster, *update, "state=drain", "reason=xid79")
    try:
        found = first_of(bench.gather())
    finally:
        on_login(bench.cluster, *update, "state=resume")

    assert found == ("PRE-006", f"{node}: draining (xid79)")


def test_a_smaller_allocation_is_named(bench: Bench) -> None:
    id_, actual = first_of(bench.gather(wanted_nodes=9))

    assert id_ == "PRE-005"
    assert actual.startswith(f"job {bench.job_id} has 4: gb01,")


def test_expert_weights_of_another_user_are_named_and_stay(bench: Bench) -> None:
    node, path = bench.cluster.nodes[2], "/dev/shm/moe_shared_l0_lr0_all"  # noqa: S108
    on_node(bench.cluster, node, "install", "-o", str(NOBODY), "/dev/null", path)
    try:
        found = first_of(bench.gather())
        left = on_node(bench.cluster, node, "stat", "-c", "%u", path)
    finally:
        on_node(bench.cluster, node, "rm", "-f", path)

    assert found == ("PRE-021", f"{node}: 1 file(s) of user nobody, 0 bytes: {path}")
    assert left == str(NOBODY)


@contextlib.contextmanager
def serving(bench: Bench, node: str) -> Iterator[subprocess.Popen[str]]:
    """A program on a node that answers like an old NATS."""
    argv = bench.cluster.on_node(node, [sys.executable, "-c", SERVE])
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        try:
            yield server
        finally:
            server.kill()


def test_a_port_that_is_taken_is_named_with_who_has_it(bench: Bench) -> None:
    with serving(bench, bench.inputs.head_node):
        record = bench.gather()

    id_, actual = first_of(record)
    assert id_ == "PRE-019"
    assert actual.startswith("gb01: Address already in use: pid ")
    assert 'which says: INFO {"server_name":"left"}' in actual
    assert verdicts(record)["PRE-020"] == "unseen"


def test_a_port_of_another_node_may_be_taken(bench: Bench) -> None:
    with serving(bench, bench.cluster.nodes[3]):
        assert first_failure(bench.gather()) is None


def test_a_node_that_cannot_reach_the_head_node_is_named(bench: Bench) -> None:
    node, route = bench.cluster.nodes[2], ("unreachable", bench.inputs.head_address)
    on_node(bench.cluster, node, "ip", "route", "add", *route)
    try:
        record = bench.gather()
    finally:
        on_node(bench.cluster, node, "ip", "route", "del", *route)

    assert first_of(record) == ("PRE-020", "gb03: No route to host")
    assert [each.expected for each in JUDGES["PRE-020"].judge(record)] == [
        f"{what} is reachable on port {port} of gb01 (10.88.0.1)"
        for what, port in (("etcd", 2379), ("NATS", 4222), ("frontend", 8000))
    ]


def test_the_address_of_another_node_is_named(bench: Bench) -> None:
    id_, actual = first_of(bench.gather(head_address=bench.cluster.address("gb02")))

    assert id_ == "PRE-018"
    assert "is none of gb01" in actual


def test_a_small_shared_memory_is_named(bench: Bench) -> None:
    node = bench.cluster.nodes[1]
    mount = ("mount", "-o", "remount,size=8m", "/dev/shm")  # noqa: S108
    on_node(bench.cluster, node, *mount)
    try:
        found = first_of(bench.gather())
    finally:
        on_node(bench.cluster, node, *mount[:2], "remount,size=1g", mount[3])

    assert found == ("PRE-025", f"{node}: 8 MiB")


def test_old_data_on_the_head_node_is_named(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "member").mkdir()

    id_, actual = first_of(bench.gather(data_dirs=(str(tmp_path),)))

    assert (id_, actual) == ("PRE-024", f"gb01: {tmp_path}: holds data")


def test_limits_of_the_caller_are_those_of_the_tasks(bench: Bench, tmp_path: Path) -> None:
    lowered = ("bash", "-c", 'ulimit -Sn 200; ulimit -Sl 64; exec "$@"', "bash")
    limits = replace(LIMITS, need_unlimited_locked_memory=True)

    client = login_client(bench.cluster, tmp_path, before=lowered)

    record = bench.gather(client=client, site=replace(SITE, preflight=limits))

    assert first_failure(record) is None
    assert verdicts(record)["PRE-030"] == "fail"
    assert "65536 bytes" in JUDGES["PRE-031"].judge(record)[0].actual


def test_an_mpi_type_that_is_not_offered_is_named(bench: Bench) -> None:
    id_, actual = first_of(bench.gather(site=replace(SITE, mpi="pmi9")))

    assert id_ == "PRE-009"
    assert actual.startswith("offered: ")
    assert "pmix" in actual


def test_an_mpi_type_that_is_listed_but_cannot_start_is_named(bench: Bench) -> None:
    node = bench.cluster.nodes[0]
    need(missing_for_mpi())
    (where, *_) = (str(each.parent) for each in Path("/usr").glob(PMIX_LIBRARY))
    on_node(bench.cluster, node, "mount", "-t", "tmpfs", "none", where)
    try:
        record = bench.gather()
    finally:
        on_node(bench.cluster, node, "umount", where)

    assert record.mpi_types is not None
    assert "pmix" in record.mpi_types
    id_, actual = first_of(record)
    assert id_ == "PRE-009"
    assert "failed on node gb01" in actual


def test_a_missing_python_is_named(bench: Bench) -> None:
    id_, actual = first_of(bench.gather(probe_python="/no/such/python"))

    assert id_ == "PRE-007"
    assert actual.endswith("execve(): /no/such/python: No such file or directory")


def test_a_probe_that_hangs_is_given_up_and_ended_on_every_node(
    bench: Bench, tmp_path: Path
) -> None:
    hangs = tmp_path / "hangs"
    hangs.write_text("#!/bin/sh\ntrap '' TERM INT\nwhile :; do sleep 1; done\n")
    hangs.chmod(0o755)

    record = bench.gather(probe_python=str(hangs), site=replace(SITE, call_s=1.0))

    id_, actual = first_of(record)
    assert id_ == "PRE-007"
    assert actual.startswith("gb01, gb02, gb03, gb04: srun did not end within 3 s")
    left = subprocess.run(["/bin/ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(hangs) not in left.stdout
    assert on_login(bench.cluster, "squeue", "-s", "-h", "-o", "%i").stdout == ""


def test_a_dead_slurmd_is_named(bench: Bench) -> None:
    node = bench.cluster.nodes[2]
    bench.cluster.kill_slurmd(node)
    try:
        record = bench.gather()
    finally:
        bench.cluster.start_slurmd(node)

    id_, actual = first_of(record)
    # Whether the controller has noticed it already is a matter of chance.
    assert id_ in ("PRE-006", "PRE-007")
    assert actual.startswith(f"{node}: ")
    assert verdicts(record)["PRE-007"] == "fail"
    assert record.host is not None
    assert [each.node for each in record.host.reports if each.error] == [node]
    assert first_failure(bench.gather()) is None


def test_a_name_without_an_address_is_named(bench: Bench) -> None:
    id_, actual = first_of(bench.gather(head_address="no-such-host.invalid"))

    assert id_ == "PRE-018"
    assert actual.startswith("no-such-host.invalid: ")
