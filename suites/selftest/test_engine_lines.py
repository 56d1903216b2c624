"""Passing means: lines of ranks are found in every spelling of an engine, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.clients.engine_lines import LOADS, RANKS, announcement_in, load_seconds_in
from fixtures.clients.ranks import load_lines, rank_lines
from fixtures.model.deployment import RankSlot, WorkerPlan, WorkerRecord
from fixtures.simulator.follower import Follower, speech_of

pytestmark = pytest.mark.selftest

PLACES = "DP rank 0, PP rank 1, TP rank 2, EP rank 2"
TOLD = f"rank 10 in world size 16 is assigned as {PLACES}"
LOGGED = f"INFO 07-24 15:02:24 [parallel_state.py:1065] {TOLD}"
LOADED = "Model loading took 40.9131 GiB and 21.500000 seconds"
LOAD_LOGGED = f"INFO 07-24 15:02:24 [gpu_model_runner.py:1801] {LOADED}"
# As Ray 2.60 prints what actors of another node, or of its own, have written.
AWAY = "\x1b[36m(RayWorkerWrapper pid=412, ip=10.89.0.2)\x1b[0m "
HERE = "\x1b[36m(RayWorkerWrapper pid=412)\x1b[0m "
PREFIXES = [
    "",
    " 3: ",
    AWAY,
    HERE,
    "(RayWorkerWrapper pid=412, ip=10.89.0.2) ",
    f"(EngineCore_DP0 pid=33) {AWAY}",
    "(Worker_TP1 pid=3) ",
    "(VllmWorker rank=3 pid=3) ",
    f"12: {AWAY}",
]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_lines_are_found_behind_everything_that_passes_them_on(prefix: str) -> None:
    said = announcement_in(prefix + LOGGED + "\n")

    assert said is not None
    assert (said.rank, said.world_size, said.leader) == (10, 16, False)
    label = prefix.partition(":")[0].strip()
    assert said.label == (int(label) if label.isdecimal() else None)
    assert load_seconds_in(prefix + LOAD_LOGGED + "\n") == 21.5


@pytest.mark.parametrize(
    "text",
    [
        LOGGED,
        TOLD,
        LOGGED.removesuffix(", EP rank 2"),
        LOGGED.replace("EP rank 2", "EP rank N/A"),
        LOGGED.replace("TP rank", "PCP rank 0, TP rank") + ", EPLB rank N/A",
        f"INFO 03-24 15:02:24 parallel_state.py:967] {TOLD}",
        f"2026-07-24T15:02:24.123456Z  INFO parallel_state.initialize_model_parallel: {TOLD}",
    ],
)
def test_every_release_is_understood(text: str) -> None:
    said = announcement_in(text)

    assert said is not None
    assert (said.rank, said.world_size, said.leader, said.label) == (10, 16, False, None)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (LOAD_LOGGED, 21.5),
        (LOAD_LOGGED.replace("GiB", "GB"), 21.5),
        (LOAD_LOGGED.replace("GiB", "GiB memory"), 21.5),
        ("Model init total -- 55.42s", 55.42),
    ],
)
def test_every_spelling_of_a_load_is_understood(text: str, seconds: float) -> None:
    assert load_seconds_in(text) == seconds


@pytest.mark.parametrize("place", ["DP", "PP", "PCP", "TP"])
def test_a_leader_is_first_in_all_of_its_groups(place: str) -> None:
    first = "rank 0 in world size 2 is assigned as DP rank 0, PP rank 0, PCP rank 0, TP rank 0"
    leader = announcement_in(f"{first}, EP rank 1")
    other = announcement_in(first.replace(f" {place} rank 0", f" {place} rank 1"))

    assert (leader is not None and leader.leader) is True
    assert (other is not None and other.leader) is False


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"the user says: {TOLD}",
        f'INFO 07-24 15:02:24 [logger.py:41] prompt: "{TOLD}"',
        f"the user says: {LOADED}",
        "rank 1 in world size x is assigned as DP rank 0",
        "Model loading took 40.9131 GiB",
        "Model loading took 1 GiB and 1.2.3 seconds",
        "(" * 5000 + "RayWorkerWrapper pid=1 " * 500,
        "\x1b[36m" * 1000,
    ],
)
def test_other_lines_are_none_of_a_rank(text: str) -> None:
    assert announcement_in(text) is None
    assert load_seconds_in(text) is None


def test_each_spelling_names_its_engine_era_and_source() -> None:
    assert {each.engine for each in RANKS} == {each.engine for each in LOADS} == {"trtllm", "vllm"}
    assert all(each.era and each.source for each in (*RANKS, *LOADS))


def test_logs_of_a_worker_are_read_line_by_line(tmp_path: Path) -> None:
    log = tmp_path / "worker.log"
    log.write_text(f"start\n{AWAY}{LOGGED}\n{HERE}{LOAD_LOGGED}\nthe user says: {TOLD}\n")
    plan = WorkerPlan("decode-0", "decode", "backend", (RankSlot(0, "h01", 0),))
    record = WorkerRecord(plan, "", (str(log),))

    assert [(each.rank, each.line) for each in rank_lines([record])] == [(10, 2)]
    assert [each.seconds for each in load_lines([record])] == [21.5]


def announced(rank: int, fault: str, layout: str, capsys: pytest.CaptureFixture[str]) -> object:
    Follower(rank, 16, "", 0, fault, layout)._announce()
    said = announcement_in(capsys.readouterr().out)
    assert said is not None
    return said.rank, said.world_size, said.leader


@pytest.mark.parametrize("layout", ["", "16x1", "8x2"])
@pytest.mark.parametrize(
    ("rank", "fault", "expected"),
    [
        (0, "", (0, 16, True)),
        (1, "", (1, 16, False)),
        (8, "", (8, 16, False)),
        (15, "", (15, 16, False)),
        (15, "announces_a_rank_twice", (14, 16, False)),
        (15, "announces_a_wrong_world_size", (15, 32, False)),
        (15, "announces_two_leaders", (15, 16, True)),
    ],
)
def test_faults_of_ranks_mean_the_same_for_each_engine(
    layout: str,
    rank: int,
    fault: str,
    expected: tuple[int, int, bool],
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert announced(rank, fault, layout, capsys) == expected


def test_ranks_of_vllm_count_tensor_first_then_pipeline_then_data() -> None:
    lines = [speech_of("2x2").announces(rank, 8, leads=False) for rank in (3, 4, 5)]

    assert "DP rank 0, PP rank 1, TP rank 1, EP rank 1" in lines[0]
    assert "DP rank 1, PP rank 0, TP rank 0, EP rank 2" in lines[1]
    assert "DP rank 1, PP rank 0, TP rank 1, EP rank 3" in lines[2]
    assert load_seconds_in(speech_of("2x2").has_loaded(55.4)) == 55.4
