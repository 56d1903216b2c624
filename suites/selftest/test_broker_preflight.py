"""Passing means: the broker looks at the place of a topology once, before its launch, launches
nothing that the look speaks against, and gives back what the launcher holds.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.launchers.base import LaunchError, Prepared
from fixtures.model.preflight import Needs, PreflightRecord
from fixtures.model.requirement import Mode
from fixtures.outcome import Blocked
from fixtures.services.base import wait_until

from .brokers import AGG, DEADLINE_S, DISAGG, LONG_ENOUGH_S, Rig, rig_in

pytestmark = pytest.mark.selftest

NEEDS = Needs("me", ("gb01",), 1, "gb01", "10.0.0.1")
RECORD = PreflightRecord(AGG, NEEDS)
HELD = Prepared((), RECORD, held_by="PRE-004", reason="2 nodes, not 4")


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    with rig_in(tmp_path, monkeypatch) as made:
        made.launcher.prepared = Prepared((), RECORD)
        yield made


def test_a_look_launches_nothing_and_is_shared(rig: Rig) -> None:
    first, second = rig.gets(Mode.PREFLIGHT), rig.gets(Mode.PREFLIGHT)

    assert first.preflight is second.preflight is RECORD
    assert (rig.launcher.looks, rig.launched()) == ([AGG], [])


def test_a_launch_looks_first_and_not_again(rig: Rig) -> None:
    rig.gets()
    rig.gets(Mode.PREFLIGHT)

    assert (rig.launcher.looks, rig.launched()) == ([AGG], ["tiny-agg-1"])


@pytest.mark.parametrize("mode", [Mode.SHARED, Mode.EXCLUSIVE, Mode.CLOSED])
def test_what_the_look_speaks_against_is_not_launched(mode: Mode, rig: Rig) -> None:
    rig.launcher.prepared = HELD

    grant = rig.gets(mode)

    assert (grant.withheld, grant.withheld_by) == ("2 nodes, not 4", "PRE-004")
    assert (grant.error, grant.record, rig.launched()) == ("", None, [])
    assert ("held-back", AGG) in rig.events
    assert rig.gets(Mode.PREFLIGHT).preflight is RECORD


def test_a_look_that_fails_on_our_side_is_told_once_as_an_error(rig: Rig) -> None:
    def fail(_request: object) -> Prepared:
        raise LaunchError("no python")

    rig.launcher.prepare = fail  # type: ignore[method-assign]

    assert rig.gets(Mode.PREFLIGHT).error == "no python"
    assert rig.gets().withheld == "no python"
    assert rig.launched() == []


def test_a_look_waits_until_the_nodes_are_free(rig: Rig) -> None:
    rig.gets(topology=AGG)
    asked = rig.asks(Mode.PREFLIGHT, DISAGG)

    assert not wait_until(asked.done, LONG_ENOUGH_S)
    rig.gives_back(topology=AGG)
    rig.finish("a", "b", topology=AGG)

    assert asked.result(DEADLINE_S).preflight is RECORD
    assert rig.launcher.looks == [AGG, DISAGG]


def test_what_is_held_for_the_whole_run_is_given_back(rig: Rig) -> None:
    rig.broker.shutdown(hurry=False)

    assert rig.launcher.finished == 1


def test_a_check_that_is_held_back_names_the_requirement() -> None:
    blocked = Blocked("2 nodes, not 4", "PRE-004")

    assert (str(blocked.msg), blocked.by) == ("2 nodes, not 4", "PRE-004")
