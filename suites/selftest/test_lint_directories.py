"""What the linter does with directories, with files of others, and with readers that leave."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fixtures.lint import lint
from reports.lint import as_text

from .lint_files import command, written, wrong_deployment
from .rules.cases import aggregated
from .runs import ROOT

pytestmark = pytest.mark.selftest


@pytest.fixture
def wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A topology with one error, as seen from the directory around it."""
    monkeypatch.chdir(tmp_path)
    return wrong_deployment(tmp_path)


def test_a_directory_without_any_deployment_is_no_success(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("services: {}\n")

    ended = command(".", cwd=tmp_path)

    assert ended.returncode == 2
    assert "nothing was examined" in ended.stdout


def test_files_of_other_programs_are_skipped_in_a_directory(tmp_path: Path) -> None:
    foreign = {"patch.yaml": "- op: add\n", "stack.yaml": "a: !Ref b\n", "crd.yaml": "x" * 2**21}
    written(tmp_path, {**aggregated(), **foreign})

    result = lint([tmp_path])

    assert (result.exit_code, result.unreadable) == (0, ())
    assert {Path(path).name for path in result.skipped} == set(foreign)
    assert lint([tmp_path / "patch.yaml"]).exit_code == 2


def test_a_directory_that_cannot_be_listed_is_named_and_the_rest_judged(
    wrong: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = wrong.parent / "closed"
    closed.mkdir()
    listing = Path.iterdir

    def refuse(self: Path) -> Any:
        if self == closed:
            raise PermissionError(13, "Permission denied")
        return listing(self)

    monkeypatch.setattr(Path, "iterdir", refuse)
    result = lint([wrong.parent])

    assert [each.where for each in result.unreadable] == ["wrong/closed"]
    assert "PAR-001" in {remark.rule for remark in result.remarks}


def test_a_topology_whose_roles_are_misspelt_is_still_known_for_one(tmp_path: Path) -> None:
    files = aggregated()
    files["topology.yaml"] = files["topology.yaml"].replace("roles:", "rolls:")

    result = lint([written(tmp_path, files).parent])

    assert any('did you mean "roles"?' in each.text for each in result.unreadable)


def test_notes_of_a_loader_are_told_without_being_asked_for(tmp_path: Path) -> None:
    (tmp_path / "run.env").write_text("NUM_NODES=four\nENGINE_CONFIG=/mnt/x.yaml\nIMAGE=a\n")

    shown = as_text.render(lint([tmp_path]))

    assert "run.env: note: " in shown


def test_a_reader_that_has_seen_enough_is_no_traceback() -> None:
    run = f"{sys.executable} -m fixtures.rules --list | head -1"
    ended = subprocess.run(
        ["/bin/sh", "-c", run], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert (ended.stdout.count("\n"), ended.stderr) == (1, "")


def test_files_are_judged_without_an_engine_or_a_network_library() -> None:
    program = (
        "import sys, fixtures.rules.__main__ as program\n"
        "program.main(['configs/topologies'])\n"
        "print(sorted({'socket', 'openai', 'dynamo', 'vllm', 'torch'} & set(sys.modules)))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )

    assert ended.stdout.splitlines()[-1] == "[]"
