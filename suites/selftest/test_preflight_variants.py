"""Passing means: what is merely unusual holds no launch back, and idle judges say why."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fixtures.judges.preflight import JUDGES, NothingToJudge, NotSeen, first_failure
from fixtures.model.node_report import ClockOffset, HeadAddress, PortLook, ProcessLimits, Reach
from fixtures.model.preflight import WorkerNeed

from .preflight_records import (
    NODES,
    WEIGHTS,
    Change,
    at,
    both,
    changed,
    everywhere,
    gone,
    gpus,
    having,
    healthy,
    job,
    look,
    look_inside,
    path,
    reach,
    said,
    shm,
    state,
    wanting,
    within,
)

pytestmark = pytest.mark.selftest

NO_DRIVER = gpus(0, installed=False, imex_channels=(), imex_problem="No such file")
V6 = HeadAddress("fd00::1", ("fd00::1",), True)
ALONE = (WorkerNeed("aggregated-0", ("gb01",), 4),)
ONE_BY_ONE = tuple(WorkerNeed(f"prefill-{at_}", (node,), 2) for at_, node in enumerate(NODES))
CHROME = replace(WEIGHTS, name=".org.chromium.x", used_by=None)
BUSY = replace(WEIGHTS, name="sem.frontend", owner="ana", used_by=(12,))
HIDDEN = replace(WEIGHTS, name="ucx_shm_posix_1", used_by=None)
EMPTY = path("/scratch/acc-1", "data", "directory", entries=0)
NO_DATA = gone("/scratch/acc-1", "data")
GIVEN = Reach(2379, "etcd", True)

GPU_MODEL, GPU_MEMORY, IMEX, CLIQUE = "PRE-011", "PRE-023", "PRE-027", "PRE-028"
DRIVER = {GPU_MODEL, GPU_MEMORY, IMEX, CLIQUE}
CONTAINER = {"PRE-008", "PRE-012", "PRE-014"}


def free(node: str) -> tuple[PortLook, ...]:
    """What a node says of the ports for workers on one node each."""
    wanted = replace(healthy().needs, workers=ONE_BY_ONE).ports_of(node)
    return tuple(PortLook(number, purpose, True) for number, purpose in wanted)


VARIANTS: dict[str, tuple[Change, set[str]]] = {
    "an allocation without GRES": (
        both(*(state(node, gres="(null)") for node in NODES)),
        set(),
    ),
    "mixed, idle and reserved nodes": (
        both(
            state("gb01", state="mixed"),
            state("gb02", state="idle"),
            state("gb03", state="reserved"),
        ),
        set(),
    ),
    "a completing node": (state("gb01", state="completing"), set()),
    "a silent node that has run a step": (state("gb04", answers=False), set()),
    "no time limit": (job(time_left_s=None), set()),
    "a larger allocation": (job(nodes=(*NODES, "gb05", "gb06")), set()),
    "other nodes that are down": (
        lambda record: replace(
            record,
            node_states=(
                *(record.node_states or ()),
                replace((record.node_states or ())[0], name="gb09", state="down"),
            ),
        ),
        set(),
    ),
    "no nvidia-smi": (
        both(everywhere(gpus=NO_DRIVER), *(within(n, gpus=NO_DRIVER) for n in NODES)),
        DRIVER,
    ),
    "no nvidia-smi, and GRES that tell the model": (
        both(everywhere(gpus=NO_DRIVER), *(state(n, gres="gpu:gb200:4(S:0-1)") for n in NODES)),
        DRIVER - {GPU_MODEL},
    ),
    "no nvidia-smi, and a name for GRES that only the site knows": (
        both(everywhere(gpus=NO_DRIVER), *(state(n, gres="gpu:rack:4") for n in NODES)),
        DRIVER,
    ),
    "nothing that counts GPUs": (
        both(everywhere(gpus=NO_DRIVER), *(state(n, gres="") for n in NODES)),
        {*DRIVER, "PRE-010"},
    ),
    "device files instead of a driver": (
        everywhere(
            gpus=replace(NO_DRIVER, device_files=tuple(f"/dev/nvidia{i}" for i in range(4)))
        ),
        DRIVER,
    ),
    "a role that takes half of the GPUs": (
        wanting(workers=tuple(WorkerNeed(w.name, w.nodes, 2) for w in healthy().needs.workers)),
        set(),
    ),
    "a longer GPU name": (everywhere(gpus=gpus(name="NVIDIA GB200 NVL72")), set()),
    "memory that the driver does not tell": (
        everywhere(gpus=gpus(devices=changed(memory_used_mib=None))),
        set(),
    ),
    "a driver that knows no fabric": (
        everywhere(gpus=gpus(devices=changed(fabric_state="", fabric_status="", cluster_uuid=""))),
        {CLIQUE},
    ),
    "cliques that differ between workers only": (
        both(*(at(node, gpus=gpus(devices=changed(clique_id="2"))) for node in NODES[2:])),
        set(),
    ),
    "workers on one node each": (
        both(wanting(workers=ONE_BY_ONE), *(at(node, ports=free(node)) for node in NODES)),
        {IMEX, CLIQUE},
    ),
    "a system whose NVLink stays inside": (wanting(nvlink_domain_nodes=1), {IMEX, CLIQUE}),
    "an IPv6 address": (both(wanting(head_address="fd00::1"), at("gb01", head_address=V6)), set()),
    "one node, and loopback": (
        both(
            wanting(nodes=("gb01",), node_count=1, workers=ALONE),
            having(mpi_proof=said("srun", stdout="0: 0\n")),
            at("gb01", head_address=HeadAddress("127.0.0.1", ("127.0.0.1",), True)),
            lambda record: replace(
                record,
                host=replace(record.host, reports=record.host.reports[:1]),
            ),
        ),
        {IMEX, CLIQUE, "PRE-029"},
    ),
    "a site with its own etcd": (
        both(wanting(given=("etcd",)), *(reach(node, GIVEN) for node in NODES)),
        set(),
    ),
    "bare processes": (
        both(
            wanting(image="", mounts=(), model_path="/models/r1", engine_configs=()),
            having(container=None, container_options=None),
            everywhere(paths=(path("/models/r1", "model", "directory", entries=3), NO_DATA)),
        ),
        {*CONTAINER, "PRE-013", "PRE-017"},
    ),
    "an image from a registry": (
        both(
            wanting(image="nvcr.io#nvidia/dynamo:1.0"),
        ),
        {"PRE-012"},
    ),
    "a mount source that only others may read": (
        look("gb02", path("/models", "mount", "directory", readable=False, problem="Permission")),
        set(),
    ),
    "no mounts": (wanting(mounts=()), {"PRE-013"}),
    "a model that is one file": (
        look_inside("gb01", path("/models/r1", "model")),
        set(),
    ),
    "an engine that needs no model": (
        wanting(model_path="", engine_configs=()),
        {"PRE-015", "PRE-016", "PRE-017"},
    ),
    "an empty data directory": (
        look("gb01", EMPTY),
        set(),
    ),
    "services of the site alone": (wanting(data_dirs=()), {"PRE-024"}),
    "no MPI world": (wanting(mpi=""), {"PRE-009"}),
    "a versioned MPI type": (wanting(mpi="pmix_v4"), set()),
    "files of other software, and segments in use": (
        at("gb02", shared_memory=shm(CHROME, BUSY, HIDDEN)),
        set(),
    ),
    "a clock that nobody can compare well": (
        at("gb02", clock=ClockOffset("gb01", 9.0, 8.0)),
        set(),
    ),
    "no limits on files, and no wish to lock": (
        both(
            everywhere(limits=ProcessLimits(None, None, 8388608)),
            lambda record: replace(
                record,
                needs=replace(
                    record.needs,
                    limits=replace(record.needs.limits, need_unlimited_locked_memory=False),
                ),
            ),
        ),
        {"PRE-031"},
    ),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_what_is_unusual_passes(name: str) -> None:
    change, beside_the_point = VARIANTS[name]
    record = change(healthy())
    idle = set()
    for id_, each in JUDGES.items():
        try:
            assert each.judge(record) == [], id_
        except NothingToJudge:
            idle.add(id_)

    assert first_failure(record) is None
    assert idle == beside_the_point


def test_a_model_from_a_hub_is_a_word_and_no_obstacle() -> None:
    record = wanting(model_path="nvidia/DeepSeek-R1-FP4")(healthy())

    assert first_failure(record) is None
    assert JUDGES["PRE-016"].judge(record) != []
    with pytest.raises(NothingToJudge, match="no path"):
        JUDGES["PRE-015"].judge(record)


def test_what_no_driver_tells_is_a_gap_for_a_real_engine() -> None:
    blind = both(everywhere(gpus=NO_DRIVER), *(within(n, gpus=NO_DRIVER) for n in NODES))(healthy())
    real = replace(blind, needs=replace(blind.needs, simulated=False))

    assert first_failure(blind) is None
    with pytest.raises(NotSeen, match="no nvidia-smi"):
        JUDGES["PRE-011"].judge(real)
    held = first_failure(real)
    assert held is not None
    assert held[0] == "PRE-011"
