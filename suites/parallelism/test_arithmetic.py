"""The numbers of a topology fit together, before anything is launched.

Passing means that the engine would accept the parallelism. Not covered: memory, lengths, and
whether prefill and decode match.
"""

from __future__ import annotations

from fixtures.model.requirement import Mode
from fixtures.model.topology import Site, Topology
from fixtures.outcome import verify
from fixtures.requirements import requirement
from fixtures.rules.parallelism import (
    expert_parallel_divides_tensor_parallel,
    heads_divide_by_tensor_parallel,
    roles_fit_the_allocation,
    roles_fit_the_site,
    world_size_matches_gpus,
)


@requirement(
    "PAR-001",
    "parallelism",
    mode=Mode.STATIC,
    source="TensorRT-LLM mapping.py; multi-node TRT-LLM on Slurm guide, Aggregated WideEP",
)
def test_nodes_times_gpus_equals_the_world_size(topology: Topology) -> None:
    """The GPUs of each worker (nodes x GPUs per node) equal its TP x PP x CP."""
    verify(world_size_matches_gpus(topology))


@requirement(
    "PAR-002",
    "parallelism",
    mode=Mode.STATIC,
    source="TensorRT-LLM mapping.py, MoE tensor and expert parallelism",
)
def test_expert_parallel_divides_tensor_parallel(topology: Topology) -> None:
    """Expert parallelism divides tensor parallelism in every role."""
    verify(expert_parallel_divides_tensor_parallel(topology))


@requirement(
    "PAR-007",
    "parallelism",
    mode=Mode.STATIC,
    source="TensorRT-LLM _torch/modules/attention.py; Llama-4 multimodal guide, known issue",
)
def test_attention_heads_divide_by_tensor_parallel(topology: Topology) -> None:
    """Tensor parallelism divides the attention heads, unless attention runs data parallel."""
    verify(heads_divide_by_tensor_parallel(topology))


@requirement(
    "SLM-001",
    "parallelism",
    mode=Mode.STATIC,
    source="Multi-node TRT-LLM on Slurm guide, Environment Variable Setup",
)
def test_all_roles_fit_the_allocation(topology: Topology, site: Site) -> None:
    """The nodes of all workers of all roles fit the allocation and the site."""
    verify([*roles_fit_the_allocation(topology), *roles_fit_the_site(topology, site)])
