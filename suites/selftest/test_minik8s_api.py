"""Passing means: the double of the Kubernetes API server keeps and refuses as the real one does."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("kubernetes")

from kubernetes import client
from kubernetes.client.rest import ApiException

from .k8s_rig import Rig, kubernetes_api, pod

pytestmark = pytest.mark.selftest

MAIN = {"name": "main", "image": "a:1"}


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One double for the module; every test has a namespace of its own."""
    with kubernetes_api(tmp_path_factory.mktemp("api"), history=200) as made:
        yield made


@pytest.fixture(scope="module")
def core(rig: Rig) -> Iterator[Any]:
    """The official client."""
    with rig.client() as made:
        yield client.CoreV1Api(made)


@pytest.fixture
def space(rig: Rig) -> str:
    """A namespace."""
    return rig.namespace()


def refusal(call: Any, *arguments: Any, **named: Any) -> tuple[int, str]:
    """Code and reason of the refusal of a call."""
    import json

    with pytest.raises(ApiException) as caught:
        call(*arguments, **named)
    return caught.value.status, json.loads(caught.value.body)["reason"]


def test_nobody_is_served_without_the_token(rig: Rig) -> None:
    assert rig.raw("GET", "/api/v1/pods").code == 200
    for token in ("", "wrong", rig.server.token + "x"):
        reply = rig.raw("GET", "/api/v1/pods", token=token)
        assert (reply.code, reply.document["reason"]) == (401, "Unauthorized")
    assert rig.raw("GET", "/healthz", token="").document == b"ok"


def test_the_kubeconfig_is_for_its_owner_alone_and_the_token_in_no_repr(rig: Rig) -> None:
    assert stat.S_IMODE(rig.server.kubeconfig.stat().st_mode) == 0o600
    assert rig.server.token not in repr(rig.server)
    assert rig.server.address.startswith("127.0.0.1:")


def test_an_object_is_created_read_listed_and_deleted(core: Any, space: str) -> None:
    made = core.create_namespaced_pod(space, pod("one"))
    assert made.metadata.uid
    assert made.metadata.creation_timestamp
    assert made.spec.restart_policy == "Always"
    assert made.status.phase == "Pending"
    assert core.read_namespaced_pod("one", space).metadata.uid == made.metadata.uid
    core.delete_namespaced_pod("one", space)
    assert refusal(core.read_namespaced_pod, "one", space) == (404, "NotFound")


def test_a_name_is_taken_once_and_can_be_generated(core: Any, space: str) -> None:
    core.create_namespaced_pod(space, pod("one"))
    assert refusal(core.create_namespaced_pod, space, pod("one")) == (409, "AlreadyExists")
    names = {core.create_namespaced_pod(space, pod()).metadata.name for _ in range(3)}
    assert len(names) == 3
    assert all(name.startswith("any-") and len(name) == 9 for name in names)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"metadata": {"name": "No_Name"}}, 422),
        ({"metadata": {"name": ""}}, 422),
        ({"metadata": {"name": "a", "labels": {"a b": "c"}}}, 422),
        ({"metadata": {"name": "a", "labels": {"a": 1}}}, 400),
        ({"metadata": {"name": "a", "finalizers": ["mine"]}}, 422),
        ({"metadata": {"name": "a", "ownerReferences": [{"name": "b"}]}}, 422),
        ({"metadata": {"name": "a", "namespace": "elsewhere"}}, 400),
        ({"metadata": {"name": "a", "resourceVersion": "5"}}, 400),
        ({"spec": {"containers": []}}, 422),
        ({"spec": {"containers": [{"name": "main"}]}}, 422),
        ({"spec": {"containers": "main"}}, 400),
        ({"spec": {"containers": [{"name": "main", "image": "a:1"}] * 2}}, 422),
        (
            pod("one", containers=[MAIN | {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}]),
            422,
        ),
        ({"kind": "Service"}, 400),
        ({"apiVersion": "v2"}, 400),
    ],
)
def test_an_object_that_breaks_a_rule_is_refused(
    rig: Rig, space: str, change: dict[str, Any], code: int
) -> None:
    reply = rig.raw("POST", f"/api/v1/namespaces/{space}/pods", pod("one") | change)

    assert reply.code == code
    assert reply.document["kind"] == "Status"
    assert bool(reply.document.get("details", {}).get("causes")) == (code == 422)


