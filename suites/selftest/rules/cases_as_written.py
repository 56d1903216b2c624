"""Cases of settings as people write them: in quotes, as flags, in a file of their own."""

from __future__ import annotations

from typing import Any

from .cases import Case, aggregated, pair
from .cases_parallelism_vllm import sglang, vllm, with_heads
from .engine_files import with_flags

_NIXL = {"kv-transfer-config": '{"kv_connector": "NixlConnector", "kv_role": "kv_both"}'}
_OVERRIDE = "override-engine-args"
_BALANCER = "num_slots: 288\nlayer_updates_per_iter: 2\n"


def _overridden(json: str, **engine: Any) -> dict[str, str]:
    """A pair whose prefill worker gets this JSON on top of an engine file with these changes."""
    return pair(engine, roles__prefill__flags={_OVERRIDE: json})


def _flagged(flags: dict[str, Any], **engine: Any) -> dict[str, str]:
    return aggregated(engine, roles__aggregated__flags=flags)


def _balanced(**role: Any) -> dict[str, str]:
    engine = {"moe_config": {"backend": "WIDEEP", "load_balancer": "eplb.yaml"}}
    places = {f"roles__aggregated__{key}": value for key, value in role.items()}
    return {**aggregated(engine, **places), "eplb.yaml": _BALANCER}


