"""Passing means: the head node's program ends what it started, says why, and trusts no stranger.

It runs as a process, as in a job step; its services and its frontend are small stand-ins.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from fixtures.services import head
from fixtures.services.base import wait_until

pytestmark = pytest.mark.selftest

HOST = "127.0.0.1"
GUARD_S = 30.0
MARK = "HEAD_SELFTEST"
NATS = """\
import socket, sys
server = socket.create_server(("127.0.0.1", int(sys.argv[1])))
while True:
    link, _ = server.accept()
    link.sendall(b"INFO {}\\r\\n")
    link.close()
"""
ETCD = """\
import http.server, sys
class Health(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"health":"true"}')
    def log_message(self, *_):
        pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[1])), Health).serve_forever()
"""
WAITS = "import signal; print('up', flush=True); signal.pause()"
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + WAITS
OUSTED = f"""\
import socket, subprocess, sys, time
subprocess.Popen([sys.executable, "-c", {NATS!r}, sys.argv[1]])
while socket.socket().connect_ex(("127.0.0.1", int(sys.argv[1]))):
    time.sleep(0.01)
sys.exit(3)
"""
"""A service that ends as soon as somebody else answers on its port."""
POLITE = "import signal, sys; signal.signal(signal.SIGTERM, lambda *_: sys.exit(0)); " + WAITS
ENDS = "import sys; sys.exit(int(sys.argv[1]))"


def free_port() -> int:
    with socket.create_server((HOST, 0)) as server:
        return int(server.getsockname()[1])


def etcd(port: int, program: str = ETCD) -> dict[str, Any]:
    argv = [sys.executable, "-c", program, str(port)]
    return {"kind": "etcd", "argv": argv, "probe": f"http://{HOST}:{port}/health"}


def nats(port: int, program: str = NATS) -> dict[str, Any]:
    argv = [sys.executable, "-c", program, str(port)]
    return {"kind": "nats", "argv": argv, "host": HOST, "port": str(port)}


@dataclass(frozen=True, slots=True)
class HeadRun:
    """One run of the program, and what it has printed."""

    popen: subprocess.Popen[bytes]
    log: Path
    mark: str

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def wait_for(self, text: str) -> None:
        assert wait_until(lambda: text in self.said, GUARD_S), self.said

    def child(self, word: str) -> psutil.Process:
        """The child with this word in its command line."""
        children = psutil.Process(self.popen.pid).children()
        (found,) = (each for each in children if any(word in part for part in each.cmdline()))
        return found

    def left(self) -> list[int]:
        """Processes of this run that are still there."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if process.environ().get(MARK) == self.mark:
                    found.append(process.pid)
        return found


Start = Callable[..., HeadRun]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    runs: list[HeadRun] = []

    def begin(
        *services: dict[str, Any], frontend: tuple[str, ...] = (WAITS,), **plan: Any
    ) -> HeadRun:
        whole = {
            "services": list(services),
            "frontend": [sys.executable, "-c", *frontend],
            "directory": str(tmp_path / "data"),
            "deadline_s": GUARD_S,
            "stop_s": GUARD_S,
            **plan,
        }
        log, mark = tmp_path / "head.log", secrets.token_hex(8)
        with log.open("wb") as file:
            popen = subprocess.Popen(
                [sys.executable, head.__file__, json.dumps(whole)], stdout=file, env={MARK: mark}
            )
        runs.append(HeadRun(popen, log, mark))
        return runs[-1]

    yield begin
    for run in runs:
        for pid in run.left():
            with contextlib.suppress(psutil.Error):
                psutil.Process(pid).kill()
        run.popen.wait(GUARD_S)


@pytest.mark.parametrize("victim", ["etcd", "nats"])
def test_a_service_that_dies_takes_the_frontend_along(victim: str, start: Start) -> None:
    ports = {"etcd": free_port(), "nats": free_port()}
    run = start(etcd(ports["etcd"]), nats(ports["nats"]))
    run.wait_for("\nup\n")

    run.child(str(ports[victim])).kill()

    assert run.popen.wait(GUARD_S) != 0
    assert f"head: problem: {victim} ended by itself with exit code -9" in run.said
    assert "head: frontend ended with exit code" in run.said
    assert run.said.endswith("head: gone\n")
    assert run.left() == []


