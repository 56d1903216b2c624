"""Passing means: what workers register without etcd is read from their custom resources.

The record is what Dynamo 1.6.1 wrote for tiny-disagg; the cards of its models are shortened.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

pytest.importorskip("kubernetes")

from fixtures.clients.discovery import listing_of
from fixtures.clients.etcd import discovery_prefixes, generate_instances
from fixtures.clients.kubernetes import KubeClient, place_of
from fixtures.clients.kubernetes_discovery import METADATA, keys_of, listing_of_resources
from fixtures.config.load import load_site, load_topology
from fixtures.judges.disaggregation import instance_ids
from fixtures.judges.discovery import (
    discovery_is_readable,
    instances_are_held,
    instances_match_the_plan,
)
from fixtures.launchers.kubernetes_preflight import gather_kube
from fixtures.launchers.kubernetes_render import APIS, render, yaml_text
from fixtures.launchers.kubernetes_services import needs_nats
from fixtures.launchers.leftovers import until_empty
from fixtures.minik8s.api_mischief import Trouble
from fixtures.model.deployment import DeploymentRecord, Readiness
from fixtures.model.evidence import KeyOwner
from fixtures.model.kubernetes import KubeAccess, KubeRecord
from fixtures.readiness import instance_counts

from .exchanges import ODD_VALUES
from .k8s_rig import Rig as ApiRig
from .k8s_rig import kubernetes_api
from .kube_sites import kube_site, rendered
from .runs import HERE, TINY_AGG

pytestmark = pytest.mark.selftest

SITE = HERE / "sites" / "quick-k8s-discovery.yaml"
RECORD = json.loads((HERE / "recorded" / "kubernetes" / "workers.json").read_text("utf-8"))
NAME = "acc-20261121-225832-dc80-tiny-cecfaf"
NAMESPACE = f"default-{NAME}"
PODS = {each["metadata"]["uid"] for each in RECORD["pods"]}
PLANNED = {"backend": 1, "prefill": 1}


def resources() -> list[dict[str, Any]]:
    """A copy of the record that may be changed."""
    found: list[dict[str, Any]] = copy.deepcopy(RECORD["resources"])
    return found


def test_what_dynamo_wrote_has_the_keys_that_it_has_in_etcd() -> None:
    keys = keys_of(resources(), PODS)

    decode, prefill = (
        f"{NAMESPACE}/backend/generate/1b20c467351c62",
        "prefill/generate/2f3815de4b8c3",
    )
    assert [each.key for each in keys] == [
        f"v1/instances/{decode}",
        f"v1/instances/{NAMESPACE}/{prefill}",
        f"v1/mdc/{decode}",
        f"v1/mdc/{NAMESPACE}/{prefill}",
    ]
    assert all(each.key.startswith(discovery_prefixes(NAMESPACE)) for each in keys)
    found = generate_instances(keys, NAMESPACE)
    assert instances_match_the_plan(found, PLANNED) == []
    assert instances_are_held(found) == []
    assert instance_ids(found) == {"backend": {0x1B20C467351C62}, "prefill": {0x2F3815DE4B8C3}}


def test_a_resource_that_no_living_pod_owns_is_found() -> None:
    decode, prefill = resources()
    decode["metadata"]["ownerReferences"] = []
    owner = prefill["metadata"]["ownerReferences"][0]
    gone = PODS - {owner["uid"]}

    first, second = instances_are_held(
        generate_instances(keys_of([decode, prefill], gone), NAMESPACE)
    )

    assert "backend" in first.expected
    assert first.actual == "no pod"
    assert "prefill" in second.expected
    assert second.actual == f"pod {owner['name']}, which is not there"


def test_only_a_pod_takes_the_part_of_a_lease() -> None:
    (one, _) = resources()
    reference = one["metadata"]["ownerReferences"][0]
    one["metadata"]["ownerReferences"] = [{**reference, "kind": "Service"}]
    assert {each.owner for each in keys_of([one], PODS)} == {KeyOwner("", exists=False)}

    one["metadata"]["ownerReferences"] = [{**reference, "uid": "old"}, reference]
    assert {each.owner for each in keys_of([one], PODS)} == {
        KeyOwner(reference["name"], exists=True)
    }


@pytest.mark.parametrize("odd", ODD_VALUES, ids=repr)
def test_nonsense_in_a_resource_is_evidence(odd: Any) -> None:
    one, other = resources()
    (name,) = one["spec"]["data"]["endpoints"]
    one["spec"]["data"]["endpoints"] = {name: odd}
    other["spec"]["data"]["endpoints"] = odd

    found = generate_instances(keys_of([one, other], PODS), NAMESPACE)

    (finding,) = instances_are_held(found)
    assert finding.actual.startswith("unreadable")
    assert instances_match_the_plan(found, PLANNED)
    for place in ("data", "spec", "metadata"):
        broken = resources()
        for each in broken:
            (each["spec"] if place == "data" else each)[place] = odd
        keys_of(broken, PODS)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiRig]:
    """An API server that holds the record."""
    with kubernetes_api(tmp_path_factory.mktemp("discovery")) as made:
        yield made


@pytest.fixture
def deployment(api: ApiRig) -> Iterator[DeploymentRecord]:
    """The recorded deployment, in a namespace of its own."""
    namespace = api.namespace()
    pods = {}
    for each in RECORD["pods"]:
        meta = {key: each["metadata"][key] for key in ("name", "labels")} | {"namespace": namespace}
        body = {"metadata": meta, "spec": {"containers": [{"name": "main", "image": "i"}]}}
        made = api.raw("POST", f"/api/v1/namespaces/{namespace}/pods", body)
        pods[meta["name"]] = made.document["metadata"]["uid"]
    for each in resources():
        name = each["metadata"]["name"]
        owner = each["metadata"]["ownerReferences"][0] | {"uid": pods[name]}
        each["metadata"] = {"name": name, "namespace": namespace, "ownerReferences": [owner]}
        assert api.raw("POST", METADATA.path(namespace), each).code == 201
    place = place_of(str(api.server.kubeconfig))
    access = KubeAccess(str(api.server.kubeconfig), place.context, namespace, 5.0)
    kube = KubeRecord(
        access, NAME, "v1beta1", "{}", (), domain=False, gpu_resource="nvidia.com/gpu"
    )
    yield DeploymentRecord(
        topology="tiny-disagg",
        namespace=NAMESPACE,
        generation=1,
        served_model_name="m",
        frontend_url="",
        origins=(),
        etcd_url="",
        workers=(),
        lease_ttl_s=1,
        request_deadline_s=1.0,
        readiness=Readiness(()),
        kubernetes=kube,
    )
    api.server.mischief.clear()


def test_the_cluster_is_asked_where_there_is_no_etcd(deployment: DeploymentRecord) -> None:
    assert instance_counts(deployment) == PLANNED
    assert instances_are_held(generate_instances(listing_of(deployment).keys, NAMESPACE)) == []
    # Pods of another deployment are no owners of what this one registers.
    assert deployment.kubernetes is not None
    others = replace(deployment.kubernetes, name="another")
    found = listing_of(replace(deployment, kubernetes=others))
    assert len(instances_are_held(generate_instances(found.keys, NAMESPACE))) == 2
    assert listing_of(replace(deployment, namespace="default-another")).keys == ()


@pytest.mark.parametrize("resource", ["dynamoworkermetadatas", "pods"])
@pytest.mark.parametrize("what", ["403", "404", "cut"])
def test_a_refusal_is_no_empty_list(
    what: str, resource: str, deployment: DeploymentRecord, api: ApiRig
) -> None:
    api.server.mischief.add(Trouble(what, "list", resource, times=None))

    listing = listing_of(deployment)

    assert discovery_is_readable(listing)
    assert instance_counts(deployment) == {}


def test_what_outlives_its_deployment_is_found_after_the_lease_time(
    deployment: DeploymentRecord,
) -> None:
    kube = deployment.kubernetes
    assert kube is not None
    prefixes = discovery_prefixes(NAMESPACE)

    left, _, problem = until_empty(lambda: listing_of_resources(kube.access, NAME, *prefixes), 0)

    assert (len(left), problem) == (4, "")


def test_a_cluster_that_cannot_be_asked_says_why(deployment: DeploymentRecord) -> None:
    kube = deployment.kubernetes
    assert kube is not None
    access = replace(kube.access, kubeconfig="/nowhere/config")

    listing = listing_of(replace(deployment, kubernetes=replace(kube, access=access)))

    assert "/nowhere/config" in listing.error


@pytest.mark.parametrize("api", APIS)
def test_a_manifest_without_etcd_names_nothing_of_it(api: str) -> None:
    made = render(
        load_topology("deepseek-r1-wide-ep-disagg"),
        kube_site(discovery="kubernetes"),
        name="acc-x",
        namespace="dynamo",
        api=api,
        deployment_mark="acc-x",
        environment={},
    )

    text = yaml_text(made)
    assert "name: DYN_DISCOVERY_BACKEND" in text
    assert not re.search("etcd|nats", text, re.IGNORECASE), text


def test_nats_is_there_where_somebody_asks_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NATS_SERVER", raising=False)
    site, topology = load_site(SITE), load_topology(str(TINY_AGG))
    assert site.kubernetes is not None
    assert not needs_nats(topology, site)

    assert needs_nats(topology, replace(site, nats=replace(site.nats, provider="binary")))
    assert needs_nats(
        topology, replace(site, kubernetes=replace(site.kubernetes, discovery="etcd"))
    )
    assert needs_nats(replace(topology, planes={"event": "nats"}), site)
    monkeypatch.setenv("NATS_SERVER", "nats://10.0.0.1:4222")
    assert needs_nats(topology, site)


@pytest.mark.parametrize("discovery", ["etcd", "kubernetes"])
def test_before_a_launch_it_is_asked_whether_resources_may_be_listed(
    discovery: str, deployment: DeploymentRecord
) -> None:
    assert deployment.kubernetes is not None
    site, topology = kube_site(discovery=discovery), load_topology("deepseek-r1-wide-ep-disagg")
    client = KubeClient(deployment.kubernetes.access)

    found = gather_kube(client, topology, site, rendered(topology, APIS[0], site)).permissions

    asked = [each.verb for each in found if METADATA.plural in each.resource]
    assert asked == (["list"] if discovery == "kubernetes" else [])
