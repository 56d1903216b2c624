"""Image, mounts, model and configs are where the workers will look for them.

Passing means that a worker's container starts on every node and sees its files. Not covered:
whether the files are complete, and what the image holds.
"""

from __future__ import annotations

from fixtures.judges.preflight_paths import (
    container_starts,
    engine_configs_are_visible,
    image_is_readable,
    model_is_on_the_cluster,
    model_is_visible,
    mounts_exist,
    no_old_data,
)
from fixtures.model.preflight import PreflightRecord
from fixtures.model.requirement import Level
from fixtures.preflight_checks import preflight_requirement, scheduler_requirement, settle

VARIABLES = "Multi-node TRT-LLM on Slurm guide, Environment Variable Setup"
PYXIS = "Pyxis README"


@scheduler_requirement("PRE-012", source=f"{VARIABLES}: IMAGE; {PYXIS}, --container-image")
def test_the_image_is_readable(preflight: PreflightRecord) -> None:
    """The image file is readable on every node, where the image is a file."""
    settle(image_is_readable, preflight)


@scheduler_requirement("PRE-013", source=f"{VARIABLES}: MOUNTS; {PYXIS}, --container-mounts")
def test_every_mount_source_exists(preflight: PreflightRecord) -> None:
    """The source of every mount exists on every node."""
    settle(mounts_exist, preflight)


@scheduler_requirement("PRE-014", source=f"{PYXIS}, --container-image")
def test_the_container_starts(preflight: PreflightRecord) -> None:
    """A step starts in the workers' container on every node."""
    settle(container_starts, preflight)


@preflight_requirement("PRE-015", source=f"{VARIABLES}: MODEL_PATH in some shared location")
def test_the_model_is_visible(preflight: PreflightRecord) -> None:
    """The path of the model is visible to a worker on every node, and not empty."""
    settle(model_is_visible, preflight)


@preflight_requirement(
    "PRE-016",
    level=Level.SHOULD,
    source=f"{VARIABLES}: it is recommended to pre-download the model weights",
)
def test_the_model_is_on_the_cluster(preflight: PreflightRecord) -> None:
    """The model is named by a path, so that no worker downloads it."""
    settle(model_is_on_the_cluster, preflight)


@preflight_requirement(
    "PRE-017",
    source="Multi-node TRT-LLM on Slurm guide: ENGINE_CONFIG is a path inside the container",
)
def test_the_engine_configs_are_visible(preflight: PreflightRecord) -> None:
    """Every engine config is readable where a worker looks for it, on every node."""
    settle(engine_configs_are_visible, preflight)


@preflight_requirement(
    "PRE-024", source="start_frontend_services.sh keeps etcd's data in a directory that outlives it"
)
def test_etcd_starts_without_old_data(preflight: PreflightRecord) -> None:
    """The directories where etcd and NATS keep their data are absent or empty on the head node."""
    settle(no_old_data, preflight)
