"""Passing means: `dynamo serve` files and srt-slurm recipes give what they say, and no more."""

from __future__ import annotations

import contextlib
import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.config.errors import ConfigError
from fixtures.config.paths import CONFIGS_DIR
from fixtures.config.yaml_source import parse_yaml_documents
from fixtures.loaders.naming import topology_name
from fixtures.loaders.read import YAML_FORMATS, load_any
from fixtures.model.engine import UNKNOWN_ENGINE
from fixtures.model.remark import Severity
from fixtures.model.topology import Role, Topology
from fixtures.rules.catalogue import examine

from .rules.cases_dynamo_serve import DISAGG
from .rules.cases_srt_slurm import SGLANG, TRTLLM, VLLM
from .rules.user_files import with_line

pytestmark = pytest.mark.selftest

QUICK = settings(max_examples=150, deadline=None, derandomize=True, database=None)
VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(-(2**63), 2**63 - 1),
        st.floats(allow_nan=False, allow_infinity=False),
        st.sampled_from(["", "0", "8", "x", "kv", "4x8", "$TP", "trtllm", "{", "\n", "1" * 40]),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from("abc"), inner, max_size=3)
    ),
    max_leaves=5,
)


def load(text: str, directory: Path, name: str = "graph.yaml") -> tuple[Topology, ...]:
    """The topologies of a file with that text."""
    path = directory / name
    path.write_text(text, encoding="utf-8")
    return load_any(path)


def line_of(topology: Topology, fact: str) -> str:
    """The line of the user's file that a fact of the topology points at."""
    where = topology.where(fact)
    return where.file.read_text(encoding="utf-8").splitlines()[where.line - 1].strip()


def by_key(topology: Topology) -> dict[str, Role]:
    """The roles by the key that their positions are filed under."""
    return {role.key: role for role in topology.roles}


def test_a_graph_gives_its_workers_with_what_they_take_from_common(tmp_path: Path) -> None:
    (topology,) = load(DISAGG, tmp_path)

    roles = by_key(topology)
    assert {key: role.name for key, role in roles.items()} == {
        "VllmWorker": "decode",
        "PrefillWorker": "prefill",
    }
    assert topology.format == "dynamo_serve"
    assert topology.orchestrator == "serve"
    assert topology.router_mode == "kv"
    assert topology.model is not None
    assert topology.model.name == "llama-3.1-405b-fp8"
    assert roles["VllmWorker"].engine.raw["block_size"] == 64
    assert roles["VllmWorker"].engine.raw["max_num_seqs"] == 16
    assert "block_size" in roles["PrefillWorker"].engine.raw
    assert topology.allocation_nodes is None
    assert roles["VllmWorker"].nodes_per_worker is None


def test_facts_of_a_graph_point_at_the_lines_that_state_them(tmp_path: Path) -> None:
    (topology,) = load(DISAGG, tmp_path)

    assert line_of(topology, "model").startswith("model: nvidia/")
    assert line_of(topology, "served_model_name").startswith("served_model_name:")
    assert line_of(topology, "router.mode") == "router: kv"
    assert line_of(topology, "roles.PrefillWorker.workers") == "workers: 1"
    assert line_of(topology, "roles.PrefillWorker.gpus_per_node") == "gpu: '8'"
    assert line_of(topology, "roles.PrefillWorker.nodes_per_worker") == "PrefillWorker:"


def test_services_beside_the_workers_become_settings(tmp_path: Path) -> None:
    (topology,) = load(DISAGG, tmp_path)

    assert topology.environment["Processor.block-size"].value == "64"
    assert topology.environment["Processor.block-size"].where.line == 4
    assert topology.environment["Router.min-workers"].value == "1"
    assert "Router.max-model-len" not in topology.environment


def test_a_services_own_key_wins_over_common(tmp_path: Path) -> None:
    (topology,) = load(
        with_line(DISAGG, "  router: kv\n", "  router: kv\n  block-size: 128\n"), tmp_path
    )

    assert topology.environment["Processor.block-size"].value == "128"


def test_a_router_that_nobody_asks_is_not_in_use(tmp_path: Path) -> None:
    (topology,) = load(with_line(DISAGG, "router: kv", "router: round-robin"), tmp_path)

    assert not any(name.startswith("Router.") for name in topology.environment)


