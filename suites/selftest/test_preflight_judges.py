"""Passing means: each judge of the preflight approves of what is well and names what is not."""

from __future__ import annotations

import ast
import pickle
from dataclasses import fields, replace

import pytest

from fixtures.judges.preflight import ALL, JUDGES, NothingToJudge, NotSeen, first_failure
from fixtures.model.node_report import (
    HeadAddress,
    PortLook,
    ProcessLimits,
    Reach,
)
from fixtures.model.preflight import PreflightRecord
from fixtures.model.requirement import Finding, Level
from fixtures.outcome import Blocked, NotEvaluated, RequirementFailed
from fixtures.preflight_checks import settle
from fixtures.requirements import collect

from . import preflight_broken_nodes as nodes
from . import preflight_broken_parts as parts
from . import preflight_broken_scheduler as scheduler
from .preflight_records import (
    ADDRESS,
    NODES,
    WEIGHTS,
    Change,
    at,
    both,
    everywhere,
    having,
    healthy,
    job,
    needs,
    port,
    reach,
    shm,
    wanting,
    within,
)
from .runs import ROOT

pytestmark = pytest.mark.selftest

BROKEN = [*scheduler.BROKEN, *parts.BROKEN, *nodes.BROKEN]


def texts(findings: list[Finding]) -> str:
    """All words of some findings."""
    return "\n".join(f"{each.expected} / {each.actual} / {each.hint}" for each in findings)


@pytest.mark.parametrize("id_", JUDGES)
def test_a_judge_approves_of_a_healthy_record(id_: str) -> None:
    assert JUDGES[id_].judge(healthy()) == []


@pytest.mark.parametrize(
    ("id_", "change", "words"),
    [pytest.param(id_, change, words, id=f"{id_}-{name}") for id_, name, change, words in BROKEN],
)
def test_a_judge_names_what_is_broken(id_: str, change: Change, words: str) -> None:
    record = change(healthy())

    findings = JUDGES[id_].judge(record)

    assert words in texts(findings)
    assert all(each.expected and each.hint for each in findings)
    first = first_failure(record)
    assert (first is not None and first[0] == id_) == JUDGES[id_].blocking


def test_every_judge_has_a_broken_record() -> None:
    assert {id_ for id_, *_ in BROKEN} == set(JUDGES)


def test_every_requirement_of_the_preflight_has_its_judge() -> None:
    declared = {id_: each for id_, each in collect().items() if each.area == "preflight"}

    assert sorted(ALL) == sorted(declared)
    assert {id_: each.level is Level.MUST for id_, each in declared.items()} == {
        id_: each.blocking for id_, each in ALL.items()
    }
    assert {id_: each.launchers for id_, each in declared.items()} == {
        id_: each.launchers for id_, each in ALL.items()
    }


def test_every_check_asks_the_judge_of_its_requirement() -> None:
    asked = {}
    for file in (ROOT / "suites" / "preflight").glob("test_*.py"):
        for check in ast.parse(file.read_text(encoding="utf-8")).body:
            if isinstance(check, ast.FunctionDef):
                names = [each.id for each in ast.walk(check) if isinstance(each, ast.Name)]
                texts_ = [e.value for e in ast.walk(check) if isinstance(e, ast.Constant)]
                judge = names[names.index("settle") + 1]
                asked[next(t for t in texts_ if str(t).startswith("PRE-"))] = judge

    assert asked == {id_: each.judge.__name__ for id_, each in ALL.items()}


def test_what_was_seen_can_cross_processes() -> None:
    assert pickle.loads(pickle.dumps(healthy())) == healthy()  # noqa: S301 - our own


def test_equal_faults_of_several_nodes_are_one_finding() -> None:
    record = everywhere(limits=ProcessLimits(1024, 4096, None))(healthy())

    (finding,) = JUDGES["PRE-030"].judge(record)

    assert finding.actual == "gb01, gb02, gb03, gb04: 1024 (hard limit 4096)"


