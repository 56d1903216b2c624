"""Prefill and decode are different workers, and both do their part.

Passing means that a long prompt was prefilled by the prefill role and its KV cache handed over.
Not covered: routing between several workers, transfer speed, loss of a role.
"""

from __future__ import annotations

from fixtures.clients.chat import ChatClient
from fixtures.clients.discovery import listing_of
from fixtures.clients.etcd import generate_instances
from fixtures.clients.metrics import scrape
from fixtures.evidence import EvidenceStore
from fixtures.judges.answers import document_of
from fixtures.judges.disaggregation import (
    REQUESTS,
    TRANSFERS,
    counter_moved,
    instance_ids,
    roles_took_part,
)
from fixtures.judges.discovery import discovery_is_readable
from fixtures.model.deployment import DeploymentRecord
from fixtures.model.evidence import Scrape
from fixtures.model.requirement import Applies, Mode
from fixtures.model.topology import Topology
from fixtures.outcome import verify
from fixtures.requirements import requirement

LONG_PROMPT_WORDS = 400
PREFILL_UNUSED = "a decode worker that registered as aggregated serves alone; read its start flags"
NO_TRANSFER = "decode computed the prompt itself: check how the KV cache is to move, on both roles"


def long_prompt(chat: ChatClient) -> str:
    """A prompt that no prefix cache knows and no conditional disaggregation keeps local."""
    words = " ".join(f"{chat.new_nonce()}" for _ in range(LONG_PROMPT_WORDS // 4))
    return f"Here is a list of names: {words}. Count from 1 to 5."


def scrapes(deployment: DeploymentRecord, evidence: EvidenceStore, role: str) -> dict[str, Scrape]:
    """The metrics of all workers of a role, kept as evidence."""
    found = {
        worker.plan.name: scrape(worker.metrics_url)
        for worker in deployment.workers
        if worker.plan.role == role
    }
    evidence.keep(f"metrics-{role}", found)
    return found


@requirement(
    "DIS-001",
    "disaggregation",
    # Neighbours' requests would move the same counters.
    mode=Mode.EXCLUSIVE,
    applies=Applies.DISAGGREGATED,
    source="Dynamo metrics catalogue: dynamo_component_requests_total",
    killed_by=("decode_prefills_itself",),
)
def test_a_long_prompt_is_prefilled_by_the_prefill_worker(
    chat: ChatClient, deployment: DeploymentRecord, evidence: EvidenceStore
) -> None:
    """A long prompt moves the request counter of the prefill workers."""
    before = scrapes(deployment, evidence, "prefill")
    answer = chat.ask(long_prompt(chat))
    after = scrapes(deployment, evidence, "prefill")

    verify(document_of(answer)[1])
    verify(counter_moved(before, after, REQUESTS, 1, PREFILL_UNUSED, dynamo_component="prefill"))


@requirement(
    "DIS-002",
    "disaggregation",
    applies=Applies.DISAGGREGATED,
    source="Dynamo nvext extra_fields: worker_id",
    killed_by=("decode_prefills_itself", "reports_equal_worker_ids"),
)
def test_prefill_and_decode_are_different_workers(
    chat: ChatClient, deployment: DeploymentRecord, evidence: EvidenceStore
) -> None:
    """An answer names a prefill and a decode worker that differ and are registered as such."""
    answer = chat.ask(long_prompt(chat), nvext={"extra_fields": ["worker_id"]})
    listing = listing_of(deployment)
    evidence.keep("discovery", listing)

    verify(discovery_is_readable(listing))
    instances = instance_ids(generate_instances(listing.keys, deployment.namespace))
    components = {each.plan.role: each.plan.component for each in deployment.workers}
    verify(roles_took_part(answer, instances, components))


@requirement(
    "DIS-003",
    "disaggregation",
    mode=Mode.EXCLUSIVE,
    applies=Applies.DISAGGREGATED,
    source="Metrics of Dynamo workers: trtllm_kv_transfer_success_total of TensorRT-LLM,"
    " nixl_xfer_time_seconds of vLLM",
    killed_by=("decode_prefills_itself", "hands_over_without_a_transfer"),
)
def test_the_decode_worker_receives_the_kv_cache(
    chat: ChatClient, deployment: DeploymentRecord, topology: Topology, evidence: EvidenceStore
) -> None:
    """Each long prompt brings at least one KV cache transfer to the decode workers."""
    before = scrapes(deployment, evidence, "decode")
    answer = chat.ask(long_prompt(chat))
    after = scrapes(deployment, evidence, "decode")

    verify(document_of(answer)[1])
    verify(
        counter_moved(before, after, TRANSFERS[topology.role("decode").engine.kind], 1, NO_TRANSFER)
    )
