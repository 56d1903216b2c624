"""How loudly the PAR and ENG rules of TensorRT-LLM speak, and that their hints would work.

Not covered: that they speak at all, and where, see `test_cases.py`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fixtures.model.remark import Severity
from fixtures.rules.catalogue import RULES, judge

from .broken_engine import BREAKS as ENGINE
from .broken_parallelism import BREAKS as PARALLELISM
from .cases import aggregated, pair, remarks_on
from .cases_engine import MTP
from .cases_engine_moe import backend
from .test_broken import QUICK
from .worlds import with_engine

pytestmark = pytest.mark.selftest

ERROR, WARNING, ADVICE = Severity.ERROR, Severity.WARNING, Severity.ADVICE
ALONE = {"agg.yaml": aggregated({"max_num_tokens": 256})["engine.yaml"]}
SHORT = {"speculative_config": MTP, "max_num_tokens": 256}


def graphs(**config: Any) -> dict[str, str]:
    """A worker with a batch of 256 and these CUDA graphs."""
    return aggregated({"cuda_graph_config": config})


def transceiver(name: str, **top: Any) -> dict[str, str]:
    """A pair with this transceiver backend on both sides."""
    return pair(both={"cache_transceiver_config": {"backend": name}}, **top)


@pytest.mark.parametrize(
    ("rule", "weight", "files"),
    [
        ("ENG-002", ERROR, aggregated({"max_num_tokens": 256})),
        ("ENG-002", WARNING, ALONE),
        ("ENG-003", ERROR, pair({"speculative_config": MTP}, SHORT)),
        ("ENG-003", WARNING, pair(decode={"max_batch_size": 640})),
        ("ENG-005", ADVICE, graphs(max_batch_size=2048)),
        ("ENG-005", ADVICE, graphs(batch_sizes=[1, 2048])),
        ("ENG-005", ADVICE, graphs(batch_sizes=[2048], enable_padding=True)),
        ("ENG-005", WARNING, graphs(batch_sizes=[2048])),
        ("ENG-010", ERROR, backend("WIFEEP")),
        ("ENG-010", ERROR, backend("FLASHY", "1.3.0rc29")),
        ("ENG-010", WARNING, backend("FLASHY", "1.4.0")),
        ("ENG-010", WARNING, backend("FLASHY")),
        ("ENG-010", WARNING, backend("cutlass")),
        ("ENG-012", ERROR, transceiver("NIXXL")),
        ("ENG-012", ERROR, transceiver("ucx", versions__trtllm="1.3.0rc29")),
        ("ENG-012", WARNING, transceiver("FLASHY")),
        ("ENG-012", ERROR, transceiver("FLASHY", versions__trtllm="1.2.0")),
    ],
)
def test_a_finding_weighs_what_is_certain(
    rule: str, weight: Severity, files: Mapping[str, str], tmp_path: Path
) -> None:
    own = [remark for remark in remarks_on(files, tmp_path) if remark.rule == rule]

    assert {remark.severity for remark in own} == {weight}


HINTS = {
    "PAR-002": "moe_expert_parallel_size",
    "PAR-009": "pp_partition",
    "PAR-010": "pipeline_parallel_size",
    "PAR-011": "moe_expert_parallel_size",
    "PAR-012": "gpus_per_node",
    "ENG-001": "disable_overlap_scheduler",
    "ENG-002": "max_num_tokens",
    "ENG-003": "max_num_tokens",
    "ENG-004": "cuda_graph_config.max_batch_size",
    "ENG-006": "moe_config.load_balancer.num_slots",
    "ENG-012": "cache_transceiver_config.backend",
    "ENG-015": "kv_cache_config.tokens_per_block",
    "ENG-017": "max_num_tokens",
}
"""Rules whose hint begins with a value, and the key that it is for."""


def changed(raw: Mapping[str, Any], dotted: str, value: Any) -> dict[str, Any]:
    """The top-level key of a dotted one, with the value inside."""
    first, _, rest = dotted.partition(".")
    if not rest:
        return {first: value}
    return {first: {**raw[first], **changed(raw[first], rest, value)}}


@pytest.mark.parametrize("rule_id", HINTS)
@given(data=st.data())
@QUICK
def test_what_a_hint_names_satisfies_its_rule(rule_id: str, data: st.DataObject) -> None:
    _, broken = data.draw({**ENGINE, **PARALLELISM}[rule_id])
    key = HINTS[rule_id].rpartition(".")[2]

    remarks = judge(RULES[rule_id], broken).remarks
    mended = broken
    for remark in remarks:
        said = re.match(rf"{key}: (\[.*?\]|\w+)", remark.violation.hint)
        assert said, remark.violation.hint
        role = remark.violation.actual.partition(":")[0]
        raw = broken.role(role).engine.raw
        value = yaml.safe_load(said.group(1))
        mended = with_engine(mended, role, **changed(raw, HINTS[rule_id], value))

    assert remarks
    assert judge(RULES[rule_id], mended).remarks == ()
