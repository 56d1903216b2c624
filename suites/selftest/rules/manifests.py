"""Manifests that examples of rules about Kubernetes start from."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import yaml

IMAGES = "nvcr.io/nvidia/ai-dynamo"
TAG = "1.4.0"
MODEL = "meta-llama/Llama-3.1-70B-Instruct"
Changes = Mapping[str, Any]


def alpha(changes: Changes | None = None, *, kind: str = "vllm", args: str = "") -> str:
    """A legal v1alpha1 deployment: a frontend and one worker over 2 nodes of 4 GPUs, TP8.

    `changes` sets dotted paths of the document; None removes one. `W` stands for the worker's
    path, `POD` for its pod, `MAIN` for its container, `F` for the frontend's.
    """
    document: dict[str, Any] = {
        "apiVersion": "nvidia.com/v1alpha1",
        "kind": "DynamoGraphDeployment",
        "metadata": {"name": "llama"},
        "spec": {
            "services": {
                "Frontend": {
                    "componentType": "frontend",
                    "replicas": 1,
                    "extraPodSpec": {"mainContainer": {"image": f"{IMAGES}/{kind}-runtime:{TAG}"}},
                },
                "Worker": {
                    "componentType": "worker",
                    "replicas": 1,
                    "multinode": {"nodeCount": 2},
                    "resources": {"limits": {"gpu": "4"}},
                    "sharedMemory": {"size": "200Gi"},
                    "extraPodSpec": {
                        "mainContainer": {
                            "image": f"{IMAGES}/{kind}-runtime:{TAG}",
                            "command": ["python3", "-m", f"dynamo.{kind}"],
                            "args": (args or _arguments(kind)).split(),
                        }
                    },
                },
            }
        },
    }
    paths = {
        "W": "spec|services|Worker",
        "POD": "spec|services|Worker|extraPodSpec",
        "MAIN": "spec|services|Worker|extraPodSpec|mainContainer",
        "F": "spec|services|Frontend",
    }
    return text(changed(document, changes or {}, paths))


def beta(changes: Changes | None = None, *, kind: str = "vllm", args: str = "") -> str:
    """The same in v1beta1; see `alpha`."""
    image = {"name": "main", "image": f"{IMAGES}/{kind}-runtime:{TAG}"}
    worker = {
        **image,
        "command": ["python3", "-m", f"dynamo.{kind}"],
        "args": (args or _arguments(kind)).split(),
        "resources": {"limits": {"nvidia.com/gpu": 4}},
    }
    document: dict[str, Any] = {
        "apiVersion": "nvidia.com/v1beta1",
        "kind": "DynamoGraphDeployment",
        "metadata": {"name": "llama"},
        "spec": {
            "components": [
                {
                    "name": "Frontend",
                    "type": "frontend",
                    "podTemplate": {"spec": {"containers": [image]}},
                },
                {
                    "name": "Worker",
                    "type": "worker",
                    "multinode": {"nodeCount": 2},
                    "podTemplate": {"spec": {"containers": [worker]}},
                },
            ]
        },
    }
    paths = {
        "W": "spec|components|1",
        "POD": "spec|components|1|podTemplate|spec",
        "MAIN": "spec|components|1|podTemplate|spec|containers|0",
        "F": "spec|components|0",
    }
    return text(changed(document, changes or {}, paths))


def _arguments(kind: str) -> str:
    flag = "--tp-size" if kind == "sglang" else "--tensor-parallel-size"
    model = "--model" if kind == "vllm" else "--model-path"
    return f"{model} {MODEL} {flag} 8"


def changed(
    document: dict[str, Any], changes: Changes, paths: Mapping[str, str] | None = None
) -> dict[str, Any]:
    """A document with other values at these paths, whose parts are separated by `|`."""
    result = copy.deepcopy(document)
    for path, value in changes.items():
        first, *rest = path.split("|")
        *parents, last = [*(paths or {}).get(first, first).split("|"), *rest]
        inside: Any = result
        for key in parents:
            inside = inside[int(key)] if isinstance(inside, list) else inside.setdefault(key, {})
        if isinstance(inside, list):
            inside[int(last)] = value
        elif value is None:
            inside.pop(last, None)
        else:
            inside[last] = value
    return result


def text(*documents: Mapping[str, Any]) -> str:
    """Several documents as one file."""
    return yaml.safe_dump_all(documents, sort_keys=False)


def config_map(**files: str) -> str:
    """A ConfigMap; an underscore in a name stands for the dot of its suffix."""
    lines = ["apiVersion: v1", "kind: ConfigMap", "metadata:", "  name: engines", "data:"]
    for name, content in files.items():
        lines.append(f"  {name.replace('_', '.')}: |")
        lines += [f"    {line}".rstrip() for line in content.strip().split("\n")]
    return "\n".join(lines) + "\n"


def in_a_shell(script: str, changes: Changes | None = None, *, kind: str = "vllm") -> str:
    """`alpha`, with a worker that a shell starts by a script of several lines."""
    shell = {"MAIN|command": ["/bin/sh", "-c"], "MAIN|args": ["SCRIPT"], **(changes or {})}
    indent = "\n" + 12 * " "
    block = indent.join(["|", *script.strip().split("\n")])
    return alpha(shell, kind=kind).replace("SCRIPT", block)


def one(content: str) -> dict[str, str]:
    """The files of a case: one manifest."""
    return {"deploy.yaml": content}


def together(*documents: str) -> dict[str, str]:
    """The files of a case: several documents in one file."""
    return one("---\n".join(documents))


ENGINE = """\
backend: pytorch
tensor_parallel_size: {tensor}
enable_attention_dp: true
max_num_tokens: 8192
enable_chunked_prefill: true
"""
TRTLLM_ARGS = "--model-path nvidia/DeepSeek-R1-FP4 --extra-engine-args /configs/agg.yaml"
