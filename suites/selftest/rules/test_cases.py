"""Every rule finds its violating examples, at the right line, and leaves its legal ones alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.outcome import OnlyNoted, RequirementFailed, conclude
from fixtures.rules.catalogue import RULES, judge

from .cases import Case, line_of, remarks_on, topologies_of
from .collected import CASES

pytestmark = pytest.mark.selftest

VIOLATING = [case for case in CASES if case.at is not None]
LEGAL = [case for case in CASES if case.at is None]


@pytest.mark.parametrize("case", VIOLATING, ids=str)
def test_a_violation_is_found_where_it_stands(case: Case, tmp_path: Path) -> None:
    remarks = remarks_on(case.files, tmp_path)

    own = [remark for remark in remarks if remark.rule == case.rule]
    said = "\n".join(f"{r.rule} {r.where} {r.violation}" for r in remarks)
    assert own, f"{case.rule} said nothing; others:\n{said}"
    assert any(case.at is not None and case.at in line_of(remark) for remark in own), said
    assert any(case.says in f"{r.violation.actual} {r.violation.hint}" for r in own), said
    assert all(remark.violation.expected and remark.violation.actual for remark in own)


@pytest.mark.parametrize("case", LEGAL, ids=str)
def test_a_legal_example_is_left_alone(case: Case, tmp_path: Path) -> None:
    remarks = remarks_on(case.files, tmp_path)

    assert [remark for remark in remarks if remark.rule == case.rule] == []


@pytest.mark.parametrize("rule_id", RULES)
def test_every_rule_has_a_violating_and_a_legal_example(rule_id: str) -> None:
    assert any(case.rule == rule_id for case in VIOLATING)
    assert any(case.rule == rule_id for case in LEGAL)


@pytest.mark.parametrize("rule_id", RULES)
def test_the_check_of_every_rule_can_fail(rule_id: str, tmp_path: Path) -> None:
    rule, failed = RULES[rule_id], []
    for number, case in enumerate(each for each in VIOLATING if each.rule == rule_id):
        for topology in topologies_of(case.files, tmp_path / str(number)):
            if not rule.in_scope(topology):
                continue
            try:
                conclude(rule.severity, judge(rule, topology))
            except RequirementFailed as verdict:
                failed += verdict.findings
            except OnlyNoted:
                continue

    assert failed, f"all examples of {rule_id} weigh less than it does"


def test_every_example_belongs_to_a_rule_or_to_the_list_of_things_never_to_flag() -> None:
    never = {"PAR-008", "PAIR-010", "PAIR-011", "PAIR-014", "SLM-008"}
    assert {case.rule for case in CASES} <= RULES.keys() | never
