"""Passing means: from what srun prints come the places of the ranks, and the first cause of an end.

Without `--label` a task can print what looks like a line of srun; nobody can tell them apart then.
"""

from __future__ import annotations

import pytest

from fixtures.clients.slurm_parse import launch_layout, launch_layouts, sattach_layout, step_end
from fixtures.clients.slurm_steps import MOST_EVENTS, MOST_MESSAGES
from fixtures.model.slurm import STEP_EVENTS, StepEnd, StepEvent, StepLayout

from .slurm_samples import RECORDED, WRITTEN, names, sample

pytestmark = pytest.mark.selftest

Ranks = tuple[tuple[str, tuple[int, ...]], ...]

PLACES: dict[str, tuple[str, Ranks]] = {
    "blocks": ("1.0", (("gb01", (0, 1, 2, 3)), ("gb02", (4, 5, 6, 7)))),
    "one-each": ("1.1", tuple((f"gb0{rank + 1}", (rank,)) for rank in range(4))),
    "cyclic": ("1.2", (("gb01", (0, 3, 6)), ("gb02", (1, 4)), ("gb03", (2, 5)))),
    "plane": (
        "1.3",
        (("gb01", (0, 1, 6, 7)), ("gb02", (2, 3, 8, 9)), ("gb03", (4, 5, 10, 11))),
    ),
    "arbitrary": ("1.4", (("gb01", (2, 3)), ("gb03", (0, 1)))),
}


def task(node: str, rank: int, code: int) -> StepEvent:
    text = f"{node}: task {rank}: Exited with exit code {code}"
    return StepEvent("task", text, node, (rank,), exit_code=code)


def killed(node: str, rank: int, words: str, signal: str) -> StepEvent:
    return StepEvent("task", f"{node}: task {rank}: {words}", node, (rank,), signal=signal)


def cancelled(step: str, node: str, time: str, due: str = "") -> str:
    return f"*** STEP {step} ON {node} CANCELLED AT 2026-11-21T{time}{due} ***"


PYXIS_IMPORT = "pyxis: failed to import docker image"
PYXIS_MOUNT = "pyxis: --container-mounts: source path does not exist: /nope"
PYXIS_FORMAT = "pyxis: --container-mounts: invalid format: a:b:c:d"
ABORTED = "Job step aborted: Waiting up to 7 seconds for job step to finish."
CAUSES: dict[str, tuple[str, StepEvent | None]] = {
    "end-exit-7": ("10.0", task("gb02", 2, 7)),
    "end-each-its-own-code": ("", task("gb03", 4, 4)),
    "end-killed": ("10.2", killed("gb02", 3, "Killed", "SIGKILL")),
    "end-segfault": ("10.3", killed("gb02", 3, "Segmentation fault", "SIGSEGV")),
    "end-term-ignored": ("10.4", task("gb02", 2, 7)),
    "end-first-exit-then-wait": ("10.5", task("gb02", 2, 7)),
    "end-a-task-says-srun-error": ("10.6", task("gb02", 2, 7)),
    "end-mpi-exit": ("2.0", task("gb03", 5, 3)),
    "end-mpi-abort": ("2.1", task("gb03", 5, 7)),
    "end-no-such-program": (
        "",
        StepEvent("launch", "execve(): /no/such: No such file or directory", "gb02", (2,)),
    ),
    "end-not-executable": (
        "",
        StepEvent("launch", "execve(): /etc/hosts: Permission denied", "gb01", (0,)),
    ),
    "end-slurmd-dead": (
        "14.0",
        StepEvent(
            "launch",
            "Task launch for StepId=14.0 failed on node gb03: Communication connection failure",
            "gb03",
        ),
    ),
    "end-no-such-job": (
        "",
        StepEvent("error", "Unable to confirm allocation for job 4711: Invalid job id specified"),
    ),
    "end-too-many-nodes": ("", StepEvent("error", "Only allocated 4 nodes asked for 9")),
    "end-node-not-in-job": (
        "",
        StepEvent(
            "error",
            "Unable to create step for job 10: Requested node configuration is not available",
        ),
    ),
    "end-nodes-busy": (
        "",
        StepEvent("error", "Unable to create step for job 10: Requested nodes are busy"),
    ),
    "end-unknown-option": (
        "",
        StepEvent("error", "unrecognized option '--container-image=x'"),
    ),
    "end-unknown-mpi": (
        "",
        StepEvent(
            "error",
            "Couldn't find the specified plugin name for mpi/nope looking at all files",
        ),
    ),
    "end-pending-step-terminated": (
        "",
        StepEvent("cancelled", "Cancelled pending job step with signal 15"),
    ),
    "end-scancel-term": (
        "10.10",
        StepEvent("cancelled", cancelled("10.10", "gb01", "18:28:41")),
    ),
    "end-scancel-step": (
        "10.11",
        StepEvent("cancelled", cancelled("10.11", "gb01", "18:28:43")),
    ),
    "end-srun-terminated": ("10.12", StepEvent("cancelled", "forcing job termination")),
    "end-node-set-down": ("10.13", StepEvent("node", "Node failure on gb02", "gb02")),
    "end-node-lost": ("12.0", StepEvent("node", "Node failure on gb02", "gb02")),
    "end-time-limit": (
        "13.0",
        StepEvent("time limit", cancelled("13.0", "gb06", "18:32:07", " DUE TO TIME LIMIT")),
    ),
    "srun-job-cancelled": (
        "20.0",
        StepEvent("cancelled", cancelled("20.0", "gb01", "18:25:08", "")),
    ),
    "srun-w-is-sorted": ("1.5", None),
    "end-out-of-memory": (
        "7.0",
        StepEvent(
            "memory",
            "Detected 1 oom_kill event in StepId=7.0. Some of the step tasks have been OOM Killed.",
            "gb02",
            (1,),
        ),
    ),
    "end-pyxis-import-fails": ("", StepEvent("container", PYXIS_IMPORT)),
    "end-pyxis-mount-missing": ("", StepEvent("container", PYXIS_MOUNT, "gb02", (1,))),
    "end-pyxis-bad-mount": ("", StepEvent("container", PYXIS_FORMAT)),
    "end-after-pyxis-progress": ("8.1", task("gb02", 2, 7)),
}


