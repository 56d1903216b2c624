"""Valid TensorRT-LLM layouts, and the same with one size that does not fit the others."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from fixtures.model.topology import Topology

from .pairs import Breaks, Pair
from .worlds import aggregated_worlds, pair_worlds, with_engine, with_model, with_role

_ROLE = "aggregated"


def _tensor(topology: Topology) -> int:
    return topology.role(_ROLE).engine.tensor_parallel


@st.composite
def _another_node_count(draw: st.DrawFn) -> Pair:
    valid = draw(st.one_of(aggregated_worlds(), pair_worlds()))
    role = draw(st.sampled_from(valid.roles))
    nodes = draw(st.integers(1, 8).filter(lambda count: count != role.nodes_per_worker))
    roomy = replace(valid, allocation_nodes=100)
    return roomy, with_role(roomy, role.name, nodes_per_worker=nodes)


@st.composite
def _indivisible_ranks(draw: st.DrawFn) -> Pair:
    valid = draw(aggregated_worlds())
    tensor = _tensor(valid)
    expert = draw(st.integers(1, 100).filter(lambda size: tensor % size))
    return valid, with_engine(valid, _ROLE, moe_expert_parallel_size=expert)


@st.composite
def _clusters_with_experts(draw: st.DrawFn) -> Pair:
    world = draw(aggregated_worlds(stages=(1,)))
    cluster = {"moe_cluster_parallel_size": 2}
    valid = with_engine(world, _ROLE, **cluster, moe_expert_parallel_size=1)
    return valid, with_engine(valid, _ROLE, moe_expert_parallel_size=2)


@st.composite
def _attention_sizes(draw: st.DrawFn) -> Pair:
    world = draw(aggregated_worlds())
    ranks = _tensor(world)
    key = draw(st.sampled_from(("attn_tp_size", "attn_cp_size")))
    right = ranks if key == "attn_tp_size" else 1
    wrong = draw(st.integers(1, 100).filter(lambda size: size != right))
    return with_engine(world, _ROLE, **{key: right}), with_engine(world, _ROLE, **{key: wrong})


@st.composite
def _kind_of_context(draw: st.DrawFn) -> Pair:
    world = draw(aggregated_worlds(stages=(1,)))
    valid = with_engine(
        world,
        _ROLE,
        tensor_parallel_size=_tensor(world) // 2,
        context_parallel_size=2,
        moe_expert_parallel_size=2,
        cp_config={"cp_type": "HELIX"},
    )
    kind = draw(st.sampled_from(("RING", "STAR", "ULYSSES", "ring")))
    return valid, with_engine(valid, _ROLE, cp_config={"cp_type": kind})


@st.composite
def _lm_head_alone(draw: st.DrawFn) -> Pair:
    valid = with_engine(draw(aggregated_worlds()), _ROLE, enable_lm_head_tp_in_adp=True)
    return valid, with_engine(valid, _ROLE, enable_attention_dp=False)


@st.composite
def _heads(draw: st.DrawFn) -> Pair:
    world = with_engine(draw(aggregated_worlds()), _ROLE, enable_attention_dp=False)
    tensor = _tensor(world)
    if tensor == 1:
        world = with_engine(world, _ROLE, tensor_parallel_size=4, pipeline_parallel_size=None)
        world, tensor = with_role(world, _ROLE, nodes_per_worker=1), 4
    heads = tensor * draw(st.integers(1, 16))
    valid = with_model(world, attention_heads=heads, kv_heads=draw(st.integers(1, heads)))
    rest = draw(st.integers(1, tensor - 1))
    return valid, with_model(valid, attention_heads=heads + rest)


@st.composite
def _partition(draw: st.DrawFn) -> Pair:
    world = draw(aggregated_worlds(stages=(2, 4)))
    stages, layers = world.role(_ROLE).engine.pipeline_parallel, world.known_model.layers
    parts = [layers // stages] * (stages - 1)
    parts.append(layers - sum(parts))
    wrong = [[*parts[:-1], parts[-1] + draw(st.integers(1, 9))], parts[:-1], [*parts, 0]]
    return (
        with_engine(world, _ROLE, pp_partition=parts),
        with_engine(world, _ROLE, pp_partition=draw(st.sampled_from(wrong))),
    )


@st.composite
def _stages(draw: st.DrawFn) -> Pair:
    valid = draw(aggregated_worlds(stages=(2, 4)))
    stages = valid.role(_ROLE).engine.pipeline_parallel
    return valid, with_model(valid, layers=draw(st.integers(1, stages - 1)))


@st.composite
def _experts(draw: st.DrawFn) -> Pair:
    world = draw(aggregated_worlds(stages=(1,)))
    valid = with_engine(world, _ROLE, moe_expert_parallel_size=draw(st.sampled_from((2, 4))))
    expert = valid.role(_ROLE).engine.expert_parallel or 1
    more = draw(st.integers(1, expert - 1))
    return valid, with_model(valid, experts=(valid.known_model.experts or 0) + more)


@st.composite
def _gpus_per_node(draw: st.DrawFn) -> Pair:
    world = draw(aggregated_worlds(nodes=(2, 8)))
    wrong = draw(st.integers(1, 16).filter(lambda gpus: gpus != 4))
    return (
        with_engine(world, _ROLE, gpus_per_node=draw(st.sampled_from((None, 4)))),
        with_engine(world, _ROLE, gpus_per_node=wrong),
    )


BREAKS: Breaks = {
    "PAR-001": _another_node_count(),
    "PAR-002": _indivisible_ranks(),
    "PAR-003": _clusters_with_experts(),
    "PAR-004": _attention_sizes(),
    "PAR-005": _kind_of_context(),
    "PAR-006": _lm_head_alone(),
    "PAR-007": _heads(),
    "PAR-009": _partition(),
    "PAR-010": _stages(),
    "PAR-011": _experts(),
    "PAR-012": _gpus_per_node(),
}
