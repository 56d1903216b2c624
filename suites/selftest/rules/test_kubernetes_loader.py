"""Passing means: manifests of either API version become the topology that they describe.

What the rules say about them is the subject of the cases of the family.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixtures.config.errors import ConfigError
from fixtures.config.paths import CONFIGS_DIR
from fixtures.loaders import kubernetes_template
from fixtures.loaders.kubernetes_shell import shell_commands
from fixtures.loaders.read import NotADeploymentError, load_any
from fixtures.model.engine import UNKNOWN_ENGINE
from fixtures.model.position import Position
from fixtures.model.remark import Severity
from fixtures.model.topology import Topology
from fixtures.rules.catalogue import examine

from .cases_kubernetes_cluster import domain
from .manifests import ENGINE, MODEL, TRTLLM_ARGS, alpha, beta, config_map, in_a_shell, text

pytestmark = pytest.mark.selftest

SHIPPED = sorted((CONFIGS_DIR / "kubernetes").glob("*.yaml"))
TEMPLATE = """\
apiVersion: nvidia.com/v1alpha1
kind: DynamoGraphDeployment
metadata:
  name: chart
spec:
  services:
    Worker:
      multinode:
        nodeCount: {{ .Values.nodes }}
"""


def load(directory: Path, *documents: str) -> tuple[Topology, ...]:
    """What a file of these documents describes."""
    path = directory / "deploy.yaml"
    path.write_text("---\n".join(documents), encoding="utf-8")
    return load_any(path)


def only(directory: Path, *documents: str) -> Topology:
    """The one topology of a file of these documents."""
    (topology,) = load(directory, *documents)
    return topology


def line_at(position: Position) -> str:
    """The file from that position to the end of its line."""
    line = position.file.read_text(encoding="utf-8").splitlines()[position.line - 1]
    return line[position.column - 1 :]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_manifest_is_clean(path: Path) -> None:
    (topology,) = load_any(path)

    above = [r for r in examine(topology).remarks if r.severity is not Severity.ADVICE]
    assert above == []
    assert topology.model is not None
    assert topology.notes == ()


@pytest.mark.parametrize("build", [alpha, beta])
def test_both_api_versions_say_the_same(build: Any, tmp_path: Path) -> None:
    topology = only(tmp_path, build({"W|replicas": 3}))

    (role,) = topology.roles
    assert (role.name, role.label, role.workers, role.span) == ("aggregated", "Worker", 3, (2, 4))
    assert (role.engine.kind, role.engine.world_size) == ("vllm", 8)
    assert topology.model is not None
    assert topology.served_model_name == MODEL
    assert topology.versions["dynamo"] == "1.4.0"
    assert (topology.orchestrator, topology.nodes_needed) == ("kubernetes", 6)
    assert line_at(topology.where("roles.Worker.workers")) == "replicas: 3"
    assert line_at(topology.where("roles.Worker.nodes_per_worker")) == "nodeCount: 2"
    assert line_at(role.engine.where("tensor_parallel_size")) == "--tensor-parallel-size"


def test_places_reach_into_a_config_map(tmp_path: Path) -> None:
    topology = only(
        tmp_path,
        config_map(
            agg_yaml="# first\n\n" + ENGINE.format(tensor=8) + "kv_cache_config:\n  dtype: fp8"
        ),
        alpha(kind="trtllm", args=TRTLLM_ARGS),
    )

    engine = topology.roles[0].engine
    assert engine.kind == "trtllm"
    assert line_at(engine.where("tensor_parallel_size")) == "tensor_parallel_size: 8"
    assert line_at(engine.where("kv_cache_config.dtype")) == "dtype: fp8"
    assert line_at(topology.where("roles.Worker.engine_config")) == "--extra-engine-args"


def test_mounts_tell_config_maps_with_the_same_key_apart(tmp_path: Path) -> None:
    first = config_map(agg_yaml=ENGINE.format(tensor=4)).replace("engines", "small")
    second = config_map(agg_yaml=ENGINE.format(tensor=8)).replace("engines", "large")
    mounted = {
        "POD|volumes": [{"name": "v", "configMap": {"name": "large"}}],
        "MAIN|volumeMounts": [{"name": "v", "mountPath": "/configs"}],
    }

    told = only(tmp_path, first, second, alpha(mounted, kind="trtllm", args=TRTLLM_ARGS))
    open_ = only(tmp_path, first, second, alpha(kind="trtllm", args=TRTLLM_ARGS))

    assert told.roles[0].engine.tensor_parallel == 8
    assert open_.roles[0].engine.kind == UNKNOWN_ENGINE
    assert "is in no ConfigMap of this file" in open_.notes[0]


def test_places_reach_into_a_script(tmp_path: Path) -> None:
    script = f'cd /workspace\nexec python3 -m dynamo.vllm \\\n  --model "{MODEL}" -tp "$TP"'
    topology = only(tmp_path, in_a_shell(script, {"MAIN|env": [{"name": "TP", "value": "8"}]}))

    engine = topology.roles[0].engine
    assert (engine.kind, engine.tensor_parallel) == ("vllm", 8)
    assert line_at(engine.where("tensor_parallel_size")) == '-tp "$TP"'


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("python3 -m dynamo.vllm --model m $EXTRA_ARGS", "only a shell could read"),
        ("python3 -m dynamo.vllm --model 'm", "only a shell could read"),
        ("TP=8\npython3 -m dynamo.vllm --model m -tp $TP", "is a template"),
        ("if a; then python3 -m dynamo.vllm; else python3 -m dynamo.sglang; fi", "only a shell"),
        ("./start.sh --tp 8", "may add flags of its own"),
        ("python3 -m dynamo.vllm --config /engines/vllm.yaml", "says more"),
        ("python3 -m dynamo.trtllm --extra-engine-args $FILE", "is a template"),
        ("python3 -m dynamo.trtllm --override-engine-args '{a'", "cannot be read as JSON"),
    ],
)
def test_what_cannot_be_read_stays_unknown(script: str, why: str, tmp_path: Path) -> None:
    topology = only(tmp_path, in_a_shell(script))

    assert topology.roles[0].engine.kind == UNKNOWN_ENGINE
    assert why in topology.notes[0]


def test_roles_come_from_types_or_flags(tmp_path: Path) -> None:
    by_type = only(tmp_path, beta({"W|type": "prefill"}))
    by_sub_type = only(tmp_path, alpha({"W|subComponentType": "decode"}))
    by_flag = only(tmp_path, alpha(args=f"--model {MODEL} --is-prefill-worker"))

    assert [t.roles[0].name for t in (by_type, by_sub_type, by_flag)] == [
        "prefill",
        "decode",
        "prefill",
    ]


def test_what_surrounds_the_workers_is_read(tmp_path: Path) -> None:
    topology = only(
        tmp_path,
        alpha(
            {
                "spec|envs": [{"name": "DYN_REQUEST_PLANE", "value": "tcp"}],
                "F|envs": [{"name": "DYN_ROUTER_MODE", "value": "kv"}],
                "W|envs": [{"name": "UCX_TLS", "value": "all"}],
                "W|resources|limits|memory": "1.5Gi",
                "POD|nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-GB200"},
            }
        ),
    )

    (role,) = topology.roles
    assert topology.router_mode == "kv"
    assert dict(topology.planes) == {"request": "tcp"}
    assert set(topology.environment) == {"DYN_REQUEST_PLANE"}
    assert set(role.environment) == {"UCX_TLS"}
    assert (role.shared_memory_mib, role.host_memory_mib) == (200 * 1024, 1536)
    assert topology.system is not None
    assert topology.system.name == "gb200"


def test_an_engine_that_nobody_names_keeps_its_visible_sizes(tmp_path: Path) -> None:
    changes = {"MAIN|command": None, "MAIN|image": "registry.example/mine:1"}
    topology = only(tmp_path, alpha(changes, args="--tp-size 8"))

    (role,) = topology.roles
    assert role.engine.kind == UNKNOWN_ENGINE
    assert role.engine.raw == {"tensor_parallel_size": 8}


def test_files_without_a_deployment(tmp_path: Path) -> None:
    with pytest.raises(NotADeploymentError):
        load(tmp_path, config_map(a_yaml="x: 1"))
    alone = only(tmp_path, domain(4))
    assert (alone.name, alone.roles) == ("llama", ())


def test_several_deployments_get_names_of_their_own(tmp_path: Path) -> None:
    found = load(tmp_path, alpha(), alpha({"metadata|name": "Other_1"}), alpha())
    assert [each.name for each in found] == ["llama", "other-1", "llama-2"]


@pytest.mark.parametrize(
    ("document", "line", "what"),
    [
        (alpha().replace("v1alpha1", "v1beta1"), 6, "v1beta1 knows no spec.services"),
        (beta().replace("v1beta1", "v1alpha1"), 6, "v1alpha1 knows no spec.components"),
        (text({"apiVersion": "nvidia.com/v1alpha1", "kind": "DynamoGraphDeployment"}), 1, "keeps"),
    ],
)
def test_a_deployment_without_its_list_is_refused(
    document: str, line: int, what: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError) as refused:
        load(tmp_path, document)
    assert f"deploy.yaml:{line}:" in str(refused.value)
    assert what in str(refused.value)


def test_a_template_that_is_no_yaml_is_called_one(tmp_path: Path) -> None:
    path = tmp_path / "deploy.yaml"
    assert kubernetes_template.FORMAT.recognises(path, TEMPLATE)
    assert not kubernetes_template.FORMAT.recognises(path, alpha())
    assert not kubernetes_template.FORMAT.recognises(path, alpha({"W|replicas": "{{ .n }}"}))

    with pytest.raises(ConfigError) as refused:
        kubernetes_template.FORMAT.load(path, TEMPLATE)
    assert "deploy.yaml:9:20" in str(refused.value)
    assert "render it first" in str(refused.value)


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("a 'b c' \"d $X\" e\\ f", [["a", "b c", "d 1", "e f"]]),
        ("a \\\n b # c\nd", [["a", "b"], ["d"]]),
        ("a 2>&1 >/dev/null | b && c; d &", [["a"], ["b"], ["c"], ["d"]]),
        ("a $X ${X} $Y ${Y:-2} $(b c)", [["a", "1", "1", "$Y", "${Y:-2}", "$(b c)"]]),
        ('a \'{"b": 1}\' ""', [["a", '{"b": 1}', ""]]),
        ("a 'b", None),
        ('a "b', None),
    ],
)
def test_scripts_are_split_as_a_shell_would(script: str, words: list[list[str]] | None) -> None:
    found = shell_commands(script, lambda _at: Position(Path("x"), 1, 1), {"X": "1"})
    assert words == (found and [[word.value for word in each] for each in found])
