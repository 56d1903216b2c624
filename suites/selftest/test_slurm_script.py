"""Passing means: every word of the script of --dry-run is one word, whatever it holds.

No Slurm is needed: programs that only write down how they were called stand in for it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from fixtures.config.errors import ConfigError
from fixtures.config.load import load_site, load_topology
from fixtures.config.paths import names_of
from fixtures.dryrun import DryRunError, dry_run
from fixtures.due import why_not_launched
from fixtures.launchers.slurm_script import script
from fixtures.model.topology import Site, Topology
from fixtures.settings import resolve

from .runs import ROOT, TINY_DISAGG
from .slurm_rig import QUICK_SLURM, login_environment

pytestmark = pytest.mark.selftest

DEADLINE_S = 60.0
BASH = shutil.which("bash") or "/bin/bash"
HOSTILE = {
    "quotes": """it's "so" `id`""",
    "substitution": "$(touch pwned) ${HOME} $$ \\$x \\\\",
    "lines": "one\ntwo \t three",
    "globs": "* ? [a-z] ~ ! #no; && | > < ( )",
    "tokens": "@job@ @run@ @node0@ @work@ EOF SPEC\nSPEC\n",
}
TIGHT = {
    "quotes": """it's"so"`id`""",
    "substitution": "$(touch${IFS}pwned)${HOME}$$\\$x\\\\",
    "operators": "#no;&&|><(){}~!^%",
    "tokens": "@job@@run@@node0@@work@EOF",
}
"""The same for real workers, whose own launch script would split a word at a blank."""
TAGS = ("", ":1.6.1", ":0.4.1")
COMMANDS = ("srun", "salloc", "squeue", "scontrol", "scancel")
CALLED = """\
import json, os, pathlib, sys
name, words = pathlib.Path(sys.argv[0]).name, sys.argv[1:]
said = pathlib.Path(os.environ["CALLS"])
with open(said / "calls.ndjson", "a") as file:
    file.write(json.dumps({"argv": [name, *words], "environment": dict(os.environ)}) + "\\n")
if name == "srun":
    print("0: head: frontend starts")
elif name == "salloc":
    print("salloc: Granted job allocation 7", file=sys.stderr)
elif name == "squeue":
    print("list-of-nodes" if "%N" in words else "")
elif words[:2] == ["show", "hostnames"]:
    print("gb01", "gb02", sep="\\n")
elif "node" in words:
    print(f"NodeName={words[-1]} NodeAddr=127.0.0.{words[-1][-1]} NodeHostName=x")
"""


