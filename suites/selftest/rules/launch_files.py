"""Launch scripts, environments and guides for cases: whole ones, and small ones with one change."""

from __future__ import annotations

from collections.abc import Mapping

SRUN_DISAGGREGATED = """\
#!/bin/bash
# One frontend, prefill workers and decode workers inside an allocation. Run it where it stands.

# Needed: the image of the workers, as a reference or as a .sqsh file.
IMAGE="${IMAGE:-""}"

# Pairs of host:container. Scripts and engine configs lie one directory up.
DEFAULT_MOUNT="${PWD}/../:/mnt"
MOUNTS="${MOUNTS:-${DEFAULT_MOUNT}}"

NUM_GPUS_PER_NODE="${NUM_GPUS_PER_NODE:-4}"

NUM_PREFILL_NODES="${NUM_PREFILL_NODES:-4}"
NUM_PREFILL_WORKERS="${NUM_PREFILL_WORKERS:-1}"
PREFILL_ENGINE_CONFIG="${PREFILL_ENGINE_CONFIG:-/mnt/engine_configs/deepseek_r1/wide_ep/wide_ep_prefill.yaml}"

NUM_DECODE_NODES="${NUM_DECODE_NODES:-4}"
NUM_DECODE_WORKERS="${NUM_DECODE_WORKERS:-1}"
DECODE_ENGINE_CONFIG="${DECODE_ENGINE_CONFIG:-/mnt/engine_configs/deepseek_r1/wide_ep/wide_ep_decode.yaml}"

DISAGGREGATION_STRATEGY="${DISAGGREGATION_STRATEGY:-"decode_first"}"

ACCOUNT="$(sacctmgr -nP show assoc where user=$(whoami) format=account)"
export HEAD_NODE="${SLURMD_NODENAME}"
export HEAD_NODE_IP="$(hostname -i)"
export ETCD_ENDPOINTS="${HEAD_NODE_IP}:2379"
export NATS_SERVER="nats://${HEAD_NODE_IP}:4222"

if [[ -z ${IMAGE} ]]; then
  echo "ERROR: You need to set the IMAGE environment variable"
  exit 1
fi

echo "Launching frontend services in background."
srun \\
  --overlap \\
  --container-image "${IMAGE}" \\
  --container-mounts "${MOUNTS}" \\
  --verbose \\
  --label \\
  -A "${ACCOUNT}" \\
  -J "${ACCOUNT}-dynamo.trtllm" \\
  --nodelist "${HEAD_NODE}" \\
  --nodes 1 \\
  --jobid "${SLURM_JOB_ID}" \\
  /mnt/multinode/start_frontend_services.sh &

# The workers wait by themselves for etcd and NATS.
for ((i=1; i<=${NUM_PREFILL_WORKERS}; i++)); do
  echo "Launching prefill worker ${i} on ${NUM_PREFILL_NODES} nodes."
  DISAGGREGATION_MODE=prefill \\
  ENGINE_CONFIG=${PREFILL_ENGINE_CONFIG} \\
  srun \\
    --mpi pmix \\
    --oversubscribe \\
    --container-image "${IMAGE}" \\
    --container-mounts "${MOUNTS}" \\
    --container-env ETCD_ENDPOINTS,NATS_SERVER,HEAD_NODE_IP,HEAD_NODE,DISAGGREGATION_MODE,DISAGGREGATION_STRATEGY,ENGINE_CONFIG \\
    --verbose \\
    --label \\
    -A "${ACCOUNT}" \\
    -J "${ACCOUNT}-dynamo.trtllm" \\
    --nodes "${NUM_PREFILL_NODES}" \\
    --ntasks-per-node "${NUM_GPUS_PER_NODE}" \\
    --jobid "${SLURM_JOB_ID}" \\
    /mnt/multinode/start_trtllm_worker.sh &
done

for ((i=1; i<=${NUM_DECODE_WORKERS}; i++)); do
  echo "Launching decode worker ${i} on ${NUM_DECODE_NODES} nodes."
  DISAGGREGATION_MODE=decode \\
  ENGINE_CONFIG=${DECODE_ENGINE_CONFIG} \\
  srun \\
    --mpi pmix \\
    --oversubscribe \\
    --container-image "${IMAGE}" \\
    --container-mounts "${MOUNTS}" \\
    --container-env ETCD_ENDPOINTS,NATS_SERVER,HEAD_NODE_IP,HEAD_NODE,DISAGGREGATION_MODE,DISAGGREGATION_STRATEGY,ENGINE_CONFIG \\
    --verbose \\
    --label \\
    -A "${ACCOUNT}" \\
    -J "${ACCOUNT}-dynamo.trtllm" \\
    --nodes "${NUM_DECODE_NODES}" \\
    --ntasks-per-node "${NUM_GPUS_PER_NODE}" \\
    --jobid "${SLURM_JOB_ID}" \\
    /mnt/multinode/start_trtllm_worker.sh &
done
"""  # noqa: E501
"""A script with the facts of the public one: variables, defaults, steps and their options."""

