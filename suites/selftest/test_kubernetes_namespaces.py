"""Passing means: instances are looked for under the namespace that workers were told."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fixtures.launchers.kubernetes_render_names import dynamo_namespace
from fixtures.model.kubernetes import ComponentPlan, KubeAccess, KubeRecord, PodView

pytestmark = pytest.mark.selftest

NAMESPACE, SUFFIX = "DYN_NAMESPACE", "DYN_NAMESPACE_WORKER_SUFFIX"
RECORD = KubeRecord(
    access=KubeAccess("", "c", "team", 1.0),
    name="r1",
    api="v1beta1",
    applied="{}",
    plans=(
        ComponentPlan("front", "frontend", 1, 1, 0, ()),
        ComponentPlan("decode", "decode", 1, 2, 4, ()),
    ),
    domain=False,
    gpu_resource="nvidia.com/gpu",
)


def pod(component: str, environment: Mapping[str, str]) -> PodView:
    """A running pod with these variables."""
    return PodView(
        component, "u", component, "0", 0, "n", "Running", True, 0, 4, environment=environment
    )


@pytest.mark.parametrize(
    ("front", "decode", "expected"),
    [
        ({}, {}, "team-r1"),
        ({NAMESPACE: "team-r1"}, {}, "team-r1"),
        ({NAMESPACE: "team-r1"}, {NAMESPACE: "own"}, "own"),
        ({NAMESPACE: "team-r1"}, {NAMESPACE: "team-r1", SUFFIX: "1a2b"}, "team-r1-1a2b"),
        ({NAMESPACE: "team-r1", SUFFIX: "1a2b"}, {}, "team-r1"),
    ],
)
def test_workers_say_where_they_register(
    front: dict[str, str], decode: dict[str, str], expected: str
) -> None:
    pods = [pod("front", front), pod("decode", decode)]

    assert dynamo_namespace(RECORD, pods) == expected
    assert dynamo_namespace(RECORD, reversed(pods)) == expected
