"""Passing means: watches of the double tell every change once, end when asked, and misbehave
when told to."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("kubernetes")

from kubernetes import client, watch
from kubernetes.client.rest import ApiException

from fixtures.minik8s.api_mischief import CUT, HANG, SLOW, Trouble

from .k8s_rig import Rig, kubernetes_api, pod

pytestmark = pytest.mark.selftest

HISTORY = 20


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One double for the module."""
    with kubernetes_api(
        tmp_path_factory.mktemp("watch"), (), history=HISTORY, bookmark_s=0.2
    ) as made:
        yield made


@pytest.fixture
def rig(shared: Rig) -> Iterator[Rig]:
    """The double; well-behaved again afterwards."""
    yield shared
    shared.server.mischief.clear()


@pytest.fixture
def core(rig: Rig) -> Iterator[Any]:
    """The official client."""
    with rig.client() as made:
        yield client.CoreV1Api(made)


@pytest.fixture
def space(rig: Rig) -> str:
    """A namespace."""
    return rig.namespace()


def maps(rig: Rig, space: str, *names: str, **labels: str) -> None:
    """Configuration maps of those names."""
    for name in names:
        body = {"metadata": {"name": name, "labels": labels}}
        rig.server.store.create("configmaps", body, space)


def events(rig: Rig, space: str, seconds: int = 1, **query: str) -> list[tuple[str, str]]:
    """Type and name of everything that a watch of that time tells."""
    text = "&".join(f"{key}={value}" for key, value in query.items())
    path = f"/api/v1/namespaces/{space}/configmaps?watch=1&timeoutSeconds={seconds}&{text}"
    found = [json.loads(line) for line in rig.raw("GET", path).document.splitlines()]
    return [(e["type"], e["object"].get("metadata", {}).get("name", "")) for e in found]


def test_the_client_follows_a_list_with_a_watch(rig: Rig, core: Any, space: str) -> None:
    maps(rig, space, "a")
    listed = core.list_namespaced_config_map(space)
    maps(rig, space, "b")
    rig.server.store.delete("configmaps", "a", space)
    follower = watch.Watch()
    found = []
    for event in follower.stream(
        core.list_namespaced_config_map,
        space,
        resource_version=listed.metadata.resource_version,
        timeout_seconds=5,
    ):
        found.append((event["type"], event["object"].metadata.name))
        if len(found) == 2:
            follower.stop()
    assert found == [("ADDED", "b"), ("DELETED", "a")]


def test_a_watch_without_a_version_begins_with_what_there_is(rig: Rig, space: str) -> None:
    maps(rig, space, "a", "b")
    assert events(rig, space) == [("ADDED", "a"), ("ADDED", "b")]
    assert events(rig, space, fieldSelector="metadata.name=b") == [("ADDED", "b")]


def test_an_object_that_leaves_the_selection_is_deleted_for_its_watcher(
    rig: Rig, space: str
) -> None:
    store = rig.server.store
    start = store.version
    maps(rig, space, "a", l="x")
    for value in ("y", "x"):
        store.patch("configmaps", "a", {"metadata": {"labels": {"l": value}}}, namespace=space)
    found = events(rig, space, labelSelector="l%3Dx", resourceVersion=start)
    assert found == [("ADDED", "a"), ("DELETED", "a"), ("ADDED", "a")]


def test_bookmarks_come_when_they_are_asked_for(rig: Rig, space: str) -> None:
    assert ("BOOKMARK", "") in events(rig, space, allowWatchBookmarks="true")
    store = rig.server.store
    with store.watch("configmaps", space, since=store.version) as follower:
        assert store.bookmark(follower) == store.version
        maps(rig, space, "a")
        assert store.bookmark(follower) is None
        assert follower.next(1.0) is not None
        assert store.bookmark(follower) == store.version


def test_a_version_that_is_too_old_is_gone(rig: Rig, core: Any, space: str) -> None:
    maps(rig, space, "a")
    old = rig.server.store.version
    maps(rig, space, *(f"m{n}" for n in range(HISTORY + 2)))
    assert events(rig, space, resourceVersion=old) == [("ERROR", "")]
    with pytest.raises(ApiException) as caught:
        for _ in watch.Watch().stream(
            core.list_namespaced_config_map, space, resource_version=old, timeout_seconds=2
        ):
            pass
    assert caught.value.status == 410
    assert len(events(rig, space, resourceVersion=rig.server.store.version)) == 0


def test_what_is_no_version_and_no_timeout_is_refused(rig: Rig, space: str) -> None:
    path = f"/api/v1/namespaces/{space}/configmaps?watch=1"
    assert rig.raw("GET", f"{path}&resourceVersion=x").code == 400
    assert rig.raw("GET", f"{path}&timeoutSeconds=x").code == 400
    assert rig.raw("GET", f"{path}&resourceVersion=99999999").code == 504
    assert rig.raw("GET", f"{path}&sendInitialEvents=true").code == 422


