"""The GPUs are as many, of the kind, as empty, and as close as the topology was planned for.

Passing means that `nvidia-smi` (or what stands in for it) agrees with the system. Not covered:
whether a GPU computes right, and how fast its links are.
"""

from __future__ import annotations

from fixtures.judges.preflight_gpus import (
    gpu_memory_is_free,
    gpus_are_as_many,
    gpus_are_the_model,
    imex_channels_are_there,
    workers_stay_in_one_clique,
)
from fixtures.model.preflight import PreflightRecord
from fixtures.preflight_checks import preflight_requirement, settle

SETUP = "Multi-node TRT-LLM on Slurm guide, Aggregated WideEP: NUM_GPUS_PER_NODE"
KNOWN_ISSUES = "Multi-node TRT-LLM on Slurm guide, Known Issues"
IMEX = "NVIDIA IMEX Service for NVLink Networks guide"


@preflight_requirement("PRE-010", source=SETUP)
def test_the_gpus_are_as_many_as_planned(preflight: PreflightRecord) -> None:
    """Every node has the GPUs that its worker needs, and no more than the system has."""
    settle(gpus_are_as_many, preflight)


@preflight_requirement(
    "PRE-011",
    source="Multi-node TRT-LLM on Slurm guide: FP4 weights run on Blackwell, not on Hopper",
)
def test_the_gpus_are_the_planned_model(preflight: PreflightRecord) -> None:
    """Every GPU is of the model that the system of the topology names."""
    settle(gpus_are_the_model, preflight)


@preflight_requirement(
    "PRE-023", source=f"{KNOWN_ISSUES}: GPU memory in use leads to CUDA OOM while loading"
)
def test_gpu_memory_is_free(preflight: PreflightRecord) -> None:
    """No GPU holds more memory than the site takes for idle."""
    settle(gpu_memory_is_free, preflight)


@preflight_requirement("PRE-027", source=IMEX)
def test_imex_channels_are_there(preflight: PreflightRecord) -> None:
    """Where a worker spans nodes over NVLink, each of them has an IMEX channel open to us."""
    settle(imex_channels_are_there, preflight)


@preflight_requirement(
    "PRE-028",
    source=f"Multi-node TRT-LLM on Slurm guide, Setup: NVL72; {IMEX}: ClusterUUID and CliqueId",
)
def test_a_worker_stays_in_one_nvlink_clique(preflight: PreflightRecord) -> None:
    """Where a worker spans nodes over NVLink, all its GPUs are in one clique of one cluster."""
    settle(workers_stay_in_one_clique, preflight)
