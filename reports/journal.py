"""The record of a run while it happens: one JSON line per record, appended and flushed.

A journal that ends without a footer, or lost a line, was cut short; reading it says so and
never raises.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fixtures.model.redact import redact_tree
from fixtures.model.requirement import Finding, Result, Verdict

KINDS = ("header", "event", "result", "footer")


class Journal:
    """An append-only journal file that several threads may write to.

    Close it, or use it as a context manager; every record is on its way to disk before `write`
    returns, so a killed run keeps what it had.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        existing = path.read_bytes() if path.exists() else b""
        self.path = path
        self._records = sum(1 for line in existing.split(b"\n") if line.strip())
        self._lock = threading.Lock()
        self._file = path.open("a", encoding="ascii", newline="\n")
        if existing and not existing.endswith(b"\n"):
            self._file.write("\n")

    def write(self, kind: str, **fields: Any) -> None:
        """Append one record of that kind, secrets masked, with the time in `t`."""
        if kind not in KINDS:
            message = f"unknown kind of record {kind!r}; known: {', '.join(KINDS)}"
            raise ValueError(message)
        if "t" in fields:
            message = "the field 't' is the journal's own"
            raise ValueError(message)
        fields = redact_tree(fields)
        with self._lock:
            if kind == "footer":
                fields["records"] = self._records
            record = {"kind": kind, "t": datetime.now(UTC).isoformat(), **fields}
            self._file.write(json.dumps(record, allow_nan=False) + "\n")
            self._file.flush()
            self._records += 1

    def result(self, result: Result) -> None:
        """Append what became of one planned requirement."""
        self.write("result", **result_to_fields(result))

    def close(self) -> None:
        """Close the file; writing afterwards is an error."""
        with self._lock:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


@dataclass(frozen=True, slots=True)
class JournalContents:
    """What a journal holds; `complete` only if it has header and footer and lost nothing."""

    header: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...]
    results: tuple[Result, ...]
    complete: bool
    problems: tuple[str, ...]


def result_to_fields(result: Result) -> dict[str, Any]:
    """The result as plain JSON data."""
    return {
        "requirement": result.requirement,
        "topology": result.topology,
        "verdict": result.verdict.value,
        "duration_s": result.duration_s,
        "findings": [
            {"expected": item.expected, "actual": item.actual, "hint": item.hint}
            for item in result.findings
        ],
        "evidence": list(result.evidence),
        "reason": result.reason,
        "blocked_by": result.blocked_by,
    }


def result_from_fields(fields: Mapping[str, Any]) -> Result:
    """The result that `result_to_fields` wrote; raises KeyError, TypeError or ValueError."""
    return Result(
        requirement=str(fields["requirement"]),
        topology=str(fields["topology"]),
        verdict=Verdict(fields["verdict"]),
        duration_s=float(fields["duration_s"]),
        findings=tuple(
            Finding(str(item["expected"]), str(item["actual"]), str(item["hint"]))
            for item in fields["findings"]
        ),
        evidence=tuple(str(item) for item in fields["evidence"]),
        reason=str(fields["reason"]),
        blocked_by=str(fields["blocked_by"]),
    )


def read_journal(path: Path) -> JournalContents:
    """Everything that can be read of a journal, and what is wrong with it."""
    try:
        data = path.read_bytes()
    except OSError as error:
        problem = f"the journal cannot be read: {error.strerror or error}"
        return JournalContents({}, (), (), complete=False, problems=(problem,))
    return _Reader().read(data)


class _Reader:
    def __init__(self) -> None:
        self.problems: list[str] = []
        self.headers: list[Mapping[str, Any]] = []
        self.events: list[Mapping[str, Any]] = []
        self.results: list[Result] = []

    def read(self, data: bytes) -> JournalContents:
        *lines, rest = data.split(b"\n")
        records = [self._record(number, line) for number, line in enumerate(lines, start=1)]
        if rest:
            self.problems.append(f"line {len(lines) + 1} is cut: the last write did not finish")
        self._check_frame([record for record in records if record is not None])
        header = self.headers[0] if self.headers else {}
        return JournalContents(
            header=header,
            events=tuple(self.events),
            results=tuple(self.results),
            complete=not self.problems,
            problems=tuple(self.problems),
        )

    def _record(self, number: int, line: bytes) -> Mapping[str, Any] | None:
        try:
            record = json.loads(line)
        except (ValueError, RecursionError):
            self.problems.append(f"line {number} is not JSON")
            return None
        if not isinstance(record, dict) or record.get("kind") not in KINDS:
            self.problems.append(f"line {number} is not a record of a known kind")
            return None
        self._keep(number, record)
        return record

    def _keep(self, number: int, record: Mapping[str, Any]) -> None:
        match record["kind"]:
            case "header":
                self.headers.append(record)
            case "event":
                self.events.append(record)
            case "result":
                try:
                    self.results.append(result_from_fields(record))
                except (KeyError, TypeError, ValueError, OverflowError):
                    self.problems.append(f"line {number} holds a result that cannot be understood")

    def _check_frame(self, records: list[Mapping[str, Any]]) -> None:
        kinds = [record["kind"] for record in records]
        if kinds[:1] != ["header"]:
            self.problems.append("the journal does not begin with a header")
        if kinds.count("header") > 1:
            self.problems.append("the journal has more than one header")
        if "footer" not in kinds:
            self.problems.append("the journal has no footer: the run was cut short")
            return
        before = kinds.index("footer")
        if before != len(kinds) - 1:
            self.problems.append("the journal goes on after its footer")
        promised = records[before].get("records")
        if promised != before:
            self.problems.append(
                f"the footer counts {promised} records before it, {before} could be read"
            )
