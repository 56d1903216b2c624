"""Cases of the ENG rules of TensorRT-LLM's schedule, and of its keys and names."""

from __future__ import annotations

from .cases import Case, aggregated, pair

MTP = {"decoding_type": "MTP", "num_nextn_predict_layers": 1}
EAGLE = {"decoding_type": "Eagle", "max_draft_len": 3}


def graphs(**config: object) -> dict[str, str]:
    """An aggregated worker with a batch of 256 and these CUDA graphs."""
    return aggregated({"cuda_graph_config": config})


SCHEDULE = [
    Case(
        "ENG-001",
        "unset-on-prefill",
        pair({"disable_overlap_scheduler": None}),
        at="backend: pytorch",
        says="prefill: disable_overlap_scheduler is unset = false",
    ),
    Case(
        "ENG-001",
        "false-on-prefill",
        pair({"disable_overlap_scheduler": False}),
        at="disable_overlap_scheduler: false",
        says="disable_overlap_scheduler: true",
    ),
    Case("ENG-001", "true-on-decode", pair(decode={"disable_overlap_scheduler": True})),
    Case("ENG-001", "true-on-aggregated", aggregated({"disable_overlap_scheduler": True})),
    Case(
        "ENG-001",
        "the-older-name-says-it",
        pair({"disable_overlap_scheduler": None, "enable_overlap_scheduler": False}),
    ),
    Case(
        "ENG-002",
        "256-tokens-for-prompts-of-8000",
        aggregated({"max_num_tokens": 256}),
        at="max_num_tokens: 256",
        says="max_num_tokens 256 < planned prompts of 8000 tokens",
    ),
    Case(
        "ENG-002",
        "hint-is-the-sequence-length",
        aggregated({"max_num_tokens": 256}),
        at="max_num_tokens: 256",
        says="max_num_tokens: 8448, or enable_chunked_prefill: true",
    ),
    Case(
        "ENG-002",
        "the-engine-file-alone",
        {"wide_ep_agg.yaml": aggregated({"max_num_tokens": 256})["engine.yaml"]},
        at="max_num_tokens: 256",
        says="max_seq_len promises up to 8448 tokens",
    ),
    Case("ENG-002", "8448", aggregated()),
    Case(
        "ENG-002",
        "chunked-prefill",
        aggregated({"max_num_tokens": 256, "enable_chunked_prefill": True}),
    ),
    Case(
        "ENG-002",
        "alone-with-room-for-prompts",
        {"agg.yaml": aggregated({"max_num_tokens": 1024})["engine.yaml"]},
    ),
    Case("ENG-002", "decode-below-isl", pair(decode={"max_num_tokens": 256})),
    Case(
        "ENG-003",
        "mtp-needs-twice-the-batch",
        pair({"speculative_config": MTP}, {"speculative_config": MTP, "max_num_tokens": 256}),
        at="max_num_tokens: 256",
        says="256 x (1 + 1) = 512 > max_num_tokens 256",
    ),
    Case(
        "ENG-003",
        "512-for-a-batch-of-640",
        pair(decode={"max_batch_size": 640}),
        at="max_num_tokens: 512",
        says="max_num_tokens: 640, or max_batch_size: 512",
    ),
    Case("ENG-003", "mtp-512", pair({"speculative_config": MTP}, {"speculative_config": MTP})),
    Case(
        "ENG-003",
        "eagle-1024",
        pair(
            {"speculative_config": EAGLE},
            {"speculative_config": EAGLE, "max_num_tokens": 1024},
        ),
    ),
    Case(
        "ENG-003",
        "graphs-above-the-batch-do-not-count",
        pair(decode={"cuda_graph_config": {"batch_sizes": [1, 256, 1024]}}),
    ),
    Case("ENG-003", "256-tokens-for-256-requests", pair(decode={"max_num_tokens": 256})),
    Case(
        "ENG-003",
        "speculation-that-stops-under-load",
        pair(decode={"speculative_config": {**EAGLE, "max_concurrency": 32}}),
    ),
    Case(
        "ENG-004",
        "256-but-sizes-to-128",
        graphs(max_batch_size=256, batch_sizes=[1, 2, 128]),
        at="  max_batch_size: 256",
        says="batch_sizes go to 128",
    ),
    Case("ENG-004", "equal", graphs(max_batch_size=256, batch_sizes=[1, 2, 256])),
    Case("ENG-004", "only-sizes", graphs(batch_sizes=[1, 2, 128])),
    Case("ENG-004", "only-a-maximum", graphs(max_batch_size=128)),
    Case("ENG-004", "zero-is-unset", graphs(max_batch_size=0, batch_sizes=[1, 2])),
    Case(
        "ENG-005",
        "2048-over-32",
        aggregated({"max_batch_size": 32, "cuda_graph_config": {"max_batch_size": 2048}}),
        at="  max_batch_size: 2048",
        says="graphs up to 2048 > max_batch_size 32",
    ),
    Case(
        "ENG-005",
        "no-graph-is-left",
        graphs(batch_sizes=[512, 1024]),
        at="batch_sizes",
        says="so no batch ever has a graph",
    ),
    Case("ENG-005", "up-to-the-batch", graphs(batch_sizes=[1, 2, 256])),
    Case("ENG-005", "the-engine-chooses", graphs(enable_padding=True)),
]

