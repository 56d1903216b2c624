"""Passing means: whatever a server does, the client comes back in time with a record of it.

Not covered: TLS, names that do not resolve, proxies.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from fixtures.clients import http
from fixtures.clients.http import exchange
from fixtures.model.evidence import Exchange

pytestmark = pytest.mark.selftest

Script = Callable[[socket.socket, threading.Event], None]

DEADLINE_S = 0.5
SLACK_S = 2.0
HEAD = b"HTTP/1.1 200 OK\r\n"


@dataclass(slots=True)
class Server:
    """A loopback server that reads one request and then does what its script says."""

    url: str
    asked: bytes = b""


@contextlib.contextmanager
def serving(script: Script) -> Iterator[Server]:
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Server(f"http://127.0.0.1:{listener.getsockname()[1]}/v1/x?y=1")

        def serve() -> None:
            listener.settimeout(10)
            with contextlib.suppress(OSError), listener.accept()[0] as link:
                link.settimeout(10)
                while b"\r\n\r\n" not in server.asked:
                    server.asked += link.recv(65536)
                script(link, over)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield server
        finally:
            over.set()
            thread.join(15)
            assert not thread.is_alive()


def sends(*parts: bytes) -> Script:
    def script(link: socket.socket, _over: threading.Event) -> None:
        for part in parts:
            link.sendall(part)

    return script


def ask(script: Script, deadline_s: float = 10.0) -> Exchange:
    with serving(script) as server:
        return exchange("GET", server.url, deadline_s=deadline_s)


def assert_bytes_are_accounted_for(answer: Exchange) -> None:
    """Arrivals add up to the bytes received, in order of time."""
    assert sum(arrival.size for arrival in answer.arrivals) == len(answer.wire)
    times = [arrival.at_s for arrival in answer.arrivals]
    assert times == sorted(times)
    assert all(0 <= at_s <= answer.duration_s for at_s in times)


def test_an_answer_with_a_content_length_is_recorded_whole() -> None:
    raw = HEAD + b"Content-Type: text/plain\r\nX-Odd: a, b\r\ncontent-length: 5\r\n\r\nhello"
    answer = ask(sends(raw))

    assert (answer.error, answer.status, answer.body, answer.wire) == ("", 200, b"hello", raw)
    assert answer.header("content-type") == "text/plain"
    assert answer.header("X-ODD") == "a, b"
    assert answer.header("absent") == ""
    assert_bytes_are_accounted_for(answer)


def test_the_request_is_sent_and_kept_as_it_was_asked() -> None:
    with serving(sends(HEAD + b"content-length: 0\r\n\r\n")) as server:
        answer = exchange(
            "POST", server.url, deadline_s=10, headers={"x-one": "1"}, body=b"{}", nonce="n1"
        )

    lines = server.asked.split(b"\r\n")
    assert lines[0] == b"POST /v1/x?y=1 HTTP/1.1"
    assert {b"x-one: 1", b"content-length: 2", b"connection: close"} <= {x.lower() for x in lines}
    assert lines[-1] == b"{}"
    assert (answer.request_body, answer.nonce, answer.method) == ("{}", "n1", "POST")
    assert dict(answer.request_headers)["x-one"] == "1"
    assert (answer.error, answer.body) == ("", b"")


def test_chunks_are_joined_in_the_body_and_kept_apart_on_the_wire() -> None:
    raw = HEAD + b"transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
    answer = ask(sends(raw))

    assert (answer.error, answer.body, answer.wire) == ("", b"abcde", raw)
    assert_bytes_are_accounted_for(answer)


def test_a_body_that_ends_with_the_connection_is_complete() -> None:
    answer = ask(sends(HEAD + b"\r\n", b"all of it"))

    assert (answer.error, answer.body) == ("", b"all of it")


def test_an_interim_answer_is_not_taken_for_the_answer() -> None:
    answer = ask(sends(b"HTTP/1.1 103 Early Hints\r\n\r\n" + HEAD + b"content-length: 1\r\n\r\nx"))

    assert (answer.error, answer.status, answer.body) == ("", 200, b"x")


def test_an_answer_of_single_bytes_is_the_same_answer() -> None:
    raw = HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"

    def trickle(link: socket.socket, _over: threading.Event) -> None:
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in raw:
            link.sendall(bytes([byte]))

    answer = ask(trickle)

    assert (answer.error, answer.body, answer.wire) == ("", b"hello", raw)
    assert_bytes_are_accounted_for(answer)


def test_an_error_status_is_an_answer_and_no_error() -> None:
    answer = ask(sends(b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\nbusy"))

    assert (answer.error, answer.status, answer.text) == ("", 503, "busy")


def test_a_refused_connection_is_recorded() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        answer = exchange("GET", f"http://127.0.0.1:{bound.getsockname()[1]}/", deadline_s=5)

    assert "refused" in answer.error
    assert (answer.status, answer.wire, answer.arrivals) == (None, b"", ())


def reset(link: socket.socket, _over: threading.Event) -> None:
    link.sendall(HEAD + b"content-length: 100\r\n\r\npart")
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_reset_in_the_middle_keeps_what_had_come() -> None:
    answer = ask(reset)

    assert "reset" in answer.error
    assert (answer.status, answer.body) == (200, b"part")
    assert_bytes_are_accounted_for(answer)


@pytest.mark.parametrize(
    ("raw", "body"),
    [
        (b"", b""),
        (b"HTTP/1.1 200", b""),
        (HEAD + b"content-length: 9\r\n", b""),
        (HEAD + b"content-length: 9\r\n\r\nearly", b"early"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhel", b"hel"),
        (HEAD + b"transfer-encoding: chunked\r\n\r\n5\r\nhello\r\n", b"hello"),
    ],
    ids=["nothing", "status line", "headers", "content-length", "in a chunk", "no last chunk"],
)
def test_an_answer_cut_short_is_an_error_and_its_part_is_kept(raw: bytes, body: bytes) -> None:
    answer = ask(sends(raw))

    assert "clos" in answer.error
    assert (answer.body, answer.wire) == (body, raw)
    assert_bytes_are_accounted_for(answer)


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"\x00\x01\x02\xff" * 64 + b"\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        HEAD + b"no colon here\r\n\r\n",
        HEAD + b"content-length: many\r\n\r\n",
        HEAD + b"content-length: -1\r\n\r\n",
        HEAD + b"content-length: " + b"9" * 5000 + b"\r\n\r\n",
        HEAD + b"content-length: 1\r\ncontent-length: 2\r\n\r\nx",
        HEAD + b"transfer-encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"transfer-encoding: gzip\r\n\r\nx",
        HEAD + b"x: " + b"y" * 200_000 + b"\r\n\r\n",
    ],
    ids=lambda raw: repr(raw[:40]),
)
def test_what_is_no_http_is_an_error_with_its_bytes(raw: bytes) -> None:
    answer = ask(sends(raw))

    assert answer.error.startswith("not valid HTTP/1.1:")
    assert answer.wire
    assert raw.startswith(answer.wire)
    assert_bytes_are_accounted_for(answer)


def test_bytes_beyond_the_declared_length_are_no_part_of_the_body() -> None:
    answer = ask(sends(HEAD + b"content-length: 2\r\n\r\nhello"))

    assert answer.body == b"he"
    assert answer.wire.endswith(b"hello")


def silence(_link: socket.socket, over: threading.Event) -> None:
    over.wait(10)


def trickle_for_ever(link: socket.socket, over: threading.Event) -> None:
    link.sendall(HEAD + b"content-length: 100000\r\n\r\n")
    while not over.wait(0.02):
        link.sendall(b".")


@pytest.mark.parametrize("script", [silence, trickle_for_ever], ids=["silent", "slow"])
def test_the_deadline_ends_the_whole_exchange(script: Script) -> None:
    answer = ask(script, deadline_s=DEADLINE_S)

    assert answer.error == "no complete answer within 0.5 s"
    assert DEADLINE_S <= answer.duration_s < DEADLINE_S + SLACK_S
    assert_bytes_are_accounted_for(answer)


def test_a_server_that_reads_nothing_cannot_hold_a_large_request() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=1) as deaf:
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        answer = exchange("POST", url, deadline_s=DEADLINE_S, body=b"x" * 20_000_000)

    assert answer.error == "no complete answer within 0.5 s"
    assert answer.duration_s < DEADLINE_S + SLACK_S


def test_a_slow_answer_keeps_the_bytes_that_came_in_time() -> None:
    answer = ask(trickle_for_ever, deadline_s=DEADLINE_S)

    assert answer.status == 200
    assert set(answer.body) == {ord(".")}
    assert len(answer.arrivals) > 2


def test_an_answer_over_the_size_limit_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_BYTES", 1000)
    answer = ask(sends(HEAD + b"\r\n" + b"x" * 5000))

    assert answer.error == "the answer is larger than 1000 bytes"
    assert len(answer.wire) < 1000 + http.READ_BYTES
    assert_bytes_are_accounted_for(answer)
