"""Cases of the PAIR rules about names, roles and strategies, and of those of vLLM."""

from __future__ import annotations

from typing import Any

import yaml

from .cases import Case, aggregated, pair
from .engine_files import model_file, with_flags

_NIXL = {"kv_connector": "NixlConnector", "kv_role": "kv_both"}


def _flags(**flags: tuple[str, str]) -> dict[str, str]:
    """A pair whose prefill and decode workers have these flags; an underscore is a dash."""
    named = {name.replace("_", "-"): values for name, values in flags.items()}
    return {
        f"roles__{role}__flags": {name: values[side] for name, values in named.items()}
        for side, role in enumerate(("prefill", "decode"))
    }


def _nixl(prefill: dict[str, Any], decode: dict[str, Any], **top: Any) -> dict[str, str]:
    both = {"kv-transfer-config": _NIXL}
    return with_flags("vllm", {**both, **prefill}, {**both, **decode}, **top)


def _tensors(prefill: int, decode: int, **facts: Any) -> dict[str, str]:
    sizes = {"tensor-parallel-size": prefill}, {"tensor-parallel-size": decode}
    model = {"attention_heads": 96, "kv_heads": 4, "experts": None, **facts}
    return _nixl(*sizes) | model_file(**model)


def _layouts(**facts: Any) -> dict[str, str]:
    files = _nixl({}, {}) | model_file(**{"attention_heads": 64, "experts": None, **facts})
    document = yaml.safe_load(files["topology.yaml"])
    for role, layout in (("prefill", "NHD"), ("decode", "HND")):
        document["roles"][role]["environment"] = {"VLLM_KV_CACHE_LAYOUT": layout}
    return {**files, "topology.yaml": yaml.safe_dump(document, sort_keys=False)}


def _serve(decode_block: int = 64, **more: Any) -> dict[str, str]:
    """A graph of a processor, a decode and a prefill worker."""
    transfer = '{"kv_connector": "DynamoNixlConnector"}'
    common = {"kv-transfer-config": transfer, "max-model-len": 8192, "tensor-parallel-size": 8}
    document: dict[str, Any] = {
        "Frontend": {"served_model_name": "nvidia/Llama-3.1-405B-Instruct-FP8", "port": 8000},
        "Processor": {"router": "kv", "block-size": 64, "max-model-len": 8192},
        "Router": {"min-workers": 1},
        "VllmWorker": {**common, "block-size": decode_block, "remote-prefill": True},
        "PrefillWorker": {**common, "block-size": 64},
    }
    for section, changes in more.items():
        document[section] = {**document.get(section, {}), **changes}
    return {"graph.yaml": yaml.safe_dump(document, sort_keys=False)}


def _local_prefill(isl: int, **decode: Any) -> dict[str, str]:
    flags = {"max-local-prefill-length": 10, "conditional-disagg": True, **decode}
    return with_flags("vllm", {}, flags, workload={"isl": isl, "osl": 16})


def _manifest(decode_arguments: str, worker: str = "decode") -> str:
    """A TensorRT-LLM pair in a manifest, whose decode worker has these arguments."""
    arguments = {"prefill": '["--model", "Qwen/Qwen3-0.6B", "--disaggregation-mode", "prefill"]'}
    roles = ("prefill", worker) if worker else ("prefill",)
    services = "".join(
        f"""\
    {role.capitalize()}:
      componentType: worker
      subComponentType: {role}
      replicas: 1
      resources: {{limits: {{gpu: "1"}}}}
      extraPodSpec:
        mainContainer:
          image: nvcr.io/nvidia/ai-dynamo/tensorrtllm-runtime:1.2.0
          command: [python3, -m, dynamo.trtllm]
          args: {arguments.get(role, decode_arguments)}
"""
        for role in roles
    )
    return f"""\
apiVersion: nvidia.com/v1alpha1
kind: DynamoGraphDeployment
metadata:
  name: small
spec:
  services:
{services}"""


