"""Cases of the PAR rules of TensorRT-LLM: attention, context and pipeline parallelism."""

from __future__ import annotations

from .cases import Case, aggregated, pair
from .cases_parallelism import MAVERICK, dense, helix

LAYOUT = [
    Case(
        "PAR-004",
        "attention-tp-4-of-8",
        pair(
            {"attn_tp_size": 4, "tensor_parallel_size": 8},
            roles__prefill__nodes_per_worker=2,
            allocation__nodes=3,
        ),
        at="attn_tp_size: 4",
        says="attention TP4 x CP2 = 8",
    ),
    Case(
        "PAR-004",
        "a-product-that-misses",
        helix({"attn_tp_size": 4, "attn_cp_size": 2, "cp_config": {"cp_type": "HELIX"}}),
        at="attn_tp_size: 4",
        says="attention TP4 x CP2 = 8",
    ),
    Case("PAR-004", "both-unset", aggregated()),
    Case("PAR-004", "minus-one-is-unset", aggregated({"attn_tp_size": -1, "attn_cp_size": -1})),
    Case("PAR-004", "all-ranks", aggregated({"attn_tp_size": 16})),
    Case(
        "PAR-004",
        "helix",
        helix({"attn_tp_size": 4, "attn_cp_size": 4, "cp_config": {"cp_type": "HELIX"}}),
    ),
    Case(
        "PAR-005",
        "ring-with-ep-4",
        helix({"moe_expert_parallel_size": 4, "cp_config": {"cp_type": "RING"}}),
        at="cp_type: RING",
        says="CP4 of type RING with EP4",
    ),
    Case(
        "PAR-005",
        "unset-is-ulysses",
        helix({"moe_expert_parallel_size": 4}),
        at="context_parallel_size: 4",
        says="ULYSSES (unset) with EP4",
    ),
    Case(
        "PAR-005",
        "helix",
        helix({"moe_expert_parallel_size": 4, "cp_config": {"cp_type": "HELIX"}}),
    ),
    Case("PAR-005", "ep-1", helix({"moe_expert_parallel_size": 1})),
    Case("PAR-005", "no-context-parallelism", aggregated()),
    Case(
        "PAR-006",
        "without-attention-dp",
        aggregated({"enable_lm_head_tp_in_adp": True, "enable_attention_dp": False}),
        at="enable_lm_head_tp_in_adp",
        says="enable_attention_dp: true",
    ),
    Case("PAR-006", "with-attention-dp", aggregated({"enable_lm_head_tp_in_adp": True})),
    Case("PAR-006", "attention-dp-alone", aggregated()),
    Case(
        "PAR-006",
        "template",
        aggregated({"enable_lm_head_tp_in_adp": True, "enable_attention_dp": "${DP}"}),
    ),
    Case(
        "PAR-009",
        "30-and-30-of-61",
        pair(
            {"pipeline_parallel_size": 2, "pp_partition": [30, 30]},
            roles__prefill__nodes_per_worker=2,
            allocation__nodes=3,
        ),
        at="pp_partition",
        says="2 parts, 30+30 = 60",
    ),
    Case(
        "PAR-009",
        "hint",
        pair({"pipeline_parallel_size": 2, "pp_partition": [30, 30]}),
        at="pp_partition",
        says="pp_partition: [31, 30]",
    ),
    Case(
        "PAR-009",
        "three-parts-for-two-stages",
        pair({"pipeline_parallel_size": 2, "pp_partition": [20, 20, 21]}),
        at="pp_partition",
        says="3 parts",
    ),
    Case("PAR-009", "fits", pair({"pipeline_parallel_size": 2, "pp_partition": [31, 30]})),
    Case("PAR-009", "uneven-without-partition", pair({"pipeline_parallel_size": 2})),
    Case("PAR-009", "words-are-unknown", pair({"pp_partition": ["all"]})),
    Case(
        "PAR-010",
        "pp-64-on-61-layers",
        aggregated({"pipeline_parallel_size": 64, "tensor_parallel_size": 1}),
        at="pipeline_parallel_size: 64",
        says="pipeline_parallel_size: 32",
    ),
    Case("PAR-010", "61-layers-on-pp-2", pair({"pipeline_parallel_size": 2})),
]

HEADS = [
    Case(
        "PAR-007",
        "40-heads-tp16",
        aggregated(
            {"enable_attention_dp": False, "moe_expert_parallel_size": 1},
            **MAVERICK,
        ),
        at="tensor_parallel_size: 16",
        says="TP16 does not divide 40 heads; TP8 over 2 nodes does",
    ),
    Case(
        "PAR-007",
        "smaller-tp-needs-smaller-ep",
        aggregated({"enable_attention_dp": False}, **MAVERICK),
        at="tensor_parallel_size: 16",
        says="TP8 with moe_expert_parallel_size: 8 over 2 nodes does, or set enable_attention_dp",
    ),
    Case("PAR-007", "40-heads-tp16-attention-dp", aggregated(**MAVERICK)),
    *(
        Case(
            "PAR-007",
            f"40-heads-tp{tensor}",
            aggregated(
                {
                    "tensor_parallel_size": tensor,
                    "moe_expert_parallel_size": 1,
                    "enable_attention_dp": False,
                },
                **MAVERICK,
            ),
        )
        for tensor in (4, 8, 10)
    ),
    Case("PAR-007", "template", aggregated({"enable_attention_dp": "${DP}"}, **MAVERICK)),
    Case("PAR-008", "8-kv-heads-on-tp16", dense()),
]

CASES = [*LAYOUT, *HEADS]
