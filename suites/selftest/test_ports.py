"""Passing means: a leased port is free, in the range Dynamo can parse, and nobody else's."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures import ports
from fixtures.ports import FIRST_PORT, LAST_PORT, PortLease

pytestmark = pytest.mark.selftest

DEADLINE_S = 20.0
EVERYWHERE = "0.0.0.0"  # noqa: S104 - the listener lives for one test
TAKER = """
import sys
from pathlib import Path
from fixtures.ports import PortLease
lease = PortLease("127.0.0.1", Path(sys.argv[1]))
print(*[lease.take() for _ in range(40)], flush=True)
sys.stdin.read()
"""


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A range so small that two takers meet."""
    monkeypatch.setattr(ports, "FIRST_PORT", 31990)
    monkeypatch.setattr(ports, "LAST_PORT", 31999)


def test_ports_are_in_the_range_and_can_be_bound(tmp_path: Path) -> None:
    with PortLease("127.0.0.1", tmp_path) as lease:
        taken = [lease.take() for _ in range(20)]

        assert len(set(taken)) == 20
        assert lease.ports == tuple(taken)
        for port in taken:
            assert FIRST_PORT <= port <= LAST_PORT < 2**15
            with socket.create_server(("127.0.0.1", port)):
                pass


def test_two_processes_never_get_the_same_port(tmp_path: Path) -> None:
    narrowed = "import fixtures.ports as p; p.FIRST_PORT, p.LAST_PORT = 31000, 31200\n" + TAKER
    argv = [sys.executable, "-c", narrowed, str(tmp_path)]
    takers = [
        subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    # Nobody releases before the standard input closes, which is after all have printed.
    printed = [taker.stdout.readline().split() if taker.stdout else [] for taker in takers]
    for taker in takers:
        taker.communicate(timeout=DEADLINE_S)

    assert [len(one) for one in printed] == [40] * 3
    assert len({port for one in printed for port in one}) == 120


@pytest.mark.usefixtures("narrow")
def test_two_leases_in_one_process_exclude_each_other_until_release(tmp_path: Path) -> None:
    first, second = (PortLease("127.0.0.1", tmp_path) for _ in range(2))
    taken = {first.take() for _ in range(6)}

    with second:
        assert taken.isdisjoint({second.take() for _ in range(4)})
        with pytest.raises(OSError, match="no free port"):
            second.take()
        first.release()
        first.release()
        assert second.take() in taken
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("address", ["127.0.0.1", EVERYWHERE, "127.0.0.9"])
def test_a_port_that_somebody_listens_on_is_not_given_out(tmp_path: Path, address: str) -> None:
    with socket.create_server((address, 31995)), PortLease("127.0.0.1", tmp_path) as lease:
        taken = {lease.take() for _ in range(9)}

        assert 31995 not in taken
        with pytest.raises(OSError, match="no free port"):
            lease.take()


def test_an_address_of_another_host_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"192\.0\.2\.1 is no address of this host"):
        PortLease("192.0.2.1", tmp_path).take()


@pytest.mark.usefixtures("narrow")
def test_the_lock_of_a_process_that_died_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "31993").touch()

    with PortLease("127.0.0.1", tmp_path) as lease:
        assert 31993 in {lease.take() for _ in range(10)}
