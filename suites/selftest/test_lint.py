"""`python -m fixtures.rules`: one answer in every format, and an exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from fixtures.config.paths import CONFIGS_DIR
from fixtures.lint import lint
from fixtures.rules.catalogue import RULES
from reports.lint import as_github, as_json, as_sarif, as_text

from .lint_files import command, written, wrong_deployment
from .rules.cases import aggregated, pair

pytestmark = pytest.mark.selftest


@pytest.fixture
def wrong(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A topology with one error, as seen from the directory around it."""
    monkeypatch.chdir(tmp_path)
    return wrong_deployment(tmp_path)


def test_a_clean_deployment_exits_with_0(tmp_path: Path) -> None:
    clean = written(tmp_path, aggregated())

    ended = command(str(clean), cwd=tmp_path)

    assert ended.returncode == 0, ended.stdout
    assert "1 deployment in 1 file: 0 errors, 0 warnings" in ended.stdout


def test_an_error_exits_with_1_and_starts_with_its_place(wrong: Path) -> None:
    ended = command("wrong", cwd=wrong.parents[1])

    assert ended.returncode == 1
    first = ended.stdout.splitlines()[0]
    assert first.startswith("wrong/engine.yaml:2:1: error PAR-001: aggregated: TP16 ")
    assert "fix:      nodes_per_worker: 4 gives 16 GPUs" in ended.stdout
    assert "see also: wrong/topology.yaml:" in ended.stdout


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"a: [1\n", "not valid YAML"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"a: 1\n", "describes no deployment"),
    ],
)
def test_a_named_file_that_cannot_be_read_exits_with_2(
    content: bytes, says: str, tmp_path: Path
) -> None:
    (tmp_path / "odd.yaml").write_bytes(content)

    ended = command("odd.yaml", cwd=tmp_path)

    assert (ended.returncode, ended.stderr) == (2, "")
    assert ended.stdout.startswith("odd.yaml")
    assert says in ended.stdout


def test_a_missing_file_exits_with_2(tmp_path: Path) -> None:
    assert command("nowhere.yaml", cwd=tmp_path).returncode == 2


def test_errors_beside_an_unreadable_file_are_still_told(wrong: Path) -> None:
    (wrong.parent / "broken.yaml").write_text("a: [1\n")

    ended = command(".", cwd=wrong.parent)

    assert ended.returncode == 2
    assert "not valid YAML" in ended.stdout
    assert "PAR-001" in ended.stdout


def test_nothing_named_is_a_usage_error(tmp_path: Path) -> None:
    ended = command(cwd=tmp_path)

    assert ended.returncode == 2
    assert "name a file or a directory" in ended.stderr


def test_other_files_of_a_directory_are_skipped_and_named_on_request(tmp_path: Path) -> None:
    written(tmp_path, {**aggregated(), "compose.yaml": "services: {}\n", "notes.txt": "x"})

    result = lint([tmp_path])

    assert result.exit_code == 0
    assert [Path(path).name for path in result.skipped] == ["compose.yaml"]
    assert "compose.yaml: describes no deployment" in as_text.render(result, verbose=True)


def test_hidden_directories_and_linked_ones_are_left_alone(wrong: Path) -> None:
    top = wrong.parents[1]
    (top / ".cache").mkdir()
    (top / ".cache" / "odd.yaml").write_text("a: [1\n")
    (top / "loop").symlink_to(top)

    assert lint([top]).files == 2


def test_engine_files_that_a_topology_brings_are_not_judged_twice(wrong: Path) -> None:
    result = lint([wrong.parent])

    assert [each.format for each in result.examined] == ["suite"]
    assert [remark.rule for remark in result.remarks].count("PAR-001") == 1


def test_a_pair_of_engine_files_is_one_deployment(tmp_path: Path) -> None:
    files = pair()
    written(tmp_path, {name: files[name] for name in ("prefill.yaml", "decode.yaml")})

    result = lint([tmp_path])

    assert [each.format for each in result.examined] == ["engine_pair"]


def test_every_format_tells_the_same_remarks(wrong: Path) -> None:
    result = lint([wrong])
    told = json.loads(as_json.render(result))
    sarif = json.loads(as_sarif.render(result))["runs"][0]
    lines = as_github.render(result).splitlines()

    expected = [(r.rule, r.where.line, r.where.column) for r in result.remarks]
    assert expected
    assert [(r["rule"], r["line"], r["column"]) for r in told["remarks"]] == expected
    regions = [
        (r["ruleId"], *r["locations"][0]["physicalLocation"]["region"].values())
        for r in sarif["results"]
    ]
    assert regions == expected
    assert len(lines) == len(expected)
    assert lines[0].startswith("::error file=wrong/engine.yaml,line=2,col=1,title=PAR-001::")
    assert told["exit_code"] == 1


def test_sarif_points_from_each_result_to_its_rule(wrong: Path) -> None:
    run = json.loads(as_sarif.render(lint([wrong])))["runs"][0]
    rules = run["tool"]["driver"]["rules"]

    assert [rule["id"] for rule in rules] == list(RULES)
    for result in run["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in ("error", "warning", "note")
    assert run["invocations"][0]["executionSuccessful"] is True


def test_sarif_says_that_a_file_could_not_be_read(tmp_path: Path) -> None:
    (tmp_path / "odd.yaml").write_text("x:\n  a: [1\n")

    run = json.loads(as_sarif.render(lint([tmp_path])))["runs"][0]
    told: dict[str, Any] = run["invocations"][0]

    assert told["executionSuccessful"] is False
    assert told["toolExecutionNotifications"][0]["locations"]


@pytest.mark.parametrize("rendering", [as_text, as_json, as_sarif], ids=["text", "json", "sarif"])
def test_text_from_a_file_cannot_drive_a_terminal_or_show_a_secret(
    rendering: Any, tmp_path: Path
) -> None:
    text = 'backend: pytorch\ntensor_parallel_size: 1\n"\\e[2Jx hf_Abcdefghijk1": 1\n'
    (tmp_path / "engine.yaml").write_text(text)

    shown = rendering.render(lint([tmp_path]))

    assert "\x1b" not in shown
    assert "hf_Abcdefghijk1" not in shown


def test_an_annotation_is_one_line_whatever_stands_in_it(tmp_path: Path) -> None:
    text = 'backend: pytorch\ntensor_parallel_size: 1\n"tensor_\\n::error::paralel_size": 1\n'
    (tmp_path / "a,b:c%.yaml").write_text(text)

    lines = as_github.render(lint([tmp_path])).splitlines()

    assert lines
    assert all(line.startswith(("::error file=", "::warning file=")) for line in lines)


def test_what_is_shipped_has_neither_errors_nor_warnings() -> None:
    result = lint([CONFIGS_DIR])

    assert result.unreadable == ()
    assert [f"{r.where} {r.rule}" for r in result.remarks if r.severity != "advice"] == []


def test_every_rule_is_listed_with_its_claim(tmp_path: Path) -> None:
    listed = command("--list", cwd=tmp_path).stdout.splitlines()

    assert sorted(line.split()[0] for line in listed) == sorted(RULES)
    assert [line.split()[0] for line in listed][:2] == ["PAR-001", "PAR-002"]
    assert all(rule.claim in line for line in listed for rule in [RULES[line.split()[0]]])
