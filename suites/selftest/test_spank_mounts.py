"""Passing means: mounts of a step on a mini cluster are what they would be with Pyxis."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.minislurm.cluster import Cluster

from .slurm_clusters import on_node
from .spank_rig import SPANK_LINE, cluster, image, pyxis_lines, shell, source, srun

__all__ = ["cluster", "image", "source"]
pytestmark = pytest.mark.selftest


@pytest.mark.parametrize(
    "target", ["/workspace", "/opt/models/deep", "/mnt", "/etc/new", "/usr/x/"]
)
def test_a_mount_appears_inside_and_nowhere_else(
    cluster: Cluster, image: Path, source: Path, target: str
) -> None:
    before = {path: sorted(Path(path).iterdir()) for path in ("/", "/opt", "/mnt", "/etc", "/usr")}
    script = shell(f"cat {target}/file; echo more >{target}/new; ls /etc/passwd /usr/bin/env")

    done = srun(
        cluster, "--container-image", image, "--container-mounts", f"{source}:{target}", *script
    )

    assert done.stdout == "content\n/etc/passwd\n/usr/bin/env\n", done.stderr
    assert (source / "new").read_text() == "more\n"
    after = {path: sorted(Path(path).iterdir()) for path in before}
    assert after == before
    assert "file" not in on_node(cluster, "gb01", "ls", "/mnt")


def test_a_mount_may_be_read_only(cluster: Cluster, image: Path, source: Path) -> None:
    mounts = f"{source}:/data:ro,{source}:/same:rw"
    script = shell("cat /data/file; touch /data/new; touch /same/other")

    done = srun(cluster, "--container-image", image, "--container-mounts", mounts, *script)

    assert done.stdout == "content\n"
    assert "Read-only file system" in done.stderr
    assert sorted(path.name for path in source.iterdir()) == ["file", "other"]


def test_a_file_can_be_mounted(cluster: Cluster, image: Path, source: Path) -> None:
    mounts = f"{source}/file:/etc/from-outside"

    done = srun(
        cluster,
        *("--container-image", image, "--container-mounts", mounts),
        *("cat", "/etc/from-outside"),
    )

    assert done.stdout == "content\n", done.stderr
    assert not Path("/etc/from-outside").exists()


def test_tmpfs_and_umount_are_sources(cluster: Cluster, image: Path) -> None:
    script = shell("touch /mnt/scratch; grep -c ' /mnt tmpfs ' /proc/mounts; ls /dev/shm")

    done = srun(
        cluster,
        *("--container-image", image, "--container-mounts", "tmpfs:/mnt,umount:/dev/shm"),
        *script,
    )

    assert done.stdout.split()[0] == "1", done.stderr
    assert not Path("/mnt/scratch").exists()


def test_memory_is_that_of_the_node(cluster: Cluster, image: Path) -> None:
    srun(cluster, "-w", "gb02", "--container-image", image, "touch", "/dev/shm/moe_1")  # noqa: S108

    assert on_node(cluster, "gb02", "ls", "/dev/shm") == "moe_1"  # noqa: S108
    on_node(cluster, "gb02", "rm", "/dev/shm/moe_1")  # noqa: S108


def test_a_source_that_is_not_there_is_refused(cluster: Cluster, image: Path) -> None:
    options = ("--container-image", image, "--container-mounts", "/nope:/x")

    done = srun(cluster, "-n3", *options, "true")

    assert done.returncode == 1
    assert pyxis_lines(done)[:2] == [
        "--container-mounts: source path does not exist: /nope",
        "couldn't create enroot start configuration script",
    ]
    assert SPANK_LINE in done.stderr
    assert "Failed to invoke spank plugin stack" in done.stderr


@pytest.mark.parametrize(
    "mounts", ["name:/x", "/one", "/one:", ":/x", "/one:two", "/one:/x:ro:more", "/a:/b,", "a:b,c"]
)
def test_a_mount_of_bad_form_stops_srun(cluster: Cluster, image: Path, mounts: str) -> None:
    done = srun(cluster, "--container-image", image, "--container-mounts", mounts, "true")

    assert done.returncode == 255
    assert pyxis_lines(done)[0] == f"--container-mounts: invalid format: {mounts}"


def test_a_mount_source_of_bad_form_is_explained(cluster: Cluster) -> None:
    done = srun(cluster, "--container-mounts", "name:/x", "true")

    assert done.returncode == 255
    assert pyxis_lines(done)[1] == (
        "--container-mounts: mount source must be a relative path, an absolute path, "
        '"tmpfs" or "umount"'
    )


def test_mounts_without_a_container_are_ignored_and_the_step_runs_bare(
    cluster: Cluster, source: Path
) -> None:
    done = srun(cluster, "--container-mounts", f"{source}:/workspace", "ls", "/workspace")
    bare = srun(cluster, "--container-mounts", f"{source}:/workspace", "hostname")

    assert done.returncode != 0
    assert (bare.returncode, bare.stdout) == (0, "gb01\n")
    assert pyxis_lines(bare) == [
        "ignoring --container-mounts because neither --container-image nor --container-name is set"
    ]


# ---- names, and the rest ----
