"""A record of a preflight in which everything was looked at and is well, and ways to break it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from fixtures.model.node_report import (
    ClockOffset,
    Gpu,
    GpuLook,
    HeadAddress,
    NodeReport,
    PathLook,
    PortLook,
    ProcessLimits,
    Reach,
    SharedFile,
    SharedMemory,
)
from fixtures.model.preflight import Needs, PreflightRecord, Steps, WorkerNeed
from fixtures.model.slurm import Call, JobView, NodeState

NODES = ("gb01", "gb02", "gb03", "gb04")
HEAD, ADDRESS = "gb01", "10.88.0.1"
CLUSTER = "5f1e0c2a-7a0b-4f0e-9d7c-0d5c9b7a1e11"
IMAGE, MODEL, CONFIG = "/images/dynamo.sqsh", "/models/r1", "/mnt/engine_configs/decode.yaml"
WEIGHTS = SharedFile("moe_shared_l0_lr0_all", 1001, "bob", 2**20, ())
ROOMY = SharedMemory(size_mib=65536, free_mib=65000)
Change = Callable[[PreflightRecord], PreflightRecord]
Broken = tuple[str, str, Change, str]
"""A requirement, what is broken, the change that breaks it, and words that must be said of it."""


def said(
    *argv: str, code: int | None = 0, stdout: str = "", stderr: str = "", deadline_s: float = 20.0
) -> Call:
    """A call of the scheduler that came back."""
    return Call(argv, code, stdout, stderr, 0.02, deadline_s)


def needs(**changes: Any) -> Needs:
    """What a disaggregated topology on four GB200 nodes takes."""
    wanted = Needs(
        user="ana",
        nodes=NODES,
        node_count=4,
        head_node=HEAD,
        head_address=ADDRESS,
        workers=(WorkerNeed("prefill-0", NODES[:2], 4), WorkerNeed("decode-0", NODES[2:], 4)),
        gpu="GB200",
        max_gpus_per_node=4,
        nvlink_domain_nodes=18,
        image=IMAGE,
        mounts=("/home/ana:/mnt", "/models:/models:ro"),
        model_path=MODEL,
        engine_configs=(CONFIG,),
        data_dirs=("/scratch/acc-1",),
        mpi="pmix",
    )
    return replace(wanted, **changes)


def gpus(count: int = 4, name: str = "NVIDIA GB200", **changes: Any) -> GpuLook:
    """The GPUs of one healthy node of an NVL72 rack."""
    fabric = {"fabric_state": "Completed", "fabric_status": "Success", "clique_id": "1"}
    devices = tuple(
        Gpu(index, name, 4, 189471, "10.0", cluster_uuid=CLUSTER, **fabric)
        for index in range(count)
    )
    channels = ("/dev/nvidia-caps-imex-channels/channel0",)
    return replace(GpuLook(True, devices, imex_channels=channels), **changes)


def changed(*indices: int, **changes: Any) -> tuple[Gpu, ...]:
    """Healthy GPUs but for these; for all where none is named."""
    return tuple(
        replace(each, **changes) if each.index in indices or not indices else each
        for each in gpus().devices
    )


def gone(name: str, purpose: str, why: str = "No such file") -> PathLook:
    """A path that is not there."""
    return PathLook(name, purpose, "", readable=False, problem=why)


def path(name: str, purpose: str, kind: str = "file", **changes: Any) -> PathLook:
    """A path that is there."""
    return replace(PathLook(name, purpose, kind, readable=True), **changes)


def on_host(node: str) -> NodeReport:
    """What a healthy node says."""
    head = node == HEAD
    addresses = (f"10.88.0.{NODES.index(node) + 1}", "127.0.0.1", "::1", "fe80::1")
    return NodeReport(
        node,
        hostname=node,
        uid=1000,
        user="ana",
        addresses=addresses,
        at_s=1000.5,
        gpus=gpus(),
        shared_memory=ROOMY,
        paths=(
            path(IMAGE, "image"),
            path("/home/ana", "mount", "directory", entries=3),
            path("/models", "mount", "directory", entries=9),
            gone("/scratch/acc-1", "data"),
        ),
        limits=ProcessLimits(1048576, 1048576, None),
        ports=tuple(PortLook(port, purpose, True) for port, purpose in needs().ports_of(node)),
        head_address=HeadAddress(ADDRESS, (ADDRESS,), True) if head else None,
        reached=tuple(Reach(port, purpose, True) for port, purpose in needs().head_ports),
        clock=None if head else ClockOffset(HEAD, 0.001, 0.0005),
    )


def inside(node: str) -> NodeReport:
    """What a worker's container shows on a healthy node."""
    paths = (path(MODEL, "model", "directory", entries=40), path(CONFIG, "engine config"))
    return NodeReport(node, hostname=node, gpus=gpus(), paths=paths)


