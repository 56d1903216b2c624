"""The report as plain text for a terminal: at most 100 columns, no colour, fit to be read aloud."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from fixtures.model.requirement import Level, Verdict
from reports.foreign import one_line, presentable
from reports.report import Decision, RequirementRow, RunReport, TopologyReport

WIDTH = 100
SHOWN_FINDINGS = 5
SHOWN_CHARACTERS = 1500
REFUSED = "refused before launch by"
_LABEL = 12


def failure_text(row: RequirementRow) -> str:
    """What was required, what came back, where to look and how to repeat it."""
    lines = [f"{one_line(row.requirement.id)} {row.requirement.level}  {_claim(row)}"]
    if row.verdict is not Verdict.FAIL:
        lines += _labelled("verdict", row.verdict.value)
    for finding in row.result.findings[:SHOWN_FINDINGS]:
        lines += _labelled("expected", finding.expected)
        lines += _labelled("actual", finding.actual)
    if hidden := len(row.result.findings) - SHOWN_FINDINGS:
        lines += _labelled("more", f"{hidden} further findings in the report") if hidden > 0 else []
    if reason := why(row):
        lines += _labelled("reason", reason)
    lines += _labelled("source", row.requirement.source)
    for path in row.result.evidence or ("none recorded",):
        lines += _whole("evidence", path)
    lines.append("")
    for hint in dict.fromkeys(item.hint for item in row.result.findings if item.hint):
        lines += _labelled("hint", hint)
    lines += _whole("repeat", row.repeat)
    return "\n".join(lines)


def why(row: RequirementRow) -> str:
    """The reason beside the verdict; empty where the findings say it all."""
    result = row.result
    blocked = f"blocked by {result.blocked_by}" if result.blocked_by else ""
    reason = ": ".join(part for part in (blocked, result.reason) if part)
    if not reason and row.broken and not result.findings:
        return "no finding was recorded"
    return reason


def decision_lines(report: RunReport) -> list[str]:
    """The decision per topology with what speaks against it, then the one about the run."""
    columns = _columns(report)
    lines = []
    for topology, heading in zip(report.topologies, columns, strict=True):
        lines += _fit(heading, _tail(topology))
        lines += [line for text in _against(topology) for line in _wrap(text, "    ", "      ")]
    if lines:
        lines.append("")
    lines += _overall(report)
    lines += rehearsal_lines(report)
    lines.append(f"report: {one_line(str(PurePath(report.run.run_dir) / 'summary.md'))}")
    return lines


def overall_text(report: RunReport) -> str:
    """The decision about the run in one line."""
    layer = report.first_failing_layer
    where = f", first failing layer: {one_line(layer)}" if layer else ""
    return f"overall: {report.decision.upper()}{where}"


def rehearsal_lines(report: RunReport) -> list[str]:
    """The banner of a run with a seeded fault; nothing for an ordinary run."""
    if report.run.fault is None:
        return []
    text = (
        f"REHEARSAL: the fault '{one_line(report.run.fault, 200)}' was seeded on purpose. "
        "This run says nothing about a real deployment."
    )
    return ["!" * WIDTH, *_wrap(text, "", ""), "!" * WIDTH]


def _claim(row: RequirementRow) -> str:
    return one_line(row.requirement.claim)


def _columns(report: RunReport) -> list[str]:
    """Per topology the aligned start of its line: name, decision, counts per level."""
    names = [one_line(topology.name, 200) for topology in report.topologies]
    decisions = [topology.decision.upper() for topology in report.topologies]
    levels = [level for level in Level if any(c.level is level for c in report.counts)]
    cells = [[_count(topology, level) for level in levels] for topology in report.topologies]
    columns = [*zip(names, decisions, strict=True)]
    rows = [[*start, *rest] for start, rest in zip(columns, cells, strict=True)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    gaps = (3, 3, *(2 for _ in levels))
    return [
        "".join(
            f"{cell:<{width + gap}}" for cell, width, gap in zip(row, widths, gaps, strict=True)
        )
        for row in rows
    ]


def _count(topology: TopologyReport, level: Level) -> str:
    for count in topology.counts:
        if count.level is level:
            return f"{level} {count.passed}/{count.due}"
    return ""


def _tail(topology: TopologyReport) -> str:
    if topology.first_failing_layer:
        return f" first failing layer: {one_line(topology.first_failing_layer)}"
    if topology.facts.ready_s is not None:
        return f" ready in {topology.facts.ready_s:.1f} s"
    if topology.facts.launch_error or not topology.facts.launches:
        return " not launched"
    return " never ready"


def _fit(heading: str, tail: str) -> list[str]:
    if len(heading + tail) <= WIDTH:
        return [(heading + tail).rstrip()]
    return [*_wrap(heading.rstrip(), "", "    ", fold=False), *_wrap(tail.strip(), "    ", "    ")]


def _against(topology: TopologyReport) -> Iterator[str]:
    """What speaks against a topology; rows that share a cause are told once, with their number."""
    if topology.facts.launch_error:
        yield f"launch failed: {one_line(topology.facts.launch_error, SHOWN_CHARACTERS)}"
    groups: dict[tuple[Verdict, str], list[RequirementRow]] = {}
    for row in topology.rows:
        if row.verdict in (Verdict.PASS, Verdict.NOT_APPLICABLE):
            continue
        if cause := _shared_cause(row):
            groups.setdefault((row.verdict, cause), []).append(row)
        else:
            yield _single(row)
    for (verdict, cause), rows in groups.items():
        if verdict is Verdict.ERROR and len(rows) == 1:
            yield f"{_single(rows[0])}: {cause}"
        else:
            yield f"{len(rows)} {_GROUP_WORDS[verdict]}, {cause}"
    for leftover in topology.facts.leftovers:
        yield f"left behind: {one_line(leftover, 300)}"


_GROUP_WORDS = {
    Verdict.FAIL: "failed",
    Verdict.ERROR: "could not be judged (error)",
    Verdict.UNVERIFIED: "not judged",
}


def _shared_cause(row: RequirementRow) -> str:
    reason = one_line(row.result.reason, 300)
    if row.result.blocked_by:
        return f"blocked by {one_line(row.result.blocked_by)}"
    if row.verdict is not Verdict.FAIL or reason.startswith(REFUSED):
        return reason
    return ""


def _single(row: RequirementRow) -> str:
    remark = "" if row.gating else ", a remark only"
    start = f"{one_line(row.requirement.id)} {row.requirement.level}"
    return f"{start}  {_claim(row)} ({row.verdict}{remark})"


def _not_judged(report: RunReport) -> str:
    """What became of the gating requirements where none failed."""
    ended = [
        row.requirement.id
        for topology in report.topologies
        for row in topology.rows
        if row.gating and row.verdict is Verdict.ERROR
    ]
    named = ", ".join(dict.fromkeys(ended))
    return f"what gates ended in an error: {named}" if ended else "nothing that gates failed"


def _overall(report: RunReport) -> list[str]:
    lines = [overall_text(report)]
    if report.decision is Decision.NOT_FULLY_JUDGED and not report.doubts:
        lines.append(f"    {_not_judged(report)}, and not everything planned was judged")
    for doubt in report.doubts:
        lines += _wrap(doubt, "    ", "      ")
    for result in report.unplanned:
        where = f"{one_line(result.requirement)} on {one_line(result.topology)}"
        lines += _wrap(f"not planned: {where} ({result.verdict})", "    ", "      ")
    return lines


def _labelled(label: str, text: str) -> list[str]:
    """A labelled value, wrapped; its own line breaks are kept."""
    start, rest = f"  {label + ':':<{_LABEL - 2}}", " " * _LABEL
    lines: list[str] = []
    for line in presentable(text, SHOWN_CHARACTERS).expandtabs(4).split("\n"):
        lines += _wrap(line, rest, rest) or [rest]
    lines[0] = start + lines[0][_LABEL:]
    return [line.rstrip() for line in lines]


def _whole(label: str, text: str) -> list[str]:
    """A labelled value that is never wrapped, so that it can be copied."""
    return [f"  {label + ':':<{_LABEL - 2}}{one_line(text)}"]


def _wrap(text: str, first: str, rest: str, *, fold: bool = True) -> Sequence[str]:
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=rest,
        break_long_words=fold,
        break_on_hyphens=False,
        replace_whitespace=False,
        drop_whitespace=True,
    )
