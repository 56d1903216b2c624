"""Passing means: what is wrong before a launch is one clear verdict, and nothing is launched.

Everything that is not of this run stays as it is: the allocation of the user, files of others.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from .runs import HERE, LIVE, SuiteRun
from .slurm_clusters import on_node
from .slurm_rig import HASTY_SLURM, QUICK_PYXIS, Rig, findings_of, red_and_errors, rig, rows

pytestmark = pytest.mark.selftest

TWO_NODES_EACH = HERE / "topologies" / "two-node-disagg.yaml"
SOMEBODY = 12345
DRAIN = ("scontrol", "update", "nodename=gb02", "state=drain", "reason=xid79")


@pytest.fixture(scope="module")
def small() -> Iterator[Rig]:
    """Two nodes; srun knows no containers there."""
    with rig() as found:
        yield found


@pytest.fixture
def drained(small: Rig) -> Iterator[None]:
    """The second node takes no more jobs."""
    small.ask(*DRAIN)
    yield
    small.ask("scontrol", "update", "nodename=gb02", "state=resume")


def assert_held_back(run: SuiteRun, by: str, topology: str = "tiny-disagg") -> None:
    """One requirement fails, nothing was launched, and all that needs a launch says why."""
    assert red_and_errors(run, topology) == ({by}, set()), run.output
    assert run.exit_code == 1
    assert [event["event"] for event in run.events if event["kind"] == "event"] == ["held-back"]
    blocked = rows(run, topology)["RNK-001"]
    assert (blocked["verdict"], blocked["blocked_by"]) == ("unverified", by)
    assert "nothing was launched" in blocked["reason"]


def test_a_drained_node_of_the_users_allocation(small: Rig, tmp_path: Path) -> None:
    with small.allocation(2) as job_id:
        small.ask(*DRAIN)
        try:
            run = small.run(tmp_path, *LIVE, environment={"SLURM_JOB_ID": job_id})
        finally:
            small.ask("scontrol", "update", "nodename=gb02", "state=resume")
        assert job_id in small.jobs()

    assert_held_back(run, "PRE-006")
    assert "gb02: draining (xid79)" in findings_of(run, "PRE-006")
    assert small.left_by(run.run_dir) == []


@pytest.mark.usefixtures("drained")
def test_an_allocation_that_waits_for_a_drained_node(small: Rig, tmp_path: Path) -> None:
    run = small.run(tmp_path, *LIVE, site=HASTY_SLURM)

    assert_held_back(run, "PRE-002")
    assert "did not end within 5 s" in findings_of(run, "PRE-002")
    assert "gb02 drained (xid79)" in findings_of(run, "PRE-002")
    assert small.left_by(run.run_dir) == []


def test_an_allocation_with_too_few_nodes(small: Rig, tmp_path: Path) -> None:
    with small.allocation(1) as job_id:
        run = small.run(tmp_path, *LIVE, environment={"SLURM_JOB_ID": job_id})
        assert job_id in small.jobs()

    assert_held_back(run, "PRE-005")
    assert f"job {job_id} has 1: gb01" in findings_of(run, "PRE-005")
    assert small.left_by(run.run_dir) == []


def test_a_cluster_with_too_few_nodes(small: Rig, tmp_path: Path) -> None:
    run = small.run(tmp_path, *LIVE, topology=TWO_NODES_EACH, site=HASTY_SLURM)

    assert_held_back(run, "PRE-002", "two-node-disagg")
    told = findings_of(run, "PRE-002", "two-node-disagg")
    assert "salloc" in told
    assert "is PENDING (PartitionNodeLimit)" in told
    assert small.left_by(run.run_dir) == []


def test_srun_without_container_options(small: Rig, tmp_path: Path) -> None:
    image = tmp_path / "image.sqsh"
    image.touch()

    run = small.run(tmp_path / "runs", *LIVE, site=QUICK_PYXIS, environment={"IMAGE": str(image)})

    assert_held_back(run, "PRE-008")
    assert "Pyxis" in findings_of(run, "PRE-008")
    assert small.left_by(run.run_dir) == []


def test_leftovers_of_somebody_else_are_told_and_kept(small: Rig, tmp_path: Path) -> None:
    file = "/dev/shm/moe_shared_theirs_l3_lr0_all"  # noqa: S108
    on_node(small.cluster, "gb02", "truncate", "--size=4096", file)
    on_node(small.cluster, "gb02", "chown", f"{SOMEBODY}:{SOMEBODY}", file)

    run = small.run(tmp_path, *LIVE)

    try:
        assert_held_back(run, "PRE-021")
        told = findings_of(run, "PRE-021")
        assert ("gb02" in told, file in told, str(SOMEBODY) in told) == (True, True, True), told
        assert f"gb02:{Path(file).name}" in small.shared_memory()
        assert small.left_by(run.run_dir) == []
    finally:
        on_node(small.cluster, "gb02", "rm", file)
