"""Cases of the PAR rules of vLLM and SGLang."""

from __future__ import annotations

from typing import Any

from .cases import Case
from .engine_files import model_file, with_flags


def vllm(*, nodes: int = 1, **flags: Any) -> dict[str, str]:
    """One vLLM worker on nodes of eight GPUs; an underscore in a flag is a dash."""
    return with_flags("vllm", _dashed(flags), nodes_per_worker=nodes)


def sglang(*, nodes: int = 1, **flags: Any) -> dict[str, str]:
    """One SGLang worker on nodes of eight GPUs."""
    return with_flags("sglang", _dashed(flags), nodes_per_worker=nodes)


def _dashed(flags: dict[str, Any]) -> dict[str, Any]:
    return {name.replace("_", "-"): value for name, value in flags.items()}


def with_heads(files: dict[str, str], **facts: Any) -> dict[str, str]:
    """The same deployment of a model with these facts, dense unless they say otherwise."""
    return {**files, **model_file(**{"experts": None, **facts})}


MLA = {"attention_heads": 128, "kv_heads": 128, "kv_lora_rank": 512, "rope_head_dim": 64}
WORLD = [
    Case(
        "PAR-013",
        "tp8-on-two-nodes",
        vllm(nodes=2),
        at="tensor-parallel-size: 8",
        says="TP8 x PP1 x PCP1 x DP1 = 8 GPUs, but 2 nodes x 8 GPUs = 16",
    ),
    Case(
        "PAR-013",
        "hint-fills-with-data-parallel",
        vllm(nodes=2),
        at="tensor-parallel-size: 8",
        says="data_parallel_size: 2 fills 16 GPUs; nodes_per_worker: 1 gives 8",
    ),
    Case(
        "PAR-013",
        "dp-multiplies-beyond-the-node",
        vllm(tensor_parallel_size=4, dp=4),
        at="tensor-parallel-size: 4",
        says="TP4 x PP1 x PCP1 x DP4 = 16 GPUs, but 1 nodes x 8 GPUs = 8",
    ),
    Case(
        "PAR-013",
        "half-a-node",
        vllm(tensor_parallel_size=3),
        at="tensor-parallel-size: 3",
        says="nodes_per_worker: 1 and gpus_per_node: 3 give 3",
    ),
    Case(
        "PAR-013",
        "tp1-dp16-on-16",
        vllm(nodes=2, tensor_parallel_size=1, data_parallel_size=16),
    ),
    Case("PAR-013", "pp-and-tp", vllm(nodes=2, pp=2)),
    Case("PAR-013", "quoted-size", vllm(nodes=2, tensor_parallel_size="16")),
    Case("PAR-013", "ray-may-have-more", vllm(nodes=3, distributed_executor_backend="ray")),
    Case(
        "PAR-013",
        "one-process-per-rank",
        vllm(nodes=2, tensor_parallel_size=2, dp=16, data_parallel_external_lb=True),
    ),
    Case(
        "PAR-014",
        "tp8-on-four-nodes",
        sglang(nodes=4),
        at="tensor-parallel-size: 8",
        says="TP8 x PP1 = 8 GPUs, but 4 nodes x 8 GPUs = 32",
    ),
    Case(
        "PAR-014",
        "dp-attention-adds-no-gpus",
        sglang(nodes=2, dp_size=2, enable_dp_attention=True),
        at="tensor-parallel-size: 8",
        says="tp-size: 16 uses 16 GPUs; nodes_per_worker: 1 gives 8",
    ),
    Case(
        "PAR-014",
        "dp-does-not-divide-tp",
        sglang(dp_size=3, enable_dp_attention=True),
        at="dp-size: 3",
        says="TP8 / DP3 leaves 2 dp-size: 2",
    ),
    Case(
        "PAR-014",
        "dp16-inside-tp16",
        sglang(nodes=2, tensor_parallel_size=16, dp_size=16, enable_dp_attention=True),
    ),
    Case("PAR-014", "replicas-on-one-node", sglang(tensor_parallel_size=2, dp_size=4)),
    Case("PAR-014", "stages", sglang(nodes=2, pp_size=2)),
    Case(
        "PAR-015",
        "dp2-over-two-nodes",
        sglang(nodes=2, tensor_parallel_size=16, dp_size=2),
        at="dp-size: 2",
        says="DP2 over 2 nodes, DP attention unset = off",
    ),
    Case("PAR-015", "one-node", sglang(tensor_parallel_size=4, dp_size=2)),
    Case(
        "PAR-015",
        "with-dp-attention",
        sglang(nodes=2, tensor_parallel_size=16, dp_size=2, enable_dp_attention=True),
    ),
]
MODELS = [
    Case(
        "PAR-016",
        "tp16-for-40-heads",
        with_heads(vllm(nodes=2, tensor_parallel_size=16), attention_heads=40),
        at="tensor-parallel-size: 16",
        says="40 heads / TP16 leaves 8",
    ),
    Case(
        "PAR-016",
        "hint-keeps-the-gpus",
        with_heads(vllm(nodes=2, tensor_parallel_size=16), attention_heads=40),
        at="tensor-parallel-size: 16",
        says="TP8 does: tensor_parallel_size: 8 with pipeline_parallel_size: 2",
    ),
    Case(
        "PAR-016",
        "no-common-divisor",
        with_heads(vllm(tensor_parallel_size=7), attention_heads=40),
        at="tensor-parallel-size: 7",
        says="tensor_parallel_size: 5 does",
    ),
    Case(
        "PAR-016",
        "no-exemption-for-attention-dp",
        with_heads(
            vllm(nodes=2, tensor_parallel_size=16, enable_attention_dp=True), attention_heads=40
        ),
        at="tensor-parallel-size: 16",
    ),
    Case(
        "PAR-016",
        "fewer-kv-heads-than-ranks",
        with_heads(vllm(nodes=2, tensor_parallel_size=16), attention_heads=128, kv_heads=8),
    ),
    Case(
        "PAR-008",
        "kv-heads-are-replicated-by-vllm",
        with_heads(vllm(nodes=2, tensor_parallel_size=16), attention_heads=128, kv_heads=8),
    ),
    Case(
        "PAR-017",
        "whisper-in-two-stages",
        with_heads(
            vllm(nodes=2, pp=2),
            architecture="WhisperForConditionalGeneration",
            attention_heads=16,
            kv_heads=16,
        ),
        at="pp: 2",
        says="pipeline_parallel_size: 1 with tensor_parallel_size: 16",
    ),
    Case(
        "PAR-017",
        "unknown-class",
        with_heads(vllm(nodes=2, pp=2), architecture="BrandNewForCausalLM", attention_heads=64),
    ),
    Case(
        "PAR-017",
        "one-stage",
        with_heads(vllm(), architecture="WhisperForConditionalGeneration", attention_heads=16),
    ),
    Case(
        "PAR-017",
        "transformers-splits-any-model",
        with_heads(
            vllm(nodes=2, pp=2, model_impl="transformers"),
            architecture="Mamba2ForCausalLM",
            attention_heads=64,
        ),
    ),
    Case(
        "PAR-018",
        "tp-does-not-exceed-the-kv-heads",
        with_heads(vllm(dcp=2), attention_heads=64, kv_heads=8),
        at="dcp: 2",
        says="TP8 / 8 KV heads = 1 replicas",
    ),
    Case(
        "PAR-018",
        "more-than-the-replicas",
        with_heads(
            vllm(nodes=2, tensor_parallel_size=16, decode_context_parallel_size=4),
            attention_heads=64,
            kv_heads=8,
        ),
        at="decode-context-parallel-size: 4",
        says="decode_context_parallel_size: 2",
    ),
    Case(
        "PAR-018",
        "heads-of-a-kv-head-do-not-divide",
        with_heads(
            vllm(nodes=3, tensor_parallel_size=24, decode_context_parallel_size=2),
            attention_heads=72,
            kv_heads=8,
        ),
        at="decode-context-parallel-size: 2",
        says="9 heads per KV head / DCP2 leaves 1",
    ),
    Case(
        "PAR-018",
        "mla-still-divides-tp",
        with_heads(vllm(decode_context_parallel_size=3), **MLA),
        at="decode-context-parallel-size: 3",
        says="TP8 / DCP3 leaves 2 decode_context_parallel_size: 2",
    ),
    Case(
        "PAR-018",
        "mla-has-no-kv-heads-to-share",
        with_heads(vllm(decode_context_parallel_size=8), **MLA),
    ),
    Case(
        "PAR-018",
        "two-replicas",
        with_heads(
            vllm(nodes=2, tensor_parallel_size=16, decode_context_parallel_size=2),
            attention_heads=64,
            kv_heads=8,
        ),
    ),
    Case("PAR-018", "off", vllm(decode_context_parallel_size=1)),
]
CASES = [*WORLD, *MODELS]
