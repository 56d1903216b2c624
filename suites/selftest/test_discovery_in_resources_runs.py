"""Passing means: without etcd and NATS, a deployment is judged by its custom resources."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("kubernetes")

from fixtures.clients import kubernetes_kinds as kinds
from fixtures.clients.kubernetes import KubeClient
from fixtures.clients.kubernetes_discovery import METADATA
from fixtures.minik8s.cluster import ImageSettings

from .kubernetes_rig import FEW, LIVE, rig
from .runs import HERE, TINY_AGG, TINY_DISAGG
from .slurm_rig import findings_of, red_and_errors

pytestmark = pytest.mark.selftest

SITE = HERE / "sites" / "quick-k8s-discovery.yaml"


def test_a_deployment_without_etcd_and_nats_is_accepted(tmp_path: Path) -> None:
    with rig() as found:
        found.need_double("the site of a real cluster says what it has")
        where = (*FEW, "suites/discovery", "suites/disaggregation")
        run = found.run(tmp_path, *LIVE, *where, site=SITE)

        assert red_and_errors(run, TINY_DISAGG.stem) == (set(), set()), run.output
        judged = {"DSC-004", "DSC-005", "DIS-002", "SHD-003", "SHD-009"}
        assert run.with_verdict(TINY_DISAGG.stem, "pass") >= judged
        (origins,) = (each["origins"] for each in run.events if "origins" in each)
        assert set(origins) & {"etcd", "nats", "cluster"} == {"cluster"}
        assert found.left_by(run.run_dir) == []


def test_who_never_registers_and_what_nobody_removes_is_seen_without_etcd(tmp_path: Path) -> None:
    site = tmp_path / "site.yaml"
    text = SITE.read_text("utf-8")
    site.write_text(text.replace("  ready_s: 40", "  ready_s: 15"), encoding="utf-8")
    with rig(settings=ImageSettings(fault="never_registers")) as found:
        found.need_double("its workers do nothing wrong on request")
        where = (*LIVE, "suites/discovery", "suites/shutdown")
        with found.started(tmp_path / "runs", *where, topology=TINY_AGG, site=site) as running:
            running.wait_for("frontend_live")
            key = leave_a_resource_behind(found.client())
            run = running.ended()

        assert red_and_errors(run, TINY_AGG.stem) == ({"DSC-005", "SHD-003"}, set()), run.output
        assert "0 in discovery" in findings_of(run, "DSC-005", TINY_AGG.stem)
        assert key in findings_of(run, "SHD-003", TINY_AGG.stem)


def leave_a_resource_behind(client: KubeClient) -> str:
    """A resource of a deployment that no pod owns; another endpoint, so that it routes nothing."""
    (pod, *_) = client.items(kinds.PODS)[0]
    namespace = f"default-{kinds.labels(pod)[kinds.LABEL_DEPLOYMENT]}"
    name = f"{namespace}/backend/load_metrics/1f"
    body = {
        "apiVersion": METADATA.api_version,
        "kind": METADATA.kind,
        "metadata": {"name": "nobodys"},
        "spec": {"data": {"endpoints": {name: {}}, "model_cards": {}}},
    }
    assert client.create(METADATA, body).ok
    return f"v1/instances/{name}"
