"""Passing means: what is printed is what a launch applies, and reads the same everywhere."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from fixtures.config.load import load_profile, load_topology
from fixtures.launchers.kubernetes_dry_run import dry_run
from fixtures.launchers.kubernetes_render import yaml_text
from fixtures.model.manifest import BETA
from fixtures.model.topology import ServiceChoice

from .k8s_rig import kubernetes_api
from .kube_sites import kube_site, rendered

pytestmark = pytest.mark.selftest

DISAGGREGATED = "deepseek-r1-wide-ep-disagg"
GB200 = load_profile("gb200").topologies


def test_a_dry_run_is_a_manifest_with_comments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ETCD_ENDPOINTS", "http://etcd.example:2379")
    topologies = [load_topology(name) for name in GB200]

    text = dry_run(topologies, kube_site(), ["image = x (site)"])

    objects = list(yaml.safe_load_all(text))
    assert [each["kind"] for each in objects] == ["ConfigMap", "DynamoGraphDeployment"] * 4
    assert len({each["metadata"]["name"] for each in objects}) == 8
    assert "# image = x (site)\n" in text
    assert "namespace:" not in text
    assert "http://etcd.example:2379" in text
    assert "ETCD_ENDPOINTS is missing" not in text
    first = rendered(topologies[0], BETA)
    assert objects[1]["metadata"]["name"] == first.name


def test_a_dry_run_says_what_nobody_has_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ETCD_ENDPOINTS", raising=False)
    topology = load_topology(DISAGGREGATED)

    assert "# ETCD_ENDPOINTS is missing" in dry_run([topology], kube_site(), [])
    assert "ETCD_ENDPOINTS" not in dry_run([topology], kube_site(discovery="kubernetes"), [])


def test_a_dry_run_says_what_the_run_will_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ETCD_ENDPOINTS", raising=False)
    monkeypatch.delenv("NATS_SERVER", raising=False)
    topology, started = load_topology(DISAGGREGATED), "added at launch: the run starts"
    own = kube_site(cluster="minik8s")

    both = dry_run([topology], own, [])
    alone = dry_run(
        [topology], replace(own, etcd=ServiceChoice("endpoint", "http://e:1", None)), []
    )

    assert f"# ETCD_ENDPOINTS and NATS_SERVER are {started} both itself.\n" in both
    assert f"# NATS_SERVER is {started} that service itself.\n" in alone
    assert "is missing" not in both + alone
    assert started not in dry_run([topology], kube_site(), [])


def test_text_that_looks_like_a_number_stays_text() -> None:
    odd = {
        "A": "1e3",
        "B": "0o17",
        "C": "y",
        "D": "1:20",
        "E": "",
        "F": "null",
        "G": "=",
        "H": "on",
    }

    text = yaml_text(rendered(load_topology(DISAGGREGATED), BETA, kube_site(environment=odd)))

    for value in ("1e3", "0o17", "y", "1:20", "="):
        assert f'value: "{value}"' in text
    assert "value: ''" in text
    assert "value: 'null'" in text
    assert "value: 'on'" in text


def test_kubectl_takes_what_is_printed(tmp_path: Path) -> None:
    text = dry_run([load_topology(name) for name in GB200], kube_site(compute_domain=True), [])

    with kubernetes_api(tmp_path) as rig:
        first, second = (rig.kubectl("apply", "-f", "-", text=text) for _ in range(2))

    assert (first.returncode, first.stdout.count(" created")) == (0, 12), first.stderr
    assert (second.returncode, second.stdout.count(" unchanged")) == (0, 12), second.stderr