def test_prefill_without_remote_prefill_is_not_in_use(tmp_path: Path) -> None:
    (topology,) = load(with_line(DISAGG, "remote-prefill: true", "remote-prefill: false"), tmp_path)

    assert [role.name for role in topology.roles] == ["aggregated"]
    assert topology.notes == ("PrefillWorker is not used: no worker has remote-prefill",)


def test_a_file_of_one_worker_says_that_the_other_is_elsewhere(tmp_path: Path) -> None:
    (topology,) = load("VllmWorker:\n  remote-prefill: true\n", tmp_path)

    assert [role.name for role in topology.roles] == ["decode"]
    assert topology.notes == ("the prefill worker is not in this file",)


def test_an_engine_configured_in_another_file_is_unknown(tmp_path: Path) -> None:
    text = "TensorRTLLMWorker:\n  engine_args: configs/llm_api_config.yaml\nFrontend:\n"
    (topology,) = load(text, tmp_path)

    assert topology.roles[0].engine.kind == UNKNOWN_ENGINE
    assert "in another file" in topology.notes[0]


def test_ray_counts_only_where_it_is_stated(tmp_path: Path) -> None:
    (topology,) = load("VllmWorker:\n  tensor-parallel-size: 16\n", tmp_path)
    assert topology.orchestrator == "serve"

    (topology,) = load("VllmWorker:\n  distributed-executor-backend: ray\n", tmp_path)
    assert topology.orchestrator == "ray"


@pytest.mark.parametrize("text", ["VllmWorker: 8\n", "VllmWorker: {}\nRouter: [1]\n"])
def test_a_service_that_is_no_mapping_is_refused_where_it_stands(text: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"graph.yaml:\d:1: \w+ must be a mapping"):
        load(text, tmp_path)


@pytest.mark.parametrize("name", ["multinode-405b", "multinode-r1-agg", "multinode-r1-disagg"])
def test_shipped_graphs_raise_nothing_above_advice(name: str) -> None:
    (topology,) = load_any(CONFIGS_DIR / "serve" / f"{name}.yaml")

    assert topology.model is not None
    assert topology.notes == ()
    assert [r for r in examine(topology).remarks if r.severity is not Severity.ADVICE] == []


@pytest.mark.parametrize(
    ("sizes", "span", "allocation"),
    [
        ({"decode_nodes": 8, "decode_workers": 4}, (2, 4), 9),
        ({"decode_nodes": 2, "decode_workers": 8}, (1, 1), None),
        ({"decode_nodes": 3, "decode_workers": 2}, (None, 4), None),
        ({"decode_nodes": 0, "decode_workers": 4}, (None, 4), None),
        ({"decode_nodes": 0, "decode_workers": 4, "gpus_per_decode": 4}, (1, 4), None),
        ({"decode_nodes": 4, "decode_workers": 2, "gpus_per_decode": 8}, (2, 4), 5),
        ({"decode_nodes": 2, "decode_workers": 1, "gpus_per_decode": 6}, (None, 4), None),
        ({"decode_nodes": "many", "decode_workers": 1}, (None, 4), None),
        ({"decode_nodes": 2, "decode_workers": 1, "gpus_per_node": None}, (2, None), 3),
    ],
)
def test_nodes_of_a_recipe_are_those_of_all_workers(
    sizes: dict[str, Any],
    span: tuple[int | None, int | None],
    allocation: int | None,
    tmp_path: Path,
) -> None:
    document = yaml.safe_load(TRTLLM)
    document["resources"] |= sizes
    (topology,) = load(yaml.safe_dump(document), tmp_path)

    decode = topology.role("decode")
    assert (decode.nodes_per_worker, decode.gpus_per_node) == span
    assert topology.allocation_nodes == allocation


