"""Prefill and decode that vLLM can connect, and the same with one size that it cannot."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from fixtures.config.engine_flags import engine_from_raw
from fixtures.config.load import load_system
from fixtures.model.topology import Role, Topology, Workload

from .broken_pairing import settings, shipped_model, shipped_topology
from .pairs import Breaks, Pair

_NIXL = {"kv_transfer_config": {"kv_connector": "NixlConnector", "kv_role": "kv_both"}}


def vllm_pair(
    prefill: Mapping[str, Any], decode: Mapping[str, Any], workload: Workload | None = None
) -> Topology:
    """Llama-3.1-70B on H100 nodes, served by vLLM with these settings."""
    roles = []
    for name, raw in (("prefill", prefill), ("decode", decode)):
        engine = engine_from_raw("vllm", {**_NIXL, **raw}, {}, Path(f"{name}.yaml"))
        nodes = -(-engine.world_size // 8)
        roles.append(Role(name, 1, nodes, engine.world_size // nodes, engine))
    return replace(
        shipped_topology("deepseek-r1-simple-disagg"),
        model=shipped_model("llama-3.1-70b"),
        system=load_system("h100"),
        roles=tuple(roles),
        workload=workload or Workload(4000, 500),
        disaggregation_strategy=None,
        allocation_nodes=sum(role.nodes_per_worker or 0 for role in roles),
    )


def _tensors(prefill: int, decode: int, **both: Any) -> Topology:
    sizes = ({"tensor_parallel_size": size, **both} for size in (prefill, decode))
    return vllm_pair(*sizes)


@st.composite
def _nixl(draw: st.DrawFn) -> Pair:
    prefill, decode = (draw(st.sampled_from((2, 4, 8))) for _ in range(2))
    block, times = draw(st.sampled_from((16, 32))), draw(st.integers(1, 4))
    sizes = {"tensor_parallel_size": prefill}, {"tensor_parallel_size": decode}
    blocks = {"block_size": block}, {"block_size": block * times}
    valid = vllm_pair(sizes[0] | blocks[0], sizes[1] | blocks[1])
    if draw(st.booleans()):
        return valid, _tensors(8, draw(st.sampled_from((3, 5, 6, 7))))
    odd = {"block_size": block * times + draw(st.integers(1, block - 1))}
    return valid, vllm_pair(sizes[0] | blocks[0], sizes[1] | odd)


@st.composite
def _replicas(draw: st.DrawFn) -> Pair:
    # 8 KV heads, so that TP16 keeps each of them twice.
    decode = draw(st.sampled_from((2, 4, 8)))
    if draw(st.booleans()):
        return _tensors(8, decode), _tensors(16, decode)
    return _tensors(16, 16), _tensors(16, decode)


@st.composite
def _graphs(draw: st.DrawFn) -> Pair:
    size, block = draw(st.sampled_from((2, 4, 8))), draw(st.sampled_from((16, 32, 64)))
    both = {"block_size": block, "max_model_len": 8192, "tensor_parallel_size": size}
    processor = {"Processor.block-size": str(block), "Processor.max-model-len": "8192"}
    graph: dict[str, Any] = {
        "format": "dynamo_serve",
        "system": None,
        "workload": None,
        "environment": settings(processor),
    }
    key = draw(st.sampled_from(tuple(both)))
    valid = replace(vllm_pair(both, both), **graph)
    if key != "tensor_parallel_size" and draw(st.booleans()):
        other = settings({**processor, f"Processor.{key.replace('_', '-')}": "4096"})
        return valid, replace(valid, environment=other)
    broken = vllm_pair(both, {**both, key: both[key] * draw(st.integers(2, 4))})
    return valid, replace(broken, **graph)


@st.composite
def _local_prefill(draw: st.DrawFn) -> Pair:
    threshold, size = draw(st.integers(10, 2000)), {"tensor_parallel_size": 8}
    decode = {
        **size,
        "conditional_disagg": True,
        "max_local_prefill_length": threshold,
    }
    long = Workload(threshold + draw(st.integers(1, 2000)), 16)
    short = Workload(draw(st.integers(1, threshold)), 16)
    return vllm_pair(size, decode, long), vllm_pair(size, decode, short)


BREAKS: Breaks = {
    "PAIR-019": _nixl(),
    "PAIR-020": _replicas(),
    "PAIR-021": _graphs(),
    "PAIR-022": _local_prefill(),
}
