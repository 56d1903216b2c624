"""Passing means: the judges of Ray clusters find each defect, and pass each legal variant."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from fixtures.judges import ray as judges
from fixtures.judges.ray_left import nothing_of_ray_is_left
from fixtures.model.hosts import Host
from fixtures.model.ray import ClusterView, HostVersions, RayCluster, RayLeft, RayNode
from fixtures.model.requirement import Finding
from fixtures.model.stop import CloseRecord, NodeLoss, PortState, Stray, merged

from .ray_views import busy, cluster, host, node, plan, record, view

pytestmark = pytest.mark.selftest

SILENT = ClusterView("10.89.0.1:6379", error="nobody answers")
LOGIN = node(9, gpus=0.0, head=True)
FOUND: dict[str, Any] = {"ours": False, "temp_dir": ""}


def said(findings: list[Finding]) -> str:
    """All that was found, in one text."""
    return "\n".join(f"{each.expected} / {each.actual}" for each in findings)


def nodes_of(numbers: tuple[int, ...], *more: RayNode) -> tuple[RayNode, ...]:
    return (*view(*numbers).nodes, *more)


@pytest.mark.parametrize(
    "one",
    [
        cluster(1, 2),
        cluster(1, 2, before=view(1, 2, 3), **FOUND),
        cluster(1, 2, before=view(1, 2, 3, gpus_free=4.0), **FOUND),
        cluster(1, 2, before=view(1, 2, nodes=nodes_of((1, 2), LOGIN))),
    ],
    ids=["ours", "more nodes in theirs", "others use some of theirs", "a head without GPUs"],
)
def test_enough_gpus_are_enough(one: RayCluster) -> None:
    assert judges.every_cluster_has_its_gpus(record(one)) == []


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        (cluster(1, 2, before=SILENT), "nobody answers"),
        (cluster(1, 2, before=view(1)), "decode-0: 4 GPUs in its cluster before the engine starts"),
        (cluster(1, 2, before=view(1, 2, 3)), "6 on 3 nodes"),
        (cluster(1, 2, before=view(1), **FOUND), "at least 4 GPUs"),
        (cluster(1, 2, before=view(1, 2, gpus_free=3.0), **FOUND), "3 of 4 are free"),
        (cluster(1, 2, before=view(1, 2, gpus_free=0.0)), "0 of 4 are free"),
        (
            cluster(1, 2, before=view(1, 2, nodes=(node(1, gpus=3.0), node(2, gpus=1.0)))),
            "2 GPUs on h02 before the engine starts / 1",
        ),
        (cluster(1, 2, before=view(1, 2, problems=(("gpus", "KeyError"),))), "KeyError"),
    ],
)
def test_other_gpus_are_found(one: RayCluster, expected: str) -> None:
    assert expected in said(judges.every_cluster_has_its_gpus(record(one)))


def test_a_worker_over_nodes_without_a_cluster_is_found() -> None:
    plans = [plan(1, 2), plan(3, worker="prefill-0"), plan(4, 5, worker="prefill-1")]

    found = judges.every_multi_node_worker_has_a_cluster(record(cluster(1, 2)), plans)

    assert [each.expected.split(":")[0] for each in found] == ["prefill-1"]


NAMED = (Host("h01", "h01.cluster.local"), Host("h02", "h02"))
ELSEWHERE = (node(1, address="192.168.7.1", hostname="H01.cluster.local"), node(2))
GONE = node(2, alive=False, gpus=0.0, cause="health check failed")


@pytest.mark.parametrize(
    ("one", "now"),
    [
        (cluster(1, 2), busy(1, 2)),
        (cluster(1, 2, hosts=NAMED), busy(1, 2)),
        (cluster(1, 2, before=view(1, 2, nodes=ELSEWHERE)), busy(1, 2, nodes=ELSEWHERE)),
        (cluster(1, 2, before=view(1, 2, 3), **FOUND), busy(1, 2, 3)),
        (cluster(1, 2, **FOUND), busy(1, 2, nodes=nodes_of((1, 2), LOGIN))),
        # A node that needed two attempts to join, before anything was promised.
        (
            cluster(1, 2, before=view(1, 2, nodes=nodes_of((1, 2), replace(GONE, id="old")))),
            busy(1, 2, nodes=nodes_of((1, 2), replace(GONE, id="old"))),
        ),
    ],
    ids=["ours", "host names", "other network", "more in theirs", "driver node", "second attempt"],
)
def test_whole_clusters_are_whole(one: RayCluster, now: ClusterView) -> None:
    assert judges.every_node_is_alive_and_planned(record(one), [now]) == []


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (SILENT, "Ray tells about its cluster now / nobody answers"),
        (view(1, 2, nodes=(node(1), GONE)), "h02 is alive in its cluster now / dead: health check"),
        (view(1, 2, nodes=(node(1), GONE, node(2, id="new"))), "dead: health check failed"),
        (view(1), "h02 is alive in its cluster now / not in it; alive: 10.89.0.1 (h01)"),
        (view(1, 2, 3), "only h01, h02 in its cluster now / 10.89.0.3 (h03) with 2 GPUs"),
        (view(1, 2, nodes=nodes_of((1, 2), node(2, id="twin"))), "h02 is in it 2 times"),
        (view(1, 2, nodes=(), problems=(("nodes", "TypeError"),)), "Ray tells the nodes"),
    ],
)
def test_lost_and_uninvited_nodes_are_found(now: ClusterView, expected: str) -> None:
    assert expected in said(judges.every_node_is_alive_and_planned(record(), [now]))


def test_a_node_that_was_never_there_is_found_before_the_start() -> None:
    late = cluster(1, 2, before=view(1))

    found = said(judges.every_node_is_alive_and_planned(record(late), [busy(1, 2)]))

    assert found.startswith("decode-0: h02 is alive in its cluster before the engine starts")


def test_a_lost_node_of_a_cluster_of_others_is_found() -> None:
    theirs = cluster(1, 2, **FOUND)

    found = judges.every_node_is_alive_and_planned(record(theirs), [view(1, 2, nodes=(node(1),))])

    assert len(found) == 1


PREFILL = cluster(3, 4, worker="prefill-0")
SHARED_HEAD = replace(view(3, 4), nodes=(*view(3, 4).nodes, LOGIN))


@pytest.mark.parametrize(
    ("second", "now"),
    [
        (PREFILL, busy(3, 4)),
        (PREFILL, SILENT),
        (replace(PREFILL, before=view(3, 4, id="")), busy(3, 4)),
        (replace(PREFILL, before=SHARED_HEAD), SHARED_HEAD),
    ],
    ids=["two", "one is gone", "sessions only", "heads on one login node"],
)
def test_two_clusters_are_two(second: RayCluster, now: ClusterView) -> None:
    first = cluster(1, 2, before=view(1, 2, nodes=nodes_of((1, 2), LOGIN)))

    both = record(first, second)

    assert judges.no_two_workers_share_a_cluster(both, [busy(1, 2), now]) == []


@pytest.mark.parametrize(
    ("second", "now", "expected"),
    [
        (view(3, 4, id="id1"), view(3, 4, id="id1"), "both are in cluster id1"),
        (view(3, 4, id="", session="session1"), view(3, 4, id=""), "both are in cluster id1"),
        (view(2, 3), view(2, 3), "both clusters have GPUs of 10.89.0.2 (h02)"),
        (view(3, 4), busy(3, 4, id="other"), "another one answers now: other"),
        (view(3, 4, id="", session=""), busy(3, 4), "prefill-0: Ray tells the id of its cluster"),
        (replace(SILENT, address="x"), SILENT, "nobody answers"),
    ],
)
def test_shared_and_unknown_clusters_are_found(
    second: ClusterView, now: ClusterView, expected: str
) -> None:
    both = record(cluster(1, 2), replace(PREFILL, before=second))

    assert expected in said(judges.no_two_workers_share_a_cluster(both, [busy(1, 2), now]))


def test_one_version_is_one() -> None:
    assert judges.one_version_everywhere(record(cluster(1, 2), PREFILL)) == []


@pytest.mark.parametrize(
    ("versions", "before", "expected"),
    [
        ((("h01", "2.60.0", "3.11.7"), ("h02", "2.59.1", "3.11.7")), view(1, 2), "has 2.59.1"),
        ((("h01", "2.60.0", "3.11.7"), ("h02", "2.60.0", "3.12.1")), view(1, 2), "has 3.12.1"),
        ((("h01", "2.60.0", "3.11.7"),), view(1, 2), "h02 / nobody asked"),
        ((("h01", "2.60.0", "3.11.7"), ("h02", "", "3.11.7")), view(1, 2), "it names none"),
        ((("h01", "2.60.0", "3.11.7"), ("h02", "2.60.0", "")), view(1, 2), "it names none"),
        (
            (("h01", "2.60.0", "3.11.7"), ("h02", "2.60.0", "3.11.7")),
            view(1, 2, ray_version="2.58.0"),
            "the cluster of decode-0 has 2.58.0",
        ),
    ],
)
def test_other_versions_are_found(
    versions: tuple[tuple[str, str, str], ...], before: ClusterView, expected: str
) -> None:
    told = tuple(HostVersions(*each) for each in versions)

    found = judges.one_version_everywhere(record(cluster(1, 2, versions=told, before=before)))

    assert expected in said(found)


def test_a_host_that_names_no_version_tells_why() -> None:
    told = (HostVersions("h01", "2.60.0", "3.11.7"), HostVersions("h02", "", "", "no module ray"))

    found = judges.one_version_everywhere(record(cluster(1, 2, versions=told)))

    assert "h02 / no module ray" in said(found)


CLOSED = CloseRecord((), (), (), (), 0.0, "", (), 10)
OURS = RayLeft(host(1).name, "session directory /tmp/acceptance/0", ours=True)
THEIRS = RayLeft(host(1).name, "raylet, pid 17", ours=False)


@pytest.mark.parametrize(
    "closed",
    [
        CLOSED,
        replace(CLOSED, ray_left=(THEIRS,)),
        replace(CLOSED, strays=(Stray(9, "python3 -m array.scripts"), Stray(8, "etcd --name ray"))),
        replace(CLOSED, ports=(PortState(6379, "Ray of decode-0", free=True),)),
        replace(CLOSED, ports=(PortState(9090, "metrics of decode-0", free=False),)),
        replace(CLOSED, unseen=("h02: it is dead",), nodes_lost=(NodeLoss("h02", "dead"),)),
    ],
)
def test_what_others_have_is_not_left(closed: CloseRecord) -> None:
    assert nothing_of_ray_is_left(closed) == []


def test_what_is_left_of_ours_is_found_and_listed() -> None:
    closed = merged([CLOSED, replace(CLOSED, ray_left=(OURS, THEIRS))])

    assert said(nothing_of_ray_is_left(closed)).endswith(
        "session directory /tmp/acceptance/0 on h01"
    )
    assert closed.leftovers == (str(OURS),)
    assert nothing_of_ray_is_left(replace(CLOSED, unseen=("h02: no answer",))) != []


@pytest.mark.parametrize(
    "closed",
    [
        replace(CLOSED, ports=(PortState(6379, "Ray of decode-0", free=False, owner="gcs"),)),
        *(
            replace(CLOSED, strays=(Stray(9, command, "h01"),))
            for command in (
                "/opt/venv/lib/python3.11/site-packages/ray/core/src/ray/raylet/raylet --a=1",
                "/opt/ray/core/src/ray/gcs/gcs_server --log_dir=/tmp/x",
                "ray::RayWorkerWrapper",
                "python3 -u /opt/venv/site-packages/ray/_private/log_monitor.py --session-dir=x",
                "python3 -m ray.scripts.scripts start --block",
            )
        ),
    ],
)
def test_daemons_and_ports_of_ray_are_found(closed: CloseRecord) -> None:
    assert len(nothing_of_ray_is_left(closed)) == 1
