"""Passing means: what is rendered is what was asked for, and our own static rules agree."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from fixtures.config.load import load_profile, load_topology
from fixtures.launchers.base import LaunchError
from fixtures.launchers.kubernetes_render import APIS, Rendered, one_domain, render, yaml_text
from fixtures.launchers.kubernetes_render_names import fitting_name, label_value, placed
from fixtures.lint import lint
from fixtures.loaders.read import load_any
from fixtures.minik8s.schemas import causes, crd, unknown
from fixtures.model.manifest import ALPHA, BETA, part
from fixtures.model.remark import Severity
from fixtures.model.topology import Site

from .kube_sites import SERVICES, kube_site, rendered

pytestmark = pytest.mark.selftest

DISAGGREGATED = "deepseek-r1-wide-ep-disagg"
GB200 = load_profile("gb200").topologies
CASES = [(name, api) for name in GB200 for api in APIS]


def written(each: Rendered, directory: Path) -> Path:
    path = directory / "manifest.yaml"
    path.write_text(yaml_text(each))
    return path


def containers(each: Rendered) -> dict[str, dict[str, Any]]:
    """The main container of every component, its variables as a mapping."""
    spec = each.deployment["spec"]
    if each.api == ALPHA:
        found = {
            name: (one["extraPodSpec"]["mainContainer"], one["envs"])
            for name, one in spec["services"].items()
        }
    else:
        pods = {one["name"]: one["podTemplate"]["spec"] for one in spec["components"]}
        found = {n: (p["containers"][0], p["containers"][0]["env"]) for n, p in pods.items()}
    return {
        name: {**container, "env": {one["name"]: one["value"] for one in variables}}
        for name, (container, variables) in found.items()
    }


@pytest.mark.parametrize(("name", "api"), CASES)
def test_a_manifest_says_what_the_topology_says(name: str, api: str, tmp_path: Path) -> None:
    topology = load_topology(name)

    (back,) = load_any(written(rendered(topology, api), tmp_path))

    assert back.manifest is not None
    assert back.manifest.api == api
    assert [(r.name, r.workers, r.span) for r in back.roles] == [
        (r.name, r.workers, r.span) for r in topology.roles
    ]
    assert [r.engine.raw for r in back.roles] == [r.engine.raw for r in topology.roles]
    assert (back.served_model_name, back.router_mode) == (
        topology.served_model_name,
        topology.router_mode,
    )
    assert back.model is not None
    assert back.model.hf_id == topology.known_model.hf_id


@pytest.mark.parametrize(("name", "api"), CASES)
def test_no_rule_speaks_against_a_manifest(name: str, api: str, tmp_path: Path) -> None:
    site = kube_site(compute_domain=True, node_selector={"nvidia.com/gpu.product": "NVIDIA-GB200"})

    path = written(rendered(load_topology(name), api, site), tmp_path)
    found = lint([path], as_format=None, environment=None)

    assert [each for each in found.remarks if each.severity is not Severity.ADVICE] == []


@pytest.mark.parametrize(("name", "api"), CASES)
def test_the_schema_of_the_operator_knows_every_field(name: str, api: str) -> None:
    site = kube_site(
        compute_domain=True,
        model_claim="weights",
        pull_secrets=("regcred",),
        tolerations=({"key": "gpu", "operator": "Exists"},),
        node_selector={"zone": "a"},
        gpu_resource="amd.com/gpu",
    )
    one = rendered(load_topology(name), api, site)

    for document, crd_name in (
        (one.deployment, "dynamographdeployments"),
        (one.documents[1], "computedomains"),
    ):
        versions = {each["name"]: each for each in crd(crd_name)["spec"]["versions"]}
        version = str(document["apiVersion"]).rpartition("/")[2]
        schema = versions[version]["schema"]["openAPIV3Schema"]
        value = json.loads(json.dumps(document))
        assert list(unknown(value, schema)) == []
        assert causes(value, schema) == []


def test_a_rule_still_speaks_where_the_image_is_too_new(tmp_path: Path) -> None:
    path = written(rendered(load_topology(DISAGGREGATED), BETA, kube_site("1.6.1")), tmp_path)

    found = lint([path], as_format=None, environment=None)

    assert {each.rule for each in found.remarks} == {"ENG-010"}


@pytest.mark.parametrize("api", APIS)
def test_workers_run_the_plain_module(api: str) -> None:
    found = containers(rendered(load_topology(DISAGGREGATED), api))

    assert found["frontend"]["command"] == ["python3", "-m", "dynamo.frontend"]
    for role in ("prefill", "decode"):
        assert found[role]["command"] == ["python3", "-m", "dynamo.trtllm"]
        assert found[role]["args"][-4:-2] == ["--disaggregation-mode", role]
        environment = found[role]["env"]
        assert environment["ETCD_ENDPOINTS"] == SERVICES["ETCD_ENDPOINTS"]
        assert environment["ACCEPTANCE_WORKER"] == f"{role}-0"
        assert environment["DYN_SYSTEM_PORT"] == "9090"
        assert not {"ENGINE_CONFIG", "MODALITY", "HEAD_NODE"} & set(environment)


@pytest.mark.parametrize(("release", "flag"), [("0.6.1", "--model-path"), ("1.3.0", "--model")])
def test_flags_are_those_of_the_release(release: str, flag: str) -> None:
    site = kube_site(release, model_path="/models/r1", model_claim="weights")

    found = containers(rendered(load_topology(DISAGGREGATED), ALPHA, site))

    args = found["decode"]["args"]
    assert args[args.index(flag) + 1] == "/models/r1"


def test_a_single_node_has_no_multinode_section() -> None:
    topology = load_topology("deepseek-r1-mtp-disagg")

    alpha, beta = (rendered(topology, api).deployment["spec"] for api in (ALPHA, BETA))

    assert "multinode" not in alpha["services"]["prefill"]
    assert not any("multinode" in each for each in beta["components"])


def test_what_differs_between_the_versions_of_the_schema() -> None:
    topology = load_topology(DISAGGREGATED)

    alpha, beta = (rendered(topology, api).deployment["spec"] for api in (ALPHA, BETA))
    service = alpha["services"]["prefill"]
    component = next(each for each in beta["components"] if each["name"] == "prefill")

    assert service["resources"]["limits"] == {"gpu": "4"}
    assert (service["componentType"], service["subComponentType"]) == ("worker", "prefill")
    assert component["type"] == "prefill"
    (container,) = component["podTemplate"]["spec"]["containers"]
    assert container["name"] == "main"
    assert container["resources"]["limits"] == {"nvidia.com/gpu": 4}


@pytest.mark.parametrize("api", APIS)
def test_the_site_is_in_every_pod(api: str) -> None:
    site = kube_site(
        model_claim="weights",
        pull_secrets=("regcred",),
        tolerations=({"key": "gpu", "operator": "Exists"},),
        node_selector={"zone": "a"},
        labels={"team": "inference"},
        annotations={"nvidia.com/kai-scheduler-queue": "dynamo"},
        environment={"NCCL_DEBUG": "INFO", "NATS_SERVER": "nats://mine:4222"},
        orchestrator="lws",
        gpu_resource="amd.com/gpu",
        shared_memory="9Gi",
        compute_domain=True,
    )

    one = rendered(load_topology(DISAGGREGATED), api, site)

    spec = one.deployment["spec"]
    listed = spec["services"].values() if api == ALPHA else spec["components"]
    for each in listed:
        pod = each["extraPodSpec"] if api == ALPHA else each["podTemplate"]["spec"]
        metadata = each["extraPodMetadata" if api == ALPHA else "podTemplate"]
        labels = (metadata if api == ALPHA else metadata["metadata"])["labels"]
        assert pod["imagePullSecrets"] == [{"name": "regcred"}]
        assert pod["tolerations"] == [{"key": "gpu", "operator": "Exists"}]
        assert pod["nodeSelector"] == {"zone": "a"}
        assert {"name": "model", "persistentVolumeClaim": {"claimName": "weights"}} in pod[
            "volumes"
        ]
        assert labels["team"] == "inference"
    assert one.deployment["metadata"]["annotations"] == {
        "nvidia.com/kai-scheduler-queue": "dynamo",
        "nvidia.com/enable-grove": "false",
    }
    assert [each["kind"] for each in one.documents] == [
        "ConfigMap",
        "ComputeDomain",
        "DynamoGraphDeployment",
    ]
    assert part(one.documents[1], "spec")["numNodes"] == 8
    for container in containers(one).values():
        assert container["env"]["NCCL_DEBUG"] == "INFO"
        assert container["env"]["NATS_SERVER"] == "nats://mine:4222"
    assert yaml_text(one).count("amd.com/gpu") == 2
    assert yaml_text(one).count("9Gi") == 2


def test_pods_outlive_the_timeouts_that_they_are_given() -> None:
    site = kube_site(environment={"DYN_RUNTIME_GRACEFUL_SHUTDOWN_TIMEOUT_SECS": "600"})

    text = yaml_text(rendered(load_topology(DISAGGREGATED), BETA, site))

    assert set(re.findall(r"terminationGracePeriodSeconds: (\d+)", text)) == {"630"}


def test_workers_and_plans_are_those_of_the_topology() -> None:
    one = rendered(load_topology(DISAGGREGATED), BETA)

    assert [(p.name, p.role, p.pods, p.ranks) for p in one.plans] == [
        ("frontend", "frontend", 1, 0),
        ("prefill", "prefill", 4, 16),
        ("decode", "decode", 4, 16),
    ]
    assert [(w.name, w.component, w.world_size) for w in one.workers] == [
        ("prefill-0", "prefill", 16),
        ("decode-0", "backend", 16),
    ]
    there = placed(one.workers[0], ("n1", "n2", "n3", "n4"))
    assert [(s.rank, s.node, s.gpu) for s in there.slots[3:6]] == [
        (3, "n1", 3),
        (4, "n2", 0),
        (5, "n2", 1),
    ]
    assert one_domain(load_topology(DISAGGREGATED))


def test_names_keep_the_limits_of_the_operator() -> None:
    topology = load_topology("deepseek-r1-wide-ep-agg")

    long = fitting_name("acc-20260721-101112-abcdef-deepseek-r1-wide-ep-agg-g1", topology)
    other = fitting_name("acc-20260721-101112-abcdef-deepseek-r1-wide-ep-agg-g2", topology)

    assert long != other
    assert len(long) + len("aggregated") + len("aggregated-ldr") == 45
    assert re.fullmatch(r"[a-z]([a-z0-9-]*[a-z0-9])?", long)
    assert len(label_value("x" * 80)) == 63
    assert label_value("a b_") == "a-b"


@pytest.mark.parametrize(
    ("name", "problem", "site"),
    [
        ("deepseek-r1-ray-agg", "TensorRT-LLM only", kube_site()),
        (DISAGGREGATED, "which Dynamo release", kube_site(image="dynamo:latest")),
        (DISAGGREGATED, "through a shell", kube_site(model_path="/models/$(rm)")),
    ],
)
def test_what_cannot_be_rendered_is_refused(name: str, problem: str, site: Site) -> None:
    with pytest.raises(LaunchError, match=problem):
        rendered(load_topology(name), BETA, site)


@pytest.mark.parametrize(("api", "name"), [("v2", "short"), (BETA, "n" * 40)])
def test_a_version_or_a_name_that_nobody_takes_is_refused(api: str, name: str) -> None:
    with pytest.raises(LaunchError, match=r"v2 is not known|40 characters"):
        render(
            load_topology(DISAGGREGATED),
            kube_site(),
            name=name,
            namespace="",
            api=api,
            deployment_mark="m",
            environment={},
        )
