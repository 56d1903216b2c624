"""Passing means: what squeue and sinfo really print becomes the right jobs, steps and nodes.

Not covered: other commands (test_slurm_parse_answers), what srun says of its step
(test_slurm_parse_steps), and text that no scheduler prints (test_slurm_parse_fuzz).
"""

from __future__ import annotations

import pytest

from fixtures.clients import slurm_parse as parse
from fixtures.clients.slurm_text import nodes_of, seconds_of
from fixtures.model.slurm import JobView, NodeState, StepView

from .slurm_samples import RECORDED, WRITTEN, names, sample

pytestmark = pytest.mark.selftest

BOTH = ("gb200", "shared")


def job(id_: str, name: str, state: str, nodes: str, reason: str, left: str) -> JobView:
    return JobView(id_, name, "root", state, nodes_of(nodes), reason, seconds_of(left), left)


def step(id_: str, name: str, nodes: str, tasks: int) -> StepView:
    return StepView(id_, name, nodes_of(nodes), "root", tasks)


def node(
    name: str, state: str, reason: str = "", marks: str = "", partitions: tuple[str, ...] = BOTH
) -> NodeState:
    return NodeState(name, state, "*" not in marks, "gpu:4", reason, marks, partitions)


JOBS = {
    "jobs-array": (
        job("3", "later", "PENDING", "", "BeginTime", "UNLIMITED"),
        job("6", "my|job | 8 nodes", "RUNNING", "gb[02-04]", "", "1-02:03:51"),
        job("1_[2-9%2]", "arr", "PENDING", "", "JobArrayTaskLimit", "10:00"),
        job("4", "dep", "PENDING", "", "Dependency", "10:00"),
        job("2", "hold", "PENDING", "", "JobHeldUser", "10:00"),
        job("1_0", "arr", "RUNNING", "gb01", "", "9:51"),
        job("1_1", "arr", "RUNNING", "gb01", "", "9:51"),
        job("9", "two\nlines", "RUNNING", "gb01", "", "59:54"),
        job("5", "badexit", "SPECIAL_EXIT", "", "JobHeldUser", "10:00"),
    ),
    "jobs-array-requeued": (
        job("1_[0-1,4-9]", "arr", "PENDING", "", "JobArrayTaskLimit,JobHeldUser", "10:00"),
        job("1_3", "arr", "RUNNING", "gb01", "", "9:57"),
        job("1_2", "arr", "RUNNING", "gb01", "", "9:57"),
    ),
    "jobs-requeued-completing": (
        job("17", "fine", "COMPLETED", "gb01", "", "9:59"),
        job("12", "again", "COMPLETING", "gb01", "", "10:00"),
        job("13", "rehold", "COMPLETING", "gb01", "job requeued in held state", "10:00"),
        job("15", "special", "COMPLETING", "gb01", "job requeued in held state", "10:00"),
        job("16", "fail", "FAILED", "gb01", "NonZeroExitCode", "9:59"),
        job("14", "susp", "SUSPENDED", "gb01", "", "9:58"),
    ),
    "jobs-requeued": (
        job("17", "fine", "COMPLETED", "gb01", "", "9:59"),
        job("16", "fail", "FAILED", "gb01", "NonZeroExitCode", "9:59"),
        job("12", "again", "PENDING", "", "BeginTime", "10:00"),
        job("13", "rehold", "PENDING", "", "job requeued in held state", "10:00"),
        job("14", "susp", "SUSPENDED", "gb01", "", "9:58"),
        job("15", "special", "SPECIAL_EXIT", "", "job requeued in held state", "10:00"),
    ),
    "jobs-het": (
        job("18+0", "het", "RUNNING", "gb06", "", "23:59:56"),
        job("18+1", "het", "RUNNING", "gb05", "", "23:59:56"),
    ),
    "jobs-completing": (job("20", "comp", "COMPLETING", "gb[01-02]", "", "29:56"),),
    "jobs-prolog": (job("21", "conf", "RUNNING", "gb[01-02]", "Prolog", "29:58"),),
    "jobs-configuring": (job("22", "boot", "CONFIGURING", "gb06", "", "29:58"),),
    "jobs-launch-failed": (
        job("15", "prolog", "PENDING", "", "launch failed requeued held", "10:00"),
    ),
    "jobs-node-failed": (job("12", "dyn", "NODE_FAIL", "gb[01-04]", "NodeDown", "4:59:28"),),
    "jobs-timeout": (job("13", "limit", "TIMEOUT", "gb06", "TimeLimit", "INVALID"),),
    "job-running": (job("1", "dyn", "RUNNING", "gb[01-04]", "", "4:59:57"),),
    "job-pending": (job("3", "big2", "PENDING", "", "Resources", "UNLIMITED"),),
    "job-unknown": (),
}
STEPS = {
    "steps-array": (
        step("6.extern", "extern", "gb[02-04]", 3),
        *(
            step(f"1_{element}.{number}", name, "gb01", 1)
            for element in (0, 1)
            for number, name in (("0", "inner"), ("batch", "batch"), ("extern", "extern"))
        ),
        step("9.extern", "extern", "gb01", 1),
    ),
    "steps-het": (
        step("18.0", "hetstep", "gb06", 1),
        step("18.extern", "extern", "gb06", 1),
        step("19.0", "hetstep", "gb05", 1),
        step("19.extern", "extern", "gb05", 1),
    ),
    "steps-interactive": (
        step("1.interactive", "interactive", "gb01", 1),
        step("1.extern", "extern", "gb01", 1),
    ),
    "steps-running": (
        step("1.0", "w", "gb[01-02]", 8),
        step("1.extern", "extern", "gb[01-04]", 4),
    ),
    "steps-completing": (),
}
SWAPPED = ("shared", "gb200")
NODES = {
    "nodes-mixed": (
        node("gb01", "mixed"),
        *(node(f"gb0{number}", "allocated") for number in (2, 3, 4)),
        *(node(f"gb0{number}", "idle") for number in (5, 6)),
    ),
    "nodes-completing": (
        *(node("gb01", "completing"), node("gb02", "completing"), node("gb03", "idle")),
    ),
    "nodes-drained-and-down": (
        node("gb01", "draining", "bad cable | see #12"),
        node("gb02", "draining", "bad cable | see #12"),
        node("gb03", "mixed"),
        node("gb04", "drained", "disk full: left=0 State=IDLE"),
        node("gb05", "down", "xid79"),
        node("gb06", "maint"),
    ),
    "nodes-reboot": (
        node("gb01", "draining", "bad cable | see #12", partitions=SWAPPED),
        node("gb02", "failing", "x", partitions=SWAPPED),
        node("gb03", "draining", "Reboot ASAP", "@", SWAPPED),
        node("gb04", "idle", partitions=SWAPPED),
        node("gb05", "reboot", "Reboot ASAP : reboot issued", "^", SWAPPED),
        node("gb06", "idle", partitions=SWAPPED),
    ),
    "nodes-power-going-down": (node("gb06", "idle", marks="%"),),
    "nodes-power-off": (
        node("gb05", "idle", partitions=SWAPPED),
        node("gb06", "idle", marks="~", partitions=SWAPPED),
    ),
    "nodes-powering-up": (
        node("gb05", "idle", partitions=SWAPPED),
        node("gb06", "allocated", marks="#", partitions=SWAPPED),
    ),
    "nodes-not-answering": (
        *(node("gb01", "allocated"), node("gb02", "allocated", marks="*")),
        node("gb03", "allocated"),
    ),
    "nodes-down-not-answering": (
        *(node("gb01", "completing"), node("gb02", "down", "Not responding", "*")),
        node("gb03", "completing"),
    ),
    "nodes-prolog-failed": (node("gb05", "drained", "Prolog error"),),
    "nodes-unknown": (),
}


