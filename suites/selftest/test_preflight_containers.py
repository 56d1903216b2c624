"""Passing means: what a worker's container lacks on a real Slurm is named first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.judges.preflight import JUDGES, first_failure
from fixtures.launchers.slurm_argv import Container
from fixtures.launchers.slurm_preflight import gather
from fixtures.minislurm.plugin import missing_for_plugin

from .preflight_rig import Bench, allocation, first_of, login_client, need, verdicts
from .slurm_clusters import mini_cluster, need_slurm

pytestmark = pytest.mark.selftest

NO_DRIVER = {"PRE-011", "PRE-023", "PRE-027", "PRE-028"}
UNLOCKED = {"PRE-031"}


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """Four nodes whose srun knows the container options, and an allocation of them all."""
    need_slurm()
    need(missing_for_plugin())
    where = tmp_path_factory.mktemp("c")
    with mini_cluster(where / "m", nodes=4, containers=True) as cluster:
        client = login_client(cluster, where)
        with allocation(cluster) as job_id:
            yield Bench(cluster, job_id, client)


def test_containers_are_approved_of(bench: Bench, tmp_path: Path) -> None:
    record = gather(bench.contained(tmp_path, data_dirs=(f"{tmp_path}/data",)))

    wanted = {id_: "idle" if id_ in NO_DRIVER | UNLOCKED else "pass" for id_ in JUDGES}
    assert verdicts(record) == wanted
    assert first_failure(record) is None


@pytest.mark.parametrize(
    ("change", "requirement", "words"),
    [
        ({"container": Container("/no/such.sqsh")}, "PRE-012", "/no/such.sqsh: No such file"),
        ({"container": Container("nvcr.io#x/y")}, "PRE-014", "Could not resolve host: nvcr.io"),
        ({"container_python": "/no/python"}, "PRE-014", "execve(): /no/python"),
        ({"model_path": "/mnt/nothing"}, "PRE-015", "/mnt/nothing: No such file"),
        ({"engine_configs": ("/mnt/no.yaml",)}, "PRE-017", "/mnt/no.yaml: No such file"),
    ],
    ids=["image", "registry", "python", "model", "config"],
)
def test_what_a_container_lacks_is_named(
    change: dict[str, object], requirement: str, words: str, bench: Bench, tmp_path: Path
) -> None:
    id_, actual = first_of(gather(bench.contained(tmp_path, **change)))

    assert id_ == requirement
    assert words in actual


def test_a_missing_mount_source_is_named(bench: Bench, tmp_path: Path) -> None:
    inputs = bench.contained(tmp_path)
    assert inputs.container is not None
    mounts = (*inputs.container.mounts, "/no/such:/data")
    record = gather(replace(inputs, container=replace(inputs.container, mounts=mounts)))

    assert first_of(record) == (
        "PRE-013",
        "gb01, gb02, gb03, gb04: /no/such: No such file or directory",
    )
    assert dict(record.not_looked_at)["container"] == "mount /no/such is missing on gb01"
