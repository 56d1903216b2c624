"""What the parser makes of a shell script: words, places, variables, and nonsense."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import pytest

from fixtures.config.errors import ConfigError
from fixtures.loaders.shell_parse import is_shell, parse_shell
from fixtures.loaders.shell_values import variables_of
from fixtures.model.script import Command, Script

from ..alarms import LONGEST_S, alarm

pytestmark = pytest.mark.selftest


def parsed(text: str) -> Script:
    """The script that a text is."""
    return parse_shell(text, Path("script.sh"))


def only(script: Script) -> Command:
    """The one command of a script."""
    (command,) = script.commands
    return command


def values(text: str) -> dict[str, str]:
    """The variables that a script sets."""
    return {name: each.value for name, each in variables_of(parsed(text)).items()}


def test_a_command_has_its_words_prefixes_and_places() -> None:
    command = only(parsed('A=1 B="$C" \\\n  srun --x "a ${D}"\'b\'$E >>log 2>&1 &\n'))

    assert [word.value for word in command.words] == ["srun", "--x", "a ${D}b${E}"]
    assert command.words[2].expands == ("D", "E")
    assert [(each.name, each.value.value) for each in command.prefix] == [("A", "1"), ("B", "${C}")]
    assert [word.value for word in command.appends] == ["log"]
    assert command.background
    assert (command.words[0].where.line, command.words[0].where.column) == (2, 3)


def test_columns_count_characters() -> None:
    command = only(parsed("头='é' sleep 7\n"))

    assert command.words[0].where.column == 7


def test_several_assignments_on_one_line_are_no_prefix_of_the_next() -> None:
    script = parsed("A=1 B=2\nsrun x\n")

    assert [each.prefix for each in script.assignments] == [False, False]
    assert only(script).prefix == ()


def test_words_behind_a_redirection_belong_to_the_command() -> None:
    command = only(parsed("srun > log --label x\n"))

    assert [word.value for word in command.words] == ["srun", "--label", "x"]


def test_loops_functions_and_conditions_are_seen() -> None:
    script = parsed("f() { a; }\nwhile b; do f; done\nif c; then d || e; fi\n! g\n")

    by_name = {each.name: each for each in script.commands}
    assert script.looped_functions >= {"f"}
    assert by_name["a"].function == "f"
    assert [name for name, each in by_name.items() if each.checked] == ["b", "c", "d", "g"]


def test_text_of_here_documents_and_quotes_is_no_command() -> None:
    script = parsed("cat <<'EOF'\npkill srun\nEOF\necho 'pkill srun' \"pkill $(date)\"\n")

    assert [each.name for each in script.commands] == ["cat", "echo", "date"]


def test_an_array_is_spread_where_it_is_certain() -> None:
    certain = parsed('o=(--a "b c")\nsrun "${o[@]}" x\n')
    unsure = parsed('o=(--a)\no+=(--b)\nsrun "${o[@]}" x\n')

    assert [word.value for word in only(certain).words] == ["srun", "--a", "b c", "x"]
    assert [word.value for word in only(unsure).words] == ["srun", "${o[@]}", "x"]


def test_directives_are_commands_and_comments_are_not() -> None:
    script = parsed("#SBATCH --nodes=2\n# SBATCH --nodes=3\n")

    assert [word.value for word in only(script).words] == ["#SBATCH", "--nodes=2"]
    assert [each.text for each in script.comments] == ["SBATCH --nodes=3"]


def test_variables_take_their_last_certain_value() -> None:
    assert values("A=1\nA=2\nB=${A}/x\nC=$(date)\nD=${B}-${E}\n") == {
        "A": "2",
        "B": "2/x",
        "C": "$(date)",
        "D": "2/x-${E}",
    }
    assert values('A="${A:-4}"\nB="${B:-${A}}"\nA="${A:-5}"\n') == {"A": "4", "B": "4"}


@pytest.mark.parametrize(
    "text",
    [
        "A=1\nif x; then A=2; fi\n",
        "A=1\nf() { A=2; }\n",
        "A=1\nread A\n",
        "A=1\nA+=2\n",
        "A=(1 2)\n",
        "for A in 1 2; do :; done\n",
        "A=1\nwhile x; do A=$2; done\n",
    ],
)
def test_a_variable_that_may_be_anything_is_not_known(text: str) -> None:
    assert "$" in values(text)["A"]


def test_doubling_variables_come_to_an_end() -> None:
    text = "A=xxxxxxxxxxxxxxxx\n" + "A=$A$A\n" * 1000

    assert len(values(text)["A"]) <= 4096


@pytest.mark.parametrize(
    ("line", "shell"),
    [
        ("#!/bin/bash", True),
        ("#!/usr/bin/env bash", True),
        ("#!/usr/bin/env -S bash -e", True),
        ("#! /bin/sh", True),
        ("#!/usr/bin/env python3", False),
        ("# a bash script", False),
    ],
)
def test_a_shell_is_known_by_its_first_line(line: str, *, shell: bool) -> None:
    assert is_shell(f"{line}\necho x\n") is shell


@pytest.mark.parametrize(
    "text",
    [
        "\0" * 200_000,
        "<" * 200_000,
        "a|" * 100_000,
        "a=(" * 100_000,
        "while a; do\n" * 20_000,
        '"$(' * 50_000,
        "a " * 200_000,
        "A=1 " * 50_000,
        "if x\r\nfi\r\n" * 10_000,
        "it's a test (really); isn't it?\n" * 5_000,
    ],
    ids=lambda text: ascii(text[:8]),
)
def test_nonsense_does_not_hang(text: str) -> None:
    # Some of it is refused, and some of it is read.
    with alarm(LONGEST_S), suppress(ConfigError):
        parsed(text)


def test_windows_line_ends_are_no_part_of_a_value() -> None:
    assert values("export A=1\r\nB='2'\r\n") == {"A": "1", "B": "2"}
