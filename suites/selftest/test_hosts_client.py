"""Passing means: a host answers with what it printed, and one that does not says why, in time."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from fixtures.clients.hosts import MOST_INPUT_BYTES, on_all, run_on, runner_input
from fixtures.clients.node_access import look
from fixtures.clients.nodes import Meeting, Request
from fixtures.minihosts.hosts import MiniHosts
from fixtures.model.deployment import NodeAccess
from fixtures.model.hosts import Host

from .ray_hosts import DEADLINE_S, mini_hosts, said_on

pytestmark = pytest.mark.selftest

HERE = Host("here", "127.0.0.1")
# As ssh does: it hands the words to a shell, in a line.
SHELL = Host("shell", "127.0.0.1", ("sh", "-c"), quoted=True)


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MiniHosts]:
    with mini_hosts(tmp_path_factory.mktemp("minihosts") / "set", 3) as hosts:
        yield hosts


@pytest.mark.parametrize("host", [HERE, SHELL], ids=["plain", "through a shell"])
def test_words_environment_output_and_exit_code_arrive_as_they_are(host: Host) -> None:
    odd = "a b'\"$HOME;`id`\\\t*"
    argv = ("sh", "-c", 'printf "%s|%s" "$1" "$ODD"; echo no >&2; cat; exit 9', "sh", odd)

    call = run_on(host, argv, environment={"ODD": odd}, limit_s=DEADLINE_S)

    assert (call.exit_code, call.stdout, call.stderr) == (9, f"{odd}|{odd}", "no\n")
    assert call.argv == argv


def test_the_environment_is_on_no_command_line() -> None:
    script = "tr '\\0' ' ' </proc/$PPID/cmdline; cat /proc/$$/cmdline; echo; echo $TOKEN"

    call = run_on(HERE, ["sh", "-c", script], environment={"TOKEN": "s3cret"}, limit_s=DEADLINE_S)

    assert call.stdout.splitlines()[-1] == "s3cret"
    assert "s3cret" not in "".join(call.stdout.splitlines()[:-1])
    assert "s3cret" not in repr(call.argv)


@pytest.mark.parametrize(
    ("environment", "complaint"),
    [({"A": "one\ntwo"}, "the value of A has a line end"), ({"A B": ""}, "'A B' is no name")],
)
def test_an_environment_that_cannot_be_told_is_refused(
    environment: dict[str, str], complaint: str
) -> None:
    with pytest.raises(ValueError, match=complaint) as refused:
        run_on(HERE, ["true"], environment=environment, limit_s=1)
    assert "two" not in str(refused.value)


def test_an_environment_that_fills_the_pipe_is_refused() -> None:
    with pytest.raises(ValueError, match="is too long"):
        runner_input({"A": "x" * MOST_INPUT_BYTES})


def test_a_program_that_takes_too_long_is_ended_in_time(hosts: MiniHosts) -> None:
    deaf = "trap '' TERM; echo begun; sleep 600; sleep 600"
    before = time.monotonic()

    call = run_on(hosts.hosts[0], ["sh", "-c", deaf], environment={}, limit_s=0.3, stop_s=0.3)

    assert time.monotonic() - before < DEADLINE_S
    assert (call.exit_code, call.stdout) == (None, "begun\n")
    assert "sleep 600" not in said_on(hosts.hosts[0], "ps", "-e", "-o", "args=")


def test_a_program_whose_connection_was_lost_is_ended_by_its_host(hosts: MiniHosts) -> None:
    host = hosts.hosts[0]
    # It leaves the group of the client, as everything does that is behind ssh.
    lost = replace(host, command=(*host.command, "setsid", "-w"))

    call = run_on(lost, ["sleep", "610"], environment={}, limit_s=0.3, stop_s=0.3)

    assert call.exit_code is None
    gone = "while ps -e -o args= | grep -q '[s]leep 610'; do sleep 0.05; done"
    assert run_on(host, ["sh", "-c", gone], environment={}, limit_s=10).ok


def test_a_way_that_does_not_exist_is_a_problem_that_names_the_host() -> None:
    call = run_on(Host("h1", "", ("/no/such/ssh", "h1")), ["true"], environment={}, limit_s=1)

    assert call.problem == "h1 cannot be reached: `/no/such/ssh` does not start"


def test_all_hosts_are_asked_at_once(hosts: MiniHosts, tmp_path: Path) -> None:
    # Each waits for all the others.
    wait = f"while ! test $(ls {tmp_path} | wc -l) = 3; do sleep 0.02; done"
    script = f"touch {tmp_path}/$(hostname); {wait}; hostname"

    calls = on_all(hosts.hosts, ["sh", "-c", script], environment={}, limit_s=DEADLINE_S)

    assert {name: call.stdout for name, call in calls.items()} == {
        host.name: f"{host.name}\n" for host in hosts.hosts
    }
    assert on_all([], ["true"], environment={}, limit_s=1) == {}


def access(hosts: MiniHosts, *nodes: str) -> NodeAccess:
    return NodeAccess((), (("MINE", "1"),), nodes, sys.executable, 10.0, hosts=hosts.hosts)


def test_each_host_reports_under_its_name_in_plans(hosts: MiniHosts) -> None:
    renamed = tuple(replace(host, name=f"node-{host.name}") for host in hosts.hosts)
    asked = replace(access(hosts, "node-h03", "node-h01"), hosts=renamed)

    reports = look(asked, Request(("identity", "shared_memory"), 5.0))

    assert [(each.node, each.hostname, each.error) for each in reports] == [
        ("node-h03", "h03", ""),
        ("node-h01", "h01", ""),
    ]
    assert "10.89.0.3" in reports[0].addresses
    assert all(each.shared_memory is not None for each in reports)


def test_processes_are_looked_for_on_their_own_host_alone(hosts: MiniHosts) -> None:
    one, two, _ = hosts.hosts
    mark = "DYNAMO_ACCEPTANCE_DEPLOYMENT"
    argv = ["env", f"{mark}=mine", "sh", "-c", "echo up; exec sleep 600"]
    with psutil.Popen(two.runs(argv), stdout=-1, text=True) as program:
        try:
            assert program.stdout.readline() == "up\n"

            reports = look(
                access(hosts, one.name, two.name),
                Request(("processes",), 5.0, marker=(mark, "mine")),
            )
        finally:
            for each in (*program.children(), program):
                each.kill()

    first, second = reports
    assert first.processes == ()
    assert second.processes is not None
    assert [each.command for each in second.processes] == ["sleep 600"]


def test_hosts_meet_each_other(hosts: MiniHosts) -> None:
    names = tuple(host.name for host in hosts.hosts)
    ports = ((4100, "etcd"),)
    meeting = Meeting(
        names[0], hosts.hosts[0].address, names, ports, "token", 10.0, {names[0]: ports}
    )

    reports = look(access(hosts), Request(("meeting",), 5.0, meeting=meeting))

    assert [each.node for each in reports] == list(names)
    assert [each.problems for each in reports] == [()] * 3
    assert [[port.reached for port in each.reached or ()] for each in reports] == [[True]] * 3


def test_a_host_that_is_lost_or_unknown_says_why_and_costs_no_other(tmp_path: Path) -> None:
    with mini_hosts(tmp_path / "set") as hosts:
        asked = access(hosts, "h01", "h02", "h07")
        hosts.power_off("h01")

        lost, there, unknown = look(asked, Request(("identity",), 5.0))

    assert "nsenter: cannot open" in lost.error
    assert (there.error, there.hostname) == ("", "h02")
    assert unknown.error == "nobody has said how this host is reached"


def test_a_host_without_that_python_says_so(hosts: MiniHosts) -> None:
    asked = replace(access(hosts, "h01"), python="/no/such/python")

    (report,) = look(asked, Request(("identity",), 5.0))

    assert "/no/such/python" in report.error
    assert "127" in report.error
