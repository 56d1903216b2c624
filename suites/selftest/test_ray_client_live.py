"""Passing means: the probe reads a real Ray cluster as it is, whatever happens in it, and the
judges take a good one for good. Needs Ray, root and namespaces.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fixtures.clients.hosts import run_on
from fixtures.clients.node_access import look
from fixtures.clients.nodes import Request
from fixtures.clients.ray import cluster_view, ray_versions, view_of
from fixtures.judges import ray, ray_ranks
from fixtures.model.deployment import NodeAccess
from fixtures.model.hosts import Host
from fixtures.model.node_report import NodeReport
from fixtures.model.ray import ClusterView, HostVersions, RayCluster, RayGroup, RayRecord

from .ray_probe_rig import CALL_S, DRIVER, GPUS, LiveCluster, live_cluster, need_ray
from .runs import ROOT

pytestmark = pytest.mark.selftest

AS_DRIVER = """
import sys
sys.path.insert(0, sys.argv[1])
from fixtures.clients import ray_probe
ray_probe.main({"address": sys.argv[2], "deadline_s": 30, "driver": True})
"""


@dataclass(frozen=True)
class Seen:
    """What was seen of one cluster, one thing after the other."""

    cluster: RayCluster
    versions: tuple[HostVersions, ...]
    busy: ClusterView
    nodes: tuple[NodeReport, ...]
    waiting: ClusterView
    as_driver: ClusterView
    refused: dict[str, str]
    lost: ClusterView


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seen]:
    with live_cluster(tmp_path_factory.mktemp("ray")) as live:
        yield _live(live)


def _live(live: LiveCluster) -> Seen:
    cluster, hosts = live.described, live.hosts.hosts
    go_on = Path(cluster.temp_dir) / "go-on"
    live.start(hosts[0], [sys.executable, "-c", DRIVER, cluster.address, str(go_on)])
    busy = live.view_when(lambda view: [a.state for a in view.actors] == ["ALIVE"] * 2)
    names = tuple(host.name for host in hosts)
    access = NodeAccess((), (), names, sys.executable, CALL_S, hosts)
    asked = Request(("identity", "processes"), CALL_S, marker=("VLLM_HOST_IP", None))
    nodes = look(access, asked)

    go_on.touch()
    # Ray gives the reason once it has tried.
    reasons = {"INFEASIBLE", "NO_RESOURCES"}
    waiting = live.view_when(lambda view: reasons <= {group.cause for group in view.groups})
    words = (sys.executable, "-c", AS_DRIVER, str(ROOT), cluster.address)
    said = run_on(hosts[0], words, environment=live.environment, limit_s=2 * CALL_S)
    refused = {
        "no token": live.view(environment=(("RAY_AUTH_MODE", "disabled"),)).error,
        "a wrong token": live.view(environment=_with("0" * 32)).error,
        "a token that is nowhere": live.view(environment=_with("")).error,
        "a port where nobody is": live.view(address=f"{hosts[0].address}:6439").error,
    }
    live.hosts.power_off(hosts[1].name)
    return Seen(
        cluster=cluster,
        versions=ray_versions(hosts[:1], sys.executable, CALL_S),
        busy=busy,
        nodes=nodes,
        waiting=waiting,
        as_driver=view_of(said, cluster.address),
        refused=refused,
        lost=live.view_when(lambda view: len(view.alive) == 1),
    )


def _with(token: str) -> tuple[tuple[str, str], ...]:
    return ("RAY_AUTH_MODE", "token"), ("RAY_AUTH_TOKEN", token)


def group_of(view: ClusterView, name: str) -> RayGroup:
    return next(each for each in view.groups if each.name == name)


def test_a_whole_cluster_is_seen_as_it_is(seen: Seen) -> None:
    view = seen.cluster.before

    assert (view.error, view.problems) == ("", ())
    assert (view.gpus, view.gpus_free) == (2 * GPUS, 2 * GPUS)
    assert {(n.hostname, n.address, n.gpus, n.head) for n in view.nodes} == {
        ("h01", "10.89.0.1", GPUS, True),
        ("h02", "10.89.0.2", GPUS, False),
    }
    assert len(view.id) == 56
    assert (Path(seen.cluster.temp_dir) / view.session).name.startswith("session_")
    assert (view.groups, view.actors, view.jobs) == ((), (), ())  # the look itself adds none
    assert seen.versions == (HostVersions("h01", view.ray_version, view.python_version),)


def test_the_judges_pass_it(seen: Seen) -> None:
    record = RayRecord((seen.cluster,), CALL_S)
    two_ranks = RayRecord((replace(seen.cluster, ranks=2),), CALL_S)
    views = (seen.busy,)

    assert ray.every_cluster_has_its_gpus(record) == []
    assert ray.every_node_is_alive_and_planned(record, views) == []
    assert ray.no_two_workers_share_a_cluster(record, views) == []
    assert ray_ranks.one_group_spread_as_planned(record, views) == []
    assert ray_ranks.every_rank_is_a_living_actor(two_ranks, views) == []


def test_ranks_and_their_places_are_seen(seen: Seen) -> None:
    actors = {actor.name: actor for actor in seen.busy.actors}
    group, (job,) = group_of(seen.busy, "good"), seen.busy.jobs

    assert seen.busy.gpus_free == 0
    assert (group.state, group.strategy, group.job) == ("CREATED", "PACK", job.id)
    assert (job.address, job.alive) == ("10.89.0.1", True)
    for name, bundle in (("rank-0", 0), ("rank-15", 15)):
        assert actors[name].node == group.bundles[bundle].node
        assert (actors[name].gpus, actors[name].group, actors[name].job) == (1, group.id, job.id)
        assert actors[name].pid > 0


def test_ranks_with_the_address_of_another_node_are_found(seen: Seen) -> None:
    record = RayRecord((replace(seen.cluster, ranks=2),), CALL_S)

    found = ray_ranks.every_rank_knows_its_address(record, (seen.busy,), seen.nodes)

    assert [(each.expected.split(" on ")[1], each.actual) for each in found] == [
        ("h02 is an address of that host", "1 of 1 have 10.89.0.1")
    ]


def test_groups_that_wait_and_ranks_that_die_are_seen(seen: Seen) -> None:
    impossible, waits = group_of(seen.waiting, "impossible"), group_of(seen.waiting, "waits")
    dead = [actor for actor in seen.waiting.actors if actor.state == "DEAD"]

    assert (impossible.state, impossible.cause) == ("PENDING", "INFEASIBLE")
    assert (waits.state, waits.cause) == ("PENDING", "NO_RESOURCES")
    assert [bundle.node for bundle in waits.bundles] == [""]
    assert [actor.name for actor in dead] == ["rank-0"]
    assert "killed by `ray.kill`" in dead[0].cause


def test_the_public_way_says_the_same(seen: Seen) -> None:
    """Releases of Ray without these tables are asked by a driver."""
    told, view = seen.as_driver, seen.waiting

    assert (told.error, told.problems) == ("", ())
    assert replace(told, actors=(), nodes=(), gpus_free=0.0) == replace(
        view, actors=(), nodes=(), gpus_free=0.0
    )
    assert sorted(told.nodes, key=lambda n: n.id) == sorted(view.nodes, key=lambda n: n.id)
    # What an actor asked for is in the tables alone.
    assert told.actors == tuple(replace(each, gpus=None, group="") for each in view.actors)


def test_who_is_refused_is_told_why(seen: Seen) -> None:
    assert "RAY_AUTH_TOKEN" in seen.refused["no token"]
    assert "RAY_AUTH_TOKEN" in seen.refused["a wrong token"]
    assert "no authentication token was found" in seen.refused["a token that is nowhere"]
    assert "nobody answers at 10.89.0.1:6439" in seen.refused["a port where nobody is"]
    assert "0" * 32 not in repr(seen)


def test_a_lost_node_is_seen_and_found(seen: Seen) -> None:
    record = RayRecord((seen.cluster,), CALL_S)
    (dead,) = [node for node in seen.lost.nodes if not node.alive]

    assert dead.address == "10.89.0.2"
    assert dead.cause
    (found,) = ray.every_node_is_alive_and_planned(record, (seen.lost,))
    assert found.actual == f"dead: {dead.cause}"
    assert ray_ranks.one_group_spread_as_planned(record, (seen.lost,)) != []
    assert ray_ranks.every_rank_is_a_living_actor(record, (seen.lost,)) != []


def test_somebody_who_is_not_ray_does_not_hold_the_probe() -> None:
    need_ray()
    with socket.create_server(("127.0.0.1", 0)) as server:
        address = f"127.0.0.1:{server.getsockname()[1]}"
        here = RayCluster(
            *("w", address, (Host("here", "127.0.0.1"),), 2, True, "", sys.executable),
            ClusterView(address),
        )
        view = cluster_view(here, 2.0)

    assert "somebody listens there" in view.error
