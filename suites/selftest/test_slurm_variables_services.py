"""ETCD_ENDPOINTS and NATS_SERVER: on the head node they choose a port, elsewhere a service."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.config.errors import ConfigError
from fixtures.config.load import load_site
from fixtures.config.slurm_variables import resolve_site
from fixtures.model.slurm import Origin
from fixtures.model.topology import ServiceChoice, Site

pytestmark = pytest.mark.selftest

OURS = ServiceChoice("binary", None, None)
HEAD = {"IMAGE": "a.sqsh", "HEAD_NODE": "node1", "HEAD_NODE_IP": "10.0.0.1"}


def resolved(**variables: str) -> tuple[Site, dict[str, Origin]]:
    """The shipped Slurm site with a head node and these variables, and its origins."""
    site, origins = resolve_site(load_site("slurm"), HEAD | variables)
    return site, {origin.name: origin for origin in origins}


def ports(site: Site) -> tuple[int, int]:
    """The ports of our own etcd and NATS."""
    assert site.slurm is not None
    return site.slurm.ports.etcd, site.slurm.ports.nats


@pytest.mark.parametrize(
    "endpoint",
    [
        "10.0.0.1:12379",
        "http://10.0.0.1:12379",
        "http://10.0.0.1:12379/",
        "node1:12379",
        "NODE1:12379",
        "node1.cluster.example:12379",
    ],
)
def test_an_etcd_endpoint_on_the_head_node_only_chooses_the_port(endpoint: str) -> None:
    site, origins = resolved(ETCD_ENDPOINTS=endpoint)

    assert (site.etcd, ports(site)) == (OURS, (12379, 4222))
    assert origins["ETCD_ENDPOINTS"].where == "environment; started on the head node"


@pytest.mark.parametrize(
    "server", ["nats://10.0.0.1:14222", "10.0.0.1:14222", "nats://node1:14222"]
)
def test_a_nats_server_on_the_head_node_only_chooses_the_port(server: str) -> None:
    site, _ = resolved(NATS_SERVER=server)

    assert (site.nats, ports(site)) == (OURS, (2379, 14222))


def test_the_head_node_without_a_port_keeps_that_of_the_site() -> None:
    assert ports(resolved(ETCD_ENDPOINTS="http://node1", NATS_SERVER="node1")[0]) == (2379, 4222)


@pytest.mark.parametrize(
    ("endpoint", "used"),
    [
        ("10.0.0.9:2379", "http://10.0.0.9:2379"),
        ("https://etcd.example:2379", "https://etcd.example:2379"),
        ("a:1,b:2", "http://a:1,http://b:2"),
        ("10.0.0.1:2379,10.0.0.2:2379", "http://10.0.0.1:2379,http://10.0.0.2:2379"),
        ("https://10.0.0.1:2379", "https://10.0.0.1:2379"),
        ("node10:2379", "http://node10:2379"),
    ],
)
def test_another_host_is_a_service_of_somebody_else(endpoint: str, used: str) -> None:
    site, origins = resolved(ETCD_ENDPOINTS=endpoint)

    assert site.etcd == ServiceChoice("endpoint", used, None)
    assert origins["ETCD_ENDPOINTS"].where == "environment; a service of somebody else"


def test_credentials_reach_the_client_and_not_the_header() -> None:
    site, origins = resolved(NATS_SERVER="nats://me:pw@10.0.0.1:4222")

    assert site.nats == ServiceChoice("endpoint", "nats://me:pw@10.0.0.1:4222", None)
    assert origins["NATS_SERVER"].value == "nats://***@10.0.0.1:4222"


def test_without_a_head_node_every_endpoint_is_somebody_elses() -> None:
    site, _ = resolved(HEAD_NODE="", HEAD_NODE_IP="", ETCD_ENDPOINTS="10.0.0.1:2379")

    assert site.etcd.provider == "endpoint"


def test_without_the_variables_the_site_decides() -> None:
    site, origins = resolved()

    assert (site.etcd, site.nats) == (OURS, OURS)
    assert origins["NATS_SERVER"] == Origin("NATS_SERVER", "port 4222 of the head node", "default")
    given = ServiceChoice("endpoint", "nats://10.0.0.9:4222", None)
    kept, shown = resolve_site(replace(load_site("slurm"), nats=given), HEAD)
    assert kept.nats == given
    assert Origin("NATS_SERVER", "nats://10.0.0.9:4222", "site") in shown


@pytest.mark.parametrize(
    ("name", "value", "answer"),
    [
        ("ETCD_ENDPOINTS", "nats://10.0.0.1:2379", "is no endpoint"),
        ("ETCD_ENDPOINTS", "10.0.0.1:99999", "has no valid port"),
        ("ETCD_ENDPOINTS", "10.0.0.1:0", "is no endpoint"),
        ("ETCD_ENDPOINTS", "10.0.0.1:2379,", "is no endpoint"),
        ("ETCD_ENDPOINTS", "10.0.0.1 :2379", "holds a space"),
        ("ETCD_ENDPOINTS", "http://[fe80::1:2379", "has no valid port"),
        ("ETCD_ENDPOINTS", "localhost:2379", "is another host on each node"),
        ("NATS_SERVER", "nats://127.0.0.1:4222", "write the address of the head node"),
        ("NATS_SERVER", "http://10.0.0.1:4222", "fix: write nats://HOST:PORT"),
        ("NATS_SERVER", "nats://", "is no endpoint"),
        ("ETCD_ENDPOINTS", "10.0.0.1:4222", "port 4222 is given to etcd and to nats"),
        ("ETCD_ENDPOINTS", "10.0.0.1:2380", "port 2380 is given to etcd and to etcd_peer"),
    ],
)
def test_a_wrong_endpoint_is_answered_with_its_variable(name: str, value: str, answer: str) -> None:
    with pytest.raises(ConfigError, match=f"^environment: {name}: ") as caught:
        resolved(**{name: value})

    assert answer in str(caught.value)


def test_no_message_prints_a_password() -> None:
    with pytest.raises(ConfigError, match="NATS_SERVER") as caught:
        resolved(NATS_SERVER="nats://me:hush@127.0.0.1:4222")

    assert "hush" not in str(caught.value)
