"""Passing means: commands that hang, rave, flood or are not there become records, nothing more.

The commands here are small scripts on a PATH of their own; test_slurm_client_live has a real Slurm.
"""

from __future__ import annotations

import os
import shlex
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.clients import slurm_call
from fixtures.clients.slurm import FIRST_CALLS, KEPT_TEXT, LAST_CALLS, SlurmClient
from fixtures.clients.slurm_call import call
from fixtures.identity import Identity, is_alive, process_identity, wait_until_gone
from fixtures.model.slurm import Call

from .alarms import LONGEST_S, alarm

pytestmark = pytest.mark.selftest

GENEROUS_S = 30.0
SHORT_S = 0.3
STANDARD = "/usr/local/bin:/usr/bin:/bin"
ASKING: dict[str, Callable[[SlurmClient], tuple[object, Call]]] = {
    "ping": lambda client: client.ping(),
    "job": lambda client: client.job("1"),
    "jobs_named": lambda client: client.jobs_named("x"),
    "steps": lambda client: client.steps("1"),
    "nodes": lambda client: client.nodes(),
    "node_details": lambda client: client.node_details("gb01"),
    "config": lambda client: client.config(),
    "version": lambda client: client.version(),
    "hostnames": lambda client: client.hostnames("gb01"),
    "layout": lambda client: client.layout("1.0"),
    "mpi_types": lambda client: client.mpi_types(),
    "srun_has_option": lambda client: client.srun_has_option("--overlap"),
    "cancel_step": lambda client: (None, client.cancel_step("1.0", "TERM")),
    "cancel_job": lambda client: (None, client.cancel_job("1")),
    "run": lambda client: (None, client.run(("squeue",))),
}
PROGRAMS = ("squeue", "sinfo", "scontrol", "scancel", "srun", "sattach")


