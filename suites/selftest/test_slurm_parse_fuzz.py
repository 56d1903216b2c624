"""Passing means: whatever is printed, reading it raises nothing, ends soon, and stays small."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.clients import slurm_parse as parse
from fixtures.clients.slurm_text import MOST_RANKS, nodes_of, ranks_of, seconds_of

from .alarms import LONGEST_S, alarm
from .slurm_samples import everything

pytestmark = pytest.mark.selftest

MANY = settings(
    max_examples=300,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
READERS: tuple[Callable[[str], object], ...] = (
    parse.jobs,
    parse.steps,
    parse.node_states,
    parse.allocation,
    parse.controllers,
    parse.mpi_types,
    parse.config,
    parse.records,
    parse.launch_layouts,
    parse.step_end,
    lambda text: parse.sattach_layout(text, "1.0"),
    lambda text: parse.has_option(text, "--container-image"),
    nodes_of,
    ranks_of,
    seconds_of,
)
SAMPLES = everything()
WORDS = (
    *("1_[2-9%2]", "|", "gb[01-03]", "gb[1-999999999]", "RUNNING", "1-02:03:04", "\n", " ", "*"),
    *("srun: ", "error: ", "gb02: ", "task ", "tasks ", "0-999999999", "Exited with exit code "),
    *("slurmstepd-gb01: ", "0: ", "*** STEP 1.0 ON gb01 CANCELLED AT x DUE TO ", " ***", "pyxis: "),
    *("launching StepId=1.0 on host gb01, 2 tasks: ", "[0-1]", "Node 0 (gb01), 2 task(s): 0 1"),
    *("Reason=", "State=", "[root@now]", "Nodes ", "salloc: ", "Granted job allocation ", "9" * 30),
    *("Node failure on ", "Slurmctld(", ") at ", " is UP", "MPI types are...", "\t", "=", "\x00"),
)


def survives(text: str) -> None:
    with alarm(LONGEST_S):
        for read in READERS:
            read(text)


@given(st.text(max_size=500))
@MANY
def test_any_text(text: str) -> None:
    survives(text)


@given(st.lists(st.sampled_from(WORDS), max_size=60))
@MANY
def test_words_of_schedulers_in_any_order(words: list[str]) -> None:
    survives("".join(words))


@given(st.sampled_from(SAMPLES), st.randoms(use_true_random=False))
@MANY
def test_samples_with_pieces_gone_doubled_or_swapped(text: str, chance: random.Random) -> None:
    for _ in range(chance.randint(1, 5)):
        first, second = sorted(chance.choices(range(len(text) + 1), k=2))
        second = min(second, first + 200)
        piece = chance.choice(["", text[first:second] * 2, chance.choice(WORDS), text[:50]])
        text = text[:first] + piece + text[second:]
    survives(text)


@pytest.mark.parametrize(
    "unit",
    [
        *("a", " ", "[", "]", "1,", "1|", "|\n", "STEP 1", "Slurmctld(", "A=", "Reason=", "0: "),
        *(
            "srun: ",
            "srun: error: tasks 1,",
            "pyxis: ",
            "slurmstepd-",
            "StepId=1",
            "gb[1-9]",
            "x =",
        ),
        *("srun: launching StepId=", "salloc: ", "1_[", "9", "-", "\t=", "MPI types are...\nx"),
    ],
)
def test_a_million_times_the_same(unit: str) -> None:
    survives(unit * (1_000_000 // len(unit)))


def test_a_short_text_cannot_mean_millions_of_nodes_or_ranks() -> None:
    hostile = "gb[1-65536]," * 1000
    line = f"srun: launching StepId=1.0 on host gb01, 2 tasks: [{'0-65535,' * 1000}0]\n"

    assert len(nodes_of(hostile)) == 1
    layout = parse.launch_layout(line)
    assert layout is not None
    assert len(layout.ranks[0][1]) <= MOST_RANKS
