"""Command lines of the real engine: each release gets its own flags, and nobody guesses a release.

`LACKING` was read from the argument parsers of the published ai-dynamo packages. The golden file
shows whole command lines; write it anew with `python -m suites.selftest.test_trtllm_commands`.
Not covered: whether an engine starts with them, which takes GPUs.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.config.load import CONFIGS_DIR, load_topology
from fixtures.engines.commands import EngineCommand, load_commands, release_of
from fixtures.model.topology import Topology

from .engine_commands import (
    AGGREGATED,
    DISAGGREGATED,
    MULTIMODAL,
    frontend,
    site_with,
    worker,
)

pytestmark = pytest.mark.selftest

GOLDEN = Path(__file__).parent / "golden" / "trtllm-commands.txt"
SHAPES = (AGGREGATED, DISAGGREGATED, MULTIMODAL)
IN_GOLDEN = ("0.4.1", "0.6.1", "0.9.1", "1.0.2", "1.2.1", "1.6.1")

_OLD = "discovery-backend enable-multimodal event-plane model publish-kv-events request-plane"
_UNTIL_1_2 = "disaggregation-strategy enable-multimodal next-endpoint publish-kv-events"
LACKING: Mapping[str, tuple[str, str]] = {
    "0.4.0": (
        f"{_OLD} modality store-kv",
        "discovery-backend event-plane http-host namespace request-plane store-kv",
    ),
    "0.4.1": (
        f"{_OLD} store-kv",
        "discovery-backend event-plane namespace request-plane store-kv",
    ),
    "0.5.1": (f"{_OLD} store-kv", "discovery-backend event-plane request-plane store-kv"),
    "0.6.1": (f"{_OLD} store-kv", "discovery-backend event-plane request-plane store-kv"),
    "0.7.1": (
        f"{_OLD} disaggregation-strategy next-endpoint",
        "discovery-backend event-plane request-plane",
    ),
    "0.8.0": (
        f"{_UNTIL_1_2} discovery-backend event-plane model",
        "discovery-backend event-plane",
    ),
    "0.9.1": (f"{_UNTIL_1_2} discovery-backend model", "discovery-backend"),
    "1.0.2": (f"{_UNTIL_1_2} store-kv", "store-kv"),
    "1.2.1": (f"{_UNTIL_1_2} store-kv", "store-kv"),
    "1.3.1": ("disaggregation-strategy next-endpoint store-kv", "store-kv"),
    "1.6.1": (
        "disaggregation-strategy next-endpoint publish-events-and-metrics store-kv",
        "store-kv",
    ),
}
"""Flags of our table that the worker, and the frontend, of a release do not have."""


def flags_of(command: EngineCommand) -> list[str]:
    """The flags of a command line, without leading dashes."""
    return [word.removeprefix("--") for word in command.argv if word.startswith("--")]


def variants() -> list[Topology]:
    """Every shape, with what changes flags: KV routing, the other strategy, stated planes."""
    shapes = [load_topology(name) for name in SHAPES]
    planes = {"discovery": "etcd", "request": "tcp", "event": "nats"}
    odd = [
        replace(each, router_mode="kv", disaggregation_strategy="prefill_first", planes=planes)
        for each in shapes
    ]
    return [*shapes, *odd]


@pytest.mark.parametrize("namespace", ["", "run-7"])
@pytest.mark.parametrize("release", LACKING)
def test_no_command_has_a_flag_that_its_release_lacks(release: str, namespace: str) -> None:
    of_worker, of_frontend = (set(words.split()) for words in LACKING[release])
    site = site_with(release)

    for topology in variants():
        if release == "0.4.0" and topology.modality == "multimodal":
            continue
        for role in topology.roles:
            used = flags_of(worker(topology, role.name, site, namespace))
            assert len(set(used)) == len(used)
            assert not set(used) & of_worker
        assert not set(flags_of(frontend(topology, site, namespace))) & of_frontend


def test_every_flag_of_the_table_is_used_by_some_release() -> None:
    table = load_commands("trtllm")
    used: set[str] = set()
    for release in LACKING:
        for topology in variants():
            if release == "0.4.0" and topology.modality == "multimodal":
                continue
            site = site_with(release)
            for role in topology.roles:
                used |= set(flags_of(worker(topology, role.name, site, "run-7")))
            used |= set(flags_of(frontend(topology, site, "run-7")))

    rows = (*table.worker.flags, *table.frontend.flags)
    assert used == {row.name.removeprefix("--") for row in rows}


def test_no_two_rows_of_one_flag_hold_for_the_same_release() -> None:
    table = load_commands("trtllm")
    everything = {"disaggregated", "multimodal", "kv", "metrics", "decode_first"}

    for release in LACKING:
        numbers = release_of(release)
        assert numbers is not None
        for rows in (table.worker.flags, table.worker.environment, table.frontend.flags):
            names = [row.name for row in rows if row.belongs_to(numbers)]
            assert len(names) == len(set(names))
        matching = [
            row
            for row in table.components
            if row.belongs_to(numbers) and (not row.when or row.when in everything)
        ]
        assert len(matching) == 1


def shown(command: EngineCommand) -> str:
    """A command as a person reads it, the repository's own paths as `REPOSITORY`."""
    lines = [f"  {name}={value}" for name, value in sorted(command.environment.items())]
    lines.append(f"  $ {shlex.join(command.argv)}")
    if command.component:
        lines.append(f"  registers as {command.component}")
    return "\n".join(lines).replace(str(CONFIGS_DIR.parent), "REPOSITORY")