class Shims:
    """Programs that take the place of Slurm's."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def put(self, script: str, *programs: str) -> None:
        """Make these programs (else all) this shell script."""
        for program in programs or PROGRAMS:
            path = self.directory / program
            path.write_text(f"#!/bin/sh\n{script}\n")
            path.chmod(0o755)

    def client(self, deadline_s: float = GENEROUS_S, **more: str) -> SlurmClient:
        """A client that finds them first."""
        return SlurmClient({"PATH": f"{self.directory}:{STANDARD}", **more}, deadline_s)


@pytest.fixture
def shims(tmp_path: Path) -> Shims:
    directory = tmp_path / "bin"
    directory.mkdir()
    return Shims(directory)


def says_nothing(value: object) -> bool:
    return value in (None, False, (), "", {})


@pytest.mark.parametrize("method", ASKING)
def test_a_program_that_is_not_there_is_named(method: str, tmp_path: Path) -> None:
    client = SlurmClient({"PATH": str(tmp_path)}, GENEROUS_S)

    value, made = ASKING[method](client)

    assert says_nothing(value)
    assert made.exit_code is None
    assert made.problem.startswith(f"`{made.argv[0]}` is not on the PATH")
    assert client.calls == (made,)


@pytest.mark.parametrize("method", ASKING)
def test_a_program_that_hangs_is_ended_at_the_deadline(method: str, shims: Shims) -> None:
    shims.put("exec sleep 600")

    with alarm(LONGEST_S):
        value, made = ASKING[method](shims.client(SHORT_S))

    assert says_nothing(value)
    assert made.exit_code is None
    assert made.seconds >= SHORT_S
    assert made.problem == f"`{' '.join(made.argv)}` did not answer within 0.3 s: no message"


@pytest.mark.parametrize("method", ASKING)
def test_a_program_that_fails_is_quoted(method: str, shims: Shims) -> None:
    shims.put("echo; echo 'slurm_load: the disk is full' >&2; exit 1")

    value, made = ASKING[method](shims.client())

    assert says_nothing(value)
    assert not made.ok
    assert made.problem.endswith("ended with exit code 1: slurm_load: the disk is full")


@pytest.mark.parametrize("method", ASKING)
@pytest.mark.parametrize(
    "script",
    ["head -c 300000 /dev/urandom", "printf '\\000|\\377|%%n\\r\\n|||||||'", "yes '|'|head -9"],
)
def test_a_program_that_raves_raises_nothing(method: str, script: str, shims: Shims) -> None:
    shims.put(script)

    with alarm(LONGEST_S):
        _, made = ASKING[method](shims.client())

    assert made.exit_code == 0


def test_a_flood_is_read_to_its_end_and_only_its_beginning_is_kept(shims: Shims) -> None:
    shims.put("head -c 100000000 /dev/zero | tr '\\000' '\\n'; exit 3")

    with alarm(LONGEST_S):
        made = shims.client().run(("squeue",))

    assert made.exit_code == 3
    assert len(made.stdout) == slurm_call.KEPT_BYTES
    assert made.cut_bytes == 100_000_000 - slurm_call.KEPT_BYTES


def test_a_flood_without_end_ends_at_the_deadline(shims: Shims) -> None:
    shims.put("exec yes 1234567")

    with alarm(LONGEST_S):
        made = shims.client(SHORT_S).run(("squeue",))

    assert made.exit_code is None
    assert made.stdout.endswith("1234567\n")
    assert made.cut_bytes > 0


def test_half_a_line_at_the_cut_is_not_kept(shims: Shims) -> None:
    shims.put("printf 'one\\ntwo\\nthree\\n'", "squeue")
    environment = {"PATH": f"{shims.directory}:{STANDARD}"}

    made = call(("squeue",), environment, GENEROUS_S, kept_bytes=10)

    assert (made.stdout, made.cut_bytes) == ("one\ntwo\n", 4)


def identities(path: Path) -> list[Identity]:
    """Who the processes are that have written their pids there."""
    deadline = time.monotonic() + GENEROUS_S
    while not path.exists() or len(path.read_text().split()) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    found = [process_identity(int(word)) for word in path.read_text().split()]
    return [each for each in found if each is not None]


@pytest.mark.parametrize(
    "script",
    [
        "sleep 600 & echo $$ $! >{pids}; wait",
        "trap '' TERM INT HUP; sleep 600 & echo $$ $! >{pids}; while :; do wait; sleep 600; done",
    ],
    ids=["heeds TERM", "ignores TERM"],
)
def test_nothing_of_a_program_that_hangs_is_left(script: str, shims: Shims, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    shims.put(script.format(pids=shlex.quote(str(pids))))

    with alarm(LONGEST_S):
        # Long enough for the shell to have written its pids on a busy machine.
        made = shims.client(5.0).run(("squeue",), stop_s=SHORT_S)

    assert made.exit_code is None
    numbers = [int(word) for word in pids.read_text().split()]
    left = [each for number in numbers if (each := process_identity(number)) is not None]
    assert wait_until_gone(left, GENEROUS_S) == []


def test_a_child_that_holds_the_output_open_keeps_nobody_waiting(
    shims: Shims, tmp_path: Path
) -> None:
    pids = tmp_path / "pids"
    shims.put(f"echo answer; sleep 600 & echo $$ $! >{shlex.quote(str(pids))}")

    with alarm(LONGEST_S):
        made = shims.client(120.0).run(("squeue",))

    assert (made.exit_code, made.stdout) == (0, "answer\n")
    assert made.seconds < made.deadline_s
    assert wait_until_gone([e for e in identities(pids) if is_alive(e)], GENEROUS_S) == []


def test_an_interrupted_wait_leaves_no_process(shims: Shims, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    # More than a pipe holds: when it is written, the client is reading.
    begin = f"sleep 600 & echo $$ $! >{shlex.quote(str(pids))}; head -c 300000 /dev/zero"
    shims.put(f"{begin}; kill -USR1 {os.getpid()}; wait")

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with alarm(LONGEST_S), pytest.raises(KeyboardInterrupt):
            shims.client().run(("squeue",))
    finally:
        signal.signal(signal.SIGUSR1, before)

    numbers = [int(word) for word in pids.read_text().split()]
    left = [each for number in numbers if (each := process_identity(number)) is not None]
    assert wait_until_gone(left, GENEROUS_S) == []


def test_a_program_ended_by_a_signal_says_so(shims: Shims) -> None:
    shims.put("kill -KILL $$")

    made = shims.client().run(("squeue", "-h"))

    assert made.exit_code == -9
    assert made.problem == "`squeue -h` was ended by signal 9: no message"


def test_a_program_that_is_none_is_named(shims: Shims) -> None:
    (shims.directory / "squeue").write_text("#!/nowhere/sh\n")
    (shims.directory / "squeue").chmod(0o644)

    made = shims.client().run((str(shims.directory / "squeue"),))

    assert made.problem == f"`{shims.directory}/squeue` cannot be started: Permission denied"
    assert shims.client().run(("squeue", "a\0b")).problem.endswith("embedded null byte")
    assert shims.client().run(()).problem == "no command to run"


@pytest.mark.parametrize("id_", ["", "-u root", "1.0; rm", "*", "1.0 2.0", "1.x", "--me", "1.0\n"])
def test_scancel_is_given_nothing_but_ids(id_: str, shims: Shims, tmp_path: Path) -> None:
    called = tmp_path / "called"
    shims.put(f"echo called >{shlex.quote(str(called))}")
    client = shims.client()

    for made in (client.cancel_step(id_), client.cancel_job(id_), client.steps(id_)[1]):
        assert made.exit_code is None
        assert made.problem.startswith("not asked: ")
    assert client.cancel_step("1.0", "TERM -u root").problem.startswith("not asked: ")
    assert client.cancel_step("1").problem == "not asked: '1' is no step id"
    assert not called.exists()


def test_variables_that_would_change_the_question_are_left_out(shims: Shims) -> None:
    shims.put("env >&2")
    options = {"SQUEUE_STATES": "PD", "SINFO_PARTITION": "x", "SCANCEL_INTERACTIVE": "1"}
    client = shims.client(SLURM_CONF="/a/slurm.conf", **options)

    asked = client.nodes()[1].stderr.splitlines()

    assert "SLURM_CONF=/a/slurm.conf" in asked
    assert not any(line.partition("=")[0] in options for line in asked)
    assert "SQUEUE_STATES=PD" in client.run(("squeue",)).stderr


def test_the_record_of_calls_keeps_the_first_and_the_last(shims: Shims) -> None:
    client = SlurmClient({"PATH": str(shims.directory)}, GENEROUS_S)
    total = FIRST_CALLS + LAST_CALLS + 50

    for number in range(total):
        client.run((f"none{number}",))

    kept = [int(made.argv[0].removeprefix("none")) for made in client.calls]
    assert kept == [*range(FIRST_CALLS), *range(total - LAST_CALLS, total)]


def test_the_record_of_calls_keeps_no_long_text(shims: Shims) -> None:
    shims.put("yes | head -c 100000")
    client = shims.client()

    made = client.run(("squeue",))

    assert len(made.stdout) == 100_000
    assert len(client.calls[0].stdout) == KEPT_TEXT


def test_a_long_command_is_cut_in_a_sentence() -> None:
    made = Call(("srun", "x" * 5000), 1, "", "y" * 5000, 0.1, 1.0)

    assert len(made.problem) < 700
