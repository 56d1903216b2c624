"""Passing means: lists of nodes are read and written as scontrol does it, and stay bounded.

`test_slurm_client_live` asks the real scontrol about the same lists.
"""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fixtures.clients.hostlist import MOST_NODES, compress, expand

from .alarms import alarm

pytestmark = pytest.mark.selftest

MANY = settings(max_examples=300, deadline=None, derandomize=True, database=None)

NAMES = st.from_regex(r"[a-z]{1,3}([-.]?[a-z0-9]{1,4}){0,3}", fullmatch=True)
NEIGHBOURS = st.builds(
    lambda prefix, first, count, width: [
        f"{prefix}{number:0{width}d}" for number in range(first, first + count)
    ],
    st.sampled_from(("gb", "rack1node", "n-", "")),
    st.integers(0, 10**6),
    st.integers(1, 12),
    st.integers(1, 6),
)
LISTS = st.lists(st.one_of(NAMES.map(lambda name: [name]), NEIGHBOURS), max_size=8).map(
    lambda parts: [name for part in parts for name in part]
)


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("", ""),
        ("gb01", "gb01"),
        ("gb[01-03,07],login", "gb01 gb02 gb03 gb07 login"),
        ("gb[9-11]", "gb9 gb10 gb11"),
        ("gb[009-11]", "gb009 gb010 gb011"),
        ("gb[1-03]", "gb1 gb2 gb3"),
        ("gb[5-05]", "gb5"),
        ("gb[03,01-02]", "gb03 gb01 gb02"),
        ("gb[01-02],gb[02-03]", "gb01 gb02 gb02 gb03"),
        ("[1-3]", "1 2 3"),
        (",,a,,b c\n", "a b c"),
        ("rack[1-2]node[01-02]", "rack1node01 rack1node02 rack2node01 rack2node02"),
        ("n[1-2][01-02]", "n101 n102 n201 n202"),
        ("a[1-2]b[3-4]c[5-6]", "a1b3c5 a1b3c6 a2b3c5 a2b3c6 a1b4c5 a1b4c6 a2b4c5 a2b4c6"),
    ],
)
def test_lists_are_expanded_in_the_order_of_slurm(text: str, nodes: str) -> None:
    assert expand(text) == tuple(nodes.split())


@pytest.mark.parametrize(
    ("nodes", "text"),
    [
        ("", ""),
        ("gb01", "gb01"),
        ("gb01 gb02 gb03 gb07 login", "gb[01-03,07],login"),
        ("gb03 gb01 gb02", "gb[03,01-02]"),
        ("gb8 gb9 gb10", "gb[8-10]"),
        ("gb099 gb100", "gb[099-100]"),
        ("gb01 gb2 gb03", "gb[01,2,03]"),
        ("gb01 gb01", "gb[01,01]"),
        ("a b a", "a,b,a"),
        ("a a0 a a1 a2", "a,a0,a,a[1-2]"),
        ("n1.dom n2.dom", "n1.dom,n2.dom"),
        ("rack1node01 rack1node02 rack2node01", "rack1node[01-02],rack2node01"),
        ("a1 b1 a2", "a1,b1,a2"),
    ],
)
def test_nodes_are_compressed_without_a_change_of_order(nodes: str, text: str) -> None:
    assert compress(nodes.split()) == text


@given(LISTS)
@MANY
def test_what_is_compressed_expands_to_the_same(nodes: list[str]) -> None:
    assert expand(compress(nodes)) == tuple(nodes)


@given(LISTS)
@MANY
def test_a_compressed_list_cannot_be_compressed_further(nodes: list[str]) -> None:
    text = compress(nodes)

    assert compress(expand(text)) == text


@given(st.text(alphabet="gb01[]-, 9x", max_size=40))
@MANY
def test_any_text_is_a_list_of_bearable_length_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert len(expand(text)) <= MOST_NODES


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("gb[1-999999999]", "more nodes than any cluster"),
        ("gb[1-65537]", "more nodes than any cluster"),
        ("gb[1-60000],gb[1-60000]", "more nodes than any cluster"),
        ("a[1-999]b[1-999]c[1-999]", "more nodes than any cluster"),
        ("a" + "[1-9]" * 9, "more than 8 brackets"),
        ("gb[0-" + "9" * 5000 + "]", "no range of numbers"),
        ("g" * 300, "longer than any name"),
        ("gb[3-1]", "3-1 runs backwards"),
        ("gb[]", "'' is no range of numbers"),
        ("gb[1-2,]", "'' is no range of numbers"),
        ("gb[a-b]", "'a-b' is no range of numbers"),
        ("gb[1-2-3]", "'1-2-3' is no range of numbers"),
        ("gb[1 - 2]", "'1 - 2' is no range of numbers"),
        ("gb[01-03", "not closed, or not opened"),
        ("gb01]", "not closed, or not opened"),
        ("gb[[1]]", "not closed, or not opened"),
        ("gb[1-2].dom", "nothing after the last bracket"),
    ],
)
def test_a_list_that_is_none_is_refused_at_once(text: str, why: str) -> None:
    with alarm(10), pytest.raises(ValueError, match=why):
        expand(text)


@pytest.mark.parametrize("name", ["", "a b", "a,b", "gb[1]", "a\n"])
def test_a_name_that_is_none_cannot_be_compressed(name: str) -> None:
    with pytest.raises(ValueError, match="no name of a node"):
        compress([name])


def test_the_largest_list_is_read_and_written() -> None:
    nodes = expand(f"gb[1-{MOST_NODES}]")

    assert len(nodes) == MOST_NODES
    assert compress(nodes) == f"gb[1-{MOST_NODES}]"
    assert compress((*nodes, f"gb{MOST_NODES + 1}")) == f"gb[1-{MOST_NODES},{MOST_NODES + 1}]"
