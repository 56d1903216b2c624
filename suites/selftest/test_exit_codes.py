"""The exit code says whether something failed, and under --certify whether all was judged."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from fixtures.model.requirement import Applies, Level, Mode, Requirement, Result, Verdict
from reports.report import PlannedCheck, RunInfo, RunReport, TopologyFacts, build_report
from reports.verdict import NOT_FULLY_JUDGED, exit_code

pytestmark = pytest.mark.selftest


def a_report(
    verdicts: Mapping[str, Verdict | None], *, complete: bool = True, stray: bool = False
) -> RunReport:
    """A report with one row per entry; an id that starts with S is a SHOULD; None: no result."""
    plan = [
        PlannedCheck(
            Requirement(
                id_,
                Level.SHOULD if id_.startswith("S") else Level.MUST,
                "chat",
                "It holds.",
                "a source",
                Mode.SHARED,
                Applies.ANY,
                None,
                (),
                f"test_{id_}",
            ),
            "t1",
            f"x.py::test_{id_}",
        )
        for id_ in verdicts
    ]
    results = [Result(id_, "t1", verdict) for id_, verdict in verdicts.items() if verdict]
    return build_report(
        run=RunInfo("r1", "pytest", "mock", "simulated", None, "s", "f", "runs/r1"),
        plan=plan,
        results=[*results, *([Result("Z", "t1", Verdict.PASS)] if stray else [])],
        topologies={"t1": TopologyFacts("T")},
        gating_levels=(Level.MUST,),
        complete=complete,
    )


GREEN = a_report({"M1": Verdict.PASS, "M2": Verdict.NOT_APPLICABLE, "S1": Verdict.PASS})
REMARK = a_report({"M1": Verdict.PASS, "S1": Verdict.FAIL})
REMARK_ERROR = a_report({"M1": Verdict.PASS, "S1": Verdict.ERROR})
FAILED = a_report({"M1": Verdict.PASS, "M2": Verdict.FAIL})
ERRED = a_report({"M1": Verdict.PASS, "M2": Verdict.ERROR})
MISSING = a_report({"M1": Verdict.PASS, "M2": None})
UNVERIFIED = a_report({"M1": Verdict.PASS, "M2": Verdict.UNVERIFIED})
EMPTY = a_report({})
CUT = a_report({"M1": Verdict.PASS}, complete=False)
STRAY = a_report({"M1": Verdict.PASS}, stray=True)
NOT_APPLICABLE = a_report({"M1": Verdict.NOT_APPLICABLE})

DOUBTFUL = {
    "missing": MISSING,
    "unverified": UNVERIFIED,
    "empty": EMPTY,
    "cut": CUT,
    "stray": STRAY,
    "nothing applied": NOT_APPLICABLE,
}


@pytest.mark.parametrize("certify", [False, True])
def test_a_green_run_ends_with_0(certify: bool) -> None:
    assert exit_code(GREEN, pytest_status=0, certify=certify, foreign_failures=0) == 0


@pytest.mark.parametrize("certify", [False, True])
@pytest.mark.parametrize("pytest_status", [0, 1, 5])
@pytest.mark.parametrize("report", [FAILED, ERRED], ids=["fail", "error"])
def test_a_gating_failure_or_error_ends_with_1(
    report: RunReport, pytest_status: int, certify: bool
) -> None:
    status = exit_code(report, pytest_status=pytest_status, certify=certify, foreign_failures=0)

    assert status == 1


@pytest.mark.parametrize("certify", [False, True])
@pytest.mark.parametrize("pytest_status", [2, 3, 4, 77])
@pytest.mark.parametrize("report", [GREEN, FAILED, EMPTY], ids=["green", "failed", "empty"])
def test_what_stopped_pytest_itself_passes_through(
    report: RunReport, pytest_status: int, certify: bool
) -> None:
    status = exit_code(report, pytest_status=pytest_status, certify=certify, foreign_failures=0)

    assert status == pytest_status


@pytest.mark.parametrize("report", list(DOUBTFUL.values()), ids=list(DOUBTFUL))
def test_a_run_not_fully_judged_ends_with_10_under_certify_and_0_without(
    report: RunReport,
) -> None:
    assert exit_code(report, pytest_status=0, certify=False, foreign_failures=0) == 0
    assert (
        exit_code(report, pytest_status=0, certify=True, foreign_failures=0)
        == NOT_FULLY_JUDGED
        == 10
    )


def test_nothing_selected_keeps_its_own_code_without_certify() -> None:
    assert exit_code(EMPTY, pytest_status=5, certify=False, foreign_failures=0) == 5
    assert exit_code(EMPTY, pytest_status=5, certify=True, foreign_failures=0) == 10
    assert exit_code(MISSING, pytest_status=5, certify=True, foreign_failures=0) == 10


@pytest.mark.parametrize("certify", [False, True])
@pytest.mark.parametrize("report", [REMARK, REMARK_ERROR], ids=["fail", "error"])
def test_failures_that_do_not_gate_end_with_0(report: RunReport, certify: bool) -> None:
    assert exit_code(report, pytest_status=1, certify=certify, foreign_failures=0) == 0


@pytest.mark.parametrize("certify", [False, True])
@pytest.mark.parametrize("report", [GREEN, REMARK, MISSING], ids=["green", "remark", "missing"])
def test_an_ordinary_failed_test_keeps_1(report: RunReport, certify: bool) -> None:
    assert exit_code(report, pytest_status=1, certify=certify, foreign_failures=1) == 1


def test_a_1_that_nothing_in_the_report_explains_stays_1() -> None:
    assert exit_code(GREEN, pytest_status=1, certify=False, foreign_failures=0) == 1
    assert exit_code(MISSING, pytest_status=1, certify=True, foreign_failures=0) == 1
