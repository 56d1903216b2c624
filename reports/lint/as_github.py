"""Remarks as workflow commands, which a GitHub job shows beside the lines they are about."""

from __future__ import annotations

from fixtures.model.remark import Severity
from reports.foreign import one_line
from reports.lint.result import LintResult, relative

COMMANDS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.ADVICE: "notice"}


def render(result: LintResult) -> str:
    """One annotation per remark and per unreadable place."""
    lines = []
    for problem in result.unreadable:
        file, line, column = problem.place
        lines.append(_command("error", file, line, column, "unreadable", problem.message))
    for remark in result.remarks:
        said, where = remark.violation, remark.where
        hint = f" Fix: {said.hint}" if said.hint else ""
        text = f"{said.actual}. Expected: {said.expected}.{hint}"
        command, file = COMMANDS[remark.severity], relative(where.file)
        lines.append(_command(command, file, where.line, where.column, remark.rule, text))
    return "".join(f"{line}\n" for line in lines)


def _command(command: str, file: str, line: int, column: int, title: str, text: str) -> str:
    place = f"file={_property(file)},line={line},col={column},title={_property(title)}"
    return f"::{command} {place}::{_data(text)}"


def _data(text: str) -> str:
    # The runner reads %0A and the like back; a raw line break would start another command.
    return one_line(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
