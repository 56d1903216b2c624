"""Recipes with sizes that cannot be right get an answer; no role goes missing because of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.config.errors import ConfigError
from fixtures.loaders.read import load_any
from fixtures.rules.catalogue import examine

from .rules.cases_srt_slurm import TRTLLM

pytestmark = pytest.mark.selftest


def recipe(directory: Path, old: str, new: str) -> Path:
    """A good recipe with one text replaced."""
    path = directory / "recipe.yaml"
    assert old in TRTLLM
    path.write_text(TRTLLM.replace(old, new))
    return path


def test_workers_that_nobody_can_count_are_refused_at_their_line(tmp_path: Path) -> None:
    path = recipe(tmp_path, "decode_workers: 4", "decode_workers: four")

    with pytest.raises(ConfigError, match=r'decode_workers must be a whole number .*, not "four"'):
        load_any(path)


def test_a_slip_in_a_size_is_noted_with_what_was_meant(tmp_path: Path) -> None:
    (topology,) = load_any(recipe(tmp_path, "decode_nodes: 8", "decode_node: 8"))

    assert "decode_node in line 11 was not read: did you mean decode_nodes?" in topology.notes
    assert [r.rule for r in examine(topology).remarks if r.severity == "error"] == []
