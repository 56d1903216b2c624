"""A real Ray cluster over two mini hosts of 8 GPUs that Ray is told of, and what runs in it.

The second host tells its ranks the address of the first one. The cluster lets nobody in without
its token.
"""

from __future__ import annotations

import importlib.util
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fixtures.clients.hosts import RunnerRequest, runner_argv, runner_input
from fixtures.clients.ray import cluster_view
from fixtures.minihosts.hosts import MiniHosts
from fixtures.model.hosts import Host
from fixtures.model.ray import ClusterView, RayCluster
from fixtures.services.base import wait_until

from .ray_hosts import mini_hosts

GPUS, PORT = 8, 6420
DEADLINE_S = 120.0
CALL_S = 30.0
# Else Ray looks for half a minute before it takes a node for lost.
IMPATIENT = {
    "RAY_health_check_initial_delay_ms": "500",
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "2000",
    "RAY_health_check_failure_threshold": "3",
}
DRIVER = """
import os, sys, time
import ray
from ray.util.placement_group import placement_group
from ray.util.scheduling_strategies import PlacementGroupSchedulingStrategy as InBundle

ray.init(address=sys.argv[1], log_to_driver=False, namespace="selftest")
good = placement_group([{"GPU": 1}] * 16, strategy="PACK", name="good")
assert good.wait(60)

@ray.remote(num_gpus=1, num_cpus=0)
class Rank:
    def pid(self):
        return os.getpid()

def rank(bundle):
    place = InBundle(good, placement_group_bundle_index=bundle)
    return Rank.options(name="rank-%d" % bundle, scheduling_strategy=place).remote()

ranks = [rank(0), rank(15)]
ray.get([each.pid.remote() for each in ranks])
while not os.path.exists(sys.argv[2]):
    time.sleep(0.1)
ray.kill(ranks[0])
placement_group([{"GPU": 16}], strategy="STRICT_PACK", name="impossible")
placement_group([{"GPU": 1}], name="waits")
time.sleep(600)
"""


def need_ray() -> None:
    """Skip without Ray; fail where REQUIRE_RAY=1."""
    if importlib.util.find_spec("ray") is None:
        missing = "ray is not installed: pip install 'dynamo-acceptance[ray]'"
        if os.environ.get("REQUIRE_RAY") == "1":
            pytest.fail(missing, pytrace=False)
        pytest.skip(missing)


@dataclass
class LiveCluster:
    """A cluster with its hosts; whatever was started on these ends with it."""

    hosts: MiniHosts
    described: RayCluster
    environment: Mapping[str, str]
    running: ExitStack

    def view(self, **changes: object) -> ClusterView:
        """What the probe says, asked as described but for these changes."""
        return cluster_view(replace(self.described, **changes), CALL_S)  # type: ignore[arg-type]

    def view_when(self, holds: Callable[[ClusterView], bool]) -> ClusterView:
        """The first view for which that holds."""
        seen: list[ClusterView] = []

        def held() -> bool:
            seen.append(self.view())
            return holds(seen[-1])

        assert wait_until(held, DEADLINE_S), seen[-1]
        return seen[-1]

    def start(self, host: Host, argv: Sequence[str]) -> None:
        """Start a program on a host."""
        request = RunnerRequest(tuple(argv), f"RAY_PROBE_SELFTEST={secrets.token_hex(4)}")
        runner = subprocess.Popen(
            host.runs(runner_argv(sys.executable, request)),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.running.callback(_end, runner)
        assert runner.stdin is not None
        told = {"VLLM_HOST_IP": self.described.head.address}
        runner.stdin.write(runner_input({**self.environment, **told}))
        runner.stdin.flush()

    def start_node(self, host: Host, *more: str) -> None:
        """Start Ray on a host, with GPUs that it does not have."""
        words = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *more]
        words += [f"--node-ip-address={host.address}", f"--num-gpus={GPUS}", "--num-cpus=2"]
        words += ["--object-store-memory=80000000", "--disable-usage-stats"]
        self.start(host, words)


def _end(runner: subprocess.Popen[bytes]) -> None:
    """Let the runner end its program; the host ends both where it does not."""
    assert runner.stdin is not None
    with suppress(BrokenPipeError):
        runner.stdin.close()
    with suppress(subprocess.TimeoutExpired):
        runner.wait(1.0)
    runner.kill()
    runner.wait(DEADLINE_S)


@contextmanager
def live_cluster(directory: Path) -> Iterator[LiveCluster]:
    """A whole cluster over two hosts, gone at the end."""
    need_ray()
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    # Ray's sockets lie below, and their paths may not be long.
    with (
        mini_hosts(directory / "hosts") as hosts,
        tempfile.TemporaryDirectory(prefix="ray-probe-") as session,
        ExitStack() as running,
    ):
        address = f"{hosts.hosts[0].address}:{PORT}"
        described = RayCluster(
            worker="decode-0",
            address=address,
            hosts=hosts.hosts,
            ranks=2 * GPUS,
            ours=True,
            temp_dir=session,
            python=sys.executable,
            before=ClusterView(address, error="not asked"),
            environment=tuple(token.items()),
        )
        cluster = LiveCluster(hosts, described, {**token, **IMPATIENT}, running)
        head = ("--head", f"--port={PORT}", f"--temp-dir={session}", "--include-dashboard=false")
        cluster.start_node(hosts.hosts[0], *head)
        cluster.view_when(lambda view: len(view.alive) == 1)
        cluster.start_node(hosts.hosts[1], f"--address={address}")
        cluster.described = replace(
            described, before=cluster.view_when(lambda view: len(view.alive) == 2)
        )
        yield cluster
