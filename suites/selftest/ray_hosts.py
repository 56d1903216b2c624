"""Mini hosts for selftests: where some can start, or why not, and the means to use them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.clients.hosts import run_on
from fixtures.ledger import Ledger
from fixtures.minihosts.hosts import HostShape, MiniHosts, missing_requirements
from fixtures.model.hosts import Host

DEADLINE_S = 60.0
"""No command of a test takes long; this only keeps a broken one from hanging."""


def need_hosts() -> None:
    """Skip where no hosts can start and say what is missing; fail where REQUIRE_RAY=1."""
    missing = missing_requirements()
    if missing and os.environ.get("REQUIRE_RAY") == "1":
        pytest.fail(f"REQUIRE_RAY=1, and {'; '.join(missing)}", pytrace=False)
    if missing:
        pytest.skip("; ".join(missing))


@contextlib.contextmanager
def mini_hosts(
    directory: Path, hosts: int = 2, ledger: Ledger | None = None
) -> Iterator[MiniHosts]:
    """Running hosts, verified gone afterwards."""
    need_hosts()
    running = MiniHosts.start(directory, HostShape(hosts), ledger)
    try:
        yield running
    finally:
        running.stop()


def said_on(host: Host, *argv: str) -> str:
    """What a command printed on a host, where it must succeed."""
    call = run_on(host, argv, environment={}, limit_s=DEADLINE_S)
    assert call.ok, call.problem
    return call.stdout.strip()
