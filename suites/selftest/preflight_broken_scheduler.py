"""Preflight records in which one thing is broken: what the scheduler says."""

from __future__ import annotations

from dataclasses import replace

from .preflight_records import (
    NODES,
    Broken,
    at,
    having,
    job,
    said,
    state,
    wanting,
)

NEVER = said("squeue", "-j", "7", code=None)
PROOF = "slurmstepd-gb01: error: mpi/pmix: can not load PMIx library\n"
HALF = "srun: error: Task launch for StepId=1.1 failed on node gb01: Unspecified error\n"
REFUSED = "salloc: Required node not available (down, drained or reserved)\n"

BROKEN: list[Broken] = [
    (
        "PRE-001",
        "a question that hangs",
        having(queries=(NEVER,)),
        "squeue did not end within 20 s",
    ),
    (
        "PRE-001",
        "a controller that is down",
        having(controller_up=False, queries=(said("scontrol", "ping", code=1, stderr="is DOWN"),)),
        "exit code 1: is DOWN",
    ),
    ("PRE-002", "no job id", having(job_id="", job=None), "SLURM_JOB_ID is not set"),
    (
        "PRE-002",
        "salloc that waits for a drained node",
        lambda record: replace(
            state("gb03", state="drained", reason="xid79")(record),
            job_id="",
            job=None,
            allocation=said("salloc", "--no-shell", code=None, stderr=REFUSED, deadline_s=600),
        ),
        "Required node not available (down, drained or reserved); not usable: gb03 drained (xid79)",
    ),
    ("PRE-002", "a job that is gone", having(job=None), "knows no job 7"),
    ("PRE-002", "a job that waits", job(state="PENDING", reason="Priority"), "PENDING (Priority)"),
    ("PRE-002", "a job that completes", job(state="COMPLETING"), "job 7 is COMPLETING"),
    ("PRE-003", "the job of somebody else", job(user="bob"), "job 7 belongs to bob"),
    ("PRE-004", "ten minutes", job(time_left_s=600.0), "ends in 10 min"),
    ("PRE-005", "too few nodes", job(nodes=NODES[:2]), "job 7 has 2: gb01, gb02"),
    (
        "PRE-005",
        "planned nodes outside",
        job(nodes=("gb01", "gb02", "gb05", "gb06")),
        "not in the allocation: gb03, gb04",
    ),
    ("PRE-005", "a head node outside", wanting(head_node="login"), "not in the allocation: login"),
    (
        "PRE-006",
        "a drained node",
        state("gb02", state="draining", reason="xid79"),
        "gb02: draining (xid79)",
    ),
    ("PRE-006", "a node down", state("gb02", state="down"), "gb02: down"),
    ("PRE-006", "a failing node", state("gb02", state="failing"), "gb02: failing"),
    (
        "PRE-006",
        "a silent node",
        lambda record: at("gb04", error="no answer")(state("gb04", answers=False)(record)),
        "gb04: allocated, not answering",
    ),
    ("PRE-006", "a node that sinfo has not", having(node_states=()), "unknown to sinfo"),
    (
        "PRE-007",
        "a dead slurmd",
        at("gb03", error="Communication connection failure"),
        "gb03: Communication",
    ),
    ("PRE-008", "no Pyxis", having(container_options=False), "Pyxis plugin is not installed"),
    ("PRE-009", "a type not offered", having(mpi_types=("none", "pmi2")), "offered: none, pmi2"),
    (
        "PRE-009",
        "a type that is listed and cannot start",
        having(mpi_proof=said("srun", code=1, stderr=PROOF)),
        "can not load PMIx library",
    ),
    (
        "PRE-009",
        "a world of one that ends with 0",
        having(mpi_proof=said("srun", stdout="1: 1\n", stderr=HALF)),
        "of 2 ranks 1 spoke, with exit code 0: Task launch for StepId=1.1 failed on node gb01",
    ),
    (
        "PRE-009",
        "a world that hangs",
        having(mpi_proof=said("srun", code=None)),
        "did not end within 20 s",
    ),
]
