"""Files of deployments that cases of the release-dependent ENG rules change."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import yaml

from .cases import aggregated, pair

_MODEL: dict[str, Any] = {
    "name": "picture-model",
    "hf_id": "example/picture-model",
    "architecture": "Llama4ForConditionalGeneration",
    "precision": "bf16",
    "layers": 48,
    "attention_heads": 40,
    "kv_heads": 8,
    "hidden_size": 5120,
    "vocab_size": 202048,
    "context_length": 1048576,
    "experts": 128,
    "dense_layers": 24,
    "source": "an example",
}
_SYSTEM: dict[str, Any] = {
    "name": "some-system",
    "gpus_per_node": 8,
    "gpu": "H100",
    "hbm_mib_per_gpu": 81559,
    "compute_capability": 90,
    "cpu_architecture": "x86_64",
    "nvlink_domain_nodes": 1,
    "source": "an example",
}


def model_file(**changes: Any) -> dict[str, str]:
    """`model.yaml`, with these changes."""
    return {"model.yaml": yaml.safe_dump({**_MODEL, **changes}, sort_keys=False)}


def system_file(**changes: Any) -> dict[str, str]:
    """`system.yaml`: nodes of eight H100, with these changes."""
    return {"system.yaml": yaml.safe_dump({**_SYSTEM, **changes}, sort_keys=False)}


def on_gpus(gpu: str, capability: int, precision: str, **top: Any) -> dict[str, str]:
    """A TP8 worker for weights of that precision on one node of those GPUs."""
    files = aggregated(
        {"tensor_parallel_size": 8, "moe_expert_parallel_size": 8},
        model="model.yaml",
        system="system.yaml",
        roles__aggregated__nodes_per_worker=1,
        **top,
    )
    system = system_file(gpu=gpu, compute_capability=capability)
    return files | system | model_file(precision=precision, attention_heads=128)


def with_flags(engine: str, *flags: Mapping[str, Any], **top: Any) -> dict[str, str]:
    """A pair (two sets of flags) or one worker of vLLM or SGLang, TP8 on a node of eight GPUs."""
    names = ("prefill", "decode") if len(flags) == 2 else ("aggregated",)
    document = yaml.safe_load(aggregated()["topology.yaml"])
    document |= {"model": "model.yaml", "system": "system.yaml"}
    nodes = top.pop("nodes_per_worker", 1)
    document["allocation"]["nodes"] = nodes * len(flags)
    document["roles"] = {
        name: {
            "workers": 1,
            "nodes_per_worker": nodes,
            "engine": engine,
            "engine_config": f"{name}.yaml",
            "flags": {"disaggregation-mode": name} if len(flags) == 2 else {},
        }
        for name in names
    }
    document |= top
    engines = {
        f"{name}.yaml": yaml.safe_dump({"tensor-parallel-size": 8, **each}, sort_keys=False)
        for name, each in zip(names, flags, strict=True)
    }
    topology = {"topology.yaml": yaml.safe_dump(document, sort_keys=False)}
    return topology | engines | system_file() | model_file(attention_heads=64, experts=None)


def pictures(engine: Mapping[str, Any] | None = None, **top: Any) -> dict[str, str]:
    """A pair on two GB200 nodes each, TP8, for a model that takes images."""
    both = {"tensor_parallel_size": 8, "moe_expert_parallel_size": 1, **(engine or {})}
    files = pair(
        {"enable_attention_dp": False},
        None,
        both,
        model="model.yaml",
        roles__prefill__nodes_per_worker=2,
        roles__decode__nodes_per_worker=2,
        allocation__nodes=4,
        **top,
    )
    return files | model_file(multimodal=True, remote_code=True)


def with_flag(role: str, name: str, value: Any, dynamo: str) -> dict[str, str]:
    """A TensorRT-LLM pair of that release, one of whose workers has one flag."""
    return pair(**{f"roles__{role}__flags": {name: value}}, versions__dynamo=dynamo)


def vllm_pair(dynamo: str, **flags: Any) -> dict[str, str]:
    """A vLLM pair of that release, whose prefill worker has only these flags."""
    files = with_flags("vllm", {}, {}, versions={"dynamo": dynamo})
    document = yaml.safe_load(files["topology.yaml"])
    document["roles"]["prefill"]["flags"] = flags
    return {**files, "topology.yaml": yaml.safe_dump(document, sort_keys=False)}
