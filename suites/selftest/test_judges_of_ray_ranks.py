"""Passing means: the judges of ranks in Ray clusters find each defect, and pass what is legal."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.judges import ray_ranks as judges
from fixtures.model.node_report import MarkedProcess, NodeReport
from fixtures.model.ray import ClusterView, RayActor, RayBundle, RayCluster, RayGroup, RayJob
from fixtures.model.requirement import Finding

from .ray_views import actor, bundle, busy, cluster, group, node, record, view

pytestmark = pytest.mark.selftest

SILENT = ClusterView("10.89.0.1:6379", error="nobody answers")
OTHER_JOB = "01000000"
GOOD = busy(1, 2).groups[0]
ACTORS = busy(1, 2).actors
THEIRS = cluster(
    1,
    2,
    ours=False,
    before=view(
        *(1, 2, 3),
        groups=(group(bundle(0, "n3"), id="old", job=OTHER_JOB),),
        jobs=(RayJob(OTHER_JOB, "10.89.0.1", 7, alive=True),),
    ),
)


def said(findings: list[Finding]) -> str:
    """All that was found, in one text."""
    return "\n".join(f"{each.expected} / {each.actual}" for each in findings)


def with_groups(*groups: RayGroup) -> ClusterView:
    return busy(1, 2, groups=groups)


def with_bundles(*bundles: RayBundle) -> ClusterView:
    return with_groups(replace(GOOD, bundles=bundles))


def with_actors(*actors: RayActor) -> ClusterView:
    return busy(1, 2, actors=actors)


def of_others() -> ClusterView:
    """An attached cluster of three nodes, where others were before, and come later, elsewhere."""
    later = RayJob("03000000", "10.89.0.3", 8, alive=True)
    now = busy(1, 2)
    return replace(
        busy(1, 2),
        nodes=(*now.nodes, node(3)),
        groups=(
            GOOD,
            group(bundle(0, "n3"), id="old", job=OTHER_JOB),
            group(bundle(0, "", 8.0), id="late", job=later.id, state="PENDING"),
        ),
        actors=(
            *now.actors,
            actor(20, "n3", job=OTHER_JOB, state="DEAD"),
            actor(21, "n3", job=later.id),
        ),
        jobs=(*now.jobs, *THEIRS.before.jobs, later),
    )


@pytest.mark.parametrize(
    ("one", "now"),
    [
        (cluster(1, 2), busy(1, 2)),
        (cluster(1, 2), with_bundles(*GOOD.bundles, bundle(4, "n1", 0.0))),
        (cluster(1, 2), with_groups(GOOD, group(bundle(0, "n1", 0.0), id="g2"))),
        (cluster(1, 2), with_groups(GOOD, replace(GOOD, id="g0", state="REMOVED"))),
        (cluster(1, 2), with_groups(replace(GOOD, strategy="SPREAD"))),
        (THEIRS, of_others()),
    ],
    ids=["planned", "a CPU bundle", "a CPU group", "one removed", "SPREAD", "those of others"],
)
def test_a_good_group_is_good(one: RayCluster, now: ClusterView) -> None:
    assert judges.one_group_spread_as_planned(record(one), [now]) == []


WAITING = replace(GOOD, state="PENDING", cause="INFEASIBLE", bundles=(bundle(0, "", 4.0),))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (SILENT, "nobody answers"),
        (with_groups(), "one placement group with GPUs / none"),
        (with_groups(replace(GOOD, state="REMOVED")), "one placement group with GPUs / none"),
        (with_groups(group(bundle(0, "n1", 0.0))), "one placement group with GPUs / none"),
        (with_groups(GOOD, replace(GOOD, id="g2")), "g1 (CREATED, 4 bundles), g2 (CREATED"),
        (with_groups(WAITING), "g1 is PENDING (INFEASIBLE; 1 bundles, PACK)"),
        (with_groups(replace(GOOD, state="RESCHEDULING")), "g1 is RESCHEDULING"),
        (with_groups(GOOD, replace(WAITING, id="g2")), "g2 is PENDING"),
        (with_bundles(bundle(0, "n1", 2.0), bundle(1, "n2", 2.0)), "bundle 0: 2, bundle 1: 2"),
        (with_bundles(*GOOD.bundles[:3]), "4 bundles with a GPU, one for each rank / 3"),
        (with_bundles(*GOOD.bundles, bundle(4, "n1")), "4 bundles with a GPU, one for each rank"),
        (with_bundles(*GOOD.bundles[:3], bundle(3, "n1")), "bundles on h01: 2, h02: 2 / h01: 3"),
        (with_bundles(*GOOD.bundles[:3], bundle(3, "xy")), "a node that Ray does not know (xy): 1"),
        (busy(1, 2, groups=(), problems=(("groups", "KeyError"),)), "Ray tells the groups"),
    ],
)
def test_other_groups_are_found(now: ClusterView, expected: str) -> None:
    assert expected in said(judges.one_group_spread_as_planned(record(), [now]))


def test_bundles_outside_of_the_planned_nodes_are_found_with_the_node_that_took_them() -> None:
    strange = replace(of_others(), groups=(replace(GOOD, bundles=busy(1, 3).groups[0].bundles),))

    found = said(judges.one_group_spread_as_planned(record(THEIRS), [strange]))

    assert "h01: 2, h03: 2" in found


@pytest.mark.parametrize(
    ("one", "now"),
    [
        (cluster(1, 2), busy(1, 2)),
        (cluster(1, 2), with_actors(*(replace(each, gpus=None) for each in ACTORS))),
        (cluster(1, 2), with_actors(*ACTORS, actor(9, "n1", gpus=0.0, state="DEAD"))),
        (THEIRS, of_others()),
    ],
    ids=["planned", "GPUs not told", "a helper without a GPU", "those of others"],
)
def test_good_actors_are_good(one: RayCluster, now: ClusterView) -> None:
    assert judges.every_rank_is_a_living_actor(record(one), [now]) == []


DEAD = replace(ACTORS[3], state="DEAD", cause="The actor is dead because its node has died.")


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        (SILENT, "nobody answers"),
        (with_actors(), "4 living actors, one for each rank / 0"),
        (with_actors(*ACTORS[:3]), "4 living actors, one for each rank / 3"),
        (with_actors(*ACTORS, actor(9, "n1")), "4 living actors, one for each rank / 5"),
        (with_actors(*ACTORS[:3], DEAD), "1 DEAD (RayWorkerWrapper on h02): The actor is dead"),
        (with_actors(*ACTORS, DEAD), "its node has died"),
        (with_actors(*ACTORS[:3], replace(ACTORS[3], state="RESTARTING")), "1 RESTARTING"),
        (with_actors(*ACTORS[:3], replace(ACTORS[3], state="PENDING_CREATION")), "1 PENDING_CREA"),
        (with_actors(*ACTORS[:3], replace(ACTORS[3], restarts=1)), "no actor was restarted / 1"),
        (with_actors(*ACTORS[:3], replace(ACTORS[3], node="n1")), "h01: 3, h02: 1"),
        (busy(1, 2, actors=(), problems=(("actors", "AttributeError"),)), "Ray tells the actors"),
    ],
)
def test_other_actors_are_found(now: ClusterView, expected: str) -> None:
    assert expected in said(judges.every_rank_is_a_living_actor(record(), [now]))


def test_in_a_cluster_of_others_the_drivers_have_to_be_known() -> None:
    blind = replace(of_others(), jobs=(), problems=(("jobs", "KeyError"),))

    assert "Ray tells the jobs" in said(
        judges.every_rank_is_a_living_actor(record(THEIRS), [blind])
    )


def reports(first: str = "10.89.0.1", second: str = "10.89.0.2") -> tuple[NodeReport, ...]:
    """Each node with its ranks, and what each was told, as for `busy(1, 2)`."""
    found = []
    for number, told in ((1, first), (2, second)):
        environment = (("VLLM_HOST_IP", told),) if told else ()
        pids = [each.pid for each in ACTORS if each.node == f"n{number}"]
        processes = tuple(MarkedProcess(pid, 1, "ray::", environment) for pid in pids if told)
        addresses = ("127.0.0.1", f"10.89.0.{number}", f"fd00::{number}")
        found.append(NodeReport(f"h0{number}", addresses=addresses, processes=processes))
    return tuple(found)


@pytest.mark.parametrize(
    "told", [reports(), reports("fd00::1", "fd00:0::2"), reports("fd00:0:0::1")]
)
def test_own_addresses_are_own(told: tuple[NodeReport, ...]) -> None:
    assert judges.every_rank_knows_its_address(record(), [busy(1, 2)], told) == []


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (reports(second="10.89.0.1"), "on h02 is an address of that host / 2 of 2 have 10.89.0.1"),
        (reports(second=""), "2 of 2 have nothing"),
        (reports(first="127.0.0.1"), "on h01 is an address of that host / 2 of 2 have 127.0.0.1"),
        (reports(first="nonsense"), "2 of 2 have nonsense"),
        (reports()[:1], "nobody looked"),
        ((reports()[0], NodeReport("h02", error="it is dead")), "it is dead"),
        (
            (reports()[0], NodeReport("h02", problems=(("processes", "no answer within 5 s"),))),
            "no answer within 5 s",
        ),
    ],
)
def test_other_addresses_are_found(told: tuple[NodeReport, ...], expected: str) -> None:
    found = judges.every_rank_knows_its_address(record(), [busy(1, 2)], told)

    assert len(found) == 1
    assert expected in said(found)


def raylet(told: str, worker: str = "decode-0") -> MarkedProcess:
    return MarkedProcess(7, 1, "raylet", (("VLLM_HOST_IP", told), ("ACCEPTANCE_WORKER", worker)))


@pytest.mark.parametrize(
    ("on_second", "expected"),
    [
        (raylet("10.89.0.2"), []),
        (raylet("10.89.0.1"), ["1 of 1 have 10.89.0.1"]),
        (raylet("10.89.0.1", "prefill-0"), []),
    ],
)
def test_where_the_ranks_have_ended_ray_tells_what_they_got(
    on_second: MarkedProcess, expected: list[str]
) -> None:
    first, second = reports()
    told = (
        replace(first, processes=(raylet("10.89.0.1"),)),
        replace(second, processes=(on_second,)),
    )

    found = judges.every_rank_knows_its_address(record(), [with_actors()], told)

    assert [each.actual for each in found] == expected


def test_a_host_that_ray_has_lost_as_well_is_no_second_finding() -> None:
    gone = busy(1, 2, nodes=(node(1), node(2, alive=False)), actors=ACTORS[:2])
    told = (reports()[0], NodeReport("h02", error="it is dead"))

    assert judges.every_rank_knows_its_address(record(), [gone], told) == []


def test_without_any_process_no_address_is_known() -> None:
    assert judges.every_rank_knows_its_address(record(), [with_actors()], reports()) != []
    assert judges.every_rank_knows_its_address(record(), [SILENT], reports()) != []


@pytest.mark.parametrize(
    "command",
    [
        ("python3", "-m", "dynamo.vllm", "--distributed-executor-backend", "ray"),
        ("nice", "-n", "5", "python3", "-m", "dynamo.vllm", "--model", "m"),
        ("python3", "-m", "dynamo.vllm", "--data-parallel-address", "10.89.0.1"),
        ("python3", "-m", "dynamo.vllm", "--model", "it's"),
    ],
)
def test_a_command_for_ray_is_one(command: tuple[str, ...]) -> None:
    assert judges.no_worker_is_told_both_ways(record(cluster(1, 2, command=command))) == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--nnodes", "2"), "--nnodes"),
        (("--nnodes=2",), "--nnodes=2"),
        (("--node_rank", "0"), "--node_rank"),
        (("--node-rank", "0", "--master-addr", "h01"), "--node-rank, --master-addr"),
        (("-n", "2"), "-n"),
        (("-r0",), "-r0"),
    ],
)
def test_a_command_for_both_ways_is_found(words: tuple[str, ...], expected: str) -> None:
    plain = ("python3", "-m", "dynamo.vllm", *words)
    inside = ("sh", "-c", "exec " + " ".join(plain))

    for command in (plain, inside):
        found = judges.no_worker_is_told_both_ways(record(cluster(1, 2, command=command)))
        assert [each.actual for each in found] == [expected]


def test_a_command_that_nobody_knows_is_found() -> None:
    assert judges.no_worker_is_told_both_ways(record(cluster(1, 2, command=()))) != []
