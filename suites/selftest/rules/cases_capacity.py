"""Cases of the FIT rules: memory of GPUs and nodes, and requests of a planned size."""

from __future__ import annotations

from typing import Any

from .cases import Case, aggregated, pair
from .engine_files import model_file, with_flags

_EPLB = {"moe_config": {"load_balancer": {"num_slots": 288, "layer_updates_per_iter": 2}}}
_FIXED = {"moe_config": {"load_balancer": {"num_slots": 288, "layer_updates_per_iter": 0}}}
_TOKENS = {"max_num_tokens": 200000, "max_seq_len": None}
_WIDE = {"tensor_parallel_size": 128, "moe_expert_parallel_size": 128}


def _small(tensor: int, model: str, system: str, **top: Any) -> dict[str, str]:
    """One worker of a model on one node of a system."""
    engine = {"tensor_parallel_size": tensor, "moe_expert_parallel_size": None}
    changes = {"model": model, "system": system, "roles__aggregated__nodes_per_worker": 1}
    return aggregated({**engine, "enable_attention_dp": None}, **{**changes, **top})


def _fraction(share: Any, *, attention_dp: bool = True, isl: int = 8000) -> dict[str, str]:
    cache = {"dtype": "fp8", "free_gpu_memory_fraction": share}
    engine = {"kv_cache_config": cache, "enable_attention_dp": attention_dp}
    return aggregated(engine, workload__isl=isl)


def _clients(
    most: int, batch: int = 16, *, attention_dp: bool = False, **top: Any
) -> dict[str, str]:
    engine = {"max_batch_size": batch, "enable_attention_dp": attention_dp}
    workload = {"isl": 4000, "osl": 1000, "concurrency": [1, most]}
    return aggregated(engine, workload={**workload, **top})


def _llama(dtype: str, clients: int) -> dict[str, str]:
    """Llama-3.1-405B on a node of eight H100, with prompts of 8000 tokens."""
    cache = {"kv_cache_config": {"dtype": dtype, "free_gpu_memory_fraction": 0.85}}
    files = _small(
        8, "llama-3.1-405b-fp8", "h100", workload__concurrency=[clients], allocation__nodes=1
    )
    engine = {"tensor_parallel_size": 8, "moe_expert_parallel_size": None, **cache}
    return files | {
        "engine.yaml": aggregated({**engine, "enable_attention_dp": None})["engine.yaml"]
    }


def _host(**memory: int) -> dict[str, Any]:
    return {f"roles__aggregated__{name}": value for name, value in memory.items()}


def _nodes(nodes: int, **engine: Any) -> dict[str, str]:
    return aggregated(engine, roles__aggregated__nodes_per_worker=nodes, allocation__nodes=nodes)


