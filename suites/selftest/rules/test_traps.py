"""Things that look wrong and are legal: no rule of any family may raise more than advice here."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fixtures.model.remark import Remark, Severity

from .cases import DECODE, PREFILL, aggregated, pair, remarks_on
from .engine_files import model_file, with_flags
from .user_files import (
    AGG_ENV,
    COMPUTE_DOMAIN,
    LAUNCH_SCRIPT,
    MANIFEST,
    PICTURES_ENV,
    SERVE_AGG,
    with_line,
)

pytestmark = pytest.mark.selftest

Files = Mapping[str, str]
_GRAPHS = {"enable_padding": True, "batch_sizes": [1, 2, 4, 8, 16, 32]}
_EPLB = {"backend": "CUTLASS", "load_balancer": {"num_slots": 288, "layer_updates_per_iter": 2}}


def _kv_cache(**changes: Any) -> dict[str, Any]:
    merged = {"dtype": "fp8", "free_gpu_memory_fraction": 0.3, **changes}
    return {"kv_cache_config": {key: each for key, each in merged.items() if each is not None}}


def _transceiver(**changes: Any) -> dict[str, Any]:
    return {"cache_transceiver_config": {"backend": "DEFAULT", **changes}}


def _wide(role: str, nodes: int, others: int = 1) -> dict[str, Any]:
    return {f"roles__{role}__nodes_per_worker": nodes, "allocation__nodes": nodes + others}


def _dense(**changes: Any) -> dict[str, str]:
    shape = {"attention_heads": 128, "kv_heads": 8, "layers": 126, "experts": None}
    return model_file(**{**shape, "precision": "fp8", **changes})


_NO_EXPERTS = {"moe_expert_parallel_size": None, "enable_attention_dp": False}
TRAPS: dict[str, Files] = {
    "PAR-007: attention DP frees 40 heads from TP16": aggregated(model="model.yaml") | model_file(),
    "PAR-008: 8 KV heads on TP16": aggregated(_NO_EXPERTS, model="model.yaml") | _dense(),
    "PAR-008: 8 KV heads on TP16 of vLLM": with_flags(
        "vllm", {"tensor-parallel-size": 16}, nodes_per_worker=2
    )
    | _dense(),
    "PAR-002: EP4 inside TP16": aggregated({"moe_expert_parallel_size": 4}),
    "PAR-002: EP1 on a model with experts": aggregated({"moe_expert_parallel_size": 1}),
    "PAR-009: 61 layers on two stages": aggregated(
        {
            "tensor_parallel_size": 8,
            "pipeline_parallel_size": 2,
            "moe_expert_parallel_size": 8,
        }
    ),
    "PAR-013: data parallelism multiplies in vLLM": with_flags(
        "vllm",
        {
            "tensor-parallel-size": 1,
            "data-parallel-size": 16,
            "enable-expert-parallel": True,
        },
        nodes_per_worker=2,
    )
    | model_file(attention_heads=64),
    "PAR-014: data parallelism sits inside TP in SGLang": with_flags(
        "sglang",
        {"tensor-parallel-size": 16, "dp-size": 16, "enable-dp-attention": True},
        nodes_per_worker=2,
    )
    | model_file(attention_heads=64),
    "PAIR-014: TP differs": pair(
        decode={"tensor_parallel_size": 32, "moe_expert_parallel_size": 32}, **_wide("decode", 8)
    ),
    "PAIR-014: PP differs": pair(
        decode={"tensor_parallel_size": 4, "pipeline_parallel_size": 2}, **_wide("decode", 2)
    ),
    "PAIR-014: EP differs": pair(decode={"moe_expert_parallel_size": 2}),
    "PAIR-014: MoE backend differs": pair(
        {"moe_config": {"backend": "CUTLASS"}}, {"moe_config": {"backend": "TRTLLM"}}
    ),
    "PAIR-014: only one side balances experts": pair(
        decode={"moe_config": _EPLB, "enable_attention_dp": True}
    ),
    "PAIR-014: attention DP differs": pair(
        {"enable_attention_dp": False}, {"enable_attention_dp": True}
    ),
    "PAIR-014: batch differs": pair({"max_batch_size": 4}, {"max_batch_size": 128}),
    "PAIR-011: sequence limit differs by the output": pair(decode={"max_seq_len": 8448}),
    "PAIR-014: KV fraction differs": pair(
        _kv_cache(free_gpu_memory_fraction=0.75), _kv_cache(free_gpu_memory_fraction=0.85)
    ),
    "PAIR-014: everything differs": pair(
        {"moe_config": {"backend": "CUTLASS"}},
        {
            "tensor_parallel_size": 8,
            "moe_expert_parallel_size": 8,
            "enable_attention_dp": True,
            "max_batch_size": 64,
            "moe_config": _EPLB,
        },
        **_wide("decode", 2),
    ),
    "PAIR-010: tokens of decode below the prompt": pair(decode={"max_num_tokens": 256}),
    "ENG-001: overlap scheduler off on decode": pair(decode={"disable_overlap_scheduler": True}),
    "ENG-001: overlap scheduler off when aggregated": aggregated(
        {"disable_overlap_scheduler": True}
    ),
    "PAIR-007: buffer of 0": pair(both=_transceiver(backend="NIXL", max_tokens_in_buffer=0)),
    "PAIR-007: buffer unset": pair(both=_transceiver(backend="NIXL")),
    "PAIR-002: unset block size equals 32": pair(_kv_cache(), _kv_cache(tokens_per_block=32)),
    "PAIR-001: cache format unset on both sides": pair(both=_kv_cache(dtype=None)),
    "ENG-010: MoE backend unset on both sides": pair(),
    "ENG-016: NVFP4 on Hopper with vLLM": with_flags("vllm", {})
    | _dense(precision="nvfp4", attention_heads=64),
    "SLM-001: the frontend overlaps the head node": pair(
        both={"tensor_parallel_size": 16, "moe_expert_parallel_size": 16},
        roles__prefill__nodes_per_worker=4,
        roles__decode__nodes_per_worker=4,
        allocation__nodes=8,
        orchestrator="slurm",
    ),
    "ENV-008: etcd endpoints without a scheme": {"launch.env": AGG_ENV},
    "ENG-023: a text-only plan for a model that takes images": {
        "launch.env": with_line(PICTURES_ENV, 'MODALITY="multimodal"', 'MODALITY="text"')
    },
    "SLM-008: no --gres, --gpus-per-node or --segment": {"launch.sh": LAUNCH_SCRIPT},
    "K8S-006: a ComputeDomain of 0 nodes": {"deployment.yaml": MANIFEST + COMPUTE_DOMAIN},
    "RAY-007: gpu '1' with TP16 under Ray": {"multinode_agg_r1.yaml": SERVE_AGG},
}


def _told(remarks: list[Remark]) -> str:
    return "\n".join(
        f"{each.rule} {each.severity} {each.where}: {each.violation.actual}" for each in remarks
    )


@pytest.mark.parametrize("name", TRAPS)
def test_what_only_looks_wrong_is_never_flagged(name: str, tmp_path: Path) -> None:
    above = [
        each for each in remarks_on(TRAPS[name], tmp_path) if each.severity is not Severity.ADVICE
    ]

    assert above == [], _told(above)


def test_graph_sizes_above_the_batch_are_mentioned_and_never_refuse(tmp_path: Path) -> None:
    # The engine itself drops them with a warning, and a published configuration does it.
    small = {"max_batch_size": 16, "cuda_graph_config": _GRAPHS}

    remarks = remarks_on(pair(decode=small), tmp_path)

    assert "ENG-005" in {each.rule for each in remarks}
    above = [each for each in remarks if each.severity is not Severity.ADVICE]
    assert {(each.rule, each.severity) for each in above} <= {("ENG-005", Severity.WARNING)}


def test_the_traps_start_from_a_pair_that_differs_already() -> None:
    assert PREFILL["enable_attention_dp"] is True
    assert "enable_attention_dp" not in DECODE
