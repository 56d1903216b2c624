"""Passing means: quantities come back from the double as a real API server writes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.minik8s.api_errors import ApiError
from fixtures.minik8s.api_quantities import canonical
from fixtures.minik8s.api_registry import DYNAMO
from fixtures.minik8s.store import Store

from .k8s_rig import pod

pytestmark = pytest.mark.selftest

GPU = "nvidia.com/gpu"
GRAPHS = "dynamographdeployments.v1beta1.nvidia.com"


@pytest.fixture
def store() -> Iterator[Store]:
    """A store without a server."""
    found = Store(DYNAMO)
    yield found
    found.close()


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        (4, "4"),
        ("4.0", "4"),
        (0, "0"),
        (0.5, "500m"),
        ("1000m", "1"),
        ("1500m", "1500m"),
        ("1000k", "1M"),
        ("80Gi", "80Gi"),
        ("1024Mi", "1Gi"),
        ("1536Mi", "1536Mi"),
        ("0.5Ki", "512"),
        ("0.5n", "1n"),
        ("12e6", "12e6"),
        ("1e3", "1e3"),
        ("-1", "-1"),
    ],
)
def test_a_quantity_has_one_form(written: Any, kept: str) -> None:
    assert canonical(written) == kept
    assert canonical(kept) == kept


@pytest.mark.parametrize("written", ["four", "", "4 Gi", "4gi", True, "1e"])
def test_what_is_no_quantity_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match="must match the regular expression"):
        canonical(written)


def sized(sizes: dict[str, Any]) -> dict[str, Any]:
    """A pod whose container has these limits and requests."""
    made = pod("sized")
    made["spec"]["containers"][0]["resources"] = {"limits": sizes, "requests": dict(sizes)}
    return made


def test_a_pod_has_text_after_its_creation_and_after_updates(store: Store) -> None:
    made = store.create("pods", sized({GPU: 4, "memory": "2048Mi"}), "default")
    sizes = {GPU: "4", "memory": "2Gi"}
    assert made["spec"]["containers"][0]["resources"] == {"limits": sizes, "requests": sizes}
    # The same numbers again are no change of a spec that is fixed.
    again = made | {
        "spec": {
            **made["spec"],
            "containers": sized({GPU: 4, "memory": "2Gi"})["spec"]["containers"],
        }
    }
    kept = store.update("pods", again, namespace="default")
    assert kept["spec"]["containers"][0]["resources"]["limits"] == sizes
    with pytest.raises(ApiError, match="quantities must match") as caught:
        store.create("pods", sized({GPU: "four"}), "default")
    assert caught.value.code == 400


def test_other_built_in_kinds_have_text_too(store: Store) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": 1024}}}
    claim = {"metadata": {"name": "cache"}, "spec": spec}
    made = store.create("persistentvolumeclaims", claim, "default")
    assert made["spec"]["resources"]["requests"] == {"storage": "1024"}
    quota = {"metadata": {"name": "quota"}, "spec": {"hard": {f"requests.{GPU}": 8}}}
    assert store.create("resourcequotas", quota, "default")["spec"]["hard"] == {
        f"requests.{GPU}": "8"
    }


def test_a_custom_resource_keeps_what_was_written(store: Store) -> None:
    main = {"name": "main", "image": "i:1.0.0", "resources": {"limits": {GPU: 4}}}
    part = {"name": "engine", "podTemplate": {"spec": {"containers": [main]}}}
    body = {"metadata": {"name": "graph"}, "spec": {"components": [part]}}
    made = store.create(GRAPHS, body, "default")
    (kept,) = made["spec"]["components"][0]["podTemplate"]["spec"]["containers"]
    assert kept["resources"]["limits"] == {GPU: 4}
