"""Passing means: a rule that a variable of the public scripts breaks names that variable, and
points at the environment.
"""

from __future__ import annotations

import pytest

from fixtures.config.load import load_site, load_topology
from fixtures.config.slurm_variables import resolve_site, resolve_topology
from fixtures.rules.catalogue import refusing

pytestmark = pytest.mark.selftest


@pytest.mark.parametrize(
    ("name", "value", "rule", "hint"),
    [
        ("NUM_PREFILL_NODES", "3", "PAR-001", "NUM_PREFILL_NODES=4 gives 16 GPUs"),
        ("NUM_DECODE_NODES", "8", "PAR-001", "NUM_DECODE_NODES=4 gives 16 GPUs"),
        ("NUM_GPUS_PER_NODE", "8", "SLM-001", "NUM_GPUS_PER_NODE=4 with nodes_per_worker: 8"),
    ],
)
def test_a_hint_names_the_variable_that_was_set(
    name: str, value: str, rule: str, hint: str
) -> None:
    site, _ = resolve_site(load_site("minislurm"), {name: value})
    topology, _ = resolve_topology(load_topology("deepseek-r1-wide-ep-disagg"), site, {name: value})

    said = [each.violation for each in refusing(topology) if each.rule == rule]
    assert said
    assert hint in said[0].hint
    assert "environment" in {str(place.file) for place in (said[0].where, *said[0].related)}


def test_a_hint_names_the_key_of_the_file_where_no_variable_was_set() -> None:
    site, _ = resolve_site(load_site("minislurm"), {})
    variables = {"NUM_PREFILL_NODES": "3"}
    topology, _ = resolve_topology(load_topology("deepseek-r1-wide-ep-disagg"), site, variables)

    decode = topology.where("roles.decode.nodes_per_worker")
    assert decode.file.name == "deepseek-r1-wide-ep-disagg.yaml"
