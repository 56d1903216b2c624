"""Passing means: what salloc, scontrol and the lists of srun really print becomes right values."""

from __future__ import annotations

import re

import pytest

from fixtures.clients import slurm_parse as parse
from fixtures.clients.slurm_text import nodes_of, ranks_of, seconds_of
from fixtures.model.slurm import ALLOCATION_STATES, AllocationAnswer, Controller

from .slurm_samples import RECORDED, SAMPLES, WRITTEN, index, names, sample

pytestmark = pytest.mark.selftest

BUSY = "Unable to allocate resources: Connection timed out"
FAILED = "Job submit/allocate failed"
ALLOCATIONS = {
    "salloc-granted": AllocationAnswer("1", "granted", ready=True),
    "salloc-het": AllocationAnswer("18", "granted", ready=True),
    "salloc-waits-for-prolog": AllocationAnswer("21", "granted", ready=True),
    "salloc-cancelled-while-configuring": AllocationAnswer("22", "granted"),
    "salloc-with-a-command": AllocationAnswer("8", "released", ready=True),
    "salloc-revoked": AllocationAnswer("5", "revoked"),
    "salloc-prolog-fails": AllocationAnswer("16", "revoked"),
    "salloc-terminated-while-waiting": AllocationAnswer("3", "cancelled"),
    "salloc-cancelled-while-waiting": AllocationAnswer(
        "4", "cancelled", f"{FAILED}: Job/step already completing or completed"
    ),
    "salloc-busy": AllocationAnswer("2", "refused", BUSY),
    "salloc-needs-a-drained-node": AllocationAnswer(
        "4", "refused", "Required node not available (down, drained or reserved)"
    ),
    "salloc-too-many-nodes": AllocationAnswer(
        "6", "refused", "Requested partition configuration not available now"
    ),
    "salloc-no-such-partition": AllocationAnswer(
        "", "refused", "invalid partition specified: nope"
    ),
    "salloc-no-such-node": AllocationAnswer(
        "", "refused", f"{FAILED}: Invalid node name specified"
    ),
    "salloc-too-many-gpus": AllocationAnswer(
        "", "refused", f"{FAILED}: Requested node configuration is not available"
    ),
    "salloc-unknown-option": AllocationAnswer("", "refused", "unrecognized option '--nope'"),
}


@pytest.mark.parametrize("name", names(RECORDED, "salloc-"))
def test_allocations(name: str) -> None:
    answer = parse.allocation(sample(name))

    assert answer == ALLOCATIONS[name]
    assert answer.state in ALLOCATION_STATES
    assert parse.allocation_id(sample(name)) == answer.job_id


def test_an_allocation_that_still_waits() -> None:
    said = "".join(sample("salloc-busy").splitlines(keepends=True)[:2])

    assert parse.allocation(said) == AllocationAnswer("2", "pending")
    assert parse.allocation("") == AllocationAnswer("", "")


def test_controllers() -> None:
    down, up = Controller("primary", "ctl1", up=False), Controller("backup", "ctl2", up=True)

    assert parse.controllers(sample("ping")) == (Controller("primary", "login", up=True),)
    assert parse.controllers(sample("controller-away-ping")) == (
        Controller("primary", "login", up=False),
    )
    assert parse.controllers(sample("ping-two-controllers", WRITTEN)) == (down, up)
    assert parse.controllers(sample("ping-two-controllers-in-one-line", WRITTEN)) == (down, up)


def test_mpi_types_on_either_stream() -> None:
    assert parse.mpi_types(sample("mpi-list")) == (
        *("pmix", "none", "cray_shasta", "pmi2", "pmix_v4"),
    )
    assert parse.mpi_types(sample("mpi-list-on-stderr", WRITTEN)) == (
        *("cray_shasta", "none", "pmi2", "pmix", "pmix_v3"),
    )
    assert parse.mpi_types(sample("controller-away-squeue")) == ()


@pytest.mark.parametrize(
    ("option", "known"),
    [
        *(("--overlap", True), ("--container", True), ("--mpi", True)),
        *(("--container-image", False), ("--over", False), ("--", False)),
    ],
)
def test_an_option_is_known_only_by_its_whole_name(option: str, known: bool) -> None:
    assert parse.has_option(sample("help"), option) is known


