"""Passing means: each mini host is a machine of its own, and all of them end together."""

from __future__ import annotations

import contextlib
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from fixtures.clients.hosts import run_on
from fixtures.identity import Identity, is_alive, process_identity, signal_process, wait_until_gone
from fixtures.ledger import LEDGER_NAME, Ledger, reap
from fixtures.minihosts.hosts import HostShape, MiniHosts, MiniHostsError

from .ray_hosts import DEADLINE_S, mini_hosts, need_hosts, said_on

pytestmark = pytest.mark.selftest

STARTER = """
import sys
from pathlib import Path
from fixtures.ledger import Ledger
from fixtures.minihosts.hosts import HostShape, MiniHosts
directory, ledger, run_id = sys.argv[1:]
ledger = Ledger(Path(ledger), run_id) if ledger else None
MiniHosts.start(Path(directory), HostShape(2), ledger)
print("started", flush=True)
sys.stdin.read()
"""
SERVE = """
import socket
server = socket.create_server(("0.0.0.0", 4001))
server.settimeout(30)
print("ready", flush=True)
client, address = server.accept()
client.sendall(address[0].encode())
"""
ASK = """
import socket, sys
print(socket.create_connection((sys.argv[1], 4001), timeout=10).recv(99).decode())
"""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniHosts]:
    with mini_hosts(tmp_path_factory.mktemp("minihosts") / "set", 3) as hosts:
        yield hosts


def everybody(hosts: MiniHosts) -> list[Identity]:
    """Every process of running hosts."""
    outer = process_identity(int(hosts.net_namespace.parts[2]))
    assert outer is not None
    below = psutil.Process(outer.pid).children(recursive=True)
    found = [outer, *(process_identity(each.pid) for each in below)]
    return [one for one in found if one is not None]


