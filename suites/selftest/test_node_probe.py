"""Passing means: the probe tells what is, in time, and runs where nothing of ours is installed."""

from __future__ import annotations

import ast
import mmap
import os
import secrets
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from fixtures.clients import node_paths, node_probe
from fixtures.clients.node_facts import SHM, shared_memory
from fixtures.clients.node_gpus import fabrics, number
from fixtures.clients.node_processes import start_time
from fixtures.clients.nodes import MODULES, Request, probe_argv, reports_of
from fixtures.model.node_report import GpuProcess, PathLook
from fixtures.model.slurm import Call

from .alarms import LONGEST_S, alarm
from .probes import NVIDIA_SMI, ended, program, report, start
from .runs import ROOT

pytestmark = pytest.mark.selftest

CLIENTS = ROOT / "fixtures" / "clients"
EVERYTHING = ("identity", "limits", "shared_memory", "processes", "paths", "gpus")


@pytest.mark.parametrize("name", MODULES)
def test_the_probe_is_plain_python_of_the_standard_library(name: str) -> None:
    tree = ast.parse((CLIENTS / f"{name}.py").read_text("utf-8"), feature_version=(3, 8))
    modules = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module
            before = MODULES[: MODULES.index(name)]
            assert node.module != "fixtures.clients" or {a.name for a in node.names} <= set(before)
            modules.add(node.module)

    strangers = {each.split(".")[0] for each in modules} - sys.stdlib_module_names
    assert strangers <= {"fixtures"}


def test_the_probe_fits_on_a_command_line() -> None:
    longest = max(map(len, probe_argv("python3", Request(EVERYTHING, 10))))

    assert longest < 64 * 1024  # the kernel refuses single arguments of 128 kB


def test_every_line_survives_the_cut_of_labelled_output() -> None:
    done = ended(start(Request(EVERYTHING, 10, marker=("PATH", None))))

    assert done.ok
    assert done.stderr == ""
    assert max(map(len, done.stdout.splitlines())) < 900


def test_a_node_tells_who_and_where_it_is() -> None:
    found = report(Request(("identity",), 5), "gb07")

    assert found.node == "gb07"
    assert found.hostname == os.uname().nodename
    assert found.uid == os.getuid()
    assert "127.0.0.1" in found.addresses
    assert found.gpus is None
    assert found.problems == ()


def test_limits_are_those_of_the_task() -> None:
    argv = probe_argv(sys.executable, Request(("limits",), 5))
    lowered = ["bash", "-c", 'ulimit -Sn 123; ulimit -l 64; exec "$@"', "bash", *argv]
    done = subprocess.run(lowered, capture_output=True, text=True, timeout=60, check=True)

    (found,) = reports_of(Call(("srun",), 0, done.stdout, "", 1, 1), [os.uname().nodename])

    assert found.limits is not None
    assert found.limits.open_files == 123
    assert found.limits.locked_memory_bytes == 64 * 1024


def test_paths_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe")
    wanted = ["file", "empty", "pipe", "nothing", "."]

    found = report(Request(("paths",), 5, tuple((str(tmp_path / w), w) for w in wanted)))

    assert found.paths is not None
    assert [(each.kind, each.readable, each.entries) for each in found.paths] == [
        ("file", True, None),
        ("directory", True, 0),
        ("other", True, None),
        ("", False, None),
        ("directory", True, 3),
    ]
    assert found.paths[3].problem == "No such file or directory"


def test_a_path_on_a_dead_mount_costs_nothing_but_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    alive, look = threading.Event(), node_paths._look

    def hang(each: dict[str, object]) -> None:
        if each["path"] == "/dead":
            alive.wait(60)
        else:
            look(each)

    monkeypatch.setattr(node_paths, "_look", hang)
    request = {"sections": ["paths"], "section_s": 0.5, "paths": [["/dead", "a"], ["/", "b"]]}

    document = node_probe.look(request)

    alive.set()
    dead, root = (PathLook(**each) for each in document["found"]["paths"]["paths"])
    assert dead.kind == ""
    assert "is its file system alive?" in dead.problem
    assert root.kind == "directory"


def test_one_broken_section_does_not_cost_the_others() -> None:
    request = Request(("identity", "no such section", "processes"), 5)  # and no marker

    found = report(request)

    assert found.hostname
    assert "KeyError" in found.problem("no such section")
    assert "TypeError" in found.problem("processes")


