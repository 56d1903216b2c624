"""Files to lint, and the linter's command line as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from .rules.cases import aggregated
from .runs import ROOT


def written(directory: Path, files: dict[str, str]) -> Path:
    """The files in a directory; returns the first."""
    directory.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (directory / name).write_text(content, encoding="utf-8")
    return directory / next(iter(files))


def command(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the command line as a user does."""
    return subprocess.run(
        [sys.executable, "-m", "fixtures.rules", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def wrong_deployment(directory: Path) -> Path:
    """A topology with one error, three nodes for TP16, in `wrong` below that directory."""
    return written(directory / "wrong", aggregated(roles__aggregated__nodes_per_worker=3))
