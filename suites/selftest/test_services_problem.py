"""Passing means: a head node without its services is one failure; everything else waits for it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.checks import SIGNAL_OWNERS
from fixtures.evidence import EvidenceStore
from fixtures.launchers.base import Prepared
from fixtures.model.deployment import SIGNALS
from fixtures.outcome import RequirementFailed
from fixtures.readiness import Watch
from fixtures.requirements import load_lock
from suites.launch.test_services import test_services_come_up_on_the_head_node as the_check

from .brokers import FakeDeployment

pytestmark = pytest.mark.selftest

PROBLEM = "the step of the head node ended: port 2379 of etcd is taken"


class Half(FakeDeployment):
    """A deployment whose head node never got its services."""

    @property
    def record(self) -> Any:
        return replace(super().record, services_problem=PROBLEM)


@pytest.fixture
def half() -> Half:
    topology: Any = type("Named", (), {"name": "tiny"})
    request: Any = type("Asked", (), {"topology": topology, "generation": 1})
    return Half(request, Prepared(()))


def test_nothing_is_waited_for(half: Half) -> None:
    readiness = Watch(half, 0.0, lambda _name, _at_s: None).wait(60, lambda: False)

    assert readiness.stopped_because == PROBLEM
    assert not any(readiness.reached(signal) for signal in SIGNALS)
    assert SIGNAL_OWNERS[readiness.first_missing("answered") or ""] == "SRV-001"


def test_the_check_fails_with_the_words_of_the_head_node(half: Half, tmp_path: Path) -> None:
    store = EvidenceStore(tmp_path, tmp_path)

    with pytest.raises(RequirementFailed) as failed:
        the_check(half.record, store)
    assert failed.value.findings[0].actual == PROBLEM
    the_check(replace(half.record, services_problem=""), store)


def test_every_other_live_check_waits_for_the_services() -> None:
    live = [each for each in load_lock().values() if each.mode.value in ("shared", "exclusive")]

    assert [each.id for each in live if each.needs is None] == ["SRV-001"]
