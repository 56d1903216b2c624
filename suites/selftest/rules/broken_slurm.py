"""Valid launches through Slurm, and the same with one size or one option broken."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import strategies as st

from fixtures.config.load import load_topology

from .broken_environment import Launch, changed, launches, lines
from .pairs import Breaks, Pair

_START = "/mnt/multinode/start_trtllm_worker.sh"
_IN_JOB = 'srun --jobid "${SLURM_JOB_ID}" --nodelist node1'


@st.composite
def _allocations(draw: st.DrawFn) -> Pair:
    """A shipped topology with some workers in an allocation that fits, and in one too small."""
    base = load_topology(
        draw(st.sampled_from(("deepseek-r1-mtp-disagg", "deepseek-r1-wide-ep-agg")))
    )
    workers = draw(st.integers(1, 5))
    roles = tuple(replace(role, workers=workers) for role in base.roles)
    sized = replace(base, roles=roles)
    needed = sized.nodes_needed or 1
    spare, missing = draw(st.integers(0, 9)), draw(st.integers(1, needed))
    return (
        replace(sized, allocation_nodes=needed + spare),
        replace(sized, allocation_nodes=needed - missing),
    )


def _overlapping(draw: st.DrawFn, launch: Launch) -> Pair:
    """A step beside workers that take all nodes, with --overlap and without."""
    needed = int(launch.variables["NUM_PREFILL_NODES"]) + int(launch.variables["NUM_DECODE_NODES"])
    full = replace(launch, nodes=needed)
    beside = draw(st.sampled_from(("/mnt/multinode/start_frontend_services.sh", "nvidia-smi")))
    worker = f"{_IN_JOB} --mpi pmix {_START} &"
    option = draw(st.sampled_from(("--overlap", "--label --overlap")))
    return (
        full.loaded(worker, f"{_IN_JOB} {option} {beside} &"),
        full.loaded(worker, f"{_IN_JOB} {beside} &"),
    )


@st.composite
def _limits(draw: st.DrawFn) -> Pair:
    """An allocation for hours, and for minutes."""
    launch = draw(launches())
    hours, minutes = draw(st.integers(1, 48)), draw(st.integers(1, 11))
    return launch.loaded(f"salloc -t {hours}:00:00"), launch.loaded(f"salloc -t {minutes}")


_TWO = f"srun --mpi pmix NODES --nodes COUNT {_START} &\n" * 2
BREAKS: Breaks = {
    "SLM-001": _allocations(),
    "SLM-002": lines(
        f"srun --mpi=pmix --nodes COUNT {_START} &", f"srun --mpi=none --nodes COUNT {_START} &"
    ),
    "SLM-003": lines(
        _TWO.replace("NODES", '--oversubscribe --nodelist "${NAME}"'),
        _TWO.replace("NODES", "--oversubscribe"),
    ),
    "SLM-004": changed(_overlapping),
    "SLM-005": lines(
        'srun --container-image "${IMAGE}" --container-mounts "${MOUNTS}" hostname',
        'srun --container-mounts "${MOUNTS}" hostname',
    ),
    "SLM-006": lines(
        "srun --container-image a hostname", "srun --container-image a --container-name WORD x"
    ),
    "SLM-007": _limits(),
}
