"""How many files per second the static rules examine, in one process.

    python benchmarks/lint_speed.py [--files 500] [--rounds 5]

The files are copies of what the project ships (topologies with engine configs of their own, pairs
of engine configs, Kubernetes manifests, graph configs, scripts), each under a name of its own, so
that nothing is read twice. Reading, validating, all rules and the rendering as text are timed;
Python's own start is not.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from fixtures.config.paths import CONFIGS_DIR
from fixtures.lint import SUFFIXES, lint
from reports.lint import as_text

# Engine configs first: the last round may be cut short, and a topology names them.
FOLDERS = ("engines", "kubernetes", "serve", "topologies")


def shipped() -> list[Path]:
    """Every shipped file that describes a deployment, or a part of one."""
    found = (path for folder in FOLDERS for path in sorted((CONFIGS_DIR / folder).rglob("*")))
    return [path for path in found if path.suffix in SUFFIXES]


def copies(target: Path, files: int) -> None:
    """Fill a directory with that many files; each round of copies keeps its own tree."""
    sources = shipped()
    rounds: Iterator[int] = itertools.count()
    left = files
    while left > 0:
        top = target / f"{next(rounds):03d}"
        for source in sources[:left]:
            path = top / source.relative_to(CONFIGS_DIR)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(source.read_bytes())
        left -= len(sources)


def main() -> int:
    """Measure, and print each round and the spread."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as directory:
        copies(Path(directory), options.files)
        seconds = []
        for _ in range(options.rounds):
            started = time.perf_counter()
            result = lint([Path(directory)])
            as_text.render(result)
            seconds.append(time.perf_counter() - started)
    rates = [result.files / each for each in seconds]
    read = f"{result.files} files, {len(result.examined)} deployments, {len(result.rules)} rules"
    print(f"{read}, {len(result.remarks)} remarks, {len(result.unreadable)} unreadable")
    print(f"seconds per round: {', '.join(f'{each:.2f}' for each in seconds)}")
    middle, worst, best = statistics.median(rates), min(rates), max(rates)
    print(f"files per second: {middle:.0f} (median of {len(rates)}; {worst:.0f} to {best:.0f})")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
