"""The report as JUnit XML: one suite per topology, one case per requirement."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ET
from collections.abc import Mapping, Sequence

from fixtures.model.requirement import Verdict
from reports.as_text import failure_text, why
from reports.foreign import one_line, presentable
from reports.report import RequirementRow, RunReport, TopologyReport

_OUTCOMES = {
    Verdict.FAIL: "failure",
    Verdict.ERROR: "error",
    Verdict.UNVERIFIED: "skipped",
    Verdict.NOT_APPLICABLE: "skipped",
}
_MESSAGE = 300


def render(report: RunReport) -> str:
    """The text of junit.xml.

    A run that cannot be accepted as a whole gets a suite of its own with an error, because
    the format has no other way to say that cases are missing.
    """
    root = ET.Element("testsuites", name=one_line(report.run.id))
    for topology in report.topologies:
        root.append(_suite(topology, report.run.started))
    if report.doubts:
        root.append(_doubtful(report))
    _sum_up(root, root.findall("testsuite"))
    ET.indent(root)
    return f'<?xml version="1.0" encoding="utf-8"?>\n{ET.tostring(root, encoding="unicode")}\n'


def _suite(topology: TopologyReport, started: str) -> ET.Element:
    suite = ET.Element("testsuite", name=one_line(topology.name), timestamp=one_line(started))
    properties = {
        "title": topology.facts.title,
        "decision": topology.decision.value,
        "first_failing_layer": topology.first_failing_layer or "none",
    }
    _add_properties(suite, properties)
    suite.extend(_case(row) for row in topology.rows)
    _count(suite)
    return suite


def _case(row: RequirementRow) -> ET.Element:
    case = ET.Element(
        "testcase",
        name=one_line(_test_name(row)),
        classname=one_line(row.requirement.area),
        time=_seconds(row.result.duration_s),
    )
    properties = {
        "requirement": row.requirement.id,
        "level": row.requirement.level.value,
        "verdict": row.verdict.value,
        "gating": "true" if row.gating else "false",
    }
    _add_properties(case, properties)
    if tag := _OUTCOMES.get(row.verdict):
        outcome = ET.SubElement(case, tag, message=_message(row))
        if row.broken:
            outcome.set("type", one_line(row.requirement.id))
            outcome.text = failure_text(row)
    return case


def _test_name(row: RequirementRow) -> str:
    return (row.requirement.check or row.node_id.partition("[")[0]).rpartition("::")[2]


def _message(row: RequirementRow) -> str:
    if row.result.findings:
        first = row.result.findings[0]
        return one_line(f"expected {first.expected}; actual {first.actual}", _MESSAGE)
    return one_line(why(row) or row.verdict.value, _MESSAGE)


def _doubtful(report: RunReport) -> ET.Element:
    suite = ET.Element("testsuite", name="run", timestamp=one_line(report.run.started))
    case = ET.SubElement(
        suite, "testcase", name="the_run_can_be_judged_as_a_whole", classname="run", time="0.000"
    )
    error = ET.SubElement(case, "error", message=one_line("; ".join(report.doubts)), type="run")
    error.text = presentable(
        "\n".join(f"{item.requirement} on {item.topology}" for item in report.unplanned)
    )
    _count(suite)
    return suite


def _add_properties(parent: ET.Element, values: Mapping[str, str]) -> None:
    properties = ET.SubElement(parent, "properties")
    for name, value in values.items():
        ET.SubElement(properties, "property", name=name, value=one_line(value))


def _count(suite: ET.Element) -> None:
    cases = suite.findall("testcase")
    suite.set("tests", str(len(cases)))
    for attribute, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
        suite.set(attribute, str(sum(case.find(tag) is not None for case in cases)))
    suite.set("time", _seconds(sum(float(case.get("time", "0")) for case in cases)))


def _sum_up(root: ET.Element, suites: Sequence[ET.Element]) -> None:
    for attribute in ("tests", "failures", "errors", "skipped"):
        root.set(attribute, str(sum(int(suite.get(attribute, "0")) for suite in suites)))
    root.set("time", _seconds(sum(float(suite.get("time", "0")) for suite in suites)))


def _seconds(value: float) -> str:
    return f"{value if math.isfinite(value) else 0.0:.3f}"
