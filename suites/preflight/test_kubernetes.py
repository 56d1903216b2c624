"""The cluster answers, serves what a launch needs, and has room for it.

Passing means that the manifest can be applied and all of its pods can get a node. Not covered:
whether images can be pulled, and whether nodes stay free until the launch.
"""

from __future__ import annotations

from fixtures.judges.kubernetes_preflight import (
    actions_are_allowed,
    api_server_answers,
    apis_are_served,
    gangs_can_be_made,
    model_claims_exist,
    name_is_free,
    namespace_is_there,
    nodes_have_the_gpus,
    pull_secrets_exist,
    quota_leaves_room,
)
from fixtures.model.kube_preflight import KubePreflight
from fixtures.preflight_checks import cluster_requirement, settle

GUIDE = "Multinode Deployment Guide"


@cluster_requirement("PRE-032", source="Kubernetes API, /version")
def test_the_api_server_answers(preflight: KubePreflight) -> None:
    """The API server of the cluster answers each question within its deadline."""
    settle(api_server_answers, preflight)


@cluster_requirement("PRE-033", source="Kubernetes, Namespaces")
def test_the_namespace_is_there(preflight: KubePreflight) -> None:
    """The namespace of the deployment exists, or we may create it."""
    settle(namespace_is_there, preflight)


@cluster_requirement(
    "PRE-034", source="Dynamo operator, custom resource definitions v1alpha1 and v1beta1"
)
def test_the_cluster_serves_what_is_applied(preflight: KubePreflight) -> None:
    """The cluster serves DynamoGraphDeployment in a version that we render, and ComputeDomain
    where one is asked for."""
    settle(apis_are_served, preflight)


@cluster_requirement("PRE-035", source=f"{GUIDE}, Using Grove, Using LWS and Volcano")
def test_a_gang_can_be_made(preflight: KubePreflight) -> None:
    """Grove or LWS is installed where a worker spans nodes, and the one that the site names."""
    settle(gangs_can_be_made, preflight)


@cluster_requirement("PRE-036", source="Kubernetes, SelfSubjectAccessReview")
def test_we_may_do_what_a_launch_takes(preflight: KubePreflight) -> None:
    """We may create, read, watch and delete every kind of object that a launch works with."""
    settle(actions_are_allowed, preflight)


@cluster_requirement("PRE-037", source="Kubernetes, object names: a name belongs to one object")
def test_the_name_is_free(preflight: KubePreflight) -> None:
    """No object of the name of this launch is in the namespace already."""
    settle(name_is_free, preflight)


@cluster_requirement("PRE-038", source="Kubernetes, imagePullSecrets")
def test_the_pull_secrets_exist(preflight: KubePreflight) -> None:
    """Every pull secret that the site names exists in the namespace."""
    settle(pull_secrets_exist, preflight)


@cluster_requirement("PRE-039", source="Kubernetes, PersistentVolumeClaim")
def test_the_claim_of_the_model_exists(preflight: KubePreflight) -> None:
    """The claim of the volume with the model exists in the namespace, where the site names one."""
    settle(model_claims_exist, preflight)


@cluster_requirement("PRE-040", source=f"{GUIDE}, GPU Distribution: nodeCount x gpu")
def test_the_nodes_have_the_gpus(preflight: KubePreflight) -> None:
    """Enough ready nodes that take the pods have the free GPUs of one pod each."""
    settle(nodes_have_the_gpus, preflight)


@cluster_requirement("PRE-041", source="Kubernetes, ResourceQuota")
def test_the_quota_leaves_room(preflight: KubePreflight) -> None:
    """The quotas of the namespace leave room for the pods and GPUs of the deployment."""
    settle(quota_leaves_room, preflight)
