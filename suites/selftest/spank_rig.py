"""A mini cluster whose srun knows container options, and what it says."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fixtures.minislurm.cluster import Cluster
from fixtures.minislurm.plugin import missing_for_plugin

from .slurm_clusters import mini_cluster, need_slurm, on_login

SPANK_LINE = "task_init() failed with rc=-1"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    need_slurm()
    if missing := missing_for_plugin():
        pytest.skip("; ".join(missing))
    with mini_cluster(tmp_path_factory.mktemp("spank"), 2, containers=True) as cluster:
        yield cluster


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "image.sqsh"
    path.write_text("#!minislurm-image\nBAKED=from the image\nPLAIN=image\n")
    return path


def srun(
    cluster: Cluster, *words: str | Path, nodes: int = 1, **more: str
) -> subprocess.CompletedProcess[str]:
    return on_login(cluster, "srun", f"-N{nodes}", *(str(word) for word in words), **more)


def pyxis_lines(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What the plugin said, without who printed it."""
    found = (line.partition("pyxis: ") for line in done.stderr.splitlines())
    return [text for _, mark, text in found if mark]


def shell(script: str) -> tuple[str, str, str]:
    return "sh", "-c", script


@pytest.fixture
def source(tmp_path: Path) -> Path:
    (tmp_path / "source").mkdir()
    (tmp_path / "source" / "file").write_text("content\n")
    return tmp_path / "source"
