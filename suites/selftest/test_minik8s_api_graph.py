"""Passing means: the double refuses the graphs that the operator's webhook refuses, and reads
every graph in both versions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from fixtures.minik8s.api_errors import ApiError
from fixtures.minik8s.store import Store

from .k8s_rig import IMAGE, Rig, graph, kubernetes_api

pytestmark = pytest.mark.selftest

GRAPHS = "dynamographdeployments"
ALPHA = f"{GRAPHS}.v1alpha1.nvidia.com"
BETA = f"{GRAPHS}.v1beta1.nvidia.com"
MERGE = "application/merge-patch+json"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One double for the module."""
    with kubernetes_api(tmp_path_factory.mktemp("custom")) as made:
        yield made


@pytest.fixture
def space(rig: Rig) -> str:
    """A namespace."""
    return rig.namespace()


@pytest.fixture
def store(rig: Rig) -> Store:
    """The store."""
    return rig.server.store


def path(space: str, name: str = "", version: str = "v1beta1") -> str:
    """Where graphs are."""
    return f"/apis/nvidia.com/{version}/namespaces/{space}/{GRAPHS}" + (f"/{name}" if name else "")


@pytest.mark.parametrize(
    ("body", "code", "says"),
    [
        (graph(multinode={"nodeCount": 1}), 422, "greater than or equal to 2"),
        (graph(multinode={"nodeCount": "2"}), 422, "must be of type integer"),
        (graph(replicas=-1), 422, "greater than or equal to 0"),
        (graph(name="x" * 40), 403, "the limit is 45"),
        (graph(podTemplate={"spec": {"containers": [{"name": "other"}]}}), 403, "named main"),
        (graph(podTemplate={"spec": {"containers": [{"name": "main"}]}}), 403, "has no image"),
        (
            graph(podTemplate={"spec": {"containers": [{"name": "main", "image": "a:latest"}]}}),
            403,
            "runtimeVersionOverride",
        ),
        (graph() | {"spec": {}}, 403, "at least one component"),
        (graph() | {"spec": {"components": [{"type": "worker"}]}}, 422, "components[0].name: Req"),
        (graph() | {"spec": {"backendFramework": "other"}}, 422, "Unsupported value"),
        (graph(type="epp"), 403, "one node"),
        (
            graph() | {"spec": {"components": graph()["spec"]["components"] * 2}},
            403,
            "duplicate name worker",
        ),
    ],
)
def test_a_graph_that_breaks_a_rule_is_refused(
    rig: Rig, space: str, body: dict[str, Any], code: int, says: str
) -> None:
    reply = rig.raw("POST", path(space), body)

    assert reply.code == code
    assert says in reply.document["message"]
    assert rig.raw("GET", path(space)).document["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        graph(),
        graph(name="x" * 39),
        graph(
            podTemplate={"spec": {"containers": [{"name": "main", "image": "a:latest"}]}},
            runtimeVersionOverride="1.6.1",
        ),
        graph(replicas=0),
    ],
)
def test_a_graph_that_keeps_the_rules_is_taken(rig: Rig, space: str, body: dict[str, Any]) -> None:
    assert rig.raw("POST", f"{path(space)}?fieldValidation=Strict", body).code == 201


def test_the_gpu_count_of_v1alpha1_is_a_string(rig: Rig, space: str) -> None:
    good = graph(version="v1alpha1")
    bad = graph(version="v1alpha1", resources={"limits": {"gpu": 8}})
    reply = rig.raw("POST", path(space, version="v1alpha1"), bad)
    assert (reply.code, reply.document["details"]["causes"][0]["field"]) == (
        422,
        "spec.services.worker.resources.limits.gpu",
    )
    assert rig.raw("POST", path(space, version="v1alpha1"), good).code == 201


def test_parts_of_a_graph_cannot_change(rig: Rig, space: str) -> None:
    rig.raw("POST", path(space), graph())
    where = path(space, "graph")
    worker = graph()["spec"]["components"][0]
    for spec, says in (
        ({"components": [worker, worker | {"name": "more"}]}, "set of components"),
        ({"components": [worker | {"type": "decode"}]}, "type is immutable"),
        ({"components": [worker | {"minAvailable": 1}]}, "minAvailable is immutable"),
        ({"components": [worker | {"multinode": None}]}, "multinode cannot be exchanged"),
        ({"backendFramework": "vllm"}, "backendFramework is immutable"),
    ):
        reply = rig.raw("PATCH", where, {"spec": spec}, kind=MERGE)
        assert reply.code == 403
        assert says in reply.document["message"]
    more = {"spec": {"components": [worker | {"replicas": 2, "multinode": {"nodeCount": 4}}]}}
    assert rig.raw("PATCH", where, more, kind=MERGE).code == 200


def test_a_graph_is_read_in_both_versions(rig: Rig, space: str) -> None:
    store = rig.server.store
    envs = [{"name": "A", "value": "b"}]
    written = store.create(ALPHA, graph("old", version="v1alpha1", envs=envs), space)
    read = store.get(BETA, "old", space)
    (worker,) = read["spec"]["components"]
    (main,) = worker["podTemplate"]["spec"]["containers"]
    assert (worker["name"], worker["type"], worker["multinode"]) == (
        "worker",
        "worker",
        {"nodeCount": 2},
    )
    assert main["resources"]["limits"] == {"nvidia.com/gpu": "8"}
    assert (main["image"], main["env"]) == (IMAGE, envs)
    assert read["metadata"] == written["metadata"]
    store.create(BETA, graph("new", type="decode"), space)
    service = store.get(ALPHA, "new", space)["spec"]["services"]["worker"]
    assert (service["componentType"], service["subComponentType"]) == ("worker", "decode")
    assert service["resources"] == {"limits": {"gpu": "8"}}
    store.update_status(BETA, "old", space, {"state": "successful"})
    assert store.get(ALPHA, "old", space)["spec"] == written["spec"]
    assert store.get(ALPHA, "old", space)["metadata"]["generation"] == 1
    assert [e["apiVersion"] for e in store.list(ALPHA, space).items] == ["nvidia.com/v1alpha1"] * 2


def test_metadata_and_status_leave_the_spec_as_it_was_written(store: Store, space: str) -> None:
    body = graph("old", version="v1alpha1")
    body["spec"]["pvcs"] = [{"name": "models"}]
    written = store.create(ALPHA, body, space)
    patch = {"metadata": {"finalizers": ["nvidia.com/finalizer"]}}
    store.patch(BETA, "old", patch, namespace=space)
    read = store.get(ALPHA, "old", space)
    assert read["spec"] == written["spec"]
    assert read["metadata"]["finalizers"] == ["nvidia.com/finalizer"]
    with pytest.raises(ApiError) as caught:
        store.update_status(BETA, "old", space, {"state": "happy"})
    assert caught.value.code == 422
