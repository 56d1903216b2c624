"""Passing means: whatever comes back from the probe is a view, or a view that says why not.

The recorded answers are those of Ray 2.60 over two hosts, see `test_ray_client_live`.
"""

from __future__ import annotations

import json
import random
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fixtures.clients import ray_probe
from fixtures.clients.ray import (
    VERSIONS_MARK,
    cluster_view,
    cluster_views,
    ray_versions,
    versions_of,
    view_of,
)
from fixtures.clients.ray_probe import MARK
from fixtures.judges import ray, ray_ranks
from fixtures.model.hosts import Host
from fixtures.model.ray import ClusterView, HostVersions, RayRecord
from fixtures.model.slurm import Call

from .ray_views import cluster

pytestmark = pytest.mark.selftest

RECORDED = Path(__file__).parent / "recorded" / "ray"
ADDRESS = "10.89.0.1:6420"
HERE = Host("here", "127.0.0.1")
ENTRANCE = "of-the-cluster"
WRONG: tuple[Any, ...] = (None, True, 7, -1.5, "text", [], {}, [7], [[]], {"a": 1}, "\x1b[31m" * 40)


def call(stdout: str, exit_code: int | None = 0, stderr: str = "") -> Call:
    return Call(("python3",), exit_code, stdout, stderr, 1.0, 10.0)


def recorded(name: str) -> str:
    return (RECORDED / f"{name}.txt").read_text(encoding="utf-8")


def seen(name: str) -> ClusterView:
    return view_of(call(recorded(name)), ADDRESS)


def test_recorded_answers_are_read() -> None:
    busy, waiting, lost = seen("busy"), seen("waiting"), seen("lost")

    assert (busy.address, busy.error, busy.problems) == (ADDRESS, "", ())
    assert (busy.gpus, busy.gpus_free, busy.ray_version) == (16, 0, "2.60.0")
    assert [node.hostname for node in busy.alive] == ["h01", "h02"]
    assert {actor.state for actor in busy.actors} == {"ALIVE"}
    assert {group.cause for group in waiting.groups} == {"FINISHED", "INFEASIBLE", "NO_RESOURCES"}
    assert [node.address for node in lost.nodes if not node.alive] == ["10.89.0.2"]
    assert "somebody listens there" in seen("refused").error


