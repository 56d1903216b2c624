"""Passing means: the sections `ray` and `kubernetes` of a site are read, wrong ones answered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from fixtures.config.errors import ConfigError
from fixtures.config.load import load_site
from fixtures.config.site_origins import orchestrator_origins

pytestmark = pytest.mark.selftest

HEAD = """\
name: mine
launcher: {launcher}
engine: {engine}
frontend: package
lease_ttl_s: 30
grace_period_s: 5
deadlines:
  {{service_s: 1, ready_s: 1, request_s: 1,
  worker_stop_s: 1, frontend_stop_s: 1, service_stop_s: 1}}
services:
  etcd: {{provider: auto}}
  nats: {{provider: auto}}
"""
RAY = (
    HEAD.format(launcher="ray", engine="vllm")
    + """\
nodes: [alpha, beta]
ray:
  hosts: given
  ssh: [ssh, -p, "22"]
  addresses: {alpha: 10.0.0.1, beta: 10.0.0.2}
  gpus_per_host: 8
  ports: {frontend: 8001}
  versions: {dynamo: "1.6.1"}
"""
)
KUBERNETES = (
    HEAD.format(launcher="kubernetes", engine="trtllm")
    + """\
kubernetes:
  cluster: context
  context: prod
  namespace: dynamo
  image: registry/trtllm-runtime:1.6.1
  node_selector: {nvidia.com/gpu.product: NVIDIA-GB200}
  tolerations: [{key: nvidia.com/gpu, operator: Exists}]
  environment: {UCX_TLS: rc}
"""
)

Write = Callable[[str], Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a site file and goes to its directory."""
    monkeypatch.chdir(tmp_path)

    def written(text: str) -> Path:
        path = Path("site.yaml")
        path.write_text(text)
        return path

    return written


def test_a_ray_site_says_hosts_addresses_and_versions(write: Write) -> None:
    site = load_site(write(RAY))

    assert site.nodes == ("alpha", "beta")
    assert site.ray is not None
    assert site.ray.ssh == ("ssh", "-p", "22")
    assert dict(site.ray.addresses) == {"alpha": "10.0.0.1", "beta": "10.0.0.2"}
    assert (site.ray.gpus_per_host, site.ray.ports.frontend) == (8, 8001)
    assert site.slurm is None


def test_a_kubernetes_site_says_context_image_and_selectors(write: Write) -> None:
    site = load_site(write(KUBERNETES))

    assert site.nodes == ()
    assert site.kubernetes is not None
    assert (site.kubernetes.context, site.kubernetes.namespace) == ("prod", "dynamo")
    assert dict(site.kubernetes.node_selector) == {"nvidia.com/gpu.product": "NVIDIA-GB200"}
    assert [dict(each) for each in site.kubernetes.tolerations] == [
        {"key": "nvidia.com/gpu", "operator": "Exists"}
    ]


@pytest.mark.parametrize("text", [RAY, KUBERNETES])
def test_each_setting_says_where_it_comes_from(write: Write, text: str) -> None:
    found = {each.name: each for each in orchestrator_origins(load_site(write(text)))}

    assert found
    for name, origin in found.items():
        key = name.rpartition(".")[2]
        written = f"  {key}: " in text
        assert (origin.where != "the usual one") == (written or key == "hosts"), name
    assert found[next(iter(found))].where.startswith("site.yaml:")


WRONG = [
    (RAY, "nodes: [alpha, beta]\n", "", 'missing key "nodes"'),
    (RAY, "beta: 10.0.0.2", "betta: 10.0.0.2", 'did you mean "beta"?'),
    (RAY, "beta: 10.0.0.2", "beta: 127.0.0.1", "is reachable from its own node only"),
    (RAY, "beta: 10.0.0.2", "beta: beta.local", "write the IPv4 address"),
    (RAY, "hosts: given", "hosts: minihosts", "minihosts starts as many as are needed"),
    (RAY, "frontend: 8001", "frontend: 2379", "port 2379 is given to frontend and to etcd"),
    (RAY, "gpus_per_host: 8", 'attach: ["10.0.0.1"]', "such as 10.0.0.1:6379"),
    (
        RAY,
        "gpus_per_host: 8",
        'gpus_per_host: 8\n  attach: ["10.0.0.1:6379"]',
        "ray.gpus_per_host has no place beside ray.attach",
    ),
    (RAY, "gpus_per_host: 8", "temp_root: /scratch/rays", "12 characters at most"),
    (RAY, "engine: vllm", "engine: trtllm", "TensorRT-LLM needs launcher: slurm or kubernetes"),
    (RAY, "  gpus_per_host: 8", "  gpu_per_host: 8", 'did you mean "gpus_per_host"?'),
    (RAY, "launcher: ray", "launcher: slurm", "ray has no place here"),
    (KUBERNETES, "  image: registry/trtllm-runtime:1.6.1\n", "", "kubernetes.image is missing"),
    (KUBERNETES, "cluster: context", "cluster: minik8s", "kubernetes.context has no place"),
    (KUBERNETES, "namespace: dynamo", "namespace: My Space", "name one namespace"),
    (KUBERNETES, "UCX_TLS: rc", "UCX_TLS: 1", "UCX_TLS must be text, not 1"),
    (KUBERNETES, "  context: prod", "  contxt: prod", 'did you mean "context"?'),
    (KUBERNETES, "kubernetes:\n", "nodes: [a]\nkubernetes:\n", "the scheduler of the cluster"),
]


@pytest.mark.parametrize(("text", "old", "new", "answer"), WRONG)
def test_a_wrong_section_is_answered_at_its_line(
    write: Write, text: str, old: str, new: str, answer: str
) -> None:
    assert old in text
    path = write(text.replace(old, new))

    with pytest.raises(ConfigError, match=r"^site\.yaml:\d+:\d+: ") as caught:
        load_site(path)

    assert len([p for p in caught.value.problems if answer in str(p)]) == 1, str(caught.value)
