"""Valid topologies of many releases, and the same with one thing their release does not take."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from fixtures.config.engine_flags import engine_from_raw
from fixtures.config.load import load_topology
from fixtures.model.engine import EngineConfig
from fixtures.model.position import Position, Setting
from fixtures.model.releases import with_engine_versions
from fixtures.model.topology import ModelFacts, Role, System, Topology, Workload
from fixtures.rules.engine_era import FLAGS, VARIABLES, Era

from .pairs import Breaks, Pair

_HERE = Position(Path("topology.yaml"), 1, 1)
_RELEASES = (
    *("0.4.1", "0.6.1", "0.7.0", "0.8.0", "0.9.1", "1.0.0"),
    *("1.1.0", "1.2.0", "1.3.1", "1.4.0", "1.5.1", "1.6.2"),
)
_H100 = System("h100-like", 8, "H100", 81559, 90, "x86_64", 1, "made up")
_MODELS = ("deepseek-r1-mtp-disagg", "deepseek-r1-simple-disagg")


@st.composite
def _trtllm_pair(draw: st.DrawFn) -> Topology:
    """A shipped pair, with another number of workers and another length of prompts."""
    base = load_topology(draw(st.sampled_from(_MODELS)))
    workers = draw(st.integers(1, 3))
    workload = Workload(isl=draw(st.integers(256, 4000)), osl=draw(st.integers(16, 256)))
    roles = tuple(replace(role, workers=workers) for role in base.roles)
    return replace(
        base, roles=roles, allocation_nodes=2 * workers, workload=workload, router_mode="random"
    )


@st.composite
def _served(draw: st.DrawFn, kind: str, *, pair: bool, nodes: int = 1) -> Topology:
    """A dense model served by vLLM or SGLang: one worker, or a pair, that fills its nodes."""
    heads = draw(st.sampled_from((64, 96, 128)))
    model = ModelFacts(
        name="dense",
        hf_id="example/dense",
        architecture="LlamaForCausalLM",
        precision="bf16",
        layers=draw(st.integers(16, 128)),
        attention_heads=heads,
        kv_heads=8,
        hidden_size=heads * 128,
        vocab_size=128256,
        context_length=131072,
        experts=None,
        dense_layers=0,
        source="made up",
        head_dim=128,
    )
    gpus = 8 // nodes if kind == "sglang" else 8
    workload = Workload(isl=draw(st.integers(64, 8000)), osl=draw(st.integers(16, 1000)))
    raw = {"tensor_parallel_size": gpus * nodes}
    if kind == "vllm" and not pair:
        raw = {"tensor_parallel_size": gpus // 2, "data_parallel_size": 2 * nodes}
    roles = tuple(
        Role(
            name=name,
            workers=draw(st.integers(1, 3)),
            nodes_per_worker=nodes,
            gpus_per_node=gpus,
            engine=_engine(kind, raw),
            flags=_settings({"disaggregation-mode": name} if pair else {}),
        )
        for name in (("prefill", "decode") if pair else ("aggregated",))
    )
    return Topology(
        name="served",
        title="A dense model",
        path=Path("topology.yaml"),
        model=model,
        served_model_name="example/dense",
        system=_H100,
        roles=roles,
        allocation_nodes=sum(role.workers * nodes for role in roles),
        router_mode="round-robin",
        disaggregation_strategy=None,
        workload=workload,
        seed="made up",
    )


def _engine(kind: str, raw: Mapping[str, Any]) -> EngineConfig:
    return engine_from_raw(kind, raw, {"": _HERE}, Path("engine.yaml"))


def _settings(values: Mapping[str, str]) -> Mapping[str, Setting]:
    return MappingProxyType({name: Setting(value, _HERE) for name, value in values.items()})


def _released(topology: Topology, **versions: str) -> Topology:
    return replace(topology, versions=with_engine_versions(versions))


def _with_flag(topology: Topology, name: str, value: str) -> Topology:
    """The same with one more flag on every worker."""
    roles = tuple(
        replace(role, flags=MappingProxyType({**role.flags, name: Setting(value, _HERE)}))
        for role in topology.roles
    )
    return replace(topology, roles=roles)


def _each_engine(topology: Topology, **raw: Any) -> Topology:
    """The same with these keys in the engine of every role, both raw and read."""

    def changed(engine: EngineConfig) -> EngineConfig:
        merged = {**engine.raw, **raw}
        if engine.kind != "trtllm":
            return _engine(engine.kind, merged)
        chunked = merged.get("enable_chunked_prefill") is True
        return replace(engine, raw=MappingProxyType(merged), chunked_prefill=chunked)

    roles = tuple(replace(role, engine=changed(role.engine)) for role in topology.roles)
    return replace(topology, roles=roles)


@st.composite
def _weights(draw: st.DrawFn) -> Pair:
    topology = draw(_trtllm_pair())
    precision, enough = draw(st.sampled_from((("nvfp4", 100), ("fp8", 89))))
    model, system = topology.model, topology.system
    assert model is not None
    assert system is not None
    valid = replace(
        topology,
        model=replace(model, precision=precision, weights_gib=None),
        system=replace(system, compute_capability=draw(st.integers(enough, 120))),
    )
    old = replace(system, compute_capability=draw(st.integers(50, enough - 1)))
    return valid, replace(valid, system=old)


@st.composite
def _benchmark(draw: st.DrawFn) -> Pair:
    base = load_topology("deepseek-r1-mtp-disagg")
    ladder = draw(st.lists(st.sampled_from((1, 2, 4, 8, 64)), min_size=1, unique=True))
    plan = Workload(isl=4000, osl=1000, concurrency=tuple(ladder))
    fine = replace(plan, ignore_eos=draw(st.sampled_from((None, False))))
    fine = replace(fine, warmup_requests=draw(st.none() | st.integers(2, 9)))
    wrong = draw(
        st.sampled_from((replace(fine, ignore_eos=True), replace(fine, warmup_requests=1)))
    )
    return replace(base, workload=fine), replace(base, workload=wrong)


@st.composite
def _blocks(draw: st.DrawFn) -> Pair:
    topology = draw(_trtllm_pair())
    release = {"trtllm": draw(st.sampled_from(("1.3.0rc11", "1.3.0rc12")))}
    release = draw(st.sampled_from((release, {"dynamo": "1.1.0"})))
    kv_cache = {"dtype": "fp8", "free_gpu_memory_fraction": 0.3, "enable_block_reuse": False}
    valid = _released(_each_engine(topology, kv_cache_config=kv_cache), **release)
    valid = _each_engine(valid, enable_chunked_prefill=True)
    reuse = {key: value for key, value in kv_cache.items() if key != "enable_block_reuse"}
    return valid, _each_engine(valid, kv_cache_config=reuse)


@st.composite
def _overlap(draw: st.DrawFn) -> Pair:
    topology = draw(_served("sglang", pair=False, nodes=2))
    broken = _released(topology, sglang="0.5.11")
    return _each_engine(broken, disable_overlap_schedule=True), broken


@st.composite
def _eagle3(draw: st.DrawFn) -> Pair:
    topology = draw(_served("vllm", pair=True))
    release = draw(st.sampled_from(({"dynamo": "1.3.1"}, {"vllm": "0.23.0"})))
    valid = _released(topology, **release)
    config = {"method": "eagle3", "num_speculative_tokens": draw(st.integers(1, 7))}
    return valid, _each_engine(valid, speculative_config=config)


@st.composite
def _dated(draw: st.DrawFn) -> Pair:
    era = draw(st.sampled_from((*FLAGS, *VARIABLES)))
    release = draw(st.sampled_from([each for each in _RELEASES if _refused_by(era, each)]))
    kind = draw(st.sampled_from([each for each in era.engines if each in ("trtllm", "vllm")]))
    topology = draw(_trtllm_pair() if kind == "trtllm" else _served(kind, pair=True))
    valid = _released(_spelt_for(topology, release), dynamo=release)
    value = draw(st.sampled_from(era.values)) if era.values else draw(st.sampled_from(("1", "x")))
    if era.name.isupper():
        return valid, replace(valid, environment=_settings({era.name: value}))
    return valid, _with_flag(valid, era.name, value)


def _refused_by(era: Era, release: str) -> bool:
    return SpecifierSet(era.refused).contains(release, prereleases=True)


def _spelt_for(topology: Topology, release: str) -> Topology:
    """The same with the transceiver backend as that release spells it."""
    if topology.roles[0].engine.kind == "trtllm" and release.startswith("0.4."):
        return _each_engine(topology, cache_transceiver_config={"backend": "default"})
    return topology


@st.composite
def _images(draw: st.DrawFn) -> Pair:
    topology = draw(_trtllm_pair())
    assert topology.workload is not None
    planned = replace(topology, workload=replace(topology.workload, images=True))
    declared = replace(topology, modality="multimodal")
    broken = draw(st.sampled_from((planned, declared)))
    release = draw(st.sampled_from((None, "0.6.1", "1.2.0", "1.3.1", "1.6.2")))
    broken = _released(broken, **({"dynamo": release} if release else {}))
    if release in ("1.3.1", "1.6.2"):
        return _with_flag(broken, "enable-multimodal", ""), broken
    return replace(broken, environment=_settings({"MODALITY": "multimodal"})), broken


@st.composite
def _remote_code(draw: st.DrawFn) -> Pair:
    topology = draw(_trtllm_pair())
    assert topology.model is not None
    model = replace(topology.model, multimodal=True, remote_code=True)
    topology = replace(topology, model=model, modality="multimodal")
    broken = _with_flag(topology, "enable-multimodal", "")
    broken = _released(broken, dynamo=draw(st.sampled_from(("1.4.0", "1.5.1", "1.6.2"))))
    return _each_engine(broken, trust_remote_code=True), broken


@st.composite
def _events(draw: st.DrawFn) -> Pair:
    topology = draw(_served("vllm", pair=draw(st.booleans())))
    release = draw(st.sampled_from(("1.0.0", "1.2.0", "1.6.2")))
    broken = _released(replace(topology, router_mode="kv"), dynamo=release)
    config = {"enable_kv_cache_events": True, "publisher": "zmq"}
    return _each_engine(broken, kv_events_config=config), broken


@st.composite
def _limits(draw: st.DrawFn) -> Pair:
    valid = draw(_trtllm_pair())
    key = draw(st.sampled_from(("max_batch_size", "max_num_tokens", "max_seq_len")))
    first, *others = valid.roles
    seen = MappingProxyType({key: getattr(first.engine, key) + draw(st.integers(1, 9999))})
    other = replace(first, engine=replace(first.engine, effective_limits=seen))
    return valid, replace(valid, roles=(other, *others))


BREAKS: Breaks = {
    "ENG-016": _weights(),
    "ENG-018": _benchmark(),
    "ENG-019": _blocks(),
    "ENG-020": _overlap(),
    "ENG-021": _eagle3(),
    "ENG-022": _dated(),
    "ENG-023": _images(),
    "ENG-024": _remote_code(),
    "ENG-025": _events(),
    "ENG-026": _limits(),
}
