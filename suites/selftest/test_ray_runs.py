"""Passing means: an honest deployment is accepted over real Ray, on clusters that we start and on
those of others, and what cannot work is held back before anything starts.

What is judged is what mock mode judges, and on top what Ray alone can tell. Several clusters at
once, and workers that need none, are in the profile `hopper`, which CI runs at the site ray-local.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from fixtures.launchers.host_process import HostProcess, stop
from fixtures.launchers.ray_clusters import STARTED, said
from fixtures.ledger import Ledger
from fixtures.model.hosts import Host

from .ray_rig import LIVE, TWO_NODES, Rig, findings_of, rig
from .test_interrupts import wait_for

pytestmark = pytest.mark.selftest

FINE = {"pass", "not-applicable"}
START_S = 60.0


@pytest.fixture(scope="module")
def shared() -> Iterator[Rig]:
    """Two hosts."""
    with rig(hosts=2) as found:
        yield found


@contextmanager
def cluster_of_others(hosts: tuple[Host, ...], tmp_path: Path) -> Iterator[list[HostProcess]]:
    """A Ray cluster that was there before the run, as its user started it."""
    # Sockets need a short path, which those of pytest are not.
    directory = tempfile.mkdtemp(prefix="others-")
    ledger = Ledger(tmp_path / "others" / "ledger.ndjson", "others-of-selftest")
    daemons: list[HostProcess] = []
    usual: tuple[str, ...] = ("--block", "--num-gpus=2", "--num-cpus=2", "--disable-usage-stats")
    usual += ("--object-store-memory=78643200",)
    try:
        for index, host in enumerate(hosts):
            own: tuple[str, ...] = (f"--address={hosts[0].address}:6390",)
            if index == 0:
                own = ("--head", "--port=6390", "--include-dashboard=false")
            root = (f"--temp-dir={directory}/{index}", f"--node-ip-address={host.address}")
            words = (sys.executable, "-m", "ray.scripts.scripts", "start", *usual, *own, *root)
            process = HostProcess.start(
                host,
                f"others-{host.name}",
                words,
                environment={"VLLM_HOST_IP": host.address},
                cwd="/",
                mark=f"SELFTEST_OTHERS={host.name}",
                ledger=ledger,
                log_path=tmp_path / "others" / f"{host.name}.log",
                python=sys.executable,
            )
            daemons.append(process)
            wait_for(f"Ray on {host.name}", lambda one=process: STARTED in said(one), START_S)
        yield daemons
    finally:
        stop(daemons, term_s=0, kill_s=5)
        shutil.rmtree(directory, ignore_errors=True)


def test_a_worker_over_two_hosts_is_accepted_and_leaves_nothing(
    shared: Rig, tmp_path: Path
) -> None:
    run = shared.run(tmp_path, *LIVE, site=shared.site())

    judged = {id_: v for id_, v in run.verdicts(TWO_NODES.stem).items() if v != "unverified"}
    assert set(judged.values()) <= FINE, run.output
    assert {judged[id_] for id_ in ("PLC-001", "RNK-002", "CT-01", "SHD-008")} == {"pass"}
    assert run.exit_code == 0, run.output
    assert shared.left_by(run.run_dir) == []


def test_a_cluster_of_others_is_used_and_left_as_it_was(shared: Rig, tmp_path: Path) -> None:
    hosts = shared.hosts.hosts[:2]
    few = ("suites/preflight", "suites/launch", "suites/shutdown")
    with cluster_of_others(hosts, tmp_path) as daemons:
        site = shared.site("attached", f'attach: ["{hosts[0].address}:6390"]')
        run = shared.run(tmp_path / "runs", *LIVE, *few, site=site)

        verdicts = run.verdicts(TWO_NODES.stem)
        assert {verdicts[id_] for id_ in ("PLC-001", "RCL-001", "RCL-003", "RCL-004")} == {"pass"}
        assert run.with_verdict(TWO_NODES.stem, "fail") == set(), run.output
        assert [each.poll() for each in daemons] == [None, None]
        assert shared.left_by(run.run_dir, ports=False) == []


def test_what_cannot_work_is_held_back_before_anything_starts(shared: Rig, tmp_path: Path) -> None:
    first = {"h01": "10.89.0.1"}
    sites = {
        "PRE-007": shared.site("silent", addresses=first | {"h09": "10.89.0.9"}),
        "PRE-018": shared.site("strange", addresses=first | {"h02": "10.89.0.77"}),
    }
    runs = {
        id_: shared.run(tmp_path / id_, "-m", "hopper", "suites/preflight", site=site)
        for id_, site in sites.items()
    }

    for id_, run in runs.items():
        assert run.with_verdict(TWO_NODES.stem, "fail") == {id_}, run.output
    told = {id_: findings_of(run, TWO_NODES.stem, id_) for id_, run in runs.items()}
    assert "h09: unknown host" in told["PRE-007"]
    assert "10.89.0.77 is an address of h02 / h02 has 10.89.0.2" in told["PRE-018"]
