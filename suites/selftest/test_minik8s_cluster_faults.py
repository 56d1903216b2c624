"""Passing means: each fault of the double shows as a cluster would show it, and goes again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.minik8s.cluster import K8sShape, MiniK8s
from fixtures.minik8s.faults import FAULTS, UnknownFaultError

from .minik8s_rig import CORE, Api, Object, double, light, until

pytestmark = pytest.mark.selftest

RANK = "grove.io/podclique"
INDEX = "grove.io/podclique-pod-index"
COMPONENT = "nvidia.com/dynamo-component"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniK8s]:
    """One double for all faults: they are switched at run time."""
    place = tmp_path_factory.mktemp("faults")
    with double(place, K8sShape(nodes=4, gpus_per_node=2)) as found:
        yield found


@pytest.fixture
def api(cluster: MiniK8s) -> Iterator[Api]:
    """A client; what a test has deployed is gone afterwards, and so are the faults."""
    found = Api(cluster.kubeconfig)
    yield found
    cluster.behave()
    found.delete("one")


def engines(api: Api) -> list[Object]:
    """The pods of the worker, those of the leader's clique first."""
    found = [pod for pod in api.pods("one") if pod["metadata"]["labels"][COMPONENT] == "engine"]
    return sorted(found, key=lambda pod: pod["spec"]["hostname"])


def waiting(pod: Object) -> str:
    """Why its container waits."""
    for each in pod.get("status", {}).get("containerStatuses", []):
        return str(each["state"].get("waiting", {}).get("reason", ""))
    return ""


def restarts(pod: Object) -> int:
    """How often its container was started again."""
    statuses = pod.get("status", {}).get("containerStatuses", [])
    return sum(each["restartCount"] for each in statuses)


def is_ready(api: Api) -> bool:
    """Whether the deployment says so."""
    return api.ready("one").get("status") == "True"


def all_pods_ready(api: Api, count: int) -> bool:
    """Whether there are so many pods, and all of them are ready."""
    ready = [
        each["status"]
        for pod in api.pods("one")
        for each in pod.get("status", {}).get("conditions", [])
        if each["type"] == "Ready"
    ]
    return len(ready) == count and set(ready) == {"True"}


def test_without_a_fault_it_is_ready_and_whole(api: Api) -> None:
    api.apply(light("one"))
    until(lambda: is_ready(api), "Ready")

    assert api.ready("one")["reason"] == "all_resources_are_ready"
    leader, worker = engines(api)
    assert leader["spec"]["nodeName"] != worker["spec"]["nodeName"]
    assert [pod["metadata"]["labels"][RANK][-3:] for pod in (leader, worker)] == ["ldr", "wkr"]
    assert sum(map(restarts, api.pods("one"))) == 0
    endpoints = api.call("GET", f"{CORE}/endpoints/one-frontend")
    assert len(endpoints["subsets"][0]["addresses"]) == 1


def test_never_becomes_ready(cluster: MiniK8s, api: Api) -> None:
    cluster.set_faults("never_becomes_ready")
    api.apply(light("one"))

    until(lambda: all_pods_ready(api, 3), "all pods are ready")
    until(lambda: "not satisfied" in api.ready("one").get("message", ""), "the operator refuses")
    assert not is_ready(api)


def test_says_ready_without_endpoints(cluster: MiniK8s, api: Api) -> None:
    cluster.set_faults("says_ready_without_endpoints")
    api.apply(light("one"))

    until(lambda: is_ready(api) and all_pods_ready(api, 3), "Ready")
    assert not api.call("GET", f"{CORE}/endpoints/one-frontend").get("subsets")


def test_crashes_in_a_loop(cluster: MiniK8s, api: Api) -> None:
    cluster.set_faults("crashes_in_a_loop=engine")
    api.apply(light("one"))

    until(lambda: "CrashLoopBackOff" in map(waiting, engines(api)), "CrashLoopBackOff")
    pod = until(lambda: [p for p in engines(api) if restarts(p) > 1], "two restarts")[0]
    assert "CUDA error" in api.log(pod["metadata"]["name"], "previous=true")
    assert not is_ready(api)


def test_runs_another_node_count(cluster: MiniK8s, api: Api) -> None:
    cluster.set_faults("runs_another_node_count")
    # All four nodes are taken, and still there is one pod more.
    api.apply(light("one", nodes=4))

    until(lambda: is_ready(api), "Ready")
    assert len(engines(api)) == 5


