"""Passing means: pods get what Kubernetes gives them, and end as Kubernetes ends them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.identity import carriers_of_run, ticks_now
from fixtures.minik8s.api_logs import LogRequest
from fixtures.minik8s.faults import Faults
from fixtures.minik8s.image.build import build
from fixtures.minik8s.image.settings import ImageSettings
from fixtures.minik8s.kubelet import Kubelet
from fixtures.minik8s.kubelet_pod import Surroundings
from fixtures.minik8s.objects import CONFIG_MAPS, PODS, Object
from fixtures.minik8s.objects_in_store import StoreObjects
from fixtures.minik8s.operator_events import Recorder
from fixtures.minik8s.store import Store
from fixtures.minik8s.watch import Watch

from .minik8s_rig import WAIT_S

pytestmark = pytest.mark.selftest

RUN = f"selftest-kubelet-{os.getpid()}"
SHELL = ["sh", "-c"]


class Node:
    """A kubelet in this process, with objects of its own."""

    def __init__(self, directory: Path) -> None:
        self._store = Store()
        self.objects = StoreObjects(self._store)
        self._pool = ThreadPoolExecutor(2)
        (directory / "claims").mkdir()
        settings = ImageSettings(hosts=str(directory / "hosts"), shm_prefix=f"moe_shared_{RUN}")
        around = Surroundings(
            directory=directory,
            kubeconfig=directory / "kubeconfig",
            image=build(directory / "image"),
            settings=replace(settings, environment={"FROM_IMAGE": "yes"}),
            haste=100.0,
            run_id=RUN,
            inherited={},
            pool=self._pool,
            tell=lambda pod, reason, text, bad: Recorder(self.objects, "kubelet").tell(
                pod, reason, text, warning=bad
            ),
        )
        self.kubelet = Kubelet(self.objects, around, Faults(directory))
        self.directory = directory

    def run(self, name: str, command: list[str], pod: Object | None = None, **more: Any) -> None:
        """Create a pod that is bound already."""
        main = {"name": "main", "image": "busybox:1.0", "command": command, **more}
        spec = {"nodeName": "n1", "containers": [main], **(pod or {})}
        made = self.objects.create(
            PODS, {"metadata": {"name": name, "namespace": "default"}, "spec": spec}
        )
        assert made is not None

    def pod(self, name: str) -> Object | None:
        """The pod as it is now."""
        return self.objects.get(PODS, "default", name)

    def state(self, name: str) -> Object:
        """The status of its container."""
        found: Object = (self.pod(name) or {}).get("status") or {}
        statuses = found.get("containerStatuses", [{}])
        return dict(statuses[0])

    def until(self, holds: Callable[[], Any], what: str) -> Any:
        """Run the kubelet until something holds."""
        deadline = time.monotonic() + WAIT_S
        while not (found := holds()):
            assert time.monotonic() < deadline, what
            self.kubelet.sync()
            time.sleep(0.01)
        return found

    def watch(self) -> Watch:
        """Everything that happens to pods from now on."""
        return self._store.watch("pods", since=self._store.version)

    def log(self, name: str, **more: Any) -> str:
        """What its container wrote."""
        found = self.kubelet.log(LogRequest("default", name, "main", **more))
        return (found if isinstance(found, bytes) else b"".join(found)).decode()

    def close(self) -> None:
        """End everything."""
        self.kubelet.close()
        self._pool.shutdown()


@pytest.fixture
def node(tmp_path: Path) -> Iterator[Node]:
    """A node of which nothing is left."""
    since = ticks_now()
    found = Node(tmp_path)
    yield found
    found.close()
    deadline = time.monotonic() + WAIT_S
    while carriers_of_run(RUN, since) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert carriers_of_run(RUN, since) == []


def test_a_container_gets_variables_files_and_an_address(node: Node) -> None:
    data = {"metadata": {"name": "conf", "namespace": "default"}, "data": {"a.txt": "see /conf/b"}}
    node.objects.create(CONFIG_MAPS, data)
    script = 'cat /conf/a.txt; echo " $ME $FROM_IMAGE $(IP) $HOSTNAME"; pwd; exec sleep 600'
    node.run(
        "p",
        SHELL,
        {"hostname": "h", "volumes": [{"name": "v", "configMap": {"name": "conf"}}]},
        args=[script],
        volumeMounts=[{"name": "v", "mountPath": "/conf"}],
        env=[
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "ME", "value": "<$(IP)>"},
        ],
        workingDir="/conf",
    )
    node.until(lambda: node.log("p").count("\n") == 2, "two lines")

    address = (node.pod("p") or {})["status"]["podIP"]
    place = next(node.directory.glob("pods/*/volumes/v"))
    first, second = node.log("p").splitlines()
    assert first == f"see {place}/b <{address}> yes {address} h"
    assert second == str(place)
    assert address.startswith("127.88.")


def test_a_missing_config_map_and_a_missing_image_are_told(node: Node) -> None:
    volumes = {"volumes": [{"name": "v", "configMap": {"name": "none"}}]}
    node.run("a", ["true"], volumes, volumeMounts=[{"name": "v", "mountPath": "/v"}])
    node.run("b", ["true"])
    node.run("c", ["true"])
    for name, image in (("c", "acme/missing:1"),):
        item = node.pod(name) or {}
        node.objects.change(
            PODS, item, lambda pod, i=image: pod["spec"]["containers"][0].update(image=i)
        )

    def reasons() -> list[str]:
        states = [node.state(name).get("state", {}) for name in "ac"]
        return [state.get("waiting", {}).get("reason", "") for state in states]

    node.until(lambda: reasons() == ["CreateContainerConfigError", "ImagePullBackOff"], "reasons")
    assert 'configmap "none" not found' in node.state("a")["state"]["waiting"]["message"]


def test_a_container_that_ends_is_started_again_later_and_later(node: Node) -> None:
    node.run("p", SHELL, args=["echo run; exit 3"])
    seen: list[Any] = []

    def waits() -> bool:
        status = node.state("p")
        seen[:] = [status]
        return status.get("restartCount", 0) >= 1 and "waiting" in status.get("state", {})

    node.until(waits, "it waits after a restart")

    (status,) = seen
    assert status["lastState"]["terminated"]["exitCode"] == 3
    assert status["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert node.pod("p")["status"]["phase"] == "Running"
    assert node.log("p", previous=True) == "run\n"


def test_a_pod_that_never_restarts_has_an_end(node: Node) -> None:
    node.run("p", ["true"], {"restartPolicy": "Never"})
    node.run("q", ["false"], {"restartPolicy": "Never"})

    def phases() -> list[str]:
        return [((node.pod(n) or {}).get("status") or {}).get("phase", "") for n in "pq"]

    node.until(lambda: phases() == ["Succeeded", "Failed"], "both have ended")


def test_readiness_follows_its_probe(node: Node) -> None:
    flag = node.directory / "flag"
    probe = {"exec": {"command": ["test", "-e", str(flag)]}, "timeoutSeconds": 10}
    node.run("p", ["sleep", "600"], readinessProbe={**probe, "failureThreshold": 1})
    node.until(lambda: node.state("p").get("started"), "it runs")
    assert node.state("p")["ready"] is False

    flag.touch()
    node.until(lambda: node.state("p")["ready"], "ready")
    flag.unlink()
    node.until(lambda: not node.state("p")["ready"], "not ready any more")
    assert node.state("p")["restartCount"] == 0


def test_a_failing_liveness_probe_restarts_the_container(node: Node) -> None:
    probe = {"tcpSocket": {"port": 1}, "failureThreshold": 1, "timeoutSeconds": 1}
    node.run("p", ["sleep", "600"], livenessProbe=probe)
    node.until(lambda: node.state("p").get("restartCount", 0) >= 1, "restarted")
    assert node.state("p")["lastState"]["terminated"]["exitCode"] == 128 + 9


def test_term_comes_first_and_a_deaf_tree_is_killed_after_its_grace(node: Node) -> None:
    polite = "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.05; done"
    deaf = "trap '' TERM; setsid sleep 600 & echo up; while :; do sleep 0.05; done"
    node.run("polite", SHELL, {"terminationGracePeriodSeconds": 600}, args=[polite])
    node.run("deaf", SHELL, {"terminationGracePeriodSeconds": 1}, args=[deaf])
    node.until(lambda: node.log("polite") + node.log("deaf") == "up\nup\n", "both run")
    path = next(node.directory.glob("pods/default_polite_*/logs/main/0.log"))
    watch = node.watch()

    for name in ("polite", "deaf"):
        node.objects.delete(PODS, node.pod(name) or {})

    node.until(lambda: not node.pod("polite") and not node.pod("deaf"), "both are gone")
    assert path.read_text() == "up\nbye\n"
    # Who watches sees how they ended before they are gone.
    ends = {}
    while event := watch.next(0):
        pod = event["object"]
        state = pod["status"]["containerStatuses"][0]["state"]
        if event["type"] == "DELETED":
            ends[pod["metadata"]["name"]] = state["terminated"]["exitCode"]
    assert ends == {"polite": 0, "deaf": 128 + 9}


def test_a_pod_taken_away_by_force_loses_its_processes(node: Node) -> None:
    since = ticks_now()
    node.run("p", ["sleep", "600"])
    node.until(lambda: carriers_of_run(RUN, since), "it runs")

    node.objects.remove(node.pod("p") or {})

    node.until(lambda: not carriers_of_run(RUN, since), "nothing runs")


def test_a_followed_log_ends_with_its_container(node: Node) -> None:
    node.run("p", SHELL, {"restartPolicy": "Never"}, args=["echo 1; echo 2; echo 3"])
    node.until(lambda: node.log("p") == "1\n2\n3\n", "three lines")
    assert node.log("p", tail_lines=2) == "2\n3\n"

    node.objects.delete(PODS, node.pod("p") or {})
    found = node.kubelet.log(LogRequest("default", "p", "main", follow=True))
    node.until(lambda: not node.pod("p"), "gone")
    node.kubelet.sync()

    assert not isinstance(found, bytes)
    assert b"".join(found) == b"1\n2\n3\n"
