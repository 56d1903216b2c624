"""Every node finds the head node, nobody else sits on its ports, and the clocks agree.

Passing means that a worker can reach etcd, NATS and the frontend once they run. Not covered:
RDMA links and their speed.
"""

from __future__ import annotations

from fixtures.judges.preflight_network import (
    clocks_agree,
    head_address_is_its_own,
    head_is_reachable,
    ports_are_free,
)
from fixtures.model.preflight import PreflightRecord
from fixtures.model.requirement import Level
from fixtures.preflight_checks import preflight_requirement, settle

SCRIPTS = "srun_disaggregated.sh: HEAD_NODE_IP, ETCD_ENDPOINTS, NATS_SERVER"


@preflight_requirement("PRE-018", source=SCRIPTS)
def test_the_head_address_belongs_to_the_head_node(preflight: PreflightRecord) -> None:
    """The head node has the address that others are told, and no loopback; so has each host."""
    settle(head_address_is_its_own, preflight)


@preflight_requirement(
    "PRE-019", source="Multi-node TRT-LLM on Slurm guide, Disaggregated WideEP: a fresh environment"
)
def test_every_port_is_free(preflight: PreflightRecord) -> None:
    """Every port that the deployment will open is free on its node."""
    settle(ports_are_free, preflight)


@preflight_requirement("PRE-020", source=SCRIPTS)
def test_every_node_reaches_the_head_node(preflight: PreflightRecord) -> None:
    """Every node reaches the head node on the ports of etcd, NATS and the frontend."""
    settle(head_is_reachable, preflight)


@preflight_requirement(
    "PRE-029",
    level=Level.SHOULD,
    source="etcd hardware and tuning guide: clocks; logs of several nodes are read side by side",
)
def test_the_clocks_agree(preflight: PreflightRecord) -> None:
    """No two nodes have clocks that differ for certain by more than the site allows."""
    settle(clocks_agree, preflight)
