"""Cases of the ENV rules on single variables: what must be set, addresses, mounts."""

from __future__ import annotations

from .cases import Case, aggregated
from .launch_files import ONE_NODE, bare, document, env, exports, script

_ARM = "registry/dynamo:tensorrtllm-arm64"
_X86 = "registry/dynamo:tensorrtllm-amd64"

REQUIRED = [
    Case(
        "ENV-001",
        "empty-served-name",
        env(SERVED_MODEL_NAME=""),
        at="SERVED_MODEL_NAME=",
        says="SERVED_MODEL_NAME is set to nothing",
    ),
    Case("ENV-001", "empty-image", env(IMAGE=""), at="IMAGE=", says="IMAGE is set to nothing"),
    Case("ENV-001", "empty-model", env(MODEL_PATH=""), at="MODEL_PATH=", says="Hugging Face id"),
    Case(
        "ENV-001",
        "placeholder",
        env(IMAGE="<dynamo_trtllm_image>"),
        at="IMAGE=",
        says="still the placeholder <dynamo_trtllm_image>",
    ),
    Case(
        "ENV-001",
        "empty-engine-config-of-a-script",
        script("srun /mnt/multinode/start_trtllm_worker.sh", PREFILL_ENGINE_CONFIG=""),
        at="PREFILL_ENGINE_CONFIG=",
        says="PREFILL_ENGINE_CONFIG is set to nothing",
    ),
    Case(
        "ENV-001",
        "local-path-without-a-name",
        env(MODEL_PATH="/models/deepseek-r1/", SERVED_MODEL_NAME=None, HF_HUB_OFFLINE="1"),
        at="MODEL_PATH=",
        says="export SERVED_MODEL_NAME=deepseek-r1",
    ),
    Case(
        "ENV-001",
        "x86-image-on-grace",
        aggregated(environment={"IMAGE": _X86}),
        at="IMAGE:",
        says="its name says amd64, which is x86_64",
    ),
    Case(
        "ENV-001",
        "arm-image-on-hopper",
        aggregated(environment={"IMAGE": _ARM}, system="h100"),
        at="IMAGE:",
        says="take the amd64 build",
    ),
    Case("ENV-001", "all-set", env()),
    Case("ENV-001", "defaults-of-the-script", env(PREFILL_ENGINE_CONFIG=None)),
    Case("ENV-001", "empty-means-the-default-of-the-script", env(PREFILL_ENGINE_CONFIG="")),
    Case("ENV-001", "image-set-elsewhere", env(IMAGE=None)),
    Case("ENV-001", "caller-gives-the-image", script('IMAGE="${IMAGE:-""}"', IMAGE=None)),
    Case("ENV-001", "hub-id-without-a-name", env(SERVED_MODEL_NAME=None)),
    Case("ENV-001", "local-path-with-a-name", env(MODEL_PATH="/models/r1", HF_HUB_OFFLINE="1")),
    Case("ENV-001", "placeholder-in-a-guide", document(exports(IMAGE="<your_image>"))),
    Case("ENV-001", "to-be-filled-in", document(exports(IMAGE=""))),
    Case("ENV-001", "arm-image-on-grace", aggregated(environment={"IMAGE": _ARM})),
    Case("ENV-001", "image-for-both", aggregated(environment={"IMAGE": f"{_X86}-arm64"})),
]

ADDRESSES = [
    Case(
        "ENV-005",
        "two-associations",
        env(ACCOUNT="general\nspecial"),
        at="ACCOUNT=",
        says="2 names: general special",
    ),
    Case(
        "ENV-005",
        "account-from-sacctmgr",
        script(
            'ACCOUNT="$(sacctmgr -nP show assoc where user=$(whoami) format=account)"',
            'srun -A "${ACCOUNT}" hostname',
        ),
        at="ACCOUNT=",
        says="one line for each association",
    ),
    Case("ENV-005", "no-head-node", env(HEAD_NODE=""), at="HEAD_NODE=", says="set to nothing"),
    Case(
        "ENV-005",
        "loopback",
        env(HEAD_NODE_IP="127.0.1.1"),
        at="HEAD_NODE_IP=",
        says="HEAD_NODE_IP is 127.0.1.1",
    ),
    Case(
        "ENV-005",
        "two-addresses",
        env(HEAD_NODE_IP="10.0.0.1 172.17.0.1"),
        at="HEAD_NODE_IP=",
        says="2 addresses",
    ),
    Case(
        "ENV-005",
        "link-local",
        env(HEAD_NODE_IP="169.254.3.4"),
        at="HEAD_NODE_IP=",
        says="which is not routed",
    ),
    Case(
        "ENV-005",
        "hostname-may-print-several",
        document(exports(HEAD_NODE_IP="$(hostname -i)")),
        at="HEAD_NODE_IP=",
        says="may print several addresses, or 127.0.1.1",
    ),
    Case("ENV-005", "by-hand", env(ACCOUNT="general_sa")),
    Case("ENV-005", "first-address-only", env(HEAD_NODE_IP="$(hostname -I | cut -d' ' -f1)")),
    Case("ENV-005", "first-account-only", env(ACCOUNT="$(sacctmgr -nP show assoc | head -n 1)")),
    Case("ENV-005", "loopback-on-one-node", env(HEAD_NODE_IP="127.0.0.1", **ONE_NODE)),
    Case("ENV-005", "head-node-of-slurm", env(HEAD_NODE="${SLURMD_NODENAME}")),
    Case("ENV-005", "account-of-something-else", bare('ACCOUNT="a b"', "aws login")),
]

