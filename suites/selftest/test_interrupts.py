"""Passing means: however a run ends, nothing of it is left, or `reap` removes exactly its rest."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from fixtures.identity import RUN_VARIABLE
from fixtures.ledger import LEDGER_NAME, Ledger

from .runs import QUICK_SITE, ROOT, TINY_AGG, command

pytestmark = pytest.mark.selftest

LIMIT_S = 10.0
START_S = 60.0


def marked(run_id: str) -> list[int]:
    """Processes that carry the mark of a run."""
    found = []
    for process in psutil.process_iter(["environ"]):
        if (process.info["environ"] or {}).get(RUN_VARIABLE) == run_id:
            found.append(process.pid)
    return found


def listening(pids: list[int]) -> set[int]:
    """Ports on which these processes listen."""
    return {
        connection.laddr.port
        for connection in psutil.net_connections(kind="tcp")
        if connection.status == psutil.CONN_LISTEN and connection.pid in pids
    }


def wait_for(what: str, condition: object, limit_s: float) -> None:
    """Poll a condition; fails naming it when the limit passes."""
    deadline = time.monotonic() + limit_s
    assert callable(condition)
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {limit_s} s"
        time.sleep(0.05)


@contextmanager
def started(runs_dir: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A run of the suite in a session of its own."""
    process = subprocess.Popen(
        command(runs_dir, "-m", "gb200", *arguments),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def journal_says(runs_dir: Path, word: str) -> bool:
    """Whether the only run's journal has got this far."""
    return any(f'"{word}"' in path.read_text() for path in runs_dir.glob("*/journal.ndjson"))


def only_run(runs_dir: Path) -> Path:
    """The directory of the only run."""
    (run_dir,) = runs_dir.iterdir()
    return run_dir


def assert_clean(run_dir: Path, ports: set[int]) -> None:
    """No process, port, ledger entry, shared memory or temporary directory of the run."""
    assert marked(run_dir.name) == []
    everybody = {c.laddr.port for c in psutil.net_connections(kind="tcp") if c.status == "LISTEN"}
    assert not ports & everybody
    assert Ledger.open_entries(run_dir / LEDGER_NAME) == []
    assert list(Path("/dev/shm").glob(f"*{run_dir.name}*")) == []  # noqa: S108
    assert list(Path("/tmp").glob(f"dynamo-acceptance-{run_dir.name}*")) == []  # noqa: S108


# The moments: while ranks load, once everything answers, and between checks. One handler takes
# every signal, so each signal and each moment is tried, and not each signal at each moment.
@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGTERM, "launch"),
        (signal.SIGTERM, "frontend_live"),
        (signal.SIGTERM, "ready"),
        (signal.SIGINT, "launch"),
        (signal.SIGHUP, "frontend_live"),
    ],
    ids=lambda each: each.name.removeprefix("SIG") if isinstance(each, signal.Signals) else each,
)
def test_a_signal_in_a_disaggregated_run_leaves_nothing(
    number: signal.Signals, moment: str, tmp_path: Path
) -> None:
    with started(tmp_path, "--topology=deepseek-r1-wide-ep-disagg") as process:
        wait_for(moment, lambda: journal_says(tmp_path, moment), START_S)
        run_dir = only_run(tmp_path)
        ports = listening(marked(run_dir.name))
        asked = time.monotonic()
        process.send_signal(number)
        output, _ = process.communicate(timeout=LIMIT_S)

    assert process.returncode == 2, output
    assert time.monotonic() - asked < LIMIT_S
    assert_clean(run_dir, ports)
    assert "NOT FULLY JUDGED" in output


def test_a_signal_under_xdist_leaves_nothing(tmp_path: Path) -> None:
    with started(tmp_path, "-n", "2", "--topology=deepseek-r1-mtp-disagg") as process:
        wait_for("ready", lambda: journal_says(tmp_path, "ready"), START_S)
        run_dir = only_run(tmp_path)
        ports = listening(marked(run_dir.name))
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=LIMIT_S)

    assert process.returncode == 2, output
    assert_clean(run_dir, ports)


