"""Engine configs and mounts: the file that is judged is the one that will run in the container."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.config.errors import ConfigError
from fixtures.config.load import CONFIGS_DIR, load_site, load_topology
from fixtures.config.mounts import (
    Mount,
    container_path,
    host_path,
    mount_from_here,
    parse_mount,
)
from fixtures.config.slurm_engine_files import OWN_CONFIGS, engine_files
from fixtures.config.slurm_values import ENVIRONMENT
from fixtures.config.slurm_variables import resolve_site, resolve_topology
from fixtures.model.slurm import Origin
from fixtures.model.topology import Site, Topology

pytestmark = pytest.mark.selftest

AGGREGATED, DISAGGREGATED = "deepseek-r1-wide-ep-agg", "deepseek-r1-wide-ep-disagg"
ENGINE = "tensor_parallel_size: 16\nmax_batch_size: 3\n"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout as the guides have it: engine configs, and the directory of the scripts."""
    (tmp_path / "multinode").mkdir()
    (tmp_path / "engine_configs").mkdir()
    for name in ("agg", "prefill", "decode"):
        (tmp_path / "engine_configs" / f"{name}.yaml").write_text(ENGINE)
    return tmp_path


def resolved(
    name: str, tree: Path, site: str = "slurm", **variables: str
) -> tuple[Topology, Site, dict[str, Origin]]:
    """A shipped topology and site, with the exports of somebody who stands in `multinode`."""
    given = {"IMAGE": "a.sqsh", "PWD": str(tree / "multinode"), **variables}
    launched, of_site = resolve_site(load_site(site), given)
    topology, of_topology = resolve_topology(load_topology(name), launched, given)
    return topology, launched, {each.name: each for each in (*of_site, *of_topology)}


GUIDE = {"MOUNTS": "${PWD}/../:/mnt"}


def test_a_path_in_the_container_leads_to_the_file_of_the_host(tree: Path) -> None:
    topology, site, origins = resolved(
        DISAGGREGATED,
        tree,
        **GUIDE,
        PREFILL_ENGINE_CONFIG="/mnt/engine_configs/prefill.yaml",
        DECODE_ENGINE_CONFIG="/mnt/engine_configs/../engine_configs/decode.yaml",
    )

    prefill, decode = topology.roles
    assert prefill.engine.path == tree / "engine_configs" / "prefill.yaml"
    assert (prefill.engine.tensor_parallel, prefill.engine.max_batch_size) == (16, 3)
    assert decode.engine.path == tree / "engine_configs" / "decode.yaml"
    assert topology.where("roles.prefill.engine_config") == ENVIRONMENT
    assert origins["PREFILL_ENGINE_CONFIG"] == Origin(
        "PREFILL_ENGINE_CONFIG",
        "/mnt/engine_configs/prefill.yaml",
        f"environment, {prefill.engine.path}",
    )
    assert origins["MOUNTS"].value == f"{tree}:/mnt"
    files = engine_files(topology, site)
    assert files.paths["prefill"] == "/mnt/engine_configs/prefill.yaml"
    assert files.mounts == ()


def test_each_variable_counts_for_its_own_shape(tree: Path) -> None:
    given = {**GUIDE, "ENGINE_CONFIG": "/mnt/engine_configs/agg.yaml"}
    aggregated, _, _ = resolved(AGGREGATED, tree, **given)
    disaggregated, _, origins = resolved(DISAGGREGATED, tree, **given)

    assert aggregated.role("aggregated").engine.path.name == "agg.yaml"
    assert disaggregated.roles == load_topology(DISAGGREGATED).roles
    assert origins["ENGINE_CONFIG"].where.endswith("not used: the topology is disaggregated")


def test_the_innermost_mount_counts(tree: Path) -> None:
    other = tree / "other"
    other.mkdir()
    (other / "agg.yaml").write_text("tensor_parallel_size: 8\n")
    mounts = f"{tree}:/mnt,{other}:/mnt/engine_configs"

    topology, _, _ = resolved(
        AGGREGATED, tree, MOUNTS=mounts, ENGINE_CONFIG="/mnt/engine_configs/agg.yaml"
    )

    assert topology.role("aggregated").engine.tensor_parallel == 8


def test_without_a_container_the_path_is_one_of_the_host(tree: Path) -> None:
    config = str(tree / "engine_configs" / "agg.yaml")
    absolute, site, origins = resolved(AGGREGATED, tree, "minislurm", ENGINE_CONFIG=config)
    relative, _, _ = resolved(
        AGGREGATED, tree, "minislurm", ENGINE_CONFIG="../engine_configs/agg.yaml"
    )

    assert absolute.role("aggregated").engine.max_batch_size == 3
    assert relative.role("aggregated").engine.max_batch_size == 3
    assert origins["ENGINE_CONFIG"].where == "environment"
    assert engine_files(absolute, site).paths == {"aggregated": config}


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("/mnt/engine_configs/wrong.yaml", "there is no file {tree}/engine_configs/wrong.yaml"),
        ("/mnt/engine_configs", "there is no file {tree}/engine_configs"),
        ("/workspace/agg.yaml", "it lies under no mount; mounts: {tree}:/mnt"),
        ("engine_configs/agg.yaml", "it lies under no mount"),
    ],
)
def test_a_path_that_leads_nowhere_names_what_was_tried(tree: Path, path: str, answer: str) -> None:
    with pytest.raises(ConfigError, match=r"^environment: ENGINE_CONFIG: ") as caught:
        resolved(AGGREGATED, tree, **GUIDE, ENGINE_CONFIG=path)

    text = str(caught.value)
    assert f'"{path}" leads to no file' in text
    assert answer.format(tree=tree) in text
    assert "fix: write a path in the container that MOUNTS leads back to" in text


