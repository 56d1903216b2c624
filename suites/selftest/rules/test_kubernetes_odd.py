"""Passing means: no manifest, however odd its values, ends in anything but words."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.config.errors import ConfigError
from fixtures.config.yaml_source import parse_yaml_documents
from fixtures.loaders.kubernetes import FORMAT
from fixtures.rules.catalogue import RULES, judge

from .manifests import alpha, beta, text

pytestmark = pytest.mark.selftest

WORDS = ("", "2", "{{ x }}", "${X}", "main", "--tp")
ODD = st.recursive(
    st.sampled_from([None, True, 0, -1, 2.5, 2**62, [{"name": {"a": 1}}], *WORDS]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text("ab.", max_size=3), inner),
    max_leaves=4,
)


@st.composite
def odd_manifests(draw: st.DrawFn) -> str:
    """A legal manifest in which some values are anything at all."""
    document = yaml.safe_load(draw(st.sampled_from([alpha(), beta(), alpha(kind="trtllm")])))
    for _ in range(draw(st.integers(1, 3))):
        inside: Any = document
        while True:
            keys = range(len(inside)) if isinstance(inside, list) else list(inside)
            key = draw(st.sampled_from(keys))
            if not isinstance(inside[key], dict | list) or not inside[key] or draw(st.booleans()):
                inside[key] = copy.deepcopy(draw(ODD))
                break
            inside = inside[key]
    return text(document)


@given(document=odd_manifests())
@settings(max_examples=200, deadline=None, derandomize=True, database=None)
def test_odd_values_are_refused_in_words_or_left_unknown(document: str) -> None:
    parsed = parse_yaml_documents(document, Path("odd.yaml"))
    try:
        topologies = FORMAT.load(Path("odd.yaml"), parsed)
    except ConfigError:
        return
    for topology in topologies:
        for rule in RULES.values():
            if rule.id.startswith("K8S") and rule.in_scope(topology):
                judge(rule, topology)
