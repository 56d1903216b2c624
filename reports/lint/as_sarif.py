"""Remarks as SARIF 2.1.0, for code scanning views and editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fixtures.model.remark import Remark, Severity
from reports.foreign import presentable_tree
from reports.lint.result import LintResult, Unreadable, relative

SCHEMA = "https://json.schemastore.org/sarif-2.1.0.json"
LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.ADVICE: "note"}


def render(result: LintResult) -> str:
    """The whole result as one SARIF run."""
    ids = [each.id for each in result.rules]
    run = {
        "tool": {
            "driver": {
                "name": "dynamo-acceptance",
                "rules": [
                    {
                        "id": each.id,
                        "shortDescription": {"text": each.claim},
                        "help": {"text": f"Source: {each.source}"},
                        "defaultConfiguration": {"level": LEVELS[each.severity]},
                    }
                    for each in result.rules
                ],
            }
        },
        "columnKind": "unicodeCodePoints",
        "invocations": [
            {
                "executionSuccessful": not result.unreadable,
                "toolExecutionNotifications": [_notification(each) for each in result.unreadable],
            }
        ],
        "results": [_result(each, ids) for each in result.remarks],
    }
    document = {"$schema": SCHEMA, "version": "2.1.0", "runs": [presentable_tree(run)]}
    return json.dumps(document, indent=2) + "\n"


def _result(remark: Remark, ids: list[str]) -> dict[str, Any]:
    said = remark.violation
    hint = f" Fix: {said.hint}." if said.hint else ""
    return {
        "ruleId": remark.rule,
        "ruleIndex": ids.index(remark.rule),
        "level": LEVELS[remark.severity],
        "message": {"text": f"{said.actual}. Expected: {said.expected}.{hint}"},
        "locations": [_location(remark.where.file, remark.where.line, remark.where.column)],
        "relatedLocations": [
            _location(place.file, place.line, place.column) for place in said.related
        ],
    }


def _notification(problem: Unreadable) -> dict[str, Any]:
    file, line, column = problem.place
    return {
        "level": "error",
        "message": {"text": problem.message},
        "locations": [_location(Path(file), line, column)],
    }


def _location(file: Path, line: int, column: int) -> dict[str, Any]:
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(Path(relative(file)).as_posix())},
            "region": {"startLine": line, "startColumn": column},
        }
    }