def test_marked_processes_are_found_by_name_and_value() -> None:
    mark = secrets.token_hex(8)
    environment = {**os.environ, "SOME_MARK": mark, "SLURM_PROCID": "3", "SECRET": "x"}
    child = subprocess.Popen(["/bin/sleep", "60"], env=environment)
    try:
        same = report(Request(("processes",), 5, marker=("SOME_MARK", mark)))
        other = report(Request(("processes",), 5, marker=("SOME_MARK", "another")))
        any_value = report(Request(("processes",), 5, marker=("SOME_MARK", None)))
        started = start_time(child.pid)
    finally:
        child.kill()
        child.wait()

    assert same.processes is not None
    (process,) = same.processes
    assert (process.pid, process.start_time) == (child.pid, started)
    assert process.command == "/bin/sleep 60"
    assert dict(process.environment) == {"SOME_MARK": mark, "SLURM_PROCID": "3"}
    assert other.processes == ()
    assert any_value.processes == same.processes


def test_files_in_shared_memory_are_told_with_owner_and_users() -> None:
    path = SHM / f"moe_selftest_{secrets.token_hex(6)}"
    path.write_bytes(b"x" * 4096)
    try:
        with path.open("r+b") as file, mmap.mmap(file.fileno(), 4096):
            used = report(Request(("shared_memory",), 10))
        unused = report(Request(("shared_memory",), 10))
    finally:
        path.unlink()

    assert used.shared_memory is not None
    assert unused.shared_memory is not None
    (busy,) = (each for each in used.shared_memory.files if each.name == path.name)
    (idle,) = (each for each in unused.shared_memory.files if each.name == path.name)
    assert (busy.uid, busy.size_bytes) == (os.getuid(), 4096)
    assert busy.used_by is not None
    assert os.getpid() in busy.used_by
    assert idle.used_by == ()
    assert used.shared_memory.size_mib >= used.shared_memory.free_mib > 0


def test_users_of_shared_memory_stay_open_where_the_time_does_not_suffice() -> None:
    path = SHM / f"moe_selftest_{secrets.token_hex(6)}"
    path.touch()
    try:
        found: dict[str, Any] = {}
        shared_memory({"section_s": 0.0}, found)
    finally:
        path.unlink()

    (file,) = (each for each in found["files"] if each["name"] == path.name)
    assert "used_by" not in file


def test_gpus_are_read_from_nvidia_smi(tmp_path: Path) -> None:
    look = report(Request(("gpus",), 10), **program(tmp_path / "bin", NVIDIA_SMI)).gpus

    assert look is not None
    assert look.installed
    assert look.problem == ""
    first, second = look.devices
    assert (first.name, first.memory_used_mib, first.compute_capability) == (
        "NVIDIA GB200",
        512,
        "10.0",
    )
    assert (first.fabric_state, first.fabric_status) == ("Completed", "Success")
    assert first.clique_id == "32766"
    assert first.cluster_uuid == "5f1e0c2a-7a0b-4f0e-9d7c-0d5c9b7a1e11"
    assert second.memory_used_mib is None
    assert (second.fabric_state, second.fabric_status, second.cluster_uuid) == (
        "In Progress",
        "",
        "",
    )
    assert look.processes == (GpuProcess(4711, "/usr/bin/python3", 1, 500),)


def test_a_driver_that_sees_no_gpu_says_so(tmp_path: Path) -> None:
    text = "#!/bin/sh\necho 'No devices were found'\nexit 6\n"

    look = report(Request(("gpus",), 5), **program(tmp_path / "bin", text)).gpus

    assert look is not None
    assert look.problem == "nvidia-smi ended with exit code 6: No devices were found"


def test_a_hanging_nvidia_smi_is_ended_with_its_children(tmp_path: Path) -> None:
    text = f"#!/bin/sh\ntrap '' TERM\nsleep 600 &\necho $! $$ >{tmp_path}/pids\nwait\n"

    look = report(Request(("gpus",), 1), **program(tmp_path / "bin", text)).gpus

    assert look is not None
    assert "nvidia-smi did not answer within" in look.problem
    pids = [int(pid) for pid in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    with alarm(LONGEST_S):
        while any(start_time(pid) is not None for pid in pids):
            time.sleep(0.01)


def test_a_node_without_driver_has_none(tmp_path: Path) -> None:
    look = report(Request(("gpus",), 5), PATH=str(tmp_path)).gpus

    assert look is not None
    assert not look.installed
    assert look.devices == ()


def test_odd_output_of_nvidia_smi_is_no_trap() -> None:
    assert number("[N/A]") is None
    assert number("12") == 12
    assert fabrics("") == []
    assert fabrics("GPU 1\nGPU 2\n    Fabric\n        State : N/A\n") == [{}, {"fabric_state": ""}]
