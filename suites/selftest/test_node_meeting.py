"""Passing means: nodes that meet find out who can reach the head node, and whose clock is off."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fixtures.clients import node_meeting
from fixtures.clients.node_ports import greeting, listeners, try_port
from fixtures.clients.nodes import Meeting

from .probes import free_port, meet

pytestmark = pytest.mark.selftest

NODES = ("gb01", "gb02", "gb03")


def plan(*ports: int, limit_s: float = 10.0, address: str = "127.0.0.1", **more: object) -> Meeting:
    """A meeting of three nodes, all of them on this machine."""
    served = tuple((port, f"port {at}") for at, port in enumerate(ports))
    values = {"wanted": {"gb01": served}, "token": "t0ken", **more}
    return Meeting("gb01", address, NODES, served, limit_s=limit_s, **values)  # type: ignore[arg-type]


@contextmanager
def listening(answer: bytes = b"", *, waits: bool = False) -> Iterator[int]:
    """A stranger that has a port; it says `answer`, after a request where it waits for one."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    link = server.accept()[0]
                    with link:
                        if waits:
                            link.recv(1000)
                        link.sendall(answer)
                except OSError:
                    return

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def test_every_node_reaches_every_port_of_the_head_node() -> None:
    ports = (free_port(), free_port())

    reports = meet(plan(*ports), NODES)

    for node in NODES:
        report = reports[node]
        assert report.reached is not None
        assert [(each.port, each.reached, each.problem) for each in report.reached] == [
            (port, True, "") for port in ports
        ]
        assert report.problems == ()
    head = reports["gb01"]
    assert head.ports is not None
    assert [(each.port, each.free) for each in head.ports] == [(port, True) for port in ports]
    assert head.head_address is not None
    assert head.head_address.own
    assert head.clock is None


def test_the_head_node_may_have_an_ipv6_address() -> None:
    reports = meet(plan(free_port(), address="::1"), NODES)

    for node in NODES:
        reached = reports[node].reached
        assert reached is not None
        assert [(each.reached, each.problem) for each in reached] == [(True, "")]


def test_a_port_with_old_connections_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)) as visitor:
            server.accept()[0].close()  # who closes first, waits
            assert visitor.recv(1) == b""

    opened, look = try_port(port, "etcd")

    assert opened is not None
    opened.close()
    assert look["free"]


def test_clocks_are_compared_with_the_head_node_and_the_uncertainty_is_told() -> None:
    reports = meet(plan(free_port()), NODES)

    for node in NODES[1:]:
        clock = reports[node].clock
        assert clock is not None
        assert clock.reference == "gb01"
        # They share one clock, so the truth is zero, and must lie within what is claimed.
        assert abs(clock.offset_s) <= clock.uncertainty_s


def test_a_clock_that_is_off_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    real = time.time

    class Ahead:
        """The head node as a node sees it whose own clock is 5 s ahead."""

        def ask(self, _line: str) -> str:
            now = real()
            return f"{now:.9f} {now:.9f}"

    monkeypatch.setattr(node_meeting.time, "time", lambda: real() + 5)

    uncertainty, offset = node_meeting._round(Ahead())  # type: ignore[arg-type]

    assert abs(offset - 5) <= uncertainty + 1e-6


def test_a_port_that_somebody_has_is_named_with_its_owner() -> None:
    free = free_port()
    with listening(b'HTTP/1.0 200 OK\r\n\r\n{"etcdserver":"3.5.1"}', waits=True) as taken:
        reports = meet(plan(taken, free), NODES)

    ports = reports["gb01"].ports
    assert ports is not None
    assert [(each.port, each.free) for each in ports] == [(taken, False), (free, True)]
    assert ports[0].problem == "Address already in use"
    assert f"pid {os.getpid()} of user " in ports[0].owner
    assert ports[0].says == '{"etcdserver":"3.5.1"}'
    for node in NODES:
        reached = reports[node].reached
        assert reached is not None
        assert [each.reached for each in reached] == [False, True]
        assert reached[0].problem == "the head node could not open this port"


def test_a_port_beside_the_head_node_is_tried_on_its_own_node() -> None:
    port = free_port()
    with listening() as taken:
        wanted = {"gb01": [(port, "etcd")], "gb03": [(taken, "metrics")]}
        reports = meet(plan(port, wanted=wanted), NODES)

    assert reports["gb02"].ports == ()
    assert reports["gb03"].ports is not None
    (look,) = reports["gb03"].ports
    assert (look.port, look.purpose, look.free) == (taken, "metrics", False)


def test_a_head_node_that_does_not_come_is_not_reached() -> None:
    (report,) = meet(plan(free_port(), limit_s=0.5), ("gb02",)).values()

    assert report.reached is not None
    assert [(each.reached, each.problem) for each in report.reached] == [
        (False, "Connection refused")
    ]
    assert report.clock is None


def test_a_stranger_on_the_port_is_not_taken_for_the_head_node() -> None:
    with listening(b"INFO {}\r\n") as port:
        (report,) = meet(plan(port, limit_s=0.5), ("gb02",)).values()

    assert report.reached is not None
    assert report.reached[0].problem == "somebody else answers there"


def test_the_head_node_waits_no_longer_than_its_limit_for_the_others() -> None:
    (report,) = meet(plan(free_port(), limit_s=0.5), ("gb01",)).values()

    assert not report.error
    assert report.reached is not None
    assert report.reached[0].reached


def test_services_of_the_site_are_tried_from_every_node() -> None:
    closed = free_port()
    with listening() as given:
        endpoints = (("127.0.0.1", given, "etcd"), ("127.0.0.1", closed, "NATS"))
        reports = meet(plan(free_port(), endpoints=endpoints), NODES)

    for node in NODES:
        reached = reports[node].reached
        assert reached is not None
        assert [(each.purpose, each.reached, each.problem) for each in reached[1:]] == [
            ("etcd", True, ""),
            ("NATS", False, "Connection refused"),
        ]


@pytest.mark.parametrize(
    ("address", "own", "problem"),
    [
        ("127.0.0.1", True, ""),
        ("localhost", True, ""),
        ("192.0.2.77", False, ""),
        ("no-such-host.invalid", False, "known"),
    ],
)
def test_the_head_node_knows_its_own_addresses(address: str, own: bool, problem: str) -> None:
    said = node_meeting.head_address(address)

    assert said["own"] is own
    assert problem in said["problem"]


def test_listeners_are_told_with_address_and_owner() -> None:
    with listening() as port:
        (found,) = (each for each in listeners() if each["port"] == port)

    assert found["address"] == "127.0.0.1"
    assert found["owner"].startswith(f"pid {os.getpid()} of user ")


def test_a_listener_on_ipv6_is_told_in_its_own_words() -> None:
    if not socket.has_ipv6:
        pytest.fail("this machine has no IPv6")
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as server:
        port = server.getsockname()[1]
        (found,) = (each for each in listeners() if each["port"] == port)

    assert found["address"] == "::1"


def test_programs_introduce_themselves() -> None:
    with listening(b'INFO {"server_name":"old"}\r\n') as nats:
        assert greeting(nats) == 'INFO {"server_name":"old"}'
    with listening(b"") as silent:
        assert greeting(silent) == ""
    assert greeting(free_port()) == ""
