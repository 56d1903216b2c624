"""Passing means: the simulated MPI world forms, loads, and falls as one, with real processes.

Not covered: silence without a closed connection; waiting for that takes half a minute.
"""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from fixtures.services.base import wait_until
from fixtures.simulator import follower
from fixtures.simulator.follower import LineReader
from fixtures.simulator.world import World, WorldError

pytestmark = pytest.mark.selftest

DEADLINE_S = 30.0
RSS_LIMIT = 15 * 2**20
LEADER = """
import signal, sys
from fixtures.simulator.world import World, abort_process
world = World(3, "127.0.0.1", int(sys.argv[1]), abort_process)
assert world.form(30, lambda: False)
print("formed", flush=True)
signal.pause()
"""

Follower = subprocess.Popen[str]
Start = Callable[..., list[Follower]]


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


@pytest.fixture
def start(port: int, tmp_path: Path) -> Iterator[Start]:
    """Starts followers of the given ranks; whoever is left at the end is killed."""
    started: list[Follower] = []

    def start(size: int, *ranks: int, fault: str = "") -> list[Follower]:
        for rank in ranks or range(1, size):
            argv = [sys.executable, "-S", "-P", follower.__file__]
            argv += [str(rank), str(size), "127.0.0.1", str(port), fault]
            with (tmp_path / f"{rank}.log").open("w") as log:
                started.append(subprocess.Popen(argv, stdout=log, text=True))
        return started

    yield start
    for process in started:
        process.kill()
        process.wait(DEADLINE_S)


class Losses:
    """Hears of lost ranks, as `on_abort` of a world."""

    def __init__(self) -> None:
        self.reasons: list[str] = []
        self.first = threading.Event()

    def __call__(self, reason: str) -> None:
        self.reasons.append(reason)
        self.first.set()


@contextlib.contextmanager
def world_of(size: int, port: int, losses: Losses) -> Iterator[World]:
    world = World(size, "127.0.0.1", port, losses)
    try:
        yield world
    finally:
        world.leave(DEADLINE_S)
        world._thread.join(DEADLINE_S)


def orders(size: int, shm: tuple[str, ...] = ()) -> dict[int, dict[str, object]]:
    return {rank: {"seconds": 0.0, "reported_s": 12.5, "shm": list(shm)} for rank in range(1, size)}


def codes(processes: list[Follower]) -> list[int]:
    return [process.wait(DEADLINE_S) for process in processes]


def never() -> bool:
    return False


def log_of(tmp_path: Path, rank: int) -> str:
    return (tmp_path / f"{rank}.log").read_text()


def test_a_world_joins_loads_and_leaves_with_exit_code_0(
    start: Start, port: int, tmp_path: Path
) -> None:
    losses = Losses()
    with world_of(4, port, losses) as world:
        processes = start(4)
        assert world.form(DEADLINE_S, never)
        world.load(orders(4), DEADLINE_S)
        assert [process.poll() for process in processes] == [None] * 3

    assert codes(processes) == [0, 0, 0]
    assert losses.reasons == []
    assert log_of(tmp_path, 3).splitlines() == [
        "rank3 run mgmn worker node with mpi_world_size: 4 ...",
        "Model init total -- 12.50s",
    ]


def test_followers_may_start_long_before_rank_0(start: Start, port: int, tmp_path: Path) -> None:
    processes = start(3)
    assert wait_until(lambda: all("run mgmn" in log_of(tmp_path, r) for r in (1, 2)), DEADLINE_S)

    with world_of(3, port, Losses()) as world:
        assert world.form(DEADLINE_S, never)
    assert codes(processes) == [0, 0]


def test_a_world_of_one_rank_needs_nobody(port: int) -> None:
    with world_of(1, port, Losses()) as world:
        assert world.form(0, never)
        world.load({}, 0)


def test_leaving_twice_and_leaving_alone_do_no_harm(start: Start, port: int) -> None:
    losses = Losses()
    with world_of(3, port, losses) as world:
        processes = start(3)
        assert world.form(DEADLINE_S, never)
        world.leave(DEADLINE_S)
        world.leave(0)

    assert (codes(processes), losses.reasons) == ([0, 0], [])


def test_a_left_world_gives_its_port_back(port: int) -> None:
    for _ in range(3):
        with world_of(1, port, Losses()):
            pass
    with socket.create_server(("127.0.0.1", port)):
        pass


def test_a_killed_rank_takes_all_others_along_and_is_named_once(
    start: Start, port: int, tmp_path: Path
) -> None:
    losses = Losses()
    with world_of(5, port, losses) as world:
        processes = start(5)
        assert world.form(DEADLINE_S, never)
        world.load(orders(5), DEADLINE_S)
        processes[1].kill()

        assert losses.first.wait(DEADLINE_S)
        assert codes(processes) == [1, -signal.SIGKILL, 1, 1]
        assert wait_until(lambda: not world._peers, DEADLINE_S)
    assert losses.reasons == ["rank 2 exited"]
    for rank in (1, 3, 4):
        assert f"rank{rank}: MPI_ABORT: rank 2 exited" in log_of(tmp_path, rank)


