"""Prefill and decode that fit together, and the same with one thing that no longer does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st

from fixtures.config.engine_trtllm import engine_from_mapping
from fixtures.config.known import with_role_models
from fixtures.config.load import load_model, load_topology
from fixtures.model.position import Position, Setting
from fixtures.model.topology import Role, Topology, Workload

from .pairs import Breaks, Pair

shipped_model, shipped_topology = cache(load_model), cache(load_topology)

_HERE = Position(Path("topology.yaml"), 1, 1)
_TRTLLM_SIZES = {
    "deepseek-r1-nvfp4": (4, 8, 16),
    "deepseek-r1-fp8": (8, 16),
    "kimi-k2": (8, 16),
    "qwen3-235b-a22b": (4, 8),
}
_MLA = ("deepseek-r1-nvfp4", "deepseek-r1-fp8", "kimi-k2")
_BACKENDS = ("UCX", "NIXL", "MPI")


@dataclass(frozen=True)
class Plan:
    """A TensorRT-LLM pair as settings that a break can change before it is built."""

    model: str
    prefill: Mapping[str, Any]
    decode: Mapping[str, Any]
    workload: Workload
    workers: int
    flags: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    environment: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def with_both(self, **changes: Any) -> Plan:
        """The same settings on both sides."""
        return self.with_prefill(**changes).with_decode(**changes)

    def with_prefill(self, **changes: Any) -> Plan:
        """Prefill with other settings."""
        return replace(self, prefill={**self.prefill, **changes})

    def with_decode(self, **changes: Any) -> Plan:
        """Decode with other settings."""
        return replace(self, decode={**self.decode, **changes})

    def built(self, **top: Any) -> Topology:
        """The topology of this plan on GB200, in whole nodes."""
        base = shipped_topology("deepseek-r1-simple-disagg")
        roles = tuple(
            self._role(name, raw)
            for name, raw in (("prefill", self.prefill), ("decode", self.decode))
        )
        whole = replace(
            base,
            model=shipped_model(self.model),
            roles=roles,
            workload=self.workload,
            disaggregation_strategy=None,
            allocation_nodes=sum(r.workers * (r.nodes_per_worker or 0) for r in roles),
        )
        return with_role_models(replace(whole, **top))

    def _role(self, name: str, raw: Mapping[str, Any]) -> Role:
        engine = engine_from_mapping(raw, {}, Path(f"{name}.yaml"))
        return Role(
            name=name,
            workers=self.workers,
            nodes_per_worker=engine.world_size // 4,
            gpus_per_node=4,
            engine=engine,
            flags=settings(self.flags.get(name, {})),
            environment=settings(self.environment.get(name, {})),
        )


def settings(values: Mapping[str, str]) -> Mapping[str, Setting]:
    """Settings that all stand at the start of a file."""
    return MappingProxyType({name: Setting(value, _HERE) for name, value in values.items()})


@st.composite
def plans(draw: st.DrawFn, models: tuple[str, ...] = tuple(_TRTLLM_SIZES)) -> Plan:
    """A pair that works, of many sizes."""
    model = draw(st.sampled_from(models))
    isl, osl = draw(st.integers(64, 8000)), draw(st.integers(16, 1000))
    batch = draw(st.sampled_from((16, 64, 256)))

    def side(**limits: int) -> dict[str, Any]:
        size = draw(st.sampled_from(_TRTLLM_SIZES[model]))
        return {
            "backend": "pytorch",
            "tensor_parallel_size": size,
            "moe_expert_parallel_size": size,
            "enable_attention_dp": True,
            "kv_cache_config": {"dtype": "fp8", "free_gpu_memory_fraction": 0.3},
            "cache_transceiver_config": {"backend": "DEFAULT"},
            **limits,
        }

    return Plan(
        model=model,
        prefill=side(max_batch_size=1, max_num_tokens=isl, max_seq_len=isl)
        | {"disable_overlap_scheduler": True},
        decode=side(max_batch_size=batch, max_num_tokens=4 * batch, max_seq_len=isl + osl),
        workload=Workload(isl, osl),
        workers=draw(st.integers(1, 3)),
    )


def _cache(**changes: Any) -> dict[str, Any]:
    return {"kv_cache_config": {"free_gpu_memory_fraction": 0.3, **changes}}


def _transfer(**changes: Any) -> dict[str, Any]:
    return {"cache_transceiver_config": {"backend": "DEFAULT", **changes}}


def _mtp(layers: int) -> dict[str, Any]:
    config = {"decoding_type": "MTP", "num_nextn_predict_layers": layers}
    return {"speculative_config": config} if layers else {}


@st.composite
def _cache_types(draw: st.DrawFn) -> Pair:
    plan = draw(plans())
    one, other = draw(st.permutations((_cache(dtype="fp8"), _cache())))
    return plan.with_both(**one).built(), plan.with_prefill(**one).with_decode(**other).built()


@st.composite
def _cache_blocks(draw: st.DrawFn) -> Pair:
    plan = draw(plans())
    one, other = draw(st.permutations((32, 64, 128)))[:2]
    same, different = (_cache(dtype="fp8", tokens_per_block=size) for size in (one, other))
    valid = plan.with_both(**same)
    return valid.built(), valid.with_decode(**different).built()


@st.composite
def _speculation(draw: st.DrawFn) -> Pair:
    plan = draw(plans(("deepseek-r1-nvfp4",)))
    one, other = draw(st.permutations(range(4)))[:2]
    # Only decode's own limit grows with the drafted tokens.
    valid = plan.with_both(**_mtp(one))
    return valid.built(), plan.with_prefill(**_mtp(one)).with_decode(**_mtp(other)).built()


@st.composite
def _shapes(draw: st.DrawFn) -> Pair:
    plan = draw(plans(("deepseek-r1-nvfp4",)))
    path, other = (
        "/models/DeepSeek-R1-FP4",
        "/models/"
        + draw(st.sampled_from(("Llama-3.1-70B-Instruct", "Qwen3-235B-A22B", "gpt-oss-120b"))),
    )
    valid = {name: {"model-path": path} for name in ("prefill", "decode")}
    one_other = {**valid, draw(st.sampled_from(("prefill", "decode"))): {"model-path": other}}
    return replace(plan, flags=valid).built(), replace(plan, flags=one_other).built()


@st.composite
def _transceivers(draw: st.DrawFn) -> Pair:
    plan = draw(plans())
    nothing = {"cache_transceiver_config": None}
    change = draw(st.sampled_from((plan.with_prefill, plan.with_decode, plan.with_both)))
    return plan.built(), change(**nothing).built()


@st.composite
def _backends(draw: st.DrawFn) -> Pair:
    plan = draw(plans())
    one, other = draw(st.permutations(_BACKENDS))[:2]
    if draw(st.booleans()):
        valid = plan.with_both(**_transfer(backend=one))
        return valid.built(), valid.with_decode(**_transfer(backend=other)).built()
    stray = {draw(st.sampled_from(("prefill", "decode"))): {f"TRTLLM_USE_{one}_KVCACHE": "1"}}
    return plan.built(), replace(plan, environment=stray).built()


@st.composite
def _buffers(draw: st.DrawFn) -> Pair:
    plan = draw(plans())
    isl = plan.workload.isl
    size = draw(st.sampled_from((0, isl)) | st.integers(isl, 2 * isl))
    valid = plan.with_both(**_transfer(max_tokens_in_buffer=size))
    short = _transfer(max_tokens_in_buffer=draw(st.integers(1, isl - 1)))
    change = draw(st.sampled_from((valid.with_prefill, valid.with_decode)))
    return valid.built(), change(**short).built()


@st.composite
def _prompts(draw: st.DrawFn) -> Pair:
    plan = draw(plans())
    key = draw(st.sampled_from(("max_num_tokens", "max_seq_len")))
    short = {key: draw(st.integers(1, plan.workload.isl - 1))}
    return plan.built(), plan.with_prefill(**short).built()


@st.composite
def _answers(draw: st.DrawFn) -> Pair:
    plan = draw(plans())
    most = plan.workload.isl + plan.workload.osl - 1
    return plan.built(), plan.with_decode(max_seq_len=draw(st.integers(1, most))).built()


@st.composite
def _helix(draw: st.DrawFn) -> Pair:
    plan = draw(plans())
    size = draw(st.sampled_from((2, 4, 8)))
    broken = plan.with_prefill(cp_config={"cp_type": "HELIX"}, context_parallel_size=size)
    return plan.built(), broken.built()


@st.composite
def _indexers(draw: st.DrawFn) -> Pair:
    plan = draw(plans(_MLA))
    indexer = {"sparse_attention_config": {"algorithm": "dsa"}}
    change = draw(st.sampled_from((plan.with_prefill, plan.with_decode)))
    valid = plan.with_both(**indexer) if draw(st.booleans()) else plan
    return valid.built(), change(**indexer).built()


@st.composite
def _beams(draw: st.DrawFn) -> Pair:
    plan = draw(plans())
    change = draw(st.sampled_from((plan.with_prefill, plan.with_decode)))
    return plan.built(), change(max_beam_width=draw(st.integers(2, 16))).built()


@st.composite
def _names(draw: st.DrawFn) -> Pair:
    plan = draw(plans())
    flag = draw(st.sampled_from(("served-model-name", "model-path")))
    release = draw(st.sampled_from(({}, {"dynamo": "1.2.0"})))
    one, other = draw(st.permutations(("/a/model", "/b/model", "/c/model")))[:2]
    both = {name: {flag: one} for name in ("prefill", "decode")}
    valid = replace(plan, flags=both)
    broken = replace(plan, flags={**both, "decode": {flag: other}})
    return valid.built(versions=release), broken.built(versions=release)


@st.composite
def _roles(draw: st.DrawFn) -> Pair:
    plan = draw(plans())
    name = draw(st.sampled_from(("prefill", "decode")))
    modes = {each: {"disaggregation-mode": each, "model": "m"} for each in ("prefill", "decode")}
    valid = replace(plan, flags=modes).built(orchestrator="kubernetes")
    if draw(st.booleans()):
        return valid, replace(valid, roles=(valid.role(name),))
    forgotten = replace(plan, flags={**modes, name: {"model": "m"}})
    return valid, forgotten.built(orchestrator="kubernetes")


@st.composite
def _strategies(draw: st.DrawFn) -> Pair:
    plan = draw(plans())
    one, other = draw(st.permutations(("prefill_first", "decode_first")))
    variables = {name: {"DISAGGREGATION_STRATEGY": one} for name in ("prefill", "decode")}
    old = {"dynamo": "0.4.1"}
    valid = replace(plan, environment=variables).built(versions=old)
    if one == "decode_first" and draw(st.booleans()):
        return valid, replace(valid, router_mode="kv")
    different = {**variables, "decode": {"DISAGGREGATION_STRATEGY": other}}
    return valid, replace(plan, environment=different).built(versions=old)


BREAKS: Breaks = {
    "PAIR-001": _cache_types(),
    "PAIR-002": _cache_blocks(),
    "PAIR-003": _speculation(),
    "PAIR-004": _shapes(),
    "PAIR-005": _transceivers(),
    "PAIR-006": _backends(),
    "PAIR-007": _buffers(),
    "PAIR-008": _prompts(),
    "PAIR-009": _answers(),
    "PAIR-012": _helix(),
    "PAIR-013": _indexers(),
    "PAIR-015": _beams(),
    "PAIR-016": _names(),
    "PAIR-017": _roles(),
    "PAIR-018": _strategies(),
}
