"""Passing means: what TensorRT-LLM would refuse to read is said at its own line, and read as meant.

Not covered: which rule says it and how the numbers fit together, see `rules/`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.config.errors import ConfigError
from fixtures.config.load import CONFIGS_DIR, load_engine_config, load_topology
from fixtures.model.engine import Defect
from fixtures.model.lenient import misspelt, switch, whole_number
from fixtures.model.remark import Remark, Severity
from fixtures.rules.catalogue import examine

from .rules.cases import pair

pytestmark = pytest.mark.selftest

SHIPPED = sorted((CONFIGS_DIR / "engines" / "trtllm").glob("*/*.yaml"))


def defects_of(text: str, directory: Path) -> list[Defect]:
    """The defects of an engine file with that text."""
    path = directory / "engine.yaml"
    path.write_text(text, encoding="utf-8")
    return list(load_engine_config(path).defects)


def with_decode_line(directory: Path, old: str, new: str) -> Path:
    """A legal pair in which one text of the decode file is another; returns its topology file."""
    for name, text in pair().items():
        (directory / name).write_text(text, encoding="utf-8")
    decode = directory / "decode.yaml"
    text = decode.read_text(encoding="utf-8")
    assert old in text
    decode.write_text(text.replace(old, new, 1), encoding="utf-8")
    return directory / "topology.yaml"


def remark_on_keys(topology: Path) -> Remark:
    """The one remark of ENG-013, and nothing else above advice."""
    remarks = examine(load_topology(topology)).remarks
    (remark,) = [each for each in remarks if each.severity is not Severity.ADVICE]
    assert remark.rule == "ENG-013"
    return remark


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_engine_file_has_no_defect(path: Path) -> None:
    assert load_engine_config(path).defects == ()


@pytest.mark.parametrize(
    ("old", "new", "line", "says"),
    [
        ("moe_expert_parallel_size", "moe_expert_paralel_size", 3, "moe_expert_parallel_size"),
        ("max_num_tokens", "max-num-tokens", 5, "max_num_tokens"),
        ("kv_cache_config:", "kv_cache_confg:", 7, "kv_cache_config"),
        ("  dtype:", "  dtpye:", 8, "dtype"),
        ("backend: pytorch", "moe_backend: CUTLASS", 1, "moe_config.backend"),
        ("max_batch_size: 256", "max_batch_size: lots", 4, ""),
    ],
)
def test_a_wrong_key_is_found_through_the_topology(
    tmp_path: Path, old: str, new: str, line: int, says: str
) -> None:
    remark = remark_on_keys(with_decode_line(tmp_path, old, new))

    assert remark.severity is Severity.ERROR
    assert remark.where.file.name == "decode.yaml"
    assert remark.where.line == line
    assert says in remark.violation.hint


def test_a_key_nobody_knows_is_a_warning(tmp_path: Path) -> None:
    line = "kv_cache_config:\n  brand_new_switch: true"

    remark = remark_on_keys(with_decode_line(tmp_path, "kv_cache_config:", line))

    assert remark.severity is Severity.WARNING
    assert remark.where.line == 8
    assert "no release known to this suite has it" in remark.violation.hint


def test_an_older_name_is_a_warning_where_a_pre_release_may_read_it(tmp_path: Path) -> None:
    path = with_decode_line(tmp_path, "backend: pytorch", "use_cuda_graph: true")
    text = path.read_text(encoding="utf-8")
    path.write_text(f'{text}versions:\n  trtllm: "1.0.0rc4"\n', encoding="utf-8")

    own = [each for each in examine(load_topology(path)).remarks if each.rule == "ENG-013"]

    assert [each.severity for each in own] == [Severity.WARNING]


def test_a_duplicate_key_is_refused_at_its_line_through_the_topology(tmp_path: Path) -> None:
    path = with_decode_line(tmp_path, "max_seq_len: 8704", "max_seq_len: 8704\nmax_batch_size: 1")

    with pytest.raises(ConfigError, match='duplicate key "max_batch_size"') as caught:
        load_topology(path)

    (problem,) = caught.value.problems
    assert problem.where.endswith("decode.yaml:7:1")


def test_all_defects_of_a_file_are_in_the_order_of_lines(tmp_path: Path) -> None:
    text = "max_batch_size: 0\ntensor_paralel_size: x\nuse_cuda_graph: true\nkv_cache_config: 1\n"

    assert [defect.where.line for defect in defects_of(text, tmp_path)] == [1, 2, 2, 3, 4]


def test_a_slip_is_read_as_it_was_meant(tmp_path: Path) -> None:
    (tmp_path / "engine.yaml").write_text(
        "tensor_paralel_size: 8\ncuda_graph_confg:\n  batch_size: [1, 2]\n", encoding="utf-8"
    )

    engine = load_engine_config(tmp_path / "engine.yaml")

    assert engine.tensor_parallel == 8
    assert engine.value("cuda_graph_config.batch_sizes") == [1, 2]
    assert engine.where("cuda_graph_config.batch_sizes").line == 3
    assert [defect.nearest for defect in engine.defects] == [
        "tensor_parallel_size",
        "cuda_graph_config",
        "batch_sizes",
    ]


def test_odd_but_readable_values_are_read_and_no_certain_defect(tmp_path: Path) -> None:
    text = 'tensor_parallel_size: "16"\nmax_num_tokens: 8192.0\nenable_chunked_prefill: "yes"\n'

    defects = defects_of(text, tmp_path)

    engine = load_engine_config(tmp_path / "engine.yaml")
    assert (engine.tensor_parallel, engine.max_num_tokens) == (16, 8192)
    assert engine.chunked_prefill
    assert [defect.certain for defect in defects] == [False, False, False]
    assert [defect.fix for defect in defects] == [
        "write 16, as the engine reads it",
        "write 8192, as the engine reads it",
        "write true, as the engine reads it",
    ]


def test_a_block_of_an_older_release_names_a_place_for_each_key(tmp_path: Path) -> None:
    text = "pytorch_backend_config:\n  enable_overlap_scheduler: false\n  print_iter_log: true\n"

    first, second = defects_of(text, tmp_path)

    assert (first.where.line, second.where.line) == (2, 3)
    assert first.fix.endswith("write disable_overlap_scheduler: true")
    assert second.fix.endswith("at the top level, outside pytorch_backend_config")


def test_a_balancer_file_beside_the_engine_is_read(tmp_path: Path) -> None:
    (tmp_path / "eplb.yaml").write_text("num_slots: 288\n", encoding="utf-8")
    (tmp_path / "broken.yaml").write_text("num_slots: [\n", encoding="utf-8")
    (tmp_path / "engine.yaml").write_text("moe_config: {load_balancer: eplb.yaml}\n")
    there = load_engine_config(tmp_path / "engine.yaml")

    assert there.load_balancer == {"num_slots": 288}
    assert there.where("moe_config.load_balancer.num_slots").file.name == "eplb.yaml"
    for other in ("broken.yaml", "none.yaml", "/mnt/eplb.yaml", "x" * 5000, '"\\0"', "."):
        (tmp_path / "engine.yaml").write_text(f"moe_config: {{load_balancer: {other}}}\n")
        engine = load_engine_config(tmp_path / "engine.yaml")
        assert engine.expert_load_balancer
        assert engine.load_balancer is None


def test_thousands_of_unknown_keys_are_a_short_list(tmp_path: Path) -> None:
    text = "".join(f"tensor_parallel_siz{number}: 1\n" for number in range(5000))

    assert 1 <= len(defects_of(text, tmp_path)) <= 200


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("tensor_paralel_size", "tensor_parallel_size"),
        ("maxbatch_size", "max_batch_size"),
        ("Max-Batch-Size", "max_batch_size"),
        ("WIFEEP", "WIDEEP"),
        ("dtpye", "dtype"),
    ],
)
def test_slips_are_told(word: str, known: str) -> None:
    assert misspelt(word, [known]) == known


@pytest.mark.parametrize(
    ("word", "known"),
    [
        ("attn_dp_size", "attn_tp_size"),
        ("use_kv_cache_manager_v3", "use_kv_cache_manager_v2"),
        ("moe_gemm_config", "moe_config"),
        ("enable_iter_perf_stats", "enable_iter_req_stats"),
        ("TRTLLM2", "TRTLLM"),
    ],
)
def test_names_of_their_own_are_no_slips(word: str, known: str) -> None:
    assert misspelt(word, [known]) is None


def test_values_are_read_as_generously_as_an_engine_does() -> None:
    assert [whole_number(value) for value in (16, "16", 16.0, " 8 ", "-1")] == [16, 16, 16, 8, -1]
    odd: list[object] = [True, None, "16k", 1.5, float("inf"), float("nan"), [16], "", "9" * 40]
    assert [whole_number(value) for value in odd] == [None] * len(odd)
    assert [switch(value) for value in (True, "yes", 1, "ON")] == [True] * 4
    assert [switch(value) for value in (False, "no", 0, "off")] == [False] * 4
    assert [switch(value) for value in (None, 2, "maybe", 1.0, [])] == [None] * 5
