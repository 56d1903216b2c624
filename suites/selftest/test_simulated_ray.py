"""Passing means: with real Ray a simulated vLLM worker has a GPU actor for each rank, in vLLM's
order, falls when one of them does, says why it cannot be placed, and leaves nothing behind.

Not covered: several nodes, and the loss of one; the Ray launcher's own tests have those.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from fixtures.clients.engine_lines import announcement_in, load_seconds_in
from fixtures.clients.ranks import environment_of
from fixtures.ports import PortLease
from fixtures.services.base import wait_until
from fixtures.simulator import ray_actor
from fixtures.simulator.ray_ranks import _refuse_wrong_addresses, devices_of, rank_order
from fixtures.simulator.world import World, WorldError

from .ray_worker_rig import GPUS, RayNode, ray_node, worker_on

pytestmark = pytest.mark.selftest

DEADLINE_S = 90.0
DEPLOYMENT = "acc-selftest-ray"


@pytest.fixture(scope="module")
def node() -> Iterator[RayNode]:
    with ray_node() as node:
        yield node


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "worker.log"


def start(node: RayNode, log: Path, **changes: Any) -> subprocess.Popen[bytes]:
    spec = replace(worker_on(node), **changes)
    return node.start(spec, log, {"DYNAMO_ACCEPTANCE_DEPLOYMENT": DEPLOYMENT})


def loaded(log: Path) -> int:
    return sum(load_seconds_in(line) is not None for line in log.read_text().splitlines())


def wait_for_load(worker: subprocess.Popen[bytes], log: Path) -> None:
    assert wait_until(lambda: loaded(log) >= GPUS or worker.poll() is not None, DEADLINE_S)
    assert worker.poll() is None, log.read_text()


def ranks_of(node: RayNode) -> dict[int, psutil.Process]:
    """Rank processes of the cluster, as their environment names them."""
    found = ((environment_of(each), each) for each in node.processes())
    return {int(env["ACCEPTANCE_RANK"]): each for env, each in found if "ACCEPTANCE_RANK" in env}


def nothing_left(node: RayNode) -> bool:
    """No rank, and every GPU free for the next worker."""
    actors = [each for each in node.processes() if "RayWorkerWrapper" in _title(each)]
    return not ranks_of(node) and not actors


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def test_each_rank_has_an_actor_and_a_gpu_and_a_stop_leaves_nothing(
    node: RayNode, log: Path
) -> None:
    worker = start(node, log)
    wait_for_load(worker, log)

    seen = {rank: environment_of(each) for rank, each in ranks_of(node).items()}
    wanted = ("CUDA_VISIBLE_DEVICES", "ACCEPTANCE_WORKER", "DYNAMO_ACCEPTANCE_DEPLOYMENT")
    assert {rank: tuple(env[name] for name in wanted) for rank, env in seen.items()} == {
        rank: (str(rank), "decode-0", DEPLOYMENT) for rank in range(GPUS)
    }
    said = [each for line in log.read_text().splitlines() if (each := announcement_in(line))]
    assert sorted((each.rank, each.world_size, each.leader) for each in said) == [
        (rank, GPUS, rank == 0) for rank in range(GPUS)
    ]

    worker.send_signal(signal.SIGTERM)
    assert worker.wait(DEADLINE_S) == 0, log.read_text()
    assert wait_until(lambda: nothing_left(node), DEADLINE_S)


@pytest.mark.parametrize("victim", ["rank", "actor"])
def test_a_killed_rank_or_actor_ends_the_worker_and_all_other_ranks(
    node: RayNode, log: Path, victim: str
) -> None:
    worker = start(node, log)
    wait_for_load(worker, log)
    process = ranks_of(node)[2]
    (process if victim == "rank" else process.parent() or process).kill()

    assert worker.wait(DEADLINE_S) == 1
    text = log.read_text()
    where = f"rank 2 on {socket.gethostname()} "
    assert f"EngineDeadError: EngineCore encountered an issue: {where}" in text
    assert wait_until(lambda: nothing_left(node), DEADLINE_S)


def test_a_worker_that_is_killed_takes_its_ranks_along(node: RayNode, log: Path) -> None:
    worker = start(node, log)
    wait_for_load(worker, log)
    worker.kill()

    assert wait_until(lambda: nothing_left(node), DEADLINE_S)


def test_an_impossible_placement_says_why_and_what_there_is(node: RayNode, log: Path) -> None:
    engine = log.with_name("engine.yaml")
    engine.write_text("tensor-parallel-size: 8\n")
    worker = start(
        node, log, world_size=8, engine_config=str(engine), layout="8x1", ray_place_s=1.0
    )

    assert worker.wait(DEADLINE_S) == 1
    text = log.read_text()
    assert "placement group decode-0 of 8 bundles of 1 GPU is PENDING, not CREATED" in text
    assert f"the cluster has {GPUS} GPUs, {GPUS} free" in text
    assert "NO_RESOURCES" in text or "INFEASIBLE" in text
    assert node.address in text


def test_a_worker_that_is_stopped_while_it_waits_for_a_place_ends_well(
    node: RayNode, log: Path
) -> None:
    engine = log.with_name("engine.yaml")
    engine.write_text("tensor-parallel-size: 8\n")
    worker = start(node, log, world_size=8, engine_config=str(engine), layout="8x1")
    assert wait_until(lambda: "Waiting for creating" in log.read_text(), DEADLINE_S)
    worker.send_signal(signal.SIGTERM)

    assert worker.wait(DEADLINE_S) == 0, log.read_text()


def test_an_address_where_no_cluster_is_ends_at_once(node: RayNode, log: Path) -> None:
    where = f"{node.address}:{node.ports.take()}"
    worker = start(node, log, ray_address=where)

    assert worker.wait(DEADLINE_S) == 1
    assert f"engine load failed: no Ray cluster at {where}" in log.read_text()


PLACES = [
    {"node": node, "address": address, "gpus": [gpu], "problem": ""}
    for node, address, gpu in (
        ("b", "10.0.0.9", 1),
        ("a", "10.0.0.1", 1),
        ("c", "10.0.0.3", 0),
        ("a", "10.0.0.1", 0),
        ("b", "10.0.0.9", 0),
        ("d", "10.0.0.2", 5),
    )
]


def test_ranks_start_on_the_drivers_node_and_go_on_node_by_node() -> None:
    order = rank_order(PLACES, "b")

    assert order == [0, 4, 5, 2, 1, 3]
    assert devices_of([PLACES[index] for index in order]) == [0, 1, 5, 0, 0, 1]


def test_nodes_of_one_address_are_refused() -> None:
    _refuse_wrong_addresses(PLACES)
    twins = [{**place, "address": "10.0.0.1"} for place in PLACES]
    with pytest.raises(WorldError, match="4 nodes and 1 unique IP addresses"):
        _refuse_wrong_addresses(twins)


def test_a_host_address_of_another_machine_is_refused() -> None:
    assert ray_actor._problem("127.0.0.1", "127.0.0.1") == ""
    told = ray_actor._problem("192.0.2.77", "127.0.0.1")
    assert told.startswith("VLLM_HOST_IP=192.0.2.77 is no address of ")
    with pytest.raises(WorldError, match="is no address of"):
        _refuse_wrong_addresses([{**PLACES[0], "problem": told}])


def leashed(port: int, mark: str, fault: str = "") -> subprocess.Popen[bytes]:
    """Rank 1 of two, as its actor would start it, and its first line read."""
    argv = [sys.executable, "-S", "-P", str(ray_actor.LEASHED), "1", "2", "127.0.0.1", str(port)]
    rank = subprocess.Popen(
        [*argv, fault, "2x1"],
        env={**os.environ, "ACCEPTANCE_WORKER": mark},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert rank.stdout is not None
    assert rank.stdout.readline()
    return rank


def left(mark: str) -> list[psutil.Process]:
    every = psutil.process_iter()
    return [each for each in every if environment_of(each).get("ACCEPTANCE_WORKER") == mark]


@pytest.mark.parametrize("fault", ["", "ignores_term"])
def test_a_rank_ends_with_its_actor_also_before_it_has_joined(fault: str, tmp_path: Path) -> None:
    with PortLease("127.0.0.1") as ports, leashed(ports.take(), str(tmp_path), fault) as rank:
        assert rank.poll() is None
        assert rank.stdin is not None
        rank.stdin.close()
        assert rank.wait(DEADLINE_S) == 1


@pytest.mark.parametrize(("fault", "survivors"), [("", 0), ("ignores_term", 1)])
def test_only_a_rank_that_ignores_its_end_survives_actor_and_world(
    fault: str, survivors: int, tmp_path: Path
) -> None:
    losses: list[str] = []
    with PortLease("127.0.0.1") as ports:
        port = ports.take()
        world = World(2, "127.0.0.1", port, losses.append)
        with leashed(port, str(tmp_path), fault) as rank:
            assert world.form(DEADLINE_S, lambda: False)
            world.leave(1.0)
            assert rank.wait(DEADLINE_S) == 0

    assert losses == []
    found = left(str(tmp_path))
    for each in found:
        assert os.getsid(each.pid) == each.pid
        each.kill()
    assert len(found) == survivors