_WITH_MODE = '["--model", "Qwen/Qwen3-0.6B", "--disaggregation-mode", "decode"]'
_WITHOUT_MODE = '["--model", "Qwen/Qwen3-0.6B"]'
_STRATEGIES = {
    "roles__prefill__environment": {"DISAGGREGATION_STRATEGY": "prefill_first"},
    "roles__decode__environment": {"DISAGGREGATION_STRATEGY": "decode_first"},
}
ROLES = [
    Case(
        "PAIR-016",
        "two-local-copies",
        pair(**_flags(model_path=("/raid/a/DeepSeek-R1-FP4", "/raid/b/DeepSeek-R1-FP4"))),
        at="model-path: /raid/b",
        says="prefill: /raid/a/DeepSeek-R1-FP4, but decode: /raid/b/DeepSeek-R1-FP4",
    ),
    Case(
        "PAIR-016",
        "two-served-names",
        pair(**_flags(served_model_name=("r1", "deepseek-r1")), versions__dynamo="1.2.0"),
        at="served-model-name: deepseek-r1",
        says="prefill: r1, but decode: deepseek-r1 r1 on both",
    ),
    Case(
        "PAIR-016",
        "same-path",
        pair(**_flags(model_path=("/models/DeepSeek-R1-FP4", "/models/DeepSeek-R1-FP4/"))),
    ),
    Case("PAIR-016", "not-filled-in-yet", pair(**_flags(model_path=("${MODEL}", "/models/R1")))),
    Case(
        "PAIR-017",
        "decode-without-its-mode",
        {"deployment.yaml": _manifest(_WITHOUT_MODE)},
        at="Qwen/Qwen3-0.6B",
        says="no --disaggregation-mode, so it runs as an aggregated one --disaggregation-mode"
        " decode",
    ),
    Case(
        "PAIR-017",
        "prefill-alone",
        {"deployment.yaml": _manifest("", worker="")},
        at="Prefill:",
        says="no worker is a decode worker",
    ),
    Case(
        "PAIR-017",
        "two-namespaces",
        pair(**_flags(endpoint=("dyn://one.prefill.generate", "dyn://two.backend.generate"))),
        at="endpoint: dyn://two",
        says="prefill is in one, but decode in two",
    ),
    Case("PAIR-017", "both-with-their-mode", {"deployment.yaml": _manifest(_WITH_MODE)}),
    Case("PAIR-017", "aggregated-only", aggregated()),
    Case("PAIR-017", "a-lone-engine-config", {"prefill.yaml": pair()["prefill.yaml"]}),
    Case(
        "PAIR-018",
        "two-strategies",
        pair(**_STRATEGIES, versions__dynamo="0.4.1"),
        at="DISAGGREGATION_STRATEGY: decode_first",
        says="prefill: prefill_first, but decode: decode_first",
    ),
    Case(
        "PAIR-018",
        "kv-routing-wants-prefill-first",
        pair(router__mode="kv", versions__dynamo="0.4.1"),
        at="strategy: decode_first",
        says="router mode kv with strategy decode_first",
    ),
    Case("PAIR-018", "unset-on-both", pair(disaggregation=None, versions__dynamo="0.4.1")),
    Case("PAIR-018", "no-strategies-any-more", pair(router__mode="kv", versions__dynamo="1.0.0")),
    Case(
        "PAIR-018",
        "kv-routing-with-prefill-first",
        pair(router__mode="kv", disaggregation={"strategy": "prefill_first"}),
    ),
]
VLLM = [
    Case(
        "PAIR-019",
        "tp6-and-tp4",
        _tensors(6, 4),
        at="tensor-parallel-size: 4",
        says="prefill: TP6, decode: TP4; neither divides the other TP6 or TP3 for decode",
    ),
    Case("PAIR-019", "tp8-and-tp2", _tensors(8, 2)),
    Case("PAIR-019", "another-connector", with_flags("vllm", {"tp": 6}, {"tp": 4})),
    Case(
        "PAIR-019",
        "blocks-of-16-and-24",
        _nixl({"block-size": 16}, {"block-size": 24}),
        at="block-size: 24",
        says="24 % 16 = 8",
    ),
    Case("PAIR-019", "blocks-of-16-and-64", _nixl({"block-size": 16}, {"block-size": 64})),
    Case("PAIR-019", "one-block-size-unset", _nixl({"block-size": 64}, {})),
    Case(
        "PAIR-019",
        "two-layouts",
        _layouts(),
        at="VLLM_KV_CACHE_LAYOUT: HND",
        says="prefill: NHD, but decode: HND",
    ),
    Case("PAIR-019", "two-layouts-with-mla", _layouts(kv_lora_rank=512, rope_head_dim=64)),
    Case(
        "PAIR-020",
        "tp16-and-tp8-of-4-heads",
        _tensors(16, 8),
        at="tensor-parallel-size: 16",
        says="TP16 over 4 KV heads keeps each on several GPUs, but decode: TP8 < TP16 TP4 for"
        " prefill, or TP16 for decode",
    ),
    Case("PAIR-020", "mla", _tensors(16, 8, kv_lora_rank=512, rope_head_dim=64)),
    Case("PAIR-020", "prefill-is-smaller", _tensors(8, 16)),
    Case("PAIR-020", "no-head-is-replicated", _tensors(16, 8, kv_heads=16)),
]
GRAPHS = [
    Case(
        "PAIR-021",
        "two-block-sizes",
        _serve(128),
        at="block-size: 128",
        says="block-size 64",
    ),
    Case(
        "PAIR-021",
        "processor-with-another-length",
        _serve(Processor={"max-model-len": 4096}),
        at="max-model-len: 4096",
        says="VllmWorker: max-model-len 8192, but Processor: 4096",
    ),
    Case("PAIR-021", "all-agree", _serve()),
    Case(
        "PAIR-021",
        "a-router-that-is-not-used",
        _serve(Router={"block-size": 16}, Processor={"router": "round-robin"}),
    ),
    Case(
        "PAIR-022",
        "a-prompt-of-5-tokens",
        _local_prefill(5),
        at="max-local-prefill-length: 10",
        says="ISL 5 <= 10 tokens, which decode prefills itself",
    ),
    Case("PAIR-022", "a-longer-prompt", _local_prefill(4000)),
    Case("PAIR-022", "threshold-unset", with_flags("vllm", {}, {}, workload={"isl": 5, "osl": 1})),
    Case("PAIR-022", "always-remote", _local_prefill(5, **{"conditional-disagg": False})),
]
CASES = ROLES + VLLM + GRAPHS