def test_a_struck_rank_dies_and_takes_the_world_along(
    start: Start, port: int, tmp_path: Path
) -> None:
    losses = Losses()
    with world_of(3, port, losses) as world:
        processes = start(3)
        assert world.form(DEADLINE_S, never)
        world.strike(2)
        assert codes(processes) == [1, 1]

    assert losses.reasons == ["rank 2 exited"]
    assert "rank2: CUDA error" in log_of(tmp_path, 2)


def test_followers_of_a_killed_leader_abort(start: Start, port: int, tmp_path: Path) -> None:
    argv = [sys.executable, "-c", LEADER, str(port)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as leader:
        processes = start(3)
        assert leader.stdout is not None
        assert leader.stdout.readline() == "formed\n"
        leader.kill()
        assert codes(processes) == [1, 1]

    assert "rank1: MPI_ABORT: rank 0 is gone" in log_of(tmp_path, 1)


def test_a_leader_that_loses_a_rank_ends_its_own_process(start: Start, port: int) -> None:
    argv = [sys.executable, "-c", LEADER, str(port)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as leader:
        processes = start(3)
        assert leader.stdout is not None
        assert leader.stdout.readline() == "formed\n"
        processes[0].kill()
        assert leader.wait(DEADLINE_S) == 1
        assert leader.stdout.read() == "MPI_ABORT was invoked on rank 0: rank 1 exited\n"
        assert processes[1].wait(DEADLINE_S) == 1


def test_missing_ranks_are_named(start: Start, port: int) -> None:
    with world_of(4, port, Losses()) as world:
        start(4, 2)
        assert wait_until(lambda: 2 in world._peers, DEADLINE_S)
        with pytest.raises(WorldError, match=r"ranks \[1, 3\] of 4 have not joined within 0 s"):
            world.form(0.2, never)


def test_ranks_that_do_not_load_are_named(start: Start, port: int) -> None:
    with world_of(3, port, Losses()) as world:
        start(3)
        assert world.form(DEADLINE_S, never)
        one = {1: orders(3)[1]}
        with pytest.raises(WorldError, match=r"ranks \[2\] of 3 have not loaded"):
            world.load(one, 1.0)


def test_a_cancelled_rendezvous_ends_without_an_error(port: int) -> None:
    with world_of(3, port, Losses()) as world:
        assert world.form(DEADLINE_S, lambda: True) is False


def test_a_caller_that_is_no_rank_is_turned_away(start: Start, port: int) -> None:
    with world_of(2, port, Losses()) as world:
        for hello in (b'{"beat": 0}\n', b"GET / HTTP/1.1\r\n\r\n", b"5\n", b"\xff\n", b""):
            with socket.create_connection(("127.0.0.1", port), timeout=DEADLINE_S) as caller:
                caller.sendall(hello)
                caller.shutdown(socket.SHUT_WR)
                assert LineReader(caller).read() is None
        start(2)
        assert world.form(DEADLINE_S, never)


def test_sixteen_followers_join_and_stay_small(start: Start, port: int) -> None:
    with world_of(17, port, Losses()) as world:
        processes = start(17)
        assert world.form(DEADLINE_S, never)
        world.load(orders(17), DEADLINE_S)
        sizes = [psutil.Process(process.pid).memory_info().rss for process in processes]
        assert max(sizes) < RSS_LIMIT

    assert codes(processes) == [0] * 16


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_follower_told_to_stop_before_there_is_a_leader_ends_well(
    start: Start, tmp_path: Path, number: signal.Signals
) -> None:
    (process,) = start(2)
    # Its handlers are in place before it announces itself.
    assert wait_until(lambda: "run mgmn" in log_of(tmp_path, 1), DEADLINE_S)
    process.send_signal(number)

    assert codes([process]) == [0]


def test_term_does_not_end_a_serving_follower_before_goodbye(start: Start, port: int) -> None:
    losses = Losses()
    with world_of(3, port, losses) as world:
        processes = start(3)
        assert world.form(DEADLINE_S, never)
        for process in processes:
            process.send_signal(signal.SIGTERM)
        # They answer a load order, so they are alive after the signal.
        world.load(orders(3), DEADLINE_S)
        assert [process.poll() for process in processes] == [None, None]

    assert (codes(processes), losses.reasons) == ([0, 0], [])


@pytest.mark.parametrize("end", ["goodbye", "abort"])
def test_shared_memory_exists_while_loaded_and_is_removed_at_the_end(
    start: Start, port: int, end: str
) -> None:
    segment = Path(follower.SHM_DIR) / f"selftest-{port}"
    with world_of(3, port, Losses()) as world:
        processes = start(3)
        assert world.form(DEADLINE_S, never)
        world.load({**orders(3), 1: orders(3, (segment.name,))[1]}, DEADLINE_S)
        assert segment.stat().st_size == 4096
        if end == "abort":
            processes[1].kill()
            assert processes[0].wait(DEADLINE_S) == 1
    codes(processes)
    assert not segment.exists()
