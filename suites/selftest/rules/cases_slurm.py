"""Cases of the SLM rules: allocation, tasks, steps beside each other, containers, time."""

from __future__ import annotations

from .cases import Case, pair
from .launch_files import FRONTEND, WORKER, bare, document, env, script

_START = "/mnt/multinode/start_trtllm_worker.sh"
_JOB = '--jobid "${SLURM_JOB_ID}"'


def steps(*options: str) -> dict[str, str]:
    """A script with an allocation, and one worker step with these options."""
    line = f"DISAGGREGATION_MODE=prefill srun {' '.join(options)} {_START} &"
    return script("salloc --no-shell --nodes 8", line)


ALLOCATION = [
    Case(
        "SLM-001",
        "four-and-four-on-six",
        script("salloc -N 6", "./srun_disaggregated.sh"),
        at="salloc -N 6",
        says="1 prefill x 4 + 1 decode x 4 = 8 nodes > 6 allocated",
    ),
    Case(
        "SLM-001",
        "directive",
        bare(
            "#SBATCH --nodes=2",
            "export NUM_PREFILL_NODES=2 NUM_DECODE_NODES=2",
            "srun hostname",
        ),
        at="#SBATCH --nodes=2",
        says="= 4 nodes > 2 allocated",
    ),
    Case(
        "SLM-001",
        "several-workers",
        env(NUM_PREFILL_WORKERS="2", SLURM_NNODES="8"),
        at="SLURM_NNODES",
        says="2 prefill x 4 + 1 decode x 4 = 12 nodes",
    ),
    Case(
        "SLM-001",
        "eight-gpus-of-four",
        pair(roles__prefill__gpus_per_node=8, orchestrator="slurm"),
        at="gpus_per_node: 8",
        says="prefill: gpus_per_node 8 > 4 of gb200",
    ),
    Case(
        "SLM-001",
        "other-tasks-than-gpus",
        steps("--nodes 4", "--ntasks-per-node 8"),
        at="--ntasks-per-node 8",
        says="prefill: 8 tasks per node, 4 GPUs per node",
    ),
    Case("SLM-001", "frontend-overlaps-the-head-node", script("salloc -N 8", FRONTEND, WORKER)),
    Case("SLM-001", "spare-nodes", script("salloc -N 18", "./srun_disaggregated.sh")),
    Case("SLM-001", "range-of-nodes", script("salloc -N 2-8", "./srun_disaggregated.sh")),
    Case("SLM-001", "tasks-from-the-variable", steps('--ntasks-per-node "${NUM_GPUS_PER_NODE}"')),
    Case(
        "SLM-001",
        "one-process-per-node",
        script("DISAGGREGATION_MODE=decode srun --ntasks-per-node 1 python3 -m dynamo.sglang &"),
    ),
    Case("SLM-001", "size-only-a-run-knows", env(NUM_PREFILL_NODES="${N}", SLURM_NNODES="2")),
]

PMIX = [
    Case("SLM-002", "none", steps("--mpi=none", "--nodes 4"), at="--mpi=none", says="pmix"),
    Case("SLM-002", "pmi2", steps("--mpi pmi2", "--nodes 4"), at="--mpi pmi2", says="--mpi=pmix"),
    Case("SLM-002", "pmix", steps("--mpi pmix", "--nodes 4")),
    Case("SLM-002", "pmix-of-a-version", steps("--mpi=pmix_v4", "--nodes 4")),
    Case("SLM-002", "default-of-the-cluster", steps("--nodes 4")),
    Case("SLM-002", "one-rank", steps("--mpi=none", "--nodes 1", "--ntasks 1")),
    Case("SLM-002", "frontend", script(FRONTEND.replace("--overlap", "--overlap --mpi=none"))),
]

_SHARED = "srun --mpi pmix --oversubscribe --nodes 4 --ntasks-per-node 4"
_TWO = (f"DISAGGREGATION_MODE=prefill {_SHARED} {_START} &", f"{_SHARED} {_START} &")
_ONE_NODE = f"srun --mpi pmix --oversubscribe --nodes 1 {_START} &"
PLACEMENT = [
    Case(
        "SLM-003",
        "oversubscribe-alone",
        script(*_TWO),
        at="DISAGGREGATION_MODE=prefill",
        says="--oversubscribe alone leaves the nodes",
    ),
    Case(
        "SLM-003",
        "in-a-loop",
        script("for i in 1 2; do", f"  {_SHARED} {_START} &", "done"),
        at="--oversubscribe",
        says="--nodelist",
    ),
    Case(
        "SLM-003",
        "overlap-alone",
        script(*(line.replace("--oversubscribe", "--overlap") for line in _TWO)),
        at="--overlap",
        says="--overlap alone",
    ),
    Case("SLM-003", "nodelist", script(WORKER, WORKER.replace("node2", "node3"))),
    Case("SLM-003", "exclusive", script(*(x.replace("srun", "srun --exclusive") for x in _TWO))),
    Case("SLM-003", "looked-at-later", script(*_TWO, "squeue --steps --format '%i %N'")),
    Case("SLM-003", "one-worker", script(_TWO[0])),
    Case("SLM-003", "one-node-each", bare("salloc --nodes 2", _ONE_NODE, _ONE_NODE)),
    Case("SLM-003", "options-unknown", script(*(x.replace("srun", "srun $MORE") for x in _TWO))),
]

