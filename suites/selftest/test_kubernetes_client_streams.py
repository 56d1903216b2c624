"""Passing means: bytes through a port-forward are those of the pod, at once, and logs are whole."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("kubernetes")

from fixtures.clients.kubernetes import KubeClient, place_of
from fixtures.clients.kubernetes_forward import LISTENS, Route, command
from fixtures.clients.kubernetes_kinds import LABEL_SERVICE, PODS, SLICES, text
from fixtures.clients.kubernetes_logs import LogCollector
from fixtures.minik8s import forward as forward_of_the_double
from fixtures.minik8s.api_logs import LogRequest
from fixtures.model.kubernetes import KubeAccess

from .k8s_rig import Rig, kubernetes_api, pod
from .runs import ROOT
from .test_interrupts import wait_for

pytestmark = pytest.mark.selftest

LIMIT_S = 20.0
BIG = 3_000_000
CLIENTS = 32
EVENTS = 4


class _Frontend(BaseHTTPRequestHandler):
    """What a pod serves: an echo, a large answer, and a stream whose events wait for a sign."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", str(3 * len(body)))
        self.end_headers()
        self.wfile.write(3 * body)

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("connection", "close")
        self.end_headers()
        self.close_connection = True
        if self.path == "/big":
            self.wfile.write(b"x" * BIG)
            return
        for number in range(EVENTS):
            self.wfile.write(f"data: {number}\n\n".encode())
            self.wfile.flush()
            # Nothing more is said until the client has got this one.
            assert self.server.got.acquire(timeout=LIMIT_S)  # type: ignore[attr-defined]


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    daemon_threads = True


@contextmanager
def frontend() -> Iterator[_Server]:
    """A server that a pod of the double leads to."""
    with _Server(("127.0.0.1", 0), _Frontend) as server:
        server.got = threading.Semaphore(0)  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with kubernetes_api(tmp_path_factory.mktemp("streams")) as made:
        yield made


@pytest.fixture
def client(rig: Rig) -> KubeClient:
    place = place_of(str(rig.server.kubeconfig))
    return KubeClient(KubeAccess(str(rig.server.kubeconfig), place.context, rig.namespace(), 5.0))


def running_pod(client: KubeClient, name: str) -> str:
    """A pod on a node; returns its uid."""
    body = pod(name)
    body["spec"]["nodeName"] = "n1"
    return text(client.create(PODS, body).data, "metadata", "uid")


def lead_to(client: KubeClient, *pods: str) -> None:
    """Make the service `web` lead to these pods."""
    old = client.read(SLICES, "web-1")
    if old.ok:
        client.delete(SLICES, "web-1", text(old.data, "metadata", "uid"))
    endpoints = [
        {"addresses": ["10.0.0.1"], "conditions": {"ready": True}, "targetRef": {"name": each}}
        for each in pods
    ]
    body = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "labels": {LABEL_SERVICE: "web"}},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": "http", "port": 8000}],
    }
    answer = client.create(SLICES, body)
    assert answer.ok, answer.problem


