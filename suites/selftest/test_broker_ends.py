"""Passing means: refusals, interruptions and vanished clients end as they should in the broker and
in its server.
"""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.broker_server import BrokerServer
from fixtures.lease import Ask, BrokerLostError, lease
from fixtures.model.requirement import Mode
from fixtures.services.base import wait_until

from .brokers import AGG, CLOSED, DEADLINE_S, DISAGG, LONG_ENOUGH_S, Rig, rig_in

pytestmark = pytest.mark.selftest

INTERRUPTED = "the run is being interrupted"
SHARED = Ask(AGG, Mode.SHARED, "a")
ALONE = Ask(AGG, Mode.EXCLUSIVE, "b")
HOLDER = """
import sys
from fixtures.lease import Address, Ask, lease
from fixtures.model.requirement import Mode
path, key, topology = sys.argv[1:]
with lease(Address(path, key), Ask(topology, Mode.EXCLUSIVE, "x"), 30) as grant:
    print(grant.record.namespace, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    with rig_in(tmp_path, monkeypatch) as rig:
        yield rig


@pytest.fixture
def server(rig: Rig) -> Iterator[BrokerServer]:
    server = BrokerServer(rig.broker)
    yield server
    server.close()
    assert not Path(server.address.path).exists()


@pytest.mark.parametrize("mode", [Mode.SHARED, Mode.EXCLUSIVE, Mode.CLOSED])
def test_a_refused_topology_never_launches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: Mode
) -> None:
    with rig_in(tmp_path, monkeypatch, refused={AGG: "PAR-001 16 != 12"}) as rig:
        assert rig.gets(mode).refused == "PAR-001 16 != 12"
        assert rig.gets(topology=DISAGG).record
        assert rig.launcher.attempts == [DISAGG]


def test_a_deployment_left_running_has_no_record_of_its_stop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with rig_in(tmp_path, monkeypatch, keep_running=True) as rig:
        rig.gets()
        rig.gives_back()
        rig.finish("a", "b")
        (deployment,) = rig.launcher.deployments

        assert "--keep-running" in rig.gets(Mode.CLOSED).withheld
        rig.broker.shutdown(hurry=False)
        assert not wait_until(lambda: bool(deployment.closes), LONG_ENOUGH_S)
        assert [record.topology for record in rig.broker.running()] == [AGG]
    assert deployment.closes == [True]


def test_a_request_to_stop_ends_every_wait(rig: Rig) -> None:
    rig.gets(Mode.EXCLUSIVE)
    asks = [rig.asks(mode) for mode in (Mode.SHARED, Mode.EXCLUSIVE, Mode.CLOSED)]
    asks.append(rig.asks(topology=DISAGG))
    assert rig.waiting(4)
    rig.broker.stop_requested = True

    assert [ask.result(DEADLINE_S).withheld for ask in asks] == [INTERRUPTED] * 4


def test_a_request_to_stop_reaches_a_launch_in_progress(rig: Rig) -> None:
    rig.launcher.may_launch.clear()
    asked = rig.asks()
    assert wait_until(lambda: rig.launcher.attempts == [AGG], DEADLINE_S)
    rig.broker.stop_requested = True

    assert asked.result(DEADLINE_S)
    assert rig.launcher.deployments[0].request.cancelled()


def test_nothing_is_launched_any_more_after_a_request_to_stop(rig: Rig) -> None:
    rig.broker.stop_requested = True

    assert rig.gets().withheld == INTERRUPTED
    assert rig.gets(Mode.CLOSED).withheld == INTERRUPTED
    assert rig.launcher.attempts == []


@pytest.mark.parametrize("hurry", [False, True])
def test_the_end_of_the_run_closes_what_is_up_once(rig: Rig, hurry: bool) -> None:
    rig.gets()
    rig.gives_back()
    rig.broker.shutdown(hurry=hurry)
    rig.broker.shutdown(hurry=hurry)

    assert rig.launcher.deployments[0].closes == [hurry]
    assert rig.broker.running() == []


def test_a_lease_lasts_as_long_as_its_block(rig: Rig, server: BrokerServer) -> None:
    with lease(server.address, SHARED, DEADLINE_S) as grant:
        assert grant.record is not None
        assert grant.record.namespace == "tiny-agg-1"
        assert rig.broker._slots[AGG].readers == 1
    assert wait_until(lambda: rig.broker._slots[AGG].idle, DEADLINE_S)

    rig.finish("a", "b")
    with lease(server.address, replace(SHARED, mode=Mode.CLOSED), DEADLINE_S) as grant:
        assert grant.closed == CLOSED


def test_a_lease_ends_when_its_block_raises_and_the_error_stays_what_it_was(
    rig: Rig, server: BrokerServer
) -> None:
    with pytest.raises(OSError, match="mine"), lease(server.address, ALONE, DEADLINE_S):
        raise OSError("mine")

    assert wait_until(lambda: rig.broker._slots[AGG].idle, DEADLINE_S)


def test_a_lease_ends_when_the_process_that_holds_it_dies(rig: Rig, server: BrokerServer) -> None:
    argv = [sys.executable, "-c", HOLDER, server.address.path, server.address.key, AGG]
    pipe = subprocess.PIPE
    with subprocess.Popen(argv, stdin=pipe, stdout=pipe, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "tiny-agg-1\n"
        assert rig.broker._slots[AGG].exclusive
        holder.kill()

    with lease(server.address, ALONE, DEADLINE_S) as grant:
        assert grant.record is not None


def test_a_client_that_dies_while_it_waits_holds_nothing_afterwards(
    server: BrokerServer,
) -> None:
    with lease(server.address, ALONE, DEADLINE_S):
        impatient = lease(server.address, SHARED, LONG_ENOUGH_S)
        with pytest.raises(BrokerLostError, match=r"no deployment within 0\.3 s"), impatient:
            pass
    with lease(server.address, ALONE, DEADLINE_S) as grant:
        assert grant.record is not None


def test_a_caller_with_a_wrong_key_is_refused_and_the_server_lives_on(
    server: BrokerServer,
) -> None:
    wrong = replace(server.address, key=secrets.token_hex(32))
    for _ in range(3):
        with pytest.raises(BrokerLostError), lease(wrong, SHARED, DEADLINE_S):
            pass

    with lease(server.address, SHARED, DEADLINE_S) as grant:
        assert grant.record is not None


@pytest.mark.parametrize("words", [b"", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64])
def test_a_caller_that_speaks_otherwise_is_refused_and_the_server_lives_on(
    server: BrokerServer, words: bytes
) -> None:
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(server.address.path)
        stranger.sendall(words)
        stranger.shutdown(socket.SHUT_WR)

    with lease(server.address, SHARED, DEADLINE_S) as grant:
        assert grant.record is not None


def test_no_broker_and_a_closed_broker_are_lost(rig: Rig) -> None:
    server = BrokerServer(rig.broker)
    server.close()

    with (
        pytest.raises(BrokerLostError, match="cannot be reached"),
        lease(server.address, SHARED, DEADLINE_S),
    ):
        pass


def test_only_the_owner_can_reach_the_broker(server: BrokerServer) -> None:
    directory = Path(server.address.path).parent

    assert directory.stat().st_mode & 0o777 == 0o700
    assert directory.stat().st_uid == os.getuid()


def test_a_silent_caller_holds_up_nobody(server: BrokerServer) -> None:
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.connect(server.address.path)

        with lease(server.address, SHARED, DEADLINE_S) as grant:
            assert grant.record is not None
