"""Passing means: a simulated vLLM worker refuses what vLLM refuses, and counts and caches as it
does.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from dynamo.llm.exceptions import InvalidArgument

from fixtures.config.load import load_engine_config, load_site, load_topology
from fixtures.engines.simulated import worker_spec
from fixtures.model.engine import EngineConfig
from fixtures.placement import plan_workers
from fixtures.simulator.kv_blocks import KvBlocks, block_size_of, publishes_events
from fixtures.simulator.refusals import LoadError, refuse_impossible
from fixtures.simulator.spec import VLLM

from . import test_simulated_engine as of_trtllm
from .runs import HERE, QUICK_SITE
from .test_simulated_refusals import SPEC

pytestmark = pytest.mark.selftest

KV_ENGINE = HERE / "topologies" / "tiny-vllm-kv-engine.yaml"
KV_TOPOLOGY = HERE / "topologies" / "tiny-vllm-kv.yaml"
WORKER = replace(SPEC, engine=VLLM, layout="16x1")


def config_of(text: str, tmp_path: Path) -> EngineConfig:
    path = tmp_path / "engine.yaml"
    path.write_text(text)
    return load_engine_config(path, kind=VLLM)


@pytest.mark.parametrize(
    ("text", "changes", "why"),
    [
        ("tp: 16", {}, ""),
        ("tensor-parallel-size: 8\npipeline-parallel-size: 2", {}, ""),
        ("tensor-parallel-size: 8\ndata-parallel-size: 2", {}, ""),
        ("tp: 16\nnnodes: 2\ndistributed-executor-backend: mp", {}, ""),
        ("tp: 16\ndistributed-executor-backend: ray", {}, ""),
        ("tp: 16\nenable-attention-dp: true", {"attention_heads": 64}, ""),
        ("tp: 8", {}, r"World size \(8\) is smaller than .* GPUs \(16\): tensor_parallel_size 8 x"),
        ("tp: 16\ndp: 2", {}, r"World size \(32\) is larger than .* x data_parallel_size 2$"),
        ("tp: 16\npcp: 2", {}, r"World size \(32\).* x prefill_context_parallel_size 2$"),
        (
            "tp: 16",
            {"attention_heads": 40},
            r"Total number of attention heads \(40\) must be divisible by tensor parallel size "
            r"\(16\)\.",
        ),
        (
            "tp: 16\nnnodes: 2\ndistributed-executor-backend: ray",
            {},
            "nnodes > 1 can only be set when distributed executor backend is mp, uni or",
        ),
        ("tp: sixteen", {}, r"engine\.yaml:1:.*must be a whole number"),
    ],
)
def test_what_vllm_refuses_at_load_is_refused_with_its_reason(
    text: str, changes: dict[str, Any], why: str, tmp_path: Path
) -> None:
    config, spec = config_of(text, tmp_path), replace(WORKER, **changes)
    if not why:
        refuse_impossible(spec, config)
        return
    with pytest.raises(LoadError, match=why):
        refuse_impossible(spec, config)


def test_the_spec_of_a_worker_says_which_engine_it_is(tmp_path: Path) -> None:
    topology, site = load_topology(KV_TOPOLOGY), load_site(QUICK_SITE)
    plan = plan_workers(topology, site.nodes)[0]
    spec = worker_spec(
        topology=topology,
        site=site,
        address="127.0.0.1",
        plan=plan,
        namespace="ns",
        model_dir=tmp_path,
        rendezvous_port=1,
        system_port=2,
        fault="",
    )

    assert (spec.engine, spec.layout, spec.world) == (VLLM, "2x1", "rendezvous")
    spec.write(tmp_path / "spec.json")
    assert type(spec).read(tmp_path / "spec.json") == spec


def engine(role: str = "aggregated", **raw: Any) -> of_trtllm.SimulatedEngine:
    return of_trtllm.engine(role, kind=VLLM, raw=raw)


def test_a_prompt_above_max_num_tokens_is_prefilled_in_chunks() -> None:
    assert of_trtllm.ask(engine(), of_trtllm.LONG)


def test_a_prompt_above_the_model_length_is_refused() -> None:
    worker = of_trtllm.engine(kind=VLLM, max_seq_len=8)

    with pytest.raises(InvalidArgument, match="longer than the maximum model length of 8"):
        of_trtllm.ask(worker, of_trtllm.LONG)


def test_a_transfer_is_counted_where_the_cache_is_fetched() -> None:
    prefill, decode = engine("prefill"), engine("decode")
    (ticket,) = of_trtllm.ask(prefill)
    given = {"prefill_result": {"disaggregated_params": ticket["disaggregated_params"]}}
    of_trtllm.ask(decode, **given)

    size = 10 * len(of_trtllm.prompt())
    for worker, times in ((prefill, 0), (decode, 1)):
        text = worker.transfers.exposition({"model": "m"})
        assert f'vllm:nixl_xfer_time_seconds_count{{model="m"}} {times}\n' in text
        assert f'vllm:nixl_bytes_transferred_sum{{model="m"}} {times * size}\n' in text
        assert "trtllm" not in text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kv-events-config: '{\"enable_kv_cache_events\": true}'", True),
        ("kv-events-config: {enable_kv_cache_events: true}", True),
        ("kv-events-config: '{\"enable_kv_cache_events\": false}'", False),
        ('kv-events-config: \'{"publisher": "zmq"}\'', False),
        ("kv-events-config: nonsense", False),
        ("tp: 2", False),
        (
            "enable-prefix-caching: false\nkv-events-config: {enable_kv_cache_events: true}",
            False,
        ),
    ],
)
def test_events_are_published_where_the_engine_is_told_to(
    text: str, expected: bool, tmp_path: Path
) -> None:
    assert publishes_events(config_of(text, tmp_path)) is expected


def test_blocks_have_the_size_of_the_engine_or_its_default(tmp_path: Path) -> None:
    assert block_size_of(load_engine_config(KV_ENGINE, kind=VLLM)) == 64
    assert block_size_of(config_of("tp: 2", tmp_path)) == 16
    assert block_size_of(replace(of_trtllm.CONFIG)) == 32


class Publisher:
    """Keeps what a KV router would be told."""

    def __init__(self) -> None:
        self.said: list[tuple[Any, ...]] = []

    def publish_stored(self, *said: Any) -> None:
        self.said.append(said)

    def publish_removed(self, *said: Any) -> None:
        self.said.append(said)


def test_new_blocks_are_told_once_and_old_ones_are_thrown_away() -> None:
    blocks, publisher = KvBlocks(4, capacity=3), Publisher()
    blocks.publisher = publisher

    assert blocks.store(range(10)) == 0
    assert blocks.store(range(10)) == 8
    assert blocks.store(range(13)) == 8
    assert blocks.store([9] * 4) == 0
    (stored, (tokens, sizes, hashes, parent), last, removed) = publisher.said
    assert stored[:2] == (list(range(8)), [4, 4])
    assert stored[3] is None
    assert (tokens, sizes, parent) == ([8, 9, 10, 11], [4], stored[2][-1])
    assert (last[0], last[3]) == ([9] * 4, None)
    assert removed == ([stored[2][0]],)
    assert len({*stored[2], *hashes, *last[2]}) == 4
