"""Valid vLLM and SGLang workers of many sizes, and the same with one size broken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st

from fixtures.config.engine_flags import engine_from_raw
from fixtures.model.position import Position, Setting
from fixtures.model.topology import ModelFacts, Role, System, Topology
from fixtures.rules.parallelism_vllm import WITHOUT_PIPELINES, crowded_node

from .pairs import Breaks, Pair

HERE = Position(Path("topology.yaml"), 1, 1)
_NODE = System("a-node", 8, "H100", 81920, 90, "x86_64", 1, "made up")
_MODEL = ModelFacts(
    name="a-model",
    hf_id="example/a-model",
    architecture="LlamaForCausalLM",
    precision="bf16",
    layers=64,
    attention_heads=128,
    kv_heads=8,
    hidden_size=16384,
    vocab_size=128256,
    context_length=131072,
    experts=None,
    dense_layers=64,
    source="made up",
)


def settings(**values: str) -> Mapping[str, Setting]:
    """Variables or flags, all written at the same place; an underscore is an underscore."""
    return MappingProxyType({name: Setting(value, HERE) for name, value in values.items()})


def role(name: str, kind: str, raw: Mapping[str, Any], nodes: int | None, workers: int = 1) -> Role:
    """Workers of that kind of engine, on nodes of eight GPUs."""
    flags = {} if name == "aggregated" else {"disaggregation-mode": Setting(name, HERE)}
    return Role(
        name=name,
        workers=workers,
        nodes_per_worker=nodes,
        gpus_per_node=None if nodes is None else 8,
        engine=engine_from_raw(kind, raw, {"": HERE}, HERE.file),
        flags=MappingProxyType(flags),
    )


def deployed(*roles: Role, model: ModelFacts = _MODEL) -> Topology:
    """A topology of these roles, with exactly the nodes that they need."""
    topology = Topology(
        name="a-topology",
        title="made up",
        path=HERE.file,
        model=model,
        served_model_name=model.hf_id,
        system=_NODE,
        roles=roles,
        allocation_nodes=None,
        router_mode="round-robin",
        disaggregation_strategy=None,
        workload=None,
        seed="made up",
        positions=MappingProxyType({"": HERE}),
    )
    return replace(topology, allocation_nodes=topology.nodes_needed)


def changed(topology: Topology, **changes: Any) -> Topology:
    """The same with other settings of the engine of its first role."""
    first, *others = topology.roles
    raw = {**first.engine.raw, **changes}
    engine = engine_from_raw(first.engine.kind, raw, {"": HERE}, HERE.file)
    return replace(topology, roles=(replace(first, engine=engine), *others))


def on_nodes(topology: Topology, nodes: int) -> Topology:
    """The same with another number of nodes for each worker of its first role."""
    first, *others = topology.roles
    return replace(topology, roles=(replace(first, nodes_per_worker=nodes), *others))


def one(kind: str, nodes: int, **raw: Any) -> Topology:
    """One aggregated worker."""
    return deployed(role("aggregated", kind, raw, nodes))


NODES = st.integers(1, 4)
SMALL = st.sampled_from((1, 2, 4, 8))


@st.composite
def _vllm_world(draw: st.DrawFn) -> Pair:
    nodes, tensor = draw(NODES), draw(SMALL)
    data = nodes * 8 // tensor
    valid = one("vllm", nodes, tensor_parallel_size=tensor, data_parallel_size=data)
    more = draw(st.integers(1, 8))
    return valid, draw(
        st.sampled_from(
            (
                on_nodes(valid, nodes + more),
                changed(valid, data_parallel_size=data + more),
                changed(valid, pipeline_parallel_size=1 + more),
            )
        )
    )


@st.composite
def _sglang_world(draw: st.DrawFn) -> Pair:
    nodes, data = draw(NODES), draw(SMALL)
    tensor = nodes * 8
    sizes = {"tensor_parallel_size": tensor, "data_parallel_size": data}
    valid = one("sglang", nodes, **sizes, enable_dp_attention=True)
    more = draw(st.integers(1, 8))
    return valid, draw(
        st.sampled_from(
            (
                on_nodes(valid, nodes + more),
                changed(valid, tensor_parallel_size=tensor + data * more),
                changed(valid, data_parallel_size=tensor + more),
            )
        )
    )


@st.composite
def _sglang_replicas(draw: st.DrawFn) -> Pair:
    nodes, data = draw(st.integers(2, 4)), draw(st.sampled_from((2, 4, 8)))
    sizes = {"tensor_parallel_size": nodes * 8, "data_parallel_size": data}
    valid = one("sglang", nodes, **sizes, enable_dp_attention=True)
    return valid, changed(valid, enable_dp_attention=False)


@st.composite
def _heads(draw: st.DrawFn) -> Pair:
    tensor, nodes = draw(st.sampled_from((2, 4, 8))), draw(NODES)
    heads = tensor * draw(st.integers(1, 16))
    sizes = {"tensor_parallel_size": tensor, "data_parallel_size": nodes * 8 // tensor}
    worker = role("aggregated", "vllm", sizes, nodes)
    valid = deployed(worker, model=replace(_MODEL, attention_heads=heads))
    odd = heads + draw(st.integers(1, tensor - 1))
    return valid, deployed(worker, model=replace(_MODEL, attention_heads=odd))


@st.composite
def _stages(draw: st.DrawFn) -> Pair:
    stages = draw(st.sampled_from((2, 4)))
    sizes = {"tensor_parallel_size": 8, "pipeline_parallel_size": stages}
    worker = role("aggregated", "vllm", sizes, stages)
    without = draw(st.sampled_from(sorted(WITHOUT_PIPELINES)))
    return deployed(worker), deployed(worker, model=replace(_MODEL, architecture=without))


@st.composite
def _decode_context(draw: st.DrawFn) -> Pair:
    nodes, copies = draw(st.sampled_from((1, 2))), draw(st.sampled_from((2, 4)))
    tensor = nodes * 8
    model = replace(_MODEL, kv_heads=tensor // copies, attention_heads=8 * tensor)
    sizes = {"tensor_parallel_size": tensor, "decode_context_parallel_size": copies}
    valid = deployed(role("aggregated", "vllm", sizes, nodes), model=model)
    wrong = draw(st.sampled_from((copies * 2, copies + 1, tensor * 2)))
    return valid, changed(valid, decode_context_parallel_size=wrong)


@st.composite
def _balanced_experts(draw: st.DrawFn) -> Pair:
    nodes, spare = draw(NODES), draw(st.integers(1, 64))
    sizes = {"tensor_parallel_size": 8, "data_parallel_size": nodes}
    balancer = {"eplb_config": {"num_redundant_experts": spare}, "enable_eplb": True}
    valid = one("vllm", nodes, **sizes, **balancer, enable_expert_parallel=True)
    wrong = draw(st.sampled_from(("enable_eplb", "enable_expert_parallel")))
    return valid, changed(valid, **{wrong: False})


@st.composite
def _groups(draw: st.DrawFn) -> Pair:
    groups, local, span = draw(st.integers(2, 4)), draw(st.sampled_from((1, 2, 4))), 1
    if local == 1:
        span = draw(st.sampled_from((1, 2)))
    nodes = groups * span
    sizes = {"tensor_parallel_size": 8 * span // local, "data_parallel_size": groups * local}
    valid = one("vllm", nodes, **sizes, data_parallel_size_local=local, nnodes=nodes)
    return valid, changed(valid, nnodes=nodes + draw(st.integers(1, groups - 1)))


@st.composite
def _one_node(draw: st.DrawFn) -> Pair:
    tensor = draw(SMALL)
    sizes = {"tensor_parallel_size": tensor, "data_parallel_size": 8 // tensor}
    stated = draw(st.sampled_from(({}, {"nnodes": 1})))
    valid = one("vllm", 1, **sizes, **stated)
    return valid, changed(valid, tensor_parallel_size=8 * draw(st.integers(2, 16)))


BREAKS: Breaks = {
    # One node with too few GPUs for its ranks is what PAR-021 speaks about.
    "PAR-013": _vllm_world().filter(lambda pair: not crowded_node(pair[1], pair[1].roles[0])),
    "PAR-014": _sglang_world(),
    "PAR-015": _sglang_replicas(),
    "PAR-016": _heads(),
    "PAR-017": _stages(),
    "PAR-018": _decode_context(),
    "PAR-019": _balanced_experts(),
    "PAR-020": _groups(),
    "PAR-021": _one_node(),
}
