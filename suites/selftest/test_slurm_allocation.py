"""Passing means: allocations are asked for, waited for and given back as clusters of many kinds do.

What a killed run leaves on the nodes of its allocation is removed with it.
"""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.clients.slurm import SlurmClient
from fixtures.clients.step_causes import cause_of
from fixtures.config.errors import ConfigError
from fixtures.config.load import CONFIGS_DIR, load_site, load_topology
from fixtures.config.site import OURS_OF_SALLOC
from fixtures.launchers.slurm_allocation import (
    NEVER,
    Allocation,
    given,
    obtain,
    release,
    tasks_per_node,
)
from fixtures.launchers.slurm_argv import salloc
from fixtures.ledger import Ledger
from fixtures.model.slurm import SlurmSite
from fixtures.services.base import wait_until

from .preflight_rig import login_client
from .runs import LIVE, TINY_DISAGG
from .slurm_rig import Rig, findings_of, red_and_errors, rig
from .test_ledger_nodes import held

pytestmark = pytest.mark.selftest

RUN = "20260101-000000-abcdef"
SITE = SlurmSite(time_limit="00:10:00", allocation_wait_s=60, call_s=10)
HANG_S = 45.0
FEW = (*LIVE, "suites/launch", "suites/shutdown")


@pytest.fixture(scope="module")
def shared() -> Iterator[Rig]:
    """Two nodes."""
    with rig() as found:
        yield found


@pytest.fixture
def client(shared: Rig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SlurmClient:
    """Commands that run on the login node, also those that the launcher starts itself."""
    made = login_client(shared.cluster, tmp_path)
    monkeypatch.setenv("PATH", made._environment["PATH"])
    return made


@contextlib.contextmanager
def configured(shared: Rig, before: str, after: str) -> Iterator[None]:
    """The cluster with one change to its configuration."""
    path = Path(shared.cluster.environment["SLURM_CONF"])
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))
    try:
        shared.ask("scontrol", "reconfigure")
        yield
    finally:
        path.write_text(text)
        shared.ask("scontrol", "reconfigure")


def asked(client: SlurmClient, directory: Path, ledger: Ledger, nodes: int = 2) -> Allocation:
    """A request as the launcher makes it."""
    log = directory / "logs" / "salloc.log"
    log.parent.mkdir(exist_ok=True)
    return obtain(
        *(SITE, f"acc-{RUN}", nodes, 4),
        ledger=ledger,
        log_path=log,
        client=client,
        cancelled=lambda: False,
    )


def test_the_largest_worker_decides_how_many_tasks_a_node_has() -> None:
    topologies = [load_topology(TINY_DISAGG), load_topology("deepseek-r1-wide-ep-agg")]
    site = replace(SITE, allocation_options=("--exclusive", "--mem=0"))

    words = salloc(site, "x", 4, tasks_per_node(topologies))

    assert "--ntasks-per-node=4" in words
    assert words[-2:] == ("--exclusive", "--mem=0")


def site_with(directory: Path, option: str) -> Path:
    """A site file whose allocation has one more option."""
    text = (CONFIGS_DIR / "sites" / "minislurm.yaml").read_text()
    head, found, tail = text.partition("  allocation:\n")
    assert found
    path = directory / "site.yaml"
    path.write_text(f"{head}{found}    options: [{json.dumps(option)}]\n{tail}")
    return path


@pytest.mark.parametrize("name", sorted(OURS_OF_SALLOC))
def test_an_option_of_salloc_that_the_launcher_sets_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=f"allocation.options cannot hold --{name}") as caught:
        load_site(site_with(tmp_path, f"--{name}=x"))

    assert caught.value.problems[0].fix == OURS_OF_SALLOC[name]


@pytest.mark.parametrize("option", ["-N4", "bash", "--", "--part=x"])
def test_no_way_of_writing_an_option_of_salloc_gets_past(option: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"site\.yaml:\d+:15: "):
        load_site(site_with(tmp_path, option))


@pytest.mark.parametrize(
    "option",
    ["--exclusive", "--mem=0", "--constraint=a|b", "--exclude=n1", "--segment=4", "--nodelist=n2"],
)
def test_other_options_of_salloc_are_taken(option: str, tmp_path: Path) -> None:
    site = load_site(site_with(tmp_path, option))

    assert site.slurm is not None
    assert site.slurm.allocation_options == (option,)


@pytest.mark.parametrize(
    ("reason", "final"),
    [
        *((each, True) for each in ("PartitionNodeLimit", "PartitionTimeLimit", "BadConstraints")),
        *((each, True) for each in ("QOSMaxNodePerJobLimit", "AssocMaxWallDurationPerJobLimit")),
        *((each, False) for each in ("Resources", "Priority", "ReqNodeNotAvail", "JobHeldUser")),
        *((each, False) for each in ("AssocGrpNodeLimit", "QOSMaxJobsPerUserLimit", "")),
        ("Nodes required for job are DOWN, DRAINED or reserved for jobs", False),
    ],
)
def test_only_what_the_request_itself_causes_is_final(reason: str, final: bool) -> None:
    assert bool(NEVER.fullmatch(reason)) is final


