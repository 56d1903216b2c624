"""Passing means: the command line starts, uses and stops hosts, and says what went wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fixtures.minihosts.__main__ import main
from fixtures.minihosts.hosts import MiniHosts, MiniHostsError

from . import ray_hosts
from .ray_hosts import DEADLINE_S, need_hosts

pytestmark = pytest.mark.selftest


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fixtures.minihosts", *arguments],
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )


def test_hosts_are_started_used_and_stopped(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    need_hosts()
    directory = tmp_path / "set"
    try:
        up = command("up", str(directory), "--hosts", "2")
        assert up.returncode == 0, up.stderr
        assert "h01 (10.89.0.1), h02 (10.89.0.2)" in up.stdout

        done = command("exec", str(directory), "h02", "--", "sh", "-c", "hostname; exit 7")
        assert (done.returncode, done.stdout) == (7, "h02\n")

        MiniHosts.attach(directory).power_off("h01")
        assert main(["status", str(directory)]) == 0
        assert capsys.readouterr().out == "h01 10.89.0.1 off\nh02 10.89.0.2 on\n"
        assert main(["exec", str(directory), "h01", "--", "true"]) == 1
        assert capsys.readouterr().err == "minihosts: h01 is off\n"

        assert main(["down", str(directory)]) == 0
        assert capsys.readouterr().out == "nothing of the hosts is left\n"
        assert not directory.exists()
    finally:
        if directory.exists():
            MiniHosts.discard(directory)


@pytest.mark.parametrize("words", [["down"], ["status"], ["exec", "h01"]])
def test_no_hosts_is_a_plain_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str]
) -> None:
    action, *rest = words
    command = ["--", "true"] if action == "exec" else []

    assert main([action, str(tmp_path), *rest, *command]) == 1

    said = f"minihosts: {tmp_path} holds no hosts: there is no minihosts.json\n"
    assert capsys.readouterr().err == said


def test_a_command_line_that_is_wrong_is_explained(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, complaint in (
        (["exec", str(tmp_path), "h01"], "exec needs a command after `--`"),
        (["status", str(tmp_path), "--", "true"], "only exec takes a command"),
    ):
        with pytest.raises(SystemExit):
            main(words)
        assert complaint in capsys.readouterr().err


def test_what_is_missing_is_named_and_nothing_is_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert main(["check"]) == 1
    assert "missing: nsenter of the Debian package util-linux" in capsys.readouterr().out
    assert main(["up", str(tmp_path / "set")]) == 1
    assert "hosts cannot start here: ip of the Debian package" in capsys.readouterr().err
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize(
    ("script", "complaint"),
    [("echo no luck >&2; exit 1", "no network|cannot be made"), ("exec sleep 600", "not up: h01")],
)
def test_a_network_that_fails_is_the_cause_and_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, complaint: str
) -> None:
    need_hosts()
    program = tmp_path / "bin" / "ip"
    program.parent.mkdir()
    # What is tried to see what is missing is another use of it.
    program.write_text(f'#!/bin/sh\ncase "$*" in "-batch -") {script} ;; esac\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")

    with pytest.raises(MiniHostsError, match=complaint):
        MiniHosts.start(tmp_path / "set", deadline_s=0.7)

    assert not (tmp_path / "set").exists()


def test_a_state_file_that_is_none_is_a_plain_sentence(tmp_path: Path) -> None:
    (tmp_path / "minihosts.json").write_text('{"outer": 3}')

    with pytest.raises(MiniHostsError, match=r"minihosts\.json cannot be read"):
        MiniHosts.attach(tmp_path)


@pytest.mark.parametrize(("required", "outcome"), [("1", "Failed"), ("", "Skipped")])
def test_a_test_that_needs_hosts_fails_without_them_where_that_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, required: str, outcome: str
) -> None:
    monkeypatch.setenv("REQUIRE_RAY", required)
    monkeypatch.setattr(ray_hosts, "missing_requirements", lambda: ["root is needed"])

    with pytest.raises(BaseException, match="root is needed") as raised:
        need_hosts()

    assert type(raised.value).__name__ == outcome
