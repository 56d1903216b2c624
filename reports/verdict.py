"""The one place where a report becomes an exit code."""

from __future__ import annotations

from reports.report import Decision, RunReport

PASSED = 0
FAILED = 1
NOTHING_SELECTED = 5
NOT_FULLY_JUDGED = 10


def exit_code(
    report: RunReport, *, pytest_status: int, certify: bool, foreign_failures: int
) -> int:
    """The exit code of the run.

    `foreign_failures` counts failed tests that carry no requirement. With `certify` a run in
    which nothing failed still needs a full judgement to end with 0.
    """
    if pytest_status not in (PASSED, FAILED, NOTHING_SELECTED):
        return pytest_status
    if foreign_failures or any(row.gating and row.broken for row in report.rows):
        return FAILED
    if pytest_status == FAILED and not _explained(report):
        return FAILED
    if certify:
        return PASSED if report.decision is Decision.ACCEPTED else NOT_FULLY_JUDGED
    return NOTHING_SELECTED if pytest_status == NOTHING_SELECTED else PASSED


def _explained(report: RunReport) -> bool:
    """Whether failures that do not gate account for the failed tests pytest saw."""
    return any(row.broken for row in report.rows)