WEIGHTS = [
    Case(
        "FIT-001",
        "r1-in-fp8-on-four-h100",
        _small(4, "deepseek-r1-fp8", "h100", roles__aggregated__gpus_per_node=4),
        at="tensor_parallel_size: 4",
        says="deepseek-r1-fp8 has 626.8 GiB of fp8 weights / 4 GPUs = 156.7 GiB per GPU, 196% of"
        " the 80.0 GiB of h100 TP16 on 16 GPUs leaves 39.2 GiB per GPU",
    ),
    Case(
        "FIT-001",
        "40-heads-want-pipelines",
        _small(8, "llama-4-maverick", "h100"),
        at="tensor_parallel_size: 8",
        says="TP8 x PP2 on 16 GPUs leaves 46.6 GiB per GPU",
    ),
    Case(
        "FIT-001",
        "vllm-copies-what-is-not-an-expert",
        with_flags(
            "vllm",
            {"tensor-parallel-size": 1, "data-parallel-size": 8, "enable-expert-parallel": True},
            model="llama-4-maverick",
            system="h100",
        ),
        at="tensor-parallel-size: 1",
        says="720.0 GiB of bf16 experts / 8 GPUs + 26.4 GiB of other weights / 1 GPUs = 116.4 GiB",
    ),
    Case("FIT-001", "r1-in-fp4-on-four-gb200", _small(4, "deepseek-r1-nvfp4", "gb200")),
    Case("FIT-001", "experts-spread-wide", aggregated(_EPLB)),
    Case("FIT-001", "sizes-unknown", _small(4, "model.yaml", "h100") | model_file()),
    Case(
        "FIT-001",
        "offload-declared",
        with_flags(
            "vllm",
            {"tensor-parallel-size": 4, "cpu-offload-gb": 100},
            model="deepseek-r1-fp8",
            system="h100",
        ),
    ),
]
CACHE = [
    Case(
        "FIT-002",
        "r1-in-fp8",
        pair(
            decode={"max_batch_size": 2048, "max_num_tokens": 8192},
            workload__concurrency=[2048],
        ),
        at="concurrency",
        says="decode: 2048 requests x 8256 tokens x 35,136 B per token",
    ),
    Case(
        "FIT-002",
        "llama-405b-in-fp8",
        _llama("fp8", 256),
        at="concurrency",
        says="256 requests x 8256 tokens x 32,256 B per token (258,048 B over 8 GPUs)",
    ),
    Case("FIT-002", "fewer-requests", _llama("fp8", 64)),
    Case(
        "FIT-002",
        "chunked-attention-needs-less",
        _small(8, "llama-4-maverick", "b200", workload__concurrency=[4096]),
    ),
    Case(
        "FIT-005",
        "more-than-all",
        _fraction(1.2),
        at="free_gpu_memory_fraction: 1.2",
        says="free_gpu_memory_fraction 1.2",
    ),
    Case(
        "FIT-005",
        "much-with-attention-dp-and-long-prompts",
        _fraction(0.85),
        at="free_gpu_memory_fraction: 0.85",
        says="free_gpu_memory_fraction 0.85 with ISL 8000 free_gpu_memory_fraction: 0.3",
    ),
    Case("FIT-005", "0.7-with-attention-dp", _fraction(0.7)),
    Case("FIT-005", "0.85-without-attention-dp", _fraction(0.85, attention_dp=False)),
    Case("FIT-005", "0.85-with-short-prompts", _fraction(0.85, isl=1000)),
    Case("FIT-005", "vllm-takes-all", with_flags("vllm", {"gpu-memory-utilization": 1.0})),
]
WORKLOAD = [
    Case(
        "FIT-003",
        "128-clients-and-batch-16",
        _clients(128),
        at="concurrency",
        says="128 requests at once > 1 aggregated x 1 x batch 16 = 16: 112 of them wait",
    ),
    Case("FIT-003", "attention-dp-multiplies", _clients(128, attention_dp=True)),
    Case("FIT-003", "queues-are-measured", _clients(128, measures_queueing=True)),
    Case("FIT-003", "batch-of-prefill-does-not-count", pair(workload__concurrency=[1, 128])),
    Case(
        "FIT-004",
        "140k-on-llama-3.1",
        _small(8, "llama-3.1-70b", "h100", workload={"isl": 140000, "osl": 1000})
        | {"engine.yaml": aggregated({**_TOKENS, "enable_attention_dp": None})["engine.yaml"]},
        at="isl: 140000",
        says="ISL 140000 + OSL 1000 = 141000 > 131072 of llama-3.1-70b plan for 131072 tokens in"
        " all, such as ISL 130072",
    ),
    Case(
        "FIT-004",
        "context-extended-on-purpose",
        with_flags(
            "vllm",
            {"hf-overrides": {"max_position_embeddings": 163840}},
            model="llama-3.1-70b",
            workload={"isl": 140000, "osl": 1000},
        ),
    ),
    Case("FIT-004", "fits", aggregated()),
    Case(
        "FIT-008",
        "128k-over-nats",
        aggregated(_TOKENS, planes={"request": "nats"}, workload__isl=131072),
        at="isl: 131072",
        says="ISL 131072 x about 10 B per token = 1.2 MB > 1.0 MB of NATS by default",
    ),
    Case(
        "FIT-008",
        "more-text-than-nats-carries",
        aggregated(
            _TOKENS, planes={"request": "nats"}, workload__isl=300000, model="llama-4-scout"
        ),
        at="isl: 300000",
        says="ISL 300000 x at least 4 B per token = 1.1 MB > 1.0 MB of NATS by default",
    ),
    Case(
        "FIT-008",
        "tcp-carries-it",
        aggregated(_TOKENS, planes={"request": "tcp"}, workload__isl=131072),
    ),
    Case(
        "FIT-008",
        "limit-raised",
        aggregated(
            _TOKENS,
            planes={"request": "nats"},
            workload__isl=131072,
            environment={"NATS_MAX_PAYLOAD": "8MB"},
        ),
    ),
    Case("FIT-008", "plane-unknown", aggregated(_TOKENS, workload__isl=131072)),
]
NODES = [
    Case(
        "FIT-006",
        "experts-in-8gib",
        aggregated(_EPLB, **_host(shared_memory_mib=8192)),
        at="shared_memory_mib: 8192",
        says="58 layers x 256 experts in nvfp4 = 342.6 GiB, but it has 8.0 GiB 352 GiB of shared",
    ),
    Case(
        "FIT-006",
        "64-mib-for-several-gpus",
        aggregated(**_host(shared_memory_mib=64)),
        at="shared_memory_mib: 64",
        says="64 MiB for 16 GPUs per worker",
    ),
    Case(
        "FIT-006",
        "small-model",
        _small(8, "qwen3-0.6b", "h100", **_host(shared_memory_mib=8192)),
    ),
    Case("FIT-006", "fixed-assignment", aggregated(_FIXED, **_host(shared_memory_mib=8192))),
    Case(
        "FIT-006",
        "balancer-in-a-file-of-the-image",
        aggregated(
            {"moe_config": {"load_balancer": "/configs/eplb.yaml"}}, **_host(shared_memory_mib=8192)
        ),
    ),
    Case("FIT-006", "enough", aggregated(_EPLB, **_host(shared_memory_mib=800 * 1024))),
    Case(
        "FIT-007",
        "little-host-memory",
        aggregated(_EPLB, **_host(host_memory_mib=256 * 1024)),
        at="host_memory_mib: 262144",
        says="58 layers x 256 experts in nvfp4 = 342.6 GiB, but a node has 256.0 GiB",
    ),
    Case("FIT-007", "no-balancer", aggregated(**_host(host_memory_mib=64 * 1024))),
    Case("FIT-007", "enough", aggregated(_EPLB, **_host(host_memory_mib=900 * 1024))),
    Case(
        "FIT-009",
        "decode-over-two-racks",
        _nodes(32, **_WIDE),
        at="nodes_per_worker: 32",
        says="32 nodes > 18 of gb200 nodes_per_worker: 18 and more workers",
    ),
    Case("FIT-009", "one-rack", _nodes(16, tensor_parallel_size=64, moe_expert_parallel_size=64)),
    Case(
        "FIT-009",
        "a-stage-in-each-rack",
        _nodes(32, tensor_parallel_size=64, moe_expert_parallel_size=64, pipeline_parallel_size=2),
    ),
    Case(
        "FIT-009",
        "two-roles-in-two-racks",
        pair(
            both={"tensor_parallel_size": 64, "moe_expert_parallel_size": 64},
            roles__prefill__nodes_per_worker=16,
            roles__decode__nodes_per_worker=16,
            allocation__nodes=32,
        ),
    ),
    Case(
        "FIT-009",
        "nvlink-between-nodes-switched-off",
        aggregated(
            _WIDE,
            environment={"NCCL_MNNVL_ENABLE": 0},
            roles__aggregated__nodes_per_worker=32,
            allocation__nodes=32,
        ),
    ),
]
CASES = WEIGHTS + CACHE + WORKLOAD + NODES
