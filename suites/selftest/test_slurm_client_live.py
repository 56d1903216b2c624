"""Passing means: the client sees what was done to a real Slurm, and ends only what it should.

Not covered: nodes that lose their power (recorded samples have them, they take half a minute).
"""

from __future__ import annotations

import shlex
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest

from fixtures.clients.hostlist import compress, expand
from fixtures.clients.slurm import SlurmClient
from fixtures.clients.slurm_parse import (
    allocation,
    launch_layout,
    says_no_such_job,
    seconds_setting,
    step_end,
)
from fixtures.minislurm.cluster import Cluster
from fixtures.model.slurm import JobView, StepLayout, StepView

from .slurm_clusters import DEADLINE_S, mini_cluster
from .test_slurm_client import PROGRAMS, STANDARD

pytestmark = pytest.mark.selftest

LISTS = (
    *("gb[01-03,07],login", "rack[1-2]node[01-02]", "a[1-2]b[3-4]c[5-6]", "gb[9-11]", "[1-3]"),
    *("a[1-2]b[1-2]c[1-2]d[1-2]", "gb[009-11],gb[1-03]", "gb[03,01-02],gb02", ",,a,,b", "gb[5-05]"),
)
NAMES = (
    *("gb01,gb02,gb03,gb07,login", "gb03,gb01,gb02", "gb8,gb9,gb10", "gb099,gb100", "a,b,a"),
    *("gb01,gb2,gb03", "gb01,gb01", "n1.dom,n2.dom", "rack1node01,rack1node02,rack2node01"),
    *("1,2,3", "a,a0,a1"),
)


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with mini_cluster(tmp_path_factory.mktemp("slurm"), nodes=3) as running:
        yield running