def test_recorded_answers_are_judged() -> None:
    own = cluster(1, 2, ranks=16, before=replace(seen("busy"), gpus_free=16.0))
    record = RayRecord((own,), 30.0)

    assert ray.every_cluster_has_its_gpus(record) == []
    assert ray_ranks.one_group_spread_as_planned(record, (seen("busy"),)) == []
    for name in ("waiting", "lost", "refused"):
        assert ray_ranks.one_group_spread_as_planned(record, (seen(name),)) != []
        assert ray_ranks.every_rank_is_a_living_actor(record, (seen(name),)) != []


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (call(""), "no answer: 0 answers among what it printed"),
        (call("Traceback\n  boom", 1, "ModuleNotFoundError: ray"), "ended with exit code 1"),
        (call("", None), "no answer"),
        (call(f"{MARK}{{}}\n{MARK}{{}}\n"), "2 answers"),
        (call(f"{MARK}not JSON\n"), "the answer is not JSON"),
        (call(MARK + "[" * 100_000 + "\n"), "the answer is not JSON"),
        (call(f"{MARK}[]\n"), "the answer is not an object"),
        (call(f"{MARK}{{}}\n"), "`problems` in the answer is 'None', no dict"),
        (call(f'{MARK}{{"error": 7}}\n'), "`error` in the answer is '7', no str"),
        (call(recorded("busy")[:900] + "\n"), "the answer is not JSON"),
        (call(recorded("busy").replace('"gpus": 16.0', '"gpus": NaN')), "'nan', no number"),
        (call(recorded("busy").replace('"gpus": 16.0', '"gpus": 1e999')), "'inf', no number"),
        (call(recorded("busy").replace('"gpus": 16.0', f'"gpus": {10**400}')), "no number"),
    ],
)
def test_garbage_is_an_error(said: Call, expected: str) -> None:
    view = view_of(said, ADDRESS)

    assert expected in view.error
    assert (view.nodes, view.groups, view.actors) == ((), (), ())


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in a document with each of its keys."""
    if isinstance(value, dict | list):
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        for key in keys:
            yield value, key
            yield from places(value[key])


def test_wrong_types_anywhere_are_an_error_or_a_view_that_judges_can_read() -> None:
    text, chance = recorded("waiting").removeprefix(MARK), random.Random(7)  # noqa: S311
    count = sum(1 for _ in places(json.loads(text)))

    for index in range(count):
        document = json.loads(text)
        container, key = list(places(document))[index]
        container[key] = chance.choice(WRONG)
        view = view_of(call(MARK + json.dumps(document)), ADDRESS)
        record = RayRecord((cluster(1, 2, ranks=16, before=view),), 30.0)
        ray.every_cluster_has_its_gpus(record)
        ray.every_node_is_alive_and_planned(record, (view,))
        ray.no_two_workers_share_a_cluster(record, (view,))
        ray_ranks.one_group_spread_as_planned(record, (view,))
        ray_ranks.every_rank_is_a_living_actor(record, (view,))
        ray_ranks.every_rank_knows_its_address(record, (view,), ())


@pytest.fixture
def python_that(tmp_path: Path) -> Callable[[str], str]:
    """A program in the place of a host's Python."""

    def write(script: str) -> str:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        path.chmod(0o755)
        return str(path)

    return write


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        ("exit 3", "ended with exit code 3"),
        ("echo hello; yes | head -c 100000", "0 answers"),
        ("kill -9 $$", "no answer"),
        ("sleep 600", "no answer"),
        (f"echo '{MARK}'; echo more", "the answer is not JSON"),
    ],
)
def test_any_program_leads_to_a_view(
    script: str,
    expected: str,
    python_that: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("fixtures.clients.ray.START_S", 0.5)
    one = cluster(1, hosts=(HERE,), python=python_that(script))

    assert expected in cluster_view(one, 0.5).error


def test_a_host_or_a_python_that_is_not_there_leads_to_a_view() -> None:
    nowhere = Host("gone", "192.0.2.1", ("no-such-client", "gone"))

    first, second = cluster_views(
        RayRecord(
            (
                cluster(1, hosts=(nowhere,)),
                cluster(2, worker="prefill-0", hosts=(HERE,), python="/no/such/python"),
            ),
            5.0,
        )
    )

    assert "gone cannot be reached" in first.error
    assert "/no/such/python" in second.error
    assert cluster_views(RayRecord((), 5.0)) == ()


def test_the_token_reaches_the_program_and_no_command_line(
    python_that: Callable[[str], str],
) -> None:
    said = shlex.quote(MARK)
    told = (
        f'printf %s {said}; printf \'{{"error": "%s: %s"}}\\n\' "$RAY_AUTH_MODE" "$RAY_AUTH_TOKEN"'
    )
    environment = (("RAY_AUTH_MODE", "token"), ("RAY_AUTH_TOKEN", ENTRANCE))
    one = cluster(1, hosts=(HERE,), python=python_that(told), environment=environment)

    assert cluster_view(one, 5.0).error == f"token: {ENTRANCE}"
    assert ENTRANCE not in repr(one)


def test_modules_of_the_current_directory_are_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("json.py", "socket.py", "platform.py"):
        (tmp_path / name).write_text("raise SystemExit('not me')", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    one = cluster(1, hosts=(HERE,), python=sys.executable, address="127.0.0.1:1")

    assert "nobody answers at 127.0.0.1:1" in cluster_view(one, 10.0).error
    assert ray_versions((HERE,), sys.executable, 30.0)[0].python


def test_the_versions_of_hosts_are_read_or_told_to_be_missing(
    python_that: Callable[[str], str],
) -> None:
    (here,) = ray_versions((HERE,), sys.executable, 30.0)
    (none,) = ray_versions((HERE,), python_that("exit 4"), 5.0)

    assert here.python == ".".join(map(str, sys.version_info[:3]))
    assert bool(here.ray) != bool(here.error)
    assert "ended with exit code 4" in none.error
    answer = '{"ray": "2.60.0", "python": "3.11.7", "error": ""}'
    assert versions_of(call(VERSIONS_MARK + answer), "h01") == HostVersions(
        "h01", "2.60.0", "3.11.7"
    )
    assert versions_of(call(VERSIONS_MARK + '{"ray": 2}'), "h01").error


def healthy() -> dict[str, Callable[[], Any]]:
    """Tables as Ray 2.60 has them, of an empty cluster."""
    node = {"NodeID": "n", "NodeManagerAddress": "10.89.0.1", "Alive": True}
    return {
        "nodes": lambda: [node],
        "gpus": dict,
        "gpus_free": dict,
        "groups": dict,
        "actors": dict,
        "jobs": list,
        "id": lambda: "c0ffee",
        "session": lambda: "session_1",
        "versions": lambda: {"ray_version": "2.60.0", "python_version": "3.11.7"},
    }


@pytest.mark.parametrize("part", sorted(healthy()))
def test_a_table_that_ray_no_longer_has_costs_itself_alone(part: str) -> None:
    def missing() -> Any:
        raise AttributeError(f"no {part}")

    found = ray_probe.view({**healthy(), part: missing})

    assert found["problems"] == {part: f"AttributeError: no {part}"}
    view = view_of(call(MARK + json.dumps(found)), ADDRESS)
    assert (view.error, dict(view.problems)) == ("", {part: f"AttributeError: no {part}"})


def test_a_table_of_another_shape_is_a_problem() -> None:
    found = ray_probe.view({**healthy(), "nodes": lambda: [{}], "actors": lambda: {"a": {}}})

    assert found["problems"] == {"nodes": "KeyError: 'NodeID'", "actors": "KeyError: 'State'"}
