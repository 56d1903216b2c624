"""Passing means: the chat client records what any server does, and never waits for ever."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures.clients.chat import ChatClient
from fixtures.evidence import EvidenceStore

pytestmark = pytest.mark.selftest

DEADLINE_S = 1.0
SLACK_S = 5.0
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


@contextmanager
def server(answer: bytes, *, drip: bytes = b"") -> Iterator[str]:
    """A loopback server that sends one answer to each caller, then drips for ever if asked to."""
    ended = threading.Event()

    def serve(link: socket.socket) -> None:
        with link:
            link.recv(65536)
            try:
                link.sendall(answer)
                while drip and not ended.wait(0.05):
                    link.sendall(drip)
            except OSError:
                return

    def accept() -> None:
        while True:
            try:
                link, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(link,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        ended.set()
        listener.shutdown(socket.SHUT_RDWR)


def client(url: str, tmp_path: Path) -> ChatClient:
    """A client with a short deadline."""
    return ChatClient(url, "m", EvidenceStore(tmp_path / "evidence", tmp_path), DEADLINE_S)


@pytest.mark.parametrize("drip", [b": still here\n\n", b" "], ids=["comments", "spaces"])
def test_the_sdk_does_not_wait_for_a_server_that_trickles(drip: bytes, tmp_path: Path) -> None:
    with server(HEAD, drip=drip) as url:
        started = time.monotonic()
        answer = client(url, tmp_path).guide_request_with_sdk()

    assert time.monotonic() - started < DEADLINE_S + SLACK_S
    assert answer.error == "no end within 1 s"


def test_what_the_sdk_raises_is_kept_as_evidence(tmp_path: Path) -> None:
    with server(b"HTTP/1.1 401 No\r\ncontent-length: 0\r\nconnection: close\r\n\r\n") as url:
        answer = client(url, tmp_path).guide_request_with_sdk()

    assert answer.error.startswith("AuthenticationError")
    (kept,) = (tmp_path / "evidence").iterdir()
    assert "AuthenticationError" in kept.read_text()


def test_every_request_carries_its_nonce_twice(tmp_path: Path) -> None:
    with server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}") as url:
        answer = client(url, tmp_path).ask("Count from 1 to 5.")

    assert f"[{answer.nonce}] Count from 1 to 5." in answer.request_body
    assert ("x-request-id", answer.nonce) in answer.request_headers
    assert answer.status == 200
