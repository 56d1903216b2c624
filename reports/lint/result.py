"""The outcome of examining files; every rendering is made from this and from nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath

from fixtures.model.position import Position
from fixtures.model.remark import Remark, RuleFacts, Severity

CLEAN, ERRORS, UNREADABLE = 0, 1, 2


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file, or a place in it, that could not be read; `where` is as a user would write it."""

    where: str
    text: str

    @property
    def message(self) -> str:
        """The text without the place at its beginning."""
        return self.text.removeprefix(f"{self.where}: ")

    @property
    def place(self) -> tuple[str, int, int]:
        """File, line and column; 1 and 1 where the message names the file only."""
        parts = self.where.rsplit(":", 2)
        if len(parts) == 3 and parts[1].isdecimal() and parts[2].isdecimal():
            return parts[0], int(parts[1]), int(parts[2])
        return self.where, 1, 1


@dataclass(frozen=True, slots=True)
class Examined:
    """One topology that was read: from which file, by which loader, and what its rules lacked.

    `missing` maps a rule to the inputs that no file states.
    """

    name: str
    path: str
    format: str
    asked: tuple[str, ...]
    missing: Mapping[str, tuple[str, ...]]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class LintResult:
    """Everything that was found in a set of files."""

    files: int
    skipped: tuple[str, ...]
    examined: tuple[Examined, ...]
    remarks: tuple[Remark, ...]
    unreadable: tuple[Unreadable, ...]
    rules: tuple[RuleFacts, ...]

    def count(self, severity: Severity) -> int:
        """How many remarks of that weight there are."""
        return sum(remark.severity is severity for remark in self.remarks)

    @property
    def exit_code(self) -> int:
        """0 without errors, 1 with errors, 2 where something could not be read."""
        if self.unreadable:
            return UNREADABLE
        return ERRORS if self.count(Severity.ERROR) else CLEAN


def shown(place: Position) -> str:
    """A place as a person in the current directory would write it."""
    return f"{relative(place.file)}:{place.line}:{place.column}"


def relative(file: PurePath) -> str:
    """A path from the current directory where it lies below it, else as it is."""
    try:
        return str(Path(file).absolute().relative_to(Path.cwd()))
    except ValueError:
        return str(file)
