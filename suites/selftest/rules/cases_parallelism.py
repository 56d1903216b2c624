"""Cases of the PAR rules of TensorRT-LLM: GPUs and experts."""

from __future__ import annotations

from typing import Any

from .cases import Case, aggregated, pair

MAVERICK = {"model": "llama-4-maverick", "served_model_name": "llama-4"}
LLAMA = {"model": "llama-3.1-405b-fp8", "served_model_name": "llama-3.1"}


def dense(engine: dict[str, Any] | None = None, **top: Any) -> dict[str, str]:
    """One 16-GPU worker of a model with 128 heads, 126 layers and no experts."""
    plain = {"moe_expert_parallel_size": None, "enable_attention_dp": None}
    return aggregated({**plain, **(engine or {})}, **LLAMA, **top)


def helix(engine: dict[str, Any]) -> dict[str, str]:
    """One 16-GPU worker of TP4 x CP4 with these changes."""
    return aggregated({"tensor_parallel_size": 4, "context_parallel_size": 4, **engine})


WORLD = [
    Case(
        "PAR-001",
        "tp16-on-three-nodes",
        aggregated(roles__aggregated__nodes_per_worker=3),
        at="tensor_parallel_size: 16",
        says="TP16 x PP1 x CP1 = 16 GPUs, but 3 nodes x 4 GPUs = 12",
    ),
    Case(
        "PAR-001",
        "hint-names-a-node-count",
        aggregated(roles__aggregated__nodes_per_worker=3),
        at="tensor_parallel_size: 16",
        says="nodes_per_worker: 4 gives 16 GPUs",
    ),
    Case(
        "PAR-001",
        "smaller-than-a-node",
        pair({"tensor_parallel_size": 2, "moe_expert_parallel_size": 2}),
        at="tensor_parallel_size: 2",
        says="nodes_per_worker: 1 and gpus_per_node: 2 give 2 GPUs",
    ),
    Case(
        "PAR-001",
        "no-whole-nodes",
        pair({"tensor_parallel_size": 6, "moe_expert_parallel_size": 2}),
        at="tensor_parallel_size: 6",
        says="tensor_parallel_size: 4 with nodes_per_worker: 1 works",
    ),
    Case(
        "PAR-001",
        "unset-tp-counts-as-one",
        pair({"tensor_parallel_size": None, "moe_expert_parallel_size": None}),
        at="backend: pytorch",
        says="TP1 x PP1 x CP1 = 1 GPUs",
    ),
    Case(
        "PAR-001",
        "pipeline-stages-are-gpus",
        aggregated({"tensor_parallel_size": 8, "moe_expert_parallel_size": 8}),
        at="tensor_parallel_size: 8",
        says="nodes_per_worker: 2 gives 8 GPUs",
    ),
    Case(
        "PAR-001",
        "with-pipeline-stages",
        aggregated(
            {
                "tensor_parallel_size": 8,
                "moe_expert_parallel_size": 8,
                "pipeline_parallel_size": 2,
            }
        ),
    ),
    Case(
        "PAR-001",
        "three-nodes-by-a-variable",
        {
            "run.env": "IMAGE=x\nMOUNTS=${PWD}:/mnt\nENGINE_CONFIG=/mnt/engine.yaml\nNUM_NODES=3\n",
            "engine.yaml": aggregated()["engine.yaml"],
        },
        at="tensor_parallel_size: 16",
        says="NUM_NODES=4 gives 16 GPUs",
    ),
    Case("PAR-001", "attention-dp-adds-no-gpus", aggregated({"enable_attention_dp": True})),
    Case("PAR-001", "spare-nodes", aggregated(allocation__nodes=18)),
    Case("PAR-001", "a-quoted-size-is-read", aggregated({"tensor_parallel_size": "16"})),
    Case("PAR-001", "an-unreadable-size-is-unknown", aggregated({"tensor_parallel_size": "all"})),
    Case(
        "PAR-012",
        "the-default-of-the-engine-on-gb200",
        aggregated({"gpus_per_node": 8}),
        at="gpus_per_node: 8",
        says="gpus_per_node: 4, or leave it out",
    ),
    Case("PAR-012", "right", aggregated({"gpus_per_node": 4})),
    Case("PAR-012", "unset", aggregated()),
    Case("PAR-012", "single-node", pair({"gpus_per_node": 8})),
]

