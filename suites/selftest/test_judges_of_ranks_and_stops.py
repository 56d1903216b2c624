"""Passing means: the judges of ranks and of the stop find what is broken, and none of them takes
an empty record for a good one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixtures.judges import ranks, shutdown
from fixtures.model.deployment import RankProcess, RankSlot, WorkerPlan
from fixtures.model.evidence import LoadLine, RankLine
from fixtures.model.requirement import Finding
from fixtures.model.stop import CloseRecord, PortState, ProcessEnd, Stray

pytestmark = pytest.mark.selftest

PLAN = WorkerPlan(
    "decode-0",
    "decode",
    "backend",
    tuple(RankSlot(rank, f"node-{rank // 2}", rank % 2) for rank in range(4)),
)


def lines(*numbers: int, size: int = 4, worker: str = "decode-0") -> list[RankLine]:
    return [RankLine(worker, rank, size, f"{rank}.log", 1) for rank in numbers]


def loads(count: int, worker: str = "decode-0") -> list[LoadLine]:
    return [LoadLine(worker, f"{number}.log", 1.0) for number in range(count)]


def in_place(*slots: RankSlot) -> list[RankProcess]:
    return [RankProcess("decode-0", s.rank, s.node, s.gpu, 100 + s.rank) for s in slots]


def actuals(findings: list[Finding]) -> list[str]:
    return [finding.actual for finding in findings]


@pytest.mark.parametrize(
    ("announced", "loaded", "expected"),
    [
        (lines(0, 1, 2, 3), loads(4), []),
        (lines(3, 1, 0, 2), loads(4), []),
        (lines(0, 1, 3), loads(4), ["missing: 2"]),
        (lines(0, 1, 2, 2, 3), loads(4), ["repeated or out of range: 2"]),
        (lines(0, 1, 2, 2), loads(4), ["missing: 3; repeated or out of range: 2"]),
        (lines(0, 1, 2, 3, 4), loads(4), ["repeated or out of range: 4"]),
        (lines(0, 1, 2, 3, worker="prefill-0"), [], ["missing: 0, 1, 2, 3"]),
        ([], [], ["missing: 0, 1, 2, 3"]),
        (lines(0, 1, 2, 3), loads(3), ["3 ranks have loaded"]),
        (lines(0, 1, 2, 3), loads(5), ["5 ranks have loaded"]),
        (lines(0, 1, 2, 3), loads(4, "prefill-0"), ["0 ranks have loaded"]),
    ],
)
def test_each_rank_announces_itself_once_and_loads(
    announced: list[RankLine], loaded: list[LoadLine], expected: list[str]
) -> None:
    assert actuals(ranks.every_rank_announced_once(announced, loaded, [PLAN])) == expected


def test_a_missing_rank_is_named_with_the_place_to_look_at() -> None:
    (finding,) = ranks.every_rank_announced_once(lines(0, 1, 2), loads(3), [PLAN])

    assert finding.hint == "look at rank 3 on node-1 GPU 1"


def test_a_wrong_world_size_is_found_with_its_log_line() -> None:
    mixed = [*lines(0, 1, 2), *lines(3, size=8)]

    (finding,) = ranks.every_rank_saw_the_world(mixed, [PLAN])
    assert finding.actual == "rank 3 says 8 (3.log:1)"


def test_no_rank_line_at_all_and_an_unknown_worker_are_found() -> None:
    assert actuals(ranks.every_rank_saw_the_world([], [PLAN])) == ["none at all"]
    assert ranks.every_rank_saw_the_world(lines(0, worker="x"), [PLAN])
    assert ranks.every_rank_saw_the_world(lines(0, 1, 2, 3), [PLAN]) == []


WANDERER = RankProcess("decode-0", 3, "node-0", 1, 900)


@pytest.mark.parametrize(
    ("processes", "expected"),
    [
        (in_place(*PLAN.slots), []),
        (in_place(*PLAN.slots) + in_place(PLAN.slots[0]), []),
        (in_place(*PLAN.slots[:3]), ["no process"]),
        ([*in_place(*PLAN.slots[:3]), WANDERER], ["node-0 GPU 1"]),
        ([*in_place(*PLAN.slots), WANDERER], ["node-0 GPU 1 and node-1 GPU 1"]),
        ([WANDERER, *in_place(*PLAN.slots)], ["node-0 GPU 1 and node-1 GPU 1"]),
        ([*in_place(*PLAN.slots[:3]), replace(WANDERER, node="", gpu=-1)], [" GPU -1"]),
        ([], ["no process"] * 4),
    ],
)
def test_each_rank_is_in_its_place_and_nowhere_else(
    processes: list[RankProcess], expected: list[str]
) -> None:
    assert actuals(ranks.every_rank_is_in_its_place(processes, [PLAN])) == expected


ENDED = ProcessEnd("decode-0-rank00", 1, 0, by_itself=False, signal_sent="TERM", seconds=0.5)
CLEAN = CloseRecord(
    processes=(ENDED,),
    strays=(),
    ports=(PortState(8000, "frontend", free=True),),
    discovery_keys_left=(),
    discovery_waited_s=1.0,
    discovery_error="",
    shared_memory_left=(),
    lease_ttl_s=2,
)
EXIT_3 = replace(ENDED, exit_code=3)
LOST = replace(ENDED, exit_code=None)
KILLED = replace(ENDED, exit_code=-9, signal_sent="KILL", seconds=6)
DIED = replace(ENDED, exit_code=1, by_itself=True, signal_sent="")
OF_STOPS = (
    shutdown.every_process_is_gone,
    shutdown.every_port_is_free,
    shutdown.discovery_is_empty,
    shutdown.shared_memory_is_clean,
    shutdown.every_exit_is_clean,
    ranks.nobody_died_early,
)


@pytest.mark.parametrize(
    ("judge", "changes", "actual"),
    [
        (OF_STOPS[0], {"strays": (Stray(7, "python x"),)}, "pid 7: python x"),
        (OF_STOPS[0], {"processes": ()}, "none was seen"),
        (OF_STOPS[1], {"ports": (PortState(1, "x", False, "pid 7"),)}, "pid 7"),
        (OF_STOPS[1], {"ports": ()}, "none was seen"),
        (OF_STOPS[2], {"discovery_keys_left": ("v1/x",)}, "v1/x"),
        (OF_STOPS[2], {"discovery_error": "refused"}, "refused"),
        (OF_STOPS[3], {"shared_memory_left": ("moe_1",)}, "/dev/shm/moe_1"),  # noqa: S108
        (OF_STOPS[4], {"processes": (ENDED, EXIT_3)}, "3"),
        (OF_STOPS[4], {"processes": (LOST,)}, "None"),
        (OF_STOPS[4], {"processes": (KILLED,)}, "it took KILL after 6.0 s"),
        (OF_STOPS[4], {"processes": (DIED,)}, "none: 1 had ended by themselves"),
        (OF_STOPS[4], {"processes": ()}, "none: 0 had ended by themselves"),
        (OF_STOPS[5], {"processes": ()}, "none was ever started"),
    ],
)
def test_what_a_stop_left_or_did_not_see_is_found(judge: Any, changes: Any, actual: str) -> None:
    assert actuals(judge(replace(CLEAN, **changes))) == [actual]


def test_a_clean_stop_is_no_finding() -> None:
    assert [judge(CLEAN) for judge in OF_STOPS] == [[]] * len(OF_STOPS)
    assert shutdown.every_exit_is_clean(replace(CLEAN, processes=(ENDED, DIED))) == []


def test_a_process_that_died_early_is_named_with_its_exit_code() -> None:
    (finding,) = ranks.nobody_died_early(replace(CLEAN, processes=(ENDED, DIED)))

    assert finding.actual == "1 ended by themselves: decode-0-rank00 (exit code 1)"
