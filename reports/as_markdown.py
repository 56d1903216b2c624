"""The report as Markdown, for the summary page of a CI run.

Text that a server could have chosen stands in code spans or fenced blocks only, with fences
longer than any run of backticks in it, so it can neither format nor leave its place.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import PurePath

from fixtures.model.redact import redact_named
from fixtures.model.requirement import Verdict
from reports.as_text import REFUSED, failure_text, why
from reports.foreign import one_line, presentable
from reports.report import LevelCount, RequirementRow, RunReport, TopologyReport

# Hosts refuse summaries above one MiB; the full findings are in report.json anyway.
_FAILURES_LIMIT = 400_000
_CELL = 200

# Dots and colons matter only inside what would otherwise become a link.
_SPECIAL = re.compile(r"([\\`*_\[\]#|~@>]|:(?=//)|\.(?=\S))")
_BACKTICKS = re.compile(r"`+")


def render(report: RunReport) -> str:
    """The text of summary.md."""
    parts = [
        f"# Acceptance run {code(report.run.id)}: {report.decision.value}",
        *_rehearsal(report),
        _decisions(report),
        *(f"- {plain(doubt)}" for doubt in report.doubts),
        _unplanned(report),
        *_failures(report),
        *(part for topology in report.topologies for part in _topology(topology)),
        _run(report),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def plain(text: str) -> str:
    """Text of the project as running text: no character of it formats anything."""
    escaped = _SPECIAL.sub(r"\\\1", one_line(text, _CELL))
    return escaped.replace("&", "&amp;").replace("<", "&lt;")


def code(text: str) -> str:
    """Text of unknown origin as a code span that also survives in a table cell."""
    text = one_line(text, _CELL).replace("|", "\\|")
    if not text:
        return ""
    fence = "`" * (_longest_run(text) + 1)
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}"


def fenced(text: str) -> str:
    """Text of unknown origin as a block."""
    text = presentable(text, _FAILURES_LIMIT)
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}text\n{text}\n{fence}"


def _longest_run(text: str) -> int:
    return max(map(len, _BACKTICKS.findall(text)), default=0)


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    cells = [list(head)]
    lines = [cells[0], ["---"] * len(cells[0]), *map(list, rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _rehearsal(report: RunReport) -> Iterator[str]:
    if report.run.fault is not None:
        yield (
            f"> **REHEARSAL: the fault {code(report.run.fault)} was seeded on purpose. "
            "This run says nothing about a real deployment.**"
        )


def _decisions(report: RunReport) -> str:
    if not report.topologies:
        return "No topology was planned."
    rows = [
        (
            code(topology.name),
            f"**{topology.decision.value}**",
            plain(topology.first_failing_layer or "none"),
            "; ".join(map(_count, topology.counts)),
            _ready(topology),
        )
        for topology in report.topologies
    ]
    return _table(("topology", "decision", "first failing layer", "counts", "ready"), rows)


def _count(count: LevelCount) -> str:
    text = f"{count.level} {count.passed}/{count.due}"
    others = (
        (count.failed, "failed"),
        (count.errors, "in error"),
        (count.unverified, "not judged"),
        (count.not_applicable, "not applicable"),
    )
    details = ", ".join(f"{number} {word}" for number, word in others if number)
    return f"{text} ({details})" if details else text


def _ready(topology: TopologyReport) -> str:
    if topology.facts.ready_s is not None:
        return f"{topology.facts.ready_s:.1f} s"
    return "never" if topology.facts.launches else "not launched"


def _unplanned(report: RunReport) -> str:
    if not report.unplanned:
        return ""
    rows = [
        (code(item.requirement), code(item.topology), item.verdict.value)
        for item in report.unplanned
    ]
    return "## Results that were not planned\n\n" + _table(
        ("requirement", "topology", "verdict"), rows
    )


def _failures(report: RunReport) -> Iterator[str]:
    refused = [row for row in report.rows if row.result.reason.startswith(REFUSED)]
    broken = [row for row in report.rows if row.broken and row not in refused]
    if broken:
        yield "## Failures and errors"
    if refused:
        yield f"{len(refused)} more failed without being run: {code(refused[0].result.reason)}"
    room = _FAILURES_LIMIT
    for number, row in enumerate(broken):
        section = _failure(row)
        room -= len(section.encode())
        if room < 0:
            yield f"{len(broken) - number} more are in report.json."
            return
        yield section


def _failure(row: RequirementRow) -> str:
    remark = "" if row.gating else ", a remark only"
    heading = f"### {plain(row.requirement.id)} on {code(row.topology)}: {row.verdict}{remark}"
    return f"{heading}\n\n{fenced(failure_text(row))}"


def _topology(topology: TopologyReport) -> Iterator[str]:
    facts = topology.facts
    yield f"## Topology {code(topology.name)}: {topology.decision.value}"
    yield f"Title: {plain(facts.title)}\n\nLaunches: {facts.launches}"
    if facts.launch_error:
        yield "Launch error:\n\n" + fenced(presentable(facts.launch_error))
    if facts.timeline:
        rows = [(code(signal), f"{at_s:.1f} s") for signal, at_s in facts.timeline]
        yield "### Readiness\n\n" + _table(("signal", "after launch"), rows)
    if facts.leftovers:
        yield "### Left behind\n\n" + "\n".join(f"- {code(item)}" for item in facts.leftovers)
    yield "### Requirements\n\n" + _table(
        ("requirement", "level", "area", "claim", "verdict", "reason"),
        map(_row, topology.rows),
    )


def _row(row: RequirementRow) -> Iterator[str]:
    verdict = row.verdict.value
    yield plain(row.requirement.id)
    yield row.requirement.level.value
    yield plain(row.requirement.area)
    yield plain(row.requirement.claim)
    yield verdict if row.verdict is Verdict.PASS else f"**{verdict}**"
    yield code(why(row))


def _run(report: RunReport) -> str:
    run = report.run
    facts = (
        ("command", run.command),
        ("site", run.site),
        ("engine", run.engine),
        ("started", run.started),
        ("finished", run.finished),
        ("evidence", str(PurePath(run.run_dir))),
        *((f"version of {name}", version) for name, version in run.versions.items()),
    )
    text = "## Run\n\n" + _table(("fact", "value"), [(plain(k), code(v)) for k, v in facts])
    rows = [
        (code(name), code(redact_named(name, value)), code(where))
        for name, (value, where) in run.settings.items()
    ]
    if not rows:
        return text
    return text + "\n\n## Settings\n\n" + _table(("setting", "value", "from"), rows)
