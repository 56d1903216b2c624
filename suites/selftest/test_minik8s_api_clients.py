"""Passing means: kubectl and the official clients find in the double what they look for."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from .k8s_rig import Rig, graph, kubernetes_api, pod

pytestmark = pytest.mark.selftest


@pytest.fixture(scope="module")
def rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One double for the module."""
    with kubernetes_api(tmp_path_factory.mktemp("clients")) as made:
        made.server.logs = lambda wanted: f"log of {wanted.pod}\n".encode()
        yield made


@pytest.fixture
def space(rig: Rig) -> str:
    """A namespace."""
    return rig.namespace()


def manifest(*documents: dict[str, Any]) -> str:
    """Documents as YAML."""
    return yaml.safe_dump_all(documents)


def test_kubectl_applies_reads_waits_and_deletes(rig: Rig, space: str) -> None:
    settings = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": {}}
    text = manifest(settings, graph())
    made = rig.kubectl("apply", "-n", space, "-f", "-", text=text)
    assert (made.returncode, made.stderr) == (0, "")
    assert made.stdout.count(" created") == 2
    again = rig.kubectl("apply", "-n", space, "-f", "-", text=text)
    assert again.stdout.count(" unchanged") == 2
    changed = manifest(settings | {"data": {"a": "b"}}, graph(replicas=2))
    told = rig.kubectl("apply", "-n", space, "-f", "-", text=changed)
    assert told.stdout.count(" configured") == 2
    read = json.loads(rig.kubectl("get", "dgd", "graph", "-n", space, "-o", "json").stdout)
    assert read["spec"]["components"][0]["replicas"] == 2
    assert read["metadata"]["generation"] == 2
    full = "dynamographdeployments.nvidia.com"
    ready = {"type": "Ready", "status": "True", "observedGeneration": 2}
    rig.server.store.update_status(full, "graph", space, {"conditions": [ready]})
    wait = ("wait", "dgd/graph", "-n", space, "--for=condition=Ready")
    assert rig.kubectl(*wait, "--timeout=10s").returncode == 0
    gone = rig.kubectl("delete", "-n", space, "-f", "-", text=text)
    assert (gone.returncode, gone.stdout.count(" deleted")) == (0, 2)
    assert "NotFound" in rig.kubectl("get", "dgd", "graph", "-n", space).stderr


def test_kubectl_shows_refusals(rig: Rig, space: str) -> None:
    bad = manifest(graph(multinode={"nodeCount": 1}))
    found = rig.kubectl("apply", "-n", space, "-f", "-", text=bad)
    assert found.returncode == 1
    assert "greater than or equal to 2" in found.stderr
    strange = manifest(graph(nodes=2))
    found = rig.kubectl("apply", "-n", space, "-f", "-", text=strange)
    assert 'unknown field "spec.components[0].nodes"' in found.stderr
    denied = manifest(graph(name="x" * 45))
    found = rig.kubectl("apply", "-n", space, "-f", "-", text=denied)
    assert "denied the request" in found.stderr


def test_kubectl_server_side_and_dry_run(rig: Rig, space: str) -> None:
    text = manifest(graph())
    dry = rig.kubectl("apply", "--dry-run=server", "-n", space, "-f", "-", text=text)
    assert (dry.returncode, "(server dry run)" in dry.stdout) == (0, True)
    assert rig.server.store.list("dynamographdeployments.nvidia.com", space).items == []
    side = rig.kubectl("apply", "--server-side", "-n", space, "-f", "-", text=text)
    assert (side.returncode, "serverside-applied" in side.stdout) == (0, True)


def test_kubectl_reads_a_log(rig: Rig, space: str) -> None:
    rig.server.store.create("pods", pod("one"), space)
    assert rig.kubectl("logs", "one", "-n", space).returncode == 1
    rig.server.store.bind(space, "one", "node-1")
    assert rig.kubectl("logs", "one", "-n", space).stdout == "log of one\n"


def test_the_client_of_custom_objects(rig: Rig, space: str) -> None:
    client = pytest.importorskip("kubernetes").client
    with rig.client() as made:
        custom = client.CustomObjectsApi(made)
        where = ("nvidia.com", "v1beta1", space, "dynamographdeployments")
        custom.create_namespaced_custom_object(*where, graph(), field_validation="Strict")
        body = {"status": {"state": "pending"}}
        custom.patch_namespaced_custom_object_status(*where, "graph", body)
        found = custom.get_namespaced_custom_object(*where, "graph")
        assert found["status"]["state"] == "pending"
        custom.delete_namespaced_custom_object(*where, "graph", propagation_policy="Foreground")
        rig.server.store.settle()
        assert custom.list_namespaced_custom_object(*where)["items"] == []


def test_the_dynamic_client_discovers_what_is_served(rig: Rig, space: str) -> None:
    pytest.importorskip("kubernetes")
    from kubernetes.dynamic import DynamicClient
    from kubernetes.dynamic.exceptions import ResourceNotFoundError

    with rig.client() as made:
        dynamic = DynamicClient(made, cache_file=str(rig.server.kubeconfig) + ".cache")
        graphs = dynamic.resources.get(api_version="nvidia.com/v1beta1", kind=graph()["kind"])
        graphs.create(body=graph(), namespace=space)
        assert [e.metadata.name for e in graphs.get(namespace=space).items] == ["graph"]
        with pytest.raises(ResourceNotFoundError):
            dynamic.resources.get(api_version="apps/v1", kind="Deployment")
