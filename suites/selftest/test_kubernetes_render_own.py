"""Passing means: a user's manifest is applied word by word, or refused with its file and line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fixtures.config.errors import ConfigError
from fixtures.launchers.base import LaunchError
from fixtures.launchers.kubernetes_dry_run import dry_run
from fixtures.launchers.kubernetes_render_own import as_it_is
from fixtures.loaders.read import load_any

from .kube_sites import kube_site
from .runs import ROOT

pytestmark = pytest.mark.selftest

SHIPPED = sorted((ROOT / "configs" / "kubernetes").glob("*.yaml"))
WIDE = ROOT / "configs" / "kubernetes" / "deepseek-r1-wide-ep-disagg.yaml"
FRONTEND = """\
    Frontend:
      componentType: frontend
      replicas: 1
      extraPodSpec:
        mainContainer: {image: IMAGE, command: [python3, -m, dynamo.frontend]}
"""
WORKER = """\
    Decode:
      componentType: worker
      subComponentType: decode
      replicas: REPLICAS
      multinode: {nodeCount: NODES}
      resources: {limits: {gpu: "4"}}
      extraPodSpec:
        mainContainer:
          image: IMAGE
          command: [python3, -m, dynamo.trtllm]
          args: [--model-path, nvidia/DeepSeek-R1-FP4, --disaggregation-mode, decode]
"""
GOOD = {"NAME": "mine", "IMAGE": "tensorrtllm-runtime:0.6.1", "NODES": "2", "REPLICAS": "3"}


def manifest(*, parts: str = FRONTEND + WORKER, more: str = "", **values: str) -> str:
    """A small deployment; keywords replace the words in capitals."""
    text = (
        "apiVersion: nvidia.com/v1alpha1\nkind: DynamoGraphDeployment\nmetadata:\n  name: NAME\n"
        f"spec:\n  backendFramework: trtllm\n  services:\n{parts}{more}"
    )
    for word, value in {**GOOD, **values}.items():
        text = text.replace(word, value)
    return text


def written(text: str, directory: Path) -> Path:
    path = directory / "mine.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_not_one_word_is_changed(path: Path) -> None:
    (topology,) = load_any(path)

    rendered = as_it_is(topology, "team-a")

    assert list(rendered.documents) == list(yaml.safe_load_all(path.read_text()))
    assert rendered.deployment["metadata"]["name"] == rendered.name
    assert rendered.namespace == "team-a"
    sizes = {role.label: (role.name, role.workers, role.gpus_per_worker) for role in topology.roles}
    assert {p.name: (p.role, p.replicas, p.ranks) for p in rendered.plans if p.gpus} == sizes
    assert sum(worker.world_size for worker in rendered.workers) == sum(
        (role.gpus_per_worker or 0) * role.workers for role in topology.roles
    )


def test_its_own_namespace_wins(tmp_path: Path) -> None:
    (topology,) = load_any(written(manifest(NAME="mine\n  namespace: prod"), tmp_path))

    assert as_it_is(topology, "other").namespace == "prod"


def test_replicas_are_workers_that_register_as_their_release_does(tmp_path: Path) -> None:
    (topology,) = load_any(written(manifest(), tmp_path))

    rendered = as_it_is(topology)

    assert [worker.name for worker in rendered.workers] == ["Decode-0", "Decode-1", "Decode-2"]
    assert {worker.component for worker in rendered.workers} == {"tensorrt_llm"}
    assert rendered.plans[1].pods == 6


def test_another_deployment_of_the_file_is_left_out(tmp_path: Path) -> None:
    shared = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {chat: '{{ x }}'}\n"
    text = manifest(NAME="one") + shared + "---\n" + manifest(NAME="two")

    one, two = (as_it_is(topology) for topology in load_any(written(text, tmp_path)))

    assert [each["metadata"]["name"] for each in one.documents] == ["c", "one"]
    assert [each["metadata"]["name"] for each in two.documents] == ["c", "two"]


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        (manifest(NODES="'{{ .Values.nodes }}'"), 17, "a template stands where a number"),
        (manifest(REPLICAS="${REPLICAS_OF_DECODE}"), 16, "a template stands where a number"),
        (manifest(IMAGE="my-registry/tensorrtllm-runtime:my-tag"), 12, "is a placeholder"),
        (manifest(IMAGE="'${IMAGE_OF_RUNTIME}'"), 12, "is a placeholder"),
        (manifest(NAME="'{{ .Release.Name }}'"), 4, "is a template"),
        (manifest(more="      labels: {team: '{{ team }}'}\n"), 24, "is a template"),
        (manifest(parts=WORKER), 5, "has no frontend"),
        (manifest(NODES="many"), 17, "on no number of nodes"),
        (manifest().replace('{limits: {gpu: "4"}}', "{}"), 13, "has no GPU limit"),
    ],
)
def test_what_is_not_filled_in_is_refused_with_its_place(
    text: str, line: int, problem: str, tmp_path: Path
) -> None:
    (topology,) = load_any(written(text, tmp_path))

    with pytest.raises(ConfigError, match=problem) as refusal:
        as_it_is(topology)

    assert f"mine.yaml:{line}:" in str(refusal.value)
    with pytest.raises(LaunchError, match=problem):
        dry_run([topology], kube_site(), [])


def test_kubernetes_and_shell_variables_are_no_templates(tmp_path: Path) -> None:
    text = manifest().replace("--disaggregation-mode", "--note, $(POD_IP), --disaggregation-mode")

    (topology,) = load_any(written(text, tmp_path))

    assert as_it_is(topology).name == "mine"


def test_a_topology_of_another_format_is_no_manifest() -> None:
    (topology,) = load_any(ROOT / "configs" / "topologies" / "deepseek-r1-wide-ep-agg.yaml")

    with pytest.raises(ConfigError, match="comes from no DynamoGraphDeployment"):
        as_it_is(topology)


def test_a_dry_run_prints_it_as_it_is() -> None:
    (topology,) = load_any(WIDE)

    text = dry_run([topology], kube_site(), [])

    assert list(yaml.safe_load_all(text)) == list(yaml.safe_load_all(WIDE.read_text()))
    assert "# taken as it is" in text
