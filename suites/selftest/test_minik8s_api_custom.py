"""Passing means: custom resources have generations, status, owners and an admission webhook."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fixtures.minik8s.api_errors import ApiError
from fixtures.minik8s.api_registry import ALPHA_ONLY, GROVE, LWS
from fixtures.minik8s.store import Store

from .k8s_rig import Rig, graph, kubernetes_api, pod

pytestmark = pytest.mark.selftest

GRAPHS = "dynamographdeployments"
ALPHA = f"{GRAPHS}.v1alpha1.nvidia.com"
BETA = f"{GRAPHS}.v1beta1.nvidia.com"
MERGE, JSON = "application/merge-patch+json", "application/json-patch+json"
APPLY = "application/apply-patch+yaml"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One double for the module."""
    with kubernetes_api(tmp_path_factory.mktemp("custom")) as made:
        yield made


@pytest.fixture
def space(rig: Rig) -> str:
    """A namespace."""
    return rig.namespace()


def path(space: str, name: str = "", version: str = "v1beta1") -> str:
    """Where graphs are."""
    return f"/apis/nvidia.com/{version}/namespaces/{space}/{GRAPHS}" + (f"/{name}" if name else "")


def refused(code: int, call: Any, *arguments: Any, **named: Any) -> str:
    """The message of a refusal of the store with that code."""
    with pytest.raises(ApiError) as caught:
        call(*arguments, **named)
    assert caught.value.code == code
    return caught.value.message


def test_the_generation_counts_changes_of_the_spec_alone(rig: Rig, space: str) -> None:
    made = rig.raw("POST", path(space), graph()).document
    assert made["metadata"]["generation"] == 1

    def patch(body: Any, sub: str = "") -> dict[str, Any]:
        reply = rig.raw("PATCH", path(space, "graph") + sub, body, kind=MERGE)
        assert reply.code == 200
        found: dict[str, Any] = reply.document
        return found

    assert patch({"metadata": {"labels": {"a": "b"}}})["metadata"]["generation"] == 1
    assert patch({"status": {"state": "pending"}}, "/status")["metadata"]["generation"] == 1
    changed = patch({"spec": {"env": [{"name": "A", "value": "b"}]}, "status": {"state": "failed"}})
    assert changed["metadata"]["generation"] == 2
    assert changed["status"] == {"state": "pending"}


def test_each_half_of_an_object_has_its_own_door(rig: Rig, space: str) -> None:
    made = rig.raw("POST", path(space), graph() | {"status": {"state": "successful"}}).document
    assert "status" not in made
    body = made | {"status": {"state": "successful", "observedGeneration": 1}, "spec": {}}
    told = rig.raw("PUT", path(space, "graph") + "/status", body)
    assert told.code == 200
    assert told.document["status"]["state"] == "successful"
    assert told.document["spec"] == made["spec"]
    stale = rig.raw("PUT", path(space, "graph"), made)
    assert (stale.code, stale.document["reason"]) == (409, "Conflict")
    blind = made | {"metadata": {"name": "graph"}}
    assert rig.raw("PUT", path(space, "graph"), blind).code == 422
    bad = {"status": {"state": "happy"}}
    assert rig.raw("PATCH", path(space, "graph") + "/status", bad, kind=MERGE).code == 422


def test_patches_of_each_kind(rig: Rig, space: str) -> None:
    rig.raw("POST", path(space), graph())
    where = path(space, "graph")
    for kind in ("application/strategic-merge-patch+json", "application/json"):
        assert rig.raw("PATCH", where, {}, kind=kind).code == 415
    replace = [{"op": "replace", "path": "/spec/components/0/replicas", "value": 3}]
    found = rig.raw("PATCH", where, replace, kind=JSON)
    assert found.document["spec"]["components"][0]["replicas"] == 3
    test = [{"op": "test", "path": "/spec/components/0/replicas", "value": 4}]
    assert rig.raw("PATCH", where, test, kind=JSON).code == 422
    missing = [{"op": "remove", "path": "/spec/nothing"}]
    assert rig.raw("PATCH", where, missing, kind=JSON).code == 422
    assert rig.raw("PATCH", where, [{"op": "wish"}], kind=JSON).code == 400
    assert rig.raw("PATCH", path(space, "absent"), {}, kind=MERGE).code == 404


def test_a_plain_apply_creates_and_changes(rig: Rig, space: str) -> None:
    where = path(space, "graph")
    assert rig.raw("PATCH", where, graph(), kind=APPLY).code == 422
    assert rig.raw("PATCH", f"{where}?fieldManager=me", graph(), kind=APPLY).code == 201
    again = rig.raw("PATCH", f"{where}?fieldManager=me", graph(replicas=2), kind=APPLY)
    assert again.code == 200
    assert again.document["spec"]["components"][0]["replicas"] == 2


def test_which_resources_there_are_is_a_choice(tmp_path: Path) -> None:
    with kubernetes_api(tmp_path, (*ALPHA_ONLY, *LWS)) as rig:
        groups = {e["name"]: e for e in rig.raw("GET", "/apis").document["groups"]}
        assert [e["version"] for e in groups["nvidia.com"]["versions"]] == ["v1alpha1"]
        assert "grove.io" not in groups
        assert rig.raw("GET", "/apis/grove.io/v1alpha1/podcliquesets").code == 404
        store = rig.server.store
        # An operator that knows v1alpha1 alone asks for no semantic version.
        main = {"mainContainer": {"image": "runtime:latest"}}
        old = graph(version="v1alpha1", extraPodSpec=main)
        assert rig.raw("POST", path("default", version="v1alpha1"), old).code == 201
        store.create(
            "customresourcedefinitions.apiextensions.k8s.io", store.registry.packaged(GROVE[0])
        )
        assert rig.raw("GET", "/apis/grove.io/v1alpha1/podcliquesets").code == 200
        store.delete("customresourcedefinitions.apiextensions.k8s.io", "podcliquesets.grove.io")
        assert rig.raw("GET", "/apis/grove.io/v1alpha1/podcliquesets").code == 404


