"""Passing means: a scheduler or an allocation that is not as it should be is named first."""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.clients.slurm import SlurmClient
from fixtures.judges.preflight import first_failure
from fixtures.minislurm.cluster import Cluster
from fixtures.model.slurm import Call

from .preflight_rig import (
    LIMITS,
    SITE,
    Bench,
    allocation,
    first_of,
    login_client,
    verdicts,
    wait_until_idle,
)
from .probes import NVIDIA_SMI, program
from .slurm_clusters import mini_cluster, on_login

pytestmark = pytest.mark.selftest


NOBODY = 65534


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """Four nodes whose srun knows no container options, open to other users."""
    with tempfile.TemporaryDirectory(prefix="acc-selftest-") as directory:
        Path(directory).chmod(0o755)
        with mini_cluster(Path(directory) / "m", nodes=4) as found:
            yield found


@pytest.fixture(scope="module")
def client(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> SlurmClient:
    """Asks from the login node."""
    return login_client(cluster, tmp_path_factory.mktemp("client"))


@pytest.fixture
def bench(cluster: Cluster, client: SlurmClient) -> Iterator[Bench]:
    """The cluster with an allocation of all its nodes."""
    with allocation(cluster) as job_id:
        yield Bench(cluster, job_id, client)


@pytest.fixture
def none(cluster: Cluster, client: SlurmClient) -> Bench:
    """The cluster without any allocation."""
    return Bench(cluster, "", client)


def shim(directory: Path, name: str, text: str) -> str:
    """A place on the PATH where a command is another program."""
    program(directory / "shims", text, name)
    return str(directory / "shims")


@pytest.mark.parametrize("command", ["scontrol", "squeue", "sinfo"])
def test_a_scheduler_that_hangs_is_given_up(command: str, bench: Bench, tmp_path: Path) -> None:
    path = shim(tmp_path, command, "#!/bin/sh\nexec sleep 600\n")
    client = login_client(bench.cluster, tmp_path, path=path, call_s=1)

    id_, actual = first_of(bench.gather(client=client))

    assert id_ == "PRE-001"
    assert actual.startswith(f"{command} did not end within 1 s")


def test_a_scheduler_that_is_away_is_named(cluster: Cluster, tmp_path: Path) -> None:
    conf = tmp_path / "slurm.conf"
    conf.write_text("ClusterName=x\nSlurmctldHost=nowhere(10.88.0.253)\nMessageTimeout=1\n")
    client = login_client(cluster, tmp_path, before=("env", f"SLURM_CONF={conf}"))

    record = Bench(cluster, "1", client).gather()

    assert first_of(record)[0] == "PRE-001"
    assert [call.argv for call in record.queries] == [("scontrol", "ping")]
    assert dict(record.not_looked_at)["job"]
    assert {each for id_, each in verdicts(record).items() if id_ != "PRE-001"} <= {
        "unseen",
        "idle",
    }


def test_a_scheduler_that_raves_is_no_trap(bench: Bench, tmp_path: Path) -> None:
    for command in ("squeue", "sinfo"):
        path = shim(tmp_path / command, command, "#!/bin/sh\nhead -c 5000 /dev/urandom\n")
        client = login_client(bench.cluster, tmp_path / command, path=path)
        assert first_failure(bench.gather(client=client)) is not None


def test_no_allocation_is_named(none: Bench) -> None:
    record = none.gather()

    assert first_of(record)[0] == "PRE-002"
    assert dict(record.not_looked_at)["nodes"] == "there is no allocation"


def test_a_refused_allocation_names_the_drained_node(cluster: Cluster, none: Bench) -> None:
    node = cluster.nodes[3]
    on_login(cluster, "scontrol", "update", f"nodename={node}", "state=drain", "reason=fan")
    try:
        asked = ["salloc", "--no-shell", "--nodes=4", "--immediate=1"]
        done = on_login(cluster, *asked)
        call = Call(tuple(asked), done.returncode, done.stdout, done.stderr, 1.0, 2.0)
        id_, actual = first_of(none.gather(allocation_call=call))
    finally:
        on_login(cluster, "scontrol", "update", f"nodename={node}", "state=resume")
        wait_until_idle(cluster)

    assert id_ == "PRE-002"
    assert "salloc ended with exit code 1" in actual
    assert actual.endswith(f"not usable: {node} drained (fan)")


def test_a_job_that_never_was_is_named(none: Bench) -> None:
    assert first_of(none.gather(job_id="4711"))[0] == "PRE-002"


def test_a_job_that_has_ended_is_named(cluster: Cluster, none: Bench) -> None:
    with allocation(cluster) as job_id:
        pass

    id_, actual = first_of(none.gather(job_id=job_id))

    assert id_ == "PRE-002"
    assert job_id in actual or "CANCELLED" in actual


def test_a_job_that_waits_is_named(cluster: Cluster, none: Bench) -> None:
    held = on_login(cluster, "sbatch", "--parsable", "--hold", "--wrap=true", "-o", os.devnull)
    job_id = held.stdout.strip()
    try:
        id_, actual = first_of(none.gather(job_id=job_id))
    finally:
        on_login(cluster, "scancel", job_id)
        wait_until_idle(cluster)

    assert id_ == "PRE-002"
    assert f"job {job_id} is PENDING (JobHeld" in actual


def test_the_job_of_another_user_is_named(cluster: Cluster, none: Bench) -> None:
    with allocation(cluster, user=NOBODY) as job_id:
        found = first_of(none.gather(job_id=job_id))

    assert found == ("PRE-003", f"job {job_id} belongs to nobody")


def test_a_job_that_ends_soon_is_named(cluster: Cluster, none: Bench) -> None:
    with allocation(cluster, "--time=2") as job_id:
        id_, actual = first_of(none.gather(job_id=job_id))

    assert id_ == "PRE-004"
    assert actual.startswith(f"job {job_id} ends in ")


def test_a_job_without_limit_lasts_for_ever(cluster: Cluster, none: Bench) -> None:
    with allocation(cluster, "--time=UNLIMITED") as job_id:
        assert first_failure(none.gather(job_id=job_id)) is None


def test_two_nodes_for_four_are_named(cluster: Cluster, none: Bench) -> None:
    with allocation(cluster, "--nodes=2") as job_id:
        # The launcher has no place for the worker then, and takes what there is.
        id_, actual = first_of(none.gather(job_id=job_id, nodes=cluster.nodes[:2]))

    assert (id_, actual) == ("PRE-005", f"job {job_id} has 2: gb01, gb02")


def test_a_missing_pyxis_is_named(bench: Bench, tmp_path: Path) -> None:
    inputs = bench.contained(tmp_path)

    record = bench.gather(site=inputs.site, container=inputs.container)

    assert first_of(record)[0] == "PRE-008"
    assert "srun does not know" in dict(record.not_looked_at)["container"]


def test_a_node_that_has_lost_power_is_named(bench: Bench) -> None:
    node = bench.cluster.nodes[3]
    bench.cluster.power_cut(node)
    try:
        id_, actual = first_of(bench.gather())
    finally:
        bench.cluster.power_on(node)

    assert id_ in ("PRE-006", "PRE-007")  # at first the scheduler has not noticed yet
    assert node in actual


def test_the_driver_is_asked_where_there_is_one(bench: Bench, tmp_path: Path) -> None:
    client = login_client(bench.cluster, tmp_path, path=shim(tmp_path, "nvidia-smi", NVIDIA_SMI))

    record = bench.gather(client=client)

    id_, actual = first_of(record)
    assert (id_, actual) == ("PRE-010", "gb01, gb02, gb03, gb04: 2 (nvidia-smi)")
    said = verdicts(record)
    assert (said["PRE-011"], said["PRE-023"]) == ("pass", "pass")
    assert (said["PRE-027"], said["PRE-028"]) == ("fail", "fail")


def test_a_driver_that_hangs_is_named(bench: Bench, tmp_path: Path) -> None:
    path = shim(tmp_path, "nvidia-smi", "#!/bin/sh\nexec sleep 600\n")
    client = login_client(bench.cluster, tmp_path, path=path)

    id_, actual = first_of(bench.gather(client=client, site=replace(SITE, call_s=2.0)))

    assert id_ == "PRE-010"
    assert "nvidia-smi did not answer within" in actual
    hanging = subprocess.run(["/bin/ps", "-eo", "args"], capture_output=True, text=True, check=True)
    assert str(tmp_path) not in hanging.stdout


def test_the_nodes_are_only_looked_at(bench: Bench) -> None:
    assert first_failure(bench.gather(site=replace(SITE, preflight=LIMITS))) is None

    assert on_login(bench.cluster, "squeue", "-s", "-h", "-o", "%i").stdout == ""
