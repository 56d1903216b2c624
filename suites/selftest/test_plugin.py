"""Passing means: the suite itself behaves, as a user at a terminal sees it, serial and parallel."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from fixtures.config.load import load_site, load_topology
from fixtures.config.paths import CONFIGS_DIR
from fixtures.due import is_due
from fixtures.model.requirement import LAYERS
from fixtures.requirements import load_lock

from .runs import QUICK_SITE, ROOT, TINY_AGG, TINY_DISAGG, WITHOUT_OTHERS

pytestmark = pytest.mark.selftest

LIVE_AREAS = LAYERS[LAYERS.index("launch") :]

NOT_FULLY_JUDGED = 10
DEADLINE_S = 240
SELFTESTS = ROOT / "suites" / "selftest"


def run(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """Run the real suites from an empty directory, with the project's own configuration."""
    base = ("-c", str(ROOT / "pyproject.toml"), f"--rootdir={ROOT}", "-p", "no:cacheprovider")
    where = (f"--runs-dir={pytester.path}", f"--site={QUICK_SITE}", str(ROOT / "suites"))
    words = (*base, *WITHOUT_OTHERS, *where, *arguments)
    return pytester.runpytest_subprocess(*words, timeout=DEADLINE_S)


def report_of(pytester: pytest.Pytester) -> dict[str, Any]:
    """The newest report of the runs in the test's directory."""
    newest = max(pytester.path.glob("*/report.json"))
    document: dict[str, Any] = json.loads(newest.read_text())
    return document


def events_of(pytester: pytest.Pytester, event: str) -> list[dict[str, Any]]:
    """The newest journal's events of one kind."""
    newest = max(pytester.path.glob("*/journal.ndjson"))
    records = [json.loads(line) for line in newest.read_text().splitlines()]
    return [record for record in records if record.get("event") == event]


def verdicts_of(pytester: pytest.Pytester) -> dict[str, str]:
    """Topology and requirement to verdict."""
    return {
        f"{topology['name']} {row['requirement']}": row["verdict"]
        for topology in report_of(pytester)["topologies"]
        for row in topology["rows"]
    }


def test_serial_and_parallel_runs_agree_and_launch_once(pytester: pytest.Pytester) -> None:
    both = (f"--topology={TINY_AGG}", f"--topology={TINY_DISAGG}", "-m", "gb200", "--certify")
    seen = []
    for workers in ((), ("-n", "2")):
        result = run(pytester, *both, *workers)
        assert result.ret == 0, result.stdout.str()
        launched = [event["topology"] for event in events_of(pytester, "launch")]
        assert launched == ["tiny-agg", "tiny-disagg"]
        seen.append(verdicts_of(pytester))

    assert seen[0] == seen[1]
    assert set(seen[0].values()) == {"pass", "not-applicable"}
    both_of_them = [load_topology(path) for path in (TINY_AGG, TINY_DISAGG)]
    due = [
        is_due(each, one, load_site("mock"))
        for each in load_lock().values()
        for one in both_of_them
    ]
    assert len(seen[0]) == due.count(True)


