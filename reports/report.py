"""Computes the report of a run from its plan, so that nothing planned can silently vanish."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from fixtures.model.requirement import (
    LAYERS,
    Level,
    Requirement,
    Result,
    Verdict,
    worst,
)
from reports.inputs import PlannedCheck, RunInfo, TopologyFacts
from reports.repeat import repeat_command

NOT_SELECTED = "not selected in this run"
NO_RESULT = "no result arrived: the run stopped early (-x), or the check or its process crashed"
CUT_SHORT = "no result arrived before the run was cut short"


class Decision(StrEnum):
    """What is decided about a topology, or about a whole run."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    NOT_FULLY_JUDGED = "not fully judged"


@dataclass(frozen=True, slots=True)
class RequirementRow:
    """One requirement on one topology with what became of it.

    `gating` tells whether it takes part in the decision; `repeat` is the command that runs
    just this check.
    """

    requirement: Requirement
    topology: str
    node_id: str
    gating: bool
    result: Result
    repeat: str

    @property
    def verdict(self) -> Verdict:
        """The verdict of the row's result."""
        return self.result.verdict

    @property
    def broken(self) -> bool:
        """Whether the check failed or could not be carried out."""
        return self.verdict in (Verdict.FAIL, Verdict.ERROR)


@dataclass(frozen=True, slots=True)
class LevelCount:
    """How many requirements of one level got which verdict."""

    level: Level
    passed: int = 0
    failed: int = 0
    errors: int = 0
    unverified: int = 0
    not_applicable: int = 0

    @property
    def due(self) -> int:
        """How many had to pass."""
        return self.passed + self.failed + self.errors + self.unverified


@dataclass(frozen=True, slots=True)
class TopologyReport:
    """The decision about one topology and the rows it rests on."""

    name: str
    facts: TopologyFacts
    decision: Decision
    first_failing_layer: str | None
    counts: tuple[LevelCount, ...]
    rows: tuple[RequirementRow, ...]


@dataclass(frozen=True, slots=True)
class RunReport:
    """The decision about a run; every rendering is made from this and from nothing else.

    `doubts` are the reasons why the run as a whole cannot be accepted, whatever its rows say.
    """

    run: RunInfo
    gating_levels: tuple[Level, ...]
    complete: bool
    decision: Decision
    first_failing_layer: str | None
    doubts: tuple[str, ...]
    counts: tuple[LevelCount, ...]
    topologies: tuple[TopologyReport, ...]
    unplanned: tuple[Result, ...]

    @property
    def rows(self) -> tuple[RequirementRow, ...]:
        """The rows of all topologies."""
        return tuple(row for topology in self.topologies for row in topology.rows)


def build_report(
    *,
    run: RunInfo,
    plan: Sequence[PlannedCheck],
    results: Iterable[Result],
    topologies: Mapping[str, TopologyFacts],
    gating_levels: Collection[Level],
    complete: bool,
    doubts: Sequence[str] = (),
) -> RunReport:
    """The report of a run: every planned check has a row, every result a place.

    `complete` tells whether the record of the run has its end; without it nothing is accepted.
    `doubts` are further reasons why the run as a whole cannot be accepted.
    """
    given = _by_check(results)
    planned: dict[str, dict[str, list[PlannedCheck]]] = {}
    for check in plan:
        planned.setdefault(check.topology, {}).setdefault(check.requirement.id, []).append(check)
    reports = []
    for name in _names(planned, topologies):
        facts = topologies.get(name, TopologyFacts(title=name))
        rows = tuple(
            _row(checks, given.pop((requirement, name), []), run, facts, gating_levels, complete)
            for requirement, checks in planned.get(name, {}).items()
        )
        reports.append(_topology_report(name, facts, rows, complete))
    unplanned = tuple(result for group in given.values() for result in group)
    doubts = (*_doubts(plan, unplanned, complete), *doubts)
    rows = tuple(row for report in reports for row in report.rows)
    return RunReport(
        run=run,
        gating_levels=tuple(level for level in Level if level in gating_levels),
        complete=complete,
        decision=_decide_run([report.decision for report in reports], doubts),
        first_failing_layer=_first_failing_layer(rows),
        doubts=doubts,
        counts=_counts(rows),
        topologies=tuple(reports),
        unplanned=unplanned,
    )


def _by_check(results: Iterable[Result]) -> dict[tuple[str, str], list[Result]]:
    given: dict[tuple[str, str], list[Result]] = {}
    for result in results:
        given.setdefault((result.requirement, result.topology), []).append(result)
    return given


