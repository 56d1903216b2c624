"""Preflight records in which one thing is broken: GPUs and files."""

from __future__ import annotations

from dataclasses import replace

from fixtures.model.node_report import (
    GpuProcess,
)

from .preflight_records import (
    CONFIG,
    IMAGE,
    MODEL,
    Broken,
    at,
    changed,
    everywhere,
    gone,
    gpus,
    look,
    look_inside,
    path,
    state,
    wanting,
    within,
)

FULL = gpus(devices=changed(2, memory_used_mib=150000))

BROKEN: list[Broken] = [
    ("PRE-010", "a GPU too few", at("gb02", gpus=gpus(3)), "gb02: 3 (nvidia-smi)"),
    ("PRE-010", "another kind of node", everywhere(gpus=gpus(8)), "8 (nvidia-smi)"),
    (
        "PRE-010",
        "a hanging driver",
        at("gb02", gpus=gpus(problem="did not answer")),
        "did not answer",
    ),
    (
        "PRE-010",
        "too few GRES",
        lambda record: state("gb02", gres="gpu:2(S:0)")(
            everywhere(gpus=gpus(0, installed=False))(record)
        ),
        "gb02: 2 (GRES of the scheduler)",
    ),
    (
        "PRE-010",
        "too few device files",
        everywhere(gpus=gpus(0, installed=False, device_files=("/dev/nvidia0",))),
        "1 (device files)",
    ),
    ("PRE-011", "B200 is not GB200", everywhere(gpus=gpus(name="NVIDIA B200")), "NVIDIA B200"),
    (
        "PRE-011",
        "another type of GRES",
        lambda record: state("gb02", gres="gpu:h100:4")(
            everywhere(gpus=gpus(0, installed=False))(record)
        ),
        "gb02: h100",
    ),
    (
        "PRE-012",
        "no image",
        look("gb02", gone(IMAGE, "image", "No such file")),
        f"gb02: {IMAGE}: No such file",
    ),
    (
        "PRE-012",
        "an image for others",
        look("gb02", path(IMAGE, "image", readable=False)),
        "not readable for us",
    ),
    (
        "PRE-012",
        "an image that is none",
        look("gb02", path(IMAGE, "image", "directory")),
        "a directory",
    ),
    (
        "PRE-013",
        "no mount source",
        look("gb04", gone("/models", "mount", "No such file")),
        "gb04: /models: No such file",
    ),
    (
        "PRE-013",
        "a dead file system",
        look("gb04", gone("/models", "mount", "no answer within 8 s")),
        "no answer within 8 s",
    ),
    (
        "PRE-014",
        "a container that does not start",
        within("gb01", error="pyxis: failed to import"),
        "gb01: pyxis: failed",
    ),
    (
        "PRE-015",
        "a model that is not mounted",
        look_inside("gb01", gone(MODEL, "model", "No such file")),
        f"gb01: {MODEL}: No such file",
    ),
    (
        "PRE-015",
        "an empty mount point",
        look_inside("gb01", path(MODEL, "model", "directory", entries=0)),
        "an empty directory",
    ),
    (
        "PRE-016",
        "a name on a hub",
        wanting(model_path="nvidia/DeepSeek-R1-FP4"),
        "each worker downloads it",
    ),
    (
        "PRE-017",
        "no engine config",
        look_inside("gb02", gone(CONFIG, "engine config", "No such file")),
        f"gb02: {CONFIG}",
    ),
    ("PRE-023", "GPU memory", at("gb02", gpus=FULL), "GPU 2 150000 MiB (no process to be seen)"),
    (
        "PRE-023",
        "a process on a GPU",
        at("gb02", gpus=replace(FULL, processes=(GpuProcess(9, "python", 2, 150000),))),
        "pid 9 python",
    ),
    (
        "PRE-024",
        "old data",
        look("gb01", path("/scratch/acc-1", "data", "directory", entries=2)),
        "holds data",
    ),
    (
        "PRE-027",
        "no channel",
        within("gb03", gpus=gpus(imex_channels=(), imex_problem="No such file")),
        "gb03: No such file",
    ),
    (
        "PRE-027",
        "an empty directory",
        within("gb03", gpus=gpus(imex_channels=())),
        "the directory is empty",
    ),
    (
        "PRE-028",
        "another clique",
        at(
            "gb04",
            gpus=gpus(devices=changed(clique_id="2")),
        ),
        "clique 2",
    ),
    (
        "PRE-028",
        "another rack",
        at(
            "gb04",
            gpus=gpus(devices=changed(cluster_uuid="0f")),
        ),
        "cluster 0f",
    ),
    (
        "PRE-028",
        "a fabric that is not up",
        at(
            "gb04",
            gpus=gpus(devices=changed(fabric_state="In Progress")),
        ),
        "In Progress",
    ),
    (
        "PRE-028",
        "a fabric without cluster",
        at(
            "gb04",
            gpus=gpus(
                devices=tuple(
                    replace(each, cluster_uuid="00000000-0000") for each in gpus().devices
                )
            ),
        ),
        "gb04 GPU 0",
    ),
]
