"""Passing means: the broker launches a topology once, lends it as asked, closes it after its last
check, and leaves nobody waiting for ever.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, as_completed
from pathlib import Path

import pytest

from fixtures.launchers.base import LaunchError
from fixtures.lease import Grant
from fixtures.model.requirement import Mode
from fixtures.services.base import wait_until

from .brokers import AGG, CLOSED, DEADLINE_S, DISAGG, LONG_ENOUGH_S, FakeWatch, Rig, rig_in

pytestmark = pytest.mark.selftest

SHARED, EXCLUSIVE, CLOSED_MODE = Mode.SHARED, Mode.EXCLUSIVE, Mode.CLOSED


def told(asks: list[Future[Grant]]) -> tuple[int, set[str]]:
    """How many of these asks ended in an error, and all reasons why there was no deployment."""
    grants = [ask.result(DEADLINE_S) for ask in asks]
    assert all(grant.record is None for grant in grants)
    return sum(bool(grant.error) for grant in grants), {g.error or g.withheld for g in grants}


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    with rig_in(tmp_path, monkeypatch) as rig:
        yield rig


def test_many_checks_at_once_share_one_launch(rig: Rig) -> None:
    rig.launcher.may_launch.clear()
    asks = [rig.asks() for _ in range(16)]
    assert rig.waiting(15)
    rig.launcher.may_launch.set()
    grants = [ask.result(DEADLINE_S) for ask in asks]

    assert rig.launched() == ["tiny-agg-1"]
    assert {grant.record.generation for grant in grants if grant.record} == {1}
    assert all(grant.record and grant.record.readiness.ready for grant in grants)
    assert rig.launcher.looks == ["tiny-agg"]


def test_the_launcher_is_told_what_to_launch(rig: Rig) -> None:
    rig.gets(topology=DISAGG)
    request = rig.launcher.deployments[0].request

    assert (request.topology.name, request.run_id, request.generation) == (DISAGG, "selftest", 1)
    assert rig.launcher.deployments[0].prepared is rig.launcher.prepared
    assert request.run_dir == Path("run")
    assert request.cancelled() is False


def test_readers_share_and_an_exclusive_check_waits_for_the_last_of_them(rig: Rig) -> None:
    rig.gets()
    rig.gets()
    alone = rig.asks(EXCLUSIVE)
    assert rig.waiting(1)
    rig.gives_back()
    assert not wait_until(alone.done, LONG_ENOUGH_S)
    rig.gives_back()

    assert alone.result(DEADLINE_S).record


@pytest.mark.parametrize("other", [SHARED, EXCLUSIVE])
def test_nobody_enters_beside_an_exclusive_check(rig: Rig, other: Mode) -> None:
    rig.gets(EXCLUSIVE)
    late = rig.asks(other)
    assert rig.waiting(1)
    assert not wait_until(late.done, LONG_ENOUGH_S)
    rig.gives_back(EXCLUSIVE)

    grant = late.result(DEADLINE_S)
    assert grant.record is not None
    assert grant.record.generation == 1


def test_a_topology_closes_after_its_last_outstanding_check_and_not_before(rig: Rig) -> None:
    rig.gets()
    rig.gives_back()
    (deployment,) = rig.launcher.deployments
    rig.finish("a")
    assert not wait_until(lambda: bool(deployment.closes), LONG_ENOUGH_S)
    rig.finish("b")

    assert wait_until(lambda: ("closed", AGG) in rig.events, DEADLINE_S)
    assert deployment.closes == [False]


def test_a_topology_in_use_stays_up_though_all_its_checks_are_reported(rig: Rig) -> None:
    rig.gets()
    rig.finish("a", "b")
    (deployment,) = rig.launcher.deployments
    assert not wait_until(lambda: bool(deployment.closes), LONG_ENOUGH_S)
    rig.gives_back()

    assert wait_until(lambda: deployment.closes == [False], DEADLINE_S)


def test_the_closed_mode_gets_the_record_of_the_stop(rig: Rig) -> None:
    rig.gets()
    rig.gives_back()
    after = rig.asks(CLOSED_MODE)
    assert rig.waiting(1)
    rig.finish("a", "b")

    grant = after.result(DEADLINE_S)
    assert grant.closed == CLOSED
    assert grant.record is not None
    assert (grant.record.topology, grant.error) == (AGG, "")
    assert rig.gets(CLOSED_MODE).closed == CLOSED
    assert rig.launched() == ["tiny-agg-1"]


def test_closed_checks_alone_bring_their_topology_up_and_down(rig: Rig) -> None:
    rig.finish("a", "b")

    assert rig.gets(CLOSED_MODE).closed == CLOSED
    assert [event for event, _ in rig.events if event != "signal"] == [
        "launch",
        "ready",
        "close",
        "closed",
    ]


def test_topologies_take_their_turns(rig: Rig) -> None:
    rig.gets()
    other = rig.asks(topology=DISAGG)
    assert rig.waiting(1)
    rig.gives_back()
    assert not wait_until(other.done, LONG_ENOUGH_S)
    rig.finish("a", "b")

    assert other.result(DEADLINE_S).record
    assert rig.events.index(("closed", AGG)) < rig.events.index(("launch", DISAGG))


def test_a_topology_that_is_still_closing_is_waited_for(rig: Rig) -> None:
    rig.gets()
    (deployment,) = rig.launcher.deployments
    deployment.may_close.clear()
    rig.gives_back()
    rig.finish("a", "b")
    assert wait_until(lambda: bool(deployment.closes), DEADLINE_S)
    other = rig.asks(topology=DISAGG)
    assert not wait_until(other.done, LONG_ENOUGH_S)
    deployment.may_close.set()

    assert other.result(DEADLINE_S).record


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        (LaunchError("etcd did not start"), "etcd did not start"),
        (RuntimeError("a bug"), "RuntimeError: a bug"),
    ],
)
def test_a_failed_launch_is_an_error_once_and_the_same_reason_for_every_dependant(
    rig: Rig, problem: Exception, reason: str
) -> None:
    rig.launcher.problem = problem
    rig.launcher.may_launch.clear()
    asks = [rig.asks(mode) for mode in (SHARED, SHARED, EXCLUSIVE, CLOSED_MODE)]
    assert rig.waiting(3)
    rig.launcher.may_launch.set()

    assert told(asks) == (1, {reason})
    assert rig.gets().withheld == reason
    assert rig.launcher.attempts == [AGG]
    assert ("launch-failed", AGG) in rig.events


def test_a_failed_launch_lets_the_next_topology_have_its_turn(rig: Rig) -> None:
    rig.launcher.problem = LaunchError("no")
    rig.gets()
    rig.launcher.problem = None

    assert rig.gets(topology=DISAGG).record


def test_a_launch_that_fails_while_it_is_watched_is_an_error_for_all_and_is_closed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(FakeWatch, "problem", ValueError("odd"))
    rig.launcher.may_launch.clear()
    asks = [rig.asks(mode) for mode in (SHARED, SHARED, EXCLUSIVE)]
    assert rig.waiting(2)
    rig.launcher.may_launch.set()

    assert told(asks) == (1, {"ValueError: odd"})
    rig.finish("a", "b")
    (deployment,) = rig.launcher.deployments
    assert wait_until(lambda: deployment.closes == [False], DEADLINE_S)


@pytest.mark.parametrize("waiters", [(), (SHARED, SHARED), (EXCLUSIVE,), (SHARED, EXCLUSIVE)])
def test_a_deployment_that_dies_under_an_exclusive_check_is_replaced_for_everybody(
    rig: Rig, waiters: tuple[Mode, ...]
) -> None:
    rig.gets(EXCLUSIVE)
    asks = {rig.asks(mode): mode for mode in waiters}
    assert rig.waiting(len(waiters))
    rig.launcher.deployments[0].ended.append("rank 3 is gone")
    rig.gives_back(EXCLUSIVE)
    for ask in as_completed(asks, DEADLINE_S):
        record = ask.result().record
        assert record is not None
        assert record.generation == 2
        rig.gives_back(asks[ask])

    grant = rig.gets()
    assert grant.record is not None
    assert grant.record.generation == 2
    assert rig.launched() == ["tiny-agg-1", "tiny-agg-2"]


def test_a_deployment_that_survives_an_exclusive_check_is_kept(rig: Rig) -> None:
    rig.gets(EXCLUSIVE)
    rig.gives_back(EXCLUSIVE)
    rig.gets()

    assert rig.launched() == ["tiny-agg-1"]


def test_when_everybody_waits_an_idle_topology_makes_room_and_comes_back(rig: Rig) -> None:
    rig.broker.clients = 2
    rig.gets()
    rig.gives_back()
    other, after = rig.asks(topology=DISAGG), rig.asks(CLOSED_MODE)

    assert other.result(DEADLINE_S).record
    assert after.result(DEADLINE_S).closed == CLOSED
    rig.gives_back(topology=DISAGG)
    rig.finish("c", topology=DISAGG)
    grant = rig.gets()
    assert grant.record is not None
    assert grant.record.generation == 2


def test_a_topology_in_use_makes_no_room(rig: Rig) -> None:
    rig.broker.clients = 1
    rig.gets()
    other = rig.asks(topology=DISAGG)
    assert rig.waiting(1)

    assert not wait_until(other.done, LONG_ENOUGH_S)
    assert rig.launcher.deployments[0].closes == []


def test_a_stop_that_fails_is_told_to_whoever_needs_its_record(rig: Rig) -> None:
    rig.gets()
    rig.launcher.deployments[0].close_problem = OSError("no such process")
    rig.gives_back()
    after = rig.asks(CLOSED_MODE)
    assert rig.waiting(1)
    rig.finish("a", "b")

    assert after.result(DEADLINE_S).error == "the stop failed: OSError: no such process"
    assert rig.gets(topology=DISAGG).record
