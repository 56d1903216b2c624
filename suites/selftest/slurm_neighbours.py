"""Jobs and steps on the same cluster that are none of a run's business."""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

from .slurm_clusters import on_login
from .slurm_rig import GONE_S, START_S, Rig, login_environment
from .test_interrupts import wait_for

SLEEP = ("sleep", "600")
AS_NOBODY = ("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups")


@dataclass(frozen=True, slots=True)
class Neighbours:
    """What must stay as it is: jobs and steps by id, with their names."""

    rig: Rig
    steps: dict[str, str]

    @property
    def unharmed(self) -> bool:
        """Whether all of it still runs."""
        return self.steps.items() <= self.rig.steps().items()


@contextlib.contextmanager
def neighbours(rig: Rig, node: str, job_id: str = "") -> Iterator[Neighbours]:
    """A step of another user on a node, and one of our own user in this allocation, if any."""
    commands = {"stranger": [*AS_NOBODY, "srun", "-N1", "-w", node, "--job-name=stranger", *SLEEP]}
    if job_id:
        step = ["srun", f"--jobid={job_id}", "--overlap", "-N1", "--job-name=own-step", *SLEEP]
        commands["own-step"] = step
    started = [
        subprocess.Popen(
            rig.cluster.on_login(argv),
            cwd="/",
            env=login_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        for argv in commands.values()
    ]

    def found() -> dict[str, str]:
        return {id_: name for id_, name in rig.steps().items() if name in commands}

    try:
        wait_for("neighbours", lambda: set(found().values()) == set(commands), START_S)
        yield Neighbours(rig, found())
    finally:
        for id_ in found():
            on_login(rig.cluster, "scancel", id_)
        for process in started:
            process.terminate()
            process.wait(GONE_S)
