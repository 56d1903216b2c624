"""Each rendering is pinned by a golden file, read back by foreign parsers, and injection-proof."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path
from typing import Any

import jsonschema
import junitparser
import pytest

from fixtures.model.requirement import Applies, Finding, Level, Mode, Requirement, Result, Verdict
from reports import as_json, as_junit, as_markdown
from reports.as_text import WIDTH, decision_lines, failure_text
from reports.report import PlannedCheck, RunInfo, RunReport, TopologyFacts, build_report
from reports.write import write_all

pytestmark = pytest.mark.selftest

GOLDEN = Path(__file__).parent / "golden"
AGG, DISAGG = "deepseek-r1-wide-ep-agg", "deepseek-r1-wide-ep-disagg"
RUN = RunInfo(
    id="r1",
    command="pytest -m gb200",
    site="mock",
    engine="simulated",
    fault=None,
    started="2030-01-02T03:04:05+00:00",
    finished="2030-01-02T03:05:05+00:00",
    run_dir="reports/runs/r1",
    versions={"dynamo": "1.6.0"},
    settings={"site": ("mock", "default"), "HF_TOKEN": ("S3cret", "environment")},
)
HOSTILE = (
    "<script>alert(1)</script> ]]> \x1b[31mred\x1b[0m \x00 \ud800 ```\n# head\n| a | b |\n"
    "</failure> & [x](http://e.x) Bearer S3cretValue"
)


def check(id_: str, claim: str, area: str, level: Level, topology: str) -> PlannedCheck:
    name = f"test_{id_.lower().replace('-', '_')}"
    requirement = Requirement(
        id_, level, area, claim, "OpenAI API reference", Mode.SHARED, Applies.ANY, None, (), name
    )
    return PlannedCheck(requirement, topology, f"suites/{area}/test_x.py::{name}[{topology}]")


def a_report(text: str = "total_tokens = 32", fault: str | None = None) -> RunReport:
    """One accepted topology, one with every verdict; `text` is what the server answered."""
    rows = (
        ("US-01", "Usage adds up.", "chat", Level.MUST),
        ("DIS-001", "A long prompt is prefilled by prefill.", "disaggregation", Level.MUST),
        ("DSC-005", "Every instance is registered.", "discovery", Level.MUST),
        ("DSC-006", "A closed instance is gone.", "discovery", Level.MUST),
        ("MM-001", "An image is described.", "chat", Level.MUST),
        ("STR-002", "Chunks come as they are made.", "streaming", Level.SHOULD),
    )
    plan = [check(*row, topology) for topology in (AGG, DISAGG) for row in rows]
    finding = Finding("total_tokens = 31", text, f"compare with the sum: {text}")
    judged = [
        Result("US-01", DISAGG, Verdict.PASS, 1.25),
        Result("DIS-001", DISAGG, Verdict.FAIL, 0.5, (finding,), ("reports/runs/r1/e/1.json",)),
        Result("DSC-005", DISAGG, Verdict.ERROR, reason=f"KeyError: {text}"),
        Result("DSC-006", DISAGG, Verdict.UNVERIFIED, reason=text, blocked_by="DSC-005"),
        Result("MM-001", DISAGG, Verdict.NOT_APPLICABLE, reason="no image input claimed"),
        Result("STR-002", DISAGG, Verdict.FAIL, findings=(Finding("3 chunks", "1 chunk"),)),
    ]
    timeline = (("services", 0.5), ("model listed", 3.25))
    return build_report(
        run=dataclasses.replace(RUN, fault=fault),
        plan=plan,
        results=[*(Result(row[0], AGG, Verdict.PASS, 0.5) for row in rows), *judged],
        topologies={
            AGG: TopologyFacts("DeepSeek R1, wide EP", 1, 3.4, timeline),
            DISAGG: TopologyFacts(
                "DeepSeek R1, wide EP, P/D", 2, 4.0, timeline, (f"pid 7 {text}",)
            ),
        },
        gating_levels=(Level.MUST,),
        complete=True,
    )


def by_requirement(text: str) -> dict[str, junitparser.TestCase]:
    suites = junitparser.JUnitXml.fromstring(text.encode())
    suite = next(item for item in suites if item.name == DISAGG)
    return {
        next(p.value for p in case.child(junitparser.Properties) if p.name == "requirement"): case
        for case in suite
    }


@pytest.mark.parametrize(
    ("name", "render"),
    [
        ("report.json", as_json.render),
        ("junit.xml", as_junit.render),
        ("summary.md", as_markdown.render),
        ("decision.txt", lambda report: "\n".join(decision_lines(report)) + "\n"),
        ("failure.txt", lambda report: failure_text(report.topologies[1].rows[1]) + "\n"),
        ("rehearsal.txt", lambda _: "\n".join(decision_lines(a_report(fault="lies"))) + "\n"),
    ],
)
def test_a_rendering_is_what_its_golden_file_says(name: str, render: Any) -> None:
    assert render(a_report()) == (GOLDEN / name).read_text(encoding="utf-8")


@pytest.mark.parametrize("text", ["plain", HOSTILE], ids=["plain", "hostile"])
def test_the_json_report_meets_its_closed_schema(text: str) -> None:
    document = json.loads(as_json.render(a_report(text)))

    jsonschema.Draft202012Validator.check_schema(as_json.schema())
    jsonschema.validate(document, as_json.schema())
    for place in (document, document["run"], document["topologies"][0]["rows"][0]):
        place["surprise"] = 1
        with pytest.raises(jsonschema.ValidationError, match="surprise"):
            jsonschema.validate(document, as_json.schema())
        del place["surprise"]


def test_the_json_report_masks_settings_and_keeps_their_origin() -> None:
    settings = as_json.document(a_report())["run"]["settings"]

    assert settings["HF_TOKEN"] == {"value": "[redacted]", "origin": "environment"}
    assert settings["site"] == {"value": "mock", "origin": "default"}


@pytest.mark.parametrize(
    ("requirement", "kind"),
    [
        ("DIS-001", junitparser.Failure),
        ("STR-002", junitparser.Failure),
        ("DSC-005", junitparser.Error),
        ("DSC-006", junitparser.Skipped),
        ("MM-001", junitparser.Skipped),
    ],
)
def test_junit_tells_failures_errors_and_skips_apart(requirement: str, kind: type) -> None:
    case = by_requirement(as_junit.render(a_report()))[requirement]

    assert [type(outcome) for outcome in case.result] == [kind]
    assert case.result[0].message


def test_junit_counts_what_it_holds() -> None:
    suites = junitparser.JUnitXml.fromstring(as_junit.render(a_report()).encode())

    assert (suites.tests, suites.failures, suites.errors, suites.skipped) == (12, 2, 1, 2)
    assert [(s.name, s.tests, s.failures, s.errors, s.skipped) for s in suites] == [
        (AGG, 6, 0, 0, 0),
        (DISAGG, 6, 2, 1, 2),
    ]
    passed = by_requirement(as_junit.render(a_report()))["US-01"]
    assert (passed.result, passed.name, passed.classname) == ([], "test_us_01", "chat")


def test_junit_shows_a_run_that_cannot_be_judged_as_an_error() -> None:
    empty = build_report(
        run=RUN, plan=[], results=[], topologies={}, gating_levels=(Level.MUST,), complete=False
    )

    suites = junitparser.JUnitXml.fromstring(as_junit.render(empty).encode())

    assert (suites.tests, suites.errors) == (1, 1)
    assert "nothing was planned" in next(iter(next(iter(suites)))).result[0].message


def test_hostile_text_stays_inside_its_junit_element() -> None:
    text = as_junit.render(a_report(HOSTILE))
    outcome = by_requirement(text)["DIS-001"].result[0]

    assert "<script>alert(1)</script> ]]> red \\x00 \\ud800 ```" in outcome.text
    assert "<script>" not in text
    assert "S3cretValue" not in text


def test_hostile_text_stays_inside_code_in_the_summary() -> None:
    text = as_markdown.render(a_report(HOSTILE))

    outside = re.sub(r"^(`{3,})text\n.*?^\1$", "", text, flags=re.DOTALL | re.MULTILINE)
    outside = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "CODE", outside)
    assert "alert(1)" in text
    for part in ("<script>", "alert(1)", "](http", "head", "\x00", "\x1b"):
        assert part not in outside
    assert "S3cretValue" not in text
    tables = [line for line in outside.splitlines() if line.startswith("| DSC-006")]
    assert [len(re.findall(r"(?<!\\)\|", line)) for line in tables] == [7, 7]


def test_project_text_formats_nothing_in_the_summary() -> None:
    assert as_markdown.plain("a*b_[c](d) <i> `x` | www.e.x: https://y & end.") == (
        r"a\*b\_\[c\](d) &lt;i\> \`x\` \| www\.e\.x: https\://y &amp; end."
    )
    assert as_markdown.code("a`b|c") == r"`` a`b\|c ``"
    assert as_markdown.fenced("````\nx").startswith("`````text\n")


@pytest.mark.parametrize(
    "text", [HOSTILE, "word " * 500, "x" * 3000], ids=["hostile", "many words", "one long word"]
)
def test_terminal_text_keeps_to_its_width_and_to_plain_characters(text: str) -> None:
    report = a_report(text, fault="lies")

    lines = decision_lines(report)
    lines += [line for row in report.rows for line in failure_text(row).splitlines()]
    lines = [line for line in lines if not line.startswith("  repeat: ")]

    assert max(map(len, lines)) <= WIDTH
    assert not re.search("[\x00-\x1f\x7f\ud800-\udfff]", "\n".join(lines).replace("\n", ""))


def test_one_megabyte_of_answer_is_cut_with_a_note_everywhere(tmp_path: Path) -> None:
    report = a_report("x" * 1_048_576)

    for path in write_all(report, tmp_path):
        assert path.stat().st_size < 200_000, path.name
        text = path.read_bytes().decode().replace("\n", " ")
        assert re.search(r"cut: \d+ of 10\d+", re.sub(r"\\u2026|\s+", " ", text)), path.name
    assert "of 1048576 characters shown" in failure_text(report.topologies[1].rows[1])


def test_rows_refused_before_the_launch_are_told_in_one_line() -> None:
    plan = [check(f"C-{n}", "It holds.", "chat", Level.MUST, AGG) for n in range(27)]
    results = [
        Result(p.requirement.id, AGG, Verdict.FAIL, reason="refused before launch by PAR-003")
        for p in plan
    ]
    report = build_report(
        run=RUN,
        plan=plan,
        results=results,
        topologies={AGG: TopologyFacts("R1")},
        gating_levels=(Level.MUST,),
        complete=True,
    )

    lines = decision_lines(report)

    assert lines[:2] == [
        f"{AGG}   REJECTED   MUST 0/27   first failing layer: chat",
        "    27 failed, refused before launch by PAR-003",
    ]
    assert len(lines) == 5


def test_the_files_of_a_run_are_written_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    written = write_all(a_report(), tmp_path / "r1")

    assert [path.name for path in written] == ["report.json", "junit.xml", "summary.md"]
    assert sorted(path.name for path in (tmp_path / "r1").iterdir()) == sorted(
        path.name for path in written
    )
    assert written[0].read_text(encoding="utf-8") == as_json.render(a_report())