def test_a_request_that_can_never_be_granted_is_given_up(
    shared: Rig, client: SlurmClient, tmp_path: Path
) -> None:
    ledger = Ledger(tmp_path / "ledger.ndjson", RUN)
    shared.ask("scontrol", "update", "partitionname=batch", "maxnodes=1")
    started = time.monotonic()
    try:
        found = asked(client, tmp_path, ledger)
    finally:
        shared.ask("scontrol", "update", "partitionname=batch", "maxnodes=unlimited")

    assert time.monotonic() - started < HANG_S
    assert found.job_id == ""
    assert found.call is not None
    assert "PENDING (PartitionNodeLimit), which no waiting changes" in cause_of(found.call)
    assert "did not end" not in cause_of(found.call)
    assert Ledger.open_entries(ledger.path) == []


def test_an_epilog_that_takes_long_holds_nobody_up(
    shared: Rig, client: SlurmClient, tmp_path: Path
) -> None:
    script = tmp_path / "epilog.sh"
    script.write_text("#!/bin/sh\nsleep 12\n")
    script.chmod(0o755)
    ledger = Ledger(tmp_path / "ledger.ndjson", RUN)
    with configured(shared, "MinJobAge=3600", f"MinJobAge=3600\nEpilog={script}"):
        found = asked(client, tmp_path, ledger)

        assert found.job_id
        assert release(found, client, ledger, 10) == ""
        asking = ("squeue", "-h", "-t", "all", "-j", found.job_id, "-o", "%T")
        state = shared.ask(*asking)
        # An epilog that vanishes while it runs drains its node.
        assert wait_until(lambda: shared.ask(*asking) != "COMPLETING", HANG_S)

    assert state == "COMPLETING"
    assert Ledger.open_entries(ledger.path) == []


def test_a_given_job_that_is_on_its_way_is_waited_for(shared: Rig, client: SlurmClient) -> None:
    words = ("--parsable", "-N2", "--begin=now+2", "-o", "/dev/null", "--wrap=sleep 60")
    job_id = shared.ask("sbatch", *words)
    try:
        assert given(replace(SITE, job_id=job_id), client, lambda: False) is not None
        job, _ = client.job(job_id)
    finally:
        shared.ask("scancel", job_id)

    assert job is not None
    assert job.state == "RUNNING"


def test_a_given_job_is_not_waited_for_for_ever(shared: Rig, client: SlurmClient) -> None:
    job_id = shared.ask("sbatch", "--parsable", "--begin=now+1hour", "--wrap=true")
    try:
        found = given(replace(SITE, job_id=job_id, allocation_wait_s=0.5), client, lambda: False)
        stopped = given(replace(SITE, job_id=job_id), client, lambda: True)
    finally:
        shared.ask("scancel", job_id)

    assert found == stopped == Allocation(job_id, owned=False)


def test_a_cluster_that_gives_single_cores_is_asked_for_enough(shared: Rig, tmp_path: Path) -> None:
    with configured(shared, "OverSubscribe=EXCLUSIVE", "OverSubscribe=NO"):
        run = shared.run(tmp_path, *FEW)

    assert red_and_errors(run) == (set(), set()), run.output
    assert shared.left_by(run.run_dir) == []


def test_a_given_allocation_of_single_cores_is_refused_before_the_launch(
    shared: Rig, tmp_path: Path
) -> None:
    with (
        configured(shared, "OverSubscribe=EXCLUSIVE", "OverSubscribe=NO"),
        shared.allocation(2) as job_id,
    ):
        run = shared.run(tmp_path, *LIVE, environment={"SLURM_JOB_ID": job_id})

    assert "PRE-007" in red_and_errors(run)[0], run.output
    told = findings_of(run, "PRE-007")
    assert "More processors requested than permitted" in told
    assert "--exclusive" in told


@pytest.mark.parametrize("owned", [True, False], ids=["own", "given"])
def test_reap_removes_what_a_run_left_on_the_nodes(
    owned: bool, shared: Rig, tmp_path: Path
) -> None:
    with contextlib.ExitStack() as stack:
        environment = {}
        if not owned:
            environment = {"SLURM_JOB_ID": stack.enter_context(shared.allocation(2))}
        wanted = (*FEW, "--keep-running", "--fault=leaves_shared_memory_behind")
        run = shared.run(tmp_path, *wanted, environment=environment)
        assert run.run_dir is not None
        run_id = run.run_dir.name.replace(".", "-")
        assert any(run_id in name for name in shared.shared_memory())

        said = shared.reap(run.run_dir)

        assert shared.left_by(run.run_dir) == [], said
        assert re.search(r"removed: shared memory moe_shared_\S+ on gb0[12]", said)
        assert "nothing is left" in said
        assert shared.reap(run.run_dir).strip() == "nothing is left"


def test_reap_says_which_nodes_nobody_looked_at(shared: Rig, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / RUN / "ledger.ndjson", RUN)
    conf = shared.cluster.environment["SLURM_CONF"]
    ledger.nodes(f"acc-{RUN}", replace(held(), job_id="4711", conf=conf))

    done = shared._reap(tmp_path / RUN)

    assert done.returncode == 1
    assert "survivors: nodes not looked at: gb01, gb02: job 4711 is gone" in done.stdout
    assert "nothing is left" not in done.stdout
