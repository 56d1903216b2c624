"""Passing means: who outlives its program on a host is told, although it is ended right after."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .host_runner_rig import Run, runs

pytestmark = pytest.mark.selftest

LISTEN = "import socket, time; s = socket.create_server(('127.0.0.1', 0))"


@pytest.fixture
def run() -> Iterator[Run]:
    """Starts a shell script through the runner; nothing is left of any of them."""
    with runs() as run:
        yield run


@pytest.mark.parametrize("ending", ["exit 3", "sleep 600"], ids=["by itself", "told"])
def test_who_outlives_the_program_is_told_with_its_ports_and_then_ended(
    run: Run, ending: str, tmp_path: Path
) -> None:
    port = tmp_path / "port"
    told = f"open('{port}', 'w').write(str(s.getsockname()[1]))"
    daemon = f'setsid {sys.executable} -S -c "{LISTEN}; {told}; time.sleep(600)" &'
    runner = run(f"{daemon}\nwhile [ ! -s {port} ]; do sleep 0.05; done; echo ready; {ending}")
    runner.wait_until_ready()

    if ending != "exit 3":
        runner.close_input()

    (left,) = runner.rest()[1]["outlived"]
    assert (left["pid"] > 1, left["ports"]) == (True, [int(port.read_text())])
    assert "socket.create_server" in left["command"]


@pytest.mark.parametrize("ending", ["exit 0", "sleep 600"], ids=["by itself", "told"])
def test_a_child_that_ends_soon_after_its_program_was_not_left_behind(
    run: Run, ending: str
) -> None:
    child = "setsid sh -c \"trap '' TERM; sleep 0.5\" &"
    runner = run(f"{child}\necho ready; {ending}", term_s=10, grace_s=20)
    runner.wait_until_ready()

    if ending != "exit 0":
        runner.close_input()

    assert runner.rest()[1]["outlived"] == []


def test_a_child_in_the_group_of_its_program_is_told_to_end_with_it(run: Run) -> None:
    runner = run("sleep 600 & echo ready; sleep 600", term_s=10, grace_s=20)
    runner.wait_until_ready()

    runner.close_input()

    last = runner.rest()[1]
    assert (last["outlived"], last["killed"]) == ([], [])


def test_a_child_that_was_left_is_told_even_where_the_time_is_over(run: Run) -> None:
    runner = run("setsid sh -c 'echo ready; sleep 600' & sleep 600", term_s=600, grace_s=0.3)
    runner.wait_until_ready()
    assert runner.process.stdin is not None

    runner.process.stdin.write(b'{"term_s": 0.2, "kill_s": 5}\n')
    runner.close_input()

    assert runner.rest()[1]["outlived"] != []


def test_a_program_that_ends_its_children_itself_is_not_asked_about_them(run: Run) -> None:
    runner = run("setsid sleep 600 & exit 0", grace_s=0)

    assert runner.rest()[1]["outlived"] == []
