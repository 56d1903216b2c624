"""Topologies that are valid by construction, and the same with one quantity broken."""

from __future__ import annotations

from hypothesis.strategies import SearchStrategy

from fixtures.model.topology import Topology

Pair = tuple[Topology, Topology]
Breaks = dict[str, SearchStrategy[Pair]]
"""By rule id: pairs of a valid topology and the same one with a single quantity broken."""
