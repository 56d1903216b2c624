"""Cases of the ENV rules on what processes share: memory, settings, releases, the internet."""

from __future__ import annotations

from .cases import Case, aggregated, pair
from .launch_files import bare, document, env, script
from .user_files import MANIFEST, with_line

_EPLB = {"backend": "CUTLASS", "load_balancer": {"num_slots": 288, "layer_updates_per_iter": 2}}


def pinned(decode_node: str, **names: str) -> dict[str, str]:
    """A pair whose steps name their nodes, with expert balancers in both engine configs."""
    steps = [
        f"{names.get(role, '')}DISAGGREGATION_MODE={role} srun --mpi pmix --nodelist {node}"
        " --nodes 1 --ntasks-per-node 4 /mnt/multinode/start_trtllm_worker.sh &"
        for role, node in (("prefill", "node1"), ("decode", decode_node))
    ]
    plain = {"NUM_PREFILL_NODES": "1", "NUM_DECODE_NODES": "1", "MOUNTS": None}
    files = {f"{role}_ENGINE_CONFIG": f"{role.lower()}.yaml" for role in ("PREFILL", "DECODE")}
    return {**script(*steps, **plain, **files), **_balanced()}


def _balanced() -> dict[str, str]:
    files = pair(both={"moe_config": _EPLB, "enable_attention_dp": True})
    return {name: text for name, text in files.items() if name != "topology.yaml"}


BALANCERS = [
    Case(
        "ENV-011",
        "same-default",
        pinned("node1"),
        at="DISAGGREGATION_MODE=decode",
        says="prefill and decode both run on node1 with the default TRTLLM_EPLB_SHM_NAME",
    ),
    Case(
        "ENV-011",
        "same-name",
        pinned("node1", prefill="TRTLLM_EPLB_SHM_NAME=a ", decode="TRTLLM_EPLB_SHM_NAME=a "),
        at="TRTLLM_EPLB_SHM_NAME=a DISAGGREGATION_MODE=decode",
        says="TRTLLM_EPLB_SHM_NAME=moe_shared_decode",
    ),
    Case("ENV-011", "other-node", pinned("node2")),
    Case("ENV-011", "other-name", pinned("node1", decode="TRTLLM_EPLB_SHM_NAME=b ")),
    Case("ENV-011", "one-instance", aggregated({"moe_config": _EPLB})),
]

_LAUNCH = "trtllm-llmapi-launch python3 -m dynamo.trtllm"
UCX = [
    Case(
        "ENV-012",
        "for-the-application",
        bare(f"UCX_TLS=rc,cuda {_LAUNCH}"),
        at="UCX_TLS",
        says="trtllm-llmapi-launch env UCX_TLS=...",
    ),
    Case("ENV-012", "with-env", bare(f"env UCX_TLS=rc {_LAUNCH}"), at="UCX_TLS", says="removes"),
    Case("ENV-012", "engine-ranks", script(_LAUNCH, UCX_TLS="rc")),
    Case(
        "ENV-012",
        "behind-the-launcher",
        bare("trtllm-llmapi-launch env UCX_TLS=rc python3 -m dynamo.trtllm"),
    ),
    Case("ENV-012", "something-else", bare(f"NCCL_DEBUG=INFO {_LAUNCH}")),
]


def images(frontend: str, worker: str) -> dict[str, str]:
    """A script whose frontend and workers run these images."""
    options = "--overlap --container-image registry/ai-dynamo"
    return bare(
        f"srun {options}/{frontend} /mnt/multinode/start_frontend_services.sh &",
        f"srun {options}/{worker} /mnt/multinode/start_trtllm_worker.sh",
    )


_OF_FRONTEND = "      replicas: 1\n      extraPodSpec:\n        mainContainer:\n          image: "
_RUNTIME = "tensorrtllm-runtime"
RELEASES = [
    Case(
        "ENV-016",
        "older-frontend",
        images("dynamo-frontend:1.3.0", f"{_RUNTIME}:1.4.0"),
        at=f"{_RUNTIME}:1.4.0",
        says="release 1.4 for all of them",
    ),
    Case(
        "ENV-016",
        "before-1.4",
        images(f"{_RUNTIME}:1.1.0", f"{_RUNTIME}:1.0.0"),
        at=f"{_RUNTIME}:1.0.0",
        says="release 1.1",
    ),
    Case(
        "ENV-016",
        "in-a-manifest",
        {
            "deployment.yaml": with_line(
                MANIFEST,
                f"{_OF_FRONTEND}nvcr.io/nvidia/ai-dynamo/{_RUNTIME}:1.2.0",
                f"{_OF_FRONTEND}nvcr.io/nvidia/ai-dynamo/{_RUNTIME}:1.4.0",
            )
        },
        at=f"{_RUNTIME}:1.2.0",
        says="release 1.4",
    ),
    Case("ENV-016", "patch", images("dynamo-frontend:1.4.0", f"{_RUNTIME}:1.4.2")),
    Case("ENV-016", "no-release", images("dynamo-frontend:latest", f"{_RUNTIME}:1.4.2")),
    Case("ENV-016", "candidate", images("dynamo-frontend:1.4.0-rc1", f"{_RUNTIME}:1.5.0")),
    Case("ENV-016", "something-else", images("nginx:1.3.0", f"{_RUNTIME}:1.4.2")),
]

_ASK = """curl node1:8000/v1/chat/completions -d '{
  "messages": [{"role": "user", "content": [
    {"type": "image_url", "image_url": {
      "url": "%s"}}]}]}'"""
_PUBLIC = "https://example.com/cat.png"
OFFLINE = [
    Case("ENV-019", "public-image", bare(_ASK % _PUBLIC), at=_PUBLIC, says="data:image/png"),
    Case("ENV-019", "in-a-guide", document(_ASK % _PUBLIC), at=_PUBLIC, says=_PUBLIC),
    Case(
        "ENV-019",
        "local-model-asks-the-hub",
        env(MODEL_PATH="/models/r1"),
        at="MODEL_PATH=",
        says="export HF_HUB_OFFLINE=1",
    ),
    Case("ENV-019", "data-url", bare(_ASK % "data:image/png;base64,iVBORw0KGgo=")),
    Case("ENV-019", "open-cluster", script(_ASK % _PUBLIC, HTTPS_PROXY="http://proxy:3128")),
    Case("ENV-019", "local-model-offline", env(MODEL_PATH="/models/r1", HF_HUB_OFFLINE="1")),
    Case("ENV-019", "hub-id", env()),
    Case("ENV-019", "address-of-the-frontend", bare("curl https://node1:8000/v1/models")),
]

CASES = [*BALANCERS, *UCX, *RELEASES, *OFFLINE]
