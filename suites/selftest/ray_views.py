"""Views of healthy Ray clusters, made by hand, for tests that then break them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fixtures.model.deployment import RankSlot, WorkerPlan
from fixtures.model.hosts import Host
from fixtures.model.ray import (
    ClusterView,
    HostVersions,
    RayActor,
    RayBundle,
    RayCluster,
    RayGroup,
    RayJob,
    RayNode,
    RayRecord,
)

SHARE = 2
JOB = "02000000"


def host(number: int) -> Host:
    return Host(f"h0{number}", f"10.89.0.{number}")


def node(number: int, **changes: Any) -> RayNode:
    """Two GPUs on host `number`."""
    one = RayNode(f"n{number}", f"10.89.0.{number}", f"h0{number}", True, float(SHARE), 4.0)
    return replace(one, **changes)


def bundle(index: int, on: str, gpus: float = 1.0) -> RayBundle:
    return RayBundle(index, gpus, on)


def group(*bundles: RayBundle, **changes: Any) -> RayGroup:
    made = RayGroup("g1", "", "CREATED", "PACK", bundles, "FINISHED", JOB)
    return replace(made, **changes)


def actor(number: int, on: str, **changes: Any) -> RayActor:
    one = RayActor(f"a{number}", "", "RayWorkerWrapper", "ALIVE", on, 100 + number)
    return replace(one, **{"gpus": 1.0, "group": "g1", "job": JOB, **changes})


def view(*numbers: int, **changes: Any) -> ClusterView:
    """A whole cluster over these hosts; nothing runs in it."""
    nodes = tuple(node(number, head=number == numbers[0]) for number in numbers)
    gpus = float(SHARE * len(numbers))
    made = ClusterView(
        address=f"10.89.0.{numbers[0]}:6379",
        id=f"id{numbers[0]}",
        session=f"session{numbers[0]}",
        ray_version="2.60.0",
        python_version="3.11.7",
        gpus=gpus,
        gpus_free=gpus,
        nodes=nodes,
    )
    return replace(made, **changes)


def busy(*numbers: int, **changes: Any) -> ClusterView:
    """The same while its worker serves: one bundle and one actor for each GPU."""
    places = [f"n{number}" for number in numbers for _ in range(SHARE)]
    bundles = [bundle(index, place) for index, place in enumerate(places)]
    full: dict[str, Any] = {
        "gpus_free": 0.0,
        "groups": (group(*bundles),),
        "actors": tuple(actor(index, place) for index, place in enumerate(places)),
        "jobs": (RayJob(JOB, f"10.89.0.{numbers[0]}", 99, alive=True),),
    }
    return view(*numbers, **{**full, **changes})


def cluster(*numbers: int, worker: str = "decode-0", **changes: Any) -> RayCluster:
    """The cluster of a worker on these hosts, which we started."""
    hosts = tuple(host(number) for number in numbers)
    made = RayCluster(
        worker=worker,
        address=f"10.89.0.{numbers[0]}:6379",
        hosts=hosts,
        ranks=SHARE * len(numbers),
        ours=True,
        temp_dir="/tmp/acceptance",  # noqa: S108 - never opened
        python="python3",
        before=view(*numbers),
        versions=tuple(HostVersions(each.name, "2.60.0", "3.11.7") for each in hosts),
        command=("python3", "-m", "dynamo.vllm", "--model", "m"),
    )
    return replace(made, **changes)


def record(*clusters: RayCluster) -> RayRecord:
    return RayRecord(clusters or (cluster(1, 2),), call_s=30.0)


def plan(*numbers: int, worker: str = "decode-0") -> WorkerPlan:
    places = [(f"h0{number}", gpu) for number in numbers for gpu in range(SHARE)]
    slots = tuple(RankSlot(rank, name, gpu) for rank, (name, gpu) in enumerate(places))
    return WorkerPlan(worker, "decode", "backend", slots)
