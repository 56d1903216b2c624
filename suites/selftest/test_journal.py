"""The journal gives back what was written, and says so where it cannot."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fixtures.model.requirement import Finding, Result, Verdict
from reports.journal import (
    KINDS,
    Journal,
    read_journal,
    result_from_fields,
    result_to_fields,
)

pytestmark = pytest.mark.selftest


def a_result(verdict: Verdict = Verdict.FAIL) -> Result:
    return Result(
        requirement="US-01",
        topology="wide-ep",
        verdict=verdict,
        duration_s=0.1 + 0.2,
        findings=(Finding("a\nb", "\x00\ud800 ü", "look"), Finding("c", "d")),
        evidence=("evidence/1.json", "evidence/2.json"),
        reason="because",
        blocked_by="DSC-005",
    )


def a_journal(path: Path, *verdicts: Verdict) -> list[str]:
    """A whole journal with one result per verdict; returns its lines."""
    with Journal(path) as journal:
        journal.write("header", site="mock")
        journal.write("event", topology="wide-ep", what="launch")
        for verdict in verdicts:
            journal.result(a_result(verdict))
        journal.write("footer", status=0)
    return path.read_text(encoding="ascii").splitlines(keepends=True)


@pytest.mark.parametrize("verdict", Verdict)
def test_a_result_survives_writing_and_reading(tmp_path: Path, verdict: Verdict) -> None:
    a_journal(tmp_path / "j.ndjson", verdict)

    contents = read_journal(tmp_path / "j.ndjson")

    assert contents.results == (a_result(verdict),)
    assert contents.results[0].verdict is verdict
    assert result_from_fields(result_to_fields(a_result(verdict))) == a_result(verdict)


def test_a_whole_journal_is_complete(tmp_path: Path) -> None:
    a_journal(tmp_path / "j.ndjson", Verdict.PASS)

    contents = read_journal(tmp_path / "j.ndjson")

    assert contents.complete
    assert contents.problems == ()
    assert contents.header["site"] == "mock"
    assert [event["what"] for event in contents.events] == ["launch"]


def test_each_record_is_one_line_on_disk_before_write_returns(tmp_path: Path) -> None:
    with Journal(tmp_path / "deep" / "j.ndjson") as journal:
        for number, kind in enumerate(KINDS, start=1):
            journal.write(kind, **(result_to_fields(a_result()) if kind == "result" else {}))
            lines = journal.path.read_bytes().split(b"\n")
            assert len(lines) == number + 1
            assert json.loads(lines[-2])["kind"] == kind
            assert lines[-1] == b""


def test_every_record_carries_its_time_in_utc(tmp_path: Path) -> None:
    for line in a_journal(tmp_path / "j.ndjson", Verdict.PASS):
        assert datetime.fromisoformat(json.loads(line)["t"]).utcoffset() == timedelta(0)


def test_an_unknown_kind_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.ndjson") as journal:
        with pytest.raises(ValueError, match=r"'evnt'; known: header, event, result, footer"):
            journal.write("evnt")
        with pytest.raises(ValueError, match="'t' is the journal's own"):
            journal.write("event", t=1)
    assert (tmp_path / "j.ndjson").read_bytes() == b""


def test_what_json_cannot_carry_is_written_as_its_text(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.ndjson") as journal:
        journal.write("event", path=Path("a/b"), limit=float("inf"), ranks={2: (1, None)})

    record = json.loads((tmp_path / "j.ndjson").read_text(encoding="ascii"))

    assert (record["path"], record["limit"], record["ranks"]) == ("a/b", "inf", {"2": [1, None]})


def test_secrets_do_not_reach_the_file(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.ndjson") as journal:
        journal.write("event", env={"HF_TOKEN": "S3cret"}, argv=["-H", "Bearer S3cretValue"])

    text = (tmp_path / "j.ndjson").read_text(encoding="ascii")

    assert "S3cret" not in text
    assert text.count("[redacted]") == 2


def test_threads_do_not_mix_their_lines(tmp_path: Path) -> None:
    with Journal(tmp_path / "j.ndjson") as journal:
        journal.write("header")
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda n: journal.write("event", n=n, pad="x" * 5000), range(400)))
        journal.write("footer")

    contents = read_journal(tmp_path / "j.ndjson")

    assert contents.complete
    assert sorted(event["n"] for event in contents.events) == list(range(400))


def test_a_reopened_journal_goes_on_behind_a_cut_line(tmp_path: Path) -> None:
    path = tmp_path / "j.ndjson"
    path.write_bytes(b'{"kind": "header"}\n{"kind": "ev')

    with Journal(path) as journal:
        journal.write("event", what="ready")
        journal.write("footer")
    contents = read_journal(path)

    assert [event["what"] for event in contents.events] == ["ready"]
    assert not contents.complete
    assert "line 2 is not JSON" in contents.problems


def test_a_journal_cut_anywhere_is_read_and_never_complete(tmp_path: Path) -> None:
    path = tmp_path / "j.ndjson"
    a_journal(path, Verdict.PASS, Verdict.FAIL)
    whole = path.read_bytes()

    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        contents = read_journal(path)
        assert not contents.complete, length
        assert contents.problems, length


def test_a_cut_last_line_and_a_missing_footer_are_named(tmp_path: Path) -> None:
    path = tmp_path / "j.ndjson"
    lines = a_journal(path, Verdict.PASS, Verdict.FAIL)
    path.write_text("".join(lines[:-2]) + lines[-2][:20], encoding="ascii")

    contents = read_journal(path)

    assert [result.verdict for result in contents.results] == [Verdict.PASS]
    assert contents.problems == (
        "line 4 is cut: the last write did not finish",
        "the journal has no footer: the run was cut short",
    )


def test_a_line_lost_in_the_middle_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "j.ndjson"
    lines = a_journal(path, Verdict.PASS, Verdict.FAIL)
    path.write_text("".join(lines[:3] + lines[4:]), encoding="ascii")

    contents = read_journal(path)

    assert not contents.complete
    assert contents.problems == ("the footer counts 4 records before it, 3 could be read",)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"\xff\xfe\x00", "line 3 is not JSON"),
        (b"[" * 100_000, "line 3 is not JSON"),
        (b'["kind"]', "line 3 is not a record of a known kind"),
        (b'{"kind": ["event"]}', "line 3 is not a record of a known kind"),
        (b'{"kind": "footer", "records": 2}', "the journal goes on after its footer"),
        (b'{"kind": "header"}', "the journal has more than one header"),
        (b'{"kind": "result"}', "line 3 holds a result that cannot be understood"),
        (
            json.dumps({"kind": "result", **result_to_fields(a_result())})
            .replace('"fail"', '"Fail"')
            .encode(),
            "line 3 holds a result that cannot be understood",
        ),
    ],
    ids=[
        "bytes",
        "nesting",
        "list",
        "kind of a wrong type",
        "early footer",
        "second header",
        "empty result",
        "unknown verdict",
    ],
)
def test_a_damaged_line_is_named_and_the_rest_is_read(
    tmp_path: Path, line: bytes, problem: str
) -> None:
    path = tmp_path / "j.ndjson"
    lines = [text.encode() for text in a_journal(path, Verdict.PASS)]
    path.write_bytes(b"".join([*lines[:2], line, b"\n", *lines[2:]]))

    contents = read_journal(path)

    assert problem in contents.problems
    assert not contents.complete
    assert contents.results == (a_result(Verdict.PASS),)
    assert len(contents.events) == 1


def test_a_journal_that_is_not_there_is_a_problem_and_no_exception(tmp_path: Path) -> None:
    contents = read_journal(tmp_path / "none.ndjson")

    assert not contents.complete
    assert contents.results == ()
    assert contents.problems == ("the journal cannot be read: No such file or directory",)