CASES = [
    # Numbers in quotes: the engines read them as numbers.
    Case(
        "PAIR-002",
        "64-in-quotes-on-one-side",
        pair(
            {"kv_cache_config": {"dtype": "fp8", "tokens_per_block": "64"}},
            {"kv_cache_config": {"dtype": "fp8", "tokens_per_block": 64}},
        ),
    ),
    Case(
        "PAIR-002",
        "64-in-quotes-and-unset",
        pair({"kv_cache_config": {"dtype": "fp8", "tokens_per_block": "64"}}),
        at="kv_cache_config:",
        says="tokens_per_block 64",
    ),
    Case(
        "PAIR-003",
        "depth-in-quotes",
        pair({"speculative_config": {"decoding_type": "MTP", "num_nextn_predict_layers": "2"}}),
        at="backend: pytorch",
        says="num_nextn_predict_layers 2",
    ),
    Case(
        "PAIR-007",
        "buffer-in-quotes",
        pair({"cache_transceiver_config": {"backend": "DEFAULT", "max_tokens_in_buffer": "4608"}}),
        at="max_tokens_in_buffer",
        says="4608 < ISL 8000",
    ),
    Case("PAIR-008", "in-quotes", pair({"max_num_tokens": "8192", "max_seq_len": "8192"})),
    Case(
        "PAIR-008",
        "too-few-in-quotes",
        pair({"max_num_tokens": "4096"}),
        at="max_num_tokens",
        says="max_num_tokens: 8000",
    ),
    Case(
        "PAIR-008",
        "hint-fills-blocks",
        pair({"max_num_tokens": 4096, "max_seq_len": 9000}, workload__isl=8100),
        at="max_num_tokens",
        says="max_num_tokens: 8128",
    ),
    Case(
        "FIT-005",
        "share-in-quotes",
        aggregated({"kv_cache_config": {"free_gpu_memory_fraction": "1.2"}}),
        at="free_gpu_memory_fraction",
        says="free_gpu_memory_fraction 1.2",
    ),
    Case(
        "ENG-013",
        "null-size",
        {"engine.yaml": "max_batch_size: 8\nmax_num_tokens: 64\npipeline_parallel_size:\n"},
        at="pipeline_parallel_size:",
        says="leave it out",
    ),
    Case(
        "ENG-013",
        "keys-of-another-backend",
        {"engine.yaml": "backend: _autodeploy\nmax_batch_size: 4\ncompile_backend: torch-opt\n"},
    ),
    # Flags and overrides of the worker beside its engine file.
    Case("ENG-002", "limit-by-flag", _flagged({"max-num-tokens": 8192}, max_num_tokens=256)),
    Case(
        "ENG-002", "chunks-by-flag", _flagged({"enable-chunked-prefill": True}, max_num_tokens=256)
    ),
    Case(
        "ENG-002",
        "unset-is-8192",
        aggregated({"max_num_tokens": None, "max_seq_len": 20000}, workload__isl=16000),
        at="backend: pytorch",
        says="max_num_tokens unset = 8192",
    ),
    Case(
        "ENG-003",
        "batch-by-flag",
        pair(decode={"max_batch_size": 1024}, roles__decode__flags={"max-batch-size": 256}),
    ),
    Case(
        "ENG-001",
        "switched-off-by-override",
        _overridden('{"disable_overlap_scheduler": true}', disable_overlap_scheduler=None),
    ),
    Case(
        "ENG-001",
        "override-of-something-else",
        _overridden('{"max_batch_size": 1}', disable_overlap_scheduler=None),
        at="backend: pytorch",
        says="disable_overlap_scheduler is unset",
    ),
    Case("PAR-001", "tp-by-flag", _flagged({"tensor-parallel-size": 16}, tensor_parallel_size=8)),
    Case(
        "PAR-001",
        "tp-by-override",
        _overridden(
            '{"tensor_parallel_size": 4}', tensor_parallel_size=2, moe_expert_parallel_size=None
        ),
    ),
    Case(
        "FIT-001",
        "tp-by-override",
        _overridden(
            '{"tensor_parallel_size": 4}', tensor_parallel_size=1, moe_expert_parallel_size=None
        ),
    ),
    Case(
        "PAR-002",
        "ep-by-flag",
        _flagged({"expert-parallel-size": 16}, moe_expert_parallel_size=24),
    ),
    Case(
        "PAIR-003",
        "mtp-by-override",
        pair(
            decode={"speculative_config": {"decoding_type": "MTP", "num_nextn_predict_layers": 1}},
            roles__prefill__flags={_OVERRIDE: '{"speculative_config": {"decoding_type": "MTP"}}'},
        ),
    ),
    Case(
        "PAIR-005",
        "transceiver-by-override",
        _overridden(
            '{"cache_transceiver_config": {"backend": "UCX"}}', cache_transceiver_config=None
        ),
    ),
    Case(
        "PAIR-006",
        "backend-by-override",
        pair(
            {"cache_transceiver_config": {"backend": "_NIXL"}},
            {"cache_transceiver_config": {"backend": "UCX"}},
            roles__prefill__flags={_OVERRIDE: '{"cache_transceiver_config": {"backend": "UCX"}}'},
        ),
    ),
    # The balancer's settings in a file beside the engine's.
    Case(
        "FIT-006",
        "balancer-in-a-file",
        _balanced(shared_memory_mib=8192),
        at="shared_memory_mib: 8192",
        says="58 layers x 256 experts",
    ),
    Case(
        "FIT-007",
        "balancer-in-a-file",
        _balanced(host_memory_mib=65536),
        at="host_memory_mib: 65536",
        says="58 layers x 256 experts",
    ),
    # One mistake, one remark; and hints that leave no other mistake behind.
    Case("PAR-013", "left-to-the-rule-of-one-node", vllm(tensor_parallel_size=16)),
    Case(
        "PAR-021",
        "says-how-many-nodes",
        vllm(tensor_parallel_size=16),
        at="tensor-parallel-size: 16",
        says="nodes_per_worker: 2 with nnodes: 2",
    ),
    Case("PAR-013", "size-is-no-number", vllm(tensor_parallel_size="eight")),
    Case("FIT-001", "size-is-no-number", vllm(tensor_parallel_size="eight")),
    Case(
        "PAIR-006",
        "backend-of-no-release",
        pair(
            {"cache_transceiver_config": {"backend": "UCX"}},
            {"cache_transceiver_config": {"backend": "UXC"}},
        ),
    ),
    Case(
        "ENG-001",
        "said-in-the-old-mapping",
        pair(
            {
                "disable_overlap_scheduler": None,
                "pytorch_backend_config": {"enable_overlap_scheduler": False},
            }
        ),
    ),
    Case(
        "PAIR-020",
        "hint-divides-decode",
        with_heads(
            with_flags(
                "vllm", {**_NIXL, "tensor-parallel-size": 18}, {**_NIXL, "tensor-parallel-size": 6}
            ),
            attention_heads=72,
            kv_heads=4,
        ),
        at="tensor-parallel-size: 18",
        says="TP3 for prefill",
    ),
    Case(
        "FIT-003",
        "dp-attention-in-quotes",
        sglang(nodes=1, tp_size="8", dp_size="8", enable_dp_attention="true"),
    ),
    # A lone file that transfers its cache is no aggregated worker.
    Case(
        "ENG-002",
        "decode-file-of-another-name",
        {
            "d.yaml": "max_batch_size: 32\nmax_num_tokens: 32\nmax_seq_len: 2251\n"
            "cache_transceiver_config: {backend: UCX}\n"
        },
    ),
    Case(
        "PAIR-001",
        "ctx-and-gen",
        {
            "ctx_config.yaml": "max_batch_size: 2\ndisable_overlap_scheduler: true\n"
            "kv_cache_config: {dtype: fp8}\ncache_transceiver_config: {backend: UCX}\n",
            "gen_config.yaml": "max_batch_size: 64\n"
            "kv_cache_config: {dtype: auto}\ncache_transceiver_config: {backend: UCX}\n",
        },
        at="dtype: auto",
        says="kv_cache_config.dtype: fp8 on both",
    ),
    Case(
        "PAIR-001",
        "generic-is-no-gen",
        {"generic.yaml": "max_batch_size: 2\nkv_cache_config: {dtype: fp8}\n"},
    ),
]
