"""Passing means: whatever a body holds, the double takes it or refuses it, and stumbles never."""

from __future__ import annotations

import copy
import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.minik8s.api_errors import ApiError
from fixtures.minik8s.store import Store

from .k8s_rig import EVERYTHING, graph, pod

pytestmark = pytest.mark.selftest

ROUNDS = 400
STRANGE = (None, "", 0, -1, 1.5, True, [], {}, "x", ["a"], [{}], [None], [[]], {"a": 1}, 10**30)
PATCHES = ("merge-patch+json", "strategic-merge-patch+json", "apply-patch+yaml")
OPERATIONS = ("add", "replace", "remove", "test", "move", "copy", "wish")
POINTERS = ("/metadata/labels/a", "/spec", "", "/", "/spec/containers/-", "/metadata", 5)
OWNER = {"apiVersion": "v1", "kind": "Pod", "name": "x", "uid": "y"}
BODIES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("pods", pod("a", metadata={"labels": {"a": "b"}, "ownerReferences": [OWNER]})),
    ("dynamographdeployments.v1beta1.nvidia.com", graph("g", sharedMemorySize="8Gi")),
    (
        "dynamographdeployments.v1alpha1.nvidia.com",
        graph(
            "h",
            version="v1alpha1",
            volumeMounts=[{"name": "m", "mountPoint": "/m"}],
            envs=[{"name": "a", "value": "b"}],
            sharedMemory={"size": "1Gi"},
        ),
    ),
    ("services", {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 1}]}}),
    ("secrets", {"metadata": {"name": "s", "finalizers": ["a/b"]}, "stringData": {"a": "b"}}),
)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    """One store for the module."""
    made = Store(EVERYTHING)
    yield made
    made.close()


def spoil(body: Any, chance: random.Random) -> Any:
    """The same body with something strange somewhere in it."""
    body = node = copy.deepcopy(body)
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return body
        key = chance.choice(keys)
        if isinstance(node[key], (dict, list)) and chance.random() < 0.75:
            node = node[key]
            continue
        if isinstance(node, dict) and chance.random() < 0.3:
            key = "extra"
        node[key] = copy.deepcopy(chance.choice(STRANGE))
        return body


def one(store: Store, chance: random.Random) -> int:
    """One strange request: its code, 200 when it is taken."""
    full, body = chance.choice(BODIES)
    name, strange = body["metadata"]["name"], spoil(body, chance)
    operation = {
        "op": chance.choice(OPERATIONS),
        "path": chance.choice(POINTERS),
        "value": chance.choice(STRANGE),
        "from": "/spec",
    }
    calls = (
        lambda: store.create(full, strange, "default"),
        lambda: store.create(full, body, "default"),
        lambda: store.update(full, strange, namespace="default", name=name),
        lambda: store.patch(
            full,
            name,
            strange,
            namespace="default",
            kind=f"application/{chance.choice(PATCHES)}",
            subresource=chance.choice(("", "", "status")),
        ),
        lambda: store.patch(
            full, name, [operation], namespace="default", kind="application/json-patch+json"
        ),
        lambda: store.delete(full, name, "default"),
    )
    try:
        chance.choice(calls)()
    except ApiError as refusal:
        return refusal.code
    return 200


@pytest.mark.parametrize("seed", range(3))
def test_no_body_makes_the_store_stumble(store: Store, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - repeatable, not secret

    codes = Counter(one(store, chance) for _ in range(ROUNDS))

    assert {200, 400, 404, 409, 422} <= set(codes)
    assert max(codes) < 500
    for full, _ in BODIES:
        store.list(full)
