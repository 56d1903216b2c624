"""Passing means: a program on a host ends with everything it has started, whoever goes away."""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fixtures.clients.host_members import members, stat_of
from fixtures.clients.host_runner import MARK
from fixtures.clients.hosts import RunnerRequest, runner_argv, runner_input
from fixtures.services.base import wait_until

from .host_runner_rig import DEADLINE_S, Run, environment, runs

pytestmark = pytest.mark.selftest

WAIT = [sys.executable, "-c", "import time; time.sleep(600)"]
DEAF = "trap '' TERM; echo ready; while :; do sleep 0.1; done"


@pytest.fixture
def run() -> Iterator[Run]:
    """Starts a shell script through the runner; nothing is left of any of them."""
    with runs() as run:
        yield run


def old_pythons() -> list[str]:
    """Interpreters of this machine, the oldest that is still supported among them, if any."""
    found = [shutil.which(f"python3.{minor}") for minor in (8, 9, 10)]
    roots = Path(os.environ.get("PYENV_ROOT", "/nonexistent"), "versions")
    found += [str(path) for path in roots.glob("3.8.*/bin/python")]
    usable = [each for each in found if each and subprocess.call([each, "-c", ""], stderr=-3) == 0]
    return usable[:1]


@pytest.mark.parametrize("python", [sys.executable, *old_pythons()])
def test_what_the_program_prints_is_framed_by_who_it_was_and_how_it_ended(
    run: Run, python: str, tmp_path: Path
) -> None:
    script = 'echo "$SECRET in $PWD"; echo to-stderr >&2; printf half; exit 3'

    runner = run(script, python, cwd=str(tmp_path / "made" / "for-it"))

    first = json.loads(runner.line().removeprefix(MARK))
    printed, last = runner.rest()
    assert set(first) == {"pid", "start", "host"}
    assert printed == f"of the input in {tmp_path}/made/for-it\nto-stderr\nhalf\n"
    assert last == {"ended": 3, "by_itself": True, "killed": [], "left": [], "outlived": []}
    assert runner.process.returncode == 3


def test_the_pid_and_start_time_are_those_of_the_program(run: Run) -> None:
    runner = run("echo $$; sleep 600")

    first = json.loads(runner.line().removeprefix(MARK))

    assert first["pid"] == int(runner.line())
    stat = stat_of(first["pid"])
    assert stat is not None
    assert first["start"] == stat[2]


def test_the_secret_is_on_no_command_line(run: Run) -> None:
    runner = run("echo ready; sleep 600")
    runner.wait_until_ready()

    lines = [each.info["cmdline"] or [] for each in psutil.process_iter(["cmdline"])]

    assert not any("of the input" in word for words in lines for word in words)


@pytest.mark.parametrize("how", ["input", "TERM", "INT", "HUP"])
def test_the_end_of_the_input_or_a_signal_ends_the_program_in_good_order(
    run: Run, how: str
) -> None:
    runner = run("trap 'echo bye; exit 5' TERM; echo ready; sleep 600 & wait", term_s=10)
    runner.wait_until_ready()

    if how == "input":
        runner.close_input()
    else:
        runner.process.send_signal(signal.Signals[f"SIG{how}"])

    printed, last = runner.rest()
    assert printed == "bye\n"
    assert last == {"ended": 5, "by_itself": False, "killed": [], "left": [], "outlived": []}


def test_a_program_may_end_its_own_helpers_in_its_own_order(run: Run) -> None:
    helper = "sh -c 'trap \"echo helper; exit\" TERM; echo ready; sleep 600 & wait'"
    ending = "sleep 0.2; echo program; kill $child; wait $child; exit 0"
    runner = run(f"{helper} & child=$!; trap '{ending}' TERM; wait", term_s=10)
    runner.wait_until_ready()

    runner.close_input()

    printed, last = runner.rest()
    assert printed == "program\nhelper\n"
    assert (last["ended"], last["killed"]) == (0, [])


def test_a_program_that_ignores_the_request_is_killed_and_that_is_said(run: Run) -> None:
    runner = run(DEAF)
    runner.wait_until_ready()

    runner.close_input()

    _, last = runner.rest()
    assert (last["ended"], last["by_itself"], last["left"]) == (-9, False, [])
    assert any("trap" in each for each in last["killed"])


