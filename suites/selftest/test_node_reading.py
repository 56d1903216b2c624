"""Passing means: what nodes said is read right, or a node's report says why it is not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.clients.node_probe import PIECE, fragments
from fixtures.clients.nodes import reports_of
from fixtures.clients.step_causes import cause_of, streams
from fixtures.model.slurm import Call

from .probes import labelled

pytestmark = pytest.mark.selftest

NODES = ["gb01", "gb02", "gb03"]


def document(node: str, padding: str = "x" * 3000) -> dict[str, object]:
    """A small answer that still takes several fragments."""
    found = {"identity": {"hostname": node, "uid": 1, "user": padding, "addresses": []}}
    return {"node": node, "at_s": 12.5, "found": found, "problems": {}}


def output(node: str, padding: str = "x" * 3000) -> str:
    """What the probe of one node prints."""
    return "".join(f"{line}\n" for line in fragments(document(node, padding)))


def step(stdout: str, *, code: int | None = 0, stderr: str = "") -> Call:
    """A step that printed this."""
    return Call(("srun", "-l"), code, stdout, stderr, 1.0, 20.0)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
@pytest.mark.parametrize("size", [1, 7, 100, 1024, 100_000])
def test_answers_are_read_however_srun_cuts_them(size: int, ending: str) -> None:
    text = labelled([output(node) for node in NODES], size, ending)

    reports = reports_of(step(text), NODES)

    assert [(each.node, each.hostname, each.error) for each in reports] == [
        (node, node, "") for node in NODES
    ]


@given(st.text(), st.integers(1, 2000))
@settings(max_examples=50, deadline=None)
def test_any_text_survives(text: str, size: int) -> None:
    printed = labelled([output("gb01", text)], size)

    (report,) = reports_of(step(printed), ["gb01"])

    assert report.user == text
    assert len(fragments(document("gb01", text))[0]) < PIECE + 100


def test_lines_of_others_beside_an_answer_do_not_matter() -> None:
    noise = "0: pyxis: importing docker image: x\nslurmstepd: a word\n"

    (report,) = reports_of(step(noise + labelled([output("gb01")], 1024) + noise), ["gb01"])

    assert report.hostname == "gb01"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the probe printed nothing"),
        ("0: Traceback (most recent call last):\n", "the probe printed nothing"),
        (output("gb01").splitlines()[0], "half an answer: piece 2 of"),
        (output("gb01").replace("xxx", "xyx"), "a garbled answer"),
        ("\n".join(fragments({**document("gb01"), "found": 7})), "unreadable answer"),
        ("\n".join(fragments({"node": "gb01"})), "unreadable answer: KeyError"),
        ("\x00\xff@@node-probe gb01 zz", "the probe printed nothing"),
    ],
)
def test_what_cannot_be_read_is_said(text: str, words: str) -> None:
    (report,) = reports_of(step(text), ["gb01"])

    assert words in report.error


@given(st.text(max_size=2000))
@settings(max_examples=100, deadline=None)
def test_no_output_is_a_trap(text: str) -> None:
    (report,) = reports_of(step(text, code=1, stderr=text), ["gb01"])

    assert report.error


def test_a_part_that_cannot_be_read_is_a_problem_of_its_section() -> None:
    odd = document("gb01")
    odd["found"] = {"limits": {"open_files": 1}, "gpus": [1], "paths": {"paths": [{"path": "/"}]}}

    (report,) = reports_of(step("\n".join(fragments(odd))), ["gb01"])

    assert not report.error
    assert (report.limits, report.gpus, report.paths) == (None, None, None)
    assert "unreadable: TypeError" in report.problem("limits")
    assert "unreadable" in report.problem("gpus")
    assert "unreadable" in report.problem("paths")


def test_the_better_of_two_answers_counts() -> None:
    half = "\n".join(fragments(document("gb01", "y" * 3000))[:1])

    for text in (f"{half}\n{output('gb01')}", f"{output('gb01')}{half}\n"):
        (report,) = reports_of(step(text), ["gb01"])
        assert report.hostname == "gb01"


STEPD = """\
srun: defined options
srun: launching StepId=1.76 on host gb01, 1 tasks: 0
0: pyxis: importing docker image: nvcr.io#x
0: slurmstepd-gb01: error: pyx
1: slurmstepd-gb02: error: pyxis: failed to import docker image
0: is: failed to import docker image
0: slurmstepd-gb01: error: pyxis: printing enroot log file:
0: slurmstepd-gb01: error: pyxis:     [ERROR] curl: (6) Could not resolve host: nvcr.io
0: slurmstepd-gb01: error: spank: required plugin x.so: task_init() failed with rc=-1
0: slurmstepd-gb01: error: Failed to invoke spank plugin stack
srun: error: gb01: task 0: Exited with exit code 1
"""
PYTHON = """\
srun: launching StepId=1.1 on host gb01, 1 tasks: 0
1: Traceback (most recent call last):
1: SyntaxError: future feature annotations is not defined
"""
CANCELLED = """\
0: slurmstepd-gb01: error: *** STEP 1.79 ON gb01 CANCELLED AT 2026-11-21T18:28:18 ***
1: slurmstepd-gb02: error: execve(): /nope: No such file or directory
"""
LOST = """\
srun: launching StepId=1.1 on host gb03, 1 tasks: 0
srun: error: Task launch for StepId=1.1 failed on node gb03: Communication connection failure
srun: error: Application launch failed: Communication connection failure
srun: error: gb02: task 1: Exited with exit code 1
"""


@pytest.mark.parametrize(
    ("call", "node", "label", "words"),
    [
        (step("", code=1, stderr=STEPD), "gb01", "0", "failed to import docker image: curl: (6)"),
        (step("", code=1, stderr=STEPD), "gb02", "1", ": pyxis: failed to import docker image"),
        (step("", code=1, stderr=PYTHON), "gb02", "1", "future feature annotations"),
        (step("", code=2, stderr=CANCELLED), "gb02", "1", "execve(): /nope"),
        (step("", code=2, stderr=CANCELLED), "gb01", "0", "CANCELLED"),
        (step("", code=233, stderr=LOST), "gb03", "2", "failed on node gb03"),
        (step("", code=233, stderr=LOST), "gb02", "1", "gb02: task 1: Exited with exit code 1"),
        (step("", code=1, stderr="Slurmctld is DOWN\n"), "", "", "exit code 1: Slurmctld is DOWN"),
        (step("", code=None, stderr="no such program"), "", "", "no such program"),
        (step("", code=None), "", "", "srun did not end within 20 s"),
        (step("", code=3), "", "", "srun ended with exit code 3"),
        (step(""), "", "", ""),
    ],
)
def test_the_cause_is_the_first_word_of_the_right_task(
    call: Call, node: str, label: str, words: str
) -> None:
    cause = cause_of(call, node=node, label=label)

    assert cause.endswith(words) if not words else words in cause
    assert "\n" not in cause


def test_streams_join_what_labels_tore_apart() -> None:
    assert streams(" 0: ab\n10: x\n 0: cd\nsrun: a\nsrun: b\n") == {
        "0": "abcd",
        "10": "x",
        "": "srun: a\nsrun: b\n",
    }
