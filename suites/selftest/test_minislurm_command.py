"""Passing means: the command line starts, uses and stops a cluster, and says what is missing."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.minislurm import missing, plugin
from fixtures.minislurm.__main__ import main
from fixtures.minislurm.cluster import Cluster, MiniSlurmError, missing_requirements

from .slurm_clusters import need_slurm, ran

pytestmark = pytest.mark.selftest

PROGRAMS = ("slurmctld", "slurmd", "srun", "munged", "ip", "unshare", "nsenter")
ASK_AS_NOBODY = """
import os
from fixtures.minislurm.missing import missing_requirements
os.setgroups([])
os.setgid(65534)
os.setuid(65534)
print("\\n".join(missing_requirements()))
"""
ASK = "from fixtures.minislurm.missing import missing_requirements; print(missing_requirements())"


def command(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return ran([sys.executable, "-m", "fixtures.minislurm", *arguments], **more)


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    need_slurm()
    directory = tmp_path / "cluster"
    yield directory
    if (directory / "minislurm.json").exists():
        Cluster.discard(directory)


def test_a_cluster_is_started_used_and_stopped(directory: Path) -> None:
    up = command("up", str(directory), "--nodes", "2", "--no-containers")
    assert up.returncode == 0, up.stderr
    assert f"SLURM_CONF={directory}/etc/slurm.conf" in up.stdout
    assert f"python -m fixtures.minislurm down {directory}" in up.stdout

    step = command("exec", str(directory), "--", "srun", "-N2", "-l", "hostname")
    assert sorted(step.stdout.splitlines()) == ["0: gb01", "1: gb02"]
    assert command("exec", str(directory), "--", "sh", "-c", "exit 7").returncode == 7

    status = command("status", str(directory))
    assert status.returncode == 0
    assert "gb02 idle gpu:4 none" in status.stdout

    down = command("down", str(directory))
    assert (down.returncode, down.stdout) == (0, "nothing of the cluster is left\n")
    assert not directory.exists()


def test_no_cluster_is_a_plain_sentence(directory: Path) -> None:
    for words in (["down"], ["status"], ["exec", "--", "true"]):
        action, *rest = words
        done = command(action, str(directory), *rest)
        assert done.returncode == 1
        assert done.stderr == (
            f"minislurm: {directory} holds no cluster: there is no minislurm.json\n"
        )


def test_a_command_line_that_is_wrong_is_explained(directory: Path) -> None:
    assert "a command after `--`" in command("exec", str(directory)).stderr
    assert "only exec" in command("status", str(directory), "--", "true").stderr
    refused = command("up", str(directory), "--nodes", "0")
    assert (refused.returncode, refused.stderr) == (
        1,
        "minislurm: 0 nodes: a cluster has 1 to 250\n",
    )


def test_a_state_file_that_is_none_is_a_plain_sentence(tmp_path: Path) -> None:
    (tmp_path / "minislurm.json").write_text('{"outer": 3}')

    with pytest.raises(MiniSlurmError, match=r"minislurm\.json cannot be read"):
        Cluster.attach(tmp_path)


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_missing_program_is_named_with_its_package(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    for each in PROGRAMS:
        if each != program and (found := shutil.which(each)):
            (tmp_path / each).symlink_to(found)
    monkeypatch.setenv("PATH", str(tmp_path))

    mine = [line for line in missing_requirements() if line.startswith(f"{program} ")]

    assert len(mine) == 1
    assert "of the Debian package" in mine[0]
    assert str(tmp_path) in mine[0]


def test_the_check_lists_what_is_missing_and_fails(tmp_path: Path) -> None:
    done = command("check", PATH=str(tmp_path))

    assert done.returncode == 1
    assert "missing: slurmctld of the Debian package slurm-wlm is needed" in done.stdout
    refused = command("up", str(tmp_path / "cluster"), PATH=str(tmp_path))
    assert refused.returncode == 1
    assert refused.stderr.startswith("minislurm: a cluster cannot start here: slurmctld of the")


def test_the_check_is_content_where_a_cluster_can_start() -> None:
    need_slurm()
    done = command("check")

    assert done.returncode == 0
    assert "a cluster can start here" in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to become somebody else")
def test_a_user_without_rights_is_told_that_root_is_needed() -> None:
    done = ran([sys.executable, "-c", ASK_AS_NOBODY])

    assert "root is needed (CAP_SYS_ADMIN" in done.stdout, done.stderr
    assert "this is user 65534" in done.stdout


@pytest.mark.skipif(os.geteuid() != 0, reason="it takes root to lose a capability")
@pytest.mark.skipif(shutil.which("setpriv") is None, reason="setpriv of util-linux is not here")
def test_a_root_that_may_not_make_namespaces_is_told_so() -> None:
    need_slurm()
    caged = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    done = ran([*caged, sys.executable, "-c", ASK])

    assert "namespaces are needed (net, mount, uts, pid, ipc): unshare" in done.stdout, done.stderr
    assert "--privileged" in done.stdout


def test_without_a_compiler_there_are_no_container_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(plugin, "HEADER", tmp_path / "spank.h")

    assert not plugin.build(tmp_path / "plugin.so", os.environ)
    compiler, header = plugin.missing_for_plugin()
    assert "gcc of the Debian package gcc is needed" in compiler
    assert "spank.h of the Debian package libslurm-dev is needed" in header


def test_without_the_library_of_pmix_its_package_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    need_slurm()
    monkeypatch.setattr(missing, "PMIX_LIBRARY", "lib/*/nothing.so")

    assert main(["check"]) == 0

    wanted = "without --mpi=pmix: /usr/lib/*/nothing.so of the Debian package libpmix-dev is needed"
    assert wanted in capsys.readouterr().out


def test_a_source_that_does_not_compile_is_an_error_with_the_words_of_the_compiler(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need_slurm()
    if plugin.missing_for_plugin():
        pytest.skip("; ".join(plugin.missing_for_plugin()))
    source = tmp_path / "broken.c"
    source.write_text("int main(\n")
    monkeypatch.setattr(plugin, "SOURCE", source)

    with pytest.raises(MiniSlurmError, match=r"gcc cannot compile .*broken.c:\n(.|\n)*error:"):
        Cluster.start(tmp_path / "cluster")
    assert not (tmp_path / "cluster").exists()