def starter(directory: Path, ledger: str = "", run_id: str = "") -> subprocess.Popen[str]:
    """A process that started hosts and holds on."""
    process = subprocess.Popen(
        [sys.executable, "-c", STARTER, str(directory), ledger, run_id],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "started\n"
    return process


def test_each_host_has_its_own_name_address_and_processes(hosts: MiniHosts) -> None:
    script = "hostname; ip -4 -o addr show eth0; ps -e -o args="

    seen = {host.name: said_on(host, "sh", "-c", script) for host in hosts.hosts}

    assert list(seen) == ["h01", "h02", "h03"]
    for host in hosts.hosts:
        assert seen[host.name].splitlines()[0] == host.name
        assert f" {host.address}/24 " in seen[host.name]
        others = {each.name for each in hosts.hosts} - {host.name}
        assert not any(f" {other} " in seen[host.name] for other in others)


@pytest.mark.parametrize("place", ["/dev/shm", "/run"])  # noqa: S108 - what is under test
def test_memory_of_a_host_is_its_own(hosts: MiniHosts, place: str) -> None:
    one, two, _ = hosts.hosts
    path = f"{place}/mine_{secrets.token_hex(4)}"

    said_on(one, "touch", path)

    assert said_on(one, "ls", path) == path
    assert run_on(two, ["ls", path], environment={}, limit_s=DEADLINE_S).exit_code == 2
    assert not Path(path).exists()


def test_temporary_files_are_those_of_this_machine(hosts: MiniHosts, tmp_path: Path) -> None:
    said_on(hosts.hosts[0], "sh", "-c", f"hostname >{tmp_path}/name")

    assert (tmp_path / "name").read_text() == "h01\n"
    assert said_on(hosts.hosts[1], "cat", f"{tmp_path}/name") == "h01"


def test_hosts_know_each_other_by_name(hosts: MiniHosts) -> None:
    assert said_on(hosts.hosts[1], "getent", "hosts", "h03").split() == ["10.89.0.3", "h03"]


def test_a_program_gets_a_plain_environment(
    hosts: MiniHosts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TOKEN_OF_THE_CALLER", "secret")

    assert "TOKEN_OF_THE_CALLER" not in said_on(hosts.hosts[0], "env")


def test_a_host_is_reached_from_the_network_of_the_hub_and_only_from_there(
    hosts: MiniHosts,
) -> None:
    host = hosts.hosts[0]
    with subprocess.Popen(
        host.runs([sys.executable, "-c", SERVE]), stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        # Where this ends is up to the network outside: the first who comes must be another.
        with contextlib.suppress(OSError):
            socket.create_connection((host.address, 4001), timeout=0.3).close()

        enter = ["nsenter", f"--net={hosts.net_namespace}", "--"]
        argv = [*enter, sys.executable, "-c", ASK, host.address]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=DEADLINE_S, check=True)

        assert done.stdout.strip() == MiniHosts.hub_address
        assert server.wait(DEADLINE_S) == 0


def test_an_orphan_is_collected_by_its_host(hosts: MiniHosts) -> None:
    host = hosts.hosts[2]
    pid = said_on(host, "sh", "-c", "(sleep 0.1 >/dev/null 2>&1 & echo $!)")

    gone = f"while test -e /proc/{pid}; do sleep 0.02; done"
    assert run_on(host, ["sh", "-c", gone], environment={}, limit_s=10).ok


def test_another_process_finds_the_hosts_by_their_directory(hosts: MiniHosts) -> None:
    found = MiniHosts.attach(hosts.directory)

    assert found.hosts == hosts.hosts
    assert found.net_namespace == hosts.net_namespace


def test_a_second_set_cannot_have_the_same_directory(hosts: MiniHosts) -> None:
    with pytest.raises(MiniHostsError, match="already holds hosts"):
        MiniHosts.start(hosts.directory)
    with pytest.raises(MiniHostsError, match="each host has its own /run"):
        MiniHosts.start(Path("/run/minihosts-selftest"))
    assert hosts.running


@pytest.mark.parametrize("count", [0, 251])
def test_an_impossible_number_is_refused(count: int) -> None:
    with pytest.raises(MiniHostsError, match=f"{count} hosts: there can be 1 to 250"):
        HostShape(count)


def test_files_of_others_are_kept(tmp_path: Path) -> None:
    need_hosts()
    (tmp_path / "etc").mkdir()
    with pytest.raises(MiniHostsError, match="already has etc: name an empty directory"):
        MiniHosts.start(tmp_path)
    (tmp_path / "etc").rmdir()

    with mini_hosts(tmp_path, 1):
        (tmp_path / "mine").write_text("kept")

    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_a_lost_host_takes_all_its_programs_along_and_no_others(tmp_path: Path) -> None:
    with mini_hosts(tmp_path / "set") as hosts:
        one, two = hosts.hosts
        programs = [
            subprocess.Popen(host.runs(["sh", "-c", "echo up; exec sleep 600"]), stdout=-1)
            for host in (one, two)
        ]
        try:
            for each in programs:
                assert each.stdout is not None
                assert each.stdout.readline() == b"up\n"

            hosts.power_off("h01")

            assert programs[0].wait(DEADLINE_S) == -signal.SIGKILL
            assert programs[1].poll() is None
            assert (hosts.is_on("h01"), hosts.is_on("h02")) == (False, True)
            assert not run_on(one, ["true"], environment={}, limit_s=DEADLINE_S).ok
            assert said_on(two, "hostname") == "h02"
            with pytest.raises(MiniHostsError, match="h01 is off"):
                hosts.power_off("h01")
            with pytest.raises(MiniHostsError, match="no host 'h09': there are h01, h02"):
                hosts.power_off("h09")
        finally:
            hosts.stop()
            for each in programs:
                each.communicate(timeout=DEADLINE_S)


def test_stop_leaves_nothing_and_may_be_called_again(tmp_path: Path) -> None:
    need_hosts()
    mounts = Path("/proc/self/mountinfo").read_text()
    hosts = MiniHosts.start(tmp_path / "set", HostShape(2))
    processes = everybody(hosts)

    MiniHosts.attach(hosts.directory).stop()
    hosts.stop()
    hosts.stop()

    assert len(processes) > 6
    assert [one for one in processes if is_alive(one)] == []
    assert not hosts.directory.exists()
    assert Path("/proc/self/mountinfo").read_text() == mounts
    with pytest.raises(MiniHostsError, match="do not run any more"):
        _ = hosts.net_namespace


def test_one_kill_ends_everything(tmp_path: Path) -> None:
    with mini_hosts(tmp_path / "set") as hosts:
        processes = everybody(hosts)

        signal_process(processes[0], signal.SIGKILL)

        assert wait_until_gone(processes, DEADLINE_S) == []
        assert not hosts.running


def test_the_ledger_removes_the_hosts_of_a_killed_run(tmp_path: Path) -> None:
    need_hosts()
    run_id = f"selftest-{secrets.token_hex(4)}"
    ledger = tmp_path / run_id / LEDGER_NAME
    directory = tmp_path / run_id / "set"
    with starter(directory, str(ledger), run_id) as process:
        processes = everybody(MiniHosts.attach(directory))
        process.kill()
    assert all(is_alive(one) for one in processes)

    report = reap(ledger)

    assert report.clean, report
    assert [one for one in processes if is_alive(one)] == []
    assert not directory.exists()


def test_stopped_hosts_are_closed_in_the_ledger(tmp_path: Path) -> None:
    run_id = f"selftest-{secrets.token_hex(4)}"
    ledger = Ledger(tmp_path / run_id / LEDGER_NAME, run_id)
    with mini_hosts(tmp_path / run_id / "set", 1, ledger):
        kinds = {entry.kind for entry in Ledger.open_entries(ledger.path)}

    assert kinds == {"directory", "process"}
    assert Ledger.open_entries(ledger.path) == []


def test_hosts_killed_before_they_were_on_file_can_be_discarded(tmp_path: Path) -> None:
    need_hosts()
    directory = tmp_path / "set"
    with starter(directory) as process:
        processes = everybody(MiniHosts.attach(directory))
        (directory / "minihosts.json").unlink()
        process.kill()

    MiniHosts.discard(directory)

    assert [one for one in processes if is_alive(one)] == []
    assert not directory.exists()
