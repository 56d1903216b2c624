"""Names that other files use lead to shipped facts only where that is certain."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.config.known import VARIANTS, model_named, system_named, with_role_models
from fixtures.config.load import load_model, load_topology
from fixtures.config.paths import names_of
from fixtures.rules.capacity_values import GIB, expert_bytes

from .broken_pairing import settings

pytestmark = pytest.mark.selftest


@pytest.mark.parametrize("name", names_of("model"))
def test_a_shipped_model_is_known_by_its_id_and_its_directory(name: str) -> None:
    facts = load_model(name)
    organisation, _, last = facts.hf_id.partition("/")

    assert model_named(facts.hf_id.upper()) == facts
    assert model_named(f"/models/{last}/") == facts
    assert model_named(f"/cache/hub/models--{organisation}--{last}/snapshots/0a1b") == facts


@pytest.mark.parametrize(
    "text", ["", "/", "somebody/DeepSeek-R1", "/models/a-fine-tune", "${MODEL}"]
)
def test_another_model_is_unknown(text: str) -> None:
    assert model_named(text) is None


@pytest.mark.parametrize("hf_id", VARIANTS)
def test_a_variant_differs_in_how_weights_are_stored_only(hf_id: str) -> None:
    name, precision = VARIANTS[hf_id]
    shipped, facts = load_model(name), model_named(hf_id)

    assert facts is not None
    assert (facts.hf_id, facts.precision) == (hf_id, precision)
    same = {"hf_id": shipped.hf_id, "precision": shipped.precision}
    assert replace(facts, weights_gib=shipped.weights_gib, **same) == shipped


@pytest.mark.parametrize("name", names_of("model"))
def test_experts_are_the_larger_part_of_their_checkpoint(name: str) -> None:
    facts = load_model(name)
    assert facts.weights_gib is not None
    experts = (expert_bytes(facts) or 0) / GIB

    if facts.experts is None:
        assert experts == 0
    else:
        assert 0.85 * facts.weights_gib < experts < facts.weights_gib


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("GB200", "gb200"),
        ("gb200-nvl72", "gb200"),
        ("NVIDIA-GB200", "gb200"),
        ("NVIDIA GB300 NVL72", "gb300"),
        ("NVIDIA-H100-80GB-HBM3", "h100"),
        ("h200_sxm", "h200"),
        ("NVIDIA-B200", "b200"),
    ],
)
def test_a_product_label_names_a_system(label: str, name: str) -> None:
    system = system_named(label)

    assert system is not None
    assert system.name == name


@pytest.mark.parametrize(
    "label", ["", "GH200", "NVIDIA-H100-NVL", "H100 PCIe", "GB200-NVL4", "A100"]
)
def test_another_product_is_unknown(label: str) -> None:
    assert system_named(label) is None


def test_roles_get_the_facts_of_the_models_they_state() -> None:
    topology = load_topology("deepseek-r1-simple-disagg")
    stated = {"model-path": "/models/Llama-3.1-70B-Instruct"}
    prefill, decode = topology.roles
    changed = replace(topology, roles=(prefill, replace(decode, flags=settings(stated))))

    assert with_role_models(topology) == topology
    assert [role.model for role in with_role_models(changed).roles] == [
        None,
        load_model("llama-3.1-70b"),
    ]
