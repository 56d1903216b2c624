"""Which worker flags and variables each Dynamo release knows, fact by fact."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest

from fixtures.config.load import load_topology
from fixtures.model.position import Position, Setting
from fixtures.model.releases import with_engine_versions
from fixtures.model.remark import Severity
from fixtures.model.topology import Topology
from fixtures.rules.catalogue import RULES, judge
from fixtures.rules.engine_era import FLAGS, VARIABLES, Era

pytestmark = pytest.mark.selftest

ERROR, WARNING = Severity.ERROR, Severity.WARNING
FACTS: list[tuple[str, str, str, str, Severity | None]] = [
    ("trtllm", "disaggregation-strategy", "decode_first", "0.4.1", None),
    ("trtllm", "disaggregation-strategy", "decode_first", "0.6.1", None),
    ("trtllm", "disaggregation-strategy", "prefill_first", "0.7.0", ERROR),
    ("trtllm", "disaggregation-strategy", "decode_first", "1.6.0", ERROR),
    ("trtllm", "disaggregation-mode", "prefill_and_decode", "0.4.1", None),
    ("trtllm", "disaggregation-mode", "prefill_and_decode", "1.2.0", None),
    ("trtllm", "disaggregation-mode", "prefill_and_decode", "1.3.0", ERROR),
    ("trtllm", "disaggregation-mode", "agg", "0.4.1", ERROR),
    ("trtllm", "disaggregation-mode", "agg", "1.6.0", None),
    ("trtllm", "disaggregation-mode", "decode", "0.4.1", None),
    ("trtllm", "disaggregation-mode", "decode", "1.6.0", None),
    ("trtllm", "publish-events-and-metrics", "", "1.6.0", None),
    ("trtllm", "publish-kv-events", "", "0.4.1", ERROR),
    ("trtllm", "publish-kv-events", "", "1.6.0", None),
    ("trtllm", "modality", "multimodal", "1.6.0", None),
    ("trtllm", "enable-multimodal", "", "0.4.0", ERROR),
    ("trtllm", "enable-multimodal", "", "1.3.0", None),
    ("trtllm", "model-path", "/model", "1.6.0", None),
    ("trtllm", "migration-limit", "3", "0.9.1", None),
    ("trtllm", "migration-limit", "3", "1.0.0", WARNING),
    ("vllm", "is-prefill-worker", "", "1.3.1", None),
    ("vllm", "is-prefill-worker", "", "1.4.0", ERROR),
    ("vllm", "is-decode-worker", "", "1.4.0", ERROR),
    ("trtllm", "is-decode-worker", "", "1.4.0", None),
    ("vllm", "connector", "nixl", "0.9.0", None),
    ("vllm", "connector", "nixl", "1.0.0", WARNING),
    ("vllm", "connector", "nixl", "1.5.1", WARNING),
    ("vllm", "connector", "nixl", "1.6.0", ERROR),
    ("vllm", "kv-transfer-config", "{}", "0.9.0", None),
    ("vllm", "store-kv", "etcd", "0.9.0", None),
    ("vllm", "store-kv", "etcd", "1.0.0", WARNING),
    ("vllm", "discovery-backend", "file", "0.9.1", ERROR),
    ("vllm", "discovery-backend", "file", "1.0.0", None),
    ("trtllm", "DISAGGREGATION_STRATEGY", "decode_first", "0.6.1", None),
    ("trtllm", "DISAGGREGATION_STRATEGY", "decode_first", "0.7.0", WARNING),
    ("trtllm", "DISAGGREGATION_STRATEGY", "", "0.7.0", None),
    ("trtllm", "DISAGGREGATION_MODE", "prefill_and_decode", "1.3.0", ERROR),
    ("trtllm", "DISAGGREGATION_MODE", "prefill", "1.3.0", None),
    ("trtllm", "DYN_TRTLLM_DISAGGREGATION_MODE", "prefill_and_decode", "1.3.0", ERROR),
    ("trtllm", "MODALITY", "multimodal", "1.6.0", None),
    ("vllm", "DYN_CONNECTOR", "nixl", "1.5.0", None),
    ("vllm", "DYN_CONNECTOR", "nixl", "1.6.0", WARNING),
    ("vllm", "DYN_KV_STORE", "etcd", "0.9.0", None),
    ("vllm", "DYN_KV_STORE", "etcd", "1.0.0", WARNING),
    ("vllm", "DYN_DISCOVERY_BACKEND", "etcd", "0.9.0", WARNING),
    ("vllm", "DYN_DISCOVERY_BACKEND", "etcd", "1.0.0", None),
    ("trtllm", "ETCD_LEASE_TTL", "30", "1.2.0", WARNING),
    ("trtllm", "ETCD_LEASE_TTL", "30", "1.3.0", None),
    ("trtllm", "DYN_ENABLE_FRONTEND_NVEXT", "1", "1.2.0", None),
    ("trtllm", "DYN_ENABLE_FRONTEND_NVEXT", "1", "1.3.0", WARNING),
    ("trtllm", "DYN_DISABLE_FRONTEND_NVEXT", "1", "1.2.0", WARNING),
    ("trtllm", "DYN_DISABLE_FRONTEND_NVEXT", "1", "1.3.0", None),
]


def using(kind: str, name: str, value: str, release: str) -> Topology:
    """A deployment of that release whose first worker has one flag, or that sets one variable."""
    topology = load_topology("deepseek-r1-mtp-disagg")
    setting = MappingProxyType({name: Setting(value, Position(Path("some.yaml"), 7, 3))})
    first, *others = (
        replace(role, engine=replace(role.engine, kind=kind)) for role in topology.roles
    )
    versions = with_engine_versions({"dynamo": release})
    if name.isupper():
        return replace(topology, roles=(first, *others), environment=setting, versions=versions)
    return replace(topology, roles=(replace(first, flags=setting), *others), versions=versions)


@pytest.mark.parametrize(("kind", "name", "value", "release", "severity"), FACTS)
def test_a_release_knows_a_flag_or_not(
    kind: str, name: str, value: str, release: str, severity: Severity | None
) -> None:
    remarks = judge(RULES["ENG-022"], using(kind, name, value, release)).remarks

    assert [each.severity for each in remarks] == ([severity] if severity else [])
    assert all(str(each.where) == "some.yaml:7:3" for each in remarks)
    assert all(name in each.violation.actual for each in remarks)


@pytest.mark.parametrize("era", [*FLAGS, *VARIABLES], ids=lambda era: f"{era.name} {era.refused}")
def test_every_entry_of_the_table_is_one_of_the_facts(era: Era) -> None:
    flagged = [fact for fact in FACTS if fact[1] == era.name and fact[4] is era.severity]

    assert flagged
    assert not era.values or {fact[2] for fact in flagged} & set(era.values)


def test_a_flag_is_not_judged_without_a_release() -> None:
    topology = replace(
        using("trtllm", "disaggregation-strategy", "decode_first", "0.7.0"),
        versions=MappingProxyType({}),
    )

    said = judge(RULES["ENG-022"], topology)

    assert said.remarks == ()
    assert said.missing == ("the version of dynamo",)
