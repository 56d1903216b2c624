"""Passing means: what we spawn is on record, and stopping it leaves neither process nor zombie."""

from __future__ import annotations

import json
import os
import secrets
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from fixtures.identity import is_alive, process_identity
from fixtures.ledger import LEDGER_NAME, RUN_VARIABLE, Ledger, reap
from fixtures.processes import Exit, Spawned, spawn, stop
from fixtures.services.base import wait_until

pytestmark = pytest.mark.selftest

DEADLINE_S = 10.0
WAITER = "print('ready', flush=True); import signal; signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAITER
PARENT_OF_DEAF = f"""
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", {DEAF!r}], stdout=subprocess.PIPE)
child.stdout.readline()
print("child", child.pid, "ready", flush=True)
child.wait()
"""

Launch = Callable[[str], Spawned]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    run_id = f"selftest-{secrets.token_hex(4)}"
    ledger = Ledger(tmp_path / run_id / LEDGER_NAME, run_id)
    yield ledger
    reap(ledger.path, term_s=0)


@pytest.fixture
def launch(ledger: Ledger, tmp_path: Path) -> Iterator[Launch]:
    launched = []

    def launch(program: str) -> Spawned:
        log_path = tmp_path / f"{secrets.token_hex(4)}.log"
        argv = [sys.executable, "-c", program]
        env = {"PATH": os.environ["PATH"], "MARK": "kept"}
        spawned = spawn("rank", argv, env=env, log_path=log_path, cwd=tmp_path, ledger=ledger)
        launched.append(spawned)
        assert wait_until(lambda: "ready" in log_path.read_text(), DEADLINE_S)
        return spawned

    yield launch
    stop(launched, term_s=0)


def test_a_spawned_process_leads_its_own_session_and_is_on_record(
    ledger: Ledger, launch: Launch
) -> None:
    spawned = launch(WAITER)

    [entry] = Ledger.open_entries(ledger.path)

    assert entry.entry_id == spawned.entry_id
    assert entry.identity == spawned.identity
    assert spawned.identity.session == spawned.identity.group == spawned.pid
    stop([spawned], term_s=DEADLINE_S)


def test_a_spawned_process_gets_exactly_the_given_environment_and_the_run(
    ledger: Ledger, launch: Launch
) -> None:
    show = "import os, json, sys; print(json.dumps(dict(os.environ)), sys.stdin.read()); "

    spawned = launch(show + WAITER)

    seen = json.loads(spawned.log_path.read_text().splitlines()[0])
    seen.pop("LC_CTYPE", None)  # added by the interpreter itself
    assert seen == {"PATH": os.environ["PATH"], "MARK": "kept", RUN_VARIABLE: ledger.run_id}
    stop([spawned], term_s=DEADLINE_S)


def test_stop_ends_the_process_with_term_and_leaves_no_zombie(
    ledger: Ledger, launch: Launch
) -> None:
    spawned = launch(WAITER)

    [ended] = stop([spawned], term_s=DEADLINE_S)

    assert ended == Exit("rank", spawned.pid, -15, "TERM", ended.seconds)
    assert ended.seconds < DEADLINE_S
    assert process_identity(spawned.pid) != spawned.identity
    assert Ledger.open_entries(ledger.path) == []


def test_stop_kills_after_one_deadline_shared_by_all(launch: Launch) -> None:
    spawned = [launch(DEAF) for _ in range(3)]
    started = time.monotonic()

    exits = stop(spawned, term_s=0.4)

    assert time.monotonic() - started < 1.1
    assert [(one.exit_code, one.signal_sent) for one in exits] == [(-9, "KILL")] * 3


def test_stop_reaches_a_child_that_outlives_the_leader(launch: Launch) -> None:
    parent = launch(PARENT_OF_DEAF)
    child = process_identity(int(parent.log_path.read_text().split()[1]))
    assert child is not None

    [ended] = stop([parent], term_s=0.3)

    assert (ended.exit_code, ended.signal_sent) == (-15, "KILL")
    assert not is_alive(child)


def test_stop_reaches_the_group_of_a_leader_that_was_already_collected(launch: Launch) -> None:
    parent = launch(PARENT_OF_DEAF)
    child = process_identity(int(parent.log_path.read_text().split()[1]))
    assert child is not None
    parent.popen.kill()
    parent.popen.wait(timeout=DEADLINE_S)
    assert is_alive(child)

    stop([parent], term_s=0.1)

    assert not is_alive(child)


def test_a_process_that_ended_by_itself_keeps_its_exit_code_and_gets_no_signal(
    ledger: Ledger, launch: Launch
) -> None:
    spawned = launch("print('ready'); raise SystemExit(7)")
    assert wait_until(lambda: not spawned.running, DEADLINE_S)

    [ended] = stop([spawned], term_s=DEADLINE_S)

    assert (ended.exit_code, ended.signal_sent) == (7, None)
    assert Ledger.open_entries(ledger.path) == []


def test_a_program_that_cannot_start_leaves_nothing_open(ledger: Ledger, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        spawn(
            "rank",
            [str(tmp_path / "absent")],
            env={},
            log_path=tmp_path / "log",
            cwd=tmp_path,
            ledger=ledger,
        )

    assert Ledger.open_entries(ledger.path) == []


def test_a_spawned_process_inherits_no_descriptor_but_its_three(launch: Launch) -> None:
    spawned = launch(WAITER)

    assert psutil.Process(spawned.pid).num_fds() == 3
    stop([spawned], term_s=DEADLINE_S)
