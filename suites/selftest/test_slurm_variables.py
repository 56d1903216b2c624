"""The variables of the public Slurm scripts: they beat the files, and each says where it is from.

Not covered: etcd and NATS, see `test_slurm_variables_services.py`, and engine configs with their
mounts, see `test_slurm_variables_engines.py`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.config.errors import ConfigError
from fixtures.config.load import load_site, load_topology
from fixtures.config.slurm_roles import OF_ROLES
from fixtures.config.slurm_values import ENVIRONMENT
from fixtures.config.slurm_variables import VARIABLES, resolve_site, resolve_topology
from fixtures.model.slurm import Origin, SlurmSite
from fixtures.model.topology import Site, Topology

pytestmark = pytest.mark.selftest

AGGREGATED, DISAGGREGATED = "deepseek-r1-wide-ep-agg", "deepseek-r1-wide-ep-disagg"
IMAGE = {"IMAGE": "nvcr.io/nvidia/ai-dynamo/tensorrtllm-runtime:0.6.1"}


def slurm_of(site: Site) -> SlurmSite:
    """The Slurm part of a site that has one."""
    assert site.slurm is not None
    return site.slurm


def resolved_site(**variables: str) -> tuple[SlurmSite, dict[str, Origin]]:
    """The shipped Slurm site with these variables, and its origins by name."""
    site, origins = resolve_site(load_site("slurm"), IMAGE | variables)
    return slurm_of(site), {origin.name: origin for origin in origins}


def resolved(name: str, **variables: str) -> tuple[Topology, dict[str, Origin]]:
    """A shipped topology with these variables at the shipped Slurm site, and its origins."""
    given = IMAGE | variables
    site, _ = resolve_site(load_site("slurm"), given)
    topology, origins = resolve_topology(load_topology(name), site, given)
    return topology, {origin.name: origin for origin in origins}


def refusal(name: str = DISAGGREGATED, **variables: str) -> str:
    """The text of the ConfigError that these variables are answered with."""
    with pytest.raises(ConfigError) as caught:
        resolved(name, **variables)
    return str(caught.value)


@pytest.mark.parametrize("name", [AGGREGATED, DISAGGREGATED])
def test_the_header_shows_every_variable_exactly_once(name: str) -> None:
    site, of_site = resolve_site(load_site("slurm"), IMAGE)
    _, of_topology = resolve_topology(load_topology(name), site, IMAGE)

    shown = [origin.name for origin in (*of_site, *of_topology)]
    assert sorted(shown) == sorted(VARIABLES)
    assert all(origin.value and origin.where for origin in (*of_site, *of_topology))


def test_without_any_variable_the_files_count() -> None:
    topology, origins = resolved(DISAGGREGATED)

    assert replace(topology, versions={}, positions={}) == replace(
        load_topology(DISAGGREGATED), versions={}, positions={}
    )
    assert origins["NUM_PREFILL_NODES"].value == "4"
    file, _, line = origins["NUM_PREFILL_NODES"].where.rpartition(":")
    assert "nodes_per_worker: 4" in Path(file).read_text().splitlines()[int(line) - 1]
    assert origins["NUM_NODES"] == Origin("NUM_NODES", "-", "not set")
    assert origins["NUM_GPUS_PER_NODE"].where == "system gb200"
    assert origins["DISAGGREGATION_MODE"] == Origin(
        "DISAGGREGATION_MODE", "prefill, decode", "each role"
    )


def test_the_variables_of_the_disaggregated_script_size_its_roles() -> None:
    topology, origins = resolved(
        DISAGGREGATED,
        NUM_PREFILL_NODES="2",
        NUM_PREFILL_WORKERS="3",
        NUM_DECODE_NODES="5",
        NUM_DECODE_WORKERS="1",
        NUM_GPUS_PER_NODE="8",
    )

    sizes = [(r.nodes_per_worker, r.workers, r.gpus_per_node) for r in topology.roles]
    assert sizes == [(2, 3, 8), (5, 1, 8)]
    assert topology.allocation_nodes == 2 * 3 + 5
    assert origins["NUM_DECODE_NODES"] == Origin("NUM_DECODE_NODES", "5", "environment")
    for role in topology.roles:
        for field in ("nodes_per_worker", "workers", "gpus_per_node"):
            assert topology.where(f"roles.{role.name}.{field}") == ENVIRONMENT


def test_the_variables_of_the_aggregated_script_size_its_role() -> None:
    topology, origins = resolved(AGGREGATED, NUM_NODES="2", NUM_DECODE_NODES="9")

    assert [(r.nodes_per_worker, r.workers) for r in topology.roles] == [(2, 1)]
    assert origins["NUM_DECODE_NODES"].where == (
        "environment, not used: the topology is aggregated"
    )


def test_names_and_modes_come_from_the_environment() -> None:
    topology, origins = resolved(
        DISAGGREGATED,
        SERVED_MODEL_NAME="r1",
        MODALITY="multimodal",
        DISAGGREGATION_STRATEGY="prefill_first",
    )

    assert topology.served_model_name == "r1"
    assert topology.modality == "multimodal"
    assert topology.environment["MODALITY"].value == "multimodal"
    assert topology.disaggregation_strategy == "prefill_first"
    assert topology.where("disaggregation.strategy") == ENVIRONMENT
    assert origins["MODALITY"].where == "environment"


def test_a_model_path_that_names_another_model_brings_its_facts() -> None:
    topology, _ = resolved(AGGREGATED, MODEL_PATH="deepseek-ai/DeepSeek-R1")
    local, origins = resolved(AGGREGATED, MODEL_PATH="/lustre/weights/final")

    assert topology.known_model.precision == "fp8"
    assert topology.where("model") == ENVIRONMENT
    assert local.model == load_topology(AGGREGATED).model
    assert origins["MODEL_PATH"].value == "/lustre/weights/final"
    assert resolved_site(MODEL_PATH="/lustre/r1")[0].model_path == "/lustre/r1"


def test_the_release_in_the_tag_of_the_image_reaches_the_rules() -> None:
    topology, _ = resolved(AGGREGATED)

    assert topology.versions["dynamo"] == "0.6.1"
    assert topology.versions["trtllm"] == "1.1.0rc5"
    assert topology.where("versions.dynamo") == ENVIRONMENT


def test_the_cluster_comes_from_the_environment() -> None:
    slurm, origins = resolved_site(
        PARTITION="gb200",
        ACCOUNT="team",
        SLURM_JOB_ID="453374",
        HEAD_NODE="node1",
        HEAD_NODE_IP="10.0.0.1",
        DYN_HTTP_PORT="9000",
    )

    assert (slurm.partition, slurm.account, slurm.job_id) == ("gb200", "team", "453374")
    assert (slurm.head_node, slurm.head_node_ip, slurm.ports.frontend) == (
        "node1",
        "10.0.0.1",
        9000,
    )
    assert slurm.positions["slurm.allocation.partition"] == ENVIRONMENT
    assert origins["PARTITION"] == Origin("PARTITION", "gb200", "environment")


def test_a_site_file_gives_what_the_environment_does_not() -> None:
    written = load_site("slurm")
    slurm = replace(slurm_of(written), partition="batch", image="a.sqsh", head_node="node7")
    line = slurm.positions["slurm.allocation.time_limit"]
    slurm = replace(slurm, positions={"slurm.allocation.partition": line})

    site, origins = resolve_site(replace(written, slurm=slurm), {"PARTITION": "  ", "IMAGE": "b"})

    shown = {origin.name: origin for origin in origins}
    assert (slurm_of(site).partition, slurm_of(site).image) == ("batch", "b")
    assert shown["PARTITION"] == Origin("PARTITION", "batch", f"{line.file}:{line.line}")


def test_inside_a_step_the_own_node_is_the_head_as_in_the_scripts() -> None:
    slurm, origins = resolved_site(SLURM_JOB_ID="7", SLURMD_NODENAME="node5")

    assert slurm.head_node == "node5"
    assert origins["HEAD_NODE"].where == "environment, SLURMD_NODENAME"
    assert resolved_site(SLURMD_NODENAME="node5")[0].head_node == ""
    named, _ = resolved_site(SLURM_JOB_ID="7", SLURMD_NODENAME="node5", HEAD_NODE="node6")
    assert named.head_node == "node6"


@pytest.mark.parametrize(
    ("given", "nodes"),
    [
        ({}, 8),
        ({"NUM_DECODE_NODES": "2"}, 6),
        ({"SLURM_JOB_ID": "7", "SLURM_JOB_NUM_NODES": "12"}, 12),
        ({"SLURM_JOB_NUM_NODES": "12"}, 8),
    ],
)
def test_the_allocation_is_as_large_as_it_will_be(given: dict[str, str], nodes: int) -> None:
    assert resolved(DISAGGREGATED, **given)[0].allocation_nodes == nodes


def test_a_mini_cluster_takes_nothing_of_the_cluster_around_it() -> None:
    around = {
        "PARTITION": "gb200",
        "SLURM_JOB_ID": "7",
        "HEAD_NODE": "node1",
        "HEAD_NODE_IP": "fe80::1",
        "ETCD_ENDPOINTS": "10.0.0.1:2379",
        "IMAGE": "a.sqsh",
        "NUM_DECODE_NODES": "2",
    }
    before = load_site("minislurm")

    site, origins = resolve_site(before, around)
    topology, _ = resolve_topology(load_topology(DISAGGREGATED), site, around)

    assert site == before
    assert topology.role("decode").nodes_per_worker == 2
    shown = {origin.name: origin.where for origin in origins}
    assert shown["HEAD_NODE"] == "environment, not used: the run starts a cluster of its own"
    assert shown["IMAGE"] == "environment, not used: steps run without a container"


def test_a_site_without_slurm_ignores_all_variables() -> None:
    mock, topology = load_site("mock"), load_topology(DISAGGREGATED)

    assert resolve_site(mock, {"NUM_DECODE_NODES": "x"}) == (mock, ())
    assert resolve_topology(topology, mock, {"NUM_DECODE_NODES": "x"}) == (topology, ())


SIZES = [
    "NUM_GPUS_PER_NODE",
    *(name for each in OF_ROLES.values() for name in (each.nodes, each.workers) if name),
]


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("value", ["0", "-1", "four", "2.0", "1e3", "10001", "\uff19", "1 2"])
def test_a_size_that_is_no_number_is_refused(name: str, value: str) -> None:
    text = refusal(AGGREGATED if name == "NUM_NODES" else DISAGGREGATED, **{name: value})

    assert text.startswith(f"environment: {name}: ")
    assert "fix: write 1 to 10000" in text


@pytest.mark.parametrize(
    ("name", "value", "answer"),
    [
        ("ACCOUNT", "team\nother\n", "fix: write one of them, such as team"),
        ("PARTITION", "a b", "it holds 2 words"),
        ("SLURM_JOB_ID", "7_1", "is no job id"),
        ("HEAD_NODE", "-w node1", "it holds 2 words"),
        ("HEAD_NODE", "--all", "is no name of a node"),
        ("HEAD_NODE_IP", "10.0.0.1 192.168.0.1", "it holds 2 addresses"),
        ("HEAD_NODE_IP", "127.0.1.1 10.0.0.7", "fix: export HEAD_NODE_IP=10.0.0.7"),
        ("HEAD_NODE_IP", "127.0.1.1", "is reachable from its own node only"),
        ("HEAD_NODE_IP", "fe80::1", "is an IPv6 address"),
        ("HEAD_NODE_IP", "head", "is no address"),
        ("DYN_HTTP_PORT", "80000", "is no port"),
        ("DYN_HTTP_PORT", "2379", "port 2379 is given to frontend and to etcd"),
        ("MODEL_PATH", "/my models/r1", "it holds 2 words"),
        ("SERVED_MODEL_NAME", "deep seek", "it holds 2 words"),
        ("MODALITY", "image", "allowed: text, multimodal"),
        ("MODALITY", "multi-modal", 'did you mean "multimodal"?'),
        ("DISAGGREGATION_STRATEGY", "decode-first", 'did you mean "decode_first"?'),
        ("IMAGE", "a b", "it holds 2 words"),
    ],
)
def test_a_wrong_value_is_answered_with_its_variable(name: str, value: str, answer: str) -> None:
    text = refusal(**{name: value})

    assert text.startswith(f"environment: {name}: ")
    assert answer in text


def test_a_container_needs_an_image() -> None:
    with pytest.raises(ConfigError, match="environment: IMAGE: it is not set") as caught:
        resolve_site(load_site("slurm"), {"IMAGE": ""})

    assert "export IMAGE=" in str(caught.value)


def test_all_wrong_variables_are_reported_together() -> None:
    given = {"HEAD_NODE_IP": "::1", "ACCOUNT": "a\nb"}
    with pytest.raises(ConfigError) as of_site:
        resolve_site(load_site("slurm"), given)

    names = [problem.where for problem in of_site.value.problems]
    assert names == ["environment: IMAGE", "environment: ACCOUNT", "environment: HEAD_NODE_IP"]
    text = refusal(NUM_PREFILL_NODES="x", NUM_DECODE_WORKERS="y", NUM_GPUS_PER_NODE="z")
    assert text.count("environment: ") == 3


def test_no_secret_reaches_header_or_message() -> None:
    image = "docker://me:s3cr3t-w0rd@registry/image:1"
    _, origins = resolved_site(IMAGE=image)

    assert "s3cr3t" not in origins["IMAGE"].value
    assert "s3cr3t" not in refusal(IMAGE=f"{image} b")
