"""Examples of K8S rules on ComputeDomains, timeouts, probes, services, mounts, devices."""

from __future__ import annotations

from typing import Any

from .cases import Case
from .manifests import (
    ENGINE,
    TRTLLM_ARGS,
    Changes,
    alpha,
    beta,
    config_map,
    one,
    text,
    together,
)

_GRACE, _RUNTIME = "terminationGracePeriodSeconds", "DYN_RUNTIME_GRACEFUL_SHUTDOWN_TIMEOUT_SECS"
_EFA = "vpc.amazonaws.com/efa"
_GB200 = {"POD|nodeSelector": {"nvidia.com/gpu.product": "NVIDIA-GB200"}}
_CLAIM = [{"name": "channel", "resourceClaimTemplateName": "channel"}]
_LOCAL = "--model /models/llama --tensor-parallel-size 8"
_R1 = "--model deepseek-ai/DeepSeek-R1 --tensor-parallel-size 8"
_MOUNTED = [{"name": "models", "mountPath": "/models"}]


def domain(nodes: int) -> str:
    """A ComputeDomain that pods join through the claim template `channel`."""
    return text(
        {
            "apiVersion": "resource.nvidia.com/v1beta1",
            "kind": "ComputeDomain",
            "metadata": {"name": "llama"},
            "spec": {"numNodes": nodes, "channel": {"resourceClaimTemplate": {"name": "channel"}}},
        }
    )


def wide() -> str:
    """One prefill node and eight decode nodes of 4 GPUs that share a ComputeDomain."""
    worker: dict[str, Any] = {"replicas": 1, "resources": {"limits": {"gpu": "4"}}}
    pod = {"resourceClaims": _CLAIM, "mainContainer": {}}
    roles = {
        "prefill": {**worker, "componentType": "prefill", "extraPodSpec": pod},
        "decode": {
            **worker,
            "componentType": "decode",
            "multinode": {"nodeCount": 8},
            "extraPodSpec": pod,
        },
    }
    return alpha(
        {
            "W": None,
            "spec|services|prefill": roles["prefill"],
            "spec|services|decode": roles["decode"],
        }
    )


def _env(*settings: tuple[str, str]) -> list[dict[str, str]]:
    return [{"name": name, "value": value} for name, value in settings]


def operator(product: str, image: str) -> str:
    """The Deployment of some part of the cluster."""
    containers = [{"name": "manager", "image": image}]
    return text(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": product},
            "spec": {"template": {"spec": {"containers": containers}}},
        }
    )


def _probe(seconds: int, failures: int) -> Changes:
    return {"MAIN|startupProbe": {"periodSeconds": seconds, "failureThreshold": failures}}