@contextmanager
def forwarding(client: KubeClient) -> Iterator[int]:
    """The program that forwards, leading to the service; yields its port."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen(
        command(sys.executable, client.access, [Route(port, service="web")]),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == LISTENS
        yield port
        process.terminate()
        said, _ = process.communicate(timeout=LIMIT_S)
        assert process.returncode == 0
        assert "Traceback" not in said
    finally:
        process.kill()
        process.communicate()


def test_bytes_through_the_forward_are_those_of_the_pod(rig: Rig, client: KubeClient) -> None:
    running_pod(client, "web-a")
    lead_to(client, "web-a")
    with frontend() as server, forwarding(client) as port:
        rig.server.ports = lambda _namespace, _pod, _port: ("127.0.0.1", server.server_port)

        def echoes(_: int) -> bool:
            body = os.urandom(50_000)
            request = urllib.request.Request(f"http://127.0.0.1:{port}/", data=body)
            with urllib.request.urlopen(request, timeout=LIMIT_S) as answer:  # noqa: S310
                return bool(answer.read() == 3 * body)

        with ThreadPoolExecutor(CLIENTS) as pool:
            assert all(pool.map(echoes, range(CLIENTS)))
        url = f"http://127.0.0.1:{port}/events"
        with urllib.request.urlopen(url, timeout=LIMIT_S) as stream:
            for number in range(EVENTS):
                assert stream.readline() == f"data: {number}\n".encode()
                stream.readline()
                server.got.release()  # type: ignore[attr-defined]


def test_a_slow_reader_gets_everything_even_where_the_server_just_hangs_up(
    rig: Rig, client: KubeClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = forward_of_the_double.frame

    def without_goodbye(kind: int, *more: Any) -> bytes:
        return b"" if kind == forward_of_the_double.CLOSE else whole(kind, *more)

    monkeypatch.setattr(forward_of_the_double, "frame", without_goodbye)
    running_pod(client, "web-a")
    lead_to(client, "web-a")
    with frontend() as server, forwarding(client) as port:
        rig.server.ports = lambda _namespace, _pod, _port: ("127.0.0.1", server.server_port)
        with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_S) as link:
            link.sendall(b"GET /big HTTP/1.0\r\n\r\n")
            got = 0
            while piece := link.recv(16384):
                got += len(piece)

    assert got > BIG


def test_another_pod_is_chosen_when_the_first_goes_away(rig: Rig, client: KubeClient) -> None:
    served: list[str] = []
    first = running_pod(client, "web-a")
    running_pod(client, "web-b")
    lead_to(client, "web-a")
    with frontend() as server, forwarding(client) as port:

        def where(_namespace: str, name: str, _port: int) -> tuple[str, int]:
            served.append(name)
            return "127.0.0.1", server.server_port

        rig.server.ports = where
        url = f"http://127.0.0.1:{port}/big"
        for _ in range(2):
            with urllib.request.urlopen(url, timeout=LIMIT_S) as answer:
                assert len(answer.read()) == BIG
            if served == ["web-a"]:
                client.delete(PODS, "web-a", first, grace_s=0)
                lead_to(client, "web-b")

    assert served == ["web-a", "web-b"]


STAMP = "2026-11-21T21:00:00.{:09d}Z {}\n"
SAID = [STAMP.format(5, "one"), STAMP.format(5, "two"), STAMP.format(7, "three")]


@pytest.mark.parametrize("timed", [True, False], ids=["with times", "without times"])
def test_a_log_that_was_cut_off_goes_on_without_a_line_twice(
    timed: bool, rig: Rig, client: KubeClient, tmp_path: Path
) -> None:
    lines = SAID if timed else [line.split(" ", 1)[1] for line in SAID]
    tries: list[LogRequest] = []

    def log(wanted: LogRequest) -> Iterable[bytes]:
        tries.append(wanted)
        yield "".join(lines[: len(tries)]).encode()
        if len(tries) > len(lines):
            client.delete(PODS, "talks", uid, grace_s=0)

    rig.server.logs = log
    uid = running_pod(client, "talks")
    runs(rig, client, "talks")
    collector = LogCollector(client, tmp_path)

    collector.follow("talks", uid)
    cut = collector.close(LIMIT_S)

    assert cut == ()
    assert (tmp_path / "talks.log").read_text() == "one\ntwo\nthree\n"
    assert len(tries) > len(lines)


def runs(rig: Rig, client: KubeClient, name: str) -> None:
    """Let the container of a pod run, as a kubelet says it."""
    state = {"running": {"startedAt": "2026-11-21T21:00:00Z"}}
    one = {"name": "main", "image": "i", "imageID": "", "ready": True, "restartCount": 0}
    status = {"phase": "Running", "containerStatuses": [{**one, "state": state}]}
    rig.server.store.update_status("pods", name, client.access.namespace, status)


def test_a_collector_that_is_told_to_stop_does_not_wait_for_a_silent_pod(
    rig: Rig, client: KubeClient, tmp_path: Path
) -> None:
    silent = threading.Event()

    def log(_: LogRequest) -> Iterable[bytes]:
        yield STAMP.format(1, "here").encode()
        while not silent.wait(0.1):
            yield b""

    rig.server.logs = log
    uid = running_pod(client, "quiet")
    runs(rig, client, "quiet")
    collector = LogCollector(client, tmp_path)
    collector.follow("quiet", uid)
    wait_for("a line", lambda: (tmp_path / "quiet.log").exists(), LIMIT_S)

    started = time.monotonic()
    left = collector.close(0.2)
    silent.set()

    assert left == ("the log of quiet may lack its end: it did not end",)
    assert time.monotonic() - started < LIMIT_S
