"""Cases in srt-slurm recipes: rules point into the recipe, whatever its engine."""

from __future__ import annotations

from .cases import Case
from .user_files import with_line

TRTLLM = """\
name: dsr1-fp4-1p4d
model:
  path: dsr1-fp4
  container: nvcr.io/nvidia/ai-dynamo/tensorrtllm-runtime:1.2.0
  precision: fp4
resources:
  gpu_type: gb200
  gpus_per_node: 4
  prefill_nodes: 1
  prefill_workers: 1
  decode_nodes: 8
  decode_workers: 4
backend:
  type: trtllm
  prefill_environment:
    TRTLLM_ENABLE_PDL: 1
  decode_environment:
    TRTLLM_ENABLE_PDL: 1
  trtllm_config:
    prefill:
      tensor_parallel_size: 4
      moe_expert_parallel_size: 4
      enable_attention_dp: true
      max_batch_size: 2
      max_num_tokens: 4608
      max_seq_len: 1227
      disable_overlap_scheduler: true
      kv_cache_config:
        dtype: fp8
        enable_block_reuse: false
        free_gpu_memory_fraction: 0.3
      cache_transceiver_config:
        backend: DEFAULT
        max_tokens_in_buffer: 4608
    decode:
      tensor_parallel_size: 8
      moe_expert_parallel_size: 8
      enable_attention_dp: true
      max_batch_size: 256
      max_num_tokens: 256
      max_seq_len: 2251
      kv_cache_config:
        dtype: fp8
        enable_block_reuse: false
        free_gpu_memory_fraction: 0.7
      cache_transceiver_config:
        backend: DEFAULT
        max_tokens_in_buffer: 4608
benchmark:
  type: sa-bench
  isl: 1024
  osl: 1024
  concurrencies: 4x8x16
"""
SGLANG = """\
name: dsr1-fp8-agg
model:
  path: dsr1
  container: lmsysorg/sglang:v0.5.8
  precision: fp8
resources:
  gpu_type: gb200
  gpus_per_node: 4
  agg_nodes: 4
  agg_workers: 1
backend:
  type: sglang
  sglang_config:
    aggregated:
      served-model-name: deepseek-ai/DeepSeek-R1
      tp-size: 16
      dp-size: 16
      enable-dp-attention: true
benchmark:
  type: sa-bench
  isl: 1024
  osl: 1024
  concurrencies: [16, 32]
"""
VLLM = """\
base:
  name: r1-vllm
  model: {path: dsr1-fp8, container: vllm/vllm-openai:v0.23.0, precision: fp8}
  resources: {gpu_type: h100, gpus_per_node: 8, agg_nodes: 2, agg_workers: 1}
  backend:
    type: vllm
    vllm_config:
      aggregated:
        tensor-parallel-size: 1
        data-parallel-size: 16
        enable-expert-parallel: true
override_tp8:
  backend:
    vllm_config:
      aggregated:
        tensor-parallel-size: 8
        data-parallel-size: 2
"""


def recipe(text: str, old: str = "base", new: str = "base") -> dict[str, str]:
    """A recipe with one place changed."""
    return {"recipe.yaml": text if old == new else with_line(text, old, new)}


CASES = [
    Case(
        "PAR-001",
        "nodes-are-of-all-workers-of-a-recipe",
        recipe(TRTLLM, "decode_nodes: 8", "decode_nodes: 4"),
        at="tensor_parallel_size: 8",
        says="TP8 x PP1 x CP1 = 8 GPUs, but 1 nodes x 4 GPUs = 4",
    ),
    Case("PAR-001", "a-recipe-of-1p4d", recipe(TRTLLM)),
    Case(
        "PAR-001",
        "decode-shares-the-nodes-of-prefill",
        recipe(TRTLLM, "decode_nodes: 8", "decode_nodes: 0"),
    ),
    Case(
        "PAR-001",
        "two-workers-on-one-node",
        recipe(
            with_line(TRTLLM, "prefill_workers: 1", "prefill_workers: 2").replace(
                "tensor_parallel_size: 4\n      moe_expert_parallel_size: 4",
                "tensor_parallel_size: 2\n      moe_expert_parallel_size: 2",
            )
        ),
    ),
    Case(
        "PAR-002",
        "ep16-in-a-recipe",
        recipe(TRTLLM, "moe_expert_parallel_size: 8", "moe_expert_parallel_size: 16"),
        at="moe_expert_parallel_size: 16",
    ),
    Case(
        "PAR-014",
        "a-recipe-for-fewer-nodes",
        recipe(SGLANG, "agg_nodes: 4", "agg_nodes: 2"),
        at="tp-size: 16",
        says="TP16 x PP1 = 16 GPUs, but 2 nodes x 4 GPUs = 8",
    ),
    Case("PAR-014", "a-recipe-of-dp16-attention", recipe(SGLANG)),
    Case(
        "PAR-013",
        "a-variant-of-a-recipe",
        recipe(VLLM, "data-parallel-size: 2", "data-parallel-size: 4"),
        at="        tensor-parallel-size: 8",
        says="TP8 x PP1 x PCP1 x DP4 = 32 GPUs, but 2 nodes x 8 GPUs = 16",
    ),
    Case("PAR-013", "a-recipe-and-its-variant", recipe(VLLM)),
    Case(
        "SLM-001",
        "more-gpus-than-a-node-has",
        recipe(SGLANG, "gpus_per_node: 4", "gpus_per_node: 8"),
        at="gpus_per_node: 8",
        says="gpus_per_node 8 > 4 of gb200",
    ),
]
