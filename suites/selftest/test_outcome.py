"""Passing means: only an assertion is a fail, and nothing that went wrong is ever a pass."""

from __future__ import annotations

import pytest

from fixtures.model.requirement import Applies, Finding, Level, Mode, Requirement, Verdict
from fixtures.outcome import (
    Blocked,
    LaunchFailed,
    RefusedBeforeLaunch,
    RequirementFailed,
    result_of,
    verify,
)

pytestmark = pytest.mark.selftest

REQUIREMENT = Requirement(
    id="ZZ-01",
    level=Level.MUST,
    area="chat",
    claim="Something holds.",
    source="nowhere",
    mode=Mode.SHARED,
    applies=Applies.ANY,
    needs="answered",
    killed_by=(),
    check="suites/x.py::test_x",
)
FINDING = Finding("one", "two", "three")
UNDECLARED_SKIP = pytest.skip.Exception("no GPU")  # type: ignore[attr-defined]


def verdict_of(when: str, error: BaseException | None) -> Verdict | None:
    """The verdict of one phase."""
    result = result_of(REQUIREMENT, "t", when, error, 0.1, ())
    return result.verdict if result else None


@pytest.mark.parametrize(
    ("when", "error", "verdict"),
    [
        ("setup", None, None),
        ("call", None, Verdict.PASS),
        ("teardown", None, None),
        ("call", RequirementFailed([FINDING]), Verdict.FAIL),
        ("call", AssertionError("x"), Verdict.FAIL),
        ("setup", RefusedBeforeLaunch("PAR-007"), Verdict.FAIL),
        ("setup", AssertionError("a fixture's own"), Verdict.ERROR),
        ("call", KeyError("x"), Verdict.ERROR),
        ("call", UNDECLARED_SKIP, Verdict.ERROR),
        ("setup", LaunchFailed("no etcd"), Verdict.ERROR),
        ("setup", Blocked("no instances", "DSC-005"), Verdict.UNVERIFIED),
        ("teardown", RuntimeError("x"), Verdict.ERROR),
    ],
)
def test_each_ending_has_its_verdict(
    when: str, error: BaseException | None, verdict: Verdict | None
) -> None:
    assert verdict_of(when, error) is verdict


def test_a_failure_keeps_its_findings_and_evidence() -> None:
    result = result_of(REQUIREMENT, "t", "call", RequirementFailed([FINDING]), 0.1, ("a.json",))

    assert result is not None
    assert result.findings == (FINDING,)
    assert result.evidence == ("a.json",)


def test_a_blocked_check_names_the_requirement_that_blocks_it() -> None:
    result = result_of(REQUIREMENT, "t", "setup", Blocked("why", "DSC-005"), 0.1, ())

    assert result is not None
    assert (result.reason, result.blocked_by) == ("why", "DSC-005")


def test_no_findings_pass_and_any_finding_fails() -> None:
    verify([])
    with pytest.raises(RequirementFailed, match="one / two"):
        verify([FINDING])
