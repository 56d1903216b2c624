"""Examples of K8S rules from manifests as people keep them: what looks wrong, and is not."""

from __future__ import annotations

from typing import Any

import yaml

from .cases import Case
from .cases_kubernetes import GUIDE
from .cases_kubernetes_cluster import domain
from .manifests import (
    ENGINE,
    IMAGES,
    MODEL,
    TRTLLM_ARGS,
    alpha,
    beta,
    config_map,
    in_a_shell,
    one,
    text,
    together,
)

_NATS = {"name": "DYN_REQUEST_PLANE", "value": "nats"}
_REFERENCE = {
    "name": "NATS_SERVER",
    "valueFrom": {"configMapKeyRef": {"name": "nats", "key": "url"}},
}
_ONE_NODE = {"W|multinode": None, "W|resources|limits|gpu": "2"}
_SHARED_GRACE = {"name": "DYN_RUNTIME_GRACEFUL_SHUTDOWN_TIMEOUT_SECS", "value": "300"}
_MOUNTED = [{"name": "models", "mountPath": "/models"}]
_PROMETHEUS = {
    "componentType": "frontend",
    "extraPodSpec": {
        "mainContainer": {
            "image": f"{IMAGES}/vllm-runtime:1.4.0",
            "command": ["/bin/sh", "-c"],
            "args": ["python3 -m dynamo.planner.prometheus"],
        }
    },
}
_CLAIM = [{"name": "channel", "resourceClaimTemplateName": "channel"}]
_CONFIGURED = {
    "POD|volumes": [{"name": "own", "configMap": {"name": "own"}}],
    "MAIN|volumeMounts": [{"name": "own", "mountPath": "/own"}],
}


def in_a_list(*documents: str) -> str:
    """What `kubectl get -o yaml` makes of several objects."""
    items: list[Any] = [yaml.safe_load(each) for each in documents]
    return text({"apiVersion": "v1", "kind": "List", "items": items})