def test_a_file_that_is_no_engine_config_is_answered_in_its_own_line(tree: Path) -> None:
    (tree / "engine_configs" / "agg.yaml").write_text("- 1\n")

    with pytest.raises(ConfigError, match=r"agg\.yaml:1:1: the file must hold a mapping"):
        resolved(AGGREGATED, tree, **GUIDE, ENGINE_CONFIG="/mnt/engine_configs/agg.yaml")


@pytest.mark.parametrize(
    ("mounts", "answer"),
    [
        ("/a:/b,", "an entry between commas is empty"),
        ("/a:/b, /c:/d", "it has a space around it"),
        ("/a:b", "its place in the container does not begin with /"),
        ("/a:/b:ro:rw", "it has 4 parts"),
        (":/b", "it lacks the side of the host"),
        ("/a:", "it lacks the side of the container"),
        ("$HOME:/b", "only a shell could tell"),
        ("/a:/b:", "its flags are no words"),
    ],
)
def test_mounts_in_a_wrong_form_are_refused(tree: Path, mounts: str, answer: str) -> None:
    with pytest.raises(ConfigError, match=r"^environment: MOUNTS: ") as caught:
        resolved(AGGREGATED, tree, MOUNTS=mounts)

    assert answer in str(caught.value)
    assert "fix: export MOUNTS=/directory/of/host:/directory/in/container" in str(caught.value)


def test_an_own_config_that_no_mount_shows_gets_a_mount(tree: Path) -> None:
    topology, site, _ = resolved(DISAGGREGATED, tree, **GUIDE)

    files = engine_files(topology, site)

    directory = CONFIGS_DIR / "engines" / "trtllm" / "deepseek-r1"
    assert files.mounts == (f"{directory}:{OWN_CONFIGS}/0:ro",)
    assert files.paths == {
        "prefill": f"{OWN_CONFIGS}/0/wide-ep-prefill.yaml",
        "decode": f"{OWN_CONFIGS}/0/wide-ep-decode.yaml",
    }


def test_an_own_config_under_a_mount_needs_no_other_one(tree: Path) -> None:
    topology, site, _ = resolved(AGGREGATED, tree, MOUNTS=f"{CONFIGS_DIR}:/configs")

    files = engine_files(topology, site)

    assert files.mounts == ()
    assert files.paths["aggregated"] == "/configs/engines/trtllm/deepseek-r1/wide-ep-agg.yaml"


def test_a_mount_is_what_pyxis_takes() -> None:
    assert parse_mount("/a:/b:ro+rprivate") == Mount("/a", "/b", "ro+rprivate")
    assert parse_mount("/a") == Mount("/a", "/a")
    assert str(mount_from_here("tmpfs:/scratch", "/here")) == "tmpfs:/scratch"
    assert str(mount_from_here("./x:/b", "/here")) == "/here/x:/b"
    assert str(mount_from_here("$PWD/x/:/b:ro", "/here")) == "/here/x:/b:ro"


def test_what_climbs_out_of_a_linked_directory_follows_the_link(tmp_path: Path) -> None:
    (tmp_path / "real" / "multinode").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "real" / "multinode")

    mount = mount_from_here("${PWD}/../:/mnt", str(tmp_path / "link"))

    assert mount.source == str(tmp_path / "real")


def test_paths_go_through_mounts_both_ways(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    file = tmp_path / "real" / "a.yaml"

    mounts = [f"{tmp_path}/real:/mnt", "/other:/mnt/b", "tmpfs:/tmp/x", f"{file}:/one.yaml"]

    assert host_path("/mnt/a.yaml", mounts) == file
    assert host_path("/mnt/b/c", mounts) == Path("/other/c")
    assert host_path("/one.yaml", mounts) == file
    assert host_path("/tmp/x/y", mounts) is None  # noqa: S108 - a path in a container
    assert host_path("/mntx", mounts) is None
    assert container_path(file, mounts) == "/one.yaml"
    assert container_path(tmp_path / "link" / "a.yaml", mounts[:1]) == "/mnt/a.yaml"
    assert container_path(tmp_path / "real" / "b" / "c", mounts) is None
    assert container_path(Path("/elsewhere"), mounts) is None
    assert container_path(Path("/x/y"), ["/:/host"]) == "/host/x/y"
