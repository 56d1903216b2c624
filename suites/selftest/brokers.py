"""A broker whose deployments are made of nothing: no process, ready at once, ended on request."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fixtures import bringup as bringup_module
from fixtures import broker as broker_module
from fixtures.broker import Broker
from fixtures.launchers.base import LaunchRequest, Prepared
from fixtures.lease import Ask, Grant
from fixtures.model.deployment import SIGNALS, DeploymentRecord, Readiness
from fixtures.model.requirement import Mode
from fixtures.model.stop import CloseRecord
from fixtures.services.base import wait_until
from fixtures.settings import resolve

from .runs import HERE, TINY_AGG, TINY_DISAGG

DEADLINE_S = 10.0
LONG_ENOUGH_S = 0.3
"""How long something is watched that must not happen; the broker looks every 10 ms."""
AGG, DISAGG = "tiny-agg", "tiny-disagg"
EMPTY_READINESS = Readiness(())
CLOSED = CloseRecord(
    processes=(),
    strays=(),
    ports=(),
    discovery_keys_left=("a key",),
    discovery_waited_s=0,
    discovery_error="",
    shared_memory_left=(),
    lease_ttl_s=1,
)


class FakeDeployment:
    """Stays up until it is closed; `ended` is what `ended_early` says."""

    def __init__(self, request: LaunchRequest, prepared: Prepared) -> None:
        self.request, self.prepared = request, prepared
        self.ended: list[str] = []
        self.closes: list[bool] = []
        self.close_problem: Exception | None = None
        self.may_close = threading.Event()
        self.may_close.set()

    @property
    def record(self) -> DeploymentRecord:
        name, generation = self.request.topology.name, self.request.generation
        return DeploymentRecord(
            topology=name,
            namespace=f"{name}-{generation}",
            generation=generation,
            served_model_name="m",
            frontend_url="http://127.0.0.1:1",
            origins=(),
            etcd_url="http://127.0.0.1:2",
            workers=(),
            lease_ttl_s=1,
            request_deadline_s=1.0,
            readiness=EMPTY_READINESS,
        )

    def ended_early(self) -> Sequence[str]:
        return self.ended

    def close(self, *, hurry: bool) -> CloseRecord:
        self.closes.append(hurry)
        assert self.may_close.wait(DEADLINE_S)
        if self.close_problem:
            raise self.close_problem
        return CLOSED


class FakeLauncher:
    """Counts launches; `problem` is raised instead, `may_launch` holds launches back."""

    def __init__(self) -> None:
        self.deployments: list[FakeDeployment] = []
        self.attempts: list[str] = []
        self.problem: Exception | None = None
        self.prepared = Prepared(())
        self.looks: list[str] = []
        self.finished = 0
        self.may_launch = threading.Event()
        self.may_launch.set()

    def prepare(self, request: LaunchRequest) -> Prepared:
        self.looks.append(request.topology.name)
        return self.prepared

    def finish(self) -> tuple[str, ...]:
        self.finished += 1
        return ()

    def launch(self, request: LaunchRequest, prepared: Prepared) -> FakeDeployment:
        self.attempts.append(request.topology.name)
        assert wait_until(lambda: self.may_launch.is_set() or request.cancelled(), DEADLINE_S)
        if self.problem:
            raise self.problem
        self.deployments.append(FakeDeployment(request, prepared))
        return self.deployments[-1]


class FakeWatch:
    """Every signal is there at once."""

    problem: Exception | None = None

    def __init__(self, _deployment: FakeDeployment, _started: float, on_signal: Any) -> None:
        self.on_signal = on_signal

    def wait(self, _deadline_s: float, _cancelled: Callable[[], bool]) -> Readiness:
        if self.problem:
            raise self.problem
        for name in SIGNALS:
            self.on_signal(name, 0.5)
        return Readiness(tuple((name, 0.5) for name in SIGNALS))


class Rig:
    """A broker with everything around it that selftests look at."""

    def __init__(self, tmp_path: Path, *, keep_running: bool, refused: dict[str, str]) -> None:
        settings = resolve(
            site=str(HERE / "sites" / "quick.yaml"),
            topologies=[str(TINY_AGG), str(TINY_DISAGG)],
            mark_expression="",
            fault="",
            runs_dir=str(tmp_path),
        )
        self.launcher = FakeLauncher()
        self.events: list[tuple[str, str]] = []
        self.ledgers = 0
        self.broker = Broker(
            settings,
            self.launcher,
            refused,
            self._open_ledger,
            lambda event, *, topology, **_fields: self.events.append((event, topology)),
            run_id="selftest",
            keep_running=keep_running,
        )
        self.broker.clients = 100
        self.broker.expect({AGG: {"a", "b"}, DISAGG: {"c"}})
        self.pool = ThreadPoolExecutor(32)

    def _open_ledger(self) -> Any:
        self.ledgers += 1
        return SimpleNamespace(path=Path("run") / "ledger")

    def asks(self, mode: Mode = Mode.SHARED, topology: str = AGG) -> Future[Grant]:
        """Acquire in a thread of its own."""
        return self.pool.submit(self.broker.acquire, Ask(topology, mode, "check"))

    def gets(self, mode: Mode = Mode.SHARED, topology: str = AGG) -> Grant:
        """Acquire, and wait for the grant."""
        return self.asks(mode, topology).result(DEADLINE_S)

    def gives_back(self, mode: Mode = Mode.SHARED, topology: str = AGG) -> None:
        """Release what was acquired."""
        self.broker.release(Ask(topology, mode, "check"))

    def finish(self, *checks: str, topology: str = AGG) -> None:
        """Say that live checks are over."""
        for check in checks:
            self.broker.finished(topology, check)

    def waiting(self, count: int) -> bool:
        """Whether so many acquirers come to wait."""
        return wait_until(lambda: self.broker._waiting == count, DEADLINE_S)

    def launched(self) -> list[str]:
        """Topology and generation of each launch."""
        return [each.record.namespace for each in self.launcher.deployments]

    def ends_well(self) -> None:
        """Stop everything, so that no thread outlives the test."""
        self.launcher.may_launch.set()
        self.broker.stop_requested = True
        self.broker.shutdown(hurry=True)
        self.pool.shutdown()
        self.broker._closer.join(DEADLINE_S)
        assert not self.broker._closer.is_alive()


@contextlib.contextmanager
def rig_in(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    keep_running: bool = False,
    refused: dict[str, str] | None = None,
) -> Iterator[Rig]:
    """A rig with a quick clock."""
    monkeypatch.setattr(bringup_module, "Watch", FakeWatch)
    monkeypatch.setattr(broker_module, "TICK_S", 0.01)
    monkeypatch.setattr(broker_module, "STALL_S", 0.1)
    rig = Rig(tmp_path, keep_running=keep_running, refused=refused or {})
    try:
        yield rig
    finally:
        rig.ends_well()