def owned(owner: dict[str, Any], name: str, *, block: bool = True) -> dict[str, Any]:
    """A configuration map that belongs to an object."""
    reference = {key: owner[key] for key in ("apiVersion", "kind")} | {
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "blockOwnerDeletion": block,
    }
    return {"metadata": {"name": name, "ownerReferences": [reference]}}


@pytest.fixture
def store(rig: Rig) -> Store:
    """The store."""
    return rig.server.store


def test_what_has_no_owner_left_goes(store: Store, space: str) -> None:
    owner = store.create(BETA, graph(), space)
    child = store.create("configmaps", owned(owner, "child"), space)
    store.create("configmaps", owned(child, "grandchild"), space)
    store.create("configmaps", {"metadata": {"name": "free"}}, space)
    assert store.delete(BETA, "graph", space) is None
    store.settle()
    assert [e["metadata"]["name"] for e in store.list("configmaps", space).items] == ["free"]
    store.create("configmaps", owned(owner, "late"), space)
    store.settle()
    refused(404, store.get, "configmaps", "late", space)


def test_an_orphan_deletion_frees_what_it_owned(store: Store, space: str) -> None:
    owner = store.create(BETA, graph(), space)
    store.create("configmaps", owned(owner, "child"), space)
    store.delete(BETA, "graph", space, propagation="Orphan")
    store.settle()
    refused(404, store.get, BETA, "graph", space)
    assert "ownerReferences" not in store.get("configmaps", "child", space)["metadata"]


def test_a_foreground_deletion_waits_for_what_it_owns(store: Store, space: str) -> None:
    owner = store.create(BETA, graph(), space)
    child = owned(owner, "child")
    store.create("pods", pod("child", metadata=child["metadata"]), space)
    store.bind(space, "child", "node-1")
    store.delete(BETA, "graph", space, propagation="Foreground")
    store.settle()
    held = store.get(BETA, "graph", space)["metadata"]
    assert held["finalizers"] == ["foregroundDeletion"]
    assert store.get("pods", "child", space)["metadata"]["deletionTimestamp"]
    store.delete("pods", "child", space, grace_s=0)
    store.settle()
    refused(404, store.get, BETA, "graph", space)
    assert "propagationPolicy" in refused(
        422, store.delete, "namespaces", space, propagation="Sideways"
    )


def test_a_finalizer_holds_an_object_until_it_is_taken_away(rig: Rig, space: str) -> None:
    body = graph()
    body["metadata"]["finalizers"] = ["nvidia.com/finalizer"]
    rig.raw("POST", path(space), body)
    where = path(space, "graph")
    held = rig.raw("DELETE", where).document
    assert held["metadata"]["deletionTimestamp"]
    more = {"metadata": {"finalizers": ["nvidia.com/finalizer", "a.b/c"]}}
    assert rig.raw("PATCH", where, more, kind=MERGE).code == 422
    assert rig.raw("GET", where).code == 200
    assert rig.raw("PATCH", where, {"metadata": {"finalizers": None}}, kind=MERGE).code == 200
    assert rig.raw("GET", where).code == 404


def test_the_packaged_definitions_take_what_their_controllers_write(
    store: Store, space: str
) -> None:
    def make(full: str, spec: dict[str, Any]) -> dict[str, Any]:
        return store.create(full, {"metadata": {"name": "a"}, "spec": spec}, space)

    clique = {"name": "c", "spec": {"podSpec": pod()["spec"], "replicas": 2}}
    made = make("podcliquesets.grove.io", {"template": {"cliques": [clique]}})
    assert made["spec"]["replicas"] == 1
    make("podcliquescalinggroups.grove.io", {"cliqueNames": ["c"]})
    group = {"name": "g", "podReferences": [], "minReplicas": 1}
    make("podgangs.scheduler.grove.io", {"podgroups": [group]})
    template = {"size": 2, "workerTemplate": {"spec": pod()["spec"]}}
    make("leaderworkersets.leaderworkerset.x-k8s.io", {"leaderWorkerTemplate": template})
    channel = {"resourceClaimTemplate": {"name": "x"}}
    make("computedomains.resource.nvidia.com", {"numNodes": 2, "channel": channel})
    make("dynamoworkermetadatas.nvidia.com", {"data": {"any": [1]}})
    refused(422, make, "podcliquesets.grove.io", {"template": {"cliques": []}})
    refused(422, make, "computedomains.resource.nvidia.com", {"numNodes": 2})


@pytest.mark.parametrize(
    "change",
    [
        {"spec": {}},
        {"metadata": {"name": "other.example.org"}},
        {"spec": {"group": "example.org", "names": {}, "scope": "Cluster", "versions": []}},
    ],
)
def test_a_definition_that_breaks_a_rule_is_refused(
    rig: Rig, store: Store, change: dict[str, Any]
) -> None:
    name = "customresourcedefinitions"
    body = {"metadata": {"name": "things.example.org"}, **store.registry.packaged(GROVE[0])}
    path = f"/apis/apiextensions.k8s.io/v1/{name}"
    assert rig.raw("POST", path, body | change).code == 422
