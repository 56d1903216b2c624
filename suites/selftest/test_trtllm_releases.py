"""Which release the real engine's command line is for, and what reaches a worker beside flags.

Not covered: the flags of each release, see `test_trtllm_commands.py`.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fixtures.config.errors import ConfigError
from fixtures.config.load import load_site, load_topology
from fixtures.config.slurm_variables import resolve_site, resolve_topology
from fixtures.engines.commands import release_of
from fixtures.engines.release import dynamo_version
from fixtures.model.position import Position, Setting

from .engine_commands import AGGREGATED, MULTIMODAL, SERVICES, site_with, worker

pytestmark = pytest.mark.selftest

HERE = Position(Path("topology.yaml"), 1, 1)


def test_the_path_that_the_user_exported_is_the_one_that_the_worker_gets(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("tensor_parallel_size: 16\n")
    given = {
        "IMAGE": "dynamo:1.6.1",
        "MOUNTS": f"{tmp_path}:/mnt",
        "ENGINE_CONFIG": "/mnt/mine.yaml",
        "MODEL_PATH": "/lustre/r1",
        "SERVED_MODEL_NAME": "r1",
    }
    site, _ = resolve_site(load_site("slurm"), given)
    topology, _ = resolve_topology(load_topology(AGGREGATED), site, given)

    argv = worker(topology, "aggregated", site).argv

    assert argv[4:10] == (
        *("--model", "/lustre/r1", "--served-model-name", "r1"),
        *("--extra-engine-args", "/mnt/mine.yaml"),
    )


def test_what_the_topology_adds_reaches_the_worker_and_beats_nothing_of_ours() -> None:
    topology = load_topology(AGGREGATED)
    flags = {"max-seq-len": Setting("8448", HERE), "model-path": Setting("/other", HERE)}
    environment = {"UCX_TLS": Setting("rc", HERE), "NATS_SERVER": Setting("nats://x", HERE)}
    unknown = {"HEAD": Setting("$(hostname)", HERE)}
    role = replace(topology.roles[0], flags=flags, environment={**environment, **unknown})
    changed = replace(topology, roles=(role,))

    command = worker(changed, "aggregated", site_with("1.6.1"))

    assert command.argv[-2:] == ("--max-seq-len", "8448")
    assert "/other" not in command.argv
    assert command.environment["UCX_TLS"] == "rc"
    assert command.environment["NATS_SERVER"] == SERVICES["NATS_SERVER"]
    assert "HEAD" not in command.environment


@pytest.mark.parametrize("word", ["/a b", "/a*", "/a[1]", "/a?"])
def test_a_word_that_the_launcher_would_split_is_refused(word: str) -> None:
    topology = replace(load_topology(AGGREGATED), served_model_name=word)

    with pytest.raises(ConfigError, match="trtllm-llmapi-launch would split it"):
        worker(topology, "aggregated", site_with("1.6.1"))


def test_a_flag_that_only_a_shell_could_tell_is_refused() -> None:
    topology = load_topology(AGGREGATED)
    role = replace(topology.roles[0], flags={"max-seq-len": Setting("$(POD)", HERE)})

    with pytest.raises(ConfigError, match=r"^topology\.yaml:1:1: max-seq-len is"):
        worker(replace(topology, roles=(role,)), "aggregated", site_with("1.6.1"))


def test_the_site_knows_the_release_best_then_the_topology_then_the_tag() -> None:
    tagged = "nvcr.io/nvidia/ai-dynamo/tensorrtllm-runtime:0.7.1"
    topology = load_topology(AGGREGATED)
    stated = replace(topology, versions={"dynamo": "0.7.1"})

    assert dynamo_version(stated, site_with("1.0.0", tagged))[0] == "1.0.0"
    assert dynamo_version(stated, site_with("", tagged))[0] == "0.7.1"
    assert dynamo_version(topology, site_with("", tagged)) == ("0.7.1", "the tag of IMAGE")


def test_no_release_is_ever_guessed() -> None:
    topology = load_topology(AGGREGATED)

    with pytest.raises(ConfigError, match="nothing says which Dynamo release runs") as caught:
        worker(topology, "aggregated", site_with())

    text = str(caught.value)
    assert text.startswith("configs/sites/slurm.yaml:") or "sites/slurm.yaml:" in text
    assert '"/images/dynamo.sqsh" names none in its tag' in text
    assert 'fix: add to the site: slurm: {versions: {dynamo: "<the release' in text


def test_a_topology_and_an_image_of_different_releases_are_refused() -> None:
    topology = replace(load_topology(AGGREGATED), versions={"dynamo": "0.6.1"})
    site = site_with("", "ai-dynamo/tensorrtllm-runtime:1.6.1")

    with pytest.raises(ConfigError, match=r"for Dynamo 0\.6\.1, the tag of the image says 1\.6\.1"):
        worker(topology, "aggregated", site)


@pytest.mark.parametrize(
    ("release", "answer"),
    [
        ("0.3.2", "starts its workers in another way"),
        ("latest", "is no version of Dynamo"),
        ("0.4.0", "has no workers for images"),
    ],
)
def test_a_release_without_such_workers_is_refused(release: str, answer: str) -> None:
    with pytest.raises(ConfigError, match=answer):
        worker(load_topology(MULTIMODAL), "decode", site_with(release))


@pytest.mark.parametrize(
    ("version", "release"),
    [("1.3", (1, 3, 0)), ("1.3.0rc2", (1, 3, 0)), ("0.7.0.post1", (0, 7, 0)), ("v", None)],
)
def test_a_candidate_counts_as_the_release_it_leads_to(
    version: str, release: tuple[int, ...] | None
) -> None:
    assert release_of(version) == release
