"""Passing means: a double goes with all that it started, whoever ends it and however."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.identity import carriers_of_run
from fixtures.ledger import LEDGER_NAME, Ledger, read_header, reap
from fixtures.minik8s.cluster import K8sShape, MiniK8s, MiniK8sError

from .minik8s_rig import Api, light, until
from .runs import ROOT

pytestmark = pytest.mark.selftest


def test_the_reaper_ends_a_double_and_its_pods(tmp_path: Path) -> None:
    run_id = f"selftest-reaped-{tmp_path.name}"
    ledger = Ledger(tmp_path / run_id / LEDGER_NAME, run_id)
    cluster = MiniK8s.start(tmp_path / run_id / "k8s", K8sShape(nodes=2), ledger)
    api = Api(cluster.kubeconfig)
    api.apply(light("one"))
    until(lambda: api.ready("one").get("status") == "True", "Ready")

    report = reap(ledger.path)

    assert report.clean, report
    assert carriers_of_run(run_id, read_header(ledger.path).ticks) == []
    assert not cluster.directory.exists()
    cluster.stop()


def test_pods_end_with_a_double_that_was_killed(tmp_path: Path) -> None:
    cluster = MiniK8s.start(tmp_path / "k8s", K8sShape(nodes=2))
    api = Api(cluster.kubeconfig)
    api.apply(light("one"))
    until(lambda: api.ready("one").get("status") == "True", "Ready")
    state = cluster._state
    assert len(carriers_of_run(state.run_id, state.process.start_time)) >= 3

    cluster._spawned.popen.send_signal(signal.SIGKILL)  # type: ignore[union-attr]

    until(
        lambda: (
            [
                one
                for one in carriers_of_run(state.run_id, state.process.start_time)
                if one.pid != state.process.pid
            ]
            == []
        ),
        "its pods are gone",
    )
    cluster.stop()
    cluster.stop()
    assert not cluster.directory.exists()


def test_the_command_line_starts_shows_and_stops_a_double(tmp_path: Path) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "fixtures.minik8s", *words]
        return subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
        )

    place = str(tmp_path / "k8s")
    up = run("up", place, "--nodes", "2", "--fault", "never_becomes_ready")
    assert up.returncode == 0, up.stderr
    assert f"export KUBECONFIG={place}/kubeconfig" in up.stdout
    assert run("status", place).returncode == 0
    assert run("faults", place, "never_get_ready").returncode == 1
    assert len(Api(Path(place) / "kubeconfig").items("/api/v1/nodes")) == 2

    down = run("down", place)

    assert (down.returncode, down.stdout) == (0, "nothing of the double is left\n")
    assert run("status", place).returncode == 1
    with pytest.raises(MiniK8sError, match="no double was started"):
        MiniK8s.attach(Path(place))


def test_a_directory_with_files_is_refused_and_kept(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("")
    with pytest.raises(MiniK8sError, match="is not empty"):
        MiniK8s.start(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
