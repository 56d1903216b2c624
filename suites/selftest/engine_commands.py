"""What the tests of the real engine's command lines share: sites, services, and short calls."""

from __future__ import annotations

from dataclasses import replace

from fixtures.config.load import load_site
from fixtures.config.slurm_variables import resolve_site
from fixtures.engines.commands import EngineCommand
from fixtures.engines.trtllm import frontend_command, worker_command
from fixtures.model.topology import Site, Topology

AGGREGATED, DISAGGREGATED = "deepseek-r1-wide-ep-agg", "deepseek-r1-wide-ep-disagg"
MULTIMODAL = "llama4-maverick-disagg"
SERVICES = {"ETCD_ENDPOINTS": "http://10.0.0.1:2379", "NATS_SERVER": "nats://10.0.0.1:4222"}


def site_with(dynamo: str = "", image: str = "/images/dynamo.sqsh", **mounts: str) -> Site:
    """The shipped Slurm site with an image and a stated release."""
    site, _ = resolve_site(load_site("slurm"), {"IMAGE": image, **mounts})
    assert site.slurm is not None
    versions = {"dynamo": dynamo} if dynamo else {}
    return replace(site, slurm=replace(site.slurm, versions=versions))


def worker(topology: Topology, role: str, site: Site, namespace: str = "") -> EngineCommand:
    """The command of a worker of that role."""
    return worker_command(
        topology,
        topology.role(role),
        site,
        services=SERVICES,
        system_port=8081,
        head_node="node1",
        head_address="10.0.0.1",
        namespace=namespace,
    )


def frontend(topology: Topology, site: Site, namespace: str = "") -> EngineCommand:
    """The command of the frontend."""
    return frontend_command(
        topology, site, services=SERVICES, address="10.0.0.1", namespace=namespace
    )