def test_a_service_that_ends_politely_is_a_loss_too(start: Start) -> None:
    leaves = NATS.replace("while True:", "for _ in range(30):") + "sys.exit(0)\n"
    port = free_port()
    run = start(nats(port, leaves))
    run.wait_for("\nup\n")

    assert wait_until(lambda: not head.healthy(nats(port)), GUARD_S)
    assert run.popen.wait(GUARD_S) == 1
    assert "problem: nats ended by itself with exit code 0" in run.said
    assert run.left() == []


@pytest.mark.parametrize(("make", "host"), [(etcd, HOST), (nats, HOST), (nats, "0.0.0.0")])  # noqa: S104
def test_a_port_of_a_stranger_is_not_taken_for_ours(make: Any, host: str, start: Start) -> None:
    with socket.create_server((host, 0)) as server:
        port = int(server.getsockname()[1])

        run = start(make(port))

        assert run.popen.wait(GUARD_S) == 1
    assert f"problem: port {port} of {make(0)['kind']} is taken" in run.said
    assert "starts" not in run.said
    assert not (run.log.parent / "data").exists()


def test_a_service_that_loses_its_port_to_a_stranger_is_not_healthy(start: Start) -> None:
    """The stranger comes between the look at the port and the start of the service."""
    port = free_port()
    run = start(nats(port, OUSTED))

    assert run.popen.wait(GUARD_S) == 1
    assert "problem: nats ended by itself with exit code 3 before it was healthy" in run.said
    assert "frontend starts" not in run.said


def test_a_port_with_connections_of_the_past_can_be_used(start: Start) -> None:
    with socket.create_server((HOST, 0)) as server:
        port = int(server.getsockname()[1])
        peer = socket.create_connection((HOST, port))
        accepted, _ = server.accept()
        accepted.close()  # the server closes first: its port stays in TIME_WAIT
        peer.close()

    run = start(nats(port))

    run.wait_for("\nup\n")
    run.popen.terminate()
    assert "is taken" not in run.said


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_everything_when_told(number: signal.Signals, start: Start) -> None:
    run = start(etcd(free_port()), nats(free_port()), frontend=(POLITE,))
    run.wait_for("\nup\n")

    run.popen.send_signal(number)

    assert run.popen.wait(GUARD_S) == 0
    assert "problem" not in run.said
    assert run.said.endswith("head: gone\n")
    assert not (run.log.parent / "data").exists()
    assert run.left() == []


def test_the_frontend_ends_first_and_services_wait_for_the_second_word(start: Start) -> None:
    port = free_port()
    run = start(nats(port), frontend=(POLITE,))
    run.wait_for("\nup\n")

    run.popen.send_signal(signal.SIGUSR1)
    run.wait_for("head: frontend ended with exit code 0")

    assert run.popen.poll() is None
    assert head.healthy(nats(port))
    run.popen.terminate()
    assert run.popen.wait(GUARD_S) == 0
    assert "problem" not in run.said
    assert run.left() == []


@pytest.mark.parametrize(("code", "expected"), [(7, 7), (0, 1)])
def test_a_frontend_that_ends_by_itself_gives_its_code(
    code: int, expected: int, start: Start
) -> None:
    run = start(nats(free_port()), frontend=(ENDS, str(code)))

    assert run.popen.wait(GUARD_S) == expected
    assert f"problem: frontend ended by itself with exit code {code}" in run.said
    assert run.left() == []


def test_a_part_that_ignores_term_takes_kill(start: Start) -> None:
    run = start(nats(free_port()), frontend=(DEAF,), stop_s=0.3)
    run.wait_for("\nup\n")

    run.popen.terminate()

    assert run.popen.wait(GUARD_S) != 0
    assert "head: frontend needs KILL" in run.said
    assert "head: frontend ended with exit code -9" in run.said
    assert run.left() == []


def test_a_service_that_never_answers_is_told(start: Start) -> None:
    run = start(etcd(free_port(), WAITS), deadline_s=0.3)

    assert run.popen.wait(GUARD_S) == 1
    assert "problem: etcd did not become healthy in time" in run.said
    assert run.left() == []


def test_it_can_be_told_to_end_before_a_service_answers(start: Start) -> None:
    run = start(etcd(free_port(), WAITS))
    run.wait_for("\nup\n")

    run.popen.terminate()

    assert run.popen.wait(GUARD_S) == 1
    assert "problem" not in run.said
    assert run.left() == []


def test_a_program_that_is_not_there_is_told(start: Start) -> None:
    run = start({**nats(free_port()), "argv": ["/nowhere/nats-server"]})

    assert run.popen.wait(GUARD_S) == 1
    assert "problem: a part cannot be started" in run.said
    assert "/nowhere/nats-server" in run.said
