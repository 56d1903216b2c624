"""Runs the real suite as a user does, in a process of its own, and reads what it left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
TINY_AGG = HERE / "topologies" / "tiny-agg.yaml"
TINY_DISAGG = HERE / "topologies" / "tiny-disagg.yaml"
QUICK_SITE = HERE / "sites" / "quick.yaml"
LIVE = ("-m", "gb200 and not static")
"""What needs a deployment: rules read files alone, so no launcher and no fault changes them."""
WITHOUT_OTHERS = ("-p", "no:hypothesispytest", "-p", "no:anyio")
"""Plugins of others, which users of the suite do not have: to load them takes longer than ours."""
DEADLINE_S = 240.0

# Some images switch it off. Then each of the hundred runs would compile the whole suite again.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """What one run of the suite left: exit code, terminal output, and its run directory."""

    exit_code: int
    output: str
    run_dir: Path | None

    @property
    def report(self) -> dict[str, Any]:
        """The run's report.json."""
        assert self.run_dir is not None, self.output
        document: dict[str, Any] = json.loads((self.run_dir / "report.json").read_text())
        return document

    @property
    def events(self) -> list[dict[str, Any]]:
        """The journal's records."""
        assert self.run_dir is not None, self.output
        lines = (self.run_dir / "journal.ndjson").read_text().splitlines()
        return [json.loads(line) for line in lines]

    def verdicts(self, topology: str) -> dict[str, str]:
        """Requirement id to verdict for one topology."""
        for entry in self.report["topologies"]:
            if entry["name"] == topology:
                return {row["requirement"]: row["verdict"] for row in entry["rows"]}
        raise AssertionError(f"{topology} is not in the report\n{self.output}")

    def with_verdict(self, topology: str, verdict: str) -> set[str]:
        """The requirements of one topology that got this verdict."""
        return {id_ for id_, said in self.verdicts(topology).items() if said == verdict}


def command(runs_dir: Path, *arguments: str) -> list[str]:
    """The command line of a run whose files go to `runs_dir`."""
    base = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *WITHOUT_OTHERS]
    return [*base, f"--runs-dir={runs_dir}", *arguments]


def run_suite(runs_dir: Path, *arguments: str) -> SuiteRun:
    """Run the suite to its end, within a deadline."""
    ended = subprocess.run(
        command(runs_dir, *arguments),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    found = sorted(runs_dir.glob("*/report.json"))
    run_dir = found[-1].parent if found else None
    return SuiteRun(ended.returncode, ended.stdout + ended.stderr, run_dir)


def rehearse(runs_dir: Path, topology: Path, *arguments: str) -> SuiteRun:
    """Run the gb200 profile on one small topology at the quick site."""
    return run_suite(
        runs_dir,
        *("-m", "gb200", f"--site={QUICK_SITE}", f"--topology={topology}"),
        *arguments,
    )