def healthy(**changes: Any) -> PreflightRecord:
    """A record of which every judge approves, and none is idle."""
    record = PreflightRecord(
        topology="some-topology",
        needs=needs(),
        job_id="7",
        owned=True,
        queries=(said("scontrol", "ping"), said("squeue"), said("sinfo")),
        controller_up=True,
        job=JobView("7", "acc-1", "ana", "RUNNING", NODES, "None", 7200.0),
        node_states=tuple(NodeState(node, "allocated", True, "gpu:4", "none") for node in NODES),
        container_options=True,
        mpi_types=("none", "pmix", "pmix_v4"),
        mpi_proof=said("srun", stdout="0: 0\n1: 1\n"),
        host=Steps((said("srun"),), tuple(map(on_host, NODES)), 1000.0, 1001.0),
        container=Steps((said("srun"),), tuple(map(inside, NODES))),
    )
    return replace(record, **changes)


def wanting(**changes: Any) -> Change:
    """A topology that takes something else."""
    return lambda record: replace(record, needs=replace(record.needs, **changes))


def having(**changes: Any) -> Change:
    """Other answers of the scheduler."""
    return lambda record: replace(record, **changes)


def at(node: str, **changes: Any) -> Change:
    """Another report of one bare node."""
    return lambda record: replace(record, host=_changed(record.host, node, changes))


def within(node: str, **changes: Any) -> Change:
    """Another report from inside the container of one node."""
    return lambda record: replace(record, container=_changed(record.container, node, changes))


def everywhere(**changes: Any) -> Change:
    """Another report of every bare node."""

    def change(record: PreflightRecord) -> PreflightRecord:
        for node in NODES:
            record = at(node, **changes)(record)
        return record

    return change


def look(node: str, *looks: PathLook) -> Change:
    """Other looks at these paths of a bare node."""
    return lambda record: at(node, paths=_replaced(_at(record.host, node).paths, looks))(record)


def look_inside(node: str, *looks: PathLook) -> Change:
    """Other looks at these paths inside the container."""
    return lambda record: within(node, paths=_replaced(_at(record.container, node).paths, looks))(
        record
    )


def port(node: str, *looks: PortLook) -> Change:
    """Other looks at these ports of a node."""
    return lambda record: at(node, ports=_replaced(_at(record.host, node).ports, looks))(record)


def reach(node: str, *looks: Reach) -> Change:
    """Other attempts of a node at these ports of the head node."""
    return lambda record: at(node, reached=_replaced(_at(record.host, node).reached, looks))(record)


def job(**changes: Any) -> Change:
    """Another job."""
    return lambda record: replace(
        record, job=replace(record.job, **changes) if record.job else None
    )


def state(node: str, **changes: Any) -> Change:
    """Another state of one node."""
    return lambda record: replace(
        record,
        node_states=tuple(
            replace(each, **changes) if each.name == node else each
            for each in record.node_states or ()
        ),
    )


def both(*changes: Change) -> Change:
    """Several changes, one after the other."""

    def change(record: PreflightRecord) -> PreflightRecord:
        for each in changes:
            record = each(record)
        return record

    return change


def shm(*files: SharedFile, **changes: Any) -> SharedMemory:
    """A /dev/shm with these files."""
    return replace(ROOMY, files=files, files_total=len(files), **changes)


def _at(steps: Steps | None, node: str) -> NodeReport:
    assert steps is not None
    return next(each for each in steps.reports if each.node == node)


def _key(look: Any) -> Any:
    return look.path if isinstance(look, PathLook) else look.port


def _replaced(looks: tuple[Any, ...] | None, others: tuple[Any, ...]) -> tuple[Any, ...]:
    """The looks with those of the same path or port replaced by the others."""
    instead = {_key(each): each for each in others}
    return tuple(instead.get(_key(each), each) for each in looks or ())


def _changed(steps: Steps | None, node: str, changes: dict[str, Any]) -> Steps:
    assert steps is not None
    reports = tuple(
        replace(each, **changes) if each.node == node else each for each in steps.reports
    )
    return replace(steps, reports=reports)
