"""Cases of the PAR rules of vLLM's experts, and of its workers over several nodes."""

from __future__ import annotations

from .cases import Case
from .cases_parallelism_vllm import vllm

EXPERTS = [
    Case(
        "PAR-019",
        "eplb-without-ep",
        vllm(enable_eplb=True),
        at="enable-eplb: true",
        says="expert parallelism unset = off",
    ),
    Case(
        "PAR-019",
        "eplb-on-one-rank",
        vllm(tensor_parallel_size=1, enable_eplb=True, enable_expert_parallel=True),
        at="enable-eplb: true",
        says="TP1 x PCP1 x DP1 = 1",
    ),
    Case(
        "PAR-019",
        "spare-experts-without-eplb",
        vllm(enable_expert_parallel=True, eplb_config={"num_redundant_experts": 32}),
        at="num_redundant_experts: 32",
        says="32 redundant experts",
    ),
    Case(
        "PAR-019",
        "spare-experts-in-json",
        vllm(enable_expert_parallel=True, eplb_config='{"num_redundant_experts": 32}'),
        at="eplb-config",
        says="32 redundant experts",
    ),
    Case(
        "PAR-019",
        "spare-experts-as-a-flag",
        vllm(enable_expert_parallel=True, num_redundant_experts=16),
        at="num-redundant-experts: 16",
        says="16 redundant experts",
    ),
    Case("PAR-019", "ep-without-eplb", vllm(enable_expert_parallel=True)),
    Case(
        "PAR-019",
        "all-of-it",
        vllm(
            enable_eplb=True,
            enable_expert_parallel=True,
            eplb_config={"num_redundant_experts": 32},
        ),
    ),
]
NODES = [
    Case(
        "PAR-020",
        "three-nodes-two-groups",
        vllm(nodes=3, nnodes=3, tensor_parallel_size=12, data_parallel_size=2),
        at="nnodes: 3",
        says="3 nodes / 2 groups leaves 1 (DP2 / unset = 1 per node) nnodes: 4",
    ),
    Case(
        "PAR-020",
        "stated-local-size",
        vllm(nodes=3, nnodes=3, dp=4, data_parallel_size_local=2, tensor_parallel_size=6),
        at="nnodes: 3",
        says="(DP4 / 2 per node)",
    ),
    Case(
        "PAR-020",
        "external-load-balancing",
        vllm(
            nodes=3,
            nnodes=3,
            tensor_parallel_size=12,
            data_parallel_size=2,
            data_parallel_external_lb=True,
        ),
    ),
    Case(
        "PAR-020",
        "one-group",
        vllm(nodes=3, nnodes=3, dp=4, data_parallel_size_local=4, tensor_parallel_size=6),
    ),
    Case("PAR-020", "two-groups-on-four", vllm(nodes=4, nnodes=4, tensor_parallel_size=16, dp=2)),
    Case(
        "PAR-021",
        "tp16-on-one-node",
        vllm(tensor_parallel_size=16),
        at="tensor-parallel-size: 16",
        says="TP16 x PP1 x PCP1 = 16 GPUs > 8, nnodes unset = 1",
    ),
    Case(
        "PAR-021",
        "nnodes-1-over-two",
        vllm(nodes=2, nnodes=1, tensor_parallel_size=16),
        at="tensor-parallel-size: 16",
        says="nnodes: 2, or distributed-executor-backend: ray",
    ),
    Case(
        "PAR-021",
        "backend-ray",
        vllm(nodes=2, tensor_parallel_size=16, distributed_executor_backend="ray"),
    ),
    Case("PAR-021", "nnodes-set", vllm(nodes=2, nnodes=2, tensor_parallel_size=16)),
    Case("PAR-021", "a-launcher-may-set-nnodes", vllm(nodes=2, tensor_parallel_size=16)),
    Case("PAR-021", "fits", vllm(tensor_parallel_size=8)),
]
CASES = [*EXPERTS, *NODES]
