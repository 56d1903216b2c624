"""A preflight on a mini cluster, as the launcher makes it, in an allocation of its own."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.clients.slurm import SlurmClient
from fixtures.config.load import load_topology
from fixtures.judges.preflight import JUDGES, NothingToJudge, NotSeen, first_failure
from fixtures.launchers.slurm_argv import Container
from fixtures.launchers.slurm_preflight import PreflightInputs, PreflightRecord, gather
from fixtures.minislurm.cluster import Cluster
from fixtures.minislurm.missing import missing_for_mpi
from fixtures.model.slurm import PreflightLimits, SlurmSite

from .slurm_clusters import DEADLINE_S, on_login

CALL_S = 5.0
LIMITS = PreflightLimits(
    min_time_left_s=300, min_shm_mib=16, min_open_files=256, need_unlimited_locked_memory=False
)
SITE = SlurmSite(call_s=CALL_S, preflight=LIMITS, mpi="pmi2" if missing_for_mpi() else "pmix")


COMMANDS = ("salloc", "sbatch", "scancel", "scontrol", "sinfo", "squeue", "srun")


def need(missing: Sequence[str]) -> None:
    """Skip and say what is missing; fail where REQUIRE_SLURM=1."""
    if missing:
        say = pytest.fail if os.environ.get("REQUIRE_SLURM") == "1" else pytest.skip
        say("; ".join(missing))


def login_client(
    cluster: Cluster,
    directory: Path,
    *,
    path: str = "",
    before: Sequence[str] = (),
    call_s: float = CALL_S,
) -> SlurmClient:
    """A client whose commands run on the login node.

    `path` comes first on the PATH of the commands and of their steps; `before` is what every
    command starts with.
    """
    wrapped = directory / "wrapped"
    wrapped.mkdir(parents=True)
    for name in COMMANDS:
        real = shutil.which(name)
        assert real is not None
        words = shlex.join(cluster.on_login([*before, real]))
        (wrapped / name).write_text(f'#!/bin/sh\nexec {words} "$@"\n')
        (wrapped / name).chmod(0o755)
    places = [*([path] if path else []), str(wrapped), os.environ["PATH"]]
    return SlurmClient({**os.environ, "PATH": ":".join(places)}, call_s)


@dataclass(frozen=True, slots=True)
class Bench:
    """A cluster with an allocation of all its nodes."""

    cluster: Cluster
    job_id: str
    client: SlurmClient

    @property
    def inputs(self) -> PreflightInputs:
        """What the launcher would say for a worker over four nodes."""
        topology = load_topology("deepseek-r1-wide-ep-agg")
        nodes = self.cluster.nodes[: topology.nodes_needed]
        return PreflightInputs(
            topology=topology,
            site=SITE,
            client=self.client,
            user="root",
            run_name="acc-selftest",
            job_id=self.job_id,
            owned=True,
            allocation_call=None,
            wanted_nodes=len(nodes),
            nodes=nodes,
            head_node=nodes[0],
            head_address=self.cluster.address(nodes[0]),
            probe_python=sys.executable,
        )

    def contained(self, directory: Path, **changes: Any) -> PreflightInputs:
        """The same with workers in a container that sees `directory` as /mnt."""
        image = directory / "image.sqsh"
        if not image.exists():
            image.write_text("#!minislurm-image\nIN_IMAGE=1\n")
            (directory / "model").mkdir()
            (directory / "model" / "config.json").write_text("{}")
            (directory / "engine.yaml").write_text("{}")
        container = Container(str(image), (f"{directory}:/mnt",))
        inputs = replace(
            self.inputs,
            site=replace(SITE, runtime="pyxis"),
            container=container,
            container_python=sys.executable,
            model_path="/mnt/model",
            engine_configs=("/mnt/engine.yaml",),
            container_s=CALL_S,
        )
        return replace(inputs, **changes)

    def gather(self, **changes: Any) -> PreflightRecord:
        """The record of a look with these changes."""
        return gather(replace(self.inputs, **changes))


def verdicts(record: PreflightRecord) -> dict[str, str]:
    """Each requirement with pass, fail, idle or unseen."""
    said = {}
    for id_, each in JUDGES.items():
        try:
            said[id_] = "fail" if each.judge(record) else "pass"
        except NothingToJudge:
            said[id_] = "idle"
        except NotSeen:
            said[id_] = "unseen"
    return said


def first_of(record: PreflightRecord) -> tuple[str, str]:
    """The first requirement that holds the launch back, and what was found."""
    failure = first_failure(record)
    assert failure is not None, verdicts(record)
    return failure[0], failure[1].actual


@contextlib.contextmanager
def allocation(cluster: Cluster, *options: str, user: int = 0) -> Iterator[str]:
    """A job on all nodes, gone afterwards."""
    name = f"bench-{os.urandom(4).hex()}"
    asked = ["salloc", "--no-shell", f"--job-name={name}", *options]
    if not any(each.startswith("--nodes") for each in options):
        asked.append(f"--nodes={len(cluster.nodes)}")
    if user:
        asked = ["setpriv", f"--reuid={user}", "--clear-groups", *asked]
    done = on_login(cluster, *asked)
    assert done.returncode == 0, done.stderr
    job_id = on_login(cluster, "squeue", "-h", "-n", name, "-o", "%i").stdout.strip()
    try:
        yield job_id
    finally:
        on_login(cluster, "scancel", job_id)
        wait_until_idle(cluster)


def wait_until_idle(cluster: Cluster) -> None:
    """Until no job holds a node any more, and every node can be had."""
    wanted = f"idle {len(cluster.nodes)}"
    deadline = time.monotonic() + DEADLINE_S
    while on_login(cluster, "sinfo", "-h", "-o", "%T %D").stdout.strip() != wanted:
        assert time.monotonic() < deadline, "the nodes do not become idle"
        time.sleep(0.05)