def test_the_limits_can_be_replaced_at_the_end(run: Run) -> None:
    runner = run(DEAF, term_s=600)
    runner.wait_until_ready()
    assert runner.process.stdin is not None

    runner.process.stdin.write(b'{"term_s": 0, "kill_s": 5}\n')
    runner.close_input()

    assert runner.rest()[1]["ended"] == -9


@pytest.mark.parametrize(
    "daemon",
    [
        "setsid sleep 600 >/dev/null 2>&1 &",
        "(setsid sleep 600 &)",
        "setsid env -i sleep 600 &",
        "setsid sh -c \"trap '' TERM; sleep 600; sleep 600\" &",
    ],
    ids=["own session", "orphan that holds the output", "no mark", "deaf"],
)
@pytest.mark.parametrize("ending", ["exit 0", "sleep 600"], ids=["by itself", "told"])
def test_daemons_that_leave_are_ended_as_well(run: Run, daemon: str, ending: str) -> None:
    runner = run(f"{daemon}\nsleep 0.1; echo ready; sleep 0.1; {ending}")
    runner.wait_until_ready()
    below = psutil.Process(runner.process.pid).children(recursive=True)
    assert len(below) > 1

    if ending != "exit 0":
        runner.close_input()

    _, last = runner.rest()
    assert last["by_itself"] is (ending == "exit 0")
    assert last["left"] == []
    assert not any(each.is_running() and each.status() != "zombie" for each in below)


def test_a_process_with_the_mark_is_ended_wherever_it_comes_from(run: Run) -> None:
    mark = f"SELFTEST_MARK={secrets.token_hex(6)}"
    name, _, value = mark.partition("=")
    with (
        subprocess.Popen(WAIT, env={**os.environ, name: value}) as marked,
        subprocess.Popen(WAIT, env={**os.environ, name: f"{value}0"}) as other,
    ):
        try:
            _, last = run("exit 0", mark=mark).rest()

            assert last["ended"] == 0
            assert marked.wait(DEADLINE_S) == -signal.SIGTERM
            assert other.poll() is None
        finally:
            marked.kill()
            other.kill()


def test_a_program_that_closes_its_output_is_not_over(run: Run) -> None:
    runner = run("echo ready; exec >/dev/null 2>&1; sleep 600")
    runner.wait_until_ready()

    with pytest.raises(subprocess.TimeoutExpired):
        runner.process.wait(0.3)
    runner.close_input()

    assert runner.rest()[1]["ended"] == -15


def test_nothing_hangs_where_nobody_reads_any_more(run: Run) -> None:
    runner = run("while :; do echo line; done")
    runner.line()
    assert runner.process.stdout is not None

    runner.process.stdout.close()

    assert runner.process.wait(DEADLINE_S) == 128 + signal.SIGTERM


def test_nothing_hangs_where_somebody_holds_back_the_output(run: Run) -> None:
    runner = run("yes", kill_s=0.3)
    runner.line()

    runner.close_input()

    assert runner.process.wait(DEADLINE_S) == 128 + signal.SIGTERM


def test_a_runner_whose_parent_is_gone_ends_its_program(tmp_path: Path) -> None:
    mark = f"SELFTEST_MARK={secrets.token_hex(6)}"
    argv = runner_argv(sys.executable, RunnerRequest(("sleep", "600"), mark, term_s=1))
    held = tmp_path / "held"
    os.mkfifo(held)
    # The input stays open, held by somebody else.
    parent = ["sh", "-c", '"$@" <"$0" >/dev/null & wait', str(held), *argv]
    with subprocess.Popen(parent) as process, held.open("wb", buffering=0) as stream:
        stream.write(runner_input({}))
        assert wait_until(lambda: len(members(mark)) > 1, DEADLINE_S)
        process.kill()
        process.wait(DEADLINE_S)

        assert wait_until(
            lambda: not [pid for pid in members(mark) if mark.encode() in environment(pid)],
            DEADLINE_S,
        )
