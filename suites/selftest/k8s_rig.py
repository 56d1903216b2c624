"""A double of the Kubernetes API server for tests, and ways to talk to it."""

from __future__ import annotations

import functools
import http.client
import json
import os
import re
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.minik8s.api_registry import COMPUTE_DOMAINS, DYNAMO, GROVE, LWS
from fixtures.minik8s.server import ApiServer

EVERYTHING = (*DYNAMO, *GROVE, *LWS, *COMPUTE_DOMAINS)
CALL_S = 20.0
OLDEST_KUBECTL = 27
"""The first that takes schemas from OpenAPI v3; the double serves no other."""
IMAGE = "registry.example/runtime:1.6.1"
_NUMBERS = count(1)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a plain HTTP request got; `document` is bytes where it is a stream or no JSON."""

    code: int
    headers: Mapping[str, str]
    document: Any


@dataclass(frozen=True, slots=True)
class Rig:
    """A running double and its clients."""

    server: ApiServer

    def client(self) -> Any:
        """An ApiClient of the official package."""
        from kubernetes import client, config

        made = client.Configuration()
        config.load_kube_config(str(self.server.kubeconfig), client_configuration=made)
        made.retries = False
        return client.ApiClient(made)

    def namespace(self) -> str:
        """A new namespace."""
        name = f"test-{next(_NUMBERS)}"
        self.server.store.create("namespaces", {"metadata": {"name": name}})
        return name

    def raw(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        kind: str = "application/json",
        token: str | None = None,
        timeout_s: float = CALL_S,
    ) -> Reply:
        """One plain request; `token` None sends the right one."""
        trust = self._trust()
        connection = http.client.HTTPSConnection(
            self.server.address, timeout=timeout_s, context=trust
        )
        token = self.server.token if token is None else token
        headers = {"Content-Type": kind} | ({"Authorization": f"Bearer {token}"} if token else {})
        try:
            connection.request(
                method, path, None if body is None else json.dumps(body).encode(), headers
            )
            # An answer that breaks off keeps the socket open by itself.
            with connection.getresponse() as answer:
                text = answer.read()
        finally:
            connection.close()
        whole = text.startswith(b"{") and answer.getheader("Content-Length") is not None
        found = json.loads(text) if whole else text
        return Reply(answer.status, dict(answer.getheaders()), found)

    def _trust(self) -> ssl.SSLContext:
        import base64

        config = yaml.safe_load(self.server.kubeconfig.read_text(encoding="utf-8"))
        pem = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"])
        return ssl.create_default_context(cadata=pem.decode())

    def kubectl(self, *words: str, text: str = "") -> subprocess.CompletedProcess[str]:
        """Run kubectl; skips where it is not installed."""
        return subprocess.run(
            [_kubectl(), *words],
            env=self._environment(),
            input=text,
            capture_output=True,
            text=True,
            timeout=60.0,
            check=False,
        )

    @contextmanager
    def kubectl_running(self, *words: str) -> Iterator[Any]:
        """The process of a kubectl that runs until the end of the block, or for a minute."""
        process = subprocess.Popen(
            [_kubectl(), *words],
            env=self._environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        guard = threading.Timer(60.0, process.kill)
        guard.start()
        try:
            yield process
        finally:
            guard.cancel()
            process.kill()
            process.communicate(timeout=10.0)

    def _environment(self) -> dict[str, str]:
        home = str(self.server.kubeconfig.parent)
        return {**os.environ, "KUBECONFIG": str(self.server.kubeconfig), "HOME": home}


@functools.cache
def _kubectl() -> str:
    """The kubectl of this machine; skips without one, and for one that reads no OpenAPI v3."""
    program = shutil.which("kubectl")
    if program is None:
        pytest.skip("kubectl is not installed")
    asked = [program, "version", "--client", "-o", "json"]
    said = subprocess.run(asked, capture_output=True, text=True, timeout=CALL_S, check=False)
    found = re.search(r'"minor": "(\d+)', said.stdout)
    minor = int(found[1]) if found else 0
    if minor < OLDEST_KUBECTL:
        pytest.skip(f"kubectl 1.{minor} is older than 1.{OLDEST_KUBECTL}")
    return program


@contextmanager
def kubernetes_api(
    directory: Path, crds: Sequence[str] = EVERYTHING, **options: Any
) -> Iterator[Rig]:
    """A double in threads of this process; its kubeconfig is `directory/kubeconfig`."""
    with ApiServer(crds, directory=directory, **options) as server:
        yield Rig(server)


def pod(name: str = "", **more: Any) -> dict[str, Any]:
    """A small pod."""
    metadata = {"name": name} if name else {"generateName": "any-"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata | more.pop("metadata", {}),
        "spec": {"containers": [{"name": "main", "image": IMAGE}]} | more,
    }


def graph(name: str = "graph", *, version: str = "v1beta1", **component: Any) -> dict[str, Any]:
    """A small DynamoGraphDeployment; `component` changes its worker."""
    head = {
        "apiVersion": f"nvidia.com/{version}",
        "kind": "DynamoGraphDeployment",
        "metadata": {"name": name},
    }
    if version == "v1alpha1":
        worker = {
            "componentType": "worker",
            "replicas": 1,
            "multinode": {"nodeCount": 2},
            "resources": {"limits": {"gpu": "8"}},
            "extraPodSpec": {"mainContainer": {"image": IMAGE}},
        } | component
        return head | {"spec": {"backendFramework": "trtllm", "services": {"worker": worker}}}
    main = {"name": "main", "image": IMAGE, "resources": {"limits": {"nvidia.com/gpu": 8}}}
    worker = {
        "name": "worker",
        "type": "worker",
        "replicas": 1,
        "multinode": {"nodeCount": 2},
        "podTemplate": {"spec": {"containers": [main]}},
    } | component
    return head | {"spec": {"backendFramework": "trtllm", "components": [worker]}}
