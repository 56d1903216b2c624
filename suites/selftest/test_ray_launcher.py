"""Passing means: the launcher plans one Ray cluster for each worker that needs one, as the guide
has it, and says in numbers what a cluster lacks. Nothing is started here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.config.load import load_site, load_topology
from fixtures.launchers import ray_look
from fixtures.launchers.base import LaunchError, LaunchRequest
from fixtures.launchers.place import Naming
from fixtures.launchers.ray import RayLauncher, given_host, knows_tokens
from fixtures.launchers.ray_cluster_plan import PlannedCluster
from fixtures.launchers.ray_clusters import record_of, shortfall
from fixtures.launchers.ray_plan import RayPlan, build, ports_of
from fixtures.launchers.rehearsal import Rehearsal, why_not_rehearsed
from fixtures.ledger import Ledger
from fixtures.model.hosts import Host
from fixtures.model.ray import ClusterView, HostVersions, RayNode
from fixtures.model.ray_site import RaySite
from fixtures.model.topology import Site
from fixtures.placement import plan_workers
from fixtures.ports import PortLease
from fixtures.simulator.faults import FAULTS

from .runs import HERE, QUICK_SITE

pytestmark = pytest.mark.selftest

HOSTS = tuple(Host(f"n{index}", f"10.0.0.{index}") for index in range(1, 5))
LONGEST_RUN = "/tmp/acc-20261121-213322-ab12-99"  # noqa: S108 - never made
SESSIONS = "/tmp/acc-x-1"  # noqa: S108 - never made
LONGEST_IN_SESSION = "/session_2026-11-21_21-54-53_912859_4194304/sockets/plasma_store.1"
SOCKET_CHARACTERS = 107
RAY_FAULTS = {name for name, fault in FAULTS.items() if fault.launchers == ("ray",)}


def ray_site(**changes: Any) -> Site:
    """The site of selftests with hosts of its own."""
    usual = {"gpus_per_host": 2, "cpus_per_host": 4, "object_store_mib": 75}
    ray = RaySite(**{**usual, **changes})
    nodes = tuple(host.name for host in HOSTS)
    return replace(load_site(QUICK_SITE), launcher="ray", nodes=nodes, slurm=None, ray=ray)


def planned(
    topology: str,
    *,
    fault: str = "",
    tokens: Mapping[str, str] | None = None,
    engine: str = "simulated",
    **changes: Any,
) -> RayPlan:
    """The plan of one of our small topologies over four hosts."""
    loaded = load_topology(str(HERE / "topologies" / f"{topology}.yaml"))
    workers = plan_workers(loaded, [host.name for host in HOSTS])
    rehearsal = Rehearsal(fault, workers, [host.name for host in HOSTS])
    naming = Naming("acc-x", "acc-x-t-g1", Path("/lustre/x"), "python")
    given = tokens or {}
    site = replace(ray_site(**changes), engine=engine)
    return build(loaded, site, workers, HOSTS, naming, rehearsal, tokens=given, sessions=SESSIONS)


def test_each_worker_gets_a_cluster_of_its_own_hosts_and_port() -> None:
    plan = planned("tiny-vllm-disagg")

    prefill, decode = plan.clusters
    assert (prefill.address, decode.address) == ("10.0.0.1:6379", "10.0.0.2:6380")
    assert [host.name for each in plan.clusters for host in each.hosts] == ["n1", "n2"]
    assert prefill.temp_dir != decode.temp_dir
    assert [worker.host.name for worker in plan.workers] == ["n1", "n2"]
    assert [worker.spec.ray_address for worker in plan.workers if worker.spec] == [
        "10.0.0.1:6379",
        "10.0.0.2:6380",
    ]
    assert ports_of(plan, ray_site())["n2"][6380] == "Ray of decode-0"


def test_a_cluster_over_hosts_has_one_head_and_nodes_that_join_it() -> None:
    (cluster,) = planned("ray-two-node").clusters

    head, joins = cluster.daemons
    assert (head.is_head, joins.is_head) == (True, False)
    assert {"--head", "--port=6379", "--node-ip-address=10.0.0.1"} <= set(head.argv)
    assert {"--address=10.0.0.1:6379", "--node-ip-address=10.0.0.2"} <= set(joins.argv)
    for daemon in cluster.daemons:
        usual = {"--block", "--num-gpus=2", "--num-cpus=4", "--disable-usage-stats"}
        assert {*usual, f"--object-store-memory={75 * 2**20}"} <= set(daemon.argv)
        assert daemon.environment["VLLM_HOST_IP"] == daemon.host.address
    assert len({word for d in cluster.daemons for word in d.argv if "--temp-dir" in word}) == 2


def test_what_ray_counts_itself_it_is_not_told() -> None:
    sizes: dict[str, Any] = {"gpus_per_host": None, "cpus_per_host": None, "object_store_mib": None}

    (cluster,) = planned("ray-two-node", **sizes).clusters

    assert not any(word.startswith(("--num", "--object")) for word in cluster.daemons[0].argv)


def test_workers_that_need_no_ray_get_no_cluster() -> None:
    plan = planned("tiny-vllm-kv")

    assert plan.clusters == ()
    assert [worker.spec.world for worker in plan.workers if worker.spec] == ["rendezvous"] * 3
    assert [worker.host.name for worker in plan.workers] == ["n1", "n2", "n3"]
    assert [name for name, _ in plan.origins] == ["frontend", "etcd", "nats"]


def test_clusters_of_others_are_taken_in_their_order_and_nothing_is_started() -> None:
    plan = planned("tiny-vllm-disagg", attach=("10.0.0.3:6379", "n4:6399"))

    assert [(c.address, c.head.name, c.daemons) for c in plan.clusters] == [
        ("10.0.0.3:6379", "n3", ()),
        ("n4:6399", "n4", ()),
    ]
    assert [worker.host.name for worker in plan.workers] == ["n3", "n4"]
    assert plan.directories == ("/tmp/dynamo-acceptance-acc-x-t-g1",)  # noqa: S108 - never made


def test_a_real_engine_runs_on_the_head_of_its_cluster_and_is_told_where_that_is() -> None:
    plan = planned(
        "ray-two-node", engine="vllm", python="/opt/python3", versions={"dynamo": "1.6.1"}
    )

    (worker,) = plan.workers
    assert worker.host.name == "n1"
    assert worker.command.argv[:3] == ("/opt/python3", "-m", "dynamo.vllm")
    told = {*worker.command.argv, *worker.command.environment.values()}
    assert any("10.0.0.1:6379" in word for word in told)
    assert worker.command.environment["VLLM_HOST_IP"] == "10.0.0.1"
    assert worker.spec is None
    assert plan.frontend.argv[:3] == ("/opt/python3", "-m", "dynamo.frontend")
    # Hosts of somebody else have their own home and paths.
    assert not {"HOME", "PATH"} & set(plan.clusters[0].daemons[0].environment)


def test_an_engine_of_an_unknown_release_is_no_launch() -> None:
    with pytest.raises(LaunchError, match="which Dynamo release"):
        planned("ray-two-node", engine="vllm")


def test_too_few_clusters_of_others_are_refused(tmp_path: Path) -> None:
    loaded = load_topology(str(HERE / "topologies" / "tiny-vllm-disagg.yaml"))
    site = ray_site(attach=("10.0.0.1:6379",))
    run_id = "20260101-000000-abcd"
    ledger, ports = Ledger(tmp_path / "ledger.ndjson", run_id), PortLease("127.0.0.1")
    request = LaunchRequest(
        loaded, site, run_id, tmp_path, 1, "", ledger, ports, cancelled=lambda: False
    )

    with pytest.raises(LaunchError, match="names 1 clusters, tiny-vllm-disagg has 2 workers"):
        RayLauncher(tuple).prepare(request)


def test_a_token_is_nowhere_but_in_the_environment_of_its_own_cluster() -> None:
    plan = planned("tiny-vllm-disagg", tokens={"prefill-0": "geheim1", "decode-0": "geheim2"})

    for cluster, own, other in zip(plan.clusters, ("1", "2"), ("2", "1"), strict=True):
        for daemon in cluster.daemons:
            assert daemon.environment["RAY_AUTH_TOKEN"] == f"geheim{own}"
            assert not any("geheim" in word for word in daemon.argv)
        worker = next(each for each in plan.workers if each.plan.name == cluster.worker)
        assert worker.command.environment["RAY_AUTH_TOKEN"] == f"geheim{own}"
        assert f"geheim{other}" not in str(dict(worker.command.environment))
    assert "geheim" not in repr(plan.clusters)
    assert "each with a token of its own" in dict(plan.origins)["ray"]


@pytest.mark.parametrize(
    ("ray", "closed"), [("2.60.0", True), ("2.52.0", True), ("2.51.1", False), ("", False)]
)
def test_only_a_ray_that_knows_tokens_gets_one(ray: str, closed: bool) -> None:
    assert knows_tokens(HostVersions("n1", ray, "3.11.7")) is closed


def test_sockets_of_ray_fit_below_the_session_of_any_run() -> None:
    (cluster,) = planned("ray-two-node").clusters
    below = cluster.temp_dir.removeprefix(SESSIONS)

    assert len(f"{LONGEST_RUN}{below}/0{LONGEST_IN_SESSION}") <= SOCKET_CHARACTERS


def test_a_given_host_is_reached_by_the_sites_own_words() -> None:
    ray = RaySite(ssh=("ssh", "-l", "me"), addresses={"n9": "10.9.9.9"})

    host = given_host("n9", ray)

    assert host == Host("n9", "10.9.9.9", ("ssh", "-l", "me", "n9"), quoted=True)


def view(*nodes: RayNode, gpus: float) -> ClusterView:
    """What Ray says of a cluster."""
    return ClusterView("10.0.0.1:6379", nodes=nodes, gpus=gpus)


def node(index: int, *, alive: bool = True) -> RayNode:
    """One node with two GPUs."""
    return RayNode(f"id{index}", f"10.0.0.{index}", f"n{index}", alive, 2.0, 4.0)


WHOLE = view(node(1), node(2), gpus=4)


@pytest.mark.parametrize(
    ("seen", "lacks"),
    [
        (WHOLE, ""),
        (view(node(1), node(2), node(3, alive=False), gpus=4), ""),
        (view(node(1), gpus=2), "n2 not alive in it, 2 GPUs for 4 ranks"),
        (view(node(1), node(2, alive=False), gpus=2), "n2 not alive in it"),
        (view(node(1), node(2), gpus=3), "3 GPUs for 4 ranks"),
        (view(node(1), node(2), node(3), gpus=6), "6 GPUs for 4 ranks, 3 nodes, 2 are planned"),
        (ClusterView("10.0.0.1:6379", error="nobody answers"), "does not answer: nobody answers"),
    ],
)
def test_what_a_cluster_of_ours_lacks_is_told_in_numbers(seen: ClusterView, lacks: str) -> None:
    (cluster,) = planned("ray-two-node").clusters
    record = replace(record_of(cluster, "python", {}, ()), before=seen)

    told = shortfall(record, cluster)

    assert (lacks in told) if lacks else (told == "")


def test_a_cluster_of_others_may_be_larger_than_its_worker_needs() -> None:
    cluster = PlannedCluster("w", HOSTS[:2], "10.0.0.1:6379", 4, "")
    larger = view(node(1), node(2), node(3), gpus=8)
    record = replace(record_of(cluster, "python", {}, ()), before=larger)

    assert shortfall(record, cluster) == ""


def test_a_cluster_of_others_may_be_on_another_network_of_the_same_hosts() -> None:
    cluster = PlannedCluster("w", HOSTS[:2], "10.0.0.1:6379", 4, "")
    other = view(*(replace(node(index), address=f"192.168.0.{index}") for index in (1, 2)), gpus=4)
    record = replace(record_of(cluster, "python", {}, ()), before=other)

    assert shortfall(record, cluster) == ""


@pytest.mark.parametrize(
    ("before", "lost"), [(WHOLE, ["n2"]), (view(node(1), gpus=2), [])], ids=["lost", "never there"]
)
def test_a_host_that_never_joined_is_not_lost(
    before: ClusterView, lost: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray_look, "look", lambda *_: ())
    monkeypatch.setattr(ray_look, "cluster_view", lambda *_: view(node(1), gpus=2))
    (cluster,) = planned("ray-two-node").clusters
    record = replace(record_of(cluster, "python", {}, ()), before=before)
    naming = Naming("acc-x", "acc-x-t-g1", Path("/lustre/x"), "python")
    eyes = ray_look.HostLook(ray_site(), naming, HOSTS[:2], {}, ())

    assert [each.node for each in eyes.lost_nodes([record], {})] == lost


def started(topology: str, fault: str = "") -> list[tuple[tuple[str, ...], dict[str, str]]]:
    """What the daemons of all clusters are started with."""
    clusters = planned(topology, fault=fault).clusters
    return [(each.argv, dict(each.environment)) for c in clusters for each in c.daemons]


def test_each_fault_of_ray_changes_what_is_started() -> None:
    in_start = RAY_FAULTS - {"loses_a_ray_node"}
    small = {"joins_one_cluster_for_two_workers"}

    alike = [n for n in in_start - small if started("ray-two-node", n) == started("ray-two-node")]
    alike += [n for n in small if started("tiny-vllm-disagg", n) == started("tiny-vllm-disagg")]

    assert alike == []


def test_faults_that_ray_cannot_show_say_why() -> None:
    site, mock = ray_site(), load_site(QUICK_SITE)

    assert all(why_not_rehearsed(name, site) == "" for name in RAY_FAULTS)
    assert all("--site ray-local" in why_not_rehearsed(name, mock) for name in RAY_FAULTS)
    assert "Ray gives each rank its place" in why_not_rehearsed("loses_a_rank", site)
    assert "proxy" in why_not_rehearsed("drops_the_role", site)
    assert why_not_rehearsed("leaves_a_child_behind", site) == ""
    assert why_not_rehearsed("keeps_a_port_open", site) == ""
