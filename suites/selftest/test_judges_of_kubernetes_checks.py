"""Passing means: each check of a Kubernetes deployment asks its judge, and keeps what was seen."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fixtures.evidence import EvidenceStore
from fixtures.model.deployment import SIGNALS, DeploymentRecord, Readiness
from fixtures.outcome import LaunchFailed, NotEvaluated, RequirementFailed
from fixtures.requirements import collect, declared_by
from suites.launch import test_kubernetes as checks

from .kube_cases import GROVE, SINGLE
from .kube_views import Case
from .test_judges_of_kubernetes_faults import BROKEN

pytestmark = pytest.mark.selftest

Check = Callable[..., None]


def by_id() -> dict[str, Check]:
    """The checks by the ids of their requirements."""
    found = {}
    for name, check in vars(checks).items():
        declared = declared_by(getattr(check, "pytestmark", []), name)
        if declared is not None:
            found[declared.id] = check
    return found


CHECKS = by_id()


def run(id_: str, one: Case, monkeypatch: pytest.MonkeyPatch, directory: Path) -> EvidenceStore:
    """Run one check on a case as pytest would."""
    record = DeploymentRecord(
        topology=one.topology.name,
        namespace="dynamo-x",
        generation=1,
        served_model_name="m",
        frontend_url="",
        origins=(),
        etcd_url="",
        workers=(),
        lease_ttl_s=10,
        request_deadline_s=10.0,
        readiness=Readiness(tuple((name, 1.0) for name in SIGNALS)),
        kubernetes=one.record,
    )
    store = EvidenceStore(directory / "evidence", directory)
    monkeypatch.setattr(checks, "kube_view", lambda _record: one.view)
    more: dict[str, Any] = {"topology": one.topology} if id_ == "KDP-008" else {}
    CHECKS[id_](record, store, **more)
    return store


def test_every_requirement_has_its_check() -> None:
    declared = {id_: each for id_, each in collect().items() if id_.startswith("KDP-")}

    assert sorted(declared) == sorted(CHECKS) == [f"KDP-{number:03d}" for number in range(1, 11)]
    assert {each.launchers for each in declared.values()} == {("kubernetes",)}


@pytest.mark.parametrize("id_", CHECKS)
def test_an_honest_deployment_passes_and_leaves_evidence(
    id_: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    store = run(id_, GROVE, monkeypatch, tmp_path)

    (kept,) = store.paths
    seen = json.loads((tmp_path / kept).read_text())["seen"]
    assert seen["pods"][1]["labels"]["grove.io/podgang"] == f"{GROVE.record.name}-0"


@pytest.mark.parametrize("id_", CHECKS)
def test_a_broken_deployment_fails(
    id_: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    broken = next(one for own, one, _ in BROKEN if own == id_)

    with pytest.raises(RequirementFailed):
        run(id_, broken, monkeypatch, tmp_path)


def test_what_does_not_apply_is_not_evaluated(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(NotEvaluated, match="one node"):
        run("KDP-006", SINGLE, monkeypatch, tmp_path)


def test_a_missing_record_is_our_own_fault(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with pytest.raises(LaunchFailed, match="kept no record"):
        run("KDP-001", Case(GROVE.topology, None, GROVE.view), monkeypatch, tmp_path)  # type: ignore[arg-type]