START_FRONTEND = """\
#!/bin/bash
# Services first, the frontend on top of them.
nats-server -js &

etcd --listen-client-urls http://0.0.0.0:2379 \\
  --advertise-client-urls http://0.0.0.0:2379 \\
  --data-dir /tmp/etcd &

sleep 3

python3 -m dynamo.frontend --http-port 8000
"""

START_WORKER = """\
#!/bin/bash
if [[ -z ${MODEL_PATH} ]]; then
  echo "ERROR: MODEL_PATH was not set."
  exit 1
fi
if [[ -z ${SERVED_MODEL_NAME} ]]; then
  echo "WARNING: SERVED_MODEL_NAME was not set."
fi
if [[ -z ${ENGINE_CONFIG} ]]; then
  echo "ERROR: ENGINE_CONFIG was not set."
  exit 1
fi
EXTRA_ARGS=""
if [[ -n ${DISAGGREGATION_MODE} ]]; then
  EXTRA_ARGS+="--disaggregation-mode ${DISAGGREGATION_MODE} "
fi
if [[ -n ${MODALITY} ]]; then
  EXTRA_ARGS+="--modality ${MODALITY} "
fi
trtllm-llmapi-launch \\
  python3 -m dynamo.trtllm \\
    --model-path "${MODEL_PATH}" \\
    --served-model-name "${SERVED_MODEL_NAME}" \\
    --extra-engine-args "${ENGINE_CONFIG}" \\
    ${EXTRA_ARGS}
"""

PAIR_ENV: Mapping[str, str] = {
    "IMAGE": "/images/tensorrtllm-runtime.sqsh",
    "MOUNTS": "/home/user/dynamo:/mnt,/models:/models",
    "MODEL_PATH": "nvidia/DeepSeek-R1-FP4",
    "SERVED_MODEL_NAME": "nvidia/DeepSeek-R1-FP4",
    "PREFILL_ENGINE_CONFIG": "/mnt/engine_configs/prefill.yaml",
    "DECODE_ENGINE_CONFIG": "/mnt/engine_configs/decode.yaml",
    "NUM_PREFILL_NODES": "4",
    "NUM_DECODE_NODES": "4",
    "NUM_GPUS_PER_NODE": "4",
    "HEAD_NODE": "node1",
    "HEAD_NODE_IP": "10.0.0.1",
    "ETCD_ENDPOINTS": "10.0.0.1:2379",
    "NATS_SERVER": "nats://10.0.0.1:4222",
}
"""The variables of a deployment over eight nodes."""

ONE_NODE: Mapping[str, str | None] = {
    **{name: None for name in PAIR_ENV if "PREFILL" in name or "DECODE" in name},
    "NUM_NODES": "1",
    "ENGINE_CONFIG": "/mnt/engine_configs/agg.yaml",
}
"""Changes that make it one worker on one node."""

WORKER = (
    "srun --mpi pmix --overlap --nodelist node2 --nodes 1 --ntasks-per-node 4"
    ' --jobid "${SLURM_JOB_ID}" /mnt/multinode/start_trtllm_worker.sh &'
)
FRONTEND = (
    'srun --overlap --nodelist node1 --nodes 1 --jobid "${SLURM_JOB_ID}"'
    " /mnt/multinode/start_frontend_services.sh &"
)


def exports(**changes: str | None) -> str:
    """The variables of the deployment as lines of a shell, with these changes; None removes."""
    merged = {**PAIR_ENV, **changes}
    return "".join(
        f'export {key}="{value}"\n' for key, value in merged.items() if value is not None
    )


def env(**changes: str | None) -> dict[str, str]:
    """A file of the deployment's variables."""
    return {"launch.env": exports(**changes)}


def script(*lines: str, **changes: str | None) -> dict[str, str]:
    """A launch script: the variables of the deployment, and these lines."""
    body = "\n".join(lines)
    return {"launch.sh": f"#!/bin/bash\n{exports(**changes)}\n{body}\n"}


def bare(*lines: str) -> dict[str, str]:
    """A script of these lines alone."""
    return {"run.sh": "#!/bin/bash\n" + "\n".join(lines) + "\n"}


def document(*blocks: str) -> dict[str, str]:
    """A guide with these blocks of shell, a sentence before each."""
    parts = (
        f"Step {n}, don't (ever) skip it:\n\n```bash\n{b}\n```\n" for n, b in enumerate(blocks)
    )
    return {"guide.md": "# A guide\n\n" + "\n".join(parts)}
