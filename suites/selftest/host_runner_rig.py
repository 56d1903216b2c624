"""Programs of tests that run through the runner of hosts, on this machine."""

from __future__ import annotations

import contextlib
import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fixtures.clients.host_members import members
from fixtures.clients.host_runner import MARK
from fixtures.clients.hosts import RunnerRequest, runner_argv, runner_input

DEADLINE_S = 20.0


@dataclass
class Running:
    """A runner of a test, on this machine."""

    process: subprocess.Popen[bytes]
    mark: str

    def line(self) -> str:
        """The next line it prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().decode()

    def wait_until_ready(self) -> None:
        """Until the program is there and has said so."""
        assert [self.line()[:10], self.line()] == [MARK, "ready\n"]

    def close_input(self) -> None:
        """What happens where the connection is lost."""
        assert self.process.stdin is not None
        self.process.stdin.close()

    def rest(self) -> tuple[str, dict[str, Any]]:
        """What else it prints until its end, and its last word."""
        assert self.process.stdout is not None
        lines = self.process.stdout.read().decode().splitlines(keepends=True)
        self.process.wait(DEADLINE_S)
        assert lines[-1].startswith(f"{MARK} ")
        return "".join(lines[:-1]), json.loads(lines[-1][len(MARK) :])

    def carriers(self) -> list[int]:
        """Who carries the mark on this machine."""
        return [pid for pid in members(self.mark) if self.mark.encode() in environment(pid)]


def environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []


Run = Callable[..., Running]


@contextlib.contextmanager
def runs() -> Iterator[Run]:
    """Starts a shell script through the runner; nothing is left of any of them."""
    started: list[Running] = []

    def run(script: str, python: str = sys.executable, **more: Any) -> Running:
        mark = f"SELFTEST_MARK={secrets.token_hex(6)}"
        request = RunnerRequest(("sh", "-c", script), mark, term_s=0.3, kill_s=5, grace_s=0.1)
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        process = subprocess.Popen(runner_argv(python, replace(request, **more)), **pipes)  # type: ignore[call-overload]
        assert process.stdin is not None
        process.stdin.write(runner_input({"SECRET": "of the input"}))
        process.stdin.flush()
        started.append(Running(process, more.get("mark", mark)))
        return started[-1]

    yield run
    for each in started:
        for stream in (each.process.stdin, each.process.stdout):
            assert stream is not None
            with contextlib.suppress(OSError):
                stream.close()
        each.process.wait(DEADLINE_S)
        assert each.carriers() == []
