"""Passing means: the steps of a launch are those of the public scripts, with nodes of their own."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.config.load import load_site, load_topology
from fixtures.launchers.rehearsal import Rehearsal
from fixtures.launchers.slurm_argv import Container, StepPlan, salloc, srun
from fixtures.launchers.slurm_plan import Naming, Place, SlurmPlan, build
from fixtures.model.slurm import SlurmSite
from fixtures.model.topology import Site, Topology
from fixtures.placement import plan_workers

pytestmark = pytest.mark.selftest

NODES = tuple(f"gb{number:02}" for number in range(1, 9))
PLACE = Place(NODES, {node: f"10.88.0.{at}" for at, node in enumerate(NODES, 1)}, "gb01")
NAMING = Naming("acc-r1", "acc-r1-x-g1", Path("/shared/work"), "/shared/python")


def planned(topology: Topology, site: Site, fault: str = "") -> SlurmPlan:
    workers = plan_workers(topology, NODES)
    return build(topology, site, workers, PLACE, NAMING, Rehearsal(fault, workers, NODES))


@pytest.fixture(scope="module")
def site() -> Site:
    return load_site("minislurm")


@pytest.fixture(scope="module")
def disagg(site: Site) -> SlurmPlan:
    return planned(load_topology("deepseek-r1-wide-ep-disagg"), site)


def test_each_worker_has_nodes_of_its_own_named_in_the_order_of_ranks(disagg: SlurmPlan) -> None:
    prefill, decode = (worker.step for worker in disagg.workers)

    assert (prefill.nodes, decode.nodes) == (NODES[:4], NODES[4:])
    assert (prefill.tasks, prefill.tasks_per_node) == (16, 4)
    assert disagg.frontend.nodes == ("gb01",)


def test_a_step_says_everything_that_the_public_scripts_say_and_more() -> None:
    step = StepPlan("acc-r1-w", ("gb02", "gb03"), 4, ("python3", "x y"), mpi="pmix")

    assert srun(step, "7", SlurmSite(srun_options=("--segment=4",))) == (
        *("srun", "--jobid=7", "--job-name=acc-r1-w", "--nodelist=gb02,gb03", "--nodes=2"),
        *("--ntasks=8", "--ntasks-per-node=4", "--distribution=block", "--mpi=pmix"),
        *("--kill-on-bad-exit=1", "--wait=0", "--overlap", "--oversubscribe", "--label"),
        *("--verbose", "--segment=4", "python3", "x y"),
    )


def test_a_container_gets_its_variables_by_name() -> None:
    container = Container("/i.sqsh", ("/a:/b", "/c:/d:ro"), ("NATS_SERVER", "ETCD_ENDPOINTS"))
    step = StepPlan("s", ("gb01",), 1, ("true",), {"ETCD_ENDPOINTS": "http://x"}, "none", container)
    words = srun(step, "7", SlurmSite())

    assert "--container-image=/i.sqsh" in words
    assert "--container-mounts=/a:/b,/c:/d:ro" in words
    assert "--container-env=ETCD_ENDPOINTS,NATS_SERVER" in words
    assert "--nodelist=gb07" in salloc(SlurmSite(head_node="gb07"), "acc-r1", 8)
    assert not any("http://x" in word for word in words)


def test_an_allocation_is_asked_for_with_what_the_site_states() -> None:
    site = SlurmSite(partition="gb", account="me", time_limit="01:00:00", gres="gpu:4", qos="hi")

    assert salloc(site, "acc-r1", 8) == (
        *("salloc", "--no-shell", "--no-kill", "--job-name=acc-r1", "--nodes=8", "--time=01:00:00"),
        *("--partition=gb", "--account=me", "--gres=gpu:4", "--qos=hi"),
    )
    assert not any(
        word.startswith(("--partition", "--account")) for word in salloc(SlurmSite(), "x", 1)
    )


def test_workers_listen_on_their_own_node_and_find_services_on_the_head(disagg: SlurmPlan) -> None:
    prefill, decode = disagg.workers
    assert prefill.spec is not None
    assert decode.spec is not None

    assert decode.step.environment["DYN_TCP_RPC_HOST"] == "10.88.0.5"
    assert decode.step.environment["ETCD_ENDPOINTS"] == "http://10.88.0.1:2379"
    assert (prefill.spec.rendezvous_host, decode.spec.rendezvous_host) == ("10.88.0.1", "10.88.0.5")
    assert prefill.spec.rendezvous_port != decode.spec.rendezvous_port
    assert prefill.system_port != decode.system_port


def test_the_head_node_listens_on_its_own_address_alone(disagg: SlurmPlan) -> None:
    head = json.loads(disagg.frontend.argv[-1])
    words = " ".join([*head["frontend"], *(w for s in head["services"] for w in s["argv"])])

    assert [service["kind"] for service in head["services"]] == ["etcd", "nats"]
    assert "0.0.0.0" not in words  # noqa: S104
    assert "--http-host 10.88.0.1" in words


def test_services_of_somebody_else_are_used_and_not_started(site: Site) -> None:
    etcd = replace(site.etcd, provider="endpoint", endpoint="http://etcd.example:2379")
    nats = replace(site.nats, provider="endpoint", endpoint="nats://nats.example:4222")
    plan = planned(load_topology("deepseek-r1-wide-ep-agg"), replace(site, etcd=etcd, nats=nats))

    assert json.loads(plan.frontend.argv[-1])["services"] == []
    assert plan.etcd_url == "http://etcd.example:2379"
    assert plan.workers[0].step.environment["NATS_SERVER"] == "nats://nats.example:4222"


def test_the_faults_of_a_launch_change_the_steps(site: Site) -> None:
    topology = load_topology("deepseek-r1-wide-ep-disagg")
    shared = planned(topology, site, "puts_both_roles_on_one_node")
    missing = planned(topology, site, "never_starts_the_worker")

    assert [worker.step.nodes for worker in shared.workers] == [NODES[:4], NODES[:4]]
    assert [worker.plan.name for worker in missing.workers] == ["prefill-0"]
