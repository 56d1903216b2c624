"""Cases of the RAY rules: vLLM workers whose ranks Ray places."""

from __future__ import annotations

from typing import Any

import yaml

from .cases import Case
from .engine_files import with_flags
from .user_files import SERVE_AGG, with_line

HEAD, OTHER = "10.0.0.1", "10.0.0.2"


def ray(
    *, nodes: int = 2, environment: dict[str, Any] | None = None, **flags: Any
) -> dict[str, str]:
    """One TP16 worker in a Ray cluster of nodes with eight GPUs."""
    return _deployed([_flags(flags)], nodes, [environment or {}])


def ray_pair(
    nodes: int, prefill: dict[str, Any], decode: dict[str, Any], **top: Any
) -> dict[str, str]:
    """A TP16 prefill and a TP16 decode worker; the mappings are their environments."""
    files = _deployed([_flags({}), _flags({})], nodes, [prefill, decode])
    document = yaml.safe_load(files["topology.yaml"])
    document["allocation"]["nodes"] = top.pop("allocation", 2 * nodes)
    return {**files, "topology.yaml": yaml.safe_dump(document | top, sort_keys=False)}


def serve(tensor: int, gpu: str, **worker: Any) -> dict[str, str]:
    """A `dynamo serve` file with one worker that asks for so many GPUs."""
    document = {
        "Frontend": {"served_model_name": "m", "port": 8000},
        "VllmWorker": {
            "tensor-parallel-size": tensor,
            **worker,
            "ServiceArgs": {"workers": 1, "resources": {"gpu": gpu}},
        },
    }
    return {"agg.yaml": yaml.safe_dump(document, sort_keys=False)}


def _flags(flags: dict[str, Any]) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in flags.items()}
    return {"tensor-parallel-size": 16, "distributed-executor-backend": "ray", **named}


def _deployed(
    flags: list[dict[str, Any]], nodes: int, environments: list[dict[str, Any]]
) -> dict[str, str]:
    files = with_flags("vllm", *flags, nodes_per_worker=nodes)
    document = yaml.safe_load(files["topology.yaml"])
    for role, environment in zip(document["roles"].values(), environments, strict=True):
        role["environment"] = environment
    return {**files, "topology.yaml": yaml.safe_dump(document, sort_keys=False)}


