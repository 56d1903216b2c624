"""Passing means: etcd and NATS also come as containers, and no container of ours stays behind.

Needs a container engine; with REQUIRE_CONTAINER_ENGINE=1 its absence is a failure, not a skip.
"""

from __future__ import annotations

import contextlib
import http.client
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from fixtures.ledger import LEDGER_NAME, RUN_VARIABLE, Ledger, reap
from fixtures.model.topology import ServiceChoice
from fixtures.ports import PortLease
from fixtures.services.base import Service, ServiceError, nats_info
from fixtures.services.engine import connect
from fixtures.services.images import build_images, remove_images
from fixtures.services.provider import start_etcd, start_nats

from .runs import QUICK_SITE, TINY_AGG, run_suite

pytestmark = pytest.mark.selftest

# Of this process alone: several test processes share one engine.
RUN = f"selftest-containers-{os.getpid()}"
TAG = f"selftest-{os.getpid()}"
ETCD_IMAGE, NATS_IMAGE = f"etcd:{TAG}", f"nats:{TAG}"
DEADLINE_S = 20.0


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    try:
        client = connect()
    except ServiceError as error:
        if os.environ.get("REQUIRE_CONTAINER_ENGINE") == "1":
            pytest.fail(str(error), pytrace=False)
        pytest.skip(str(error))
    with contextlib.closing(client):
        build_images(client, TAG)
        yield client
        remove_images(client, TAG)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / RUN / LEDGER_NAME, RUN)
    yield ledger
    reap(ledger.path)


@pytest.fixture
def ports() -> Iterator[PortLease]:
    with PortLease("127.0.0.1") as lease:
        yield lease


def start(kind: str, image: str | None, ledger: Ledger, ports: PortLease) -> Service:
    starter = start_etcd if kind == "etcd" else start_nats
    return starter(
        ServiceChoice("container", None, image),
        ledger=ledger,
        work_dir=ledger.path.parent / "services",
        bind_address="127.0.0.1",
        deadline_s=DEADLINE_S,
        ports=ports,
    )


def containers_of_run(engine: Any) -> list[Any]:
    filters = {"label": f"{RUN_VARIABLE}={RUN}"}
    return list(engine.containers.list(all=True, filters=filters))


def get(url: str) -> bytes:
    parts = urlsplit(url)
    with contextlib.closing(
        http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    ) as connection:
        connection.request("GET", parts.path)
        return connection.getresponse().read()


def test_etcd_in_a_container_serves_until_it_is_stopped_and_then_is_gone(
    engine: Any, ledger: Ledger, ports: PortLease
) -> None:
    service = start("etcd", ETCD_IMAGE, ledger, ports)

    assert service.healthy()
    assert service.owned
    assert service.origin == f"container {ETCD_IMAGE}"
    assert service.client_env == {"ETCD_ENDPOINTS": service.url}
    assert b"etcdserver" in get(f"{service.url}/version")
    assert [entry.kind for entry in Ledger.open_entries(ledger.path)] == ["container"]

    [ended] = service.stop()

    assert ended.signal_sent == "TERM"
    assert not service.healthy()
    assert containers_of_run(engine) == []
    assert Ledger.open_entries(ledger.path) == []


def test_nats_in_a_container_has_jetstream_and_is_gone_after_stop(
    engine: Any, ledger: Ledger, ports: PortLease
) -> None:
    service = start("nats", NATS_IMAGE, ledger, ports)

    info = nats_info(service.url)

    assert service.healthy()
    assert info is not None
    assert info["jetstream"] is True
    service.stop()
    assert containers_of_run(engine) == []


def test_a_container_is_published_on_the_loopback_address_only(
    engine: Any, ledger: Ledger, ports: PortLease
) -> None:
    service = start("nats", NATS_IMAGE, ledger, ports)

    [container] = containers_of_run(engine)
    bindings = [one for bound in container.ports.values() for one in bound or []]

    assert len(bindings) == 2
    assert {one["HostIp"] for one in bindings} == {"127.0.0.1"}
    service.stop()


def test_reap_removes_a_container_that_its_run_left_behind(
    engine: Any, ledger: Ledger, ports: PortLease
) -> None:
    start("etcd", ETCD_IMAGE, ledger, ports)

    first = reap(ledger.path)
    second = reap(ledger.path)

    assert len(first.stopped) == 1
    assert first.stopped[0].startswith("container etcd")
    assert containers_of_run(engine) == []
    assert second.clean
    assert second.stopped == ()


def test_reap_finds_a_container_of_which_only_the_intent_was_recorded(
    engine: Any, ledger: Ledger
) -> None:
    ledger.intent("nats", f"container {NATS_IMAGE}")
    engine.containers.run(NATS_IMAGE, detach=True, labels={RUN_VARIABLE: RUN})

    report = reap(ledger.path)

    assert len(report.stopped) == 1
    assert containers_of_run(engine) == []


@pytest.mark.usefixtures("engine")
def test_an_image_that_nobody_has_is_named_in_the_message(ledger: Ledger, ports: PortLease) -> None:
    with pytest.raises(ServiceError, match=r"container of absent:acceptance did not start"):
        start("etcd", "absent:acceptance", ledger, ports)

    assert Ledger.open_entries(ledger.path) == []


@pytest.mark.usefixtures("engine")
def test_a_container_that_never_gets_healthy_is_removed_and_its_log_shown(
    ledger: Ledger, ports: PortLease
) -> None:
    with pytest.raises(ServiceError, match=r"not healthy within 1 s") as caught:
        start_etcd(
            ServiceChoice("container", None, NATS_IMAGE),
            ledger=ledger,
            work_dir=ledger.path.parent,
            bind_address="127.0.0.1",
            deadline_s=1,
            ports=ports,
        )

    assert "Server is ready" in str(caught.value)
    assert Ledger.open_entries(ledger.path) == []


@pytest.mark.usefixtures("engine")
def test_a_whole_rehearsal_runs_on_containers(tmp_path: Path) -> None:
    site = yaml.safe_load(QUICK_SITE.read_text())
    site["services"] = {
        "etcd": {"provider": "container", "image": ETCD_IMAGE},
        "nats": {"provider": "container", "image": NATS_IMAGE},
    }
    path = tmp_path / "quick.yaml"
    path.write_text(yaml.safe_dump(site))

    where = ("-m", "gb200", f"--site={path}", f"--topology={TINY_AGG}", "--certify")
    run = run_suite(tmp_path / "runs", *where)

    assert run.exit_code == 0, run.output
    (ready,) = (event for event in run.events if event.get("event") == "ready")
    assert ready["origins"]["etcd"] == f"container {ETCD_IMAGE}"
    assert ready["origins"]["nats"] == f"container {NATS_IMAGE}"


def test_without_an_engine_one_line_says_what_to_do(
    tmp_path: Path, ledger: Ledger, ports: PortLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nothing.sock")

    with pytest.raises(ServiceError) as caught:
        start("etcd", ETCD_IMAGE, ledger, ports)

    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith("no container engine answers")
    assert "DOCKER_HOST" in message
    assert Ledger.open_entries(ledger.path) == []


def test_without_an_image_the_message_asks_for_one(ledger: Ledger, ports: PortLease) -> None:
    with pytest.raises(ServiceError, match="add `image`"):
        start("etcd", None, ledger, ports)
