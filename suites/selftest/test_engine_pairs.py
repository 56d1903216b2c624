"""Passing means: engine files by themselves become deployments that say no more than they state."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.config.errors import ConfigError
from fixtures.config.load import CONFIGS_DIR
from fixtures.loaders.read import NotADeploymentError, load_any
from fixtures.model.remark import Severity
from fixtures.model.topology import Topology
from fixtures.rules.catalogue import RULES, examine, judge

from .rules.cases import aggregated, pair

pytestmark = pytest.mark.selftest

PAIR = pair()
ENGINE = aggregated()["engine.yaml"]
SHIPPED = sorted((CONFIGS_DIR / "engines" / "trtllm").glob("*/*.yaml"))
KEYS = sorted(
    json.loads((CONFIGS_DIR / "schemas" / "trtllm-engine.schema.json").read_text())["properties"]
)


def written(directory: Path, **files: str) -> Path:
    """Write these files (two underscores are a dot) and return the directory."""
    for name, text in files.items():
        (directory / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return directory


def only(path: Path) -> Topology:
    """The one deployment that a file describes."""
    (topology,) = load_any(path)
    return topology


@pytest.mark.parametrize("name", ["wide_ep_prefill.yaml", "wide_ep_decode.yaml"])
def test_either_file_of_a_pair_gives_the_same_deployment(tmp_path: Path, name: str) -> None:
    written(
        tmp_path,
        wide_ep_prefill__yaml=PAIR["prefill.yaml"],
        wide_ep_decode__yaml=PAIR["decode.yaml"],
    )

    topology = only(tmp_path / name)

    assert (topology.name, topology.format) == ("wide-ep", "engine_pair")
    assert topology.path == tmp_path / "wide_ep_prefill.yaml"
    assert [role.name for role in topology.roles] == ["prefill", "decode"]
    assert topology.role("decode").engine.path.name == "wide_ep_decode.yaml"
    assert topology.where("roles.decode.nodes_per_worker").file.name == "wide_ep_decode.yaml"
    assert topology.notes == ()


def test_files_called_after_their_role_alone_are_named_after_their_directory(
    tmp_path: Path,
) -> None:
    home = tmp_path / "Llama4_Maverick"
    home.mkdir()
    written(home, prefill__yml=PAIR["prefill.yaml"], decode__yaml=PAIR["decode.yaml"])

    assert {only(home / name).name for name in ("prefill.yml", "decode.yaml")} == {
        "llama4-maverick"
    }


def test_a_partner_in_capitals_is_found(tmp_path: Path) -> None:
    written(tmp_path, MTP_Prefill__yaml=PAIR["prefill.yaml"], MTP_Decode__yaml=PAIR["decode.yaml"])

    assert only(tmp_path / "MTP_Decode.yaml").name == "mtp"


@pytest.mark.parametrize("partner", [None, "some: thing\n", "apiVersion: v1\nkind: ConfigMap\n"])
def test_a_lone_file_has_one_role_and_says_so(tmp_path: Path, partner: str | None) -> None:
    written(tmp_path, mtp_prefill__yaml=PAIR["prefill.yaml"])
    if partner is not None:
        written(tmp_path, mtp_decode__yaml=partner)

    topology = only(tmp_path / "mtp_prefill.yaml")

    assert topology.name == "mtp-prefill"
    assert [role.name for role in topology.roles] == ["prefill"]
    assert topology.notes == ("its decode partner was not given",)
    remarks = examine(topology).remarks
    assert [each for each in remarks if each.severity is not Severity.ADVICE] == []


def test_a_broken_partner_is_an_error_of_its_own_file(tmp_path: Path) -> None:
    written(tmp_path, prefill__yaml=PAIR["prefill.yaml"], decode__yaml="max_batch_size: [\n")

    with pytest.raises(ConfigError, match=r"decode\.yaml:2:1: not valid YAML"):
        load_any(tmp_path / "prefill.yaml")


@pytest.mark.parametrize("name", ["agg.yaml", "prefill_decode.yaml", "TP16 (wide).yaml"])
def test_any_other_file_is_one_aggregated_worker(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(ENGINE, encoding="utf-8")

    topology = only(tmp_path / name)

    assert [role.name for role in topology.roles] == ["aggregated"]
    assert topology.role("aggregated").gpus_per_worker is None
    assert (topology.model, topology.system, topology.workload) == (None, None, None)
    assert topology.name == "-".join(name.lower()[:-5].replace("(", "").split()).replace(
        "_", "-"
    ).replace(")", "")


def test_a_model_is_known_only_where_the_files_name_one(tmp_path: Path) -> None:
    named = f"model: nvidia/DeepSeek-R1-FP4\n{ENGINE}"
    written(tmp_path, agg__yaml=named)
    model = only(tmp_path / "agg.yaml").model

    assert model is not None
    assert model.experts == 256
    written(
        tmp_path,
        prefill__yaml=f"model: nvidia/DeepSeek-R1-FP4\n{PAIR['prefill.yaml']}",
        decode__yaml=f"model: Qwen/Qwen3-0.6B\n{PAIR['decode.yaml']}",
    )
    assert only(tmp_path / "prefill.yaml").model is None


@pytest.mark.parametrize(
    "text",
    [
        "tensor_parallel_size: 16\n",
        "tensor_parallel_size: 16\nmax_model_len: 8192\nbackend: ray\n",
        "apiVersion: v1\nmax_batch_size: 1\nmax_num_tokens: 1\n",
        "a: 1\nb: 2\n",
    ],
)
def test_other_files_are_left_to_other_loaders(tmp_path: Path, text: str) -> None:
    written(tmp_path, some__yaml=text)

    with pytest.raises(NotADeploymentError):
        load_any(tmp_path / "some.yaml")


def test_a_second_document_is_refused(tmp_path: Path) -> None:
    written(tmp_path, agg__yaml=f"{ENGINE}---\n{ENGINE}")

    with pytest.raises(ConfigError, match="an engine file holds exactly one"):
        load_any(tmp_path / "agg.yaml")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_shipped_engine_file_is_clean_by_itself(path: Path) -> None:
    remarks = examine(only(path)).remarks

    assert [each for each in remarks if each.severity is not Severity.ADVICE] == []


_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**62), 2**62),
    st.sampled_from((0, -1, 1, 999_983, 1_000_000)),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(("HELIX", "default", "WIFEEP", "/mnt/eplb.yaml", "16", "true")),
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from((*KEYS, "num_slots", "backend", "batch_sizes")), inner),
    ),
    max_leaves=8,
)


@given(
    data=st.dictionaries(st.sampled_from(KEYS), _VALUES, min_size=2),
    role=st.sampled_from(("prefill", "decode", "agg")),
)
@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_whatever_the_values_are_every_rule_survives(
    tmp_path: Path, data: dict[str, Any], role: str
) -> None:
    text = json.dumps({"tensor_parallel_size": 4, "max_batch_size": 1, **data})
    (tmp_path / f"{role}.yaml").write_text(text, encoding="utf-8")
    try:
        (topology,) = load_any(tmp_path / f"{role}.yaml")
    except ConfigError:
        return

    for rule in RULES.values():
        if rule.in_scope(topology):
            judge(rule, topology)
