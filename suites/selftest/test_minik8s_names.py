"""Passing means: names fit into every object of a deployment, and one that does not is told."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.config.load import load_profile, load_topology
from fixtures.launchers.kubernetes_render import APIS, render
from fixtures.launchers.kubernetes_render_names import fitting_name
from fixtures.minik8s.controllers import definitions
from fixtures.minik8s.faults import Faults
from fixtures.minik8s.objects import DGD, EVENTS, PODCLIQUES, PODS, Object, key
from fixtures.minik8s.objects_in_store import StoreObjects
from fixtures.minik8s.operator import Operator
from fixtures.minik8s.shape import GROVE, LWS, K8sShape
from fixtures.minik8s.store import Store

from .kube_sites import SERVICES, kube_site
from .minik8s_rig import light

pytestmark = pytest.mark.selftest

LONG = "acc-20260721-101112-abcdef-{}-g12"
HOST = 63
ROUNDS = 4
Cluster = tuple[StoreObjects, Operator]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Callable[[str], Cluster]]:
    """Makes an API server's store and an operator over it."""
    stores: list[Store] = []

    def make(orchestrator: str) -> Cluster:
        shape = K8sShape(orchestrator=orchestrator)
        stores.append(Store(definitions(shape)))
        objects = StoreObjects(stores[-1])
        return objects, Operator(objects, shape, Faults(tmp_path))

    yield make
    for store in stores:
        store.close()


def warnings(objects: StoreObjects) -> list[Object]:
    """What the operator could not create."""
    return [each for each in objects.list(EVENTS) if each["reason"] == "FailedCreate"]


@pytest.mark.parametrize("orchestrator", [GROVE, LWS])
@pytest.mark.parametrize("workers", [1, 11])
@pytest.mark.parametrize("name", load_profile("gb200").topologies)
def test_every_name_of_a_shipped_topology_fits(
    cluster: Callable[[str], Cluster], name: str, workers: int, orchestrator: str
) -> None:
    topology = load_topology(name)
    roles = tuple(replace(role, workers=workers) for role in topology.roles)
    topology = replace(topology, roles=roles)
    made = render(
        topology,
        kube_site(),
        name=fitting_name(LONG.format(name), topology),
        namespace="default",
        api=APIS[0],
        deployment_mark="m",
        environment=SERVICES,
    )
    objects, operator = cluster(orchestrator)
    objects.create(DGD, {**made.deployment})

    operator.sync()

    pods = objects.list(PODS)
    assert warnings(objects) == []
    assert len(pods) == sum(plan.pods for plan in made.plans)
    assert all(len(pod["spec"]["hostname"]) <= HOST for pod in pods)


def test_what_the_api_server_refuses_is_told_once_and_the_rest_is_made(
    cluster: Callable[[str], Cluster],
) -> None:
    objects, operator = cluster(GROVE)
    item = light("n" * 36)
    item["spec"]["components"][1]["name"] = "longer-na"
    item["metadata"]["namespace"] = "default"
    objects.create(DGD, item)

    for _ in range(ROUNDS):
        operator.sync()

    told = warnings(objects)
    cliques = {key(each)[1] for each in objects.list(PODCLIQUES)}
    assert [each["count"] for each in told] == [1, 1]
    assert all(each["type"] == "Warning" for each in told)
    assert {each["involvedObject"]["name"] for each in told} < cliques
    assert all("spec.hostname" in each["message"] for each in told)
    assert len(objects.list(PODS)) == 1
    (deployment,) = objects.list(DGD)
    ready = [each for each in deployment["status"]["conditions"] if each["type"] == "Ready"]
    assert [each["status"] for each in ready] == ["False"]
