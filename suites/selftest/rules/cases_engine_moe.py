"""Cases of the ENG rules of TensorRT-LLM's experts and KV cache blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .cases import Case, aggregated, pair

EVENTS = {"publish-kv-events": True}


def balanced(
    engine: Mapping[str, Any] | None = None, slots: int = 288, **top: Any
) -> dict[str, str]:
    """A worker of TP16 x EP16 with an inline load balancer."""
    moe_config = {"load_balancer": {"num_slots": slots}}
    return aggregated({"moe_config": moe_config, **(engine or {})}, **top)


def from_file(file: str, **top: Any) -> dict[str, str]:
    """The same with its load balancer in a file."""
    return aggregated({"moe_config": {"load_balancer": file}}, **top)


def backend(name: str, version: str | None = None, **config: Any) -> dict[str, str]:
    """A worker with this MoE backend, in an image with that TensorRT-LLM."""
    stated = {"versions__trtllm": version} if version else {}
    return aggregated({"moe_config": {"backend": name, **config}}, **stated)


def routed(engine: Mapping[str, Any] | None = None, **flags: Any) -> dict[str, str]:
    """A worker behind the KV router."""
    return aggregated(engine, router__mode="kv", roles__aggregated__flags=flags)


def wide(gpus: int) -> dict[str, Any]:
    """Sizes of a worker of that many GPUs, as engine keys."""
    return {"tensor_parallel_size": gpus, "moe_expert_parallel_size": gpus}


def assigned(last: int) -> dict[str, str]:
    """A balancer whose first MoE layer assigns experts 0 to `last`, and the rest to copies."""
    experts = [number if number <= last else 0 for number in range(288)]
    balancer = {"num_slots": 288, "initial_global_assignments": {"3": experts}}
    return aggregated({"moe_config": {"load_balancer": balancer}})


BALANCER = [
    Case(
        "ENG-006",
        "288-slots-on-ep-28",
        balanced(wide(28), roles__aggregated__nodes_per_worker=7, allocation__nodes=7),
        at="num_slots: 288",
        says="288 slots / EP28 leaves 8",
    ),
    Case("ENG-006", "hint", balanced(wide(28)), at="num_slots: 288", says="num_slots: 308"),
    Case(
        "ENG-006",
        "slots-in-a-file-beside-the-engine",
        {
            **aggregated({**wide(28), "moe_config": {"load_balancer": "eplb.yaml"}}),
            "eplb.yaml": "layer_updates_per_iter: 2\nnum_slots: 288\n",
        },
        at="num_slots: 288",
        says="288 slots / EP28",
    ),
    Case("ENG-006", "288-on-16", balanced()),
    Case("ENG-006", "288-on-32", balanced(wide(32))),
    Case("ENG-006", "slots-in-a-file-elsewhere", from_file("/mnt/eplb.yaml")),
    Case(
        "ENG-007",
        "224-slots-for-256-experts",
        balanced(slots=224),
        at="num_slots: 224",
        says="num_slots: 256",
    ),
    Case(
        "ENG-007",
        "an-expert-without-a-slot",
        assigned(254),
        at="'3':",
        says="expert 255 is missing",
    ),
    Case("ENG-007", "every-expert-assigned", assigned(255)),
    Case("ENG-007", "no-spare-slot", balanced(slots=256)),
    Case(
        "ENG-008",
        "without-attention-dp",
        balanced({"enable_attention_dp": False}),
        at="load_balancer:",
        says="enable_attention_dp: true, or no load balancer",
    ),
    Case(
        "ENG-008",
        "ep-1",
        balanced({"moe_expert_parallel_size": 1}),
        at="load_balancer:",
        says="moe_expert_parallel_size: 16",
    ),
    Case("ENG-008", "with-both", balanced()),
    Case("ENG-008", "attention-dp-and-ep-without-balancer", aggregated()),
    Case(
        "ENG-009",
        "other-mounts",
        from_file("/mnt/engine_configs/eplb.yaml", environment__MOUNTS="${PWD}/../:/work,/a:/b"),
        at="load_balancer: /mnt",
        says="/work/eplb.yaml",
    ),
    Case(
        "ENG-009",
        "under-a-mount",
        from_file("/mnt/engine_configs/eplb.yaml", environment__MOUNTS="${PWD}/../:/mnt"),
    ),
    Case("ENG-009", "inline", balanced(environment__MOUNTS="/a:/b")),
    Case("ENG-009", "mounts-unknown", from_file("/mnt/engine_configs/eplb.yaml")),
    Case(
        "ENG-009",
        "brought-by-the-image",
        from_file("/workspace/configs/eplb.yaml", environment__MOUNTS="/a:/b"),
    ),
    Case(
        "ENG-009",
        "beside-the-engine-file",
        {**from_file("./eplb.yaml", environment__MOUNTS="/a:/b"), "eplb.yaml": "num_slots: 288\n"},
    ),
]

BACKENDS = [
    Case(
        "ENG-010",
        "wifeep",
        backend("WIFEEP"),
        at="backend: WIFEEP",
        says="backend: WIDEEP, in images with TensorRT-LLM up to 1.3.0rc19",
    ),
    Case(
        "ENG-010",
        "wifeep-where-wideep-exists",
        backend("WIFEEP", "1.2.0"),
        at="backend: WIFEEP",
        says="backend: WIDEEP",
    ),
    Case(
        "ENG-010",
        "wifeep-where-wideep-is-gone",
        backend("WIFEEP", "1.3.0rc25"),
        at="backend: WIFEEP",
        says="WIDEEP is gone since 1.3.0rc22",
    ),
    Case(
        "ENG-010",
        "wideep-on-a-newer-image",
        backend("WIDEEP", "1.3.0rc22"),
        at="backend: WIDEEP",
        says="leave backend out, which means AUTO",
    ),
    Case(
        "ENG-010",
        "wideep-on-a-newer-dynamo",
        aggregated({"moe_config": {"backend": "WIDEEP"}}, versions__dynamo="1.6.1"),
        at="backend: WIDEEP",
        says="1.3.0rc29",
    ),
    Case("ENG-010", "wideep-version-unknown", backend("WIDEEP")),
    Case("ENG-010", "template", backend("${BACKEND}", "1.3.0rc29")),
    Case("ENG-008", "template", balanced({"enable_attention_dp": "${DP}"})),
    Case("ENG-008", "balancer-template", from_file("${EPLB}", environment__MOUNTS="/a:/b")),
    Case("ENG-010", "wideep-before", backend("WIDEEP", "1.3.0rc19")),
    Case("ENG-010", "wideep-in-between", backend("WIDEEP", "1.3.0rc20")),
    Case("ENG-010", "unset", aggregated(versions__trtllm="1.3.0rc29")),
    Case("ENG-010", "megamoe", backend("MEGAMOE_DEEPGEMM", "1.3.0rc29")),
    Case(
        "ENG-010",
        "prefill-and-decode-differ",
        pair({"moe_config": {"backend": "CUTLASS"}}, {"moe_config": {"backend": "TRTLLM"}}),
    ),
    *(
        Case(
            "ENG-011",
            name.lower(),
            backend(name, load_balancer={"num_slots": 288}),
            at=f"backend: {name}",
            says=f"backend {name} with a load balancer",
        )
        for name in ("TRITON", "VANILLA", "MARLIN")
    ),
    Case("ENG-011", "triton-without-balancer", backend("TRITON")),
    Case("ENG-011", "cutlass-with-balancer", backend("CUTLASS", load_balancer={"num_slots": 288})),
]

BLOCKS = [
    Case(
        "ENG-014",
        "reuse-off-behind-the-kv-router",
        routed({"kv_cache_config": {"enable_block_reuse": False}}, **EVENTS),
        at="enable_block_reuse: false",
        says="leave enable_block_reuse out",
    ),
    Case(
        "ENG-014",
        "no-events",
        routed(**{"max-batch-size": 256}),
        at="flags:",
        says="--publish-kv-events",
    ),
    Case(
        "ENG-014",
        "events-refused",
        routed(**{"no-publish-kv-events": True}),
        at="no-publish-kv-events",
        says="no flag or variable turns KV events on",
    ),
    Case("ENG-014", "events", routed(**EVENTS)),
    Case("ENG-014", "older-flag", routed(**{"publish-events-and-metrics": True})),
    Case(
        "ENG-014",
        "events-by-variable",
        aggregated(router__mode="kv", environment__DYN_TRTLLM_PUBLISH_KV_EVENTS="true"),
    ),
    Case(
        "ENG-014",
        "the-router-predicts",
        aggregated(
            router__mode="kv",
            environment__DYN_ROUTER_USE_KV_EVENTS="false",
            roles__aggregated__flags={"max-batch-size": 256},
        ),
    ),
    Case("ENG-014", "flags-unknown", aggregated(router__mode="kv")),
    Case(
        "ENG-014",
        "reuse-off-with-round-robin",
        aggregated({"kv_cache_config": {"enable_block_reuse": False}}),
    ),
    Case(
        "ENG-015",
        "16-on-gb200",
        pair(both={"kv_cache_config": {"dtype": "fp8", "tokens_per_block": 16}}),
        at="tokens_per_block: 16",
        says="tokens_per_block: 32",
    ),
    Case("ENG-015", "32", aggregated({"kv_cache_config": {"tokens_per_block": 32}})),
    Case("ENG-015", "unset", aggregated()),
    Case(
        "ENG-015",
        "16-elsewhere",
        aggregated({"kv_cache_config": {"tokens_per_block": 16}}, system="gb300"),
    ),
    Case(
        "ENG-017",
        "8200-in-blocks-of-32",
        aggregated({"max_num_tokens": 8200}),
        at="max_num_tokens: 8200",
        says="max_num_tokens: 8224",
    ),
    Case(
        "ENG-017",
        "attention-dp-without-experts",
        aggregated(
            {"moe_expert_parallel_size": None},
            model="llama-3.1-405b-fp8",
            served_model_name="llama",
        ),
        at="enable_attention_dp",
        says="has no experts",
    ),
    Case("ENG-017", "8448", aggregated()),
    Case("ENG-017", "attention-dp-with-experts", aggregated()),
]

CASES = [*BALANCER, *BACKENDS, *BLOCKS]
