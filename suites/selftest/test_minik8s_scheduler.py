"""Passing means: half a gang stays half, and a world that is told to end does not start."""

from __future__ import annotations

import json
import signal
import socket
from pathlib import Path

import pytest

from fixtures.minik8s import faults
from fixtures.minik8s.faults import Faults
from fixtures.minik8s.image.mpirun import MpirunError, connect, resolve
from fixtures.minik8s.objects import NODES, PODS
from fixtures.minik8s.objects_in_store import StoreObjects
from fixtures.minik8s.operator_grove import LABEL_OF_GANG
from fixtures.minik8s.scheduler import Scheduler
from fixtures.minik8s.store import Store

pytestmark = pytest.mark.selftest

HALF = "schedules_half_a_gang"
ROUNDS = 5


@pytest.mark.parametrize("size", [2, 3, 8])
def test_half_a_gang_stays_half_until_the_fault_goes(tmp_path: Path, size: int) -> None:
    store = Store()
    objects, wrong = StoreObjects(store), Faults(tmp_path)
    sizes = {"nvidia.com/gpu": "8"}
    objects.create(NODES, {"metadata": {"name": "n1"}, "status": {"allocatable": sizes}})
    main = {"name": "main", "image": "i:1.0.0", "resources": {"limits": {"nvidia.com/gpu": 1}}}
    for index in range(size):
        about = {"name": f"p{index}", "namespace": "default", "labels": {LABEL_OF_GANG: "gang"}}
        objects.create(PODS, {"metadata": about, "spec": {"containers": [main]}})
    scheduler = Scheduler(objects, wrong)

    def placed() -> int:
        return sum(bool(pod["spec"].get("nodeName")) for pod in objects.list(PODS))

    faults.write(tmp_path, [HALF])
    wrong.look()
    for _ in range(ROUNDS):
        scheduler.sync()
        assert placed() == size // 2
    faults.write(tmp_path, [])
    wrong.look()
    scheduler.sync()
    assert placed() == size
    store.close()


def test_mpirun_does_not_wait_for_pods_once_it_is_told_to_end(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts.json"
    hosts.write_text(json.dumps({"there": "127.0.0.1"}), encoding="utf-8")
    told = [int(signal.SIGTERM)]

    assert resolve("there", str(hosts), told) == "127.0.0.1"
    with pytest.raises(MpirunError, match="ended by signal 15"):
        resolve("gone", str(hosts), told)
    with socket.create_server(("127.88.254.254", 0)), pytest.raises(MpirunError, match="signal 15"):
        connect("127.88.254.254", "gone", told)
