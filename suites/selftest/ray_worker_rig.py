"""One real Ray node on this machine, with GPUs that Ray only believes in, and workers on it."""

from __future__ import annotations

import importlib.util
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from fixtures.clients.ranks import environment_of
from fixtures.ports import PortLease
from fixtures.services.base import wait_until
from fixtures.simulator.spec import RAY, VLLM, WorkerSpec

from .engine_config import SIMULATION
from .runs import HERE, ROOT

MARK = "DYNAMO_ACCEPTANCE_SELFTEST_RAY"
START_S = 90.0
GPUS = 4


def own_address() -> str | None:
    """An address of this machine that is not loopback, which Ray would replace."""
    found = [
        entry.address
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family is socket.AF_INET and not entry.address.startswith("127.")
    ]
    return found[0] if found else None


def need_ray() -> str:
    """The address for a cluster; without Ray it skips, or fails where Ray is required."""
    address, missing = own_address(), ""
    if importlib.util.find_spec("ray") is None:
        missing = "ray is not installed: pip install 'dynamo-acceptance[ray]'"
    elif address is None:
        missing = "this machine has no address but loopback, which Ray does not take"
    if missing and os.environ.get("REQUIRE_RAY") == "1":
        pytest.fail(missing)
    if address is None or missing:
        pytest.skip(missing)
    return address


@dataclass
class RayNode:
    """A running cluster of one node; the value of MARK tells all its processes from others."""

    address: str
    port: int
    mark: str
    ports: PortLease
    workers: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def processes(self) -> list[psutil.Process]:
        """All that carry the mark of this cluster and still run."""
        return [
            each for each in psutil.process_iter() if environment_of(each).get(MARK) == self.mark
        ]

    def start(
        self, spec: WorkerSpec, log: Path, environment: Mapping[str, str]
    ) -> subprocess.Popen[bytes]:
        """Run the driver of a worker."""
        path = log.with_suffix(".json")
        spec.write(path)
        with log.open("wb") as output:
            worker = subprocess.Popen(
                [sys.executable, "-m", "fixtures.simulator.leader", str(path)],
                cwd=ROOT,
                env={**os.environ, **environment},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        self.workers.append(worker)
        return worker

    def stop(self) -> None:
        """Kill whatever is left of it."""
        for worker in self.workers:
            worker.kill()
            worker.wait(START_S)

        def gone() -> bool:
            left = self.processes()
            for each in left:
                with suppress(psutil.NoSuchProcess):
                    each.send_signal(signal.SIGKILL)
            return not left

        assert wait_until(gone, START_S)


@contextmanager
def ray_node() -> Iterator[RayNode]:
    """A cluster of this machine alone, gone at the end."""
    address = need_ray()
    with (
        # Ray's sockets lie below, and their paths may not be long.
        tempfile.TemporaryDirectory(prefix="ray-selftest-", ignore_cleanup_errors=True) as below,
        PortLease(address) as ports,
    ):
        node = RayNode(address, ports.take(), below, ports)
        command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--head"]
        command += [f"--node-ip-address={address}", f"--port={node.port}", f"--num-gpus={GPUS}"]
        command += ["--num-cpus=2", "--object-store-memory=80000000", "--disable-usage-stats"]
        command += [f"--temp-dir={below}", "--include-dashboard=false"]
        try:
            subprocess.run(
                command,
                env={**os.environ, MARK: node.mark},
                timeout=START_S,
                check=True,
                stdout=subprocess.DEVNULL,
            )
            yield node
        finally:
            node.stop()


def worker_on(node: RayNode) -> WorkerSpec:
    """A TP4 worker on that cluster; it needs no service, since it never registers."""
    return WorkerSpec(
        worker="decode-0",
        role="aggregated",
        world_size=GPUS,
        gpus_per_node=GPUS,
        nodes=(socket.gethostname(),) * GPUS,
        rendezvous_host=node.address,
        rendezvous_port=node.ports.take(),
        engine_config=str(HERE / "topologies" / "tiny-vllm-engine.yaml"),
        model_dir="",
        served_model_name="m",
        namespace="acc-selftest",
        component="backend",
        system_port=node.ports.take(),
        attention_heads=128,
        dense_layers=3,
        layers=61,
        kv_bytes_per_token=10,
        context_length=4096,
        shm_prefix="",
        join_s=60,
        simulation=SIMULATION,
        fault="never_registers",
        world=RAY,
        engine=VLLM,
        layout=f"{GPUS}x1",
        ray_address=f"{node.address}:{node.port}",
        ray_place_s=30,
    )
