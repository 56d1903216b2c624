"""Cases of ENG rules about one release of an engine, its hardware and how it is measured."""

from __future__ import annotations

from .cases import Case, aggregated, pair
from .engine_files import model_file, on_gpus, with_flags

_MTP = {"speculative_config": {"decoding_type": "MTP", "num_nextn_predict_layers": 1}}
_SWEEP = {"isl": 4000, "osl": 1000, "concurrency": [1, 2, 4, 8]}
_CHUNKED = {"enable_chunked_prefill": True}
_KV_CACHE = {"dtype": "fp8", "free_gpu_memory_fraction": 0.3}
_REUSE = {"kv_cache_config": {**_KV_CACHE, "enable_block_reuse": True}}
_NO_REUSE = {"kv_cache_config": {**_KV_CACHE, "enable_block_reuse": False}}


WEIGHTS = [
    Case("ENG-016", "FP4 on H100", on_gpus("H100", 90, "nvfp4"), "model:", "sm 90 < 100"),
    Case("ENG-016", "FP8 on A100", on_gpus("A100", 80, "fp8"), "model:", "sm 80 < 89"),
    Case("ENG-016", "FP4 on GB300", on_gpus("GB300", 103, "nvfp4")),
    Case("ENG-016", "FP8 on H100", on_gpus("H100", 90, "fp8")),
    Case("ENG-016", "BF16 on A100", on_gpus("A100", 80, "bf16")),
    Case(
        "ENG-016",
        "FP4 on H100 with vLLM",
        with_flags("vllm", {}) | model_file(precision="nvfp4", attention_heads=64),
    ),
]
MEASURING = [
    Case(
        "ENG-018",
        "a sweep with ignore_eos",
        pair(both=_MTP, workload={**_SWEEP, "ignore_eos": True}),
        "ignore_eos: true",
        "ignore_eos: false",
    ),
    Case(
        "ENG-018",
        "a sweep with one warm-up",
        pair(both=_MTP, workload={**_SWEEP, "warmup_requests": 1}),
        "warmup_requests: 1",
        "1 warm-up requests",
    ),
    Case("ENG-018", "nothing is stated", pair(both=_MTP, workload=_SWEEP)),
    Case(
        "ENG-018",
        "a length test",
        pair(both=_MTP, workload={"isl": 4000, "osl": 1000, "ignore_eos": True}),
    ),
    Case("ENG-018", "no MTP", pair(workload={**_SWEEP, "ignore_eos": True, "warmup_requests": 0})),
    Case(
        "ENG-018",
        "ignore_eos off and two warm-ups",
        pair(both=_MTP, workload={**_SWEEP, "ignore_eos": False, "warmup_requests": 2}),
    ),
]
RELEASES = [
    Case(
        "ENG-019",
        "both true on rc11",
        aggregated({**_CHUNKED, **_REUSE}, versions={"trtllm": "1.3.0rc11"}),
        "enable_chunked_prefill",
        "enable_block_reuse true",
    ),
    Case(
        "ENG-019",
        "reuse is the default, on Dynamo 1.1",
        aggregated(_CHUNKED, versions={"dynamo": "1.1.0"}),
        "enable_chunked_prefill",
        "unset = true",
    ),
    Case("ENG-019", "rc13", aggregated({**_CHUNKED, **_REUSE}, versions={"trtllm": "1.3.0rc13"})),
    Case("ENG-019", "rc10", aggregated({**_CHUNKED, **_REUSE}, versions={"trtllm": "1.3.0rc10"})),
    Case(
        "ENG-019", "no reuse", aggregated({**_CHUNKED, **_NO_REUSE}, versions={"dynamo": "1.1.0"})
    ),
    Case("ENG-019", "no chunks", aggregated(_REUSE, versions={"dynamo": "1.1.0"})),
    Case("ENG-019", "release unknown", aggregated({**_CHUNKED, **_REUSE})),
    Case(
        "ENG-020",
        "TP8 over two nodes",
        with_flags("sglang", {}, versions={"dynamo": "1.2.0"}, nodes_per_worker=2),
        "tensor-parallel-size: 8",
        "--disable-overlap-schedule",
    ),
    Case(
        "ENG-020",
        "flag set",
        with_flags(
            "sglang",
            {"disable-overlap-schedule": True},
            versions={"sglang": "0.5.11"},
            nodes_per_worker=2,
        ),
    ),
    Case("ENG-020", "one node", with_flags("sglang", {}, versions={"sglang": "0.5.11"})),
    Case(
        "ENG-020",
        "another release",
        with_flags("sglang", {}, versions={"sglang": "0.5.12"}, nodes_per_worker=2),
    ),
    Case(
        "ENG-021",
        "EAGLE3 on both roles",
        with_flags(
            "vllm",
            {"speculative-config": {"method": "eagle3"}},
            {"speculative-config": {"method": "eagle3"}},
            versions={"dynamo": "1.3.0"},
        ),
        "speculative-config",
        "eagle3 with vLLM 0.23.0",
    ),
    Case(
        "ENG-021",
        "aggregated",
        with_flags(
            "vllm", {"speculative-config": {"method": "eagle3"}}, versions={"vllm": "0.23.0"}
        ),
    ),
    Case(
        "ENG-021",
        "another release",
        with_flags(
            "vllm",
            {"speculative-config": {"method": "eagle3"}},
            {"speculative-config": {"method": "eagle3"}},
            versions={"dynamo": "1.4.0"},
        ),
    ),
    Case(
        "ENG-021",
        "another method",
        with_flags(
            "vllm",
            {"speculative-config": {"method": "ngram"}},
            {"speculative-config": {"method": "ngram"}},
            versions={"vllm": "0.23.0"},
        ),
    ),
]
_ROUTED = {"router": {"mode": "kv"}, "versions": {"dynamo": "1.0.0"}}
_EVENTS = {"kv-events-config": {"enable_kv_cache_events": True, "publisher": "zmq"}}
EVENTS = [
    Case("ENG-025", "missing", with_flags("vllm", {}, **_ROUTED), "tensor-", "router mode kv"),
    Case("ENG-025", "given", with_flags("vllm", _EVENTS, **_ROUTED)),
    Case("ENG-025", "round robin", with_flags("vllm", {}, versions={"dynamo": "1.0.0"})),
    Case(
        "ENG-025",
        "automatic before 1.0",
        with_flags("vllm", {}, router={"mode": "kv"}, versions={"dynamo": "0.9.0"}),
    ),
    Case("ENG-025", "only prefill publishes", with_flags("vllm", _EVENTS, {}, **_ROUTED)),
    Case(
        "ENG-026",
        "a flag says something else",
        pair(roles__prefill__flags={"max-num-tokens": 2048}),
        "max_num_tokens: 8192",
        "8192 in the YAML, but 2048",
    ),
    Case("ENG-026", "a flag says the same", pair(roles__prefill__flags={"max-num-tokens": 8192})),
    Case("ENG-026", "no log yet", pair()),
]
CASES = [*WEIGHTS, *MEASURING, *RELEASES, *EVENTS]
