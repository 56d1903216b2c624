"""Passing means: logs and forwarded ports of the double are real bytes from real places."""

from __future__ import annotations

import contextlib
import http.server
import re
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

pytest.importorskip("kubernetes")

from kubernetes import client
from kubernetes.client.rest import ApiException
from kubernetes.stream import portforward

from fixtures.minik8s.api_frames import BINARY, CLOSE, Frames, frame
from fixtures.minik8s.api_logs import LogRequest
from fixtures.minik8s.api_spdy import Echo, Session

from .k8s_rig import Rig, kubernetes_api, pod

pytestmark = pytest.mark.selftest

SIZE = 300_000


class Page(http.server.BaseHTTPRequestHandler):
    """Answers with many bytes, and takes many."""

    def do_GET(self) -> None:
        """Many bytes."""
        self.send_response(200)
        self.send_header("Content-Length", str(SIZE))
        self.end_headers()
        self.wfile.write(b"x" * SIZE)

    def do_POST(self) -> None:
        """The number of bytes that came."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        text = str(len(body)).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def page() -> Iterator[int]:
    """The port of a real HTTP server."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join(10.0)
    server.server_close()


def some_logs(wanted: LogRequest) -> bytes | Iterator[bytes]:
    """Lines that say what was asked for."""
    lines = [f"{wanted.pod}/{wanted.container} {n}\n".encode() for n in range(5)]
    if wanted.previous:
        return b"before\n"
    lines = lines[-wanted.tail_lines :] if wanted.tail_lines is not None else lines
    return iter(lines) if wanted.follow else b"".join(lines)


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory, page: int) -> Iterator[Rig]:
    """A double with the pods `one` on a node, `two` with two containers, `none` on no node."""
    with kubernetes_api(tmp_path_factory.mktemp("forward"), ()) as made:
        store = made.server.store
        store.create("pods", pod("one"), "default")
        both = [{"name": name, "image": "a:1"} for name in ("main", "side")]
        store.create("pods", pod("two", containers=both), "default")
        store.create("pods", pod("none"), "default")
        for name in ("one", "two"):
            store.bind("default", name, "node-1")
            store.update_status("pods", name, "default", {"phase": "Running"})
        made.server.logs = some_logs
        made.server.ports = lambda namespace, name, port: (
            ("127.0.0.1", page) if (namespace, name, port) == ("default", "one", 8000) else None
        )
        yield made


@pytest.fixture
def core(rig: Rig) -> Iterator[Any]:
    """The official client."""
    with rig.client() as made:
        yield client.CoreV1Api(made)


def test_the_log_of_a_container(core: Any) -> None:
    whole = core.read_namespaced_pod_log("one", "default")
    assert whole.splitlines() == [f"one/main {n}" for n in range(5)]
    assert core.read_namespaced_pod_log("one", "default", tail_lines=1) == "one/main 4\n"
    assert core.read_namespaced_pod_log("one", "default", previous=True) == "before\n"
    side = core.read_namespaced_pod_log("two", "default", container="side", tail_lines=1)
    assert side == "two/side 4\n"
    stream = core.read_namespaced_pod_log("one", "default", follow=True, _preload_content=False)
    assert b"".join(stream.stream()).count(b"\n") == 5


@pytest.mark.parametrize(
    ("name", "container", "code"),
    [("none", None, 400), ("two", None, 400), ("one", "other", 400), ("absent", None, 404)],
)
def test_a_log_that_there_cannot_be_is_refused(
    core: Any, name: str, container: str | None, code: int
) -> None:
    more = {} if container is None else {"container": container}
    with pytest.raises(ApiException) as caught:
        core.read_namespaced_pod_log(name, "default", **more)
    assert caught.value.status == code


def test_a_container_that_has_not_started_has_no_log(rig: Rig, core: Any) -> None:
    state = {"name": "main", "restartCount": 0, "state": {"waiting": {"reason": "Creating"}}}
    status = {"phase": "Running", "containerStatuses": [state]}
    rig.server.store.update_status("pods", "one", "default", status)
    with pytest.raises(ApiException) as caught:
        core.read_namespaced_pod_log("one", "default")
    rig.server.store.update_status("pods", "one", "default", {"phase": "Running"})
    assert caught.value.status == 400
    assert "waiting to start: Creating" in caught.value.body


def request(link: socket.socket, text: bytes) -> bytes:
    """The body of the answer to one HTTP request over a link."""
    link.settimeout(20.0)
    link.sendall(text)
    found = b""
    while True:
        head, mark, body = found.partition(b"\r\n\r\n")
        if mark:
            size = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
            if len(body) >= size:
                return body
        piece = link.recv(65536)
        assert piece, "the link ended early"
        found += piece


