"""Cases of ENG rules about Dynamo's flags by release, and about images."""

from __future__ import annotations

from .cases import Case, aggregated, pair
from .engine_files import pictures, vllm_pair, with_flag

FLAGS = [
    Case(
        "ENG-022",
        "a strategy in 0.7",
        with_flag("decode", "disaggregation-strategy", "decode_first", "0.7.0"),
        "disaggregation-strategy: decode_first",
        "removed in 0.7.0",
    ),
    Case(
        "ENG-022",
        "a strategy in the environment of 1.0",
        pair(environment__DISAGGREGATION_STRATEGY="decode_first", versions__dynamo="1.0.0"),
        "DISAGGREGATION_STRATEGY",
        "nothing reads it",
    ),
    Case(
        "ENG-022",
        "prefill_and_decode on a mid-2026 image",
        aggregated(
            roles__aggregated__flags={"disaggregation-mode": "prefill_and_decode"},
            versions__dynamo="1.3.0",
        ),
        "disaggregation-mode: prefill_and_decode",
        "--disaggregation-mode agg",
    ),
    Case(
        "ENG-022",
        "a role flag of vLLM",
        vllm_pair("1.4.0", **{"is-prefill-worker": True}),
        "is-prefill-worker: true",
        "--disaggregation-mode prefill",
    ),
    Case(
        "ENG-022",
        "a connector",
        vllm_pair("1.6.0", connector="nixl"),
        "connector: nixl",
        "--kv-transfer-config",
    ),
    Case(
        "ENG-022",
        "a new flag on an old image",
        with_flag("decode", "discovery-backend", "etcd", "0.9.0"),
        "discovery-backend: etcd",
        "--store-kv",
    ),
    Case(
        "ENG-022",
        "a lease that 1.2 does not read",
        pair(environment__ETCD_LEASE_TTL=30, versions__dynamo="1.2.0"),
        "ETCD_LEASE_TTL",
        "10 s",
    ),
    Case(
        "ENG-022",
        "a strategy in 0.6",
        with_flag("decode", "disaggregation-strategy", "decode_first", "0.6.1"),
    ),
    Case(
        "ENG-022",
        "prefill_and_decode before mid 2026",
        aggregated(
            roles__aggregated__flags={"disaggregation-mode": "prefill_and_decode"},
            versions__dynamo="1.2.0",
        ),
    ),
    Case("ENG-022", "a role flag of 1.3", vllm_pair("1.3.0", **{"is-prefill-worker": True})),
    Case("ENG-022", "an alias", with_flag("prefill", "publish-events-and-metrics", True, "1.6.0")),
    Case(
        "ENG-022", "modality is still accepted", with_flag("prefill", "modality", "text", "1.6.0")
    ),
    Case(
        "ENG-022",
        "both names of a variable",
        pair(
            environment={"DYN_KV_STORE": "etcd", "DYN_DISCOVERY_BACKEND": "etcd"},
            versions__dynamo="1.0.0",
        ),
    ),
    Case(
        "ENG-022",
        "release unknown",
        pair(roles__decode__flags={"disaggregation-strategy": "decode_first"}),
    ),
]
_IMAGES = {"isl": 4000, "osl": 256, "images": True}
_SWITCH = {"environment": {"MODALITY": "multimodal"}}
IMAGES = [
    Case(
        "ENG-023",
        "images and no switch",
        pictures(workload=_IMAGES),
        "images: true",
        "MODALITY=multimodal",
    ),
    Case(
        "ENG-023",
        "a declared modality and no switch",
        pictures(modality="multimodal"),
        "modality: multimodal",
        "prefill and decode run as text",
    ),
    Case(
        "ENG-023",
        "a switch on one side only",
        pictures(workload=_IMAGES, roles__prefill__flags={"modality": "multimodal"}),
        "images: true",
        "but decode runs as text",
    ),
    Case(
        "ENG-023",
        "the old switch on 1.3",
        pictures(workload=_IMAGES, versions__dynamo="1.3.0", **_SWITCH),
        "images: true",
        "--enable-multimodal",
    ),
    Case("ENG-023", "the variable", pictures(workload=_IMAGES, modality="multimodal", **_SWITCH)),
    Case(
        "ENG-023",
        "the flag of 1.3",
        pictures(
            workload=_IMAGES,
            versions__dynamo="1.3.0",
            roles__prefill__flags={"enable-multimodal": True},
            roles__decode__flags={"enable-multimodal": True},
        ),
    ),
    Case("ENG-023", "a text-only plan", pictures(modality="text")),
    Case(
        "ENG-024",
        "code of the model is not trusted",
        pictures(workload=_IMAGES, versions__dynamo="1.4.0"),
        "backend: pytorch",
        "trust_remote_code: true",
    ),
    Case(
        "ENG-024",
        "trusted",
        pictures({"trust_remote_code": True}, workload=_IMAGES, versions__dynamo="1.4.0"),
    ),
    Case("ENG-024", "forced on in 1.3", pictures(workload=_IMAGES, versions__dynamo="1.3.0")),
    Case("ENG-024", "a text model", pair(versions__dynamo="1.4.0")),
    Case("ENG-024", "a text-only plan", pictures(versions__dynamo="1.4.0")),
]
_IMAGE_OF_1_0 = "nvcr.io/nvidia/ai-dynamo/tensorrtllm-runtime:1.0.0"
_WORKER = """\
#!/bin/bash
export IMAGE={image}
export MODEL_PATH=meta-llama/Llama-4-Maverick-17B-128E-Instruct
{modality}
srun --mpi pmix --container-image "${{IMAGE}}" --nodes 2 --ntasks-per-node 4 \\
  trtllm-llmapi-launch python3 -m dynamo.trtllm --model-path "${{MODEL_PATH}}" {flags}
"""


def _worker(modality: str = "", flags: str = "", image: str = "/images/x.sqsh") -> dict[str, str]:
    return {"start.sh": _WORKER.format(image=image, modality=modality, flags=flags)}


SCRIPTS = [
    Case(
        "ENG-022",
        "a strategy on a command line",
        _worker("export MODALITY=text", "--disaggregation-strategy prefill_first", _IMAGE_OF_1_0),
        "--disaggregation-strategy prefill_first",
        "removed in 0.7.0",
    ),
    Case(
        "ENG-022",
        "a mode on a command line",
        _worker("export MODALITY=text", "--disaggregation-mode prefill", _IMAGE_OF_1_0),
    ),
    Case("ENG-023", "a script without a modality", _worker(), "MODEL_PATH=", "never set"),
    Case(
        "ENG-023",
        "an empty modality",
        _worker("export MODALITY="),
        "export MODALITY=",
        "MODALITY=text",
    ),
    Case("ENG-023", "a modality on the command line", _worker(flags="--modality multimodal")),
    Case("ENG-023", "the new switch on the command line", _worker(flags="--enable-multimodal")),
    Case("ENG-023", "a modality by default", _worker("export MODALITY=${MODALITY:-multimodal}")),
    Case("ENG-023", "text on purpose", _worker("export MODALITY=text")),
    Case(
        "ENG-023",
        "a client needs no modality",
        {
            "bench.sh": "#!/bin/bash\n"
            "export MODEL_PATH=meta-llama/Llama-4-Maverick-17B-128E-Instruct\n"
            'srun --overlap --nodes 1 python3 -m bench --tokenizer "${MODEL_PATH}"\n'
        },
    ),
]
CASES = [*FLAGS, *IMAGES, *SCRIPTS]
