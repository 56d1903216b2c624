"""Passing means: the ledger survives a torn write, and only what is of its run is removed."""

from __future__ import annotations

import secrets
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.ledger import LEDGER_NAME, Ledger, reap
from fixtures.reaper import main

pytestmark = pytest.mark.selftest

DEADLINE_S = 10.0
SHM = Path("/dev/shm")  # noqa: S108 - shared memory, not a temporary file


@pytest.fixture
def run_id() -> str:
    return f"selftest-{secrets.token_hex(4)}"


@pytest.fixture
def ledger(tmp_path: Path, run_id: str) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / run_id / LEDGER_NAME, run_id)
    yield ledger
    reap(ledger.path, term_s=0)


def test_a_torn_last_line_is_skipped_and_does_not_spoil_the_next(ledger: Ledger) -> None:
    first = ledger.directory(ledger.path.parent / "first")
    with ledger.path.open("a") as stream:
        stream.write('{"kind": "directory", "id": "torn", "va')

    before = Ledger.open_entries(ledger.path)
    second = ledger.directory(ledger.path.parent / "second")
    after = Ledger.open_entries(ledger.path)

    assert [entry.entry_id for entry in before] == [first]
    assert [entry.entry_id for entry in after] == [first, second]


def test_only_directories_of_this_run_are_removed(
    ledger: Ledger, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    ours = ledger.path.parent / "data"
    strangers = tmp_path_factory.mktemp("somebody")
    link = ledger.path.parent / "link"
    link.symlink_to(strangers, target_is_directory=True)
    upwards = ledger.path.parent / ".." / ".."
    ours.mkdir()
    for path in (ours, strangers, link, upwards):
        ledger.directory(path)

    report = reap(ledger.path)

    assert report.removed == (str(ours),)
    assert not ours.exists()
    assert len(report.foreign) == 3
    assert strangers.is_dir()
    assert tmp_path.is_dir()


def test_only_shared_memory_with_the_prefix_of_this_run_is_removed(
    ledger: Ledger, run_id: str
) -> None:
    ours = SHM / f"{run_id}-ring"
    strangers = SHM / f"stranger-{run_id}"
    ours.touch()
    strangers.touch()
    ledger.shm_prefix(f"{run_id}-")

    report = reap(ledger.path)

    assert report.removed == (str(ours),)
    assert strangers.exists()
    strangers.unlink()
    with pytest.raises(ValueError, match="lacks the run id"):
        ledger.shm_prefix("ring-")


def test_a_ledger_belongs_to_one_run_with_an_id_that_cannot_match_by_chance(
    ledger: Ledger,
) -> None:
    with pytest.raises(ValueError, match="belongs to run"):
        Ledger(ledger.path, "another-run")
    with pytest.raises(ValueError, match="must match"):
        Ledger(ledger.path, "a")


def test_an_unknown_run_exits_with_2_and_names_the_nearest(
    ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["reap", ledger.run_id[:-1] + "x"], runs=ledger.path.parents[1])

    assert status == 2
    assert ledger.run_id in capsys.readouterr().err


def test_the_module_can_be_run_and_an_unknown_run_gives_no_traceback() -> None:
    argv = [sys.executable, "-m", "fixtures.ledger", "reap", "no-such-run"]

    ended = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S, check=False)

    assert ended.returncode == 2
    assert ended.stderr.startswith("unknown run 'no-such-run'")
    assert len(ended.stderr.splitlines()) == 1