def test_a_recipe_gives_model_system_versions_and_load(tmp_path: Path) -> None:
    (topology,) = load(TRTLLM, tmp_path)

    assert (topology.name, topology.orchestrator) == ("dsr1-fp4-1p4d", "slurm")
    assert topology.model is not None
    assert topology.model.name == "deepseek-r1-nvfp4"
    assert topology.system is not None
    assert topology.system.name == "gb200"
    assert topology.versions["dynamo"] == "1.2.0"
    assert topology.versions["trtllm"] == "1.3.0rc14"
    assert topology.workload is not None
    assert topology.workload.concurrency == (4, 8, 16)
    assert topology.role("prefill").environment["TRTLLM_ENABLE_PDL"].value == "1"
    assert line_of(topology, "roles.decode.workers") == "decode_workers: 4"
    assert topology.role("decode").engine.where("kv_cache_config.dtype").line > 40


def test_flags_in_a_recipe_are_read_as_the_engines_own(tmp_path: Path) -> None:
    (topology,) = load(SGLANG, tmp_path)

    (role,) = topology.roles
    assert (role.engine.kind, role.engine.world_size, role.engine.data_parallel) == (
        "sglang",
        16,
        16,
    )
    assert topology.served_model_name == "deepseek-ai/DeepSeek-R1"
    assert topology.model is not None
    assert topology.model.name == "deepseek-r1-fp8"
    assert dict(topology.versions) == {"sglang": "0.5.8"}


def test_a_family_gives_its_base_and_every_variant(tmp_path: Path) -> None:
    base, variant = load(VLLM + "zip_override_x:\n  a: [1]\n", tmp_path)

    assert (base.name, variant.name) == ("r1-vllm", "r1-vllm-tp8")
    assert base.roles[0].engine.world_size == variant.roles[0].engine.world_size == 16
    assert variant.roles[0].engine.tensor_parallel == 8
    assert variant.roles[0].engine.raw["enable_expert_parallel"] is True
    assert "zip_override_x was not read" in base.notes


def test_an_alias_that_is_not_certain_stays_unknown(tmp_path: Path) -> None:
    (topology,) = load(with_line(TRTLLM, "path: dsr1-fp4", "path: our-own"), tmp_path)

    assert topology.model is None
    assert "not known" in topology.notes[0]


def test_a_recipe_without_engine_settings_has_an_unknown_engine(tmp_path: Path) -> None:
    (topology,) = load(with_line(SGLANG, "type: sglang\n", "type: trtllm\n"), tmp_path)

    assert topology.roles[0].engine.kind == UNKNOWN_ENGINE
    assert topology.notes == ("the engine settings of aggregated are not in this file",)


@pytest.mark.parametrize("text", [DISAGG, TRTLLM, SGLANG, VLLM])
def test_exactly_one_format_claims_a_file(text: str) -> None:
    (document,) = parse_yaml_documents(text, Path("file.yaml"))

    assert sum(each.recognises(document) for each in YAML_FORMATS) == 1


@pytest.mark.parametrize(
    ("parts", "name"),
    [
        (("DSR1_fp8 (1P4D)",), "dsr1-fp8-1p4d"),
        (("a..b", "tp8"), "a.b-tp8"),
        (("--",), "deployment"),
        ((None, "x"), "x"),
        (("é" * 500,), "deployment"),
    ],
)
def test_names_of_topologies_are_made_of_what_users_write(
    parts: tuple[object, ...], name: str
) -> None:
    assert topology_name(*parts) == name


@given(data=st.data())
@QUICK
def test_no_value_in_a_file_breaks_its_reading(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    document = yaml.safe_load(data.draw(st.sampled_from([DISAGG, TRTLLM, SGLANG, VLLM])))
    for _ in range(data.draw(st.integers(1, 3))):
        _spoil(data, document)

    topologies: tuple[Topology, ...] = ()
    with contextlib.suppress(ConfigError):
        topologies = load(yaml.safe_dump(document), tmp_path_factory.mktemp("spoilt"))

    assert all(examine(topology).asked for topology in topologies)


def _spoil(data: st.DataObject, document: dict[str, Any]) -> None:
    """Put a value of any kind in one place."""
    inside: Any = document
    while True:
        keys = sorted(inside) if isinstance(inside, dict) else list(range(len(inside)))
        key = data.draw(st.sampled_from(keys))
        below = inside[key]
        if not (isinstance(below, dict | list) and below) or data.draw(st.integers(0, 3)) == 0:
            inside[key] = copy.deepcopy(data.draw(VALUES))
            return
        inside = below
