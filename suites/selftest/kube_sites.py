"""Sites that launch on Kubernetes, and their manifests, for tests that ask no cluster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from fixtures.config.load import load_site
from fixtures.launchers.kubernetes_render import Rendered, render
from fixtures.launchers.kubernetes_render_names import fitting_name
from fixtures.model.kubernetes_site import KubernetesSite
from fixtures.model.topology import Site, Topology

IMAGE = "nvcr.io/nvidia/ai-dynamo/tensorrtllm-runtime"
RELEASE = "1.3.0"  # the newest whose engine still knows every shipped engine config
SERVICES = {"ETCD_ENDPOINTS": "http://10.0.0.1:2379", "NATS_SERVER": "nats://10.0.0.1:4222"}


def kube_site(release: str = RELEASE, **kubernetes: Any) -> Site:
    """The mock site, launched through the Dynamo operator with the image of a release."""
    section = KubernetesSite(**{"image": f"{IMAGE}:{release}", **kubernetes})
    return replace(load_site("mock"), name="kube", launcher="kubernetes", kubernetes=section)


def rendered(topology: Topology, api: str, site: Site | None = None) -> Rendered:
    """The manifest of a topology as a launch would name it."""
    return render(
        topology,
        site or kube_site(),
        name=fitting_name(f"acc-{topology.name}", topology),
        namespace="dynamo",
        api=api,
        deployment_mark=f"acc-1-{topology.name}",
        environment=SERVICES,
    )
