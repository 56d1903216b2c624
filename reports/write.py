"""Writes the renderings of a report into the directory of its run."""

from __future__ import annotations

import os
from pathlib import Path

from reports import as_json, as_junit, as_markdown
from reports.report import RunReport


def write_all(report: RunReport, run_dir: Path) -> list[Path]:
    """Write report.json, junit.xml and summary.md; each is either whole or not there.

    The directory is created where needed. Returns the files in the order they were written.
    """
    run_dir.mkdir(parents=True, exist_ok=True)
    renderings = {
        "report.json": as_json.render,
        "junit.xml": as_junit.render,
        "summary.md": as_markdown.render,
    }
    return [_write(run_dir / name, render(report)) for name, render in renderings.items()]


def _write(path: Path, text: str) -> Path:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8", newline="\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path