NAMES = [
    Case(
        "ENG-012",
        "lower-case-on-1.2",
        pair(both={"cache_transceiver_config": {"backend": "default"}}, versions__trtllm="1.2.0"),
        at="backend: default",
        says="backend: DEFAULT",
    ),
    Case(
        "ENG-012",
        "upper-case-on-1.0",
        pair(versions__trtllm="1.1.0rc2"),
        at="backend: DEFAULT",
        says="backend: default",
    ),
    Case(
        "ENG-012",
        "through-the-dynamo-release",
        pair(both={"cache_transceiver_config": {"backend": "ucx"}}, versions__dynamo="1.4.0"),
        at="backend: ucx",
        says="backend: UCX",
    ),
    Case(
        "ENG-012",
        "a-slip-in-every-release",
        pair(both={"cache_transceiver_config": {"backend": "NIXXL"}}),
        at="backend: NIXXL",
        says="backend: NIXL",
    ),
    Case(
        "ENG-012",
        "neither-case",
        pair(both={"cache_transceiver_config": {"backend": "Default"}}),
        at="backend: Default",
        says="backend: DEFAULT",
    ),
    Case(
        "ENG-012",
        "version-unknown",
        pair(both={"cache_transceiver_config": {"backend": "default"}}),
    ),
    Case(
        "ENG-012",
        "lower-case-on-1.1.0rc2",
        pair(
            both={"cache_transceiver_config": {"backend": "default"}}, versions__trtllm="1.1.0rc2"
        ),
    ),
    Case("ENG-012", "upper-case-on-1.1.0rc3", pair(versions__trtllm="1.1.0rc3")),
    Case(
        "ENG-012",
        "mooncake",
        pair(both={"cache_transceiver_config": {"backend": "MOONCAKE"}}, versions__trtllm="1.3.0"),
    ),
    Case(
        "ENG-013",
        "padding-enabled",
        graphs(padding_enabled=True),
        at="padding_enabled: true",
        says="newer releases call it enable_padding",
    ),
    Case(
        "ENG-013",
        "a-misspelt-key",
        aggregated({"tensor_parallel_size": None, "tensor_paralel_size": 16}),
        at="tensor_paralel_size: 16",
        says='did you mean "tensor_parallel_size"?',
    ),
    Case(
        "ENG-013",
        "overlap-with-the-opposite-value",
        pair({"enable_overlap_scheduler": False, "disable_overlap_scheduler": None}),
        at="enable_overlap_scheduler: false",
        says="write disable_overlap_scheduler: true",
    ),
    Case(
        "ENG-013",
        "an-older-block",
        aggregated({"pytorch_backend_config": {"print_iter_log": True, "use_cuda_graph": True}}),
        at="  use_cuda_graph: true",
        says="write cuda_graph_config: {}",
    ),
    Case(
        "ENG-013",
        "keys-of-an-older-block-go-up",
        aggregated({"pytorch_backend_config": {"print_iter_log": True}}),
        at="  print_iter_log: true",
        says="at the top level, outside pytorch_backend_config",
    ),
    *(
        Case("ENG-013", old, aggregated({old: value}), at=f"{old}:", says=says)
        for old, value, says in (
            ("moe_backend", "CUTLASS", "newer releases call it moe_config.backend"),
            ("use_cuda_graph", False, "write cuda_graph_config: null"),
            ("cuda_graph_batch_sizes", [1, 2], "call it cuda_graph_config.batch_sizes"),
            ("padding_enabled", True, "call it cuda_graph_config.enable_padding"),
            ("max_batch_size", "many", "must be a whole number or null"),
            ("kv_cache_config", [1], "must be a mapping"),
            ("enable_block_reuse", True, "belongs inside kv_cache_config"),
            ("brand_new_switch", True, "no release known to this suite has it"),
            ("max_beam_width", "1", "write 1, as the engine reads it"),
        )
    ),
    Case("ENG-013", "known-keys", aggregated()),
    Case(
        "ENG-013",
        "templates",
        aggregated({"max_batch_size": "${BATCH}", "kv_cache_config": "$(KV)"}),
    ),
    Case("ENG-012", "template", pair(both={"cache_transceiver_config": {"backend": "${BACKEND}"}})),
    Case(
        "ENG-002",
        "template",
        aggregated({"max_num_tokens": 256, "enable_chunked_prefill": "${CHUNKED}"}),
    ),
    Case(
        "ENG-013",
        "values-that-other-rules-judge",
        aggregated(
            {"moe_config": {"backend": "WIFEEP"}, "cache_transceiver_config": {"backend": "x"}}
        ),
    ),
]

CASES = [*SCHEDULE, *NAMES]
