"""Passing means: a launch creates on record, changes nothing of others, and takes all back.

The API server here has no operator behind it, so nothing ever runs.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("kubernetes")

from fixtures.clients.kubernetes import KubeClient, place_of
from fixtures.clients.kubernetes_client import KubeClient as Client
from fixtures.clients.kubernetes_kinds import Collection, deployments, text
from fixtures.config.load import load_site, load_topology
from fixtures.launchers.base import LaunchError, LaunchRequest, Prepared
from fixtures.launchers.kubernetes import KubernetesLauncher
from fixtures.ledger import LEDGER_NAME, Ledger
from fixtures.minik8s.api_mischief import Trouble
from fixtures.model.kube_held import KubeHeld, KubeObject
from fixtures.model.kubernetes import KubeAccess
from fixtures.ports import PortLease
from fixtures.reaper import reap

from .k8s_rig import Rig, kubernetes_api
from .kubernetes_rig import QUICK_K8S
from .runs import TINY_AGG

pytestmark = pytest.mark.selftest

MAPS = Collection("", "v1", "configmaps", "ConfigMap")
RUN = "20261121-selftest-{}"


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    with kubernetes_api(tmp_path_factory.mktemp("launcher")) as made:
        yield made


class Launch:
    """One launch of a small topology in a namespace of its own."""

    def __init__(self, rig: Rig, run_dir: Path, ports: PortLease) -> None:
        place = place_of(str(rig.server.kubeconfig))
        access = KubeAccess(str(rig.server.kubeconfig), place.context, rig.namespace(), 3.0)
        self.client = KubeClient(access)
        run_id = RUN.format(os.urandom(3).hex())
        self.ledger = Ledger(run_dir / LEDGER_NAME, run_id)
        self.told: list[str] = []
        self.stop = threading.Event()
        site = load_site(QUICK_K8S)
        assert site.kubernetes is not None
        self.request = LaunchRequest(
            topology=load_topology(str(TINY_AGG)),
            site=replace(
                site,
                deadlines=replace(site.deadlines, ready_s=0.3, worker_stop_s=1, frontend_stop_s=1),
                kubernetes=replace(site.kubernetes, namespace=access.namespace, call_s=0.5),
            ),
            run_id=run_id,
            run_dir=run_dir,
            generation=1,
            fault="",
            ledger=self.ledger,
            ports=ports,
            cancelled=self.stop.is_set,
            say=self.told.append,
        )
        self.launcher = KubernetesLauncher(lambda: access.kubeconfig)

    def go(self) -> Any:
        """Launch."""
        return self.launcher.launch(self.request, Prepared(()))

    def objects(self) -> list[str]:
        """What is in the namespace."""
        return [
            text(item, "metadata", "name")
            for where in (MAPS, deployments("v1beta1"))
            for item in self.client.items(where)[0]
        ]

    def open_entries(self) -> list[str]:
        """The kinds of what the ledger still lists."""
        return [entry.kind for entry in Ledger.open_entries(self.ledger.path)]


@pytest.fixture
def launch(rig: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Launch]:
    monkeypatch.setattr("fixtures.launchers.kubernetes_deployment.start_services", lambda *_: None)
    with PortLease("127.0.0.1") as ports:
        yield Launch(rig, tmp_path, ports)
    rig.server.mischief.clear()


def test_what_is_never_placed_is_recorded_for_checks_and_told_meanwhile(launch: Launch) -> None:
    deployment = launch.go()
    try:
        problem = deployment.record.placement_problem
        assert "not every pod had a node within 0.3 s" in problem
        assert "aggregated: 0 of 1 pods have a node" in problem
        assert any(each.startswith("waiting") for each in launch.told)
        assert deployment.ended_early() == []
        assert deployment.record.workers[0].plan.world_size == 2
        assert len(launch.objects()) == 2
    finally:
        first = deployment.close(hurry=False)

    assert deployment.close(hurry=True) is first
    assert (first.kubernetes_left, first.processes, first.unseen) == ((), (), ())
    assert (launch.objects(), launch.open_entries()) == ([], [])


def test_everything_is_on_record_before_it_exists(
    launch: Launch, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = Client.create
    known: list[tuple[KubeObject, ...]] = []

    def looking(self: Client, collection: Collection, body: Mapping[str, Any], *more: str) -> Any:
        (entry,) = (e for e in Ledger.open_entries(launch.ledger.path) if e.kind == "kubernetes")
        known.append(KubeHeld.read(entry.value).objects)
        return create(self, collection, body, *more)

    monkeypatch.setattr(Client, "create", looking)
    launch.go().close(hurry=True)

    assert [bool(each.uid) for each in known[0]] == [False, False]
    assert [bool(each.uid) for each in known[1]] == [True, False]


@pytest.mark.parametrize("where", [MAPS, deployments("v1beta1")], ids=lambda each: each.kind)
def test_an_object_of_that_name_is_named_and_left_alone(where: Collection, launch: Launch) -> None:
    made = launch.go()
    objects = dict(zip(("ConfigMap", "DynamoGraphDeployment"), launch.objects(), strict=True))
    body = dict(launch.client.read(where, objects[where.kind]).data)
    made.close(hurry=True)
    body["metadata"] = {"name": objects[where.kind], "labels": {"of": "somebody"}}
    body.pop("status", None)
    assert launch.client.create(where, body).ok

    with pytest.raises(LaunchError, match=f"{objects[where.kind]} .*exists already"):
        launch.go()

    assert launch.objects() == [objects[where.kind]]
    assert launch.open_entries() == []


@pytest.mark.parametrize(
    ("trouble", "said"),
    [
        (Trouble("403", "create", "dynamographdeployments"), "cannot be created.*403"),
        (Trouble("422", "create", "dynamographdeployments"), "cannot be created.*422"),
        (Trouble("500", "get", "configmaps", times=9), "cannot be looked for.*500"),
    ],
    ids=["forbidden", "invalid", "broken"],
)
def test_a_launch_that_is_refused_takes_back_what_it_made(
    trouble: Trouble, said: str, rig: Rig, launch: Launch
) -> None:
    rig.server.mischief.add(trouble)

    with pytest.raises(LaunchError, match=said):
        launch.go()
    rig.server.mischief.clear()

    assert (launch.objects(), launch.open_entries()) == ([], [])


def test_an_object_of_which_the_answer_was_lost_is_found_again(rig: Rig, launch: Launch) -> None:
    rig.server.mischief.add(Trouble("cut", "create", "configmaps"))
    rig.server.mischief.add(Trouble("409", "create", "dynamographdeployments"))

    launch.go().close(hurry=False)

    assert launch.objects() == []


def test_a_namespace_that_was_not_there_is_made_and_goes_again(launch: Launch) -> None:
    kubernetes = launch.request.site.kubernetes
    assert kubernetes is not None
    site = replace(launch.request.site, kubernetes=replace(kubernetes, namespace="not-there-yet"))
    launch.request = replace(launch.request, site=site)

    deployment = launch.go()
    there = launch.client.get("/api/v1/namespaces/not-there-yet")
    record = deployment.close(hurry=False)

    assert there.ok
    assert record.kubernetes_left == ()
    assert launch.client.get("/api/v1/namespaces/not-there-yet").missing


def test_an_interrupted_launch_leaves_nothing(launch: Launch) -> None:
    launch.stop.set()

    with pytest.raises(LaunchError, match="interrupted"):
        launch.go()

    assert (launch.objects(), launch.open_entries()) == ([], [])


def test_a_server_that_is_gone_at_the_stop_is_no_error_and_no_clean_stop(
    rig: Rig, launch: Launch
) -> None:
    deployment = launch.go()
    rig.server.mischief.add(Trouble("hang", times=None))

    record = deployment.close(hurry=False)
    rig.server.mischief.clear()

    assert "did not say" in str(record.kubernetes_left[0])
    assert "kubernetes" in launch.open_entries()
    assert reap(launch.ledger.path, term_s=0, kill_s=1).clean
    assert launch.objects() == []


def _without_uids(held: KubeHeld) -> KubeHeld:
    return replace(held, objects=tuple(replace(each, uid="") for each in held.objects))


def _of_the_user(held: KubeHeld) -> KubeHeld:
    return replace(_without_uids(held), mark="")


def _of_another(held: KubeHeld) -> KubeHeld:
    return replace(held, objects=tuple(replace(each, uid="other") for each in held.objects))


@pytest.mark.parametrize(
    ("change", "left", "clean"),
    [(_without_uids, 0, True), (_of_the_user, 2, False), (_of_another, 2, True)],
    ids=["marked", "not marked", "made anew by somebody"],
)
def test_reaping_deletes_what_is_clearly_ours_and_names_the_rest(
    change: Callable[[KubeHeld], KubeHeld], left: int, clean: bool, launch: Launch
) -> None:
    deployment = launch.go()
    (entry,) = (e for e in Ledger.open_entries(launch.ledger.path) if e.kind == "kubernetes")
    launch.ledger.stopped(entry.entry_id)
    launch.ledger.kubernetes(change(KubeHeld.read(entry.value)))
    try:
        report = reap(launch.ledger.path, term_s=0, kill_s=1)

        assert len(launch.objects()) == left
        assert report.clean is clean
        assert bool(report.survivors) is not clean
    finally:
        deployment.close(hurry=True)
