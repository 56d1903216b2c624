"""Cases in `dynamo serve` files: rules point into the section that says it, or into `Common`."""

from __future__ import annotations

from .cases import Case
from .user_files import with_line

DISAGG = """\
Common:
  model: nvidia/Llama-3.1-405B-Instruct-FP8
  kv-transfer-config: '{"kv_connector": "DynamoNixlConnector"}'
  block-size: 64
  max-model-len: 8192

Frontend:
  served_model_name: nvidia/Llama-3.1-405B-Instruct-FP8
  endpoint: dynamo.Processor.chat/completions
  port: 8000

Processor:
  router: kv
  common-configs: [model, block-size, max-model-len]

Router:
  min-workers: 1
  common-configs: [model, block-size]

VllmWorker:
  remote-prefill: true
  conditional-disagg: true
  max-local-prefill-length: 10
  max-num-seqs: 16
  tensor-parallel-size: 8
  quantization: modelopt
  ServiceArgs:
    workers: 1
    resources:
      gpu: '8'
  common-configs: [model, kv-transfer-config, block-size, max-model-len]

PrefillWorker:
  tensor-parallel-size: 8
  quantization: modelopt
  max-num-batched-tokens: 8192
  ServiceArgs:
    workers: 1
    resources:
      gpu: '8'
  common-configs: [model, kv-transfer-config, block-size, max-model-len]
"""


def serve(old: str = "Router:", new: str = "Router:", text: str = DISAGG) -> dict[str, str]:
    """The file with one place changed."""
    return {"multinode-405b.yaml": with_line(text, old, new)}


PREFILL_IS_TP12 = (
    "PrefillWorker:\n  tensor-parallel-size: 8",
    "PrefillWorker:\n  tensor-parallel-size: 12",
)
CASES = [
    Case(
        "PAR-016",
        "tp12-for-128-heads",
        serve(*PREFILL_IS_TP12),
        at="  tensor-parallel-size: 12",
        says="PrefillWorker: 128 heads / TP12 leaves 8",
    ),
    Case("PAR-016", "tp8-for-128-heads", serve()),
    Case(
        "RAY-007",
        "gpus-of-the-prefill-worker",
        serve(*PREFILL_IS_TP12),
        at="      gpu: '8'",
        says="PrefillWorker: gpu 8, but TP12 x PP1 = 12",
    ),
    Case(
        "RAY-007",
        "a-section-that-this-node-does-not-use",
        serve(
            "remote-prefill: true", "remote-prefill: false", serve(*PREFILL_IS_TP12).popitem()[1]
        ),
    ),
    Case(
        "PAR-018",
        "from-common",
        serve(
            "  max-model-len: 8192\n\nFrontend",
            "  max-model-len: 8192\n  decode-context-parallel-size: 2\n\nFrontend",
            DISAGG.replace("max-model-len]", "max-model-len, decode-context-parallel-size]"),
        ),
        at="  decode-context-parallel-size: 2",
        says="TP8 / 8 KV heads = 1 replicas",
    ),
]
