"""Runs the probe of a node as job steps would: a process of its own, with nothing installed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from fixtures.clients.nodes import Meeting, Request, probe_argv, reports_of
from fixtures.model.node_report import NodeReport
from fixtures.model.slurm import Call

DEADLINE_S = 60.0
"""Only keeps a broken probe from hanging."""

NVIDIA_SMI = """#!/bin/sh
case "$*" in
--query-gpu*) cat <<'ROWS'
0, GPU-a, NVIDIA GB200, 512, 189471, 10.0
1, GPU-b, NVIDIA GB200, [N/A], 189471, 10.0
ROWS
;;
--query-compute-apps*) echo '4711, /usr/bin/python3, GPU-b, 500' ;;
-q) cat <<'TEXT'
==============NVSMI LOG==============
Attached GPUs                             : 2
GPU 00000008:01:00.0
    Product Name                          : NVIDIA GB200
    Fabric
        State                             : Completed
        Status                            : Success
        CliqueId                          : 32766
        ClusterUUID                       : 5f1e0c2a-7a0b-4f0e-9d7c-0d5c9b7a1e11
        Health
            Bandwidth                     : N/A
            State                         : Degraded
    Processes                             : None
GPU 00000009:01:00.0
    Fabric
        State                             : In Progress
        Status                            : N/A
        CliqueId                          : N/A
TEXT
;;
esac
"""


def program(directory: Path, text: str, name: str = "nvidia-smi") -> dict[str, str]:
    """An environment in which that program is found first."""
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).write_text(text)
    (directory / name).chmod(0o755)
    return {"PATH": f"{directory}:{os.environ['PATH']}"}


def start(request: Request, node: str = "gb01", **environment: str) -> subprocess.Popen[str]:
    """A probe on its way; of the caller's environment it gets nothing but PATH."""
    return subprocess.Popen(
        probe_argv(sys.executable, request),
        env={"PATH": os.environ["PATH"], "SLURMD_NODENAME": node, **environment},
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(probe: subprocess.Popen[str]) -> Call:
    """What a probe left as one task of a step."""
    out, err = probe.communicate(timeout=DEADLINE_S)
    return Call(("srun",), probe.returncode, out, err, 1.0, DEADLINE_S)


def report(request: Request, node: str = "gb01", **environment: str) -> NodeReport:
    """What the probe reports of this machine."""
    (found,) = reports_of(ended(start(request, node, **environment)), [node])
    assert not found.error
    return found


def meet(meeting: Meeting, nodes: Sequence[str]) -> dict[str, NodeReport]:
    """The reports of several probes that meet on this machine."""
    request = Request(("identity", "meeting"), 5, meeting=meeting)
    probes = {node: start(request, node) for node in nodes}
    return {node: reports_of(ended(probe), [node])[0] for node, probe in probes.items()}


def free_port() -> int:
    """A port that nobody has at the moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def labelled(outputs: Sequence[str], size: int, ending: str = "\n") -> str:
    """What `srun --label` makes of outputs: cut after `size` bytes, labelled anew, interleaved."""
    tasks = []
    for rank, output in enumerate(outputs):
        pieces = [output[at : at + size] for at in range(0, len(output), size)]
        lines = [line for piece in pieces for line in piece.splitlines()]
        tasks.append([f"{rank:>2}: {line}{ending}" for line in lines])
    longest = max(map(len, tasks), default=0)
    return "".join(task[at] for at in range(longest) for task in tasks if at < len(task))
