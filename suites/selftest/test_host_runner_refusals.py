"""Passing means: what cannot start on a host says why, and no stranger is signalled there."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from typing import Any

import pytest

from fixtures.clients.host_members import send, stat_of
from fixtures.clients.host_runner import MARK
from fixtures.clients.hosts import RunnerRequest, runner_argv

pytestmark = pytest.mark.selftest

DEADLINE_S = 20.0
WAIT = [sys.executable, "-c", "import time; time.sleep(600)"]


@pytest.mark.parametrize(
    ("said", "more", "complaint"),
    [
        (b"", {}, "the environment, did not come"),
        (b"[1]\n", {}, "no JSON object of texts"),
        (b'{"A": 1}\n', {}, "no JSON object of texts"),
        (b"{}\n", {"argv": ("/no/such/program",)}, "No such file or directory"),
        (b"{}\n", {"cwd": "/proc/nothing"}, "No such file or directory"),
    ],
)
def test_a_program_that_cannot_start_is_a_last_word_with_the_reason(
    said: bytes, more: dict[str, Any], complaint: str
) -> None:
    request = replace(RunnerRequest(("true",), "SELFTEST_MARK=x"), **more)
    done = subprocess.run(
        runner_argv(sys.executable, request),
        input=said,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )

    last = json.loads(done.stdout.decode().removeprefix(MARK))
    assert (done.returncode, last["ended"], done.stderr) == (127, 127, b"")
    assert complaint in last["error"]


def test_a_pid_that_is_somebody_elses_by_now_gets_no_signal() -> None:
    with subprocess.Popen(WAIT) as process:
        stat = stat_of(process.pid)
        assert stat is not None

        send(process.pid, stat[2] - 1, signal.SIGKILL)
        time.sleep(0.05)
        assert process.poll() is None

        send(process.pid, stat[2], signal.SIGKILL)
        assert process.wait(DEADLINE_S) == -9
