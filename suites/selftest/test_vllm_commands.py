"""Passing means: command lines of Dynamo with vLLM follow the release, the role and the files.

The rows were read from the argument parsers of the releases named beside them; vLLM itself, which
reads the rest, is not installed here.
"""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from fixtures.config.errors import ConfigError
from fixtures.config.load import load_site, load_topology
from fixtures.engines.commands import EngineCommand
from fixtures.engines.vllm import frontend_command, worker_command
from fixtures.model.topology import Site

pytestmark = pytest.mark.selftest

SERVICES = {"ETCD_ENDPOINTS": "http://10.0.0.1:2379", "NATS_SERVER": "nats://10.0.0.1:4222"}
DISAGGREGATED = "deepseek-r1-ray-disagg"


def site_with(dynamo: str, **changes: object) -> Site:
    """The shipped site of given hosts, for one release of Dynamo."""
    site = load_site("ray")
    assert site.ray is not None
    versions = MappingProxyType({"dynamo": dynamo})
    return replace(site, ray=replace(site.ray, versions=versions, **changes))  # type: ignore[arg-type]


def worker(role: str, site: Site, topology: str = DISAGGREGATED) -> EngineCommand:
    """The command of one worker of a shipped topology."""
    loaded = load_topology(topology)
    return worker_command(
        loaded,
        loaded.role(role),
        site,
        services=SERVICES,
        namespace="acc-1",
        system_port=8081,
        ray_address="10.0.0.1:6379",
    )


def value_of(command: EngineCommand, flag: str) -> str:
    """The word behind a flag that must be there once."""
    assert command.argv.count(flag) == 1
    return command.argv[command.argv.index(flag) + 1]


@pytest.mark.parametrize(
    ("dynamo", "role", "told"),
    [
        ("0.4.1", "prefill", ["--is-prefill-worker"]),
        ("0.6.0", "decode", []),
        ("0.6.1", "decode", ["--is-decode-worker"]),
        ("0.9.1", "prefill", ["--is-prefill-worker"]),
        ("1.0.0", "decode", ["--disaggregation-mode"]),
        ("1.6.1", "prefill", ["--disaggregation-mode"]),
    ],
)
def test_a_worker_is_told_its_role_in_the_words_of_its_release(
    dynamo: str, role: str, told: list[str]
) -> None:
    command = worker(role, site_with(dynamo))

    words = ("--is-prefill-worker", "--is-decode-worker", "--disaggregation-mode")
    assert [word for word in command.argv if word in words] == told
    if told == ["--disaggregation-mode"]:
        assert value_of(command, "--disaggregation-mode") == role


def test_the_flags_of_the_engine_file_reach_vllm() -> None:
    command = worker("decode", site_with("1.6.1"))

    assert value_of(command, "--tensor-parallel-size") == "16"
    assert value_of(command, "--distributed-executor-backend") == "ray"
    assert value_of(command, "--model") == "deepseek-ai/DeepSeek-R1"
    assert '"NixlConnector"' in value_of(command, "--kv-transfer-config")
    assert "--enforce-eager" in command.argv
    assert command.environment["RAY_ADDRESS"] == "10.0.0.1:6379"
    assert command.environment["ETCD_ENDPOINTS"] == SERVICES["ETCD_ENDPOINTS"]


def test_switches_that_are_off_and_lists_are_words_that_vllm_reads() -> None:
    site, loaded = site_with("1.6.1"), load_topology(DISAGGREGATED)
    role = loaded.role("prefill")
    raw = {**role.engine.raw, "enable_prefix_caching": False, "lora_modules": ["a", "b"]}
    changed = replace(role, engine=replace(role.engine, raw=MappingProxyType(raw)))

    argv = worker_command(loaded, changed, site, services=SERVICES).argv

    assert "--no-enable-prefix-caching" in argv
    assert '["a", "b"]' in argv


def test_old_releases_set_up_their_connector_by_themselves_and_take_no_other() -> None:
    site, loaded = site_with("0.9.1"), load_topology(DISAGGREGATED)
    assert "--kv-transfer-config" not in worker("decode", site).argv
    role = loaded.role("decode")
    raw = {**role.engine.raw, "kv_transfer_config": '{"kv_connector": "LMCacheConnectorV1"}'}
    changed = replace(role, engine=replace(role.engine, raw=MappingProxyType(raw)))

    wanted = r"ray-decode\.yaml:\d+:1: kv-transfer-config (?s:.)*1\.0\.0"
    with pytest.raises(ConfigError, match=wanted):
        worker_command(loaded, changed, site, services=SERVICES)


def test_the_interpreter_and_the_model_of_the_site_are_used() -> None:
    site = site_with("1.6.1", python="/opt/venv/bin/python3", model_path="/models/r1")

    command = worker("prefill", site)

    assert command.argv[:3] == ("/opt/venv/bin/python3", "-m", "dynamo.vllm")
    assert value_of(command, "--model") == "/models/r1"
    front = frontend_command(
        load_topology(DISAGGREGATED), site, services=SERVICES, address="10.0.0.1", port=8000
    )
    assert front.argv[:3] == ("/opt/venv/bin/python3", "-m", "dynamo.frontend")
    assert value_of(front, "--http-host") == "10.0.0.1"


@pytest.mark.parametrize(("dynamo", "component"), [("0.4.1", "prefill"), ("1.6.1", "prefill")])
def test_prefill_registers_apart_from_decode(dynamo: str, component: str) -> None:
    site = site_with(dynamo)

    assert worker("prefill", site).component == component
    assert worker("decode", site).component == "backend"


def test_a_release_before_the_module_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"use 0\.4\.0 or newer, .* dynamo\.vllm"):
        worker("decode", site_with("0.3.2"))
