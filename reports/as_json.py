"""The report as JSON, described by a closed schema that is shipped beside it."""

from __future__ import annotations

import json
import math
from importlib.resources import files
from typing import Any

from fixtures.model.redact import redact_named
from fixtures.model.requirement import Finding, Result
from reports.foreign import presentable_tree
from reports.inputs import RunInfo
from reports.report import LevelCount, RequirementRow, RunReport, TopologyReport

SCHEMA_VERSION = 1
_LIMIT = 20_000


def schema() -> dict[str, Any]:
    """The JSON Schema every rendered report meets."""
    text = files("reports").joinpath("schema/report.schema.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


def render(report: RunReport) -> str:
    """The text of report.json."""
    return json.dumps(document(report), indent=2, allow_nan=False) + "\n"


def document(report: RunReport) -> dict[str, Any]:
    """The report as JSON data, made presentable."""
    raw = {
        "schema_version": SCHEMA_VERSION,
        "decision": report.decision.value,
        "complete": report.complete,
        "first_failing_layer": report.first_failing_layer,
        "gating_levels": [level.value for level in report.gating_levels],
        "doubts": list(report.doubts),
        "run": _run(report.run),
        "counts": [_count(count) for count in report.counts],
        "topologies": [_topology(topology) for topology in report.topologies],
        "unplanned": [_result(result) for result in report.unplanned],
    }
    cleaned: dict[str, Any] = presentable_tree(raw, _LIMIT)
    return cleaned


def _run(run: RunInfo) -> dict[str, Any]:
    return {
        "id": run.id,
        "command": run.command,
        "site": run.site,
        "engine": run.engine,
        "fault": run.fault,
        "started": run.started,
        "finished": run.finished,
        "run_dir": run.run_dir,
        "versions": dict(run.versions),
        "settings": {
            name: {"value": redact_named(name, value), "origin": origin}
            for name, (value, origin) in run.settings.items()
        },
    }


def _count(count: LevelCount) -> dict[str, Any]:
    return {
        "level": count.level.value,
        "due": count.due,
        "pass": count.passed,
        "fail": count.failed,
        "error": count.errors,
        "unverified": count.unverified,
        "not-applicable": count.not_applicable,
    }


def _topology(topology: TopologyReport) -> dict[str, Any]:
    facts = topology.facts
    return {
        "name": topology.name,
        "title": facts.title,
        "given_as": facts.given_as,
        "decision": topology.decision.value,
        "first_failing_layer": topology.first_failing_layer,
        "launches": facts.launches,
        "launch_error": facts.launch_error,
        "ready_s": None if facts.ready_s is None else _seconds(facts.ready_s),
        "timeline": [{"signal": name, "at_s": _seconds(at_s)} for name, at_s in facts.timeline],
        "leftovers": list(facts.leftovers),
        "counts": [_count(count) for count in topology.counts],
        "rows": [_row(row) for row in topology.rows],
    }


def _row(row: RequirementRow) -> dict[str, Any]:
    requirement = row.requirement
    return {
        "level": requirement.level.value,
        "area": requirement.area,
        "claim": requirement.claim,
        "source": requirement.source,
        "node_id": row.node_id,
        "gating": row.gating,
        "repeat": row.repeat,
        **_result(row.result),
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        "requirement": result.requirement,
        "topology": result.topology,
        "verdict": result.verdict.value,
        "duration_s": _seconds(result.duration_s),
        "findings": [_finding(finding) for finding in result.findings],
        "evidence": list(result.evidence),
        "reason": result.reason,
        "blocked_by": result.blocked_by,
    }


def _finding(finding: Finding) -> dict[str, str]:
    return {"expected": finding.expected, "actual": finding.actual, "hint": finding.hint}


def _seconds(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
