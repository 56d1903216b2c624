"""Examples of K8S rules on sizes: nodes, GPUs, and parallel sizes."""

from __future__ import annotations

from .cases import Case
from .manifests import (
    ENGINE,
    MODEL,
    TRTLLM_ARGS,
    alpha,
    beta,
    config_map,
    in_a_shell,
    one,
    together,
)

GUIDE = """\
apiVersion: nvidia.com/v1alpha1
kind: DynamoGraphDeployment
metadata:
  name: guide
spec:
  backendFramework: sglang
  services:
    decode:
      componentType: worker
      multinode:
        nodeCount: {nodes}
      resources:
        limits:
          gpu: "{gpu}"
      extraPodSpec:
        mainContainer:
          args:
          - "--tp-size"
          - "{tensor}"
"""
SHELL = """\
# one worker, as a script
exec python3 -m dynamo.vllm \\
  --model "$MODEL" \\
  --tensor-parallel-size 16 \\
  --max-model-len 8192 2>&1 | tee /tmp/worker.log
"""

CASES: list[Case] = [
    Case(
        "K8S-001",
        "tp-8-on-2x2",
        one(GUIDE.format(nodes=2, gpu=2, tensor=8)),
        at="--tp-size",
        says="TP8 = 8 GPUs, but nodeCount 2 x gpu 2 = 4",
    ),
    Case(
        "K8S-001",
        "tp-8-on-2x2-names-what-works",
        one(GUIDE.format(nodes=2, gpu=2, tensor=8)),
        at="--tp-size",
        says="multinode.nodeCount: 4 with 2 GPUs each, or tensor parallel size 4",
    ),
    Case("K8S-001", "guide-2x2", one(GUIDE.format(nodes=2, gpu=2, tensor=4))),
    Case("K8S-001", "guide-2x4", one(GUIDE.format(nodes=2, gpu=4, tensor=8))),
    Case("K8S-001", "guide-4x8", one(GUIDE.format(nodes=4, gpu=8, tensor=32))),
    Case(
        "K8S-001",
        "an-engine-nobody-names",
        one(GUIDE.format(nodes=2, gpu=2, tensor=8).replace("  backendFramework: sglang\n", "")),
        at="--tp-size",
        says="= 8 GPUs",
    ),
    Case(
        "K8S-001",
        "v1beta1",
        one(beta({"W|multinode|nodeCount": 4})),
        at="--tensor-parallel-size",
        says="nodeCount 4 x gpu 4 = 16",
    ),
    Case("K8S-001", "v1beta1-legal", one(beta())),
    Case(
        "K8S-001",
        "vllm-data-parallel-multiplies",
        one(beta(args=f"--model {MODEL} --tensor-parallel-size 8 --data-parallel-size 2")),
        at="--tensor-parallel-size",
        says="TP8 x DP2 = 16 GPUs",
    ),
    Case(
        "K8S-001",
        "vllm-tp-1-dp-16-on-2x8",
        one(
            beta(
                {"MAIN|resources|limits|nvidia.com/gpu": 8},
                args="--model deepseek-ai/DeepSeek-R1 --data-parallel-size 16"
                " --enable-expert-parallel",
            )
        ),
    ),
    Case(
        "K8S-001",
        "sglang-dp-inside-tp",
        one(
            alpha(
                kind="sglang",
                args="--model-path deepseek-ai/DeepSeek-R1 --tp 8 --dp 8 --enable-dp-attention",
            )
        ),
    ),
    Case(
        "K8S-001",
        "no-multinode-section-is-one-node",
        one(alpha({"W|multinode": None}, args=f"--model {MODEL} --tensor-parallel-size 4")),
    ),
    Case(
        "K8S-001",
        "tp-8-on-one-node-of-4",
        one(alpha({"W|multinode": None})),
        at="--tensor-parallel-size",
        says="multinode.nodeCount: 2 with 4 GPUs each",
    ),
    Case(
        "K8S-001",
        "script",
        one(in_a_shell(SHELL, {"MAIN|env": [{"name": "MODEL", "value": MODEL}]})),
        at="--tensor-parallel-size 16",
        says="TP16 = 16 GPUs",
    ),
    Case(
        "K8S-001",
        "config-map",
        together(
            config_map(agg_yaml=ENGINE.format(tensor=16)), alpha(kind="trtllm", args=TRTLLM_ARGS)
        ),
        at="    tensor_parallel_size: 16",
        says="TP16 = 16 GPUs, but nodeCount 2 x gpu 4 = 8",
    ),
    Case(
        "K8S-001",
        "config-map-legal",
        together(
            alpha(kind="trtllm", args=TRTLLM_ARGS), config_map(agg_yaml=ENGINE.format(tensor=8))
        ),
    ),
    Case(
        "K8S-001",
        "override",
        together(
            config_map(agg_yaml=ENGINE.format(tensor=8)),
            alpha(
                kind="trtllm",
                args=f'{TRTLLM_ARGS} --override-engine-args {{"tensor_parallel_size":4}}',
            ),
        ),
        at="--override-engine-args",
        says="TP4 = 4 GPUs",
    ),
    Case("K8S-001", "yaml-elsewhere", one(alpha(kind="trtllm", args=TRTLLM_ARGS))),
    Case("K8S-001", "one-rank-of-many", one(alpha(args=f"--model {MODEL} --data-parallel-rank 1"))),
    Case("K8S-001", "hidden-flags", one(alpha({"MAIN|args": ["--model", MODEL, "$(MORE_ARGS)"]}))),
    Case("K8S-001", "template-as-size", one(alpha(args=f"--model {MODEL} -tp ${{TP}}"))),
    Case(
        "K8S-002",
        "quoted-node-count",
        one(GUIDE.format(nodes='"2"', gpu=4, tensor=8)),
        at='nodeCount: "2"',
        says="nodeCount: 2",
    ),
    Case("K8S-002", "gpu-is-text", one(GUIDE.format(nodes=2, gpu=4, tensor=8))),
    Case(
        "K8S-002",
        "gpu-without-quotes",
        one(GUIDE.format(nodes=2, gpu=4, tensor=8).replace('gpu: "4"', "gpu: 4")),
        at="gpu: 4",
        says='gpu: "4"',
    ),
    Case(
        "K8S-002",
        "one-node-in-v1beta1",
        one(beta({"W|multinode|nodeCount": 1, "MAIN|resources|limits|nvidia.com/gpu": 8})),
        at="nodeCount: 1",
        says="out of range",
    ),
    Case("K8S-002", "gpu-is-a-number-in-v1beta1", one(beta())),
    Case(
        "K8S-002",
        "template-left-unexpanded",
        one(GUIDE.format(nodes='"{{ .Values.nodes }}"', gpu=4, tensor=8)),
        at="nodeCount:",
        says="render the template first",
    ),
    Case(
        "K8S-002",
        "variable-left-unexpanded",
        one(GUIDE.format(nodes="${NODES}", gpu=4, tensor=8)),
        at="nodeCount:",
        says="template left unexpanded",
    ),
    Case("K8S-003", "legal", one(GUIDE.format(nodes=2, gpu=4, tensor=8))),
    Case(
        "K8S-003",
        "missing-gpu-limit",
        one(alpha({"W|resources": None})),
        at="Worker:",
        says='gpu: "4"',
    ),
    Case(
        "K8S-003",
        "only-requests",
        one(alpha({"W|resources": {"requests": {"gpu": "4"}}})),
        at="resources:",
        says="only requests ask for GPUs",
    ),
    Case(
        "K8S-003",
        "v1beta1",
        one(beta({"MAIN|resources": {"limits": {"memory": "200Gi"}}})),
        at="limits:",
        says="nvidia.com/gpu: 4",
    ),
    Case(
        "K8S-003",
        "device-claims",
        one(
            alpha(
                {
                    "W|resources": None,
                    "POD|resourceClaims": [{"name": "g", "resourceClaimTemplateName": "gpus"}],
                }
            )
        ),
    ),
    Case(
        "K8S-003",
        "no-gpu-needed",
        one(
            alpha({"W|resources": None, "W|multinode": None}, kind="mocker", args="--model-path /m")
        ),
    ),
]