def test_files_of_others_are_told_apart_from_ours_and_never_removed() -> None:
    ours, theirs = replace(WEIGHTS, owner="ana"), replace(WEIGHTS, name="moe_b")
    record = at("gb02", shared_memory=shm(ours, theirs))(healthy())

    mine, other = JUDGES["PRE-021"].judge(record)

    assert "then remove them there" in mine.hint
    assert "ask bob" in other.hint
    busy = at("gb02", shared_memory=shm(replace(WEIGHTS, used_by=(12,))))(healthy())
    (finding,) = JUDGES["PRE-021"].judge(busy)
    assert "used by pid 12" in finding.actual
    assert "still runs there" in finding.hint


UNSEEN: list[tuple[str, Change]] = [
    ("nothing at all", lambda r: PreflightRecord(r.topology, r.needs)),
    ("no node was asked", having(host=None, container=None, mpi_proof=None)),
    ("nobody answered", everywhere(error="dead", gpus=None, paths=None, ports=None, reached=None)),
    ("no node states", having(node_states=None)),
    ("no workers", wanting(workers=())),
    (
        "every section failed",
        everywhere(
            gpus=None,
            shared_memory=None,
            paths=None,
            limits=None,
            ports=None,
            head_address=None,
            reached=None,
            clock=None,
            at_s=None,
            problems=(("gpus", "no answer within 20 s"),),
        ),
    ),
]


@pytest.mark.parametrize(("change"), [each for _, each in UNSEEN], ids=[name for name, _ in UNSEEN])
def test_what_nobody_saw_never_passes_and_holds_the_launch_back(change: Change) -> None:
    record = change(healthy())
    open_ = []
    for id_, each in JUDGES.items():
        try:
            each.judge(record)
        except NotSeen:
            open_.append(id_)
        except NothingToJudge as why:  # nothing of a healthy record is beside the point
            pytest.fail(f"{id_}: {why}")

    assert open_
    assert first_failure(record) is not None


def test_a_part_that_was_not_asked_for_in_full_is_open() -> None:
    record = healthy()
    for id_, change in (
        ("PRE-012", everywhere(paths=())),
        ("PRE-013", everywhere(paths=())),
        ("PRE-015", within("gb01", paths=())),
        ("PRE-017", within("gb01", paths=())),
        ("PRE-019", everywhere(ports=())),
        ("PRE-020", everywhere(reached=())),
        ("PRE-024", everywhere(paths=())),
    ):
        with pytest.raises(NotSeen):
            JUDGES[id_].judge(change(record))


@pytest.mark.parametrize("missing", [f.name for f in fields(PreflightRecord) if f.default is None])
def test_a_record_without_one_look_is_never_ready(missing: str) -> None:
    record = replace(healthy(), **{missing: None})

    assert (first_failure(record) is None) == (missing == "allocation")


def test_a_check_is_blocked_by_the_first_cause() -> None:
    record = at("gb03", error="no slurmd", shared_memory=None)(healthy())

    with pytest.raises(Blocked) as blocked:
        settle(JUDGES["PRE-025"].judge, record)
    assert blocked.value.by == "PRE-007"
    assert "gb03: no slurmd" in str(blocked.value)


def test_a_check_that_is_itself_the_first_cause_is_blocked_by_nobody() -> None:
    record = everywhere(shared_memory=None)(healthy())

    with pytest.raises(Blocked) as blocked:
        settle(JUDGES["PRE-021"].judge, record)
    assert blocked.value.by == ""


def test_a_check_fails_or_is_not_evaluated_as_its_judge_says() -> None:
    with pytest.raises(RequirementFailed):
        settle(JUDGES["PRE-003"].judge, job(user="bob")(healthy()))
    with pytest.raises(NotEvaluated):
        settle(JUDGES["PRE-009"].judge, healthy(needs=needs(mpi="")))
    settle(JUDGES["PRE-003"].judge, healthy())


def test_reachability_is_open_where_the_port_is_taken_or_the_address_wrong() -> None:
    taken = PortLook(2379, "etcd", False, "Address already in use")
    closed = Reach(2379, "etcd", False, "the head node could not open this port")
    record = both(port("gb01", taken), *(reach(node, closed) for node in NODES))(healthy())
    with pytest.raises(NotSeen, match="2379 is taken"):
        JUDGES["PRE-020"].judge(record)

    elsewhere = at("gb01", head_address=HeadAddress(ADDRESS, (ADDRESS,), False))(record)
    with pytest.raises(NotSeen, match="address of the head node"):
        JUDGES["PRE-020"].judge(elsewhere)
