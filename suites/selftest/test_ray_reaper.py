"""Passing means: what a deployment left on hosts is removed there from the ledger alone, and only
that; where nobody can look, it is said so."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.ledger import Ledger, reap
from fixtures.minihosts.hosts import HostShape, MiniHosts
from fixtures.model.hosts import Host
from fixtures.model.hosts_held import HostsHeld

from .ray_rig import need_hosts_and_ray

pytestmark = pytest.mark.selftest

RUN_ID = "20260101-000000-abcd"
NAME = "DYNAMO_ACCEPTANCE_DEPLOYMENT"
START_S = 30.0


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Host, ...]]:
    """Two hosts."""
    need_hosts_and_ray()
    started = MiniHosts.start(tmp_path_factory.mktemp("h") / "d", HostShape(2))
    try:
        yield started.hosts
    finally:
        started.stop()


def held(hosts: tuple[Host, ...], directory: Path) -> HostsHeld:
    """What a deployment of ours may have left."""
    return HostsHeld(
        hosts,
        f"{NAME}=acc-{RUN_ID}-t-g1",
        f"moe_shared_acc-{RUN_ID}-t-g1",
        (str(directory / f"acc-{RUN_ID}-1"),),
        sys.executable,
        10.0,
    )


def test_only_what_is_ours_is_removed_from_the_hosts(
    hosts: tuple[Host, ...], tmp_path: Path
) -> None:
    what = held(hosts, tmp_path)
    ours, theirs = Path(what.directories[0]), tmp_path / "acc-other-1"
    for directory in (ours, theirs):
        (directory / "0").mkdir(parents=True)
    ledger = Ledger(tmp_path / "ledger.ndjson", RUN_ID)
    ledger.hosts("acc-t", what)
    script = f"touch /dev/shm/{what.prefix}_x /dev/shm/other; echo up; exec sleep 60"
    words = ["env", what.mark, "sh", "-c", script]
    stray = subprocess.Popen(hosts[1].runs(words), stdout=subprocess.PIPE, text=True)
    assert stray.stdout is not None
    assert stray.stdout.readline() == "up\n"

    report = reap(ledger.path, term_s=0)

    assert report.clean, report
    assert stray.wait(START_S) != 0
    stray.stdout.close()
    assert any("process" in line and "h02" in line for line in report.removed)
    assert not ours.exists()
    assert theirs.exists()
    names = subprocess.run(
        hosts[1].runs(["ls", "/dev/shm"]),  # noqa: S108
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert names == ["other"]
    assert Ledger.open_entries(ledger.path) == []


def test_a_host_that_does_not_answer_is_no_clean_host(
    hosts: tuple[Host, ...], tmp_path: Path
) -> None:
    gone = Host("h09", "10.89.0.9", ("false",))
    ledger = Ledger(tmp_path / "ledger.ndjson", RUN_ID)
    ledger.hosts("acc-t", held((hosts[0], gone), tmp_path))

    report = reap(ledger.path, term_s=0)

    assert not report.clean
    assert any("host h09 not looked at" in line for line in report.survivors)
    assert [entry.kind for entry in Ledger.open_entries(ledger.path)] == ["hosts"]


def test_what_does_not_carry_the_run_is_never_put_on_record(tmp_path: Path) -> None:
    ledger, good = Ledger(tmp_path / "ledger.ndjson", RUN_ID), held((), tmp_path)

    for bad in (
        replace(good, mark=f"{NAME}=others"),
        replace(good, prefix="moe_"),
        replace(good, directories=("/home",)),
        replace(good, directories=(f"relative-{RUN_ID}",)),
    ):
        with pytest.raises(ValueError, match="not of the run"):
            ledger.hosts("acc-t", bad)


@pytest.mark.parametrize("text", ["{}", "[]", '{"hosts": [1]}', "nonsense"])
def test_an_entry_that_cannot_be_read_is_reported(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - JSON has its own words
        HostsHeld.read(text)


def test_what_is_held_reads_back_as_it_was(hosts: tuple[Host, ...], tmp_path: Path) -> None:
    what = held(hosts, tmp_path)

    assert HostsHeld.read(what.text()) == what
