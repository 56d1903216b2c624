"""Remarks for a terminal: the place first, so that an editor can jump there."""

from __future__ import annotations

from collections.abc import Iterator

from fixtures.model.remark import Remark, Severity
from reports.foreign import one_line
from reports.lint.result import LintResult, shown


def render(result: LintResult, *, verbose: bool = False) -> str:
    """The remarks by file and line, then one line that sums up."""
    lines: list[str] = []
    for problem in result.unreadable:
        first, *rest = problem.message.splitlines() or [""]
        lines += [f"{one_line(problem.where)}: unreadable: {one_line(first)}"]
        lines += [*(f"  {one_line(each)}" for each in rest), ""]
    for remark in result.remarks:
        lines += [*_told(remark), ""]
    lines += _noted(result)
    if verbose:
        lines += [*_silent(result), ""]
    return "\n".join([*lines, *_summary(result)]) + "\n"


def _told(remark: Remark) -> Iterator[str]:
    said = remark.violation
    yield f"{shown(remark.where)}: {remark.severity} {remark.rule}: {one_line(said.actual)}"
    yield f"  expected: {one_line(said.expected)}"
    if said.hint:
        yield f"  fix:      {one_line(said.hint)}"
    for place in dict.fromkeys(said.related):
        if place != remark.where:
            yield f"  see also: {shown(place)}"
    yield f"  source:   {one_line(remark.source)}"


def _noted(result: LintResult) -> list[str]:
    """What a loader could not make out: rules that would need it are silent."""
    notes = [
        f"{each.path}: note: {one_line(note)}" for each in result.examined for note in each.notes
    ]
    return [*notes, ""] if notes else []


def _silent(result: LintResult) -> Iterator[str]:
    for each in result.examined:
        yield f"{each.path}: {each.name} ({each.format}), {len(each.asked)} rules apply"
        for rule, missing in each.missing.items():
            yield f"  {rule} not evaluated, the files do not state: {one_line(', '.join(missing))}"
    for path in result.skipped:
        yield f"{path}: describes no deployment, skipped"


def _summary(result: LintResult) -> Iterator[str]:
    counts = [_number(result.count(each), each.value) for each in Severity]
    if result.unreadable:
        counts.insert(0, f"{len(result.unreadable)} unreadable")
    read = f"{_number(len(result.examined), 'deployment')} in {_number(result.files, 'file')}"
    yield f"{read}: {', '.join(counts)}"
    silent = sum(len(each.missing) for each in result.examined)
    if silent:
        yield f"{_number(silent, 'rule')} lacked an input; --verbose names them"


def _number(count: int, word: str) -> str:
    plural = "" if count == 1 or word == "advice" else "s"
    return f"{count} {word}{plural}"
