"""Passing means: the command of a container is read as its shells read it, or refused."""

from __future__ import annotations

import random
import shlex

import pytest

from fixtures.judges.kubernetes_words import line_of

pytestmark = pytest.mark.selftest

PLAIN = ["python3", "-m", "dynamo.trtllm", "--model", "a b", "--tp=4", "-x"]


@pytest.mark.parametrize(
    ("argv", "shells", "world", "hosts"),
    [
        (PLAIN, 0, None, 0),
        (["/bin/sh", "-c", shlex.join(PLAIN)], 1, None, 0),
        (["bash", "-euo", "pipefail", "-c", f"exec {shlex.join(PLAIN)}"], 1, None, 0),
        (["sh", "-c", f"A=1 numactl -m 0 {shlex.join(PLAIN)} >/log 2>&1"], 1, None, 0),
        (["sh", "-c", f"# it's first\nsleep 1;\n{shlex.join(PLAIN)} # it's last"], 1, None, 0),
        (["sh", "-c", f"ray start --head --port=6379 && {shlex.join(PLAIN)}"], 1, None, 0),
        (["sh", "-c", f"sh -c {shlex.quote(shlex.join(PLAIN))}"], 2, None, 0),
        (["mpirun", "-np", "8", "--host", "a:4,b:4", *PLAIN], 0, 8, 2),
        (
            ["sh", "-c", f"mpirun -n 16 -H $(A),$(B),a trtllm-llmapi-launch {shlex.join(PLAIN)}"],
            0,
            16,
            3,
        ),
        (["sh", "-c", f"x && mpirun -n 2 -x A bash -c {shlex.quote(shlex.join(PLAIN))}"], 1, 2, 0),
        (["trtllm-llmapi-launch", *PLAIN], 0, None, 0),
    ],
)
def test_a_command_is_read_to_its_end(
    argv: list[str], shells: int, world: int | None, hosts: int
) -> None:
    line = line_of(argv)

    assert (line.shells, line.world, line.hosts, line.problem) == (shells, world, hosts, "")
    assert line.module == "dynamo.trtllm"
    assert line.arguments[:3] == ("--model", "a b", "--tp=4")
    assert line.number("--tensor-parallel-size", "--tp") == 4
    assert line.value("--model") == "a b"
    assert line.value("--pp") is None


@pytest.mark.parametrize(
    "argv", [[], ["sleep", "1"], ["sh"], ["sh", "/start.sh"], ["sh", "-c"], ["python3", "-m"]]
)
def test_what_runs_no_worker_has_no_module(argv: list[str]) -> None:
    line = line_of(argv)

    assert (line.module, line.arguments, line.problem) == ("", (), "")


def test_quotes_that_never_close_are_a_problem() -> None:
    assert "No closing quotation" in line_of(["sh", "-c", "mpirun 'x"]).problem
    assert "characters" in line_of(["sh", "-c", "x" * 100_000]).problem
    nested = "python3 -m dynamo.trtllm"
    for _ in range(15):
        nested = f"sh -c {shlex.quote(nested)}" if len(nested) < 20_000 else nested
    assert line_of(["sh", "-c", nested]).shells > 1


def test_no_text_makes_it_fail() -> None:
    rng = random.Random(5)  # noqa: S311 - a repeatable series
    parts = ["sh", "-c", "mpirun", "-n", "'", '"', "$(", ")", "\\", "\n", "&&", ">", "#", "python3"]
    parts += ["-m", "dynamo.trtllm", "-H", "a,b", "é", "\0", "  ", "=", "9" * 30]
    for _ in range(3000):
        text = "".join(rng.choices([*parts, " "], k=rng.randrange(20)))
        line = line_of(["sh", "-c", text])
        assert line.number("-n") is None or line.module