CASES: list[Case] = [
    Case(
        "K8S-001",
        "in-a-list",
        one(in_a_list(alpha({"metadata|name": "other"}), beta({"W|multinode|nodeCount": 4}))),
        at="--tensor-parallel-size",
        says="nodeCount 4 x gpu 4 = 16",
    ),
    Case(
        "K8S-001",
        "stages-have-sizes-of-their-own",
        one(
            alpha(
                {**_ONE_NODE, "MAIN|command": ["python3", "-m", "dynamo.vllm.omni"]},
                args="--model Qwen/Qwen2.5-Omni-7B --stage-configs-path /stages.yaml",
            )
        ),
    ),
    Case(
        "K8S-001",
        "diffusion",
        one(
            alpha(_ONE_NODE, kind="sglang", args="--model-path m --image-diffusion-worker"),
        ),
    ),
    Case(
        "K8S-001",
        "a-program-of-their-own",
        one(
            alpha(
                {
                    "MAIN|command": ["/entrypoint.sh"],
                    "MAIN|args": ["--tp", "4"],
                    "spec|backendFramework": "vllm",
                }
            )
        ),
    ),
    Case(
        "K8S-001",
        "a-config-may-multiply",
        one(alpha(kind="sglang", args=f"--model-path {MODEL} --config /sgl.yaml --tp 4")),
    ),
    Case(
        "K8S-001",
        "hidden-flags-may-multiply",
        one(
            alpha({"MAIN|args": ["--model", MODEL, "--tensor-parallel-size", "4", "$(MORE_ARGS)"]})
        ),
    ),
    Case(
        "K8S-001",
        "its-environment-may-multiply",
        one(
            alpha(
                {"W|envs": [{"name": "DYN_VLLM_ENGINE_ARGS", "value": "--data-parallel-size 2"}]},
                args=f"--model {MODEL} --tensor-parallel-size 4",
            )
        ),
    ),
    Case(
        "K8S-001",
        "another-config-map-has-a-file-of-that-name",
        together(
            config_map(agg_yaml=ENGINE.format(tensor=2)),
            alpha(_CONFIGURED, kind="trtllm", args=TRTLLM_ARGS),
        ),
    ),
    Case(
        "K8S-001",
        "the-file-is-in-the-image",
        together(
            config_map(agg_yaml=ENGINE.format(tensor=2)),
            alpha(kind="trtllm", args=TRTLLM_ARGS.replace("/configs", "/workspace/recipes")),
        ),
    ),
    Case(
        "K8S-001",
        "guide-on-tensorrt-llm",
        one(
            GUIDE.format(nodes=2, gpu=4, tensor=8).replace(
                "backendFramework: sglang", "backendFramework: trtllm"
            )
        ),
    ),
    Case(
        "K8S-001",
        "dotted-tensorrt-llm-flags",
        one(alpha(kind="trtllm", args=f"--model {MODEL} --trtllm.tensor_parallel_size 8")),
    ),
    Case(
        "K8S-001",
        "no-size-that-its-ranks-cannot-fill",
        one(
            alpha(
                {"W|multinode|nodeCount": 3},
                kind="sglang",
                args="--model-path deepseek-ai/DeepSeek-R1 --tp 16 --dp 16 --enable-dp-attention",
            )
        ),
        at="--tp",
        says="= 12",
    ),
    Case(
        "K8S-002",
        "a-shell-fills-it-in",
        one(in_a_shell(f"TP=8\npython3 -m dynamo.vllm --model {MODEL} -tp $TP")),
    ),
    Case(
        "K8S-002",
        "kubernetes-fills-it-in",
        one(
            alpha(
                {
                    "MAIN|env": [
                        {"name": "TP", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "tp"}}}
                    ]
                },
                args=f"--model {MODEL} --tensor-parallel-size $(TP)",
            )
        ),
    ),
    Case("K8S-003", "only-what-a-patch-changes", one(alpha({"POD": None, "W|resources": None}))),
    Case(
        "K8S-004",
        "a-deployment-name-too-long-for-all",
        one(beta({"metadata|name": "l" * 44})),
        at="name: Frontend",
        says="= 52 > 45, and 1 more",
    ),
    Case(
        "K8S-006",
        "replicas-still-a-template",
        together(domain(8), alpha({"POD|resourceClaims": _CLAIM, "W|replicas": "${REPLICAS}"})),
    ),
    Case(
        "K8S-008",
        "one-setting-for-all",
        one(beta({"spec|env": [_SHARED_GRACE]})),
        at="300",
        says="60 s (unset)",
    ),
    Case("K8S-011", "addressed-by-reference", one(alpha({"spec|envs": [_NATS, _REFERENCE]}))),
    Case(
        "K8S-011",
        "perhaps-in-a-config-map",
        one(
            beta(
                {
                    "spec|env": [_NATS],
                    "MAIN|envFrom": [{"configMapRef": {"name": "infrastructure"}}],
                }
            )
        ),
    ),
    Case(
        "K8S-011",
        "perhaps-in-a-secret",
        one(alpha({"W|envs": [_NATS], "W|envFromSecret": "infrastructure"})),
    ),
    Case(
        "K8S-011",
        "a-token-is-no-address",
        one(alpha({"W|envs": [_NATS], "W|envFromSecret": "hf-token-secret"})),
        at="value: nats",
        says="NATS_SERVER is nowhere set",
    ),
    Case(
        "K8S-014",
        "a-frontend-by-type-only",
        one(
            alpha(
                {
                    "spec|services|Prometheus": _PROMETHEUS,
                    "MAIN|volumeMounts": _MOUNTED,
                    "F|extraPodSpec|mainContainer|volumeMounts": _MOUNTED,
                },
                args="--model /models/llama --tensor-parallel-size 8",
            )
        ),
    ),
]
