"""Topologies that fit into their GPUs and nodes, and the same with one size that is off."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from fixtures.config.engine_trtllm import engine_from_mapping
from fixtures.model.topology import Role, Topology, Workload

from .broken_pairing import shipped_model, shipped_topology
from .pairs import Breaks, Pair

_EPLB = {"load_balancer": {"num_slots": 288, "layer_updates_per_iter": 2}}
_COPIES_MIB = {"deepseek-r1-nvfp4": 350_825, "deepseek-r1-fp8": 623_616}
"""58 layers x 256 experts x 3 x 7168 x 2048 weights at 9/16 and at 1 byte, rounded up."""


def _worker(
    nodes: int,
    model: str = "deepseek-r1-nvfp4",
    workload: Workload | None = None,
    memory: dict[str, int] | None = None,
    **engine: Any,
) -> Topology:
    """One aggregated worker over that many GB200 nodes, as wide as they are."""
    planned, size = workload or Workload(4000, 500), 4 * nodes
    raw = {
        "backend": "pytorch",
        "tensor_parallel_size": size,
        "moe_expert_parallel_size": size,
        "enable_attention_dp": True,
        "max_batch_size": 64,
        "max_num_tokens": 8448,
        "max_seq_len": 8448,
        "kv_cache_config": {"dtype": "fp8", "free_gpu_memory_fraction": 0.3},
        **engine,
    }
    settings = engine_from_mapping(raw, {}, Path("engine.yaml"))
    role = Role("aggregated", 1, nodes, 4, settings, **(memory or {}))
    return replace(
        shipped_topology("deepseek-r1-simple-agg"),
        model=shipped_model(model),
        roles=(role,),
        workload=planned,
        allocation_nodes=nodes,
    )


@st.composite
def _weights(draw: st.DrawFn) -> Pair:
    nodes = draw(st.sampled_from((1, 2, 4)))
    model = draw(st.sampled_from(("deepseek-r1-nvfp4", "qwen3-235b-a22b")))
    valid = _worker(nodes, model)
    system, facts = valid.system, shipped_model(model)
    assert system is not None
    assert facts.weights_gib is not None
    least = int(facts.weights_gib * 1024 / (4 * nodes) / 0.9)
    smaller = replace(system, hbm_mib_per_gpu=draw(st.integers(1, least)))
    return valid, replace(valid, system=smaller)


@st.composite
def _cache(draw: st.DrawFn) -> Pair:
    nodes = draw(st.sampled_from((1, 2, 4)))
    few, many = draw(st.integers(1, 64)), draw(st.integers(50_000, 100_000))
    valid = _worker(nodes, workload=Workload(4000, 500, (1, few)))
    crowd = Workload(4000, 500, (1, many))
    return valid, _worker(nodes, workload=crowd, max_batch_size=100_000)


@st.composite
def _concurrency(draw: st.DrawFn) -> Pair:
    nodes, batch = draw(st.sampled_from((1, 2, 4))), draw(st.integers(1, 64))
    wide = draw(st.booleans())
    limit = batch * (4 * nodes if wide else 1)
    engine = {"max_batch_size": batch, "enable_attention_dp": wide}
    fits, queues = draw(st.integers(1, limit)), limit + draw(st.integers(1, 1000))
    return (
        _worker(nodes, workload=Workload(400, 50, (fits,)), **engine),
        _worker(nodes, workload=Workload(400, 50, (queues,)), **engine),
    )


@st.composite
def _context(draw: st.DrawFn) -> Pair:
    nodes = draw(st.sampled_from((1, 2, 4)))
    model = draw(st.sampled_from(("deepseek-r1-nvfp4", "qwen3-235b-a22b")))
    context = shipped_model(model).context_length
    engine = {"max_seq_len": None, "max_num_tokens": context}
    isl = draw(st.integers(1, context - 1))
    fits = Workload(isl, draw(st.integers(1, context - isl)))
    longer = Workload(isl, context - isl + draw(st.integers(1, 1000)))
    return (
        _worker(nodes, model, workload=fits, **engine),
        _worker(nodes, model, workload=longer, **engine),
    )


@st.composite
def _fraction(draw: st.DrawFn) -> Pair:
    nodes = draw(st.sampled_from((1, 2, 4)))
    fine = draw(st.floats(0.05, 0.75))
    off = draw(st.floats(-2, 0) | st.floats(1, 100))
    valid, broken = (
        _worker(nodes, kv_cache_config={"dtype": "fp8", "free_gpu_memory_fraction": share})
        for share in (fine, off)
    )
    return valid, broken


def _memory(nodes: int, model: str, field: str, mebibytes: int) -> Topology:
    return _worker(nodes, model, moe_config=_EPLB, memory={field: mebibytes})


@st.composite
def _copies(draw: st.DrawFn, field: str) -> Pair:
    nodes = draw(st.sampled_from((1, 2, 4)))
    # In FP8 it takes two nodes.
    model = "deepseek-r1-nvfp4" if nodes == 1 else draw(st.sampled_from(tuple(_COPIES_MIB)))
    need = _COPIES_MIB[model]
    enough, little = draw(st.integers(need, 2 * need)), draw(st.integers(1024, need - 2048))
    return _memory(nodes, model, field, enough), _memory(nodes, model, field, little)


@st.composite
def _bytes(draw: st.DrawFn) -> Pair:
    nodes, plane = draw(st.sampled_from((1, 2, 4))), {"request": "nats"}
    valid = _worker(nodes, workload=Workload(draw(st.integers(1, 8000)), 16))
    long = Workload(draw(st.integers(110_000, 10_000_000)), 16)
    return replace(valid, planes=plane), replace(valid, planes=plane, workload=long)


@st.composite
def _domains(draw: st.DrawFn) -> Pair:
    nodes = draw(st.sampled_from((1, 2, 4, 8, 16)))
    return _worker(nodes), _worker(draw(st.integers(19, 64)))


BREAKS: Breaks = {
    "FIT-001": _weights(),
    "FIT-002": _cache(),
    "FIT-003": _concurrency(),
    "FIT-004": _context(),
    "FIT-005": _fraction(),
    "FIT-006": _copies("shared_memory_mib"),
    "FIT-007": _copies("host_memory_mib"),
    "FIT-008": _bytes(),
    "FIT-009": _domains(),
}
