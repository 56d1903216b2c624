"""The report is computed from the plan: nothing planned vanishes, nothing doubtful is accepted."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import product

import pytest

from fixtures.model.requirement import Applies, Finding, Level, Mode, Requirement, Result, Verdict
from reports.repeat import repeat_command
from reports.report import Decision, LevelCount, PlannedCheck, RunInfo, RunReport, TopologyFacts
from reports.report import build_report as build

pytestmark = pytest.mark.selftest

AGG = "deepseek-r1-wide-ep-agg"


def planned(
    id_: str,
    level: Level = Level.MUST,
    area: str = "chat",
    topology: str = AGG,
    selected: bool = True,
) -> PlannedCheck:
    requirement = Requirement(
        id_, level, area, "It holds.", "a source", Mode.SHARED, Applies.ANY, None, (), f"test_{id_}"
    )
    return PlannedCheck(requirement, topology, f"suites/x.py::test_{id_}[{topology}]", selected)


def got(id_: str, verdict: Verdict = Verdict.PASS, topology: str = AGG, **more: object) -> Result:
    return Result(id_, topology, verdict, **more)  # type: ignore[arg-type]


def build_report(
    plan: Sequence[PlannedCheck],
    results: Iterable[Result],
    topologies: Mapping[str, TopologyFacts] | None = None,
    gating_levels: Collection[Level] = (Level.MUST,),
    complete: bool = True,
) -> RunReport:
    return build(
        run=RunInfo("r1", "pytest", "mock", "simulated", None, "s", "f", "runs/r1"),
        plan=plan,
        results=results,
        topologies=topologies or {},
        gating_levels=gating_levels,
        complete=complete,
    )


def verdicts(report: RunReport) -> dict[str, Verdict]:
    return {row.requirement.id: row.verdict for row in report.rows}


def test_a_topology_is_accepted_when_everything_that_gates_passes_or_does_not_apply() -> None:
    report = build_report(
        [planned("A"), planned("B")], [got("A"), got("B", Verdict.NOT_APPLICABLE)]
    )

    assert report.topologies[0].decision is Decision.ACCEPTED
    assert report.decision is Decision.ACCEPTED
    assert report.doubts == ()
    assert report.counts == (LevelCount(Level.MUST, passed=1, not_applicable=1),)
    assert report.counts[0].due == 1


@pytest.mark.parametrize(("first", "second"), list(product(Verdict, Verdict)))
def test_the_decision_follows_the_worst_gating_verdict(first: Verdict, second: Verdict) -> None:
    report = build_report([planned("A"), planned("B")], [got("A", first), got("B", second)])

    both = {first, second}
    if Verdict.FAIL in both:
        assert report.decision is Decision.REJECTED
    elif both & {Verdict.ERROR, Verdict.UNVERIFIED} or both == {Verdict.NOT_APPLICABLE}:
        assert report.decision is Decision.NOT_FULLY_JUDGED
    else:
        assert report.decision is Decision.ACCEPTED
    assert report.topologies[0].decision is report.decision


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.ERROR, Verdict.UNVERIFIED])
def test_what_does_not_gate_is_counted_but_does_not_decide(verdict: Verdict) -> None:
    plan = [planned("A"), planned("S", Level.SHOULD, area="launch")]

    report = build_report(plan, [got("A"), got("S", verdict)])

    assert report.decision is Decision.ACCEPTED
    assert report.first_failing_layer is None
    assert [row.gating for row in report.rows] == [True, False]
    assert report.counts[1].due == 1
    assert report.counts[1].passed == 0


def test_a_level_gates_when_the_profile_says_so() -> None:
    plan = [planned("A"), planned("S", Level.SHOULD)]

    report = build_report(
        plan, [got("A"), got("S", Verdict.FAIL)], gating_levels={Level.SHOULD, Level.MUST}
    )

    assert report.decision is Decision.REJECTED
    assert report.gating_levels == (Level.MUST, Level.SHOULD)


def test_a_planned_check_without_a_result_is_unverified_with_the_reason() -> None:
    plan = [planned("A"), planned("B"), planned("C", selected=False)]

    report = build_report(plan, [got("A")])

    assert verdicts(report) == {
        "A": Verdict.PASS,
        "B": Verdict.UNVERIFIED,
        "C": Verdict.UNVERIFIED,
    }
    assert [row.result.reason for row in report.rows] == [
        "",
        "no result arrived: the run stopped early (-x), or the check or its process crashed",
        "not selected in this run",
    ]
    assert report.decision is Decision.NOT_FULLY_JUDGED


def test_an_empty_plan_is_not_fully_judged() -> None:
    report = build_report([], [])

    assert report.decision is Decision.NOT_FULLY_JUDGED
    assert report.doubts == ("nothing was planned",)
    assert report.counts == ()


def test_an_incomplete_run_is_never_accepted() -> None:
    report = build_report([planned("A")], [got("A")], complete=False)

    assert verdicts(report) == {"A": Verdict.PASS}
    assert report.topologies[0].decision is Decision.NOT_FULLY_JUDGED
    assert report.decision is Decision.NOT_FULLY_JUDGED
    assert "cut short" in report.doubts[0]


def test_an_incomplete_run_is_still_rejected_for_what_failed() -> None:
    report = build_report([planned("A"), planned("B")], [got("A", Verdict.FAIL)], complete=False)

    assert report.decision is Decision.REJECTED
    assert report.rows[1].result.reason == "no result arrived before the run was cut short"


def test_of_several_results_the_worst_decides_and_keeps_its_evidence() -> None:
    finding = Finding("31", "32")
    results = [
        got("A", duration_s=1.0, evidence=("fine.json",), reason="fine"),
        got("A", Verdict.FAIL, duration_s=2.0, findings=(finding,), evidence=("bad.json",)),
        got("A", Verdict.FAIL, findings=(finding,), evidence=("worse.json",), reason="late"),
    ]

    report = build_report([planned("A")], results)

    assert report.rows[0].result == Result(
        requirement="A",
        topology=AGG,
        verdict=Verdict.FAIL,
        duration_s=3.0,
        findings=(finding,),
        evidence=("bad.json", "worse.json"),
        reason="late",
    )
    assert len(report.rows) == 1


def test_a_check_planned_twice_needs_two_results() -> None:
    plan = [planned("A"), planned("A")]

    assert verdicts(build_report(plan, [got("A")])) == {"A": Verdict.UNVERIFIED}
    assert verdicts(build_report(plan, [got("A"), got("A")])) == {"A": Verdict.PASS}


def test_a_result_that_was_not_planned_is_listed_and_prevents_acceptance() -> None:
    stray = [got("Z"), got("A", topology="other")]

    report = build_report([planned("A")], [got("A"), *stray])

    assert report.unplanned == tuple(stray)
    assert report.topologies[0].decision is Decision.ACCEPTED
    assert report.decision is Decision.NOT_FULLY_JUDGED
    assert report.doubts == ("results that were not planned: 2",)


def test_the_first_failing_layer_follows_the_order_of_layers_not_of_rows() -> None:
    plan = [
        planned("D", area="disaggregation"),
        planned("C", area="chat"),
        planned("L", area="launch"),
        planned("P", Level.SHOULD, area="parallelism"),
    ]
    results = [
        got("D", Verdict.FAIL),
        got("C", Verdict.FAIL),
        got("L", Verdict.ERROR),
        got("P", Verdict.FAIL),
    ]

    report = build_report(plan, results)

    assert report.topologies[0].first_failing_layer == "chat"
    assert report.first_failing_layer == "chat"


def test_a_layer_nobody_ordered_is_named_when_no_other_failed() -> None:
    report = build_report([planned("A", area="multimodal")], [got("A", Verdict.FAIL)])

    assert report.first_failing_layer == "multimodal"


def test_each_topology_is_decided_on_its_own_and_the_worst_decides_the_run() -> None:
    plan = [planned("A"), planned("A", topology="t2"), planned("A", topology="t3")]

    report = build_report(plan, [got("A"), got("A", Verdict.FAIL, "t2")])

    assert {item.name: item.decision.value for item in report.topologies} == {
        AGG: "accepted",
        "t2": "rejected",
        "t3": "not fully judged",
    }
    assert report.decision is Decision.REJECTED


def test_a_failed_launch_is_never_accepted() -> None:
    facts = {AGG: TopologyFacts("DeepSeek R1", launches=1, launch_error="rank 3 died")}

    report = build_report([planned("A")], [got("A")], facts)

    assert report.decision is Decision.NOT_FULLY_JUDGED


def test_a_launched_topology_nobody_planned_is_shown_an_untouched_one_is_not() -> None:
    facts = {"launched": TopologyFacts("L", launches=1), "idle": TopologyFacts("I")}

    report = build_report([planned("A")], [got("A")], facts)

    assert [item.name for item in report.topologies] == [AGG, "launched"]
    assert report.decision is Decision.NOT_FULLY_JUDGED


def test_a_row_carries_the_command_that_repeats_it() -> None:
    facts = {AGG: TopologyFacts("DeepSeek R1", given_as="my topologies/a.yaml")}

    report = build_report([planned("A")], [got("A")], facts)

    assert report.rows[0].repeat == (
        f"pytest 'suites/x.py::test_A[{AGG}]' --site mock '--topology=my topologies/a.yaml'"
    )
    assert repeat_command("a.py::t", "cluster") == "pytest a.py::t --site cluster"