def golden_text() -> str:
    """The commands of one release on each side of every change."""
    parts = []
    for release in IN_GOLDEN:
        site = site_with(release)
        for name in SHAPES:
            topology = load_topology(name)
            for role in topology.roles:
                title = f"Dynamo {release}, {name}, {role.name}"
                parts.append(f"{title}\n{shown(worker(topology, role.name, site))}\n")
        parts.append(f"Dynamo {release}, frontend\n{shown(frontend(topology, site))}\n")
    return "\n".join(parts)


def test_the_command_lines_are_those_of_the_golden_file() -> None:
    assert golden_text() == GOLDEN.read_text(encoding="utf-8")


def test_the_script_era_runs_what_its_script_ran() -> None:
    command = worker(load_topology(MULTIMODAL), "decode", site_with("0.4.1"))

    assert shlex.join(command.argv) == (
        "trtllm-llmapi-launch python3 -m dynamo.trtllm"
        " --model-path meta-llama/Llama-4-Maverick-17B-128E-Instruct"
        " --served-model-name meta-llama/Llama-4-Maverick-17B-128E-Instruct"
        " --extra-engine-args /acceptance_engine_configs/0/decode.yaml"
        " --disaggregation-mode decode --disaggregation-strategy decode_first"
        " --modality multimodal"
    )
    assert command.environment["DISAGGREGATION_MODE"] == "decode"
    assert command.environment["DYN_SYSTEM_ENABLED"] == "true"
    assert command.component == "tensorrt_llm"


def test_the_newest_release_has_the_new_names() -> None:
    command = worker(load_topology(MULTIMODAL), "prefill", site_with("1.6.1"))

    assert shlex.join(command.argv) == (
        "trtllm-llmapi-launch python3 -m dynamo.trtllm"
        " --model meta-llama/Llama-4-Maverick-17B-128E-Instruct"
        " --served-model-name meta-llama/Llama-4-Maverick-17B-128E-Instruct"
        " --extra-engine-args /acceptance_engine_configs/0/prefill.yaml"
        " --disaggregation-mode prefill --enable-multimodal --discovery-backend etcd"
    )
    assert command.environment["ETCD_LEASE_TTL"] == "30"
    assert "DYN_SYSTEM_ENABLED" not in command.environment
    assert command.component == "prefill"


def test_before_0_7_the_strategy_decides_who_registers_first() -> None:
    topology = replace(load_topology(DISAGGREGATED), disaggregation_strategy="prefill_first")

    assert worker(topology, "prefill", site_with("0.6.1")).component == "tensorrt_llm"
    assert worker(topology, "decode", site_with("0.6.1")).component == "tensorrt_llm_next"
    unstated = replace(topology, disaggregation_strategy=None)
    assert worker(unstated, "decode", site_with("0.6.1")).component == "tensorrt_llm"
    assert "disaggregation-strategy" not in flags_of(worker(unstated, "decode", site_with("0.6.1")))


def test_a_namespace_reaches_workers_in_the_way_of_their_release() -> None:
    topology = load_topology(DISAGGREGATED)

    old = worker(topology, "decode", site_with("0.4.1"), "run-7").argv
    assert old[old.index("--endpoint") + 1] == "dyn://run-7.tensorrt_llm.generate"
    assert old[old.index("--next-endpoint") + 1] == "dyn://run-7.tensorrt_llm_next.generate"
    assert "--next-endpoint" not in worker(topology, "prefill", site_with("0.4.1"), "run-7").argv
    new = worker(topology, "decode", site_with("0.5.0"), "run-7")
    assert new.environment["DYN_NAMESPACE"] == "run-7"
    assert "--endpoint" not in new.argv


if __name__ == "__main__":
    GOLDEN.write_text(golden_text(), encoding="utf-8")