def test_settings() -> None:
    settings = parse.config(sample("config"))

    assert len(settings) == 205
    assert settings["AuthInfo"] == "socket=/cluster/run/munge.sock"
    assert settings["SlurmctldHost[0]"] == "login(10.88.0.254)"
    assert settings["BurstBufferType"] == ""
    assert parse.seconds_setting(settings, "SlurmdTimeout") == 15
    assert parse.seconds_setting(settings, "KillWait") == 5
    assert parse.seconds_setting({"A": "2 min"}, "A") == 120
    assert parse.seconds_setting(settings, "AuthInfo") is None
    assert parse.seconds_setting(settings, "NoSuchSetting") is None


def test_everything_about_a_node() -> None:
    (details,) = parse.records(sample("node-mixed-drain"))

    assert details["State"] == "MIXED+DRAIN"
    assert details["OS"] == "Linux 6.1.0 #1 SMP PREEMPT_DYNAMIC @0"
    assert details["CfgTRES"] == "cpu=16,mem=23593M,billing=16"
    assert details["ActiveFeatures"] == ""
    assert details["Reason"] == "bad cable | see #12 [root@2026-11-21T18:26:48]"
    assert parse.records(sample("node-down"))[0]["State"] == "DOWN+NOT_RESPONDING"
    assert parse.records(sample("node-allocated"))[0]["NodeAddr"] == "10.88.0.1"
    assert parse.records(sample("node-unknown")) == ()
    assert parse.records(sample("step-details"))[0]["SrunHost:Pid"] == "login:14834"


def test_what_an_administrator_writes_is_no_field() -> None:
    (details,) = parse.records(sample("node-drained"))

    assert details["State"] == "IDLE+DRAIN"
    assert details["Reason"] == "disk full: left=0 State=IDLE [root@2026-11-21T18:26:48]"


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("0:07", 7), ("59:01", 3541), ("1:02:03", 3723), ("1-02:03:04", 93784)),
        *(("365-00:00:00", 31536000), ("2-03", 183600), ("INVALID", 0)),
        *(("UNLIMITED", None), ("NOT_SET", None), ("N/A", None), ("", None), ("7", None)),
        *(("1:2:3:4", None), ("-1:00", None), ("9" * 5000 + ":00", None)),
    ],
)
def test_times(text: str, seconds: float | None) -> None:
    assert seconds_of(text) == seconds


@pytest.mark.parametrize(
    ("text", "ranks"),
    [
        *(("0", (0,)), ("[0-3]", (0, 1, 2, 3)), ("[0,3,6]", (0, 3, 6)), ("4-5,10", (4, 5, 10))),
        *(("", ()), ("x", ()), ("3-1", ()), ("0-999999999", ()), ("1,x,2", (1, 2))),
    ],
)
def test_ranks(text: str, ranks: tuple[int, ...]) -> None:
    assert ranks_of(text) == ranks


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        *(("3: x", (3, "x")), ("  3: x: y", (3, "x: y")), ("12: ", (12, ""))),
        *(("3:x", (None, "3:x")), ("srun: x", (None, "srun: x")), ("\t3: x", (None, "\t3: x"))),
    ],
)
def test_labels(line: str, parts: tuple[int | None, str]) -> None:
    assert parse.split_label(line) == parts


def test_a_list_of_nodes_that_makes_no_sense_stays_visible() -> None:
    assert nodes_of("gb[3-1]") == ("gb[3-1]",)
    assert nodes_of("gb[1-999999999]") == ("gb[1-999999999]",)


@pytest.mark.parametrize("group", [RECORDED, WRITTEN])
def test_every_sample_is_in_the_index_and_tells_nothing_of_its_machine(group: str) -> None:
    listed = index(group)

    assert {path.stem for path in (SAMPLES / group).glob("*.txt")} == set(listed)
    for name, entry in listed.items():
        assert entry["shows"], name
        assert not re.search(r"(?<!\w)/(work|home|root|tmp|Users)\b", sample(name, group)), name
    if group == RECORDED:
        assert all(
            e["command"] and e["stream"] in ("stdout", "stderr", "both") for e in listed.values()
        )
