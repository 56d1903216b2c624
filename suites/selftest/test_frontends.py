"""Passing means: `python -m dynamo.frontend` and the runtime wheel's frontend get equal verdicts.

The package is installed beside the environment, without its dependencies: the frontend needs
only two of them, and not all of them can be installed everywhere.
"""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata, util
from pathlib import Path

import pytest

from .runs import ROOT, TINY_DISAGG, SuiteRun, rehearse

pytestmark = pytest.mark.selftest

INSTALL_S = 180


@pytest.fixture(scope="session")
def package_directory() -> Path:
    """A directory with the `ai-dynamo` package of the runtime's own version."""
    version = metadata.version("ai-dynamo-runtime")
    target = ROOT / ".cache" / f"ai-dynamo-{version}"
    if not (target / "dynamo" / "frontend").is_dir():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target"]
        wanted = [f"ai-dynamo=={version}", "msgspec", "packaging"]
        subprocess.run([*pip, str(target), *wanted], timeout=INSTALL_S, check=True)
    return target


def origins(run: SuiteRun) -> dict[str, str]:
    """Where the parts of the only deployment came from."""
    (ready,) = (record for record in run.events if record.get("event") == "ready")
    found: dict[str, str] = ready["origins"]
    return found


def test_both_frontends_give_the_same_verdicts(
    package_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if util.find_spec("dynamo.frontend") is not None:
        pytest.fail("ai-dynamo is installed in this environment: run this test in one without it")
    plain = rehearse(tmp_path / "runtime", TINY_DISAGG)
    monkeypatch.setenv("PYTHONPATH", str(package_directory))
    package = rehearse(tmp_path / "package", TINY_DISAGG)

    assert (plain.exit_code, package.exit_code) == (0, 0), plain.output + package.output
    assert plain.verdicts("tiny-disagg") == package.verdicts("tiny-disagg")
    assert origins(plain)["frontend"].startswith("the frontend of the runtime wheel")
    assert origins(package)["frontend"].startswith("dynamo.frontend (ai-dynamo ")
