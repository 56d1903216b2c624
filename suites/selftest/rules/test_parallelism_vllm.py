"""Passing means: what was read in one release of vLLM gates no older one."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from fixtures.model.remark import Severity

from .cases import remarks_on
from .cases_parallelism_vllm import vllm

pytestmark = pytest.mark.selftest


@pytest.mark.parametrize(
    ("versions", "severity"),
    [
        ({}, Severity.ERROR),
        ({"vllm": "0.33.0"}, Severity.ERROR),
        ({"vllm": "0.34.1"}, Severity.ERROR),
        ({"vllm": "0.31.0"}, Severity.WARNING),
        ({"dynamo": "1.4.0"}, Severity.WARNING),
    ],
    ids=str,
)
def test_an_older_release_is_only_warned(
    versions: dict[str, str], severity: Severity, tmp_path: Path
) -> None:
    files = vllm(enable_eplb=True, dcp=3)
    document = yaml.safe_load(files["topology.yaml"]) | {"versions": versions}
    files = {**files, "topology.yaml": yaml.safe_dump(document)}

    found = {
        remark.rule: remark.severity
        for remark in remarks_on(files, tmp_path)
        if remark.rule.startswith("PAR-")
    }

    assert found == {"PAR-018": severity, "PAR-019": severity}


def test_sizes_are_judged_in_every_release(tmp_path: Path) -> None:
    files = vllm(nodes=2)
    document = yaml.safe_load(files["topology.yaml"]) | {"versions": {"vllm": "0.20.1"}}
    files = {**files, "topology.yaml": yaml.safe_dump(document)}

    assert [(r.rule, r.severity) for r in remarks_on(files, tmp_path)] == [
        ("PAR-013", Severity.ERROR)
    ]
