"""Passing means: a simulated worker refuses to load what TensorRT-LLM refuses, and says why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.model.engine import Defect
from fixtures.model.position import Position
from fixtures.simulator.refusals import LoadError, refuse_impossible
from fixtures.simulator.spec import WorkerSpec, kv_bytes_per_token

from .engine_config import CONFIG, SIMULATION

pytestmark = pytest.mark.selftest

SPEC = WorkerSpec(
    worker="decode-0",
    role="decode",
    world_size=16,
    gpus_per_node=4,
    nodes=("n",) * 16,
    rendezvous_host="127.0.0.1",
    rendezvous_port=1,
    engine_config="",
    model_dir="",
    served_model_name="m",
    namespace="ns",
    component="backend",
    system_port=1,
    attention_heads=128,
    dense_layers=3,
    layers=61,
    kv_bytes_per_token=10,
    context_length=4096,
    shm_prefix="",
    join_s=1,
    simulation=SIMULATION,
    fault="",
)


def test_a_world_that_does_not_fit_is_refused_with_its_arithmetic() -> None:
    refuse_impossible(SPEC, CONFIG)
    message = r"world_size 12 != tp_size 16 \* pp_size 1 \* cp_size 1"
    with pytest.raises(LoadError, match=message):
        refuse_impossible(replace(SPEC, world_size=12), CONFIG)


def test_heads_have_to_be_divisible_unless_attention_is_data_parallel() -> None:
    odd = replace(SPEC, attention_heads=100)
    with pytest.raises(LoadError, match="num_attention_heads 100 is not divisible by tp_size 16"):
        refuse_impossible(odd, CONFIG)
    refuse_impossible(odd, replace(CONFIG, attention_data_parallel=True))


def test_a_file_that_the_engine_cannot_read_is_refused() -> None:
    where = Position(Path("engine.yaml"), 3, 1)
    unknown = Defect(where, 'unknown key "tensor_paralel_size"')
    newer = replace(unknown, certain=False)

    with pytest.raises(LoadError, match=r'engine\.yaml:3:1: unknown key "tensor_paralel_size"'):
        refuse_impossible(SPEC, replace(CONFIG, defects=(newer, unknown)))
    refuse_impossible(SPEC, replace(CONFIG, defects=(newer,)))


def test_the_kv_cache_of_a_token_is_latent_or_per_head() -> None:
    sizes = {"layers": 61, "kv_heads": 128, "head_dim": 128, "dtype_bytes": 1}

    assert kv_bytes_per_token(**sizes, latent_dim=576) == 61 * 576
    assert kv_bytes_per_token(**sizes, latent_dim=None) == 61 * 2 * 128 * 128


def test_a_worker_spec_survives_its_file(tmp_path: Path) -> None:
    SPEC.write(tmp_path / "spec.json")

    assert WorkerSpec.read(tmp_path / "spec.json") == SPEC
    assert SPEC.with_fault("x").fault == "x"