CASES: list[Case] = [
    Case(
        "K8S-006",
        "8-for-1-and-8",
        together(wide(), domain(8)),
        at="numNodes: 8",
        says="prefill 1 x 1 + decode 8 x 1 = 9 nodes",
    ),
    Case("K8S-006", "9-for-1-and-8", together(domain(9), wide())),
    Case("K8S-006", "elastic", together(domain(0), wide())),
    Case("K8S-006", "alone", one(domain(8))),
    Case("K8S-006", "used-by-nobody-here", together(domain(8), alpha())),
    Case(
        "K8S-008",
        "60-with-900",
        one(beta({f"POD|{_GRACE}": 60, "MAIN|env": _env((_RUNTIME, "900"))})),
        at=f"{_GRACE}: 60",
        says=f"{_GRACE}: 960",
    ),
    Case(
        "K8S-008",
        "default-with-900",
        one(alpha({"W|envs": _env((_RUNTIME, "900"))})),
        at="900",
        says="60 s (unset)",
    ),
    Case("K8S-008", "development", one(alpha({"W|envs": _env((_RUNTIME, "5"))}))),
    Case("K8S-008", "nothing-stated", one(alpha())),
    Case(
        "K8S-008",
        "longer",
        one(alpha({f"POD|{_GRACE}": 1000, "W|envs": _env((_RUNTIME, "900"))})),
    ),
    Case(
        "K8S-009",
        "60-s-for-r1",
        one(alpha(_probe(10, 6), args=_R1)),
        at="startupProbe:",
        says="10 s x 6 = 60 s",
    ),
    Case("K8S-009", "6000-s-for-r1", one(alpha(_probe(10, 600), args=_R1))),
    Case("K8S-009", "no-probe", one(alpha(args=_R1))),
    Case("K8S-009", "60-s-for-an-unknown-model", one(alpha(_probe(10, 6), args=_LOCAL))),
    Case(
        "K8S-011",
        "nats-on-1.4",
        one(alpha({"spec|envs": _env(("DYN_REQUEST_PLANE", "nats"))})),
        at="value: nats",
        says="NATS_SERVER is nowhere set",
    ),
    Case(
        "K8S-011",
        "tcp-zmq-kubernetes",
        one(
            alpha(
                {
                    "spec|envs": _env(
                        ("DYN_REQUEST_PLANE", "tcp"),
                        ("DYN_EVENT_PLANE", "zmq"),
                        ("DYN_DISCOVERY_BACKEND", "kubernetes"),
                    )
                }
            )
        ),
    ),
    Case(
        "K8S-011",
        "addressed",
        one(
            alpha(
                {
                    "spec|envs": _env(
                        ("DYN_REQUEST_PLANE", "nats"),
                        ("NATS_SERVER", "nats://nats.dynamo-system:4222"),
                    )
                }
            )
        ),
    ),
    Case(
        "K8S-012",
        "grove-alpha-9-with-1.4",
        together(alpha(), operator("grove", "ghcr.io/ai-dynamo/grove-operator:v0.1.0-alpha.9")),
        at="grove-operator:v0.1.0-alpha.9",
        says="Grove 0.1.0-alpha.11",
    ),
    Case(
        "K8S-012",
        "grove-alpha-11-with-1.4",
        together(alpha(), operator("grove", "ghcr.io/ai-dynamo/grove-operator:v0.1.0-alpha.11")),
    ),
    Case("K8S-012", "nothing-known", one(alpha())),
    Case(
        "K8S-013",
        "nested-mpirun",
        together(
            alpha(
                {"MAIN|command": ["mpirun", "-n", "8", "python3", "-m", "dynamo.trtllm"]},
                kind="trtllm",
                args=TRTLLM_ARGS,
            ),
            config_map(agg_yaml=ENGINE.format(tensor=8)),
        ),
        at="- mpirun",
        says="python3 -m dynamo.trtllm with its flags",
    ),
    Case(
        "K8S-013",
        "launcher-in-a-script",
        one(
            alpha(
                {
                    "MAIN|command": ["/bin/bash", "-c"],
                    "MAIN|args": [f"trtllm-llmapi-launch python3 -m dynamo.trtllm {TRTLLM_ARGS}"],
                },
                kind="trtllm",
            )
        ),
        at="trtllm-llmapi-launch",
        says="inside the mpirun of the operator",
    ),
    Case(
        "K8S-013",
        "plain-module",
        one(alpha(kind="trtllm", args=TRTLLM_ARGS)),
    ),
    Case(
        "K8S-013",
        "shell-with-exec",
        one(
            alpha(
                {
                    "MAIN|command": ["/bin/sh", "-c"],
                    "MAIN|args": [f"exec python3 -m dynamo.trtllm {TRTLLM_ARGS}"],
                },
                kind="trtllm",
            )
        ),
    ),
    Case(
        "K8S-014",
        "only-on-workers",
        one(alpha({"MAIN|volumeMounts": _MOUNTED}, args=_LOCAL)),
        at="Frontend:",
        says="Worker mounts /models/llama, Frontend mounts nothing there",
    ),
    Case(
        "K8S-014",
        "on-both",
        one(
            alpha(
                {
                    "MAIN|volumeMounts": _MOUNTED,
                    "F|extraPodSpec|mainContainer|volumeMounts": _MOUNTED,
                },
                args=_LOCAL,
            )
        ),
    ),
    Case("K8S-014", "in-the-image", one(alpha(args=_LOCAL))),
    Case("K8S-014", "hub", one(alpha({"MAIN|volumeMounts": _MOUNTED}))),
    Case(
        "K8S-015",
        "2-efa-for-4-gpus",
        one(beta({**_GB200, f"MAIN|resources|limits|{_EFA}": 2})),
        at=f"{_EFA}: 2",
        says=f"{_EFA}: 4",
    ),
    Case("K8S-015", "all", one(beta({**_GB200, f"MAIN|resources|limits|{_EFA}": 4}))),
    Case(
        "K8S-015",
        "other-fabric",
        one(alpha({**_GB200, "W|resources|limits|custom": {"rdma/ib": "2"}})),
    ),
    Case("K8S-015", "system-unknown", one(alpha({"W|resources|limits|custom": {_EFA: "2"}}))),
]
