"""Remarks as JSON, one object per remark with its place taken apart."""

from __future__ import annotations

import json
from typing import Any

from fixtures.model.position import Position
from fixtures.model.remark import Remark, Severity
from reports.foreign import presentable_tree
from reports.lint.result import LintResult, relative

VERSION = 1


def render(result: LintResult) -> str:
    """The whole result as a JSON document."""
    document = {
        "version": VERSION,
        "exit_code": result.exit_code,
        "files": result.files,
        "counts": {each.value: result.count(each) for each in Severity},
        "unreadable": [
            {"file": file, "line": line, "column": column, "message": each.message}
            for each in result.unreadable
            for file, line, column in [each.place]
        ],
        "remarks": [_remark(each) for each in result.remarks],
        "deployments": [
            {
                "name": each.name,
                "file": each.path,
                "format": each.format,
                "rules": list(each.asked),
                "not_evaluated": {rule: list(needs) for rule, needs in each.missing.items()},
                "notes": list(each.notes),
            }
            for each in result.examined
        ],
        "skipped": list(result.skipped),
    }
    return json.dumps(presentable_tree(document), indent=2) + "\n"


def _remark(remark: Remark) -> dict[str, Any]:
    said = remark.violation
    return {
        "rule": remark.rule,
        "severity": remark.severity.value,
        **_place(remark.where),
        "deployment": remark.topology,
        "claim": remark.claim,
        "expected": said.expected,
        "actual": said.actual,
        "hint": said.hint,
        "source": remark.source,
        "related": [_place(place) for place in said.related],
    }


def _place(place: Position) -> dict[str, Any]:
    return {"file": relative(place.file), "line": place.line, "column": place.column}
