"""Cases of rules: files as a user would write them, and the line that a rule must point at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from fixtures.loaders.read import load_any
from fixtures.model.remark import Remark
from fixtures.model.topology import Topology
from fixtures.rules.catalogue import examine


@dataclass(frozen=True, slots=True)
class Case:
    """One example of a rule.

    `files` maps names to contents; the first one is examined. `at` is a text in the line that the
    rule has to point at; None says that this example is legal and the rule must not speak.
    `says` is a text that the finding must contain, in its arithmetic or its hint.
    """

    rule: str
    name: str
    files: Mapping[str, str]
    at: str | None = None
    says: str = ""

    def __str__(self) -> str:
        return f"{self.rule}-{self.name}"


def topologies_of(files: Mapping[str, str], directory: Path) -> tuple[Topology, ...]:
    """Write the files, and load the first as a user's file."""
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    first = directory / next(iter(files))
    return load_any(first)


def remarks_on(files: Mapping[str, str], directory: Path) -> list[Remark]:
    """What every rule says about these files."""
    found = topologies_of(files, directory)
    return [remark for topology in found for remark in examine(topology).remarks]


def line_of(remark: Remark) -> str:
    """The text of the line that a remark points at."""
    return remark.where.file.read_text(encoding="utf-8").splitlines()[remark.where.line - 1]


AGGREGATED: dict[str, Any] = {
    "backend": "pytorch",
    "tensor_parallel_size": 16,
    "moe_expert_parallel_size": 16,
    "enable_attention_dp": True,
    "max_batch_size": 256,
    "max_num_tokens": 8448,
    "max_seq_len": 8448,
    "kv_cache_config": {"dtype": "fp8", "free_gpu_memory_fraction": 0.3},
}
PREFILL: dict[str, Any] = {
    "backend": "pytorch",
    "tensor_parallel_size": 4,
    "moe_expert_parallel_size": 4,
    "enable_attention_dp": True,
    "max_batch_size": 1,
    "max_num_tokens": 8192,
    "max_seq_len": 8192,
    "disable_overlap_scheduler": True,
    "kv_cache_config": {"dtype": "fp8", "free_gpu_memory_fraction": 0.3},
    "cache_transceiver_config": {"backend": "DEFAULT"},
}
DECODE: dict[str, Any] = {
    "backend": "pytorch",
    "tensor_parallel_size": 4,
    "moe_expert_parallel_size": 4,
    "max_batch_size": 256,
    "max_num_tokens": 512,
    "max_seq_len": 8704,
    "kv_cache_config": {"dtype": "fp8", "free_gpu_memory_fraction": 0.85},
    "cache_transceiver_config": {"backend": "DEFAULT"},
}


def aggregated(engine: Mapping[str, Any] | None = None, **top: Any) -> dict[str, str]:
    """The files of a legal TensorRT-LLM deployment of one 4 x 4 GPU worker, with these changes.

    `engine` changes the engine YAML, the rest the topology; a value of None removes its key. A key
    of `top` with two underscores reaches inside: `roles__aggregated__nodes_per_worker=3`.
    """
    document = _topology(top, {"aggregated": _role("engine.yaml", 4)}, nodes=4)
    return {"topology.yaml": document, "engine.yaml": _text(_changed(AGGREGATED, engine))}


def pair(
    prefill: Mapping[str, Any] | None = None,
    decode: Mapping[str, Any] | None = None,
    both: Mapping[str, Any] | None = None,
    **top: Any,
) -> dict[str, str]:
    """The files of a legal TensorRT-LLM pair, TP4 on one node each; see `aggregated`."""
    roles = {"prefill": _role("prefill.yaml", 1), "decode": _role("decode.yaml", 1)}
    return {
        "topology.yaml": _topology(top, roles, nodes=2),
        "prefill.yaml": _text(_changed(_changed(PREFILL, both), prefill)),
        "decode.yaml": _text(_changed(_changed(DECODE, both), decode)),
    }


def _role(engine: str, nodes: int) -> dict[str, Any]:
    return {"workers": 1, "nodes_per_worker": nodes, "engine_config": engine}


def _topology(top: Mapping[str, Any], roles: dict[str, Any], *, nodes: int) -> str:
    document: dict[str, Any] = {
        "name": "case",
        "title": "A case of a rule",
        "seed": "none",
        "model": "deepseek-r1-nvfp4",
        "served_model_name": "nvidia/DeepSeek-R1-FP4",
        "system": "gb200",
        "allocation": {"nodes": nodes},
        "router": {"mode": "round-robin"},
        "workload": {"isl": 8000, "osl": 256},
        "roles": roles,
    }
    if "prefill" in roles:
        document["disaggregation"] = {"strategy": "decode_first"}
    for key, value in top.items():
        inside = document
        *parents, last = key.split("__")
        for parent in parents:
            inside = inside.setdefault(parent, {})
        if value is None:
            inside.pop(last, None)
        else:
            inside[last] = value
    return _text(document)


def _changed(base: Mapping[str, Any], changes: Mapping[str, Any] | None) -> dict[str, Any]:
    merged = {**base, **(changes or {})}
    return {key: value for key, value in merged.items() if value is not None}


def _text(document: Mapping[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False)
