"""Passing means: a node is called lost only where the scheduler says so, or no step runs there.

The scheduler and the steps are stand-ins; what real ones say is tried on a small cluster.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.clients import ranks
from fixtures.launchers import slurm_look
from fixtures.launchers.slurm_look import Look
from fixtures.launchers.slurm_plan import Naming, Place
from fixtures.model.deployment import DeploymentRecord, NodeAccess, Readiness
from fixtures.model.node_report import MarkedProcess, NodeReport
from fixtures.model.slurm import Call, JobView, NodeState, SlurmSite

from .test_judges_of_ranks_and_stops import CLEAN

pytestmark = pytest.mark.selftest

NODES = ("gb01", "gb02")
TIMED_OUT = "srun: error: Unable to create step for job 7: Socket timed out on send/recv operation"
REFUSED = "squeue: error: Unable to contact slurm controller (connect failure)"


def made(argv: Sequence[str], error: str = "") -> Call:
    return Call(tuple(argv), 1 if error else 0, "", error, 0.1, 5.0)


def state(node: str, state: str = "allocated", *, answers: bool = True) -> NodeState:
    return NodeState(node, state, answers, "gpu:4", "none")


class Scheduler:
    """A scheduler with the states of nodes, the job, and the nodes on which no step runs."""

    def __init__(
        self,
        *states: NodeState,
        stuck: Mapping[str, str] | None = None,
        job: str = "RUNNING",
        down: str = "",
    ) -> None:
        self.states, self.stuck, self.job_state, self.down = states, stuck or {}, job, down
        self.ran: list[tuple[str, ...]] = []

    def nodes(self) -> tuple[tuple[NodeState, ...], Call]:
        return (() if self.down else self.states), made(("sinfo",), self.down)

    def job(self, job_id: str) -> tuple[JobView | None, Call]:
        view = None if self.down else JobView(job_id, "acc", "me", self.job_state, NODES, "", None)
        return view, made(("squeue",), self.down)

    def run(self, argv: Sequence[str], *_: float, **__: float) -> Call:
        self.ran.append(tuple(argv))
        (on,) = [node for node in NODES if any(node in word for word in argv[:-1])]
        return made(argv, self.stuck.get(on, ""))


def look_of(
    scheduler: Scheduler, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, *, unseen: Sequence[str]
) -> Look:
    """A look that fails on these nodes."""

    def look(access: NodeAccess, _request: object) -> tuple[NodeReport, ...]:
        return tuple(NodeReport(n, error="no answer" if n in unseen else "") for n in access.nodes)

    monkeypatch.setattr(slurm_look, "look", look)
    naming = Naming("acc-1", "acc-1-t", tmp_path / "work", "python3")
    place = Place(NODES, dict.fromkeys(NODES, "10.0.0.1"), "gb01")
    client: Any = scheduler
    return Look(client, SlurmSite(), naming, "7", place, {}, "1")


UP = (state("gb01"), state("gb02"))
ALL_STUCK = dict.fromkeys(NODES, TIMED_OUT)


@pytest.mark.parametrize(
    ("scheduler", "unseen", "lost"),
    [
        (Scheduler(*UP), (), {}),
        (Scheduler(*UP), ("gb02",), {}),  # only the look failed: a step runs there
        (Scheduler(*UP), NODES, {}),
        (Scheduler(*UP, stuck=ALL_STUCK), (), {}),  # it has answered, so nothing is tried
        (
            Scheduler(*UP, stuck={"gb02": "srun: error: no route"}),
            ("gb02",),
            {"gb02": "a job step cannot run there: srun ended with exit code 1: no route"},
        ),
        (Scheduler(state("gb01"), state("gb02", answers=False)), ("gb02",), {}),
        (
            Scheduler(state("gb01"), state("gb02", answers=False), stuck={"gb02": "x"}),
            ("gb02",),
            {"gb02": "the scheduler says allocated, not answering"},
        ),
        (Scheduler(state("gb01"), state("gb02", "down")), (), {"gb02": "the scheduler says down"}),
        (
            Scheduler(*UP, stuck=ALL_STUCK, job="NODE_FAIL"),
            NODES,
            dict.fromkeys(NODES, "no job step can run there: job 7 is NODE_FAIL"),
        ),
        (
            Scheduler(*UP, stuck=ALL_STUCK),
            NODES,
            dict.fromkeys(NODES, "a job step cannot run there: srun ended with exit code 1"),
        ),
    ],
)
def test_a_node_is_lost_where_no_step_runs_or_the_scheduler_says_so(
    scheduler: Scheduler,
    unseen: Sequence[str],
    lost: Mapping[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    found, problem = look_of(scheduler, monkeypatch, tmp_path, unseen=unseen).lost_nodes()

    assert problem == ""
    assert [loss.node for loss in found] == list(lost)
    for loss in found:
        assert loss.how.startswith(lost[loss.node])


def test_a_scheduler_that_is_away_is_blamed_itself(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scheduler = Scheduler(stuck=ALL_STUCK, down=REFUSED)

    found, problem = look_of(scheduler, monkeypatch, tmp_path, unseen=NODES).lost_nodes()

    assert found == ()
    assert "the scheduler itself does not answer: " in problem
    assert "Unable to contact slurm controller" in problem


@pytest.mark.parametrize(
    ("unseen", "blind", "told"),
    [((), "", ()), (("gb02",), "", ("gb02: no answer",)), (NODES, "gb01: no answer; gb02", NODES)],
)
def test_a_stop_that_saw_no_node_says_so(
    unseen: Sequence[str],
    blind: str,
    told: Sequence[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    look = look_of(Scheduler(*UP), monkeypatch, tmp_path, unseen=unseen)

    record = look.audit(CLEAN, hurry=False)

    assert record.blind.startswith(blind)
    assert bool(record.blind) is bool(blind)
    assert len(record.unseen) == len(told)


def test_lost_nodes_are_cleaned_too(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    scheduler = Scheduler(state("gb01", "down"), state("gb02"))
    look = look_of(scheduler, monkeypatch, tmp_path, unseen=())
    lost, _ = look.lost_nodes()
    record = look.audit(replace(CLEAN, nodes_lost=lost), hurry=False)

    look.remove(record, data=True)

    clean, data = scheduler.ran
    assert "acc-1-clean" in " ".join(clean)
    assert data[-4:-1] == ("rm", "-rf", "--")
    assert all("gb02" not in " ".join(argv) for argv in (clean, data))


def test_ranks_of_nodes_that_do_not_answer_are_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {"SLURM_PROCID": "0", "ACCEPTANCE_WORKER": "decode-0", "SLURM_LOCALID": "1"}
    process = MarkedProcess(5, 1, "python", tuple(environment.items()))
    reports = (
        NodeReport("gb01", processes=(process,)),
        NodeReport("gb02", error="srun did not end within 5 s"),
        NodeReport("gb03", problems=(("processes", "no /proc"),)),
        NodeReport("gb04", processes=()),
    )
    monkeypatch.setattr(ranks, "look", lambda *_: reports)
    access = NodeAccess((), (), ("gb01", "gb02", "gb03", "gb04"), "python3", 5.0)
    record = DeploymentRecord(
        "t", "acc-1-t", 1, "m", "", (), "", (), 2, 5.0, Readiness(()), access=access
    )

    seen, unseen = ranks.rank_processes(record)

    assert [(each.worker, each.rank, each.node, each.gpu) for each in seen] == [
        ("decode-0", 0, "gb01", 1)
    ]
    assert unseen == {"gb02": "srun did not end within 5 s", "gb03": "no /proc"}
