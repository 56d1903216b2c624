"""Passing means: files that lie beside manifests are not taken for deployments of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.config.errors import ConfigError
from fixtures.lint import lint
from fixtures.loaders.read import load_any
from fixtures.rules.catalogue import examine

from .cases_kubernetes_practice import in_a_list
from .manifests import alpha, beta, text

pytestmark = pytest.mark.selftest

SERVICE = """\
apiVersion: v1
kind: Service
metadata:
  name: {{ .Release.Name }}
"""
GUARDED = """\
{{- if .Values.autoscaling }}
replicas: {{ .Values.replicas }}
{{- end }}
"""


def patch(**spec: object) -> str:
    """A patch of kustomize for the deployment in `alpha`."""
    return text(
        {
            "apiVersion": "nvidia.com/v1alpha1",
            "kind": "DynamoGraphDeployment",
            "metadata": {"name": "llama", "annotations": {"team": "inference"}},
            **spec,
        }
    )


def written(directory: Path, **files: str) -> Path:
    """These files in that directory; two underscores stand for a slash, one for a dot."""
    for name, content in files.items():
        path = directory / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    return directory


@pytest.mark.parametrize(
    "kustomization",
    [
        "resources: [../base]\npatches:\n- path: multinode.yaml\n- path: ./annotations.yaml\n",
        "patchesStrategicMerge: [multinode.yaml, annotations.yaml]\n",
        "patchesJson6902:\n- path: multinode.yaml\n- path: ../prod/annotations.yaml\n",
    ],
)
def test_patches_of_kustomize_are_no_deployments(kustomization: str, tmp_path: Path) -> None:
    worker = {"Worker": {"componentType": "worker", "multinode": {"nodeCount": 4}}}
    written(
        tmp_path,
        base__deployment_yaml=alpha(),
        prod__kustomization_yaml=kustomization,
        prod__multinode_yaml=patch(spec={"services": worker}),
        prod__annotations_yaml=patch(),
    )
    result = lint([tmp_path])
    assert [each.name for each in result.examined] == ["llama"]
    assert (result.unreadable, [each.rule for each in result.remarks]) == ((), [])


def test_what_a_kustomization_only_lists_is_examined(tmp_path: Path) -> None:
    written(
        tmp_path,
        kustomization_yaml="resources: [deployment.yaml]\npatches:\n- patch: |-\n    x: 1\n- 5\n",
        deployment_yaml=alpha({"W|multinode|nodeCount": 4}),
    )
    assert [each.rule for each in lint([tmp_path]).remarks] == ["K8S-001"]


def test_a_broken_kustomization_hides_nothing(tmp_path: Path) -> None:
    written(tmp_path, kustomization_yaml="patches: [", deployment_yaml=alpha())
    assert len(load_any(tmp_path / "deployment.yaml")) == 1


def test_templates_of_a_chart_are_skipped_unless_they_deploy(tmp_path: Path) -> None:
    written(
        tmp_path,
        Chart_yaml="apiVersion: v2\nname: llm\n",
        values_yaml="replicas: 2\n",
        templates__service_yaml=SERVICE,
        templates__guarded_yaml=GUARDED,
    )
    nothing = lint([tmp_path])
    assert [each.where for each in nothing.unreadable] == [str(tmp_path)]
    assert "nothing was examined" in nothing.unreadable[0].text

    written(
        tmp_path, templates__deployment_yaml=SERVICE.replace("Service", "DynamoGraphDeployment")
    )
    (told,) = lint([tmp_path]).unreadable
    assert "render it first" in told.text


def test_a_broken_file_beside_no_chart_is_still_told(tmp_path: Path) -> None:
    written(tmp_path, guarded_yaml=GUARDED)
    with pytest.raises(ConfigError):
        load_any(tmp_path / "guarded.yaml")


def test_each_deployment_of_a_list_is_read_where_it_stands(tmp_path: Path) -> None:
    path = written(tmp_path, all_yaml=in_a_list(alpha(), beta({"metadata|name": "two"})))
    first, second = load_any(path / "all.yaml")
    assert (first.name, second.name) == ("llama", "two")
    places = [each.where("roles.Worker.nodes_per_worker") for each in (first, second)]
    lines = (path / "all.yaml").read_text(encoding="utf-8").splitlines()
    assert [lines[place.line - 1].strip() for place in places] == ["nodeCount: 2"] * 2
    assert places[0].line < places[1].line


def test_several_templates_in_one_deployment_are_one_remark(tmp_path: Path) -> None:
    templated = alpha({"W|replicas": "{{ .r }}", "W|multinode|nodeCount": "{{ .n }}"})
    (topology,) = load_any(written(tmp_path, d_yaml=templated) / "d.yaml")
    (remark,) = [each for each in examine(topology).remarks if each.rule == "K8S-002"]
    assert len(remark.violation.related) == 1


def test_one_shutdown_timeout_for_all_components_is_one_remark(tmp_path: Path) -> None:
    timeout = {"name": "DYN_RUNTIME_GRACEFUL_SHUTDOWN_TIMEOUT_SECS", "value": "300"}
    path = written(tmp_path, d_yaml=beta({"spec|env": [timeout]})) / "d.yaml"
    (topology,) = load_any(path)
    assert [each.rule for each in examine(topology).remarks].count("K8S-008") == 1