def _names(planned: Iterable[str], topologies: Mapping[str, TopologyFacts]) -> list[str]:
    touched = [name for name, facts in topologies.items() if facts.launches or facts.launch_error]
    return list(dict.fromkeys([*planned, *touched]))


def _row(
    checks: Sequence[PlannedCheck],
    results: Sequence[Result],
    run: RunInfo,
    facts: TopologyFacts,
    gating_levels: Collection[Level],
    complete: bool,
) -> RequirementRow:
    first = checks[0]
    missing = sorted(checks, key=lambda check: not check.selected)[len(results) :]
    return RequirementRow(
        requirement=first.requirement,
        topology=first.topology,
        node_id=first.node_id,
        gating=first.requirement.level in gating_levels,
        result=_merge([*results, *(_missing(check, complete) for check in missing)]),
        repeat=repeat_command(first.node_id, run.site, facts.given_as, run.fault),
    )


def _missing(check: PlannedCheck, complete: bool) -> Result:
    reason = NO_RESULT if complete else CUT_SHORT
    return Result(
        requirement=check.requirement.id,
        topology=check.topology,
        verdict=Verdict.UNVERIFIED,
        reason=reason if check.selected else NOT_SELECTED,
    )


def _merge(results: Sequence[Result]) -> Result:
    """One result for several of the same check: the worst verdict and what led to it."""
    verdict = worst(result.verdict for result in results)
    decisive = [result for result in results if result.verdict is verdict]
    findings = dict.fromkeys(item for result in decisive for item in result.findings)
    evidence = dict.fromkeys(item for result in decisive for item in result.evidence)
    return Result(
        requirement=results[0].requirement,
        topology=results[0].topology,
        verdict=verdict,
        duration_s=sum(result.duration_s for result in results),
        findings=tuple(findings),
        evidence=tuple(evidence),
        reason=next((result.reason for result in decisive if result.reason), ""),
        blocked_by=next((result.blocked_by for result in decisive if result.blocked_by), ""),
    )


def _topology_report(
    name: str, facts: TopologyFacts, rows: tuple[RequirementRow, ...], complete: bool
) -> TopologyReport:
    return TopologyReport(
        name=name,
        facts=facts,
        decision=_decide(rows, settled=complete and not facts.launch_error),
        first_failing_layer=_first_failing_layer(rows),
        counts=_counts(rows),
        rows=rows,
    )


def _decide(rows: Iterable[RequirementRow], *, settled: bool) -> Decision:
    verdicts = {row.verdict for row in rows if row.gating}
    if Verdict.FAIL in verdicts:
        return Decision.REJECTED
    # A topology to which nothing applied was not judged: acceptance takes at least one pass.
    if settled and Verdict.PASS in verdicts <= {Verdict.PASS, Verdict.NOT_APPLICABLE}:
        return Decision.ACCEPTED
    return Decision.NOT_FULLY_JUDGED


def _decide_run(decisions: Collection[Decision], doubts: Collection[str]) -> Decision:
    if Decision.REJECTED in decisions:
        return Decision.REJECTED
    if doubts or not decisions or Decision.NOT_FULLY_JUDGED in decisions:
        return Decision.NOT_FULLY_JUDGED
    return Decision.ACCEPTED


def _doubts(
    plan: Collection[PlannedCheck], unplanned: Collection[Result], complete: bool
) -> tuple[str, ...]:
    doubts = []
    if not complete:
        doubts.append("the record of the run has no proper end: it was cut short or damaged")
    if not plan:
        doubts.append("nothing was planned")
    if unplanned:
        doubts.append(f"results that were not planned: {len(unplanned)}")
    return tuple(doubts)


def _first_failing_layer(rows: Iterable[RequirementRow]) -> str | None:
    areas = [row.requirement.area for row in rows if row.gating and row.verdict is Verdict.FAIL]
    return next((layer for layer in LAYERS if layer in areas), areas[0] if areas else None)


def _counts(rows: Collection[RequirementRow]) -> tuple[LevelCount, ...]:
    counts = []
    for level in Level:
        verdicts = [row.verdict for row in rows if row.requirement.level is level]
        if verdicts:
            counts.append(LevelCount(level, *(verdicts.count(verdict) for verdict in _COUNTED)))
    return tuple(counts)


_COUNTED = (
    Verdict.PASS,
    Verdict.FAIL,
    Verdict.ERROR,
    Verdict.UNVERIFIED,
    Verdict.NOT_APPLICABLE,
)