BUNDLES = {
    "a-gpu-each": [{"GPU": 1, "CPU": 1}] * 16,
    "one-of-two": [{"GPU": 2}, *[{"GPU": 1}] * 15],
    "cpu-only": [{"CPU": 4}, *[{"GPU": 1}] * 16],
    "too-few": [{"GPU": 1}] * 12,
}
SHARED = {"RAY_ADDRESS": f"{HEAD}:6379"}
CASES = [
    Case(
        "RAY-001",
        "nnodes-2-with-ray",
        ray(nnodes=2),
        at="distributed-executor-backend: ray",
        says="nnodes 2 with distributed-executor-backend ray",
    ),
    Case("RAY-001", "ray-without-nnodes", ray()),
    Case("RAY-001", "nnodes-with-mp", ray(nnodes=2, distributed_executor_backend="mp")),
    Case("RAY-001", "nnodes-alone", ray(nnodes=2, distributed_executor_backend=None)),
    Case("RAY-001", "a-class-of-ones-own", ray(nnodes=2, distributed_executor_backend="a.B")),
    Case(
        "RAY-002",
        "8-gpus-for-tp16",
        ray(nodes=1),
        at="nodes_per_worker: 1",
        says="TP16 x PP1 = 16 GPUs > 8 in its Ray cluster nodes_per_worker: 2 (2 x 8 = 16 GPUs)",
    ),
    Case(
        "RAY-002",
        "data-parallel-counts",
        ray(data_parallel_size=2, data_parallel_backend="ray"),
        at="nodes_per_worker: 2",
        says="TP16 x PP1 x DP2 = 32 GPUs > 16",
    ),
    Case(
        "RAY-002",
        "too-few-bundles",
        ray(placement_group_bundles=BUNDLES["too-few"]),
        at="placement-group-bundles",
        says="16 GPUs > 12 bundles",
    ),
    Case("RAY-002", "more-gpus", ray(nodes=3)),
    Case("RAY-002", "exactly", ray()),
    Case("RAY-002", "bundles", ray(placement_group_bundles=BUNDLES["a-gpu-each"])),
    Case(
        "RAY-003",
        "two-workers-in-16-gpus",
        ray_pair(1, SHARED, SHARED),
        at="RAY_ADDRESS: 10.0.0.1:6379",
        says="1 prefill x 16 + 1 decode x 16 = 32 GPUs > 16 in the Ray cluster at 10.0.0.1:6379",
    ),
    Case("RAY-003", "room-for-both", ray_pair(2, SHARED, SHARED)),
    Case("RAY-003", "two-clusters", ray_pair(2, SHARED, {"RAY_ADDRESS": f"{OTHER}:6379"})),
    Case("RAY-003", "each-its-local-one", ray_pair(2, {"RAY_ADDRESS": "auto"}, {})),
    Case(
        "RAY-004",
        "the-heads-address-everywhere",
        ray(environment={"VLLM_HOST_IP": HEAD}),
        at=f"VLLM_HOST_IP: {HEAD}",
        says="aggregated: 10.0.0.1 on every node, of which there are 2 or more",
    ),
    Case(
        "RAY-004",
        "prefill-and-decode-alike",
        ray_pair(2, {"VLLM_HOST_IP": HEAD}, {"VLLM_HOST_IP": HEAD}),
        at=f"VLLM_HOST_IP: {HEAD}",
        says="prefill and decode",
    ),
    Case(
        "RAY-004",
        "for-the-whole-topology",
        ray_pair(2, {}, {}, environment={"VLLM_HOST_IP": HEAD}),
        at=f"VLLM_HOST_IP: {HEAD}",
    ),
    Case("RAY-004", "unset", ray()),
    Case("RAY-004", "computed", ray(environment={"VLLM_HOST_IP": "$(hostname -i)"})),
    Case("RAY-004", "still-to-fill-in", ray(environment={"VLLM_HOST_IP": "<head-node-address>"})),
    Case(
        "RAY-004",
        "one-node-for-both",
        ray_pair(1, {"VLLM_HOST_IP": HEAD}, {"VLLM_HOST_IP": HEAD}, allocation=1),
    ),
    Case(
        "RAY-005",
        "a-bundle-of-2",
        ray(placement_group_bundles=BUNDLES["one-of-two"]),
        at="GPU: 2",
        says="a bundle of 2 GPUs 2 bundles of 1 GPU",
    ),
    Case(
        "RAY-005",
        "as-ray-serve-writes-it",
        ray(placement_group_config={"bundles": BUNDLES["one-of-two"]}),
        at="GPU: 2",
    ),
    Case("RAY-005", "cpu-only", ray(placement_group_bundles=BUNDLES["cpu-only"])),
    Case("RAY-005", "one-each", ray(placement_group_bundles=BUNDLES["a-gpu-each"])),
    Case("RAY-005", "no-list", ray(placement_group_bundles={"GPU": 2})),
    Case(
        "RAY-006",
        "12-gpus-for-tp16",
        ray(environment={"CUDA_VISIBLE_DEVICES": "0,1,2,3,4,5"}),
        at="CUDA_VISIBLE_DEVICES",
        says="16 GPUs, but 2 nodes x 6 visible = 12",
    ),
    Case(
        "RAY-006", "all-are-visible", ray(environment={"CUDA_VISIBLE_DEVICES": "0,1,2,3,4,5,6,7"})
    ),
    Case(
        "RAY-006",
        "still-growing",
        ray(environment={"CUDA_VISIBLE_DEVICES": "0,1,2,3", "RAY_enable_autoscaler_v2": 1}),
    ),
    Case(
        "RAY-006",
        "a-placement-group",
        ray(
            environment={"CUDA_VISIBLE_DEVICES": "0,1"},
            placement_group_bundles=BUNDLES["a-gpu-each"],
        ),
    ),
    Case(
        "RAY-007",
        "gpu-2-for-tp8",
        serve(8, "2"),
        at="gpu: '2'",
        says="gpu 2, but TP8 x PP1 = 8 gpu: '8'",
    ),
    Case(
        "RAY-007",
        "gpu-1-for-tp16",
        {"agg.yaml": with_line(SERVE_AGG, "  distributed-executor-backend: ray\n", "")},
        at="gpu: '1'",
        says="gpu 1, but TP16 x PP1 = 16",
    ),
    Case("RAY-007", "gpu-1-for-tp16-with-ray", {"agg.yaml": SERVE_AGG}),
    Case("RAY-007", "as-many", serve(8, "8")),
    Case("RAY-007", "as-many-for-two-stages", serve(4, "8", **{"pipeline-parallel-size": 2})),
    Case("RAY-007", "not-asked", {"agg.yaml": "VllmWorker:\n  tensor-parallel-size: 8\nRouter:\n"}),
]
