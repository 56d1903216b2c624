"""The deployment is found where clients and frontends look for it.

Passing means that names, instances and what holds them are right. Not covered: loss of a service.
"""

from __future__ import annotations

from fixtures.clients.chat import ChatClient
from fixtures.clients.discovery import listing_of
from fixtures.clients.etcd import generate_instances
from fixtures.evidence import EvidenceStore
from fixtures.judges.discovery import (
    discovery_is_readable,
    first_answer_came,
    frontend_is_live,
    instances_are_held,
    instances_match_the_plan,
    listed_only_when_complete,
    model_is_listed,
    readiness_agrees,
)
from fixtures.model.deployment import DeploymentRecord
from fixtures.model.evidence import KeyRecord
from fixtures.outcome import verify
from fixtures.readiness import planned_instances, readiness_path
from fixtures.requirements import requirement


def registered(deployment: DeploymentRecord, evidence: EvidenceStore) -> dict[str, list[KeyRecord]]:
    """The generate instances, kept as evidence; fails where discovery does not answer."""
    listing = listing_of(deployment, with_lease_ttl=True)
    evidence.keep("discovery", listing)
    verify(discovery_is_readable(listing))
    return generate_instances(listing.keys, deployment.namespace)


@requirement(
    "DSC-001",
    "discovery",
    needs="placed",
    source="Dynamo health probes: /live",
    killed_by=(
        "reports_not_live",
        "says_ready_without_endpoints",
    ),
)
def test_the_frontend_reports_live(chat: ChatClient) -> None:
    """The frontend's liveness probe says live."""
    verify(frontend_is_live(chat.get("/live")))


@requirement(
    "DSC-002",
    "discovery",
    needs="instances_registered",
    source="OpenAI API reference, List models; guides, Example Request",
    killed_by=("registers_under_a_wrong_name",),
)
def test_the_served_name_is_listed(chat: ChatClient) -> None:
    """The served model name is in /v1/models."""
    verify(model_is_listed(chat.get("/v1/models"), chat.model))


@requirement(
    "DSC-003",
    "discovery",
    needs="instances_registered",
    source="Dynamo #2683, #3150, #11855: listed before routable",
    killed_by=("lists_the_model_too_early",),
)
def test_the_model_is_listed_only_when_every_role_is_there(
    deployment: DeploymentRecord, evidence: EvidenceStore
) -> None:
    """While the deployment comes up, the model is not listed before every role is registered."""
    evidence.keep("readiness", deployment.readiness)

    verify(listed_only_when_complete(deployment.readiness, planned_instances(deployment)))


@requirement(
    "DSC-004",
    "discovery",
    needs="instances_registered",
    source="Dynamo discovery plane: instances belong to the worker's lease, or to its pod",
    killed_by=("keeps_its_key_without_a_lease",),
)
def test_instances_are_registered_under_a_lease(
    deployment: DeploymentRecord, evidence: EvidenceStore
) -> None:
    """Each worker's instance is held by a live lease or, in a custom resource, by its pod."""
    verify(instances_are_held(registered(deployment, evidence)))


@requirement(
    "DSC-005",
    "discovery",
    needs="processes_alive",
    source="Multi-node TRT-LLM on Slurm guide: one Dynamo worker per MPI world",
    killed_by=("never_registers",),
)
def test_instances_match_the_plan(deployment: DeploymentRecord, evidence: EvidenceStore) -> None:
    """Each component has exactly as many instances as workers were planned."""
    found = registered(deployment, evidence)

    verify(instances_match_the_plan(found, planned_instances(deployment)))


@requirement(
    "DSC-006",
    "discovery",
    needs="model_listed",
    source="Dynamo /v1/models/{id}/ready (#10383)",
    killed_by=("denies_readiness",),
)
def test_the_readiness_endpoint_agrees(chat: ChatClient) -> None:
    """The role-readiness endpoint says that every role is ready."""
    verify(readiness_agrees(chat.get(readiness_path(chat.model))))


@requirement(
    "RDY-001",
    "discovery",
    needs="roles_ready",
    source="Dynamo #11855, 1.3.0 and 1.4.0 release notes: 200 with empty content",
    killed_by=("answers_with_nothing",),
)
def test_a_ready_deployment_answers(deployment: DeploymentRecord, evidence: EvidenceStore) -> None:
    """Once everything says ready, the first answer is not empty."""
    evidence.keep("readiness", deployment.readiness)

    verify(first_answer_came(deployment.readiness))
