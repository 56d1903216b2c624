"""Passing means: judges of Kubernetes deployments accept everything that is legal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.judges.kubernetes_places import (
    gpus_share_one_nvlink_domain,
)
from fixtures.judges.kubernetes_spec import (
    worlds_of,
)
from fixtures.judges.preflight_base import NothingToJudge
from fixtures.model.kubernetes import Condition, GangView, KubeEvent

from .kube_cases import (
    ELASTIC,
    GANG,
    GROVE,
    JUDGES,
    LEADER,
    LWS,
    OLD,
    PLAIN,
    SINGLE,
    in_words,
    judged,
)

pytestmark = pytest.mark.selftest


@pytest.mark.parametrize("id_", JUDGES)
@pytest.mark.parametrize("number", range(len(PLAIN)))
def test_honest_deployments_pass(id_: str, number: int) -> None:
    one = PLAIN[number]
    if id_ == "KDP-006" and one is SINGLE:
        with pytest.raises(NothingToJudge, match="one node"):
            JUDGES[id_](one.record, one.view)
        return
    judge = in_words(one) if id_ == "KDP-008" else JUDGES[id_]

    assert judged(judge, one) == ""


LEGAL = {
    "a pod that is replaced": GROVE.with_pod(LEADER, deleting=True, restarts=3, rank=0),
    "a pod that has finished": GROVE.with_pod(LEADER, phase="Succeeded"),
    "labels of others": GROVE.pod(LEADER, labels={**GROVE.view.pods[1].labels, "team": "a"}),
    "a pod of the operator's own": GROVE.with_pod("frontend-0-0", component="", node=""),
    "nodes with more GPUs": GROVE.changed(
        nodes=tuple(replace(node, gpus=8) for node in GROVE.view.nodes)
    ),
    "nodes that nobody may read": GROVE.changed(errors=("nodes: forbidden", "events: forbidden")),
    "events of the past": GROVE.changed(
        events=(KubeEvent("Warning", "Unhealthy", "Pod/x", "startup probe failed"),)
    ),
    "a gang that says no size": GROVE.changed(gangs=(GangView("PodGang", GANG, None, 8),)),
    "a gang of Volcano as well": LWS.changed(
        gangs=(*LWS.view.gangs, GangView("PodGroup", "other", 4, 4))
    ),
    "an operator without observedGeneration": GROVE.changed(
        observed_generation=None, conditions=(Condition("Ready", "True"),)
    ),
    "defaults in the live spec": GROVE.live("restart", value={"id": "x"}).live(
        "components", 1, "podTemplate", "spec", "restartPolicy", value="Always"
    ),
    "quantities in another unit": OLD.live(
        "services", "prefill", "sharedMemory", "size", value="838860800Ki"
    ),
    "numbers as texts": GROVE.live("components", 1, "multinode", "nodeCount", value="4"),
    "another order of components": GROVE.changed(
        spec={
            **GROVE.view.spec,
            "components": list(reversed((GROVE.view.spec or {})["components"])),
        }
    )
    if GROVE.view.spec
    else GROVE,
}


@pytest.mark.parametrize("id_", JUDGES)
@pytest.mark.parametrize("variant", LEGAL)
def test_legal_variants_pass(id_: str, variant: str) -> None:
    assert judged(JUDGES[id_], LEGAL[variant]) == ""


def test_nodes_that_tell_no_domain_are_not_judged() -> None:
    for one in (GROVE.clique(1, None), GROVE.changed(nodes=())):
        with pytest.raises(NothingToJudge, match=r"no label nvidia.com/gpu.clique"):
            gpus_share_one_nvlink_domain(one.record, one.view)


def test_a_compute_domain_stands_in_for_labels() -> None:
    assert judged(gpus_share_one_nvlink_domain, ELASTIC.changed(nodes=())) == ""


def test_a_users_shell_counts_once_on_one_node() -> None:
    script = ("/bin/sh", "-c", "exec python3 -m dynamo.trtllm --model x # it's the model")
    one = SINGLE.pod("prefill-0-0", command=script[:2], args=script[2:])

    assert judged(in_words(SINGLE), one) == ""
    assert "2 shells" in judged(
        in_words(SINGLE), one.pod("prefill-0-0", args=("sh -c 'python3 -m dynamo.trtllm'",))
    )


def test_worlds_come_from_the_engine_configs() -> None:
    assert worlds_of(GROVE.topology, GROVE.record.plans) == {"prefill": 16, "decode": 16}
    unknown = replace(
        GROVE.topology,
        roles=tuple(
            replace(role, engine=replace(role.engine, kind="unknown"))
            for role in GROVE.topology.roles
        ),
    )
    assert worlds_of(unknown, GROVE.record.plans) == {}