@contextlib.contextmanager
def forwarded(core: Any, port: int) -> Iterator[Any]:
    """A forward by the official client, which leaves its websocket open when the server ends it."""
    call = core.connect_get_namespaced_pod_portforward
    made = portforward(call, "one", "default", ports=str(port))
    yield made
    made.socket(port).close()
    made.websocket.shutdown()


def test_a_port_is_forwarded_both_ways(core: Any) -> None:
    with forwarded(core, 8000) as made:
        text = request(made.socket(8000), b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        assert text == b"x" * SIZE
    with forwarded(core, 8000) as made:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % SIZE
        assert request(made.socket(8000), head + b"y" * SIZE) == str(SIZE).encode()
        assert made.error(8000) is None


def test_a_port_where_nobody_listens_says_so(core: Any) -> None:
    with forwarded(core, 9999) as made:
        link = made.socket(9999)
        link.settimeout(20.0)
        assert link.recv(10) == b""
        assert "connection refused" in made.error(9999)


def fetch(line: str) -> bytes:
    """What a port that kubectl forwards answers; `line` is what it says about it."""
    found = re.search(r"127\.0\.0\.1:(\d+) ->", line)
    assert found, line
    with socket.create_connection(("127.0.0.1", int(found[1])), 20.0) as link:
        return request(link, b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")


def test_kubectl_forwards_a_port(rig: Rig) -> None:
    words = ("port-forward", "--address=127.0.0.1", "pod/one", ":8000", ":9999")
    with rig.kubectl_running(*words) as process:
        good, bad = process.stdout.readline(), process.stdout.readline()
        assert fetch(good) == fetch(good) == b"x" * SIZE
        with pytest.raises((AssertionError, ConnectionError)):
            fetch(bad)
        assert "refused" in "".join(iter(process.stdout.readline, ""))


def test_what_is_no_spdy_ends_the_connection() -> None:
    session = Session()
    ping = b"\x80\x03\x00\x06\x00\x00\x00\x04\x00\x00\x00\x01"
    assert list(session.feed(ping[:5])) == []
    assert list(session.feed(ping[5:])) == [Echo(ping)]
    with pytest.raises(ConnectionError):
        list(session.feed(b"\x80\x03\x00\x01\x00\x00\x00\x0ebad" + b"\x00" * 11))
    with pytest.raises(ConnectionError):
        list(Session().feed(b"\x00\x00\x00\x01\x00\xff\xff\xff"))


@pytest.mark.parametrize(
    ("name", "ports", "code"),
    [("none", "8000", 400), ("absent", "8000", 404), ("one", "99999", 400)],
)
def test_a_forward_that_cannot_be_is_refused(rig: Rig, name: str, ports: str, code: int) -> None:
    # Not with the official client: it leaves its socket open when it is refused.
    path = f"/api/v1/namespaces/default/pods/{name}/portforward?ports={ports}"
    reply = rig.raw("GET", path)
    assert (reply.code, reply.document["kind"]) == (code, "Status")


def test_a_forward_needs_a_websocket(rig: Rig) -> None:
    path = "/api/v1/namespaces/default/pods/one/portforward"
    assert rig.raw("GET", f"{path}?ports=8000").code == 400
    assert rig.raw("GET", path).code == 400


def masked(kind: int, body: bytes, *, last: bool = True) -> bytes:
    """A frame as a client sends it."""
    plain = frame(kind, body)
    start = len(plain) - len(body)
    key = b"\x01\x02\x03\x04"
    hidden = bytes(byte ^ key[n % 4] for n, byte in enumerate(body))
    first = plain[0] if last else plain[0] & 0x7F
    return bytes([first, plain[1] | 0x80]) + plain[2:start] + key + hidden


@pytest.mark.parametrize("size", [0, 5, 200, 70_000])
def test_frames_are_put_together_however_they_arrive(size: int) -> None:
    text = masked(BINARY, b"z" * size) + masked(CLOSE, b"\x03\xe8")
    frames = Frames()
    found = [each for n in range(0, len(text), 7) for each in frames.feed(text[n : n + 7])]
    assert found == [(BINARY, b"z" * size), (CLOSE, b"\x03\xe8")]
    parts = masked(BINARY, b"a", last=False) + masked(0, b"b")
    assert list(Frames().feed(parts)) == [(BINARY, b"ab")]
    with pytest.raises(ConnectionError):
        list(Frames().feed(frame(BINARY, b"bare")))