@pytest.mark.parametrize("name", PLACES)
def test_both_tell_where_the_ranks_are(name: str) -> None:
    step, ranks = PLACES[name]

    assert launch_layout(sample(f"srun-v-{name}")) == StepLayout(step, ranks)
    assert sattach_layout(sample(f"layout-{name}"), step) == StepLayout(step, ranks)


def test_a_step_over_two_components_has_two_layouts() -> None:
    one, other = StepLayout("18.0", (("gb06", (0,)),)), StepLayout("19.0", (("gb05", (0,)),))

    assert launch_layouts(sample("srun-v-het")) == (other, one)
    assert sattach_layout(sample("layout-het"), "18.0") == one


def test_srun_sorts_the_nodes_that_it_is_given() -> None:
    layout = launch_layout(sample("srun-w-is-sorted"))

    assert layout == StepLayout("1.5", (("gb01", (0,)), ("gb03", (1,))))


def test_nothing_is_known_before_it_is_said() -> None:
    assert launch_layout("srun: jobid 1: nodes(4):`gb[01-04]', cpu counts: 16(x4)\n") is None
    assert sattach_layout(sample("layout-of-ended-step"), "1.0") is None
    assert step_end("") == StepEnd()


@pytest.mark.parametrize(
    ("name", "group"),
    [
        *((name, RECORDED) for name in names(RECORDED, "end-")),
        *((name, WRITTEN) for name in names(WRITTEN, "end-")),
        *(("srun-job-cancelled", RECORDED), ("srun-w-is-sorted", RECORDED)),
    ],
)
def test_the_first_cause_of_an_end(name: str, group: str) -> None:
    step, first = CAUSES[name]
    end = step_end(sample(name, group))

    assert (end.step, end.first) == (step, first)
    assert end.cause == (first.text if first else "")
    assert all(event.kind in STEP_EVENTS for event in end.events)


@pytest.mark.parametrize("name", ["end-node-set-down", "end-node-lost"])
def test_a_lost_node_shows_although_srun_ends_with_0(name: str) -> None:
    assert step_end(sample(name)).node_failures == ("gb02",)


def test_every_event_is_kept_in_its_order() -> None:
    end = step_end(sample("end-term-ignored"))

    assert [(event.kind, event.node, event.ranks) for event in end.events] == [
        ("task", "gb02", (2,)),
        ("cancelled", "", ()),
        ("task", "gb02", (3,)),
        ("task", "gb04", (6, 7)),
        ("task", "gb03", (4, 5)),
        ("task", "gb01", (0, 1)),
    ]
    assert {event.signal for event in end.events[2:]} == {"SIGKILL"}
    assert end.messages[-1] == "srun: Force Terminated StepId=10.4"


def test_what_a_labelled_task_prints_is_no_message_of_the_scheduler() -> None:
    end = step_end(sample("end-a-task-says-srun-error"))

    assert not any("gb09" in message for message in end.messages)


def test_a_complaint_before_the_end_is_not_its_cause() -> None:
    text = "srun: error: Required nodelist includes more nodes than permitted\n"
    end = step_end(text + sample("end-exit-7"))

    assert end.first == task("gb02", 2, 7)
    assert end.events[0].kind == "error"


def test_ranges_of_ranks_core_dumps_and_real_time_signals() -> None:
    end = step_end(
        "srun: error: gb01: tasks 0-1,6-7: Aborted (core dumped)\n"
        "srun: error: gb02: task 2: Real-time signal 6\n"
        "srun: error: gb02: task 3: Something new\n"
    )

    assert [(event.ranks, event.signal) for event in end.events] == [
        ((0, 1, 6, 7), "SIGABRT"),
        ((2,), "SIGRTMIN+6"),
        ((3,), "Something new"),
    ]


def test_an_endless_story_is_cut() -> None:
    end = step_end("srun: error: gb01: task 0: Killed\n" * 10_000)

    assert (len(end.events), len(end.messages)) == (MOST_EVENTS, MOST_MESSAGES)
