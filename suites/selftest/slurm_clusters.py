"""Mini clusters for selftests: where one can start, or why not, and questions with deadlines."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from fixtures.minislurm.cluster import Cluster, ClusterShape, missing_requirements

DEADLINE_S = 60.0
"""No command of a test takes long; this only keeps a broken one from hanging."""


def need_slurm() -> None:
    """Skip where no cluster can start and say what is missing; fail where REQUIRE_SLURM=1."""
    missing = missing_requirements()
    if missing and os.environ.get("REQUIRE_SLURM") == "1":
        pytest.fail(f"REQUIRE_SLURM=1, and {'; '.join(missing)}", pytrace=False)
    if missing:
        pytest.skip("; ".join(missing))


@contextlib.contextmanager
def mini_cluster(directory: Path, nodes: int = 2, *, containers: bool = False) -> Iterator[Cluster]:
    """A running cluster, verified gone afterwards."""
    need_slurm()
    cluster = Cluster.start(directory, ClusterShape(nodes=nodes, containers=containers))
    try:
        yield cluster
    finally:
        cluster.stop()


def ran(argv: Sequence[str], **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; `more` is added to the environment."""
    return subprocess.run(
        list(argv),
        env={**os.environ, **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def on_login(cluster: Cluster, *argv: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run a command on the login node to its end."""
    return ran(cluster.on_login(argv), **more)


def on_node(cluster: Cluster, node: str, *argv: str) -> str:
    """What a command printed on a node, where it must succeed."""
    done = ran(cluster.on_node(node, argv))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