_STEP = 'srun --container-image "${IMAGE}" --container-mounts'
MOUNTS = [
    Case(
        "ENV-007",
        "default-config-and-another-mount",
        env(PREFILL_ENGINE_CONFIG=None, MOUNTS="/home/user:/work,/models:/models"),
        at="MOUNTS=",
        says="PREFILL_ENGINE_CONFIG is /mnt/engine_configs/deepseek_r1/wide_ep/wide_ep_prefill",
    ),
    Case(
        "ENV-007",
        "config-outside",
        env(DECODE_ENGINE_CONFIG="/configs/decode.yaml"),
        at="DECODE_ENGINE_CONFIG=",
        says="mounted are /mnt, /models",
    ),
    Case(
        "ENV-007",
        "model-outside",
        env(MODEL_PATH="/lustre/r1", MOUNTS="/home/user/dynamo:/mnt"),
        at="MODEL_PATH=",
        says="MODEL_PATH is /lustre/r1",
    ),
    Case(
        "ENV-007",
        "path-of-the-host",
        env(PREFILL_ENGINE_CONFIG="/home/user/dynamo/engine_configs/prefill.yaml"),
        at="PREFILL_ENGINE_CONFIG=",
        says="/mnt/engine_configs/prefill.yaml, or add a mount",
    ),
    Case(
        "ENV-007",
        "program-outside",
        script(f"{_STEP} /home/user/dynamo:/dynamo /mnt/multinode/start_trtllm_worker.sh"),
        at="/mnt/multinode/start_trtllm_worker.sh",
        says="the program of this step is /mnt/multinode/start_trtllm_worker.sh",
    ),
    Case(
        "ENV-007",
        "program-outside-the-mounts-of-the-environment",
        script(f'{_STEP} "${{MOUNTS}}" /scripts/start_trtllm_worker.sh'),
        at="/scripts/start_trtllm_worker.sh",
        says="mounted are /mnt, /models",
    ),
    Case(
        "ENV-007",
        "no-container-side",
        env(MOUNTS="/home/user/dynamo:,/mnt:/mnt"),
        at="MOUNTS=",
        says="lacks the side of the container",
    ),
    Case(
        "ENV-007",
        "space-behind-a-comma",
        env(MOUNTS="/home/user/dynamo:/mnt, /models:/models"),
        at="MOUNTS=",
        says="has a space around it",
    ),
    Case("ENV-007", "empty-entry", env(MOUNTS="/a:/mnt,,/b:/b"), at="MOUNTS=", says="is empty"),
    Case("ENV-007", "too-many-parts", env(MOUNTS="/a:/mnt:ro:x"), at="MOUNTS=", says="4 parts"),
    Case("ENV-007", "extra-mounts", env(MOUNTS="/a:/mnt,/b:/b:ro,/c:/c")),
    Case("ENV-007", "documented-default", env(MOUNTS="${PWD}/../:/mnt,/models:/models")),
    Case("ENV-007", "fallback-with-a-colon", env(MOUNTS="${ROOT:-/home/user}/x:/mnt")),
    Case("ENV-007", "more-mounts-from-elsewhere", env(MOUNTS="/a:/b,${MORE_MOUNTS}")),
    Case("ENV-007", "target-only-a-shell-knows", env(MOUNTS="/a:${TARGET}")),
    Case("ENV-007", "one-path-for-both-sides", env(MOUNTS="/mnt,/models")),
    Case("ENV-007", "whole-host", env(MOUNTS="/:/")),
    Case("ENV-007", "hub-id-needs-no-mount", env(MODEL_PATH="nvidia/DeepSeek-R1-FP4")),
    Case("ENV-007", "directory-of-the-image", env(MODEL_PATH="/workspace/models/r1")),
    Case("ENV-007", "no-mounts-stated", env(MOUNTS=None)),
    Case("ENV-007", "program-of-the-image", script(f'{_STEP} "${{MOUNTS}}" /usr/bin/env')),
    Case("ENV-007", "program-by-name", script(f'{_STEP} "${{MOUNTS}}" hostname')),
    Case("ENV-007", "no-container", script("srun /shared/start_trtllm_worker.sh")),
]

CASES = [*REQUIRED, *ADDRESSES, *MOUNTS]
