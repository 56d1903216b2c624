"""Passing means: whatever an API server does, the client says it in words and in time."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("kubernetes")

from fixtures.clients.kubernetes import KubeClient, KubeUnavailableError, place_of
from fixtures.clients.kubernetes_connect import MISSING
from fixtures.clients.kubernetes_kinds import PODS, Collection, text
from fixtures.clients.kubernetes_watch import Mirror
from fixtures.minik8s.api_mischief import Trouble
from fixtures.model.kubernetes import KubeAccess

from .k8s_rig import Rig, kubernetes_api

pytestmark = pytest.mark.selftest

MAPS = Collection("", "v1", "configmaps", "ConfigMap")
CALL_S = 3.0
TRIES = 3


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with kubernetes_api(tmp_path_factory.mktemp("client")) as made:
        yield made


@pytest.fixture
def client(rig: Rig) -> Iterator[KubeClient]:
    """A client with a namespace of its own, on a server that behaves."""
    yield client_of(rig)
    rig.server.mischief.clear()


def client_of(rig: Rig, call_s: float = CALL_S) -> KubeClient:
    return KubeClient(KubeAccess(str(rig.server.kubeconfig), "", rig.namespace(), call_s))


def a_map(name: str) -> dict[str, object]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"a": "b"}}


def uid_of(client: KubeClient, name: str) -> str:
    return text(client.read(MAPS, name).data, "metadata", "uid")


@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("401", "Unauthorized"),
        ("403", "cannot list resource"),
        ("404", "404"),
        ("500", "Internal"),
        ("503", "unable to handle"),
        ("cut", "broke off"),
    ],
)
def test_a_refusal_is_a_problem_in_words(
    what: str, said: str, rig: Rig, client: KubeClient
) -> None:
    rig.server.mischief.add(Trouble(what, "list", "configmaps", times=None))

    items, answer = client.items(MAPS)

    assert (items, answer.ok) == ([], False)
    assert said in answer.problem
    assert rig.server.token not in f"{answer} {client.access!r}"


def test_silence_ends_at_the_deadline(rig: Rig) -> None:
    client = client_of(rig, call_s=0.5)
    rig.server.mischief.add(Trouble("hang", "get", "configmaps"))

    answer = client.read(MAPS, "any")
    rig.server.mischief.clear()

    assert answer.status is None
    assert answer.unclear
    assert "imed out" in answer.problem


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"SSH-2.0-OpenSSH_9\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n<html>",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]",
        b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{}",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 999 \xff\xfe\r\n\r\n\xff",
    ],
)
def test_what_is_no_api_server_is_a_problem_in_words(said: bytes, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_answer_all, args=(listener, said), daemon=True).start()
        client = KubeClient(KubeAccess(kubeconfig(tmp_path, listener.getsockname()[1]), "", "", 2))

        assert client.version().problem
        assert client.items(PODS)[1].problem
        mirror = Mirror(client, PODS)
        assert not mirror.refresh(0.2)
        assert mirror.problem


def _answer_all(listener: socket.socket, said: bytes) -> None:
    while True:
        try:
            link, _ = listener.accept()
        except OSError:
            return
        with link:
            link.recv(65536)
            link.sendall(said)


def kubeconfig(directory: Path, port: int, user: str = "{token: abc}") -> str:
    """A kubeconfig that leads to a port of this machine."""
    path = directory / "kubeconfig"
    path.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n"
        f"clusters: [{{name: c, cluster: {{server: 'http://127.0.0.1:{port}'}}}}]\n"
        "contexts: [{name: here, context: {cluster: c, user: u, namespace: ours}}]\n"
        f"users: [{{name: u, user: {user}}}]\n"
    )
    return str(path)


def test_a_busy_server_is_asked_again_when_it_says_so(rig: Rig, client: KubeClient) -> None:
    rig.server.mischief.add(Trouble("429", "create", "configmaps", times=2, retry_after_s=1))

    assert client.create(MAPS, a_map("a")).ok


def test_a_server_that_stays_busy_does_not_take_longer_than_the_deadline(rig: Rig) -> None:
    client = client_of(rig, call_s=1.5)
    rig.server.mischief.add(Trouble("429", "list", "configmaps", times=None, retry_after_s=3600))

    answer = client.items(MAPS)[1]
    rig.server.mischief.clear()

    assert answer.status == 429


def test_a_read_is_tried_again_and_a_creation_is_not(rig: Rig, client: KubeClient) -> None:
    for verb in ("get", "create"):
        rig.server.mischief.add(Trouble("503", verb, "configmaps", times=1))

    assert client.create(MAPS, a_map("a")).unclear
    assert client.read(MAPS, "a").missing


def test_what_is_there_stays_as_it_is(client: KubeClient) -> None:
    client.create(MAPS, a_map("a"))

    answer = client.create(MAPS, a_map("a"))
    other = client.delete(MAPS, "a", "11111111-2222-3333-4444-555555555555")

    assert (answer.status, answer.reason) == (409, "AlreadyExists")
    assert other.status == 409
    assert client.read(MAPS, "a").ok
    assert client.delete(MAPS, "a", uid_of(client, "a")).ok
    assert client.read(MAPS, "a").missing


def test_a_mirror_loses_nothing_when_watches_end(rig: Rig, client: KubeClient) -> None:
    mirror = Mirror(client, MAPS)
    assert mirror.refresh(1)
    for number, trouble in enumerate(("", "429", "cut", "500", "expired", "status")):
        client.create(MAPS, a_map(f"m{number}"))
        rig.server.mischief.expired_watches = trouble in ("expired", "status")
        rig.server.mischief.expired_as_status = trouble == "status"
        if trouble in ("429", "cut", "500"):
            rig.server.mischief.add(Trouble(trouble, "watch", "configmaps", retry_after_s=1))
        seen = _until(mirror, lambda: len(mirror.objects) == number + 1)  # noqa: B023
        assert seen, f"{trouble}: {mirror.problem}"
    client.delete(MAPS, "m0", uid_of(client, "m0"))
    assert _until(mirror, lambda: len(mirror.gone) == 1)
    assert mirror.lists >= 3
    assert mirror.problem == ""


def _until(mirror: Mirror, reached: object) -> bool:
    deadline = time.monotonic() + 10
    assert callable(reached)
    while not reached() and time.monotonic() < deadline:
        mirror.refresh(1)
    return bool(reached())


def test_a_list_of_many_pages_is_whole(client: KubeClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fixtures.clients.kubernetes_client.PAGE", 2)
    for number in range(5):
        client.create(MAPS, a_map(f"m{number}"))

    items, answer = client.items(MAPS)

    assert answer.ok
    assert [text(each, "metadata", "name") for each in items] == [f"m{n}" for n in range(5)]


def test_a_missing_library_is_one_sentence_with_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "kubernetes"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "kubernetes", None)

    client = KubeClient(KubeAccess("", "", "", 1))

    assert client.problem == MISSING
    assert client.items(PODS)[1].problem == MISSING
    with pytest.raises(KubeUnavailableError, match="pip install"):
        place_of("")


def test_a_context_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    file = kubeconfig(tmp_path, 1)

    assert (place_of(file).context, place_of(file).namespace) == ("here", "ours")
    with pytest.raises(KubeUnavailableError, match="no context 'there'; it has here"):
        place_of(file, "there")


@pytest.mark.parametrize("content", ["", "a: [", "[]", "kind: Config", "\x00", None])
def test_a_broken_kubeconfig_is_a_problem_in_words(content: str | None, tmp_path: Path) -> None:
    path = tmp_path / "kubeconfig"
    if content is not None:
        path.write_text(content)

    with pytest.raises(KubeUnavailableError, match="kubeconfig"):
        place_of(str(path))
    assert "kubeconfig" in KubeClient(KubeAccess(str(path), "", "", 1)).problem


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("exit 3", "gave no credentials"),
        ("echo no-json", "gave no credentials"),
        ("sleep 30", "did not come within"),
    ],
)
def test_a_program_that_gives_no_credentials_is_a_problem_in_words(
    script: str, said: str, tmp_path: Path
) -> None:
    program = tmp_path / "credentials"
    program.write_text(f"#!/bin/sh\n{script}\n".replace("sleep", "exec sleep"))
    program.chmod(0o755)
    user = (
        f"{{exec: {{apiVersion: client.authentication.k8s.io/v1, command: {program}, "
        "interactiveMode: Never}}"
    )

    client = KubeClient(KubeAccess(kubeconfig(tmp_path, 1, user), "", "", 1.0))

    assert said in client.problem