@pytest.mark.parametrize("name", names(RECORDED, "job"))
def test_jobs(name: str) -> None:
    assert parse.jobs(sample(name)) == JOBS[name]


@pytest.mark.parametrize("name", names(RECORDED, "steps-"))
def test_steps(name: str) -> None:
    assert parse.steps(sample(name)) == STEPS[name]


@pytest.mark.parametrize("name", names(RECORDED, "nodes-"))
def test_nodes_are_listed_once_with_all_their_partitions(name: str) -> None:
    assert parse.node_states(sample(name)) == NODES[name]


def test_a_job_that_is_over_can_be_told_from_one_that_will_run_again() -> None:
    over = {each.id: each.over for each in parse.jobs(sample("jobs-requeued"))}

    assert over == {"17": True, "16": True, "12": False, "13": False, "14": False, "15": False}


def test_a_job_that_is_gone_can_be_told_from_a_scheduler_that_is_gone() -> None:
    assert parse.says_no_such_job(sample("job-unknown"))
    assert not parse.says_no_such_job(sample("controller-away-squeue"))


def test_states_that_were_not_recorded() -> None:
    found = parse.jobs(sample("jobs-other-states", WRITTEN))

    assert [(each.id, each.state, each.time_left_s) for each in found] == [
        ("31", "REQUEUED", None),
        ("32", "REQUEUE_HOLD", None),
        ("33", "SIGNALING", 7),
        ("34", "STAGE_OUT", 7384),
        ("35", "OUT_OF_MEMORY", 60),
        ("36", "PREEMPTED", 0),
        ("37_[1,3,5,...]", "PENDING", 86400),
    ]
    assert [each.nodes for each in found][4:] == [("gb03", "gb04"), (), ()]


def test_marks_that_were_not_recorded() -> None:
    found = parse.node_states(sample("nodes-other-marks", WRITTEN))

    assert [(each.state, each.marks, each.answers) for each in found] == [
        ("planned", "", True),
        ("mixed", "-", True),
        ("idle", "$", True),
        ("idle", "#", True),
        ("drained", "*", False),
        ("powering_down", "%", True),
        ("inval", "", True),
        ("reserved", "", True),
        ("allocated", "+", True),
        ("idle", "!", True),
    ]
    assert [each.gres for each in found[2:4]] == ["gpu:gb200:4(S:0-1)", ""]