def test_unknown_fields_are_refused_dropped_with_a_warning_or_dropped(rig: Rig, space: str) -> None:
    path = f"/api/v1/namespaces/{space}/pods"
    strict = rig.raw("POST", f"{path}?fieldValidation=Strict", pod("one", replicas=1))
    assert strict.code == 400
    assert 'unknown field "spec.replicas"' in strict.document["message"]
    warned = rig.raw("POST", path, pod("one", replicas=1))
    assert warned.code == 201
    assert 'unknown field \\"spec.replicas\\"' in warned.headers["Warning"]
    assert "replicas" not in warned.document["spec"]
    silent = rig.raw("POST", f"{path}?fieldValidation=Ignore", pod("two", replicas=1))
    assert (silent.code, silent.headers.get("Warning")) == (201, None)
    assert rig.raw("POST", f"{path}?fieldValidation=No", pod("three")).code == 422


def test_nulls_are_dropped_and_defaults_applied(rig: Rig, space: str) -> None:
    ports = [{"containerPort": 1, "name": None}]
    body = pod("one", containers=[{"name": "main", "image": "a:1", "ports": ports}], hostname=None)
    made = rig.raw("POST", f"/api/v1/namespaces/{space}/pods", body).document
    assert "hostname" not in made["spec"]
    assert made["spec"]["containers"][0]["ports"] == [{"containerPort": 1, "protocol": "TCP"}]


def test_a_dry_run_says_what_would_be_and_keeps_nothing(core: Any, space: str) -> None:
    assert core.create_namespaced_pod(space, pod("one"), dry_run="All").metadata.uid
    assert refusal(core.read_namespaced_pod, "one", space)[0] == 404
    core.create_namespaced_pod(space, pod("one"))
    core.delete_namespaced_pod("one", space, dry_run="All")
    core.read_namespaced_pod("one", space)


def test_a_stale_update_is_a_conflict(core: Any, space: str) -> None:
    core.create_namespaced_config_map(space, {"metadata": {"name": "c"}, "data": {"a": "1"}})
    first = core.read_namespaced_config_map("c", space)
    second = core.read_namespaced_config_map("c", space)
    first.data["a"] = "2"
    assert core.replace_namespaced_config_map("c", space, first).data == {"a": "2"}
    assert refusal(core.replace_namespaced_config_map, "c", space, second) == (409, "Conflict")
    fresh = core.read_namespaced_config_map("c", space)
    again = core.replace_namespaced_config_map("c", space, fresh)
    assert again.metadata.resource_version == fresh.metadata.resource_version
    again.metadata.uid = "another"
    assert refusal(core.replace_namespaced_config_map, "c", space, again) == (409, "Conflict")


def test_what_is_immutable_stays(core: Any, space: str) -> None:
    body = {"metadata": {"name": "c"}, "data": {"a": "1"}, "immutable": True}
    core.create_namespaced_config_map(space, body)
    change = {"data": {"a": "2"}}
    assert refusal(core.patch_namespaced_config_map, "c", space, change) == (422, "Invalid")
    core.patch_namespaced_config_map("c", space, {"metadata": {"labels": {"a": "b"}}})


def test_a_strategic_patch_merges_lists_by_name(rig: Rig, core: Any, space: str) -> None:
    core.create_namespaced_pod(space, pod("one", containers=[MAIN, MAIN | {"name": "side"}]))
    path = f"/api/v1/namespaces/{space}/pods/one"
    patch = {"spec": {"containers": [{"name": "side", "image": "a:2"}]}}
    made = rig.raw("PATCH", path, patch, kind="application/strategic-merge-patch+json").document
    assert [each["image"] for each in made["spec"]["containers"]] == ["a:1", "a:2"]


def test_lists_select_and_come_in_pages(core: Any, space: str) -> None:
    for n in range(5):
        labels = {"n": str(n), **({"even": "yes"} if n % 2 == 0 else {})}
        core.create_namespaced_pod(space, pod(f"p{n}", metadata={"labels": labels}))

    def names(**how: str) -> list[str]:
        return [e.metadata.name for e in core.list_namespaced_pod(space, **how).items]

    assert names(label_selector="even") == ["p0", "p2", "p4"]
    assert names(label_selector="!even") == ["p1", "p3"]
    assert names(label_selector="n in (1,2),even=yes") == ["p2"]
    assert names(label_selector="n notin (1,2),n!=0") == ["p3", "p4"]
    assert names(field_selector="metadata.name=p3") == ["p3"]
    assert names(field_selector="status.phase!=Pending") == []
    page = core.list_namespaced_pod(space, limit=2)
    found = [e.metadata.name for e in page.items]
    while page.metadata._continue:
        page = core.list_namespaced_pod(space, limit=2, _continue=page.metadata._continue)
        found += [e.metadata.name for e in page.items]
    assert found == ["p0", "p1", "p2", "p3", "p4"]
    everywhere = core.list_pod_for_all_namespaces(field_selector=f"metadata.namespace={space}")
    assert len(everywhere.items) == 5


