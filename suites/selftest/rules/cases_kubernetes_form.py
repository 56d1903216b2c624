"""Examples of K8S rules on names, annotations, roles, images, updates."""

from __future__ import annotations

from .cases import Case
from .manifests import IMAGES, MODEL, alpha, beta, one, together

_DECODE = f"--model {MODEL} --tensor-parallel-size 8 --disaggregation-mode decode"
_LLAMA_38 = "l" * 38
_KAI = {"nvidia.com/kai-scheduler-queue": "dynamo"}
_VOLCANO = {"nvidia.com/volcano-queue": "default"}
_NEW = {
    "F|extraPodSpec|mainContainer|image": f"{IMAGES}/vllm-runtime:1.5.0",
    "MAIN|image": f"{IMAGES}/vllm-runtime:1.5.0",
}
_MANY = {f"spec|services|part{n}": {"componentType": "planner"} for n in range(24)}

CASES: list[Case] = [
    Case(
        "K8S-004",
        "46-characters",
        one(beta({"metadata|name": _LLAMA_38})),
        at="name: Frontend",
        says="(38) and Frontend (8) = 46 > 45",
    ),
    # The longest name beside it, Frontend, has 8 characters.
    Case("K8S-004", "45-characters", one(beta({"metadata|name": "l" * 37}))),
    Case(
        "K8S-004",
        "a-service-of-46-characters",
        one(alpha({"metadata|name": _LLAMA_38})),
        at="Frontend:",
        says="shorten one of them by 1",
    ),
    Case(
        "K8S-004",
        "a-long-component",
        one(beta({"W|name": "w" * 64})),
        at="name: www",
        says="has 64",
    ),
    Case("K8S-004", "26-components", one(alpha(_MANY)), at="services:", says="has 26"),
    Case(
        "K8S-004",
        "no-main-container",
        one(beta({"MAIN|name": "worker"})),
        at="name: worker",
        says="name: main",
    ),
    Case(
        "K8S-005",
        "kai-and-volcano",
        one(alpha({"metadata|annotations": {**_KAI, **_VOLCANO}})),
        at="nvidia.com/volcano-queue",
        says="keep nvidia.com/kai-scheduler-queue with Grove",
    ),
    Case("K8S-005", "kai", one(alpha({"metadata|annotations": _KAI}))),
    Case(
        "K8S-005",
        "volcano-with-lws",
        one(alpha({"metadata|annotations": {**_VOLCANO, "nvidia.com/enable-grove": "false"}})),
    ),
    Case("K8S-005", "single-node-without-either", one(alpha({"W|multinode": None}))),
    Case(
        "K8S-007",
        "decode-typed-prefill",
        one(beta({"W|type": "prefill"}, args=_DECODE)),
        at="--disaggregation-mode",
        says="type prefill",
    ),
    Case(
        "K8S-007",
        "decode-called-prefill",
        one(alpha({"W|subComponentType": "prefill"}, args=f"--model {MODEL} --is-decode-worker")),
        at="--is-decode-worker",
        says="its flags say decode",
    ),
    Case("K8S-007", "aggregated", one(alpha())),
    Case("K8S-007", "agreeing", one(alpha({"W|subComponentType": "decode"}, args=_DECODE))),
    Case(
        "K8S-010",
        "latest",
        one(alpha({**_NEW, "MAIN|image": f"{IMAGES}/vllm-runtime:latest"})),
        at="vllm-runtime:latest",
        says="the tag 1.5.0, or runtimeVersionOverride",
    ),
    Case(
        "K8S-010",
        "no-image",
        one(alpha({**_NEW, "MAIN|image": None})),
        at="mainContainer:",
        says="none",
    ),
    Case("K8S-010", "semver", one(alpha(_NEW))),
    Case(
        "K8S-010",
        "overridden",
        one(
            alpha(
                {
                    **_NEW,
                    "MAIN|image": "registry.example/vllm:mine",
                    "W|runtimeVersionOverride": "1.5.0",
                }
            )
        ),
    ),
    Case(
        "K8S-010",
        "latest-before-1.5",
        one(alpha({"MAIN|image": f"{IMAGES}/vllm-runtime:latest"})),
    ),
    Case(
        "K8S-016",
        "type-changed-in-place",
        together(alpha(_NEW), alpha({**_NEW, "W|componentType": "main"})),
        at="componentType: main",
        says="componentType was worker",
    ),
    Case(
        "K8S-016",
        "component-replaced",
        together(beta(), beta({"W|name": "Decoder"})),
        at="components:",
        says="without Worker, with Decoder added",
    ),
    Case("K8S-016", "replicas", together(alpha(), alpha({"W|replicas": 3}))),
    Case(
        "K8S-016",
        "two-deployments",
        together(alpha(), alpha({"metadata|name": "other", "spec|backendFramework": "vllm"})),
    ),
    Case(
        "K8S-017",
        "name-without-section",
        one(alpha({"metadata|name": "llama-multi-node", "W|multinode": None})),
        at="name: llama-multi-node",
        says="no component has a multinode section",
    ),
    Case("K8S-017", "name-with-section", one(alpha({"metadata|name": "llama-multi-node"}))),
    Case(
        "K8S-017",
        "different-nodes-are-meant",
        one(
            alpha(
                {
                    "metadata|name": "llama-multi-node",
                    "W|multinode": None,
                    "POD|topologySpreadConstraints": [{"maxSkew": 1}],
                }
            )
        ),
    ),
]
