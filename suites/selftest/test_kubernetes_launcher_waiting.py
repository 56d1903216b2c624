"""Passing means: what a launch waits for is told in words, when it changes."""

from __future__ import annotations

import pytest

from fixtures.launchers.kubernetes_waiting import Teller, explain, is_ready, waiting_pods
from fixtures.model.kubernetes import (
    ComponentPlan,
    Condition,
    GangView,
    KubeEvent,
    KubeView,
    PodView,
)

pytestmark = pytest.mark.selftest

PLANS = (
    ComponentPlan("frontend", "frontend", 1, 1, 0, ()),
    ComponentPlan("d", "decode", 1, 2, 4, ()),
)


def _pod(name: str, component: str, node: str = "", waiting: str = "") -> PodView:
    return PodView(name, name, component, "0", 0, node, "Pending", False, 0, 4, waiting)


def test_what_is_waited_for_is_told_from_the_most_telling_on() -> None:
    pods = [_pod("f", "frontend", "n1"), _pod("d-0", "d", "", "Unschedulable: 0/8 nodes")]
    pods.append(_pod("d-1", "d", "", "Unschedulable: 0/8 nodes"))
    view = KubeView(
        "x",
        spec={},
        gangs=(GangView("PodGang", "x-0", 3, 1, "Pending"),),
        conditions=(Condition("Ready", "False", "pods_not_ready", "d: 0 of 2"),),
    )

    assert explain(view, PLANS, pods) == (
        "pod d-0 and 1 more Unschedulable: 0/8 nodes; d: 0 of 2 pods have a node; "
        "gang x-0 1 of 3 pods, Pending; not Ready (pods_not_ready: d: 0 of 2)"
    )
    assert explain(KubeView("x", spec={}), (), ()) == ""


@pytest.mark.parametrize(
    ("condition", "generation", "ready"),
    [
        (Condition("Ready", "True", observed_generation=2), 2, True),
        (Condition("Ready", "True", observed_generation=1), 2, False),
        (Condition("Ready", "False", observed_generation=2), 2, False),
        (Condition("Ready", "True"), 2, False),
    ],
)
def test_ready_counts_for_what_was_applied_only(
    condition: Condition, generation: int, ready: bool
) -> None:
    assert is_ready(KubeView("x", generation=generation, conditions=(condition,))) is ready


def test_the_same_thing_is_not_told_again_and_again() -> None:
    told: list[str] = []
    times = iter((0, 2, 4, 6, 6.5, 8, 10, 12))
    teller = Teller(told.append, 0.0, lambda: next(times))

    for what in ("a", "a", "", "b", "c", "a", "a", "b"):
        teller.tell(what)

    assert told == ["waiting 0 s: a", "waiting 6 s: b", "waiting 10 s: a"]


def test_an_image_that_cannot_be_pulled_is_one_state() -> None:
    told: list[str] = []
    times = iter(range(100))
    teller = Teller(told.append, 0.0, lambda: next(times))
    states = ('ErrImagePull: failed to pull "x": not found', 'ImagePullBackOff: Back-off "x"')

    for second in range(20):
        both = [_pod(name, "d", "n", states[(second + n) % 2]) for n, name in enumerate("ab")]
        teller.tell("; ".join(waiting_pods(both)))

    assert told == [f"waiting {second} s: pod a and 1 more {states[0]}" for second in (0, 10)]


def test_what_the_cluster_refuses_is_told() -> None:
    refused = 'Error creating: Pod "d-0" is invalid: spec.hostname: at most 63 characters'
    events = (
        KubeEvent("Normal", "Created", "PodClique/d", "made"),
        KubeEvent("Warning", "FailedCreate", "PodClique/d", refused),
        KubeEvent("Warning", "BackOff", "Pod/d-1", "restarting"),
        KubeEvent("Warning", "StateChanged", "DynamoGraphDeployment/x", "d: 0 of 2"),
        KubeEvent("Warning", "StateChanged", "DynamoGraphDeployment/x", "d: 0 of 9"),
    )
    view = KubeView(
        "x", spec={}, events=events, conditions=(Condition("Ready", "False", "", "d: 0 of 2"),)
    )

    said = explain(view, PLANS[1:], ())

    assert f"FailedCreate: {refused}" in said
    assert "BackOff" not in said
    assert "StateChanged" not in said