def test_a_closed_topology_is_gone_before_the_next_one_starts(pytester: pytest.Pytester) -> None:
    both = (f"--topology={TINY_AGG}", f"--topology={TINY_DISAGG}", "-m", "gb200")
    run(pytester, *both, "-n", "2", "-k", "NS_01 or usage_adds_up")

    newest = max(pytester.path.glob("*/journal.ndjson"))
    records = [json.loads(line) for line in newest.read_text().splitlines()]
    order = [r["event"] for r in records if r.get("event") in ("launch", "closed")]
    assert order == ["launch", "closed", "launch", "closed"]


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["serial", "parallel"])
def test_a_misspelt_mark_is_a_usage_error(
    pytester: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    result = run(pytester, "-m", "gb20", *workers)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(['ERROR: unknown mark "gb20" in -m; did you mean "gb200"?*'])


def test_a_typo_in_a_topology_is_one_readable_error(pytester: pytest.Pytester) -> None:
    typo = pytester.path / "typo.yaml"
    typo.write_text(TINY_AGG.read_text().replace("nodes_per_worker", "node_per_worker"))

    result = run(pytester, "-m", "gb200", f"--topology={typo}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str()
    line = typo.read_text().splitlines().index("    node_per_worker: 1") + 1
    assert f'typo.yaml:{line}:5: unknown key "node_per_worker" in roles.aggregated' in text
    assert 'did you mean "nodes_per_worker"?' in text
    assert "Traceback" not in text + result.stdout.str()


def impossible_topology(directory: Path) -> Path:
    """TP16 over four nodes for a model with 40 attention heads, without attention DP."""
    model = yaml.safe_load((CONFIGS_DIR / "models" / "deepseek-r1-nvfp4.yaml").read_text())
    model |= {"name": "forty-heads", "attention_heads": 40}
    (directory / "forty-heads.yaml").write_text(yaml.safe_dump(model))
    (directory / "engine.yaml").write_text("tensor_parallel_size: 16\n")
    topology = yaml.safe_load(TINY_AGG.read_text())
    topology |= {"name": "forty-heads-tp16", "model": str(directory / "forty-heads.yaml")}
    topology["allocation"]["nodes"] = 4
    topology["roles"]["aggregated"] = {
        "workers": 1,
        "nodes_per_worker": 4,
        "engine_config": str(directory / "engine.yaml"),
    }
    path = directory / "forty-heads-tp16.yaml"
    path.write_text(yaml.safe_dump(topology))
    return path


def test_tp16_for_40_heads_is_refused_before_launch(pytester: pytest.Pytester) -> None:
    result = run(pytester, "-m", "gb200", f"--topology={impossible_topology(pytester.path)}")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert events_of(pytester, "launch") == []
    (topology,) = report_of(pytester)["topologies"]
    rows = {row["requirement"]: row for row in topology["rows"]}
    assert topology["first_failing_layer"] == "parallelism"
    assert rows["PAR-001"]["verdict"] == "pass"
    assert rows["PAR-007"]["verdict"] == "fail"
    assert "40" in rows["PAR-007"]["findings"][0]["actual"]
    live = [row for row in rows.values() if row["area"] in LIVE_AREAS]
    assert {row["verdict"] for row in live} == {"fail"}
    assert all("refused before launch by PAR-007" in row["reason"] for row in live)
    assert "refused before launch by PAR-007" in result.stdout.str()


def test_a_partial_run_is_visible_and_fails_certification(pytester: pytest.Pytester) -> None:
    only = (f"--topology={TINY_AGG}", "-m", "gb200 and streaming")
    plain = run(pytester, *only)
    assert plain.ret == 0
    assert report_of(pytester)["decision"] == "not fully judged"
    assert "NOT FULLY JUDGED" in plain.stdout.str()

    assert run(pytester, *only, "--certify").ret == NOT_FULLY_JUDGED


def test_nothing_selected_is_never_certified(pytester: pytest.Pytester) -> None:
    nothing = (f"--topology={TINY_AGG}", "-m", "gb200", "-k", "no_such_check")

    assert run(pytester, *nothing).ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert run(pytester, *nothing, "--certify").ret == NOT_FULLY_JUDGED


def test_a_deployment_that_cannot_be_launched_is_an_error_not_a_failure(
    pytester: pytest.Pytester,
) -> None:
    site = yaml.safe_load(QUICK_SITE.read_text())
    nowhere = {"provider": "endpoint", "endpoint": "http://127.0.0.1:9"}
    site["services"]["etcd"] = nowhere
    path = pytester.path / "quick.yaml"
    path.write_text(yaml.safe_dump(site))

    result = run(pytester, "-m", "gb200", f"--topology={TINY_AGG}", f"--site={path}")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (topology,) = report_of(pytester)["topologies"]
    live = [row for row in topology["rows"] if row["area"] in LIVE_AREAS]
    assert [row["verdict"] for row in live].count("error") == 1
    assert {row["verdict"] for row in live} == {"error", "unverified"}
    assert all("127.0.0.1:9" in row["reason"] for row in live)
    assert "Traceback" not in result.stdout.str()
    assert len(events_of(pytester, "launch")) == 1


@pytest.mark.parametrize(
    ("arguments", "wanted"),
    [
        ((), False),
        (("-m", "gb200"), False),
        (("-m", "chat"), False),
        (("-m", "selftest"), True),
        (("-m", "not gb200"), True),
        ((str(SELFTESTS / "test_outcome.py"),), True),
    ],
    ids=["bare", "profile", "area", "selftest", "negated", "named"],
)
def test_selftests_are_collected_only_when_asked_for(
    pytester: pytest.Pytester, arguments: tuple[str, ...], wanted: bool
) -> None:
    base = ("-c", str(ROOT / "pyproject.toml"), f"--rootdir={ROOT}", "--collect-only", "-q")
    named = any(argument.endswith(".py") for argument in arguments)
    # One file of them is enough to see whether they are collected.
    few = [f"--ignore-glob={SELFTESTS}/{each}" for each in ("test_[!o]*.py", "rules")]
    where = () if named else (*few, str(ROOT / "suites"))
    result = pytester.runpytest_subprocess(*base, *where, *arguments, timeout=DEADLINE_S)

    assert ("suites/selftest/" in result.stdout.str()) is wanted


def test_a_path_elsewhere_is_no_place_to_look_for_tests(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    typo = pytester.path / "typo.yaml"
    text = TINY_AGG.read_text().replace("  mode: round-robin", "  mode: kw")
    typo.write_text(text.replace("./tiny-model.yaml", "deepseek-r1-nvfp4"))
    # As a user types it, from the project: without "=".
    monkeypatch.chdir(ROOT)
    arguments = ("-m", "gb200", "--runs-dir", str(pytester.path), "--topology", str(typo))
    result = pytester.run(sys.executable, "-m", "pytest", *arguments, timeout=DEADLINE_S)

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    text = result.stderr.str()
    assert 'router.mode cannot be "kw"' in text
    assert "allowed: round-robin, random, kv" in text


def test_no_option_switches_the_verdict_off(pytester: pytest.Pytester) -> None:
    only = (f"--topology={TINY_AGG}", "-m", "gb200 and static", "-p", "no:acceptance-controller")

    assert run(pytester, *only, "--certify").ret == NOT_FULLY_JUDGED


def test_a_runs_directory_that_is_a_file_is_a_usage_error(pytester: pytest.Pytester) -> None:
    (pytester.path / "taken").write_text("")
    result = run(pytester, "-m", "gb200", f"--runs-dir={pytester.path / 'taken'}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *taken: runs cannot be kept here: *"])


def test_a_topology_larger_than_the_site_fails_its_own_requirement(
    pytester: pytest.Pytester,
) -> None:
    site = yaml.safe_load(QUICK_SITE.read_text())
    site["nodes"] = ["node1"]
    path = pytester.path / "quick.yaml"
    path.write_text(yaml.safe_dump(site))

    result = run(pytester, "-m", "gb200", f"--topology={TINY_DISAGG}", f"--site={path}")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    (topology,) = report_of(pytester)["topologies"]
    rows = {row["requirement"]: row for row in topology["rows"]}
    assert topology["first_failing_layer"] == "slurm"
    assert rows["SLM-001"]["verdict"] == "fail"
    assert "it has 1" in rows["SLM-001"]["findings"][0]["actual"]
    assert events_of(pytester, "launch") == []


def test_a_name_that_a_shipped_topology_has_is_taken(pytester: pytest.Pytester) -> None:
    mine = pytester.path / "mine.yaml"
    mine.write_text(TINY_AGG.read_text().replace("name: tiny-agg", "name: deepseek-r1-mtp-disagg"))
    mine.write_text(
        mine.read_text()
        .replace("tiny-agg-engine", f"{TINY_AGG.parent}/tiny-agg-engine")
        .replace("./tiny-model", f"{TINY_AGG.parent}/tiny-model")
    )

    result = run(pytester, "-m", "gb200", f"--topology={mine}")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "'deepseek-r1-mtp-disagg' belongs to a shipped topology" in result.stderr.str()
