"""Passing means: no judge of streams objects to what is odd but legal, and none raises, whatever
bytes a stream consists of.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fixtures.judges.streams import (
    counts_no_usage_unasked,
    counts_usage_on_request,
    ends_with_done,
    finishes_once,
    follows_the_grammar,
    is_an_event_stream,
    is_one_answer,
    role_comes_first,
    role_comes_once,
    says_the_same,
    tells_the_guides_story,
)
from fixtures.model.evidence import Exchange
from fixtures.model.requirement import Finding

from .exchanges import (
    DONE,
    END,
    ODD_BODIES,
    ODD_VALUES,
    PLAIN,
    answer_of,
    chunk,
    completion,
    exchange_of,
    first,
    mutations,
    reasoning,
    said,
    stream_of_chunks,
    stream_of_text,
    text_of_chunks,
    usage_chunk,
)

pytestmark = pytest.mark.selftest

Judge = Callable[[Exchange], list[Finding]]

WHOLE = answer_of(completion("Hello."))
JUDGES: dict[str, Judge] = {
    "type": is_an_event_stream,
    "grammar": follows_the_grammar,
    "done": ends_with_done,
    "one": is_one_answer,
    "role first": role_comes_first,
    "role once": role_comes_once,
    "finish": finishes_once,
    "same": lambda answer: says_the_same(answer, WHOLE, WHOLE),
    "no usage": counts_no_usage_unasked,
    "story": tells_the_guides_story,
}
WITH_USAGE: dict[str, Judge] = {**JUDGES, "usage": counts_usage_on_request}
every_judge = pytest.mark.parametrize("judge", WITH_USAGE.values(), ids=list(WITH_USAGE))


LEGAL = {
    "role-only first chunk": stream_of_chunks(*PLAIN),
    "role with the first text": stream_of_chunks(first("Hel"), said("lo."), END),
    "role null later": stream_of_chunks(first("Hel"), chunk({"role": None, "content": "lo."}), END),
    "finish on the last text": stream_of_chunks(first("Hel"), chunk({"content": "lo."}, "stop")),
    "all in one chunk": stream_of_chunks(
        chunk({"role": "assistant", "content": "Hello."}, "length")
    ),
    "usage null": stream_of_chunks(*({**each, "usage": None} for each in PLAIN)),
    "vendor fields": stream_of_chunks(*({**each, "nvext": {}, "x": [1]} for each in PLAIN)),
    "content null": stream_of_chunks(first(), reasoning("Hel"), reasoning("lo."), END),
    "reasoning, then text": stream_of_chunks(first(), reasoning("Hel"), said("lo."), END),
    "keep-alive comments": stream_of_text(
        ": hi\n\n" + text_of_chunks(*PLAIN).replace("\n\n", "\n\n: ping\n\n")
    ),
    "CRLF": stream_of_text(text_of_chunks(*PLAIN).replace("\n", "\r\n")),
    "no space after the colon": stream_of_text(text_of_chunks(*PLAIN).replace("data: ", "data:")),
    "byte order mark": stream_of_text("\ufeff" + text_of_chunks(*PLAIN)),
    "data over two lines": stream_of_text(
        text_of_chunks(*PLAIN).replace('"object"', '\ndata: "object"')
    ),
    "type with a charset": stream_of_text(
        text_of_chunks(*PLAIN), kind="Text/Event-Stream; charset=utf-8"
    ),
    "a named event of another kind": stream_of_text(
        "event: note\ndata: not JSON\n\n" + text_of_chunks(*PLAIN)
    ),
    "any id": stream_of_chunks(*({**each, "id": "😀 /"} for each in PLAIN)),
}


@pytest.mark.parametrize("answer", LEGAL.values(), ids=list(LEGAL))
@pytest.mark.parametrize("judge", JUDGES.values(), ids=list(JUDGES))
def test_a_legal_oddity_is_no_finding(judge: Judge, answer: Exchange) -> None:
    assert judge(answer) == []


def test_requested_usage_may_come_with_usage_null_before_it() -> None:
    answer = stream_of_chunks(*({**each, "usage": None} for each in PLAIN), usage_chunk())

    assert [
        judge for name, judge in WITH_USAGE.items() if judge(answer) and name != "no usage"
    ] == []


@every_judge
def test_no_stream_is_found_with_its_cause(judge: Judge) -> None:
    whole = text_of_chunks(*PLAIN)

    assert judge(stream_of_text(whole, error="reset"))[0].actual == "reset after 1.2 s"
    assert judge(stream_of_text("busy", status=503))[0].actual == "status 503: busy"


@pytest.mark.parametrize("body", ODD_BODIES, ids=lambda body: repr(body[:30]))
@every_judge
def test_a_body_without_events_is_found_by_every_judge_of_content(
    judge: Judge, body: bytes
) -> None:
    findings = judge(exchange_of(body, kind="text/event-stream"))

    assert findings or judge in (follows_the_grammar, is_an_event_stream)


@pytest.mark.parametrize("body", ODD_BODIES, ids=lambda body: repr(body[:30]))
def test_odd_data_in_an_event_is_found_and_makes_no_judge_raise(body: bytes) -> None:
    answer = exchange_of(b"data: " + body + b"\n\n" + DONE.encode(), kind="text/event-stream")
    findings = {name: judge(answer) for name, judge in WITH_USAGE.items()}

    assert all(findings[name] for name in ("one", "role first", "finish", "same", "story"))


@every_judge
def test_no_single_odd_value_makes_a_judge_raise(judge: Judge) -> None:
    middle = chunk({"role": "assistant", "content": "Hel"}, "stop", usage=usage_chunk()["usage"])
    for odd in (*ODD_VALUES, *mutations(middle)):
        findings = judge(stream_of_chunks(first(), odd, END))
        assert all(isinstance(each, Finding) for each in findings)