@dataclass(frozen=True, slots=True)
class Call:
    """One program as the script has called it."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]


def calls(text: str, directory: Path, **more: str) -> list[Call]:
    """Run a script with programs that write down their words; returns the calls of srun."""
    for name in COMMANDS:
        (directory / name).write_text(f"#!{sys.executable}\n{CALLED}")
        (directory / name).chmod(0o755)
    (directory / "launch.sh").write_text(text)
    path = f"{directory}:{os.environ['PATH']}"
    subprocess.run(
        [BASH, str(directory / "launch.sh")],
        cwd=directory,
        env={
            **login_environment(),
            "CALLS": str(directory),
            "ACCEPTANCE_RUN": "r1",
            "PATH": path,
            **more,
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=DEADLINE_S,
        check=False,
    )
    lines = (directory / "calls.ndjson").read_text().splitlines()
    made = [Call(tuple(each["argv"]), each["environment"]) for each in map(json.loads, lines)]
    return [call for call in made if call.argv[0] == "srun"]


def simulated() -> tuple[Topology, Site]:
    """The small topology of the selftests, with simulated engines."""
    return load_topology(str(TINY_DISAGG)), load_site(QUICK_SLURM)


def real() -> tuple[Topology, Site]:
    """A topology with its real engine, at a site that has filled in its image."""
    site = load_site("slurm")
    assert site.slurm is not None
    slurm = replace(
        site.slurm,
        image="/images/dynamo.sqsh",
        mounts=("/data:/data",),
        versions={"dynamo": "1.6.1"},
    )
    return load_topology("deepseek-r1-mtp-disagg"), replace(site, slurm=slurm)


@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_reaches_simulated_ranks_as_it_is(value: str, tmp_path: Path) -> None:
    topology, site = simulated()
    text = script(replace(topology, served_model_name=value), site, ())

    steps = calls(text, tmp_path)

    assert [len(call.argv) > 10 for call in steps] == [True] * 3
    for worker in ("prefill-0", "decode-0"):
        spec = json.loads((tmp_path / "dynamo-r1" / f"{worker}.json").read_text())
        assert spec["served_model_name"] == value
        assert spec["namespace"] == "acc-r1-tiny-disagg-g1"
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("value", TIGHT.values(), ids=TIGHT)
def test_a_hostile_name_reaches_a_real_worker_as_one_word(value: str, tmp_path: Path) -> None:
    topology, site = real()
    text = script(replace(topology, served_model_name=value), site, ("a line\nof the header",))

    workers = [call for call in calls(text, tmp_path) if "--served-model-name" in call.argv]

    assert len(workers) == sum(role.workers for role in topology.roles)
    for call in workers:
        assert call.argv[call.argv.index("--served-model-name") + 1] == value
    assert not (tmp_path / "pwned").exists()


def test_values_of_the_site_stay_one_word(tmp_path: Path) -> None:
    topology, site = real()
    assert site.slurm is not None
    path = "/model's/$(touch${IFS}pwned)"
    hostile = replace(
        site.slurm, model_path=path, mounts=("/a b:/c'd",), srun_options=("--comment=$(id) 'x'",)
    )

    steps = calls(script(topology, replace(site, slurm=hostile), ()), tmp_path)

    assert {path in call.argv for call in steps[1:]} == {True}
    assert {"--comment=$(id) 'x'" in call.argv for call in steps} == {True}
    mounts = [word for word in steps[0].argv if word.startswith("--container-mounts=")]
    assert mounts[0].startswith("--container-mounts=/a b:/c'd,")
    assert not (tmp_path / "pwned").exists()


def test_steps_of_the_script_are_those_of_the_launcher(tmp_path: Path) -> None:
    topology, site = simulated()
    run = f"acc-r1-{topology.name}-g1"

    head, *workers = calls(script(topology, site, ()), tmp_path)

    # They start side by side, so any of them may come first.
    workers.sort(key=lambda call: call.argv[2], reverse=True)
    assert [call.argv[2] for call in (head, *workers)] == [
        f"--job-name={run}-frontend",
        f"--job-name={run}-prefill-0",
        f"--job-name={run}-decode-0",
    ]
    assert {call.argv[1] for call in (head, *workers)} == {"--jobid=7"}
    assert [call.argv[3] for call in (head, *workers)] == [
        *("--nodelist=gb01", "--nodelist=gb01", "--nodelist=gb02")
    ]
    assert workers[1].environment["DYN_TCP_RPC_HOST"] == "127.0.0.2"
    assert workers[1].environment["ETCD_ENDPOINTS"] == "http://127.0.0.1:2379"


def test_variables_of_a_job_do_not_become_options_of_its_steps(tmp_path: Path) -> None:
    topology, site = simulated()
    job = {"SLURM_JOB_ID": "42", "SLURM_NTASKS": "99", "SLURM_CONF": "/etc/x.conf"}

    steps = calls(script(topology, site, ()), tmp_path, **job)

    assert {call.argv[1] for call in steps} == {"--jobid=42"}
    left = [name for name in steps[0].environment if name.startswith(("SLURM_", "SBATCH_"))]
    assert left == ["SLURM_CONF"]


SLURM = load_site("slurm")
LAUNCHED = [n for n in names_of("topology") if not why_not_launched(load_topology(n), SLURM)]


def script_of(name: str, site: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The script for a shipped topology, with an image of a release that suits it."""
    problem: Exception = DryRunError()
    for tag in TAGS:
        monkeypatch.setenv("IMAGE", f"registry#team/dynamo{tag}")
        try:
            return dry_run(
                resolve(site=site, topologies=[name], mark_expression="", fault="", runs_dir=None)
            )
        except (ConfigError, DryRunError) as error:
            problem = error
    raise problem


@pytest.mark.parametrize("site", ["minislurm", "slurm"])
@pytest.mark.parametrize("name", LAUNCHED)
def test_every_shipped_topology_gives_a_script_that_bash_reads(
    name: str, site: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("SLURM_JOB_ID", "SLURM_CONF"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("MOUNTS", "/data:/data")

    text = script_of(name, site, monkeypatch)

    read = [BASH, "-n"]
    done = subprocess.run(
        read, input=text, text=True, capture_output=True, timeout=DEADLINE_S, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_dry_run_starts_nothing_and_writes_nothing(tmp_path: Path) -> None:
    for name in COMMANDS:
        (tmp_path / name).write_text("#!/bin/sh\ntouch called\n")
        (tmp_path / name).chmod(0o755)
    runs_dir = tmp_path / "runs"
    before = sorted(tmp_path.iterdir())
    where = (f"--site={QUICK_SLURM}", f"--topology={TINY_DISAGG}", f"--runs-dir={runs_dir}")

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *where, "--dry-run"],
        cwd=ROOT,
        env={**login_environment(), "PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("#!/usr/bin/env bash\n")
    assert sorted(tmp_path.iterdir()) == before
    assert not (ROOT / "called").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--site=mock",), "--dry-run is for Slurm and Kubernetes sites"),
        ((f"--site={QUICK_SLURM}", "-m", "gb200"), "needs exactly one topology"),
    ],
    ids=["no Slurm site", "many topologies"],
)
def test_what_cannot_be_printed_is_a_usage_error(arguments: tuple[str, ...], said: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--dry-run", *arguments],
        cwd=ROOT,
        env=login_environment(),
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )

    assert done.returncode == 4
    assert said in done.stderr
    assert done.stdout == ""