@pytest.fixture(scope="module")
def environment(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Slurm's programs by their usual names; each moves into the network of the cluster first."""
    directory = tmp_path_factory.mktemp("bin")
    for program in (*PROGRAMS, "salloc", "sbatch"):
        path, real = directory / program, shutil.which(program)
        # By its whole path: its name alone would find this script again.
        command = shlex.join(cluster.on_login([str(real)]))
        path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        path.chmod(0o755)
    return {"PATH": f"{directory}:{STANDARD}", **cluster.environment}


@pytest.fixture
def client(environment: dict[str, str]) -> SlurmClient:
    return SlurmClient(environment, DEADLINE_S)


@pytest.fixture
def job_id(client: SlurmClient) -> Iterator[str]:
    """An allocation of gb01 and gb02 for an hour, whose name is hard to read."""
    asked = client.run(
        ("salloc", "--no-shell", "-N2", "-w", "gb[01-02]", "-t", "1:00:00", "-J", "a | b")
    )
    answer = allocation(asked.stderr)
    assert answer.state == "granted", asked
    yield answer.job_id
    assert client.cancel_job(answer.job_id).ok
    wait_for(lambda: (job := client.job(answer.job_id)[0]) is not None and job.over)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def started(environment: dict[str, str], *argv: str) -> subprocess.Popen[str]:
    """A command that goes on while the test does."""
    return subprocess.Popen(
        list(argv),
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def own_steps(client: SlurmClient, job_id: str) -> list[StepView]:
    return [each for each in client.steps(job_id)[0] if not each.id.endswith(".extern")]


def test_the_controller_is_up(client: SlurmClient) -> None:
    up, asked = client.ping()

    assert (up, asked.ok, asked.problem) == (True, True, "")


def test_the_nodes_of_the_cluster(client: SlurmClient, cluster: Cluster) -> None:
    states, asked = client.nodes()

    assert asked.ok
    assert [(each.name, each.state, each.answers, each.gres) for each in states] == [
        (name, "idle", True, "gpu:4") for name in cluster.nodes
    ]
    assert {each.partitions for each in states} == {("batch",)}


def test_a_drained_node_and_its_reason(client: SlurmClient) -> None:
    reason = "bad cable | State=IDLE"
    update = ("scontrol", "update", "nodename=gb03")
    assert client.run((*update, "state=drain", f"reason={reason}")).ok
    try:
        states = {each.name: each for each in client.nodes()[0]}
        details, asked = client.node_details("gb03")
    finally:
        assert client.run((*update, "state=resume")).ok

    assert (states["gb03"].state, states["gb03"].reason) == ("drained", reason)
    assert states["gb01"].state == "idle"
    assert asked.ok
    assert details["State"] == "IDLE+DRAIN"
    assert details["Reason"].startswith(reason)
    assert details["NodeAddr"] == "10.88.0.3"
    assert client.node_details("gb77")[0] == {}


def test_an_allocation(client: SlurmClient, job_id: str) -> None:
    job, asked = client.job(job_id)

    assert asked.ok
    assert job is not None
    left = job.time_left_s
    assert job == JobView(
        job_id, "a | b", "root", "RUNNING", ("gb01", "gb02"), "", left, job.time_left
    )
    assert left is not None
    assert 0 < left <= 3600
    assert client.jobs_named("a | b")[0][-1].id == job_id
    assert client.jobs_named("a")[0] == ()


def test_a_job_that_nobody_knows(client: SlurmClient) -> None:
    job, asked = client.job("4711")

    assert job is None
    assert asked.exit_code == 1
    assert says_no_such_job(asked.stderr)


def test_an_array_that_runs_one_element_at_a_time(client: SlurmClient) -> None:
    batch = ("sbatch", "--parsable", "--array=0-3%1", "-N1", "-J", "arr", "-o", "/dev/null")
    job_id = client.run((*batch, "--wrap", "sleep 600")).stdout.strip()
    try:
        wait_for(lambda: any(each.state == "RUNNING" for each in client.jobs_named("arr")[0]))
        jobs = {each.id: each.state for each in client.jobs_named("arr")[0]}
        # The step of the batch script comes a moment after its job.
        wait_for(lambda: client.steps(job_id)[0] != ())
        steps = [each.id for each in client.steps(job_id)[0]]
    finally:
        assert client.cancel_job(job_id).ok
        wait_for(lambda: all(each.over for each in client.jobs_named("arr")[0]))

    assert jobs == {f"{job_id}_0": "RUNNING", f"{job_id}_[1-3%1]": "PENDING"}
    assert steps == [f"{job_id}_0.batch"]


def test_a_step_its_places_and_its_end(
    client: SlurmClient, environment: dict[str, str], job_id: str
) -> None:
    srun = ("srun", "--overlap", f"--jobid={job_id}", "-N2", "-n4", "-J", "w", "-l", "-v")
    with started(environment, *srun, "sleep", "600") as process:
        wait_for(lambda: bool(own_steps(client, job_id)))
        (step,) = own_steps(client, job_id)
        layout, asked = client.layout(step.id)
        # Until its tasks run, a signal to a step may find nobody.
        wait_for(lambda: client.layout(step.id)[0] is not None)
        wait_for(lambda: _ended(client, step.id, job_id, "KILL"))
        output, _ = process.communicate(timeout=DEADLINE_S)

    places = StepLayout(step.id, (("gb01", (0, 1)), ("gb02", (2, 3))))
    assert step == StepView(f"{job_id}.0", "w", ("gb01", "gb02"), "root", 4)
    assert asked.ok
    assert layout == launch_layout(output) == places
    end = step_end(output)
    assert end.step == step.id
    assert end.first is not None
    assert own_steps(client, job_id) == []
    assert client.layout(step.id)[0] is None


def _ended(client: SlurmClient, step_id: str, job_id: str, signal: str) -> bool:
    assert client.cancel_step(step_id, signal).ok
    return own_steps(client, job_id) == []


def test_only_the_step_that_is_meant_gets_the_signal(
    client: SlurmClient, environment: dict[str, str], job_id: str
) -> None:
    srun = ("srun", "--overlap", f"--jobid={job_id}", "-N1", "-w", "gb01")
    with (
        started(environment, *srun, "-J", "one", "sleep", "600") as one,
        started(environment, *srun, "-J", "two", "sleep", "600") as two,
    ):
        wait_for(lambda: len(own_steps(client, job_id)) == 2)
        ids = {each.name: each.id for each in own_steps(client, job_id)}
        wait_for(lambda: client.cancel_step(ids["one"], "TERM").ok and one.poll() is not None)
        left = own_steps(client, job_id)
        assert client.cancel_step(ids["two"]).ok
        one.communicate(timeout=DEADLINE_S)
        two.communicate(timeout=DEADLINE_S)

    assert [each.name for each in left] == ["two"]


@pytest.mark.parametrize(
    ("program", "code", "signal"),
    [("exit 7", 7, ""), ("kill -KILL $$", None, "SIGKILL"), ("exec /no/such/program", 127, "")],
)
def test_the_rank_that_failed_first(
    client: SlurmClient, job_id: str, program: str, code: int | None, signal: str
) -> None:
    script = f'[ "$SLURM_PROCID" = 2 ] || exec sleep 600; {program}'
    srun = ("srun", "--overlap", f"--jobid={job_id}", "-N2", "-n4", "-l", "--kill-on-bad-exit=1")

    ended = client.run((*srun, "sh", "-c", script))

    first = step_end(ended.stdout + ended.stderr).first
    assert first is not None
    assert (first.kind, first.node, first.ranks) == ("task", "gb02", (2,))
    assert (first.exit_code, first.signal) == (code, signal)


def test_a_step_that_outlives_its_deadline_is_gone_afterwards(
    client: SlurmClient, job_id: str
) -> None:
    srun = ("srun", "--overlap", f"--jobid={job_id}", "-N2", "-n4", "-J", "long")

    ended = client.run((*srun, "sleep", "600"), 3.0)

    assert ended.exit_code is None
    wait_for(lambda: own_steps(client, job_id) == [])


def test_lists_of_nodes_as_scontrol_reads_them(client: SlurmClient) -> None:
    for text in LISTS:
        nodes, asked = client.hostnames(text)
        assert asked.ok
        assert nodes == expand(text), text
    assert client.hostnames("gb[3-1]")[0] == ()


def test_lists_of_nodes_as_scontrol_writes_them(client: SlurmClient) -> None:
    for text in NAMES:
        written = client.run(("scontrol", "show", "hostlist", text)).stdout.strip()
        assert written == compress(text.split(",")), text
        assert client.hostnames(compress(text.split(",")))[0] == tuple(text.split(","))


def test_settings_and_release(client: SlurmClient) -> None:
    settings, asked = client.config()
    release, _ = client.version()

    assert asked.ok
    assert seconds_setting(settings, "KillWait") == 5
    assert seconds_setting(settings, "SlurmdTimeout") == 15
    assert settings["SLURM_VERSION"] == release


def test_what_srun_knows(client: SlurmClient) -> None:
    types, asked = client.mpi_types()

    assert asked.ok
    assert "none" in types
    assert client.srun_has_option("--overlap")[0] is True
    assert client.srun_has_option("--container-image")[0] is False


def test_srun_without_a_configuration_knows_nothing() -> None:
    client = SlurmClient({"PATH": STANDARD, "SLURM_CONF": "/nowhere/slurm.conf"}, 2.0)

    known, asked = client.srun_has_option("--overlap")

    assert (known, asked.ok) == (False, False)
