"""Cases of the PAIR rules of TensorRT-LLM: what is handed over, how, and how long it may be."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .cases import Case, aggregated, pair

_TRANSCEIVER = "cache_transceiver_config"


def _cache(dtype: str | None = "fp8", **changes: Any) -> dict[str, Any]:
    cache = {"dtype": dtype, "free_gpu_memory_fraction": 0.3, **changes}
    return {"kv_cache_config": {key: value for key, value in cache.items() if value is not None}}


def _mtp(layers: int, **changes: Any) -> dict[str, Any]:
    config = {"decoding_type": "MTP", "num_nextn_predict_layers": layers}
    return {"speculative_config": config, "max_num_tokens": 8192, **changes}


def _transfer(backend: str, **changes: Any) -> dict[str, Any]:
    return {_TRANSCEIVER: {"backend": backend, **changes}}


def _models(prefill: str, decode: str) -> dict[str, str]:
    return pair(
        roles__prefill__flags={"model-path": prefill}, roles__decode__flags={"model-path": decode}
    )


def _sparse(**changes: Any) -> dict[str, Any]:
    return {"sparse_attention_config": {"algorithm": "dsa", **changes}}


def _chunked() -> Mapping[str, Any]:
    return {"max_num_tokens": 4096, "enable_chunked_prefill": True}


LAYOUT = [
    Case(
        "PAIR-001",
        "fp8-and-unset",
        pair(decode=_cache(None)),
        at="kv_cache_config",
        says="prefill: dtype fp8, but decode: dtype unset = auto"
        " kv_cache_config.dtype: fp8 on both",
    ),
    Case(
        "PAIR-001",
        "fp8-and-auto",
        pair(decode=_cache("auto")),
        at="dtype: auto",
        says="prefill: dtype fp8, but decode: dtype auto",
    ),
    Case("PAIR-001", "both-unset", pair(both=_cache(None))),
    Case("PAIR-001", "unset-is-auto", pair(_cache("auto"), _cache(None))),
    Case("PAIR-001", "aggregated", aggregated(_cache(None))),
    Case(
        "PAIR-002",
        "32-and-64",
        pair(_cache(tokens_per_block=32), _cache(tokens_per_block=64)),
        at="tokens_per_block: 64",
        says="prefill: tokens_per_block 32, but decode: tokens_per_block 64",
    ),
    Case(
        "PAIR-002",
        "unset-and-64",
        pair(_cache(tokens_per_block=64)),
        at="kv_cache_config",
        says="decode: tokens_per_block unset = 32",
    ),
    Case("PAIR-002", "unset-is-32", pair(decode=_cache(tokens_per_block=32))),
    Case(
        "PAIR-003",
        "mtp-on-prefill-only",
        pair(_mtp(1)),
        at="backend: pytorch",
        says="decode: speculative_config unset = no layers",
    ),
    Case(
        "PAIR-003",
        "mtp-on-decode-only",
        pair(decode=_mtp(1)),
        at="num_nextn_predict_layers: 1",
        says="num_nextn_predict_layers: 1} on both",
    ),
    Case("PAIR-003", "mtp-with-another-batch", pair(_mtp(1), _mtp(1, max_batch_size=128))),
    Case(
        "PAIR-003",
        "n-grams-add-no-layer",
        pair(decode={"speculative_config": {"decoding_type": "NGram"}}),
    ),
    Case("PAIR-003", "unknown-kind", pair({"speculative_config": {"decoding_type": "Eagle3"}})),
    Case(
        "PAIR-004",
        "r1-and-llama",
        _models("/models/DeepSeek-R1-FP4", "/models/Llama-3.1-70B-Instruct"),
        at="model-path: /models/Llama-3.1-70B-Instruct",
        says="61 layers of MLA, 512 + 64 values per token), but decode:"
        " meta-llama/Llama-3.1-70B-Instruct (80 layers, 8 KV heads of 128)",
    ),
    Case(
        "PAIR-004",
        "weights-quantized-differently",
        _models("deepseek-ai/DeepSeek-R1", "nvidia/DeepSeek-R1-FP4"),
    ),
    Case("PAIR-004", "unknown-model", _models("/models/DeepSeek-R1-FP4", "/models/a-fine-tune")),
    Case(
        "PAIR-005",
        "only-decode-has-it",
        pair({_TRANSCEIVER: None}),
        at="backend: pytorch",
        says="prefill: cache_transceiver_config unset = no KV transfer; decode has one"
        " cache_transceiver_config: {backend: DEFAULT}",
    ),
    Case("PAIR-005", "neither-has-it", pair(both={_TRANSCEIVER: None}), at="backend: pytorch"),
    Case("PAIR-005", "aggregated-without-it", aggregated()),
    Case("PAIR-005", "both-have-it", pair()),
]
TRANSFER = [
    Case(
        "PAIR-006",
        "ucx-and-nixl",
        pair(_transfer("UCX"), _transfer("NIXL")),
        at="backend: NIXL",
        says="prefill: backend UCX, but decode: backend NIXL",
    ),
    Case(
        "PAIR-006",
        "a-stray-variable",
        pair(roles__prefill__environment={"TRTLLM_USE_UCX_KVCACHE": 1}),
        at="backend: DEFAULT",
        says="prefill: backend DEFAULT with TRTLLM_USE_UCX_KVCACHE=1 = UCX, but decode:"
        " backend DEFAULT",
    ),
    Case(
        "PAIR-006",
        "default-of-a-known-release",
        pair(_transfer("UCX"), versions__trtllm="1.3.0rc5"),
        at="backend: DEFAULT",
        says="decode: backend DEFAULT = NIXL in this release",
    ),
    Case("PAIR-006", "default-on-both", pair()),
    Case("PAIR-006", "default-of-an-unknown-release", pair(_transfer("NIXL"))),
    Case(
        "PAIR-006",
        "the-variable-is-for-both",
        pair(environment={"TRTLLM_USE_UCX_KVCACHE": 1}),
    ),
    Case(
        "PAIR-006",
        "a-named-backend-ignores-variables",
        pair(both=_transfer("NIXL"), roles__decode__environment={"TRTLLM_USE_UCX_KVCACHE": 1}),
    ),
    Case(
        "PAIR-007",
        "buffer-below-the-prompt",
        pair(decode=_transfer("DEFAULT", max_tokens_in_buffer=4608), workload__isl=8192),
        at="max_tokens_in_buffer: 4608",
        says="max_tokens_in_buffer 4608 < ISL 8192: a prompt that does not fit waits forever"
        " max_tokens_in_buffer: 8192",
    ),
    Case("PAIR-007", "buffer-of-0", pair(both=_transfer("NIXL", max_tokens_in_buffer=0))),
    Case("PAIR-007", "buffer-unset", pair(both=_transfer("NIXL"))),
    Case("PAIR-007", "buffer-holds-it", pair(both=_transfer("UCX", max_tokens_in_buffer=8192))),
    Case(
        "PAIR-012",
        "helix-on-prefill",
        pair({"cp_config": {"cp_type": "HELIX"}, "context_parallel_size": 2}),
        at="cp_type: HELIX",
        says="cp_type HELIX with context_parallel_size 2 tensor_parallel_size: 8 without",
    ),
    Case(
        "PAIR-012",
        "helix-on-decode",
        pair(decode={"cp_config": {"cp_type": "HELIX"}, "context_parallel_size": 2}),
    ),
    Case(
        "PAIR-013",
        "indexer-on-one-side",
        pair(decode=_sparse()),
        at="sparse_attention_config",
        says="prefill: sparse_attention_config without dsa = no indexer, but decode:",
    ),
    Case(
        "PAIR-013",
        "indexers-of-two-sizes",
        pair(_sparse(index_head_dim=64), _sparse(index_head_dim=128)),
        at="index_head_dim: 128",
    ),
    Case("PAIR-013", "indexer-on-both", pair(both=_sparse(index_topk=2048))),
    Case("PAIR-013", "attention-dp-on-prefill-only", pair()),
    Case(
        "PAIR-015",
        "four-beams",
        pair(decode={"max_beam_width": 4}),
        at="max_beam_width: 4",
        says="max_beam_width 4 > 1",
    ),
    Case("PAIR-015", "unset", pair()),
    Case("PAIR-015", "one-beam", pair(both={"max_beam_width": 1})),
    Case("PAIR-015", "aggregated", aggregated({"max_beam_width": 4})),
]
LIMITS = [
    Case(
        "PAIR-008",
        "tokens-below-the-prompt",
        pair({"max_num_tokens": 4096}, workload__isl=8192),
        at="max_num_tokens: 4096",
        says="max_num_tokens 4096 < ISL 8192, and chunked prefill is off max_num_tokens: 8192, or"
        " enable_chunked_prefill: true",
    ),
    Case(
        "PAIR-008",
        "tokens-unset",
        pair({"max_num_tokens": None, "max_seq_len": 16384}, workload__isl=9000, workload__osl=1),
        at="backend: pytorch",
        says="max_num_tokens unset = 8192 < ISL 9000",
    ),
    Case(
        "PAIR-008",
        "sequence-below-the-prompt",
        pair({"max_seq_len": 4096}),
        at="max_seq_len: 4096",
        says="max_seq_len 4096 < ISL 8000 max_seq_len: 8000",
    ),
    Case("PAIR-008", "chunked-prefill", pair(_chunked(), workload__isl=8192)),
    Case("PAIR-008", "exactly-the-prompt", pair(workload__isl=8192)),
    Case(
        "PAIR-008",
        "the-flag-may-win",
        pair({"max_num_tokens": 4096}, roles__prefill__flags={"max-num-tokens": 8192}),
    ),
    Case(
        "PAIR-009",
        "answers-do-not-fit",
        pair(decode={"max_seq_len": 8448}, workload__isl=8192, workload__osl=512),
        at="max_seq_len: 8448",
        says="max_seq_len 8448 < ISL 8192 + OSL 512 = 8704 max_seq_len: 8704, or plan for OSL 256",
    ),
    Case(
        "PAIR-009",
        "exactly",
        pair(decode={"max_seq_len": 8448}, workload__isl=8192, workload__osl=256),
    ),
    Case("PAIR-010", "tokens-below-the-prompt", pair(decode={"max_num_tokens": 256})),
    Case("PAIR-011", "sequence-differs-by-the-answer", pair(decode={"max_seq_len": 8448})),
    Case("PAIR-011", "sequence-differs-by-512", pair(decode={"max_seq_len": 8704})),
    Case(
        "PAIR-014",
        "tp4-prefill-and-tp32-decode",
        pair(
            decode={"tensor_parallel_size": 32, "moe_expert_parallel_size": 32},
            roles__decode__nodes_per_worker=8,
            allocation__nodes=9,
        ),
    ),
]
CASES = LAYOUT + TRANSFER + LIMITS
