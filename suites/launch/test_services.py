"""etcd and NATS are there before anything needs them.

Passing means that the head node has its services. Not covered: how they behave later on; a service
that is lost shows in RNK-004.
"""

from __future__ import annotations

from fixtures.evidence import EvidenceStore
from fixtures.model.deployment import DeploymentRecord
from fixtures.model.requirement import Finding
from fixtures.outcome import verify
from fixtures.requirements import requirement


@requirement(
    "SRV-001",
    "launch",
    needs=None,
    source="Multi-node TRT-LLM on Slurm guide: etcd, NATS and the frontend on the head node",
    launchers=("slurm", "ray"),
)
def test_services_come_up_on_the_head_node(
    deployment: DeploymentRecord, evidence: EvidenceStore
) -> None:
    """etcd and NATS are healthy on the head node before any worker is started."""
    evidence.keep("services", {"problem": deployment.services_problem})

    problem = deployment.services_problem
    hint = "read frontend.log of this run; services of the site need no program in the image"
    expected = "etcd and NATS are healthy on the head node"
    verify([Finding(expected, problem, hint)] if problem else [])
