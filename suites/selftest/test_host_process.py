"""Passing means: a program on a host is on record, watched and ended from here, without secrets."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from fixtures.clients.hosts import run_on
from fixtures.launchers import host_process
from fixtures.launchers.host_process import HostProcess, stop
from fixtures.launchers.ray_stop import with_outlived
from fixtures.ledger import LEDGER_NAME, RUN_VARIABLE, Ledger, reap
from fixtures.minihosts.hosts import MiniHosts
from fixtures.model.hosts import Host
from fixtures.model.stop import CloseRecord, PortState
from fixtures.services.base import wait_until

from .ray_hosts import DEADLINE_S, mini_hosts, said_on

pytestmark = pytest.mark.selftest

DEAF = "trap '' TERM; setsid sleep 620 & echo ready; while :; do sleep 0.1; done"
READY = "echo ready; sleep 600 & wait"

NOTHING_LEFT = CloseRecord(
    processes=(),
    strays=(),
    ports=(),
    discovery_keys_left=(),
    discovery_waited_s=0.0,
    discovery_error="",
    shared_memory_left=(),
    lease_ttl_s=10,
)

Start = Callable[..., HostProcess]


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniHosts]:
    with mini_hosts(tmp_path_factory.mktemp("minihosts") / "set", 3) as hosts:
        yield hosts


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    run_id = f"selftest-{secrets.token_hex(4)}"
    return Ledger(tmp_path / run_id / LEDGER_NAME, run_id)


@pytest.fixture
def start(ledger: Ledger, tmp_path: Path) -> Iterator[Start]:
    """Starts a shell script on a host; whatever the test does, all of them are stopped."""
    started: list[HostProcess] = []

    def start(host: Host, script: str, **more: Any) -> HostProcess:
        token = secrets.token_hex(4)
        usual = {
            "environment": {"TOKEN": "s3cret"},
            "cwd": str(tmp_path / "cwd"),
            "mark": f"SELFTEST_MARK={token}",
            "ledger": ledger,
            "log_path": tmp_path / f"{token}.log",
            "python": sys.executable,
            "term_s": 1.0,
        }
        started.append(HostProcess.start(host, "rank", ["sh", "-c", script], **{**usual, **more}))
        return started[-1]

    yield start
    stop(started, term_s=0)
    assert Ledger.open_entries(ledger.path) == []


def ready(process: HostProcess) -> None:
    """Wait until the program says so."""
    log = process.log_path
    assert wait_until(lambda: "ready\n" in log.read_text(), DEADLINE_S), log.read_text()


def test_the_program_runs_on_its_host_with_its_environment(
    hosts: MiniHosts, start: Start, ledger: Ledger, tmp_path: Path
) -> None:
    script = f'echo "$(hostname) $PWD $TOKEN ${RUN_VARIABLE}"; exec sleep 600'
    process = start(hosts.hosts[1], script)

    seen = process.started(DEADLINE_S)

    assert seen is not None
    assert seen.hostname == "h02"
    wanted = f"h02 {tmp_path}/cwd s3cret {ledger.run_id}\n"
    assert wait_until(lambda: wanted in process.log_path.read_text(), DEADLINE_S)
    stat = said_on(hosts.hosts[1], "cat", f"/proc/{seen.pid}/stat")
    assert "(sleep)" in stat
    assert int(stat.rpartition(")")[2].split()[19]) == seen.start_time
    assert process.poll() is None


def test_it_is_on_record_before_it_runs(hosts: MiniHosts, start: Start, ledger: Ledger) -> None:
    process = start(hosts.hosts[0], READY)

    (entry,) = Ledger.open_entries(ledger.path)

    assert (entry.name, entry.identity) == ("rank on h01", process.client.identity)


def test_the_secret_is_in_no_argument_and_in_no_record(
    hosts: MiniHosts, start: Start, ledger: Ledger
) -> None:
    process = start(hosts.hosts[0], READY)
    ready(process)

    words = [each.info["cmdline"] or [] for each in psutil.process_iter(["cmdline"])]
    (end,) = stop([process], term_s=1)

    assert not any("s3cret" in word for line in words for word in line)
    assert "s3cret" not in ledger.path.read_text() + process.log_path.read_text() + repr(end)


def test_all_are_stopped_at_once_and_say_how(hosts: MiniHosts, start: Start) -> None:
    one, two, three = hosts.hosts
    polite = start(one, f"trap 'exit 4' TERM; {READY}")
    deaf = start(two, DEAF)
    over = start(three, "exit 3")
    for each in (polite, deaf):
        ready(each)
    assert wait_until(lambda: over.poll() == 3, DEADLINE_S)

    ends = stop([polite, deaf, over], term_s=0.4)

    assert [(end.exit_code, end.by_itself, end.signal_sent) for end in ends] == [
        (4, False, "TERM"),
        (-9, False, "KILL"),
        (3, True, ""),
    ]
    assert [end.name for end in ends] == ["rank"] * 3
    assert [end.detail for end in (ends[0], ends[2])] == ["", ""]
    assert ends[1].detail.startswith("h02: needed KILL: pid ")
    assert "sleep 620" not in said_on(two, "ps", "-e", "-o", "args=")
    assert [each.pid for each in stop([polite, deaf, over], term_s=0.4)] == [e.pid for e in ends]


def test_a_daemon_that_is_left_is_ended_and_the_code_is_that_of_the_program(
    hosts: MiniHosts, start: Start, tmp_path: Path
) -> None:
    there = tmp_path / "there"
    daemon = f"setsid sh -c ': >{there}; exec sleep 630' &"
    process = start(
        hosts.hosts[0], f"{daemon}\nwhile [ ! -e {there} ]; do sleep 0.05; done; exit 0"
    )

    assert wait_until(lambda: process.poll() == 0, DEADLINE_S)

    assert "sleep 630" not in said_on(hosts.hosts[0], "ps", "-e", "-o", "args=")
    (end,) = stop([process], term_s=1)
    assert end.by_itself
    (stray,) = with_outlived(NOTHING_LEFT, [process]).strays
    assert (stray.node, stray.command) == ("h01", "sleep 630")
    assert end.detail == f"h01: left behind, and ended there: pid {stray.pid}: sleep 630"


def test_a_program_that_cannot_start_says_why(hosts: MiniHosts, start: Start) -> None:
    process = start(hosts.hosts[0], "true", cwd="/proc/nothing")

    assert process.started(DEADLINE_S) is None
    assert process.poll() == 127
    assert "h01: not started: " in stop([process], term_s=1)[0].detail


def test_a_host_that_cannot_be_reached_says_why(start: Start) -> None:
    lost = Host("h9", "", ("sh", "-c", "echo 'connect to h9: refused' >&2; exit 255"))
    process = start(lost, "true")

    assert process.started(DEADLINE_S) is None
    assert process.poll() == 255

    (end,) = stop([process], term_s=1)
    assert (end.exit_code, end.by_itself) == (255, True)
    assert end.detail == "h9: the connection ended (exit code 255): connect to h9: refused"
    (again,) = stop([process], term_s=1)
    assert (again.exit_code, again.by_itself, again.detail) == (255, True, end.detail)


def test_a_client_that_is_killed_takes_its_program_along(hosts: MiniHosts, start: Start) -> None:
    process = start(hosts.hosts[2], "setsid sleep 640 & " + READY)
    ready(process)

    os.kill(process.client.pid, signal.SIGKILL)

    gone = "while ps -e -o args= | grep -q '[s]leep 6'; do sleep 0.05; done"
    call = run_on(hosts.hosts[2], ["sh", "-c", gone], environment={}, limit_s=10)
    assert call.ok, call.problem
    (end,) = stop([process], term_s=1)
    assert end.by_itself
    assert "h03: the connection ended" in end.detail


def test_a_client_that_does_not_come_back_is_ended_and_that_is_said(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host_process, "SLACK_S", 0.1)
    monkeypatch.setattr(host_process, "CLIENT_TERM_S", 0.1)
    # It takes the words, and never does anything.
    stuck = Host("h8", "", ("sh", "-c", "trap '' TERM; sleep 600; sleep 600"))
    process = start(stuck, "true")
    assert process.started(0.1) is None

    (end,) = stop([process], term_s=0, kill_s=0.2)

    assert (end.exit_code, end.by_itself, end.signal_sent) == (None, False, "KILL")
    assert end.detail.startswith("h8: no word of it in time")
    assert not process.client.running


def test_a_host_that_is_lost_is_an_end_that_nobody_asked_for(tmp_path: Path, start: Start) -> None:
    with mini_hosts(tmp_path / "set") as hosts:
        process = start(hosts.hosts[0], READY)
        ready(process)

        hosts.power_off("h01")

        assert wait_until(lambda: process.poll() is not None, DEADLINE_S)
        (end,) = stop([process], term_s=1)
        assert end.by_itself
        assert "h01: the connection ended" in end.detail


def test_what_outlives_everything_is_named(start: Start) -> None:
    last = {"ended": None, "by_itself": False, "killed": ["pid 7: a"], "left": ["pid 7: a"]}
    words = f"cat; echo '@@runner@@ {json.dumps(last)}'; exit 125"
    process = start(Host("h7", "", ("sh", "-c", words)), "true")

    (end,) = stop([process], term_s=1)

    assert (process.poll(), end.exit_code, end.signal_sent) == (125, 125, "KILL")
    assert end.detail == "h7: needed KILL: pid 7: a; h7: left: pid 7: a"


def test_a_port_that_was_left_open_counts_as_not_free(start: Start) -> None:
    left = [{"pid": 7, "command": "python helper", "ports": [5000, 5001]}]
    last = {"ended": 0, "by_itself": False, "killed": [], "left": [], "outlived": left}
    words = f"cat; echo '@@runner@@ {json.dumps(last)}'"
    process = start(Host("h7", "", ("sh", "-c", words)), "true")
    stop([process], term_s=1)
    looked = tuple(PortState(5001, "metrics", True, node=node) for node in ("h6", "h7"))

    record = with_outlived(replace(NOTHING_LEFT, ports=looked), [process])

    taken = [(port.node, port.port, port.purpose) for port in record.ports if not port.free]
    assert taken == [("h7", 5001, "metrics"), ("h7", 5000, "left open by rank")]
    assert len(record.ports) == 3
    assert [str(each) for each in record.strays] == ["h7: pid 7: python helper"]
    # What the look has found as well is one process, not two.
    assert with_outlived(record, [process]).strays == record.strays


def test_an_older_log_is_kept_and_says_nothing_of_this_program(
    hosts: MiniHosts, start: Start, tmp_path: Path
) -> None:
    log = tmp_path / "kept.log"
    old = {"pid": 1, "start": 2, "host": "old"}
    last = {"ended": 77, "by_itself": True, "killed": [], "left": []}
    log.write_text(f"@@runner@@ {json.dumps(old)}\n@@runner@@ {json.dumps(last)}\n")

    process = start(hosts.hosts[0], "exit 5", log_path=log)

    seen = process.started(DEADLINE_S)
    assert seen is not None
    assert seen.hostname == "h01"
    assert wait_until(lambda: process.poll() == 5, DEADLINE_S)
    assert json.dumps(last) in log.read_text()


def test_the_ledger_ends_what_a_killed_run_has_left(
    hosts: MiniHosts, start: Start, ledger: Ledger
) -> None:
    process = start(hosts.hosts[0], DEAF)
    ready(process)

    report = reap(ledger.path, term_s=0.3)

    assert report.clean, report
    assert "sleep 620" not in said_on(hosts.hosts[0], "ps", "-e", "-o", "args=")