def test_a_second_signal_does_not_tear_the_clean_up(tmp_path: Path) -> None:
    with started(tmp_path, "--topology=deepseek-r1-mtp-disagg") as process:
        wait_for("ready", lambda: journal_says(tmp_path, "ready"), START_S)
        run_dir = only_run(tmp_path)
        ports = listening(marked(run_dir.name))
        for _ in range(5):
            process.send_signal(signal.SIGTERM)
            time.sleep(0.1)
        process.communicate(timeout=LIMIT_S)

    assert_clean(run_dir, ports)


def test_after_a_killed_controller_reap_stops_exactly_its_entries(tmp_path: Path) -> None:
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(120)"])
    with started(tmp_path, "--topology=deepseek-r1-mtp-disagg") as process:
        wait_for("ready", lambda: journal_says(tmp_path, "ready"), START_S)
        run_dir = only_run(tmp_path)
        os.kill(process.pid, signal.SIGKILL)
        process.wait(timeout=LIMIT_S)
    ours = marked(run_dir.name)
    ports = listening(ours)
    assert len(ours) >= 11  # etcd, NATS, frontend and eight ranks

    reaped = subprocess.run(
        [sys.executable, "-m", "fixtures.ledger", "reap", str(run_dir)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert reaped.returncode == 0, reaped.stdout + reaped.stderr
    assert_clean(run_dir, ports)
    assert bystander.poll() is None
    bystander.kill()
    bystander.wait()


def test_a_crashed_xdist_worker_does_not_take_the_deployment_along(tmp_path: Path) -> None:
    where = (f"--site={QUICK_SITE}", f"--topology={TINY_AGG}")
    with started(tmp_path, "-n", "2", *where) as process:
        wait_for("a result", lambda: journal_says(tmp_path, "result"), START_S)
        run_dir = only_run(tmp_path)
        children = psutil.Process(process.pid).children()
        workers = [child for child in children if "exec(eval" in " ".join(child.cmdline())]
        workers[0].kill()
        output, _ = process.communicate(timeout=START_S)

    assert process.returncode == 1, output
    assert "crashed" in output
    assert_clean(run_dir, set())


def test_keep_running_leaves_the_deployment_and_says_how_to_stop_it(tmp_path: Path) -> None:
    where = (f"--site={QUICK_SITE}", f"--topology={TINY_AGG}", "--keep-running", "-k", "NS or chat")
    with started(tmp_path, *where) as process:
        output, _ = process.communicate(timeout=START_S)
    run_dir = only_run(tmp_path)
    try:
        assert len(marked(run_dir.name)) == 5  # etcd, NATS, frontend and two ranks
        assert f"python -m fixtures.ledger reap {run_dir}" in output
    finally:
        subprocess.run(
            [sys.executable, "-m", "fixtures.ledger", "reap", str(run_dir)],
            cwd=ROOT,
            capture_output=True,
            timeout=60,
            check=True,
        )
    assert_clean(run_dir, set())


@pytest.mark.parametrize(
    "how",
    [("-k", "usage_adds_up"), ("-x", "--fault=adds_usage_wrongly")],
    ids=["after the last check", "at the end of the session"],
)
def test_a_signal_during_the_stop_does_not_tear_it(how: tuple[str, ...], tmp_path: Path) -> None:
    with started(tmp_path, "--topology=deepseek-r1-mtp-disagg", *how) as process:
        wait_for("close", lambda: journal_says(tmp_path, "close"), START_S)
        run_dir = only_run(tmp_path)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=LIMIT_S)

    # All that was asked for had been judged by then, so the verdict of the run may stand.
    assert process.returncode in (0, 1, 2), output
    assert "INTERNALERROR" not in output
    assert "overall:" in output
    assert_clean(run_dir, set())