def test_gives_two_pods_one_rank(cluster: MiniK8s, api: Api) -> None:
    cluster.set_faults("gives_two_pods_one_rank")
    api.apply(light("one", nodes=3))

    until(lambda: is_ready(api), "Ready")
    places = [
        (pod["metadata"]["labels"][RANK][-3:], pod["metadata"]["labels"][INDEX])
        for pod in engines(api)
    ]
    assert places == [("ldr", "0"), ("wkr", "0"), ("wkr", "0")]


def test_hangs_deletion_on_a_finalizer(cluster: MiniK8s, api: Api) -> None:
    cluster.set_faults("hangs_deletion_on_a_finalizer")
    api.apply(light("one"))
    until(lambda: is_ready(api), "Ready")

    path = "/apis/nvidia.com/v1beta1/namespaces/default/dynamographdeployments/one"
    api.call("DELETE", path)

    until(lambda: not api.pods("one"), "its pods are gone")
    held = api.deployment("one")
    assert held is not None
    assert held["metadata"]["finalizers"] == ["nvidia.com/finalizer"]
    assert held["metadata"]["deletionTimestamp"]


def test_cannot_pull_the_image(cluster: MiniK8s, api: Api) -> None:
    cluster.set_faults("cannot_pull_the_image=engine")
    api.apply(light("one"))

    until(lambda: "ImagePullBackOff" in map(waiting, engines(api)), "ImagePullBackOff")
    assert api.ready("one")["reason"] == "pods_not_ready"


def test_schedules_half_a_gang(cluster: MiniK8s, api: Api) -> None:
    cluster.set_faults("schedules_half_a_gang")
    api.apply(light("one"))

    def placed() -> list[bool]:
        return sorted(bool(pod["spec"].get("nodeName")) for pod in api.pods("one"))

    until(lambda: placed() == [False, False, True], "one of three pods has a node")
    until(lambda: api.ready("one")["reason"] == "insufficient_capacity", "the operator says so")


def test_restarts_a_pod_once(cluster: MiniK8s, api: Api) -> None:
    cluster.set_faults("restarts_a_pod_once")
    api.apply(light("one"))

    until(lambda: is_ready(api), "Ready")
    assert sorted(map(restarts, engines(api))) == [0, 1]


def test_leaves_a_pvc_behind(cluster: MiniK8s, api: Api) -> None:
    cluster.set_faults("leaves_a_pvc_behind")
    api.apply(light("one"))
    until(lambda: is_ready(api), "Ready")
    api.delete("one")

    claims = api.items(f"{CORE}/persistentvolumeclaims", "one")
    assert [each["metadata"]["name"] for each in claims] == ["one-compilation-cache"]
    api.call("DELETE", f"{CORE}/persistentvolumeclaims/one-compilation-cache")


def test_spreads_over_two_nvlink_domains(cluster: MiniK8s, api: Api) -> None:
    cluster.set_faults("spreads_over_two_nvlink_domains")
    api.apply(light("one"))
    until(lambda: is_ready(api), "Ready")

    cliques = {
        api.call("GET", f"/api/v1/nodes/{pod['spec']['nodeName']}")["metadata"]["labels"][
            "nvidia.com/gpu.clique"
        ]
        for pod in engines(api)
    }
    assert len(cliques) == 2


def test_wraps_the_command_in_two_shells(cluster: MiniK8s, api: Api) -> None:
    cluster.set_faults("wraps_the_command_in_two_shells")
    api.apply(light("one"))
    until(lambda: is_ready(api), "Ready")

    (main,) = engines(api)[0]["spec"]["containers"]
    assert (main["command"], main["args"]) == (["/bin/sh", "-c"], ["sh -c 'sleep 600'"])


def test_loses_a_gpu_per_pod(cluster: MiniK8s, api: Api) -> None:
    cluster.set_faults("loses_a_gpu_per_pod")
    api.apply(light("one"))
    until(lambda: is_ready(api), "Ready")

    limits = [pod["spec"]["containers"][0]["resources"]["limits"] for pod in engines(api)]
    assert limits == [{"nvidia.com/gpu": "1"}] * 2


def test_an_unknown_fault_is_refused_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UnknownFaultError, match="did you mean crashes_in_a_loop"):
        MiniK8s.start(tmp_path / "k8s", faults=["crash_in_a_loop"])


def test_every_fault_has_a_test() -> None:
    names = {name.removeprefix("test_") for name in globals() if name.startswith("test_")}
    assert set(FAULTS) <= names
