"""Valid TensorRT-LLM deployments, and the same with one thing wrong in an engine file."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from fixtures.model.topology import Topology

from .pairs import Breaks, Pair
from .worlds import (
    aggregated_worlds,
    balanced_worlds,
    pair_worlds,
    released,
    settings_of,
    with_engine,
    with_model,
    with_role,
)

_ROLE = "aggregated"
_BACKENDS = ("AUTO", "CUTLASS", "TRTLLM", "CUTEDSL", "DEEPGEMM", "DENSEGEMM", "MEGAMOE_DEEPGEMM")
_WITHOUT_BALANCER = ("VANILLA", "TRITON", "MARLIN")


def _batch(topology: Topology, role: str = _ROLE) -> int:
    return topology.role(role).engine.max_batch_size or 1


@st.composite
def _overlapping_prefill(draw: st.DrawFn) -> Pair:
    valid = draw(pair_worlds())
    return valid, with_engine(
        valid, "prefill", disable_overlap_scheduler=draw(st.sampled_from((None, False)))
    )


@st.composite
def _tokens_below_prompts(draw: st.DrawFn) -> Pair:
    valid = draw(aggregated_worlds())
    assert valid.workload is not None
    tokens = draw(st.integers(1, valid.workload.isl - 1))
    return valid, with_engine(valid, _ROLE, max_num_tokens=tokens)


@st.composite
def _tokens_below_drafts(draw: st.DrawFn) -> Pair:
    drafts = draw(st.integers(0, 3))
    valid = draw(pair_worlds(drafts))
    tokens = draw(st.integers(1, _batch(valid, "decode") * (1 + drafts) - 1))
    return valid, with_engine(valid, "decode", max_num_tokens=tokens)


@st.composite
def _graph_limit(draw: st.DrawFn) -> Pair:
    world = draw(aggregated_worlds())
    most = draw(st.integers(1, _batch(world)))
    sizes = sorted({1, most})
    wrong = draw(st.integers(1, 1024).filter(lambda size: size != most))

    def graphs(limit: int) -> Topology:
        config = {"batch_sizes": sizes, "max_batch_size": limit}
        return with_engine(world, _ROLE, cuda_graph_config=config)

    return graphs(most), graphs(wrong)


@st.composite
def _large_graphs(draw: st.DrawFn) -> Pair:
    world = draw(aggregated_worlds())
    batch = _batch(world)
    key = draw(st.sampled_from(("batch_sizes", "max_batch_size")))

    def graphs(size: int) -> Topology:
        config: dict[str, Any] = {key: [1, size] if key == "batch_sizes" else size}
        return with_engine(world, _ROLE, cuda_graph_config=config)

    return graphs(batch), graphs(batch + draw(st.integers(1, 2048)))


def _slots(topology: Topology, number: int) -> Topology:
    config = {"backend": "CUTLASS", "load_balancer": {"num_slots": number}}
    return with_engine(topology, _ROLE, moe_config=config)


def _stated_slots(topology: Topology) -> int:
    number = topology.role(_ROLE).engine.number("moe_config.load_balancer.num_slots")
    assert number is not None
    return number


@st.composite
def _uneven_slots(draw: st.DrawFn) -> Pair:
    valid = draw(balanced_worlds())
    expert = valid.role(_ROLE).engine.expert_parallel or 1
    return valid, _slots(valid, _stated_slots(valid) + draw(st.integers(1, expert - 1)))


@st.composite
def _too_few_slots(draw: st.DrawFn) -> Pair:
    valid = draw(balanced_worlds())
    if draw(st.booleans()):
        return valid, with_model(valid, experts=_stated_slots(valid) + draw(st.integers(1, 99)))
    experts, slots = valid.known_model.experts or 1, _stated_slots(valid)
    missing = draw(st.integers(0, experts - 1))

    def assigned(hole: int) -> Topology:
        placed = [number % experts for number in range(slots)]
        layer = [(hole + 1) % experts if number == hole else number for number in placed]
        balancer = {"num_slots": slots, "initial_global_assignments": {"1": layer}}
        return with_engine(valid, _ROLE, moe_config={"load_balancer": balancer})

    return assigned(-1), assigned(missing)


@st.composite
def _balancer_alone(draw: st.DrawFn) -> Pair:
    valid = draw(balanced_worlds())
    broken: dict[str, Any] = draw(
        st.sampled_from(({"enable_attention_dp": False}, {"moe_expert_parallel_size": 1}))
    )
    return valid, with_engine(valid, _ROLE, **broken)


@st.composite
def _unmounted_file(draw: st.DrawFn) -> Pair:
    world = draw(balanced_worlds())
    config = {"load_balancer": "/mnt/engine_configs/eplb.yaml"}
    world = with_engine(world, _ROLE, moe_config=config)
    other = draw(st.sampled_from(("/work", "/mnt2", "/engine_configs")))

    def mounted(target: str) -> Topology:
        mounts = settings_of({"MOUNTS": f"/home/someone:{target},/lustre:/lustre"})
        return replace(world, environment=mounts)

    return mounted("/mnt"), mounted(other)


@st.composite
def _unknown_backend(draw: st.DrawFn) -> Pair:
    world = draw(aggregated_worlds())
    if draw(st.booleans()):
        wide = with_engine(world, _ROLE, moe_config={"backend": "WIDEEP"})
        before, after = ("1.0.0", "1.3.0rc19"), ("1.3.0rc22", "1.3.0rc29")
        return (
            released(wide, trtllm=draw(st.sampled_from(before))),
            released(wide, trtllm=draw(st.sampled_from(after))),
        )
    wrong = draw(st.sampled_from(("WIFEEP", "CUTLAS", "cutlass", "SOMETHING", "")))
    return (
        with_engine(world, _ROLE, moe_config={"backend": draw(st.sampled_from(_BACKENDS))}),
        with_engine(world, _ROLE, moe_config={"backend": wrong}),
    )


@st.composite
def _backend_without_balancer(draw: st.DrawFn) -> Pair:
    world = draw(balanced_worlds())
    balancer = world.role(_ROLE).engine.value("moe_config.load_balancer")

    def backed(name: str) -> Topology:
        config = {"backend": name, "load_balancer": balancer}
        return with_engine(world, _ROLE, moe_config=config)

    right, wrong = st.sampled_from(_BACKENDS), st.sampled_from(_WITHOUT_BALANCER)
    return backed(draw(right)), backed(draw(wrong))


@st.composite
def _other_spelling(draw: st.DrawFn) -> Pair:
    world = draw(pair_worlds())
    name = draw(st.sampled_from(("default", "ucx", "nixl", "mpi")))
    early, late = ("1.0.0", "1.1.0rc2"), ("1.1.0rc3", "1.2.0", "1.3.0rc29")
    upper = draw(st.booleans())

    def spelt(backend: str) -> Topology:
        both = {"cache_transceiver_config": {"backend": backend}}
        return with_engine(with_engine(world, "prefill", **both), "decode", **both)

    version = draw(st.sampled_from(late if upper else early))
    spellings = (spelt(name.upper()), spelt(name))
    right, wrong = spellings if upper else spellings[::-1]
    return released(right, trtllm=version), released(wrong, trtllm=version)


@st.composite
def _wrong_key(draw: st.DrawFn) -> Pair:
    valid = draw(aggregated_worlds())
    raw = dict(valid.role(_ROLE).engine.raw)
    key = draw(st.sampled_from([key for key, value in raw.items() if isinstance(value, int)]))
    broken: dict[str, Any] = draw(
        st.sampled_from(
            (
                {key: None, key.replace("_", "-"): raw[key]},
                {key: None, f"{key}s": raw[key]},
                {key: "many"},
                {"enable_overlap_scheduler": True},
                {"pytorch_backend_config": {key: raw[key]}},
                {draw(st.text("abcdefgh_", min_size=8, max_size=20)): 1},
            )
        )
    )
    return valid, with_engine(valid, _ROLE, **broken)


@st.composite
def _router_without_events(draw: st.DrawFn) -> Pair:
    flag = draw(st.sampled_from(("publish-kv-events", "publish-events-and-metrics")))
    world = replace(draw(aggregated_worlds()), router_mode="kv")
    valid = with_role(world, _ROLE, flags=settings_of({flag: ""}))
    if draw(st.booleans()):
        return valid, with_role(world, _ROLE, flags=settings_of({f"no-{flag}": ""}))
    cache = {"enable_block_reuse": False}
    return valid, with_engine(valid, _ROLE, kv_cache_config=cache)


@st.composite
def _small_blocks(draw: st.DrawFn) -> Pair:
    world = draw(aggregated_worlds())

    def blocks(tokens: int) -> Topology:
        return with_engine(world, _ROLE, kv_cache_config={"tokens_per_block": tokens})

    return blocks(draw(st.sampled_from((8, 32, 64, 128)))), blocks(16)


@st.composite
def _part_of_a_block(draw: st.DrawFn) -> Pair:
    valid = draw(aggregated_worlds())
    tokens = (valid.role(_ROLE).engine.max_num_tokens or 0) + draw(st.integers(1, 31))
    return valid, with_engine(valid, _ROLE, max_num_tokens=tokens)


BREAKS: Breaks = {
    "ENG-001": _overlapping_prefill(),
    "ENG-002": _tokens_below_prompts(),
    "ENG-003": _tokens_below_drafts(),
    "ENG-004": _graph_limit(),
    "ENG-005": _large_graphs(),
    "ENG-006": _uneven_slots(),
    "ENG-007": _too_few_slots(),
    "ENG-008": _balancer_alone(),
    "ENG-009": _unmounted_file(),
    "ENG-010": _unknown_backend(),
    "ENG-011": _backend_without_balancer(),
    "ENG-012": _other_spelling(),
    "ENG-013": _wrong_key(),
    "ENG-014": _router_without_events(),
    "ENG-015": _small_blocks(),
    "ENG-017": _part_of_a_block(),
}
