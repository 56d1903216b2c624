"""Deployments that the judges of Kubernetes have to accept, and the judges themselves."""

from __future__ import annotations

from collections.abc import Callable

from fixtures.judges.kubernetes_places import (
    gpus_share_one_nvlink_domain,
    pods_run_on_nodes_of_their_own,
    workers_are_scheduled_as_gangs,
)
from fixtures.judges.kubernetes_pods import (
    every_component_has_its_pods,
    every_pod_has_a_place,
    every_pod_has_its_gpus,
    no_container_restarted,
    ranks_are_unique,
)
from fixtures.judges.kubernetes_spec import (
    commands_are_those_of_the_spec,
    deployment_is_ready,
    what_runs_is_what_was_declared,
    worlds_of,
)
from fixtures.model.kubernetes import KubeRecord, KubeView
from fixtures.model.manifest import ALPHA
from fixtures.model.requirement import Finding

from .kube_sites import kube_site
from .kube_views import SINGLE_NODE, Case, case, leader_command

Judge = Callable[[KubeRecord, KubeView], list[Finding]]
GROVE, LWS = case(), case(orchestrator="lws")
MANY = case(replicas=2)
OLD = case(api=ALPHA)
SINGLE = case(SINGLE_NODE, orchestrator="")
DOMAIN = case(site=kube_site(compute_domain=True))
ELASTIC = DOMAIN.changed(channels=(f"{DOMAIN.record.name}-channel",))
PLAIN = (GROVE, LWS, MANY, OLD, case(api=ALPHA, orchestrator="lws", replicas=2), SINGLE, ELASTIC)
LEADER = "prefill-0-0"
GANG = f"{GROVE.record.name}-0"


def with_command(one: Case, *words: str, component: str = "prefill") -> Case:
    """The same where the operator was given other words for a worker over several nodes."""
    (plan,) = [each for each in one.record.plans if each.name == component]
    return one.pod(f"{component}-0-0", args=leader_command(plan, words or plan.words))


def judged(judge: Judge, one: Case) -> str:
    """Everything a judge says of a case, as one text."""
    return "; ".join(f"{each.expected}: {each.actual}" for each in judge(one.record, one.view))


def in_words(one: Case) -> Judge:
    """The judge of commands, with the engine configs of the case."""
    worlds = worlds_of(one.topology, one.record.plans)
    return lambda record, view: commands_are_those_of_the_spec(record, view, worlds)


JUDGES: dict[str, Judge] = {
    "PLC-001": every_pod_has_a_place,
    "KDP-001": every_component_has_its_pods,
    "KDP-002": ranks_are_unique,
    "KDP-003": every_pod_has_its_gpus,
    "KDP-004": pods_run_on_nodes_of_their_own,
    "KDP-005": gpus_share_one_nvlink_domain,
    "KDP-006": workers_are_scheduled_as_gangs,
    "KDP-007": no_container_restarted,
    "KDP-008": lambda record, view: in_words(GROVE)(record, view),
    "KDP-009": what_runs_is_what_was_declared,
    "KDP-010": deployment_is_ready,
}