def test_selectors_that_do_not_parse_and_old_pages_are_refused(core: Any, space: str) -> None:
    for selector in ("a in b", "=x", "a=(", "a b"):
        assert refusal(core.list_namespaced_pod, space, label_selector=selector)[0] == 400
    assert refusal(core.list_namespaced_pod, space, field_selector="spec.x=1")[0] == 400
    assert refusal(core.list_namespaced_pod, space, _continue="never") == (410, "Expired")
    assert refusal(core.list_namespaced_pod, space, resource_version="99999999")[0] == 504


def test_a_pod_on_a_node_stays_until_its_kubelet_lets_it_go(
    rig: Rig, core: Any, space: str
) -> None:
    core.create_namespaced_pod(space, pod("one", terminationGracePeriodSeconds=7))
    rig.server.store.bind(space, "one", "node-1")
    core.delete_namespaced_pod("one", space)
    held = core.read_namespaced_pod("one", space)
    assert held.metadata.deletion_timestamp
    assert held.metadata.deletion_grace_period_seconds == 7
    core.delete_namespaced_pod("one", space, grace_period_seconds=0)
    assert refusal(core.read_namespaced_pod, "one", space)[0] == 404


def test_a_pod_is_bound_once_and_its_spec_is_fixed(rig: Rig, core: Any, space: str) -> None:
    core.create_namespaced_pod(space, pod("one"))
    path = f"/api/v1/namespaces/{space}/pods/one/binding"
    body = {"apiVersion": "v1", "kind": "Binding", "target": {"name": "node-1"}}
    assert rig.raw("POST", path, body).code == 201
    assert rig.raw("POST", path, body).code == 409
    found = core.list_namespaced_pod(space, field_selector="spec.nodeName=node-1").items
    assert [e.metadata.name for e in found] == ["one"]
    patch = {"spec": {"nodeName": "node-2"}}
    assert refusal(core.patch_namespaced_pod, "one", space, patch) == (422, "Invalid")


def test_a_deletion_can_be_meant_for_one_object_only(core: Any, space: str) -> None:
    made = core.create_namespaced_config_map(space, {"metadata": {"name": "c"}})
    wrong = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="other"))
    assert refusal(core.delete_namespaced_config_map, "c", space, body=wrong) == (409, "Conflict")
    right = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=made.metadata.uid))
    core.delete_namespaced_config_map("c", space, body=right)
    assert refusal(core.delete_namespaced_config_map, "c", space)[0] == 404


def test_a_collection_is_deleted_by_its_labels(core: Any, space: str) -> None:
    for name, label in (("a", "x"), ("b", "y"), ("c", "x")):
        metadata = {"name": name, "labels": {"l": label}}
        core.create_namespaced_config_map(space, {"metadata": metadata})
    core.delete_collection_namespaced_config_map(space, label_selector="l=x")
    assert [e.metadata.name for e in core.list_namespaced_config_map(space).items] == ["b"]


def test_a_namespace_takes_everything_in_it_along(rig: Rig, core: Any, space: str) -> None:
    core.create_namespaced_pod(space, pod("one"))
    rig.server.store.bind(space, "one", "node-1")
    core.create_namespaced_config_map(space, {"metadata": {"name": "c"}})
    core.delete_namespace(space)
    rig.server.store.settle()
    assert core.read_namespace(space).status.phase == "Terminating"
    assert core.list_namespaced_config_map(space).items == []
    late = {"metadata": {"name": "late"}}
    assert refusal(core.create_namespaced_config_map, space, late) == (403, "Forbidden")
    core.delete_namespaced_pod("one", space, grace_period_seconds=0)
    rig.server.store.settle()
    assert refusal(core.read_namespace, space)[0] == 404
    assert refusal(core.create_namespaced_config_map, space, late) == (404, "NotFound")


def test_what_is_not_served_is_said_to_be_absent(rig: Rig) -> None:
    for path in ("/apis/apps/v1/deployments", "/api/v1/nothing", "/apis/none/v1", "/openapi/v2"):
        assert rig.raw("GET", path).code == 404
    assert rig.raw("PUT", "/api/v1/pods", {}).code == 405
    assert rig.raw("POST", "/api/v1/namespaces", kind="text/plain", body={}).code == 415
    names = [e["name"] for e in rig.raw("GET", "/apis").document["groups"]]
    assert {"nvidia.com", "grove.io", "leaderworkerset.x-k8s.io"} <= set(names)
    plurals = {e["name"] for e in rig.raw("GET", "/api/v1").document["resources"]}
    assert {"pods", "pods/log", "pods/portforward", "pods/status", "services"} <= plurals