EXPERTS = [
    Case(
        "PAR-002",
        "tp8-ep16",
        aggregated(
            {
                "tensor_parallel_size": 8,
                "moe_expert_parallel_size": 16,
                "enable_attention_dp": None,
            },
            **MAVERICK,
            roles__aggregated__nodes_per_worker=2,
        ),
        at="moe_expert_parallel_size: 16",
        says="MoE TP0 x EP16 x cluster 1 = 0, not 8",
    ),
    Case(
        "PAR-002",
        "tp4-ep16-hint",
        pair({"moe_expert_parallel_size": 16}),
        at="moe_expert_parallel_size: 16",
        says="moe_expert_parallel_size: 4 divides 4",
    ),
    Case(
        "PAR-002",
        "explicit-product",
        pair({"moe_tensor_parallel_size": 2}),
        at="moe_expert_parallel_size: 4",
        says="MoE TP2 x EP4 x cluster 1 = 8, not 4",
    ),
    Case(
        "PAR-002",
        "zero",
        pair({"moe_expert_parallel_size": 0}),
        at="moe_expert_parallel_size: 0",
        says="EP0",
    ),
    Case(
        "PAR-002",
        "ulysses-leaves-experts-to-tp",
        helix({"moe_expert_parallel_size": 16}),
        at="moe_expert_parallel_size: 16",
        says="not 4",
    ),
    Case("PAR-002", "moe-tp-fills-up", pair({"moe_expert_parallel_size": 2})),
    Case("PAR-002", "ep-1-on-a-moe-model", pair({"moe_expert_parallel_size": 1})),
    Case("PAR-002", "none-set", pair({"moe_expert_parallel_size": None})),
    Case("PAR-002", "minus-one-is-unset", pair({"moe_expert_parallel_size": -1})),
    Case(
        "PAR-002",
        "both-set",
        pair({"moe_expert_parallel_size": 2, "moe_tensor_parallel_size": 2}),
    ),
    Case(
        "PAR-002",
        "only-moe-tp",
        pair({"moe_expert_parallel_size": None, "moe_tensor_parallel_size": 4}),
    ),
    Case(
        "PAR-002",
        "clusters",
        pair({"moe_expert_parallel_size": 1, "moe_cluster_parallel_size": 4}),
    ),
    Case(
        "PAR-002",
        "helix-spreads-experts-over-cp",
        helix({"moe_expert_parallel_size": 16, "cp_config": {"cp_type": "HELIX"}}),
    ),
    Case(
        "PAR-003",
        "cluster-2-ep-4",
        aggregated({"moe_cluster_parallel_size": 2, "moe_expert_parallel_size": 4}),
        at="moe_cluster_parallel_size: 2",
        says="EP4 x cluster 2",
    ),
    Case("PAR-003", "unset", aggregated()),
    Case(
        "PAR-003",
        "ep-1",
        aggregated({"moe_cluster_parallel_size": 2, "moe_expert_parallel_size": 1}),
    ),
    Case(
        "PAR-011",
        "256-experts-ep-24",
        aggregated(
            {"tensor_parallel_size": 24, "moe_expert_parallel_size": 24},
            roles__aggregated__nodes_per_worker=6,
            allocation__nodes=6,
        ),
        at="moe_expert_parallel_size: 24",
        says="256 experts / EP24 leaves 16",
    ),
    Case(
        "PAR-011",
        "256-experts-ep-24-hint",
        aggregated({"tensor_parallel_size": 24, "moe_expert_parallel_size": 24}),
        at="moe_expert_parallel_size: 24",
        says="moe_expert_parallel_size: 8 divides both",
    ),
    Case("PAR-011", "divides", aggregated()),
    Case(
        "PAR-011",
        "a-balancer-has-its-own-slots",
        aggregated(
            {
                "tensor_parallel_size": 24,
                "moe_expert_parallel_size": 24,
                "moe_config": {"load_balancer": {"num_slots": 288}},
            }
        ),
    ),
    Case("PAR-011", "no-experts", dense({"moe_expert_parallel_size": 16})),
]

CASES = [*WORLD, *EXPERTS]
