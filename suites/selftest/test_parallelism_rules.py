"""Each static parallelism rule refuses what it must, and leaves every legal oddity alone."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType
from typing import Any

import pytest

from fixtures.config.load import CONFIGS_DIR, load_topology
from fixtures.model.requirement import Finding
from fixtures.model.topology import Topology
from fixtures.rules.parallelism import RULES, refuse

pytestmark = pytest.mark.selftest

MTP = "deepseek-r1-mtp-disagg"
AGGREGATED = "deepseek-r1-wide-ep-agg"


def changed(name: str, *, engine: dict[str, Any] | None = None, **role: Any) -> Topology:
    """A shipped topology whose first role, and the engine of that role, differ as told.

    `raw` in `engine` adds to the engine's document instead of replacing it.
    """
    topology = load_topology(name)
    first, *others = topology.roles
    values = dict(engine or {})
    values["raw"] = MappingProxyType({**first.engine.raw, **values.get("raw", {})})
    first = replace(first, engine=replace(first.engine, **values), **role)
    return replace(topology, roles=(first, *others))


def with_heads(topology: Topology, heads: int, kv_heads: int) -> Topology:
    """The same deployment with a model of another shape."""
    model = replace(topology.model, attention_heads=heads, kv_heads=kv_heads)
    return replace(topology, model=model)


def only(findings: dict[str, list[Finding]], rule: str) -> Finding:
    """The one finding, which must belong to that rule."""
    assert list(findings) == [rule]
    (finding,) = findings[rule]
    return finding


@pytest.mark.parametrize(
    "path", sorted((CONFIGS_DIR / "topologies").glob("*.yaml")), ids=lambda p: p.stem
)
def test_no_rule_refuses_a_shipped_topology(path: Any) -> None:
    assert refuse(load_topology(path)) == {}


def test_every_rule_is_listed_under_its_id() -> None:
    assert list(RULES) == ["PAR-001", "PAR-002", "PAR-007", "SLM-001"]
    assert all((rule.__doc__ or "").startswith(rule_id) for rule_id, rule in RULES.items())


def test_tp16_on_three_nodes_of_four_gpus_is_refused() -> None:
    finding = only(refuse(changed(AGGREGATED, nodes_per_worker=3)), "PAR-001")

    assert "TP16 x PP1 x CP1 = 16 GPUs" in finding.actual
    assert "3 nodes x 4 GPUs = 12" in finding.actual
    assert "wide-ep-agg.yaml:3:1" in finding.actual
    assert "deepseek-r1-wide-ep-agg.yaml:17:5" in finding.actual
    assert finding.hint == "nodes_per_worker: 4 gives 16 GPUs"


def test_a_world_smaller_than_a_node_gets_fewer_gpus() -> None:
    topology = changed(MTP, engine={"tensor_parallel": 2, "expert_parallel": 2})

    assert "gpus_per_node: 2" in only(refuse(topology), "PAR-001").hint


def test_a_world_that_fills_no_node_gets_another_tp() -> None:
    topology = changed(MTP, engine={"tensor_parallel": 6, "expert_parallel": 2}, nodes_per_worker=1)

    hint = only(refuse(topology), "PAR-001").hint

    assert hint == "tensor_parallel_size: 4 with nodes_per_worker: 1 works"


def test_pipeline_stages_count_as_gpus() -> None:
    engine = {"tensor_parallel": 8, "pipeline_parallel": 2, "expert_parallel": 8}

    assert refuse(changed(AGGREGATED, engine=engine)) == {}


def test_an_unset_key_is_reported_at_the_topology_file() -> None:
    nowhere: MappingProxyType[str, Any] = MappingProxyType({})
    engine = {"tensor_parallel": 1, "expert_parallel": None, "positions": nowhere}

    finding = only(refuse(changed(AGGREGATED, engine=engine)), "PAR-001")

    assert "deepseek-r1-wide-ep-agg.yaml:18:5" in finding.actual


def test_ep16_over_tp4_is_refused() -> None:
    finding = only(refuse(changed(MTP, engine={"expert_parallel": 16})), "PAR-002")

    assert "MoE TP0 x EP16 x cluster 1 = 0, not 4" in finding.actual
    assert "mtp-prefill.yaml:4:1" in finding.actual
    assert finding.hint == "moe_expert_parallel_size: 4 divides 4"


def test_explicit_moe_sizes_that_do_not_multiply_to_tp_are_refused() -> None:
    engine = {"expert_parallel": 4, "raw": {"moe_tensor_parallel_size": 2}}

    finding = only(refuse(changed(MTP, engine=engine)), "PAR-002")

    assert "MoE TP2 x EP4 x cluster 1 = 8, not 4" in finding.actual
    assert "left out" in finding.hint


@pytest.mark.parametrize(
    "engine",
    [
        {"expert_parallel": None},
        {"expert_parallel": 1},
        {"expert_parallel": 2},
        {"expert_parallel": 2, "raw": {"moe_tensor_parallel_size": 2}},
        {"expert_parallel": None, "raw": {"moe_tensor_parallel_size": 4}},
        {"expert_parallel": 1, "raw": {"moe_cluster_parallel_size": 4}},
    ],
)
def test_legal_expert_layouts_over_tp4_pass(engine: dict[str, Any]) -> None:
    assert refuse(changed(MTP, engine=engine)) == {}


def test_helix_spreads_experts_over_context_ranks_too() -> None:
    engine = {"tensor_parallel": 2, "context_parallel": 2, "expert_parallel": 4}
    helix = {**engine, "raw": {"cp_config": {"cp_type": "HELIX"}}}

    assert refuse(changed(MTP, engine=helix)) == {}
    assert list(refuse(changed(MTP, engine=engine))) == ["PAR-002"]


def test_forty_heads_on_tp16_are_refused() -> None:
    engine = {"attention_data_parallel": False, "expert_parallel": 1}
    topology = with_heads(changed(AGGREGATED, engine=engine), heads=40, kv_heads=8)

    finding = only(refuse(topology), "PAR-007")

    assert "40 heads / TP16 leaves 8" in finding.actual
    assert "wide-ep-agg.yaml:3:1" in finding.actual
    assert finding.hint.startswith("TP16 does not divide 40 heads; TP8 over 2 nodes does")


def test_the_suggested_tp_suits_the_expert_parallel_size() -> None:
    engine = {"attention_data_parallel": False}
    topology = with_heads(changed(AGGREGATED, engine=engine), heads=40, kv_heads=8)

    finding = only(refuse(topology), "PAR-007")

    assert finding.hint == "TP16 does not divide 40 heads; set enable_attention_dp: true"


def test_forty_heads_on_tp16_with_attention_dp_pass() -> None:
    assert refuse(with_heads(load_topology(AGGREGATED), heads=40, kv_heads=8)) == {}


@pytest.mark.parametrize("tensor", [4, 8, 20])
def test_forty_heads_on_a_tp_that_divides_them_pass(tensor: int) -> None:
    engine = {
        "tensor_parallel": tensor,
        "expert_parallel": 1,
        "attention_data_parallel": False,
    }
    topology = changed(AGGREGATED, engine=engine, nodes_per_worker=tensor // 4)

    roomy = replace(topology, allocation_nodes=5)

    assert refuse(with_heads(roomy, heads=40, kv_heads=8)) == {}


def test_fewer_kv_heads_than_tp_are_never_flagged() -> None:
    engine = {"attention_data_parallel": False}

    assert refuse(with_heads(changed(AGGREGATED, engine=engine), heads=128, kv_heads=8)) == {}


def test_eight_nodes_do_not_fit_into_six() -> None:
    topology = replace(load_topology("deepseek-r1-wide-ep-disagg"), allocation_nodes=6)

    finding = only(refuse(topology), "SLM-001")

    assert "1 prefill x 4 + 1 decode x 4 = 8 nodes > 6 allocated" in finding.actual
    assert "deepseek-r1-wide-ep-disagg.yaml:8:3" in finding.actual
    assert finding.hint == "allocation.nodes: 8"


def test_every_worker_of_a_role_needs_its_nodes() -> None:
    finding = only(refuse(changed(MTP, workers=2)), "SLM-001")

    assert "2 prefill x 1 + 1 decode x 1 = 3 nodes > 2" in finding.actual


def test_spare_nodes_are_fine() -> None:
    assert refuse(replace(load_topology(MTP), allocation_nodes=18)) == {}


def test_more_gpus_than_a_node_has_are_refused() -> None:
    engine = {"tensor_parallel": 8}

    finding = only(refuse(changed(MTP, engine=engine, gpus_per_node=8)), "SLM-001")

    assert "gpus_per_node 8 > 4 of gb200" in finding.actual
    assert finding.hint == "gpus_per_node: 4 with nodes_per_worker: 2 has as many GPUs"


def test_all_violated_rules_are_named_at_once() -> None:
    engine = {"tensor_parallel": 24, "attention_data_parallel": False}

    violated = refuse(with_heads(changed(AGGREGATED, engine=engine), heads=40, kv_heads=8))

    assert list(violated) == ["PAR-001", "PAR-002", "PAR-007"]
