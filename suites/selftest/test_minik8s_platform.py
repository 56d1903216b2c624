"""Passing means: a manifest of a user's own runs on the double that a run starts for itself."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.config.load import load_site
from fixtures.ground import Ground, GroundError
from fixtures.identity import carriers_of_run
from fixtures.ledger import LEDGER_NAME, Ledger, read_header
from fixtures.model.topology import ServiceChoice

from .runs import LIVE, ROOT, run_suite
from .slurm_rig import red_and_errors

pytestmark = pytest.mark.selftest

WIDE_EP = ROOT / "configs" / "kubernetes" / "deepseek-r1-wide-ep-disagg.yaml"
"""It names neither etcd nor NATS: on a real cluster the platform does."""
SEEN = ("suites/launch", "suites/discovery", "suites/disaggregation", "suites/shutdown")


def nothing_is_left(ledger: Path, run_id: str) -> bool:
    """Whether the ledger is closed, and no process of the run lives."""
    return (
        Ledger.open_entries(ledger) == []
        and carriers_of_run(run_id, read_header(ledger).ticks) == []
    )


def test_a_manifest_that_names_no_services_is_accepted_and_leaves_nothing(tmp_path: Path) -> None:
    where = ("--site=k8s-local", f"--topology={WIDE_EP}")
    run = run_suite(tmp_path, *LIVE, *where, *SEEN)

    name = "deepseek-r1-wide-ep"
    assert run.exit_code == 0, run.output
    assert red_and_errors(run, name) == (set(), set()), run.output
    judged = {"DSC-005", "RNK-001", "KDP-010", "DIS-001", "SHD-003", "SHD-005"}
    assert judged <= run.with_verdict(name, "pass"), run.output
    assert run.run_dir is not None
    assert nothing_is_left(run.run_dir / LEDGER_NAME, run.run_dir.name)


def test_a_service_that_does_not_answer_keeps_the_double_from_its_start(tmp_path: Path) -> None:
    usual = load_site("k8s-local")
    nowhere = ServiceChoice("endpoint", "http://127.0.0.1:1", None)
    quick = replace(usual.deadlines, service_s=0.2)
    ground = Ground(replace(usual, etcd=nowhere, deadlines=quick), [], "")
    run_id = f"selftest-platform-{tmp_path.name}"
    ledger = Ledger(tmp_path / LEDGER_NAME, run_id)

    with pytest.raises(GroundError, match=r"etcd at http://127\.0\.0\.1:1 .* did not answer"):
        ground.enter(ledger)

    assert (ground.kubeconfig(), ground.endpoints()) == ("", ("", ""))
    assert ground.leave() == ""
    assert nothing_is_left(ledger.path, run_id)
