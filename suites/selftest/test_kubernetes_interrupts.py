"""Passing means: however a run on Kubernetes ends, nothing of it is left, or `reap` removes it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from .kubernetes_rig import LIVE, Rig, rig
from .runs import TINY_AGG
from .test_interrupts import wait_for

pytestmark = pytest.mark.selftest

INTERRUPTED = 2
LIMIT_S = 60.0
SHORT = ("suites/launch", "suites/shutdown")


@pytest.fixture(scope="module")
def shared() -> Iterator[Rig]:
    """A double of four nodes, or the cluster of the environment."""
    with rig() as found:
        yield found


# The moments: while pods have no node yet, and between checks.
@pytest.mark.parametrize(
    ("number", "moment"), [(signal.SIGTERM, "waits"), (signal.SIGINT, "ready")], ids=["TERM", "INT"]
)
def test_a_signal_leaves_nothing(
    number: signal.Signals, moment: str, shared: Rig, tmp_path: Path
) -> None:
    with shared.started(tmp_path, *LIVE, *SHORT, topology=TINY_AGG) as running:
        running.wait_for(moment)
        running.process.send_signal(number)
        run = running.ended(LIMIT_S)

    assert run.exit_code in (INTERRUPTED, 0), run.output
    assert "INTERNALERROR" not in run.output
    assert shared.left_by(running.run_dir) == []


def test_what_a_killed_run_created_is_reaped_by_uid_and_nothing_else_is(
    shared: Rig, tmp_path: Path
) -> None:
    client = shared.client()
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "other-"}}
    maps, answer = client.collection("v1", "ConfigMap")
    assert maps is not None, answer
    made = client.create(maps, other).data["metadata"]
    try:
        with shared.started(tmp_path, *LIVE, *SHORT, topology=TINY_AGG) as running:
            running.wait_for("ready")
            run_dir = running.run_dir
            running.process.kill()
            running.process.wait(LIMIT_S)
            wait_for("objects of the run", lambda: bool(shared.left_by(run_dir)), LIMIT_S)
            said = shared.reap(run_dir)
            again = shared.reap(run_dir)

        assert "dynamographdeployments" in said
        assert "nothing is left" in again
        assert shared.left_by(run_dir) == []
        assert client.read(maps, made["name"]).ok
    finally:
        client.delete(maps, made["name"], made["uid"])
