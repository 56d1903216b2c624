"""The static rules as checks of a run: verdicts, levels, files of users, nothing launched."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fixtures.config.paths import names_of
from fixtures.rules.catalogue import RULES

from .rules.cases import aggregated, pair
from .runs import SuiteRun, run_suite

pytestmark = pytest.mark.selftest


def judged(directory: Path, files: dict[str, str], *arguments: str) -> SuiteRun:
    """Run the static checks on these files; the first one is named."""
    for name, content in files.items():
        (directory / name).write_text(content, encoding="utf-8")
    first = directory / next(iter(files))
    return run_suite(directory / "runs", "-m", "static", f"--topology={first}", *arguments)


def row(run: SuiteRun, requirement: str) -> dict[str, Any]:
    """One requirement's row of a run with one topology."""
    (topology,) = run.report["topologies"]
    rows: list[dict[str, Any]] = topology["rows"]
    return next(each for each in rows if each["requirement"] == requirement)


def test_a_clean_deployment_is_accepted_for_its_files_alone(tmp_path: Path) -> None:
    run = judged(tmp_path, aggregated(), "--certify")

    assert run.exit_code == 0, run.output
    assert "case   ACCEPTED" in run.output
    assert "not launched" in run.output
    assert {each["requirement"] for each in run.report["topologies"][0]["rows"]} <= RULES.keys()


def test_an_error_fails_its_check_with_place_arithmetic_and_hint(tmp_path: Path) -> None:
    run = judged(tmp_path, aggregated(roles__aggregated__nodes_per_worker=3))

    assert run.exit_code == 1
    found = row(run, "PAR-001")
    assert found["verdict"] == "fail"
    assert "16 GPUs, but 3 nodes x 4 GPUs = 12" in found["findings"][0]["actual"]
    assert "engine.yaml:2:1" in found["findings"][0]["actual"]
    assert found["findings"][0]["hint"] == "nodes_per_worker: 4 gives 16 GPUs"
    assert "first failing layer: parallelism" in run.output


def test_a_warning_is_a_remark_and_does_not_gate(tmp_path: Path) -> None:
    run = judged(tmp_path, aggregated(workload__concurrency=[1, 100_000]))

    found = row(run, "FIT-003")
    assert (found["level"], found["verdict"]) == ("SHOULD", "fail")
    assert run.exit_code == 0, run.output
    assert "a remark only" in run.output


def test_a_rule_without_its_input_judges_nothing_and_names_it(tmp_path: Path) -> None:
    files = pair()
    engines = {name: files[name] for name in ("prefill.yaml", "decode.yaml")}

    run = judged(tmp_path, engines)

    found = row(run, "PAR-001")
    assert found["verdict"] == "not-applicable"
    assert "its nodes and GPUs per node" in found["reason"]
    assert run.exit_code == 0, run.output


def test_a_mistake_in_an_engine_file_is_a_failed_check_and_no_usage_error(tmp_path: Path) -> None:
    files = aggregated({"tensor_paralel_size": 16, "tensor_parallel_size": None})

    run = judged(tmp_path, files)

    assert row(run, "ENG-013")["verdict"] == "fail"
    assert "tensor_parallel_size" in row(run, "ENG-013")["findings"][0]["hint"]
    assert run.exit_code == 1


def test_without_a_topology_everything_shipped_is_judged(tmp_path: Path) -> None:
    run = run_suite(tmp_path, "-m", "static", "--certify")

    assert run.exit_code == 0, run.output
    judged = {each["name"] for each in run.report["topologies"]}
    assert judged > set(names_of("topology"))
    assert {"llama-70b-agg-2x2", "multinode-405b"} <= judged
    assert {each["decision"] for each in run.report["topologies"]} == {"accepted"}


def test_a_deployment_that_no_launcher_here_takes_is_judged_and_not_launched(
    tmp_path: Path,
) -> None:
    run = run_suite(tmp_path, "--topology=configs/kubernetes/llama-70b-agg-2x2.yaml")

    verdicts = run.verdicts("llama-70b-agg-2x2")
    assert verdicts["K8S-001"] == "pass"
    assert verdicts["RDY-001"] == "unverified"
    assert "launcher mock takes files of format suite, not kubernetes" in run.output
    assert "NOT FULLY JUDGED" in run.output


def test_a_script_is_judged_by_itself(tmp_path: Path) -> None:
    run = judged(tmp_path, {"stop.sh": "#!/bin/bash\npkill srun\n"})

    assert row(run, "ENV-014")["verdict"] == "fail"
    assert run.exit_code == 1


def test_a_refused_topology_is_not_launched(tmp_path: Path) -> None:
    files = aggregated(roles__aggregated__nodes_per_worker=3)
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")

    run = run_suite(tmp_path / "runs", "-m", "gb200", f"--topology={tmp_path / 'topology.yaml'}")

    assert run.verdicts("case")["RDY-001"] == "fail"
    assert "refused before launch by PAR-001" in run.output
    assert not any(event["kind"] == "event" for event in run.events)
