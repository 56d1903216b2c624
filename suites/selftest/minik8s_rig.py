"""A double of Kubernetes for tests, a client for it, and deployments that cost little."""

from __future__ import annotations

import json
import secrets
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from fixtures.identity import carriers_of_run
from fixtures.ledger import LEDGER_NAME, Ledger, read_header
from fixtures.minik8s.cluster import ImageSettings, K8sShape, MiniK8s
from fixtures.ports import PortLease
from fixtures.services.binaries import start_etcd_binary, start_nats_binary

HOME = "127.0.0.1"
NAMESPACE = "default"
CALL_S, WAIT_S = 10.0, 60.0
IMAGE = "registry.example/dynamo/tensorrtllm-runtime:1.6.1"
DEPLOYMENTS = f"/apis/nvidia.com/v1beta1/namespaces/{NAMESPACE}/dynamographdeployments"
GROVE = f"/apis/grove.io/v1alpha1/namespaces/{NAMESPACE}"
LWS = f"/apis/leaderworkerset.x-k8s.io/v1/namespaces/{NAMESPACE}"
GANGS = f"/apis/scheduler.grove.io/v1alpha1/namespaces/{NAMESPACE}/podgangs"
CORE = f"/api/v1/namespaces/{NAMESPACE}"
OF_DEPLOYMENT = "nvidia.com/dynamo-graph-deployment-name"

Object = dict[str, Any]


class Api:
    """Plain requests to an API server, as its kubeconfig says."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
        self._url = config["clusters"][0]["cluster"]["server"]
        self._token = config["users"][0]["user"]["token"]
        # That the certificate is checked is the matter of other tests.
        self._tls = ssl._create_unverified_context()  # noqa: S323

    def call(self, verb: str, path: str, body: Object | None = None) -> Any:
        """The answer as JSON; None for 404."""
        request = urllib.request.Request(  # noqa: S310 - the double of this test
            self._url + path,
            method=verb,
            data=None if body is None else json.dumps(body).encode(),
            headers={
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=CALL_S, context=self._tls) as answer:  # noqa: S310
                data = answer.read()
        except urllib.error.HTTPError as problem:
            if problem.code == 404:
                return None
            raise AssertionError(f"{verb} {path}: {problem.read().decode()}") from problem
        return data.decode() if path.partition("?")[0].endswith("/log") else json.loads(data)

    def items(self, path: str, deployment: str = "") -> list[Object]:
        """What a collection holds, of one deployment where it is named."""
        more = f"?labelSelector={OF_DEPLOYMENT}%3D{deployment}" if deployment else ""
        found = self.call("GET", path + more)
        return [] if found is None else list(found["items"])

    def pods(self, deployment: str) -> list[Object]:
        """Its pods by name."""
        return self.items(f"{CORE}/pods", deployment)

    def events(self, name: str) -> list[Object]:
        """What was told about an object of that name."""
        return [e for e in self.items(f"{CORE}/events") if e["involvedObject"]["name"] == name]

    def log(self, pod: str, more: str = "") -> str:
        """What its container has written."""
        return str(self.call("GET", f"{CORE}/pods/{pod}/log?{more}"))

    def deployment(self, name: str) -> Object | None:
        """The custom resource."""
        found: Object | None = self.call("GET", f"{DEPLOYMENTS}/{name}")
        return found

    def ready(self, name: str) -> Object:
        """Its Ready condition; {} before there is one."""
        status = (self.deployment(name) or {}).get("status", {})
        found = [each for each in status.get("conditions", []) if each["type"] == "Ready"]
        return dict(found[0]) if found else {}

    def apply(self, item: Object) -> None:
        """Create a deployment."""
        self.call("POST", DEPLOYMENTS, item)

    def delete(self, name: str) -> None:
        """Delete a deployment, and wait until its pods are gone, too."""
        self.call("DELETE", f"{DEPLOYMENTS}/{name}")
        until(lambda: not self.deployment(name) and not self.pods(name), f"{name} is gone")


def until(holds: Callable[[], object], what: str, limit_s: float = WAIT_S) -> Any:
    """Wait until it holds, and return what it found; the limit only guards against hanging."""
    deadline = time.monotonic() + limit_s
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {limit_s:g} s: {what}"
        time.sleep(0.05)
    return found


def container(command: list[str], gpus: int = 0, **more: Any) -> Object:
    """The container of a component that is ready as soon as it runs."""
    well = {"exec": {"command": ["true"]}, "timeoutSeconds": 10}
    probes = dict.fromkeys(("livenessProbe", "readinessProbe", "startupProbe"), well)
    limits = {"resources": {"limits": {"nvidia.com/gpu": gpus}}} if gpus else {}
    return {"name": "main", "image": IMAGE, "command": command, **probes, **limits, **more}


def component(name: str, kind: str, main: Object, nodes: int = 1, **pod: Any) -> Object:
    """One component of v1beta1."""
    span = {"multinode": {"nodeCount": nodes}} if nodes > 1 else {}
    template = {"spec": {"containers": [main], **pod}}
    return {"name": name, "type": kind, "replicas": 1, **span, "podTemplate": template}


def deployment(name: str, *components: Object, framework: str = "") -> Object:
    """A DynamoGraphDeployment."""
    spec = {"components": list(components)}
    return {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeployment",
        "metadata": {"name": name},
        "spec": {**spec, **({"backendFramework": framework} if framework else {})},
    }


SLEEP = ["sleep", "600"]


def light(name: str, nodes: int = 2, gpus: int = 2, **more: Any) -> Object:
    """A deployment of sleeping processes: a frontend, and one engine over some nodes."""
    return deployment(
        name,
        component("frontend", "frontend", container(SLEEP)),
        component("engine", "worker", container(SLEEP, gpus, **more), nodes),
    )


@contextmanager
def double(
    directory: Path, shape: K8sShape, *, services: bool = False, fault: str = ""
) -> Iterator[MiniK8s]:
    """A double, with etcd and NATS where workers need them; nothing is left afterwards.

    `fault` is one of the simulated engine's.
    """
    # Directories of two test processes may have one name.
    run_id = f"selftest-{secrets.token_hex(4)}-minik8s"
    ledger = Ledger(directory / LEDGER_NAME, run_id)
    with PortLease(HOME) as ports:
        started = []
        variables = {
            "ETCD_LEASE_TTL": "10",
            "DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS": "1",
        }
        if services:
            for start in (start_etcd_binary, start_nats_binary):
                service = start(
                    ledger=ledger,
                    work_dir=directory,
                    bind_address=HOME,
                    deadline_s=WAIT_S,
                    ports=ports,
                )
                started.append(service)
                variables |= service.client_env
        try:
            settings = ImageSettings(environment=variables, fault=fault)
            cluster = MiniK8s.start(directory / "k8s", shape, ledger, settings)
            try:
                yield cluster
            finally:
                cluster.stop()
        finally:
            for service in started:
                service.stop()
    assert carriers_of_run(run_id, read_header(ledger.path).ticks) == []
    assert Ledger.open_entries(ledger.path) == []
