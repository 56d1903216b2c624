"""Whole files as users of every orchestrator write them, for tests over all rules at once.

Each is a plain deployment that works; a test changes one line of it with `with_line`.
"""

from __future__ import annotations

from collections.abc import Mapping

AGG_ENV = """\
# DeepSeek-R1 on four GB200 nodes, one worker
export IMAGE="/images/tensorrtllm-runtime.sqsh"
export MOUNTS="/home/user/dynamo:/mnt,/models:/models"
export MODEL_PATH="nvidia/DeepSeek-R1-FP4"
export SERVED_MODEL_NAME="nvidia/DeepSeek-R1-FP4"
export ENGINE_CONFIG="/mnt/engine_configs/agg.yaml"
export NUM_NODES=4
export NUM_GPUS_PER_NODE=4
export HEAD_NODE="node1"
export HEAD_NODE_IP="10.0.0.1"
export ETCD_ENDPOINTS="10.0.0.1:2379"
export NATS_SERVER="nats://10.0.0.1:4222"
"""

PICTURES_ENV = """\
# Llama-4-Maverick on four GB200 nodes, prefill and decode over two each
export IMAGE="/images/tensorrtllm-runtime.sqsh"
export MOUNTS="/home/user/dynamo:/mnt"
export MODEL_PATH="meta-llama/Llama-4-Maverick-17B-128E-Instruct"
export SERVED_MODEL_NAME="meta-llama/Llama-4-Maverick-17B-128E-Instruct"
export MODALITY="multimodal"
export PREFILL_ENGINE_CONFIG="/mnt/engine_configs/prefill.yaml"
export DECODE_ENGINE_CONFIG="/mnt/engine_configs/decode.yaml"
export NUM_PREFILL_NODES=2
export NUM_DECODE_NODES=2
export NUM_GPUS_PER_NODE=4
export HEAD_NODE="node1"
export HEAD_NODE_IP="10.0.0.1"
export ETCD_ENDPOINTS="10.0.0.1:2379"
export NATS_SERVER="nats://10.0.0.1:4222"
"""

LAUNCH_SCRIPT = """\
#!/bin/bash
# Starts the services and one prefill worker inside an allocation, and waits for the model.
set -euo pipefail
export IMAGE="/images/tensorrtllm-runtime.sqsh"
export MOUNTS="/home/user/dynamo:/mnt,/models:/models"
export MODEL_PATH="nvidia/DeepSeek-R1-FP4"
export SERVED_MODEL_NAME="nvidia/DeepSeek-R1-FP4"
export HEAD_NODE="node1"
export HEAD_NODE_IP="10.0.0.1"
export ETCD_ENDPOINTS="10.0.0.1:2379"
export NATS_SERVER="nats://10.0.0.1:4222"
export DISAGGREGATION_MODE=prefill
export ENGINE_CONFIG="/mnt/engine_configs/prefill.yaml"

srun --overlap --container-image "${IMAGE}" --container-mounts "${MOUNTS}" \\
  --nodelist "${HEAD_NODE}" --nodes 1 --ntasks 1 --jobid "${SLURM_JOB_ID}" \\
  /mnt/multinode/start_frontend_services.sh &

srun --mpi pmix --overlap --container-image "${IMAGE}" --container-mounts "${MOUNTS}" \\
  --container-env ETCD_ENDPOINTS,NATS_SERVER,HEAD_NODE_IP,DISAGGREGATION_MODE,ENGINE_CONFIG \\
  --nodelist "${HEAD_NODE}" --nodes 1 --ntasks-per-node 4 --jobid "${SLURM_JOB_ID}" \\
  /mnt/multinode/start_trtllm_worker.sh &

until curl --silent --fail "http://${HEAD_NODE_IP}:8000/v1/models" | grep -q DeepSeek; do
  sleep 5
done
wait
"""

SERVE_AGG = """\
Common:
  model: deepseek-ai/DeepSeek-R1
  block-size: 64
  max-model-len: 16384

Frontend:
  served_model_name: deepseek-ai/DeepSeek-R1
  endpoint: dynamo.Processor.chat/completions
  port: 8000

Processor:
  router: round-robin
  common-configs: [model, block-size, max-model-len]

VllmWorker:
  enforce-eager: true
  max-num-batched-tokens: 16384
  tensor-parallel-size: 16
  distributed-executor-backend: ray
  ServiceArgs:
    workers: 1
    resources:
      gpu: '1'
  common-configs: [model, block-size, max-model-len]
"""

MANIFEST = """\
apiVersion: nvidia.com/v1alpha1
kind: DynamoGraphDeployment
metadata:
  name: deepseek-r1
spec:
  backendFramework: trtllm
  services:
    Frontend:
      componentType: frontend
      replicas: 1
      extraPodSpec:
        mainContainer:
          image: nvcr.io/nvidia/ai-dynamo/tensorrtllm-runtime:1.2.0
    Worker:
      componentType: worker
      replicas: 1
      multinode:
        nodeCount: 2
      resources:
        limits:
          gpu: "4"
      sharedMemory:
        size: 80Gi
      extraPodSpec:
        terminationGracePeriodSeconds: 1200
        mainContainer:
          image: nvcr.io/nvidia/ai-dynamo/tensorrtllm-runtime:1.2.0
          startupProbe:
            httpGet:
              path: /live
              port: 9090
            periodSeconds: 10
            failureThreshold: 600
          command: [python3, -m, dynamo.trtllm]
          args:
            - --model-path
            - nvidia/DeepSeek-R1-FP4
            - --served-model-name
            - nvidia/DeepSeek-R1-FP4
            - --extra-engine-args
            - /configs/engine.yaml
          volumeMounts:
            - name: engine
              mountPath: /configs
        volumes:
          - name: engine
            configMap:
              name: engine
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: engine
data:
  engine.yaml: |
    backend: pytorch
    tensor_parallel_size: 8
    moe_expert_parallel_size: 8
    enable_attention_dp: true
    max_batch_size: 64
    max_num_tokens: 8448
    max_seq_len: 8448
    kv_cache_config:
      dtype: fp8
      free_gpu_memory_fraction: 0.3
"""

COMPUTE_DOMAIN = """\
---
apiVersion: resource.nvidia.com/v1beta1
kind: ComputeDomain
metadata:
  name: deepseek-r1
spec:
  numNodes: 0
  channel:
    resourceClaimTemplate:
      name: deepseek-r1-channel
"""

GUIDE = """\
# Serving DeepSeek-R1 over two nodes

Set the environment on the first node of the allocation:

```bash
{environment}
```

Then start the deployment:

```bash
{launch}
```
"""


def with_line(text: str, old: str, new: str) -> str:
    """A file with one place changed, which must be in it exactly once."""
    if text.count(old) != 1:
        raise ValueError(f"{old!r} stands {text.count(old)} times in the file")
    return text.replace(old, new)


def guide(environment: str, launch: str) -> Mapping[str, str]:
    """A Markdown guide with these two blocks of shell."""
    return {"guide.md": GUIDE.format(environment=environment.strip(), launch=launch.strip())}
