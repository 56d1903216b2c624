"""What the loaders of scripts, environments and guides make of a file; and the public scripts."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.config.errors import ConfigError
from fixtures.loaders.read import load_any
from fixtures.loaders.slurm_env import from_environment
from fixtures.model.remark import Severity
from fixtures.model.topology import Topology
from fixtures.rules.catalogue import examine

from .cases import DECODE, PREFILL, _text, remarks_on
from .launch_files import (
    SRUN_DISAGGREGATED,
    START_FRONTEND,
    START_WORKER,
    document,
    env,
    exports,
)
from .user_files import MANIFEST

pytestmark = pytest.mark.selftest


def load(directory: Path, files: dict[str, str]) -> Topology:
    """The one topology that the first of these files describes."""
    for name, content in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    (topology,) = load_any(directory / next(iter(files)))
    return topology


def test_an_environment_becomes_a_pair(tmp_path: Path) -> None:
    topology = load(tmp_path, env(NUM_PREFILL_WORKERS="2", MODALITY="multimodal"))

    assert (topology.format, topology.orchestrator) == ("slurm_env", "slurm")
    assert topology.model is not None
    assert topology.model.name == "deepseek-r1-nvfp4"
    sizes = [(r.name, r.workers, r.nodes_per_worker, r.gpus_per_node) for r in topology.roles]
    assert sizes == [("prefill", 2, 4, 4), ("decode", 1, 4, 4)]
    assert topology.modality == "multimodal"
    assert topology.where("roles.decode.nodes_per_worker").line == 8


def test_unset_variables_are_those_of_the_public_script(tmp_path: Path) -> None:
    topology = load(tmp_path, {"a.env": "IMAGE=a/dynamo:1.4.0\nNUM_DECODE_NODES=2\n"})

    assert [role.nodes_per_worker for role in topology.roles] == [4, 2]
    assert topology.versions["trtllm"] == "1.3.0rc22"
    assert "NUM_PREFILL_NODES is not set: 4, as in srun_disaggregated.sh" in topology.notes
    assert topology.disaggregation_strategy is None


def test_engine_configs_are_found_through_mounts(tmp_path: Path) -> None:
    script = {"multinode/run.env": env(MOUNTS="${PWD}/../:/mnt")["launch.env"]}
    configs = {"prefill": _text(PREFILL), "decode": _text(DECODE)}
    files = {f"engine_configs/{name}.yaml": text for name, text in configs.items()}
    topology = load(tmp_path, {**script, **files})

    assert [role.engine.kind for role in topology.roles] == ["trtllm", "trtllm"]
    assert topology.role("decode").engine.max_seq_len == 8704
    assert topology.role("decode").engine.path == tmp_path / "engine_configs/decode.yaml"


def test_a_copy_beside_stands_in_for_the_host_of_the_mounts(tmp_path: Path) -> None:
    files = {**env(MOUNTS="/no/such/host:/mnt"), "engine_configs/decode.yaml": _text(DECODE)}
    topology = load(tmp_path, files)

    assert [role.engine.kind for role in topology.roles] == ["unknown", "trtllm"]
    assert any("prefill.yaml is not on this machine" in note for note in topology.notes)


def test_a_broken_engine_config_is_told(tmp_path: Path) -> None:
    files = {**env(PREFILL_ENGINE_CONFIG="a.yaml"), "a.yaml": "a: [\n"}

    with pytest.raises(ConfigError, match=r"a\.yaml:2:1"):
        load(tmp_path, files)


def test_sizes_that_are_none_stay_unknown(tmp_path: Path) -> None:
    topology = load(tmp_path, env(NUM_PREFILL_NODES="four", NUM_DECODE_NODES="$N"))

    assert [role.nodes_per_worker for role in topology.roles] == [None, None]
    assert any("four, which is no count" in note for note in topology.notes)


def test_a_script_with_defaults_of_its_own_keeps_to_them(tmp_path: Path) -> None:
    text = SRUN_DISAGGREGATED.replace("NUM_DECODE_NODES:-4", "NUM_DECODE_NODES:-3")
    topology = load(tmp_path, {"srun_disaggregated.sh": text})

    assert [role.nodes_per_worker for role in topology.roles] == [4, 3]
    assert topology.environment["DECODE_ENGINE_CONFIG"].value.endswith("wide_ep_decode.yaml")
    assert topology.role("prefill").environment["DISAGGREGATION_MODE"].value == "prefill"


def test_the_script_that_a_guide_starts_says_what_is_unset(tmp_path: Path) -> None:
    text = SRUN_DISAGGREGATED.replace("NUM_DECODE_NODES:-4", "NUM_DECODE_NODES:-3")
    guide = document("export NUM_PREFILL_NODES=1\n./srun_disaggregated.sh")

    beside = load(tmp_path / "a", {**guide, "srun_disaggregated.sh": text})
    alone = load(tmp_path / "b", guide)
    assert [role.nodes_per_worker for role in beside.roles] == [1, 3]
    assert [role.nodes_per_worker for role in alone.roles] == [1, 4]


def test_a_guide_that_starts_both_public_scripts_describes_two_deployments(tmp_path: Path) -> None:
    path = tmp_path / "guide.md"
    path.write_text(document("./srun_aggregated.sh", "./srun_disaggregated.sh")["guide.md"])

    first, second = load_any(path)
    assert (first.name, second.name) == ("guide-aggregated", "guide-disaggregated")
    assert (first.disaggregated, second.disaggregated) == (False, True)
    assert (first.script is None, second.script is None) == (False, True)


def test_a_script_about_something_else_has_no_roles(tmp_path: Path) -> None:
    topology = load(tmp_path, {"run.sh": "NUM_NODES=4\necho $NUM_NODES\n"})

    assert topology.roles == ()
    assert topology.orchestrator == "unknown"


@pytest.mark.parametrize("line", ["salloc -N 3 x", "#SBATCH --nodes=3", "sbatch --nodes 3 x.sh"])
def test_the_allocation_is_what_was_asked_for(line: str, tmp_path: Path) -> None:
    topology = load(tmp_path, {"run.sh": f"#!/bin/bash\n{line}\n"})

    assert topology.allocation_nodes == 3
    assert topology.where("allocation.nodes").line == 2


def test_blocks_of_a_guide_keep_the_lines_of_the_document(tmp_path: Path) -> None:
    text = "# T\n\n1. Don't:\n\n   ```bash\n   export A=1\n     srun x\n   ```\n\n~~~sh\nB=2\n~~~\n"
    topology = load(tmp_path, {"guide.md": text})

    assert topology.where("environment.A").line == 6
    assert topology.where("environment.A").column == 11
    assert topology.where("environment.B").line == 11


def test_a_broken_block_swallows_no_other(tmp_path: Path) -> None:
    topology = load(
        tmp_path, {"guide.md": document("echo 'never closed", "export B=2")["guide.md"]}
    )

    assert topology.environment["B"].value == "2"


def test_manifests_in_a_guide_are_deployments(tmp_path: Path) -> None:
    path = tmp_path / "guide.md"
    path.write_text(f"# T\n\n```yaml\n{MANIFEST}```\n\n```sh\nkubectl apply -f x\n```\n")

    script, manifest = load_any(path)
    assert (script.format, manifest.format) == ("markdown", "kubernetes")
    assert manifest.where("roles.Worker.nodes_per_worker").line > 4


def test_the_current_environment_is_a_deployment_without_secrets() -> None:
    topology = from_environment(
        {
            "NUM_PREFILL_NODES": "2",
            "HF_TOKEN": "secret",
            "NATS_AUTH_PASSWORD": "secret",
            "DYN_LOG": "info",
            "EDITOR": "vi",
        }
    )

    assert set(topology.environment) == {"NUM_PREFILL_NODES", "DYN_LOG"}
    assert str(topology.where("roles.prefill.nodes_per_worker")) == "environment:1:1"
    assert [role.nodes_per_worker for role in topology.roles] == [2, 4]


def test_a_whole_environment_has_no_other_place_for_what_is_missing() -> None:
    remarks = examine(from_environment({"NUM_NODES": "4", "MODEL_PATH": "a/b"})).remarks

    assert [(each.rule, each.violation.actual[:5]) for each in remarks] == [("ENV-001", "IMAGE")]


def test_the_variables_of_the_examples_are_recognised(tmp_path: Path) -> None:
    topology = load(tmp_path, {"settings.txt": exports()})

    assert topology.format == "slurm_env"


ERROR, WARNING = Severity.ERROR, Severity.WARNING


def told(files: dict[str, str], directory: Path) -> list[tuple[str, Severity, str]]:
    """What the rules say above advice: id, severity and the beginning of the line."""
    found = [each for each in remarks_on(files, directory) if each.severity is not Severity.ADVICE]
    lines = next(iter(files.values())).splitlines()
    return sorted((r.rule, r.severity, lines[r.where.line - 1].strip()[:30]) for r in found)


def test_the_public_launch_script_raises_only_what_is_known_of_it(tmp_path: Path) -> None:
    assert told({"multinode/srun_disaggregated.sh": SRUN_DISAGGREGATED}, tmp_path) == [
        ("ENV-005", WARNING, 'ACCOUNT="$(sacctmgr -nP show a'),
        ("ENV-005", WARNING, 'export HEAD_NODE_IP="$(hostnam'),
        ("ENV-006", ERROR, 'DISAGGREGATION_STRATEGY="${DIS'),
        ("SLM-003", WARNING, "--oversubscribe \\"),
        ("SLM-003", WARNING, "--oversubscribe \\"),
    ]


def test_the_public_launch_script_with_its_defects_mended_is_silent(tmp_path: Path) -> None:
    text = SRUN_DISAGGREGATED.replace("DISAGGREGATION_STRATEGY=", "export DISAGGREGATION_STRATEGY=")
    text = text.replace("format=account)", "format=account | sort -u | head -n 1)")
    text = text.replace("$(hostname -i)", "$(hostname -i | cut -d' ' -f1)")
    text = text.replace("--oversubscribe", '--nodelist "${NODES_OF_WORKER}"')

    assert told({"multinode/srun_disaggregated.sh": text}, tmp_path) == []


def test_the_public_scripts_inside_the_container_raise_two_warnings(tmp_path: Path) -> None:
    assert told({"start_frontend_services.sh": START_FRONTEND}, tmp_path) == [
        ("ENV-009", WARNING, "--advertise-client-urls http:/"),
        ("ENV-013", WARNING, "sleep 3"),
    ]
    assert told({"start_trtllm_worker.sh": START_WORKER}, tmp_path) == []
