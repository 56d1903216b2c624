"""Passing means: each way in which a cluster goes wrong fails exactly the requirements about it.

Nothing hangs, nothing is an error of ours, and what the run created is deleted. Faults that concern
different requirements share a run.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from fixtures.minik8s.api_mischief import Trouble
from fixtures.minik8s.faults import FAULTS as CLUSTER_FAULTS
from fixtures.requirements import load_lock

from .kubernetes_rig import FEW, LIVE, QUICK_K8S, Rig, rig
from .runs import HERE, TINY_AGG
from .slurm_rig import findings_of, red_and_errors

pytestmark = pytest.mark.selftest

REQUIREMENTS = load_lock()
HASTY = HERE / "sites" / "quick-k8s-hasty.yaml"
OF_PROCESSES = ("RNK-004", "SHD-001", "SHD-005")
TWO_NODES_EACH = HERE / "topologies" / "two-node-disagg.yaml"


@pytest.fixture(scope="module")
def shared() -> Iterator[Rig]:
    """A double of four nodes."""
    with rig() as found:
        yield found


@dataclass(frozen=True, slots=True)
class Case:
    """Faults, the requirements that they must fail, and a word that each of these says.

    `held` is what stays on the cluster, `told` what the journal says of the wait for it.
    """

    faults: tuple[str, ...]
    red: dict[str, str]
    topology: Path = TINY_AGG
    site: Path = QUICK_K8S
    held: str = ""
    told: tuple[str, ...] = ()


CASES = {
    "never_ready_and_a_claim_is_left": Case(
        ("never_becomes_ready", "leaves_a_pvc_behind"),
        {"KDP-010": "not satisfied", "SHD-009": "PersistentVolumeClaim"},
        site=HASTY,
        held="PersistentVolumeClaim",
    ),
    "ready_without_endpoints": Case(
        ("says_ready_without_endpoints",),
        {"DSC-001": "no complete answer|reset|refused|closed", "KDP-010": "endpoint"},
        site=HASTY,
    ),
    "a_crash_loop": Case(
        ("crashes_in_a_loop=aggregated",),
        {
            "KDP-001": "restarting",
            "KDP-007": "restart",
            "KDP-010": "Ready",
            "RNK-001": "missing: 0",
            "RNK-004": "ended by themselves",
        },
    ),
    "an_image_that_cannot_be_pulled": Case(
        ("cannot_pull_the_image=aggregated",),
        {"KDP-001": "ImagePull", "KDP-010": "Ready", "RNK-001": "missing: 0"},
        site=HASTY,
        told=("ImagePull",),
    ),
    "another_node_count": Case(
        ("runs_another_node_count=decode",),
        # The double's pod too many holds no GPU, or there might be no room for it.
        {
            "KDP-001": "3",
            "KDP-002": "rank 2",
            "KDP-003": "2 GPUs / 0",
            "KDP-004": "node of its own",
        },
        TWO_NODES_EACH,
    ),
    "half_a_gang": Case(
        ("schedules_half_a_gang=decode",),
        {"KDP-006": "PodGang", "PLC-001": "node"},
        TWO_NODES_EACH,
        HASTY,
    ),
    "two_domains_and_a_gpu_less": Case(
        ("spreads_over_two_nvlink_domains", "loses_a_gpu_per_pod=decode"),
        {"KDP-003": "GPU", "KDP-005": "domain", "RNK-002": "GPU"},
        TWO_NODES_EACH,
    ),
    "one_restart_and_one_shell_too_many": Case(
        ("restarts_a_pod_once=prefill", "wraps_the_command_in_two_shells"),
        {
            "KDP-001": "restarting",
            "KDP-007": "restart",
            "KDP-008": "shell",
            "KDP-010": "Ready",
            "RNK-001": "missing|repeated",
            "RNK-004": "ended by themselves",
        },
        TWO_NODES_EACH,
    ),
    "two_pods_of_one_rank_and_a_finalizer_that_hangs": Case(
        ("gives_two_pods_one_rank=decode", "hangs_deletion_on_a_finalizer"),
        {"KDP-002": "rank 0", "RNK-002": "GPU 0 and", "SHD-009": "nvidia.com/finalizer"},
        TWO_NODES_EACH,
        HASTY,
        held="DynamoGraphDeployment",
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_a_case_names_what_its_faults_break(name: str) -> None:
    faults = {fault.partition("=")[0] for fault in CASES[name].faults}

    assert set(CASES[name].red) == {
        each.id for each in REQUIREMENTS.values() if faults & set(each.killed_by)
    }


def test_every_fault_of_the_double_has_a_case() -> None:
    shown = {fault.partition("=")[0] for case in CASES.values() for fault in case.faults}

    assert shown == set(CLUSTER_FAULTS)


@pytest.mark.parametrize("name", CASES)
def test_a_fault_of_the_cluster_fails_what_is_about_it(
    name: str, shared: Rig, tmp_path: Path
) -> None:
    case = CASES[name]
    with shared.doing_wrong(*case.faults):
        how = {"topology": case.topology, "site": case.site}
        run = shared.run(tmp_path, *LIVE, *FEW, "suites/discovery", **how)
        left = shared.left_by(run.run_dir)

    red, errors = red_and_errors(run, case.topology.stem)
    assert (red, errors) == (set(case.red), set()), run.output
    for id_, words in case.red.items():
        said = findings_of(run, id_, case.topology.stem)
        assert any(word in said for word in words.split("|")), said
    if case.told:
        told = [each["what"] for each in run.events if each.get("event") == "waits"]
        assert any(all(word in each for word in case.told) for each in told), told
    strange = [each for each in left if not case.held or "ledger: kubernetes" not in each]
    assert [each for each in strange if not case.held or case.held not in each] == []
    assert run.run_dir is not None
    assert bool(left) == bool(case.held)


def test_nodes_that_are_cordoned_meanwhile_are_why_nothing_is_placed(
    shared: Rig, tmp_path: Path
) -> None:
    # The nodes are there at the look before the launch, and gone when pods want them.
    double = shared.need_double("its nodes are in use by others")
    double.trouble(Trouble("slow", "create", "configmaps", seconds=3.0))
    where = (*LIVE, "suites/launch", "suites/shutdown")
    try:
        with shared.started(tmp_path, *where, topology=TINY_AGG, site=HASTY) as running:
            running.wait_for("launch")
            shared.cordon(True)
            run = running.ended()
    finally:
        shared.cordon(False)
        double.behave()

    red, errors = red_and_errors(run, TINY_AGG.stem)
    assert (red, errors) == ({"PLC-001"}, set()), run.output
    # Where nothing ever ran, nobody can say how processes end.
    verdicts = run.verdicts(TINY_AGG.stem)
    assert {verdicts[id_] for id_ in OF_PROCESSES} == {"unverified"}
    assert run.report["topologies"][0]["first_failing_layer"] == "launch"
    assert "Unschedulable" in findings_of(run, "PLC-001", TINY_AGG.stem)
    told = [each["what"] for each in run.events if each.get("event") == "waits"]
    assert any("Unschedulable" in each and "0 of 1 pods have a node" in each for each in told), told
    assert shared.left_by(run.run_dir) == []


def test_an_api_server_that_is_busy_or_forgetful_changes_no_verdict(
    shared: Rig, tmp_path: Path
) -> None:
    double = shared.need_double("its API server does nothing wrong on request")
    double.end_watches(after_events=2, expired=3)
    for verb, resource in (("create", "configmaps"), ("watch", "pods"), ("list", "pods")):
        double.trouble(Trouble("429", verb, resource, times=2, retry_after_s=1))
    double.trouble(Trouble("409", "create", "dynamographdeployments", times=1))
    double.trouble(Trouble("409", "delete", "dynamographdeployments", times=1))
    double.trouble(Trouble("503", "delete", "configmaps", times=1))
    double.trouble(Trouble("cut", "log", "pods", times=2))
    try:
        run = shared.run(tmp_path, *LIVE, *FEW, topology=TINY_AGG)
    finally:
        double.behave()

    assert red_and_errors(run, TINY_AGG.stem) == (set(), set()), run.output
    assert shared.left_by(run.run_dir) == []
