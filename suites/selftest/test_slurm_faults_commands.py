"""Passing means: a command of the scheduler that hangs is told by its name, and holds nobody up.

What cannot be verified while it hangs stays in the ledger, and `reap` ends it later.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from .runs import LIVE
from .slurm_rig import HASTY_SLURM, QUICK_PYXIS, Rig, findings_of, red_and_errors, rig

pytestmark = pytest.mark.selftest

FEW = (*LIVE, "suites/launch", "suites/shutdown")
BEFORE = {
    "squeue": "PRE-001",
    "scontrol": "PRE-001",
    "sinfo": "PRE-001",
    "salloc": "PRE-002",
    "srun": "PRE-007",
}
"""Commands that hang from the start, and the requirement that tells."""
LATER = {"squeue": "SHD-006", "scancel": "SHD-005", "srun": "RNK-008"}
"""Commands that hang once the deployment is up."""
HANGS = """\
#!/bin/sh
if [ -e {flag} ] && {{ [ -z "{word}" ] || [ "$1" = "{word}" ]; }}; then exec sleep 600; fi
exec {real} "$@"
"""


@pytest.fixture(scope="module")
def small() -> Iterator[Rig]:
    """Two nodes: one for each role."""
    with rig() as found:
        yield found


def path_with_hanging(name: str, directory: Path, flag: Path, word: str = "") -> dict[str, str]:
    """An environment in which a command hangs, with that first word, as soon as a file is there."""
    directory.mkdir()
    real = shutil.which(name)
    (directory / name).write_text(HANGS.format(flag=flag, real=real, word=word))
    (directory / name).chmod(0o755)
    return {"PATH": f"{directory}:{os.environ['PATH']}"}


@pytest.mark.parametrize("name", BEFORE)
def test_a_command_that_hangs_holds_a_launch_back(name: str, small: Rig, tmp_path: Path) -> None:
    environment = path_with_hanging(name, tmp_path / "bin", flag=Path("/"))

    run = small.run(tmp_path / "runs", *LIVE, site=HASTY_SLURM, environment=environment)

    red, errors = red_and_errors(run)
    assert (BEFORE[name] in red, errors) == (True, set()), run.output
    assert f"{name} did not end within" in findings_of(run, BEFORE[name])
    held = [event for event in run.events if event["kind"] == "event"]
    assert [event["event"] for event in held if event["event"] != "left"] == ["held-back"]
    assert held[0]["requirement"] == BEFORE[name]
    small.reap(run.run_dir)
    assert small.left_by(run.run_dir) == []


@pytest.mark.parametrize("name", LATER)
def test_a_command_that_hangs_later_holds_no_stop_up(name: str, small: Rig, tmp_path: Path) -> None:
    flag = tmp_path / "flag"
    environment = path_with_hanging(name, tmp_path / "bin", flag)

    with small.up(tmp_path / "runs", *FEW, site=HASTY_SLURM, environment=environment) as running:
        flag.touch()
        run = running.ended()

    red, errors = red_and_errors(run)
    assert (LATER[name] in red, errors) == (True, set()), run.output
    assert run.exit_code == 1
    small.reap(run.run_dir)
    assert small.left_by(run.run_dir) == []


def test_an_srun_that_cannot_say_its_options_holds_a_launch_back(
    small: Rig, tmp_path: Path
) -> None:
    image = tmp_path / "image.sqsh"
    image.touch()
    hanging = path_with_hanging("srun", tmp_path / "bin", flag=Path("/"), word="--help")

    run = small.run(
        tmp_path / "runs", *LIVE, site=QUICK_PYXIS, environment={**hanging, "IMAGE": str(image)}
    )

    red, errors = red_and_errors(run)
    assert ("PRE-001" in red, errors) == (True, set()), run.output
    assert "srun did not end within" in findings_of(run, "PRE-001")
    assert small.left_by(run.run_dir) == []
