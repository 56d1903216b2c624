"""Passing means: srun on a mini cluster takes, refuses and does what it would with Pyxis."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from fixtures.minislurm.cluster import Cluster

from .slurm_clusters import on_login, on_node
from .spank_rig import SPANK_LINE, cluster, image, pyxis_lines, shell, source, srun

__all__ = ["cluster", "image", "source"]
pytestmark = pytest.mark.selftest


def test_the_help_names_every_option(cluster: Cluster) -> None:
    text = on_login(cluster, "srun", "--help").stdout

    assert cluster.container_options
    for option in ("image", "mounts", "name", "env", "workdir", "mount-home", "writable"):
        assert f"--container-{option}" in text
    assert "--no-container-mount-home" in text
    assert "--container-remap-root" in text


def test_other_commands_that_allocate_take_them_too(cluster: Cluster, image: Path) -> None:
    done = on_login(cluster, "salloc", "-N1", f"--container-image={image}", "true")

    assert done.returncode == 0, done.stderr


def test_a_step_without_options_is_bare(cluster: Cluster) -> None:
    done = srun(cluster, *shell("readlink /proc/self/ns/mnt"))

    assert done.stdout.strip() == on_node(cluster, "gb01", "readlink", "/proc/self/ns/mnt")


# ---- images ----


def test_the_image_wins_over_the_host_and_the_host_adds_the_rest(
    cluster: Cluster, image: Path
) -> None:
    script = shell('echo "$BAKED/$PLAIN/$ADDED/$(hostname)"')

    done = srun(cluster, "--container-image", image, *script, BAKED="host", ADDED="from the host")

    assert done.stdout == "from the image/image/from the host/gb01\n"


def test_an_image_that_is_not_there_is_refused(cluster: Cluster) -> None:
    done = srun(cluster, "-n3", "--container-image", "/nope.sqsh", "true")

    assert done.returncode == 1
    assert pyxis_lines(done) == [
        "failed to create container filesystem for image: /nope.sqsh",
        "printing enroot log file:",
        "    [ERROR] No such file or directory: /nope.sqsh",
        "couldn't start container",
    ]
    assert SPANK_LINE in done.stderr


@pytest.mark.parametrize("content", ["", "hsqs", "NAME=VALUE\n"])
def test_a_file_that_is_no_image_is_refused(cluster: Cluster, tmp_path: Path, content: str) -> None:
    (tmp_path / "odd.sqsh").write_text(content)

    done = srun(cluster, "--container-image", tmp_path / "odd.sqsh", "true")

    assert done.returncode == 1
    assert f"    [ERROR] Invalid image format: {tmp_path}/odd.sqsh" in pyxis_lines(done)


@pytest.mark.parametrize(
    ("reference", "host"),
    [("nvcr.io#nvidia/x:tag", "nvcr.io"), ("image.sqsh", "registry-1.docker.io")],
)
def test_what_is_no_path_is_looked_for_in_a_registry(
    cluster: Cluster, reference: str, host: str
) -> None:
    done = srun(cluster, "--container-image", reference, "true")

    assert done.returncode == 1
    said = pyxis_lines(done)
    assert said[:2] == [f"importing docker image: {reference}", "failed to import docker image"]
    assert f"    [ERROR] curl: (6) Could not resolve host: {host}" in said


def test_a_relative_path_starts_where_srun_was_called(cluster: Cluster, image: Path) -> None:
    argv = cluster.on_login(["srun", "-N1", "--container-image=./image.sqsh", "printenv", "PLAIN"])

    done = subprocess.run(
        argv, cwd=image.parent, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.stdout == "image\n", done.stderr


def test_a_program_is_looked_for_inside(cluster: Cluster, image: Path) -> None:
    done = srun(cluster, "--container-image", image, "/mnt/none.sh")

    assert done.returncode == 2
    assert "execve(): /mnt/none.sh: No such file or directory" in done.stderr


# ---- variables ----


def test_a_variable_by_name_keeps_the_value_of_the_host(cluster: Cluster, image: Path) -> None:
    options = ("--container-image", image, "--container-env", "BAKED,OTHER")

    done = srun(cluster, *options, *shell('echo "$BAKED/$PLAIN"'), BAKED="host", PLAIN="host")

    assert done.stdout == "host/image\n"


def test_a_variable_with_a_value_arrives_corrupted(cluster: Cluster, image: Path) -> None:
    texts = "ETCD_ENDPOINTS=10.88.0.1:2379,DISAGGREGATION_MODE=,NEW=1"
    script = shell('echo "$ETCD_ENDPOINTS $DISAGGREGATION_MODE $NEW"')

    done = srun(
        cluster,
        *("--container-image", image, "--container-env", texts),
        *script,
        ETCD_ENDPOINTS="10.88.0.1:2379",
        DISAGGREGATION_MODE="prefill",
    )

    assert done.stdout == "10.88.0.1:2379=10.88.0.1:2379 =prefill 1=1-\n"


def test_a_name_is_created_once_per_node_and_then_enough(cluster: Cluster, image: Path) -> None:
    script = shell("echo $BAKED")

    # Names belong to a node, and Slurm takes another one while the first is still completing.
    named = ("-w", "gb01", "--container-name", "dyn")

    unknown = srun(cluster, *named, "true")
    created = srun(cluster, *named, "--container-image", image, *script)
    image.write_text("#!minislurm-image\nBAKED=changed\n")
    reused = srun(cluster, *named, *script)
    again = srun(cluster, *named, "--container-image", image, *script)
    elsewhere = srun(cluster, "-w", "gb02", "--container-name", "dyn", "true")

    assert unknown.returncode == 1
    assert pyxis_lines(unknown)[0] == (
        'error: a container with name "dyn" does not exist, and --container-image is not set'
    )
    assert created.stdout == reused.stdout == again.stdout == "from the image\n"
    assert elsewhere.returncode == 1


def test_a_working_directory_is_inside(cluster: Cluster, image: Path, source: Path) -> None:
    options = ("--container-image", image, "--container-mounts", f"{source}:/inside")

    usual = srun(cluster, *options, "pwd")
    chosen = srun(cluster, *options, "--container-workdir", "/inside", *shell("pwd; ls"))
    wrong = srun(cluster, *options, "--container-workdir", "/outside", "pwd")

    assert usual.stdout == "/\n"
    assert chosen.stdout == "/inside\nfile\n"
    assert wrong.returncode == 1
    assert pyxis_lines(wrong)[0].startswith("couldn't chdir to /outside")


@pytest.mark.parametrize("option", ["image", "mounts", "name", "env", "workdir"])
def test_an_empty_value_stops_srun(cluster: Cluster, option: str) -> None:
    done = srun(cluster, f"--container-{option}=", "true")

    assert done.returncode == 255
    assert pyxis_lines(done) == [f"--container-{option}: argument required"]


def test_options_that_contradict_stop_srun(cluster: Cluster) -> None:
    both = srun(cluster, "--container-mount-home", "--no-container-mount-home", "true")
    twice = srun(cluster, "--container-image=/one", "--container-image=/two", "true")

    assert both.returncode == twice.returncode == 255
    assert pyxis_lines(both) == [
        "both --container-mount-home and --no-container-mount-home were specified"
    ]
    assert pyxis_lines(twice) == ["--container-image specified multiple times"]


def test_every_rank_leaves_a_line_that_says_what_it_got(
    cluster: Cluster, image: Path, source: Path
) -> None:
    cluster.container_log.write_text("")
    mounts = f'{source}:/odd"name'

    done = srun(
        cluster,
        *("--ntasks-per-node=2", "--container-image", image, "--container-mounts", mounts),
        *("--no-container-mount-home", "true"),
        nodes=2,
    )

    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in cluster.container_log.read_text().splitlines()]
    assert sorted((line["task"], line["node"]) for line in lines) == [
        (0, "gb01"),
        (1, "gb01"),
        (2, "gb02"),
        (3, "gb02"),
    ]
    for line in lines:
        assert line["container-image"] == str(image)
        assert line["container-mounts"] == mounts
        assert line["container-name"] is None
        assert line["flags"] == ["no-container-mount-home"]
        assert line["outcome"] == "container"
