"""Passing means: a worker's command line gives the sizes that the engine itself would take."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.config.engine_flags import (
    LARGEST_SIZE,
    engine_from_flags,
    engine_from_raw,
    flags_of,
    value_of,
)
from fixtures.model.engine import UNKNOWN_ENGINE, EngineConfig
from fixtures.model.position import Position, Setting

pytestmark = pytest.mark.selftest

HERE = Position(Path("run.sh"), 3, 5)
WORDS = st.text(st.characters(blacklist_categories=("Cs",)), max_size=12)


def told(command: str, kind: str = "vllm") -> EngineConfig:
    """The engine of a command line."""
    words = [Setting(word, HERE) for word in command.split()]
    return engine_from_flags(kind, flags_of(words), HERE.file, HERE)


@pytest.mark.parametrize(
    ("command", "kind", "world"),
    [
        ("--tensor-parallel-size 8", "vllm", 8),
        ("--tensor_parallel_size=8 -pp 2", "vllm", 16),
        ("-tp 2 -dp 4 -pcp 2", "vllm", 16),
        ("--tp 4 --tp 8", "vllm", 8),
        ("--tp-size 16 --dp-size 16 --enable-dp-attention", "sglang", 16),
        ("--tensor-parallel-size 4 --pipeline-parallel-size 2", "trtllm", 8),
        ("--model m --enforce-eager", "vllm", 1),
    ],
)
def test_sizes_are_read_under_all_their_names(command: str, kind: str, world: int) -> None:
    assert told(command, kind).world_size == world


def test_a_flag_without_a_value_is_a_switch_that_is_on() -> None:
    engine = told("--enable-expert-parallel --no-enable-eplb --max-num-seqs 16")

    assert engine.raw["enable_expert_parallel"] is True
    assert engine.raw["enable_eplb"] is False
    assert engine.max_batch_size == 16


def test_limits_may_be_larger_than_sizes() -> None:
    assert told("--max-model-len 10485760").max_seq_len == 10_485_760


def test_sizes_of_a_trtllm_worker_are_read_as_well() -> None:
    engine = told("--ep-size 4 --max-batch-size 16 --max-num-tokens 8192", "trtllm")

    assert engine.expert_parallel == 4
    assert (engine.max_batch_size, engine.max_num_tokens) == (16, 8192)


@pytest.mark.parametrize("size", ["0", "-8", "many", str(LARGEST_SIZE + 1), "[8]", "8.5"])
def test_what_is_no_size_is_a_defect_and_counts_as_unset(size: str) -> None:
    engine = told(f"--tensor-parallel-size {size}")

    assert engine.tensor_parallel == 1
    assert [defect.where for defect in engine.defects] == [HERE]
    assert "tensor_parallel_size" in engine.defects[0].what


@pytest.mark.parametrize("size", ["$TP", "${TP}", "{{.Values.tp}}", "<tp>"])
def test_a_size_still_to_be_filled_in_makes_the_engine_unknown(size: str) -> None:
    assert told(f"--tensor-parallel-size {size}").kind == UNKNOWN_ENGINE


def test_places_below_a_key_are_found_by_its_long_name() -> None:
    inside = Position(Path("engine.yaml"), 4, 3)
    positions = {"": HERE, "eplb-config": HERE, "eplb-config.num_redundant_experts": inside}
    raw = {"eplb-config": {"num_redundant_experts": 32}, "tp": 8}

    engine = engine_from_raw("vllm", raw, positions, HERE.file)

    assert engine.where("eplb_config.num_redundant_experts") == inside
    assert engine.tensor_parallel == 8


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", True),
        ("False", False),
        ("16", 16),
        ("0.9", 0.9),
        ('{"kv_role": "kv_both"}', {"kv_role": "kv_both"}),
        ("{not json", "{not json"),
        ("nan", "nan"),
        ("1e999", "1e999"),
        ("[" * 100_000, "[" * 100_000),
        ("9" * 5000, "9" * 5000),
        ('{"a": ' + "9" * 5000 + "}", {"a": "9" * 5000}),
    ],
    ids=lambda each: str(each)[:20],
)
def test_values_are_what_their_text_means(text: str, value: object) -> None:
    assert value_of(text) == value


@given(words=st.lists(st.one_of(WORDS, WORDS.map("--{}".format), WORDS.map("-tp={}".format))))
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_no_words_break_the_reading(words: list[str]) -> None:
    for kind in ("vllm", "sglang", "trtllm"):
        flags = flags_of([Setting(word, HERE) for word in words])

        assert engine_from_flags(kind, flags, HERE.file, HERE).world_size >= 1
