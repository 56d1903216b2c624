"""Passing means: reap stops exactly the processes of its run, and no pid by mistake."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fixtures.identity import Identity, is_alive, process_identity, signal_group, signal_process
from fixtures.ledger import LEDGER_NAME, Ledger, reap
from fixtures.processes import Spawned, spawn, stop
from fixtures.reaper import main
from fixtures.services.base import wait_until

pytestmark = pytest.mark.selftest

Launch = Callable[[str, str], Spawned]

DEADLINE_S = 10.0
WAITER = "import signal; print('ready', flush=True); signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAITER
# Forks twice with a session in between, then tells who is left; the first parent waits on.
ESCAPER = f"""
import os, signal
if not os.fork():
    os.setsid()
    if not os.fork():
        os.write(1, b'escaped %d\\n' % os.getpid())
        signal.pause()
    os._exit(0)
os.wait()
{WAITER}
"""


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    run_id = f"selftest-{secrets.token_hex(4)}"
    ledger = Ledger(tmp_path / run_id / LEDGER_NAME, run_id)
    yield ledger
    reap(ledger.path, term_s=0)


@pytest.fixture
def launch(ledger: Ledger) -> Iterator[Launch]:
    launched = []

    def launch(name: str, program: str) -> Spawned:
        log_path = ledger.path.parent / f"{name}.log"
        argv = [sys.executable, "-c", program]
        spawned = spawn(
            name, argv, env=dict(os.environ), log_path=log_path, cwd=log_path.parent, ledger=ledger
        )
        launched.append(spawned)
        assert wait_until(lambda: "ready" in log_path.read_text(), DEADLINE_S)
        return spawned

    yield launch
    stop(launched, term_s=0)


@contextlib.contextmanager
def bystander() -> Iterator[subprocess.Popen[bytes]]:
    """A running process like ours, in a session of its own, that belongs to no run."""
    argv = [sys.executable, "-c", WAITER]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, start_new_session=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            yield process
        finally:
            process.kill()


def collected(spawned: Spawned) -> int:
    return spawned.popen.wait(timeout=DEADLINE_S)


def forge(ledger: Ledger, identity: Identity) -> None:
    record = {"kind": "process", "id": "forged", "name": "forged", "value": ""}
    line = {**record, "host": identity.host, "identity": dataclasses.asdict(identity)}
    with ledger.path.open("a") as stream:
        stream.write(json.dumps(line) + "\n")


def test_reap_stops_its_entries_and_spares_a_stranger_of_the_same_name(
    ledger: Ledger, launch: Launch
) -> None:
    with bystander() as stranger:
        ours = [launch(name, WAITER) for name in ("first", "second")]

        report = reap(ledger.path)

        assert stranger.poll() is None
    assert [collected(one) for one in ours] == [-signal.SIGTERM] * 2
    assert len(report.stopped) == 2
    assert report.clean
    assert Ledger.open_entries(ledger.path) == []


def test_a_second_reap_finds_nothing_to_do(ledger: Ledger, launch: Launch) -> None:
    spawned = launch("rank", WAITER)
    reap(ledger.path)
    collected(spawned)

    report = reap(ledger.path)

    assert (report.stopped, report.already_gone, report.removed) == ((), (), ())
    assert report.clean


@pytest.mark.parametrize("field", ["start_time", "boot_id"])
def test_a_process_that_only_has_the_pid_is_not_touched(ledger: Ledger, field: str) -> None:
    with bystander() as other:
        identity = process_identity(other.pid)
        assert identity is not None
        former = (
            dataclasses.replace(identity, start_time=identity.start_time - 1)
            if field == "start_time"
            else dataclasses.replace(identity, boot_id="another boot")
        )
        forge(ledger, former)

        report = reap(ledger.path)

        assert not signal_group(former, signal.SIGKILL)
        assert not signal_process(former, signal.SIGKILL)
        assert other.poll() is None
    assert len(report.already_gone) == 1
    assert report.clean


def test_an_entry_of_another_host_is_reported_and_left_alone(ledger: Ledger) -> None:
    with bystander() as other:
        identity = process_identity(other.pid)
        assert identity is not None
        forge(ledger, dataclasses.replace(identity, host="elsewhere"))

        report = reap(ledger.path)

        assert other.poll() is None
    assert len(report.foreign) == 1
    assert "elsewhere" in report.foreign[0]
    assert not report.clean


def test_a_process_that_ignores_term_is_killed(ledger: Ledger, launch: Launch) -> None:
    deaf = launch("deaf", DEAF)

    report = reap(ledger.path, term_s=0.2)

    assert collected(deaf) == -signal.SIGKILL
    assert report.clean


def test_a_grandchild_that_left_session_and_parent_is_found_by_the_run(
    ledger: Ledger, launch: Launch
) -> None:
    parent = launch("parent", ESCAPER)
    assert wait_until(lambda: "escaped" in parent.log_path.read_text(), DEADLINE_S)
    log = parent.log_path.read_text().split()
    escaped = process_identity(int(log[log.index("escaped") + 1]))
    assert escaped is not None
    assert escaped.session != parent.identity.session

    report = reap(ledger.path)

    collected(parent)
    assert not is_alive(escaped)
    assert f"escaped process (pid {escaped.pid})" in report.stopped
    assert report.clean


def test_a_process_of_which_only_the_intent_was_written_is_found(
    ledger: Ledger, launch: Launch
) -> None:
    spawned = launch("rank", WAITER)
    lines = ledger.path.read_text().splitlines(keepends=True)
    ledger.path.write_text("".join(line for line in lines if '"process"' not in line))
    assert [entry.kind for entry in Ledger.open_entries(ledger.path)] == ["intent"]

    report = reap(ledger.path)

    assert collected(spawned) == -signal.SIGTERM
    assert len(report.stopped) == 1
    assert Ledger.open_entries(ledger.path) == []


def test_a_process_of_another_run_is_not_found(
    tmp_path: Path, ledger: Ledger, launch: Launch
) -> None:
    other = launch("rank", WAITER)
    # An id of which ours is the beginning must not match either.
    neighbour = Ledger(tmp_path / "neighbour" / LEDGER_NAME, ledger.run_id[:-1])

    report = reap(neighbour.path)

    assert other.running
    assert report.stopped == ()
    stop([other], term_s=DEADLINE_S)


def test_the_command_line_lists_and_reaps(
    ledger: Ledger,
    launch: Launch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    spawned = launch("rank", WAITER)
    run = str(ledger.path.parent)

    assert main(["list", run]) == 1
    assert f"process rank (pid {spawned.pid})" in capsys.readouterr().out
    assert main(["reap", ledger.run_id], runs=ledger.path.parents[1]) == 0
    assert f"stopped: process rank (pid {spawned.pid})" in capsys.readouterr().out
    assert main(["list", run]) == 0
    collected(spawned)


def test_reap_ends_within_its_deadlines(ledger: Ledger, launch: Launch) -> None:
    deaf = [launch(f"deaf-{number}", DEAF) for number in range(4)]
    started = time.monotonic()

    reap(ledger.path, term_s=0.3, kill_s=2)

    # All are waited for together: the deadlines do not add up.
    assert time.monotonic() - started < 1.5
    assert {collected(one) for one in deaf} == {-signal.SIGKILL}
