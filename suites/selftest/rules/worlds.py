"""TensorRT-LLM deployments that are valid by construction, of many sizes and models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st

from fixtures.config.engine_trtllm import trtllm_engine
from fixtures.config.load import load_system
from fixtures.config.yaml_source import Document
from fixtures.model.engine import EngineConfig
from fixtures.model.position import Position, Setting
from fixtures.model.releases import with_engine_versions
from fixtures.model.topology import ModelFacts, Role, Topology, Workload

HERE = Position(Path("topology.yaml"), 1, 1)
_BLOCK = 32


def engine(raw: Mapping[str, Any]) -> EngineConfig:
    """An engine as its file would be read; keys with a value of None are left out."""
    data = {key: value for key, value in raw.items() if value is not None}
    return trtllm_engine(Document(Path("engine.yaml"), data, {"": HERE}))


def with_engine(topology: Topology, role: str, **raw: Any) -> Topology:
    """The same with these engine keys of one role; None removes a key."""
    roles = tuple(
        replace(each, engine=engine({**each.engine.raw, **raw})) if each.name == role else each
        for each in topology.roles
    )
    return replace(topology, roles=roles)


def with_role(topology: Topology, role: str, **changes: Any) -> Topology:
    """The same with these fields of one role."""
    roles = tuple(replace(r, **changes) if r.name == role else r for r in topology.roles)
    return replace(topology, roles=roles)


def with_model(topology: Topology, **facts: Any) -> Topology:
    """The same with these facts of its model."""
    return replace(topology, model=replace(topology.known_model, **facts))


def released(topology: Topology, **versions: str) -> Topology:
    """The same in an image of these releases."""
    return replace(topology, versions=with_engine_versions(versions))


def settings_of(values: Mapping[str, str]) -> Mapping[str, Setting]:
    """Flags or variables, all written in the same place."""
    return MappingProxyType({name: Setting(value, HERE) for name, value in values.items()})


def in_blocks(tokens: int) -> int:
    """So many tokens, rounded up to whole cache blocks."""
    return -(-tokens // _BLOCK) * _BLOCK


@st.composite
def aggregated_worlds(
    draw: st.DrawFn, *, nodes: tuple[int, int] = (1, 8), stages: tuple[int, ...] = (1, 2, 4)
) -> Topology:
    """One kind of worker on GB200 nodes, for a model with experts, attention data parallel."""
    plan = Workload(isl=draw(st.integers(64, 16000)), osl=draw(st.integers(16, 1000)))
    model, span = draw(_models()), draw(st.integers(*nodes))
    length = in_blocks(plan.isl + plan.osl)
    raw = draw(_layouts(model, 4 * span, stages)) | {
        "max_batch_size": draw(st.sampled_from((8, 64, 256))),
        "max_num_tokens": length,
        "max_seq_len": length,
    }
    return _world(model, plan, (Role("aggregated", 1, span, 4, engine(raw)),))


@st.composite
def pair_worlds(draw: st.DrawFn, drafts: int = 0) -> Topology:
    """Prefill and decode workers on GB200 nodes, of sizes of their own."""
    plan = Workload(isl=draw(st.integers(64, 16000)), osl=draw(st.integers(16, 1000)))
    model, batch = draw(_models()), draw(st.sampled_from((32, 64, 256)))
    both: dict[str, Any] = {"cache_transceiver_config": {"backend": "DEFAULT"}}
    if drafts:
        both["speculative_config"] = {"decoding_type": "MTP", "num_nextn_predict_layers": drafts}
    roles = []
    for name in ("prefill", "decode"):
        span = draw(st.integers(1, 4))
        raw = draw(_layouts(model, 4 * span, (1,))) | both
        if name == "prefill":
            raw |= {"max_batch_size": 1, "max_num_tokens": in_blocks(plan.isl)}
            raw |= {"disable_overlap_scheduler": True}
        else:
            raw |= {"max_batch_size": batch, "max_num_tokens": batch * (1 + drafts)}
        raw["max_seq_len"] = in_blocks(plan.isl + plan.osl)
        roles.append(Role(name, draw(st.integers(1, 3)), span, 4, engine(raw)))
    return _world(model, plan, tuple(roles))


@st.composite
def balanced_worlds(draw: st.DrawFn) -> Topology:
    """An aggregated world with an inline expert load balancer."""
    world = draw(aggregated_worlds(stages=(1,)))
    role, experts = world.role("aggregated"), world.known_model.experts or 1
    ranks = role.engine.tensor_parallel
    spread = draw(st.sampled_from([size for size in range(2, ranks + 1) if ranks % size == 0]))
    slots = (-(-experts // spread) + draw(st.integers(0, 4))) * spread
    return with_engine(
        world,
        "aggregated",
        moe_expert_parallel_size=spread,
        moe_config={"backend": "CUTLASS", "load_balancer": {"num_slots": slots}},
    )


@st.composite
def _models(draw: st.DrawFn) -> ModelFacts:
    heads = draw(st.sampled_from((40, 64, 96, 128)))
    return ModelFacts(
        name="experts",
        hf_id="example/experts",
        architecture="DeepseekV3ForCausalLM",
        precision=draw(st.sampled_from(("fp8", "nvfp4", "bf16"))),
        layers=draw(st.integers(8, 128)),
        attention_heads=heads,
        kv_heads=8,
        hidden_size=heads * 128,
        vocab_size=128256,
        context_length=131072,
        experts=draw(st.sampled_from((16, 64, 128, 256, 384))),
        dense_layers=1,
        source="made up",
        head_dim=128,
        experts_per_token=4,
        nextn_layers=1,
    )


@st.composite
def _layouts(
    draw: st.DrawFn, model: ModelFacts, gpus: int, stages: tuple[int, ...]
) -> dict[str, Any]:
    """Parallel sizes over so many GPUs that suit the model."""
    depth = draw(st.sampled_from([each for each in stages if gpus % each == 0]))
    tensor = gpus // depth
    fits = [s for s in range(1, tensor + 1) if tensor % s == 0 and (model.experts or 1) % s == 0]
    return {
        "tensor_parallel_size": tensor,
        "pipeline_parallel_size": depth if depth > 1 else None,
        "moe_expert_parallel_size": draw(st.sampled_from(fits)),
        "enable_attention_dp": True,
        "kv_cache_config": {"dtype": "fp8", "free_gpu_memory_fraction": 0.3},
    }


def _world(model: ModelFacts, plan: Workload, roles: tuple[Role, ...]) -> Topology:
    return Topology(
        name="world",
        title="A valid deployment",
        path=Path("topology.yaml"),
        model=model,
        served_model_name="example/experts",
        system=load_system("gb200"),
        roles=roles,
        allocation_nodes=sum(role.workers * (role.nodes_per_worker or 0) for role in roles),
        router_mode="round-robin",
        disaggregation_strategy=None,
        workload=plan,
        seed="made up",
        positions=MappingProxyType({"": HERE}),
    )