_ALONE = FRONTEND.replace("--overlap ", "")
_ALL = (WORKER.replace("--overlap", ""), WORKER.replace("--overlap", ""))
OVERLAP = [
    Case(
        "SLM-004",
        "frontend",
        script("salloc --nodes 8", _ALONE, *_ALL),
        at="srun --nodelist node1",
        says="the workers take 8 of 8 nodes, and this step wants one for itself",
    ),
    Case(
        "SLM-004",
        "allocation-unknown",
        script(_ALONE, *_ALL),
        at="srun --nodelist node1",
        says="srun --overlap",
    ),
    Case(
        "SLM-004",
        "look-while-it-runs",
        script("salloc -N 8", FRONTEND, *_ALL, f"srun {_JOB} nvidia-smi"),
        at="nvidia-smi",
        says="srun --overlap",
    ),
    Case("SLM-004", "overlap", script("salloc -N 8", FRONTEND, *_ALL)),
    Case("SLM-004", "idle-node", script("salloc -N 9", _ALONE, *_ALL)),
    Case("SLM-004", "before-the-workers", script("salloc -N 8", f"srun {_JOB} hostname", *_ALL)),
    Case(
        "SLM-004",
        "after-the-workers",
        script("salloc -N 8", *_ALL, "wait", f"srun {_JOB} nvidia-smi"),
    ),
    Case("SLM-004", "allocation-of-its-own", script(*_ALL, "srun --nodes 1 nvidia-smi")),
    Case("SLM-004", "options-in-a-variable", script(f"srun {_JOB} $MORE x &", *_ALL)),
]

_IMAGE = '--container-image "${IMAGE}"'
CONTAINERS = [
    Case(
        "SLM-005",
        "mounts-without-an-image",
        script('srun --container-mounts "${MOUNTS}" hostname'),
        at="--container-mounts",
        says="the program runs on the host",
    ),
    Case(
        "SLM-005",
        "no-such-option",
        script(f'srun {_IMAGE} --container-mount "${{MOUNTS}}" hostname'),
        at="--container-mount",
        says="srun refuses to start",
    ),
    Case(
        "SLM-005",
        "wrong-name",
        script(f"srun {_IMAGE} --container-envs A hostname"),
        at="--container-envs",
        says="--container-env",
    ),
    Case(
        "SLM-005",
        "image-on-one-node",
        script(f"srun {_IMAGE} hostname", IMAGE="/scratch/local/dynamo.sqsh"),
        at="srun --container-image",
        says="/scratch/local/dynamo.sqsh is on a disk of one node",
    ),
    Case("SLM-005", "with-an-image", script(f'srun {_IMAGE} --container-mounts "${{MOUNTS}}" x')),
    Case("SLM-005", "with-a-name", bare("srun --container-name a --container-mounts /a:/b x")),
    Case("SLM-005", "beginning-of-a-name", bare("srun --container-im a.sqsh x")),
    Case("SLM-005", "another-plugin", bare("srun --container=/bundle --container-mounts /a:/b x")),
    Case("SLM-005", "options-in-a-variable", bare('srun $IMAGE_OPTIONS --container-mounts "$M" x')),
    Case("SLM-005", "shared-image", script(f"srun {_IMAGE} hostname", IMAGE="/lustre/a.sqsh")),
]

NAMED = [
    Case(
        "SLM-006",
        "left-over",
        bare("srun --container-image a --container-name dynamo x"),
        at="--container-name dynamo",
        says="enroot remove -f pyxis_dynamo",
    ),
    Case("SLM-006", "unnamed", bare("srun --container-image a x")),
    Case(
        "SLM-006",
        "removed",
        bare("srun --container-image a --container-name d x", "srun enroot remove -f pyxis_d"),
    ),
]

TIME = [
    Case(
        "SLM-007",
        "ten-minutes-for-r1",
        script("salloc -N 8 -t 10", "./srun_disaggregated.sh"),
        at="-t 10",
        says="10 min, but 369 GiB at 1 GiB/s take 6 min, and the rest 5 min",
    ),
    Case(
        "SLM-007",
        "directive",
        script("#SBATCH --time=00:05:00", "./srun_disaggregated.sh"),
        at="--time=00:05:00",
        says="5 min",
    ),
    Case("SLM-007", "five-hours", script("salloc -N 8 -t 05:00:00", "./srun_disaggregated.sh")),
    Case("SLM-007", "unlimited", script("salloc -N 8 --time=UNLIMITED", "./srun_disaggregated.sh")),
    Case("SLM-007", "zero-is-no-limit", script("salloc -N 8 -t 0", "./srun_disaggregated.sh")),
    Case("SLM-007", "days", script("salloc -t 1-0", "./srun_disaggregated.sh")),
    Case("SLM-007", "model-unknown", script("salloc -t 10", MODEL_PATH="some/model")),
    Case("SLM-007", "no-limit-given", document("salloc -N 8\n./srun_disaggregated.sh")),
]

SITES_DIFFER = [
    Case("SLM-008", "no-gres-gpus-per-node-or-segment", steps("--mpi pmix", "--nodes 4")),
]

CASES = [*ALLOCATION, *PMIX, *PLACEMENT, *OVERLAP, *CONTAINERS, *NAMED, *TIME, *SITES_DIFFER]
