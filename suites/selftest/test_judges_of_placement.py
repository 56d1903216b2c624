"""Passing means: the judges of placement and of what a scheduler leaves find what is broken, and
leave legal layouts alone.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.clients.ranks import load_lines, rank_lines
from fixtures.judges import ranks, shutdown
from fixtures.judges.preflight_scheduler import fit
from fixtures.model.deployment import RankProcess, WorkerRecord
from fixtures.model.evidence import RankLine
from fixtures.model.slurm import NodeState, StepLayout
from fixtures.model.stop import GpuMemory, NodeLoss, PortState, Stray, merged
from fixtures.outcome import Blocked, NotEvaluated, RequirementFailed
from suites.shutdown import test_leftovers as leftovers

from .test_judges_of_ranks_and_stops import CLEAN, PLAN, actuals

pytestmark = pytest.mark.selftest

PREFILL = replace(PLAN, name="prefill-0", role="prefill")
RECORD = WorkerRecord(PLAN, "", ("decode.log",), "1.2")
LAYOUT = StepLayout("1.2", (("node-0", (0, 1)), ("node-1", (2, 3))))


def line(rank: int, *, leader: bool = False, label: int | None = None) -> RankLine:
    return RankLine("decode-0", rank, 4, "decode.log", rank + 1, leader=leader, label=label)


def world(*, label: bool = False) -> list[RankLine]:
    return [line(n, leader=n == 0, label=n if label else None) for n in range(4)]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (world(), []),
        (world(label=True), []),
        ([line(0), *world()[1:]], ["none"]),
        ([], ["none"]),
        ([*world()[:3], line(3, leader=True)], ["rank 0, rank 3"]),
        ([line(0), line(1, leader=True)], ["rank 1"]),
        ([*world(label=True)[:3], line(2, label=3)], ["it says rank2 (decode.log:3)"]),
        ([line(0, leader=True, label=n) for n in (0, 1)], ["rank 0, rank 0", "it says rank0"]),
    ],
)
def test_each_worker_has_one_leader(lines: list[RankLine], expected: list[str]) -> None:
    found = actuals(ranks.every_worker_has_one_leader(lines, [PLAN]))

    assert len(found) == len(expected)
    assert all(said.startswith(wanted) for said, wanted in zip(found, expected, strict=True))


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        (LAYOUT, []),
        (StepLayout("1.2", tuple(reversed(LAYOUT.ranks))), []),
        (None, ["the scheduler named no node for it"]),
        (StepLayout("1.2", (("node-0", (0, 2)), ("node-1", (1, 3)))), ["node-0: 0,2, node-1: 1,3"]),
        (StepLayout("1.2", (("node-7", (0, 1)), ("node-1", (2, 3)))), ["node-7: 0-1, node-1: 2-3"]),
        (StepLayout("1.2", (("node-0", (0, 1, 2, 3)),)), ["node-0: 0-3"]),
    ],
)
def test_ranks_are_in_blocks(layout: StepLayout | None, expected: list[str]) -> None:
    assert actuals(ranks.scheduler_placed_in_blocks([replace(RECORD, layout=layout)])) == expected


def test_a_node_with_ranks_of_both_roles_is_named() -> None:
    on = [RankProcess("decode-0", 0, "gb01", 0, 1), RankProcess("prefill-0", 0, "gb02", 0, 2)]
    both = [*on, RankProcess("decode-0", 1, "gb02", 1, 3)]

    assert ranks.roles_share_no_node(on, [PLAN, PREFILL]) == []
    assert actuals(ranks.roles_share_no_node(both, [PLAN, PREFILL])) == ["gb02: decode and prefill"]
    assert actuals(ranks.roles_share_no_node([], [PLAN, PREFILL])) == ["none was seen"]


def test_two_workers_of_one_role_may_share_a_node() -> None:
    second = replace(PLAN, name="decode-1")
    on = [RankProcess("decode-0", 0, "gb01", 0, 1), RankProcess("decode-1", 0, "gb01", 1, 2)]

    assert ranks.roles_share_no_node(on, [PLAN, second]) == []


def test_what_a_scheduler_left_is_found() -> None:
    lost = replace(CLEAN, nodes_lost=(NodeLoss("gb02", "down"),), unseen=("gb02: lost",))
    full = GpuMemory("gb01", 2, 900, 512)

    assert actuals(ranks.no_node_was_lost(lost)) == ["down"]
    assert ranks.no_node_was_lost(CLEAN) == []
    assert actuals(shutdown.no_step_is_left(replace(CLEAN, steps_left=("1.2 (x)",)))) == ["1.2 (x)"]
    assert shutdown.no_step_is_left(CLEAN) == []
    assert actuals(shutdown.gpu_memory_is_back(replace(CLEAN, gpu_memory=(full,)))) == ["900 MiB"]
    at_the_limit = replace(full, used_mib=512)
    assert shutdown.gpu_memory_is_back(replace(CLEAN, gpu_memory=(at_the_limit,))) == []


def test_a_node_that_nobody_could_look_at_is_no_clean_node() -> None:
    silent = replace(CLEAN, unseen=("gb03: no answer",))
    told = replace(silent, nodes_lost=(NodeLoss("gb03", "down"),))
    stray = replace(CLEAN, strays=(Stray(7, "python x", "gb01"),))

    assert actuals(shutdown.every_process_is_gone(silent)) == ["gb03: no answer"]
    assert shutdown.every_process_is_gone(told) == []  # RNK-008 says it
    assert actuals(shutdown.every_process_is_gone(stray)) == ["gb01: pid 7: python x"]


def test_a_scheduler_that_does_not_answer_is_no_lost_node() -> None:
    (finding,) = ranks.no_node_was_lost(replace(CLEAN, scheduler_error="it does not answer"))

    assert finding.actual == "it does not answer"
    assert "look at the scheduler" in finding.hint


BLIND = replace(CLEAN, ports=(), unseen=("gb01: no answer",), blind="gb01: no answer")
HALF_BLIND = replace(BLIND, blind="")
OF_NODES = (
    leftovers.test_every_process_is_gone,
    leftovers.test_every_port_is_free,
    leftovers.test_shared_memory_is_clean,
    leftovers.test_gpu_memory_is_given_back,
)
FULL = GpuMemory("gb01", 2, 900, 512)
FOUND = (
    {"strays": (Stray(7, "python x", "gb02"),)},
    {"ports": (PortState(1, "x", False, "pid 7", "gb02"),)},
    {"shared_memory_left": ("moe_1 on gb02",)},
    {"gpu_memory": (FULL,)},
)


@pytest.mark.parametrize("check", OF_NODES)
def test_where_no_node_was_seen_nothing_is_judged(check: Any) -> None:
    with pytest.raises(Blocked, match="no node could be looked at") as blocked:
        check(BLIND)

    assert blocked.value.by == "RNK-008"


@pytest.mark.parametrize(("check", "found"), [*zip(OF_NODES, FOUND, strict=True)])
def test_what_another_stop_has_seen_is_judged_all_the_same(check: Any, found: Any) -> None:
    """A topology may have been stopped twice: once in sight, once not."""
    with pytest.raises(RequirementFailed):
        check(merged([BLIND, replace(CLEAN, **found)]))


def test_a_stop_that_saw_some_nodes_is_judged_by_those() -> None:
    with pytest.raises(RequirementFailed, match="gb01: no answer"):
        leftovers.test_every_process_is_gone(HALF_BLIND)
    with pytest.raises(Blocked, match="gb01: no answer"):  # the ports were on that node
        leftovers.test_every_port_is_free(HALF_BLIND)
    leftovers.test_every_port_is_free(replace(HALF_BLIND, ports=CLEAN.ports))
    leftovers.test_shared_memory_is_clean(HALF_BLIND)


def test_a_local_stop_has_no_nodes_to_look_at() -> None:
    for check in OF_NODES[:3]:
        check(CLEAN)
    with pytest.raises(NotEvaluated):
        leftovers.test_gpu_memory_is_given_back(CLEAN)
    with pytest.raises(RequirementFailed, match="none was seen"):
        leftovers.test_every_port_is_free(replace(CLEAN, ports=()))


SILENT = {"node-1": "srun did not end within 5 s"}
NOT_SEEN = "node-1 could not be looked at: srun did not end within 5 s"


def test_ranks_on_a_node_that_could_not_be_looked_at_are_not_misplaced() -> None:
    seen = [RankProcess("decode-0", n, "node-0", n, n + 1) for n in (0, 1)]
    strayed = RankProcess("decode-0", 3, "node-0", 1, 9)

    (finding,) = ranks.every_rank_is_in_its_place(seen, [PLAN], SILENT)
    assert finding.actual == NOT_SEEN
    assert "scheduler" in finding.hint
    found = ranks.every_rank_is_in_its_place([*seen, strayed], [PLAN], SILENT)
    assert actuals(found) == [NOT_SEEN, "node-0 GPU 1"]
    found = ranks.every_rank_is_in_its_place(seen[:1], [PLAN], SILENT)
    assert actuals(found) == [NOT_SEEN, "no process"]


def test_roles_on_a_node_that_could_not_be_looked_at_are_not_absent() -> None:
    on = [RankProcess("decode-0", 0, "node-0", 0, 1)]
    both = [*on, RankProcess("prefill-0", 0, "node-0", 1, 2)]

    assert actuals(ranks.roles_share_no_node([], [PLAN, PREFILL], SILENT)) == [NOT_SEEN]
    assert actuals(ranks.roles_share_no_node(on, [PLAN, PREFILL], SILENT)) == [NOT_SEEN]
    found = ranks.roles_share_no_node(both, [PLAN, PREFILL], SILENT)
    assert actuals(found) == [NOT_SEEN, "node-0: decode and prefill"]


def test_labelled_lines_of_any_width_are_read(tmp_path: Path) -> None:
    log = tmp_path / "decode.log"
    log.write_text(
        "srun: launching StepId=1.2 on host gb01, 4 tasks: [0-3]\n"
        " 0: rank0 run mgmn leader node with mpi_world_size: 16 ...\n"
        "11: rank11 run mgmn worker node with mpi_world_size: 16 ...\n"
        "rank2 run mgmn worker node with mpi_world_size: 16 ...\n"
        " 3: Model init total -- 55.42s\n"
        " 4: it says: rank4 run mgmn worker node with mpi_world_size: 16 ...\n"
    )
    record = replace(RECORD, logs=(str(log),))

    found = [(each.rank, each.leader, each.label) for each in rank_lines([record])]
    assert found == [(0, True, 0), (11, False, 11), (2, False, None)]
    assert [each.seconds for each in load_lines([record])] == [55.42]


@pytest.mark.parametrize(
    ("marks", "heard", "expected"),
    [
        ("", False, True),
        *((mark, False, False) for mark in "~#^"),
        *((mark, False, True) for mark in "@$"),
        ("~", True, True),
    ],
)
def test_a_node_that_sleeps_or_reboots_is_not_up(marks: str, heard: bool, expected: bool) -> None:
    node = NodeState("gb01", "idle", True, "gpu:4", "none", marks)

    assert fit(node, heard=heard) is expected
