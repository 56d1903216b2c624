"""Passing means: however a run over Ray is interrupted, nothing of it is left on any host."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.ledger import LEDGER_NAME, Ledger

from .ray_rig import LIVE, Rig, rig
from .test_interrupts import marked, wait_for

pytestmark = pytest.mark.selftest

INTERRUPTED = 2
LIMIT_S = 60.0


@pytest.fixture(scope="module")
def shared() -> Iterator[Rig]:
    """Two hosts."""
    with rig(hosts=2) as found:
        yield found


@pytest.mark.parametrize("moment", ["launch", "ready"])
def test_a_signal_leaves_nothing(moment: str, shared: Rig, tmp_path: Path) -> None:
    with shared.started(tmp_path, *LIVE, site=shared.site()) as running:
        running.wait_for(moment)
        running.process.send_signal(signal.SIGTERM)
        run = running.ended(LIMIT_S)

    # All that was asked for may have been judged before the stop: then the verdict stands.
    assert run.exit_code in (INTERRUPTED, 10), run.output
    assert "INTERNALERROR" not in run.output
    assert shared.left_by(running.run_dir) == []


def test_a_killed_run_ends_on_the_hosts_by_itself_and_reap_removes_the_rest(
    shared: Rig, tmp_path: Path
) -> None:
    with shared.started(tmp_path, *LIVE, site=shared.site()) as running:
        running.wait_for("ready")
        run_dir = running.run_dir
        running.process.kill()
        running.process.wait()
        wait_for("the end of all programs on hosts", lambda: not marked(run_dir.name), LIMIT_S)

        kinds = {entry.kind for entry in Ledger.open_entries(run_dir / LEDGER_NAME)}
        assert {"process", "directory", "hosts"} <= kinds
        assert "nothing is left" in shared.reap(run_dir)
    assert shared.left_by(run_dir) == []