def test_a_watch_can_be_dropped_and_expired_on_purpose(rig: Rig, space: str) -> None:
    mischief = rig.server.mischief
    maps(rig, space, "a", "b", "c")
    mischief.watch_events = 2
    assert events(rig, space, seconds=30) == [("ADDED", "a"), ("ADDED", "b")]
    mischief.clear()
    mischief.expired_watches = 1
    assert events(rig, space) == [("ERROR", "")]
    assert len(events(rig, space)) == 3
    mischief.expired_watches, mischief.expired_as_status = 1, True
    assert rig.raw("GET", f"/api/v1/namespaces/{space}/pods?watch=1").code == 410
    mischief.expired_as_status = False


@pytest.mark.parametrize("code", [401, 403, 409, 429, 500, 503])
def test_a_request_can_be_refused_on_purpose(rig: Rig, space: str, code: int) -> None:
    rig.server.mischief.add(Trouble(str(code), "list", "pods", times=2))
    path = f"/api/v1/namespaces/{space}/pods"
    assert rig.raw("GET", f"/api/v1/namespaces/{space}/services").code == 200
    replies = [rig.raw("GET", path) for _ in range(3)]
    assert [each.code for each in replies] == [code, code, 200]
    assert ("Retry-After" in replies[0].headers) == (code == 429)
    assert replies[0].document["code"] == code


def test_a_resource_that_is_refused_is_refused_in_a_review_too(rig: Rig) -> None:
    rig.server.mischief.add(Trouble("403", resource="secrets", times=None))
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

    def allowed(resource: str) -> bool:
        spec = {"resourceAttributes": {"verb": "list", "resource": resource, "namespace": "x"}}
        reply = rig.raw("POST", path, {"spec": spec})
        assert reply.code == 201
        found: bool = reply.document["status"]["allowed"]
        return found

    assert [allowed("secrets"), allowed("pods")] == [False, True]
    assert rig.raw("GET", "/api/v1/secrets").code == 403


def test_an_answer_can_hang_be_cut_or_be_slow(rig: Rig) -> None:
    mischief, path = rig.server.mischief, "/api/v1/pods"
    mischief.add(Trouble(HANG, "list", "pods"))
    with pytest.raises(TimeoutError):
        rig.raw("GET", path, timeout_s=0.3)
    mischief.add(Trouble(CUT, "list", "pods"))
    with pytest.raises(http.client.IncompleteRead):
        rig.raw("GET", path)
    mischief.add(Trouble(SLOW, "list", "pods", seconds=0.3))
    begin = time.monotonic()
    assert rig.raw("GET", path).code == 200
    assert time.monotonic() - begin >= 0.3
    with pytest.raises(ValueError, match="no trouble"):
        mischief.add(Trouble("rain"))


def test_many_writers_lose_no_change(rig: Rig, core: Any, space: str) -> None:
    maps(rig, space, "count")
    store = rig.server.store
    follower = store.watch("configmaps", space, since=store.version)

    strange: list[ApiException] = []

    def add() -> None:
        for _ in range(5):
            while True:
                item = core.read_namespaced_config_map("count", space)
                item.data = {"n": str(int((item.data or {}).get("n", 0)) + 1)}
                try:
                    core.replace_namespaced_config_map("count", space, item)
                except ApiException as error:
                    strange.extend([error] if error.status != 409 else [])
                else:
                    break

    threads = [threading.Thread(target=add) for _ in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(30.0)
    with follower:
        seen = [follower.next(1.0)["object"]["data"]["n"] for _ in range(15)]
    assert strange == []
    assert seen == [str(n) for n in range(1, 16)]


def watch_pods(rig: Rig) -> None:
    """Watch until the server ends it."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        rig.raw("GET", "/api/v1/pods?watch=1")


def test_stopping_ends_watches_and_leaves_nothing(tmp_path: Any) -> None:
    before = set(threading.enumerate())
    with kubernetes_api(tmp_path, ()) as rig:
        store = rig.server.store
        store.create("pods", pod("a"), "default")
        follower = store.watch("pods")
        assert follower.next(1.0) is not None
        connection = threading.Thread(target=watch_pods, args=(rig,), daemon=True)
        connection.start()
    assert follower.over
    connection.join(10.0)
    assert not connection.is_alive()
    for thread in set(threading.enumerate()) - before:
        thread.join(10.0)
    assert set(threading.enumerate()) - before == set()
    assert list(tmp_path.iterdir()) == []
    rig.server.stop()
