"""Passing means: each judge of streams finds what is broken, and says where."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from fixtures.judges.streams import (
    chunks_of,
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
    streamed_text,
    tells_the_guides_story,
)
from fixtures.model.evidence import Exchange
from fixtures.model.requirement import Finding

from .exchanges import (
    DONE,
    END,
    PLAIN,
    answer_of,
    chunk,
    completion,
    first,
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


def test_two_choices_may_interleave() -> None:
    other = [chunk({"role": "assistant", "content": "x"}, index=1), chunk({}, "length", index=1)]
    answer = stream_of_chunks(PLAIN[0], other[0], PLAIN[1], other[1], *PLAIN[2:])

    assert role_comes_first(answer) + role_comes_once(answer) + finishes_once(answer) == []
    assert streamed_text(answer) == "Hello."


def test_reasoning_before_the_end_of_thinking_is_part_of_the_streamed_text() -> None:
    answer = stream_of_chunks(first("Hmm"), said("</think>Hello."), END)

    whole = answer_of(completion("Hmm</think>Hello."))
    assert says_the_same(answer, whole, whole) == []


@pytest.mark.parametrize("kind", ["", "text/plain", "application/json", "x-text/event-stream"])
def test_another_content_type_is_found(kind: str) -> None:
    (finding,) = is_an_event_stream(stream_of_text(text_of_chunks(*PLAIN), kind=kind))

    assert finding.actual == (kind or "no content-type")


@pytest.mark.parametrize(
    ("text", "actual"),
    [
        ("oops\n\n" + DONE, "line 1 is no event field: 'oops'"),
        ("data: {}\n\ndata: [DONE]", "left over: 'data: [DONE]'"),
        ("data: {}\n\ndata: [DONE]\n", "left over: 'data: [DONE]'"),
        ("data: {broken\n\n" + DONE, "'{broken'"),
        ("data: [done]\n\n" + DONE, "'[done]'"),
        ("data\n\n" + DONE, "''"),
    ],
)
def test_what_the_grammar_does_not_know_is_found(text: str, actual: str) -> None:
    assert [finding.actual for finding in follows_the_grammar(stream_of_text(text))] == [actual]


def test_bytes_that_are_no_utf8_are_found() -> None:
    text = text_of_chunks(*PLAIN).encode().replace(b"Hel", b"H\xffl")
    answer = Exchange("", "", (), "", "", 200, (), text, text, (), "", 0.1)

    assert "not UTF-8" in follows_the_grammar(answer)[0].actual


@pytest.mark.parametrize(
    ("text", "actual"),
    [
        ("", "no [DONE] among 0 events"),
        (text_of_chunks(*PLAIN).replace(DONE, ""), "no [DONE] among 4 events"),
        (text_of_chunks(*PLAIN) + DONE, "[DONE] as event 5, 6 among 6 events"),
        (DONE + text_of_chunks(*PLAIN), "[DONE] as event 1, 6 among 6 events"),
        (DONE + "data: {}\n\n", "[DONE] as event 1 among 2 events"),
        (text_of_chunks(*PLAIN)[:-1], "no [DONE] among 4 events"),
    ],
)
def test_done_missing_repeated_or_early_is_found(text: str, actual: str) -> None:
    (finding,) = ends_with_done(stream_of_text(text))

    assert finding.actual == actual


@pytest.mark.parametrize(("name", "value"), [("id", "x"), ("model", "m"), ("created", 1790000001)])
def test_a_value_that_changes_midway_is_found(name: str, value: Any) -> None:
    answer = stream_of_chunks(*PLAIN[:2], PLAIN[2] | {name: value}, PLAIN[3])

    (finding,) = is_one_answer(answer)
    assert finding.expected == f"one {name} in all chunks"
    assert str(value) in finding.actual


NOT_A_CHUNK = {
    "object of a completion": chunk(object="chat.completion"),
    "created in milliseconds": chunk(created=1_790_000_000_000),
    "no id": {key: value for key, value in chunk().items() if key != "id"},
    "no finish key": chunk(choices=[{"index": 0, "delta": {}}]),
    "finish empty": chunk({}, ""),
    "finish of an engine": chunk({}, "eos"),
    "delta null": chunk(choices=[{"index": 0, "delta": None, "finish_reason": None}]),
    "role user": chunk({"role": "user"}),
    "content a list": chunk({"content": ["a"]}),
    "index a boolean": chunk(index=True),
    "index null": chunk(index=None),
    "choices null": chunk(choices=None),
    "usage a string": chunk(usage="12"),
}


@pytest.mark.parametrize("odd", NOT_A_CHUNK.values(), ids=list(NOT_A_CHUNK))
def test_a_chunk_of_another_shape_is_found(odd: Any) -> None:
    findings = is_one_answer(stream_of_chunks(*PLAIN[:2], odd, *PLAIN[2:]))

    assert "chat-completion-chunk.schema.json" in findings[0].expected


ERROR_EVENTS = ['{"error": {"message": "died"}}', '{"error": null}', "[]", "5", "null", '"x"']


@pytest.mark.parametrize("data", ERROR_EVENTS)
def test_an_error_event_is_found_even_before_a_proper_end(data: str) -> None:
    answer = stream_of_text(text_of_chunks(*PLAIN).replace(DONE, f"data: {data}\n\n{DONE}"))

    expected = Finding("no error in the stream", data)
    assert expected in chunks_of(answer)[1]
    assert expected in finishes_once(answer)
    assert expected in tells_the_guides_story(answer)
    assert ends_with_done(answer) == []


def test_a_first_delta_without_a_speaker_is_found() -> None:
    for speaker in (None, "", "user"):
        (finding,) = role_comes_first(stream_of_chunks(chunk({"role": speaker}), *PLAIN))
        assert finding.expected == 'role "assistant" in the first delta'


def test_a_repeated_role_is_found() -> None:
    (finding,) = role_comes_once(stream_of_chunks(first("Hel"), first("lo."), first(), END))

    assert finding.actual == "2 repetitions"


@pytest.mark.parametrize(
    ("chunks", "actual"),
    [
        (PLAIN[:3], "choice 0: none"),
        ((*PLAIN, END), "choice 0: ['stop', 'stop']"),
        ((*PLAIN, chunk({}, "length")), "choice 0: ['stop', 'length']"),
        ((*PLAIN, said("more")), "'more'"),
        ((*PLAIN, reasoning("hm")), "'hm'"),
        ((*PLAIN, chunk({"role": "assistant"}, index=1)), "choice 1: none"),
    ],
)
def test_an_end_that_is_missing_repeated_or_no_end_is_found(chunks: Any, actual: str) -> None:
    (finding,) = finishes_once(stream_of_chunks(*chunks))

    assert finding.actual == actual


@pytest.mark.parametrize("judge", [role_comes_first, role_comes_once, finishes_once])
def test_a_stream_without_any_choice_proves_nothing(judge: Judge) -> None:
    (finding,) = judge(stream_of_chunks(usage_chunk(), usage_chunk()))

    assert (finding.expected, finding.actual) == ("at least one choice", "none in 2 chunks")


@pytest.mark.parametrize(
    ("chunks", "at"),
    [
        ((first(), said("Hel"), said("Hel"), said("lo."), END), 3),
        ((first(), said("Hel"), said("Hello."), END), 3),
        ((first(), said("Hel"), END), 3),
        ((first(), said("hello."), END), 0),
        ((first(), END), 0),
    ],
    ids=["repeated", "cumulative", "lost", "other", "empty"],
)
def test_deltas_that_do_not_add_up_are_found_at_their_place(chunks: Any, at: int) -> None:
    (finding,) = says_the_same(stream_of_chunks(*chunks), WHOLE, WHOLE)

    assert finding.expected.startswith(f"6 characters, at {at}:")


def test_two_empty_answers_do_not_say_the_same() -> None:
    nothing = answer_of(completion(""))
    assert says_the_same(stream_of_chunks(first(), END), nothing, nothing)


@pytest.mark.parametrize(
    "chunks",
    [
        PLAIN,
        (*PLAIN, usage_chunk(), usage_chunk()),
        (usage_chunk(), *PLAIN),
        (*PLAIN[:3], END | {"usage": usage_chunk()["usage"]}),
        (*({**each, "usage": usage_chunk()["usage"]} for each in PLAIN), usage_chunk()),
        (*PLAIN, usage_chunk() | {"usage": {}}),
        (*PLAIN, usage_chunk() | {"choices": None}),
    ],
    ids=["none", "twice", "first", "in the finish chunk", "everywhere", "empty", "choices null"],
)
def test_requested_usage_in_another_way_is_found(chunks: Any) -> None:
    (finding,) = counts_usage_on_request(stream_of_chunks(*chunks))

    assert finding.expected == "usage once, in a last chunk without choices"


def test_requested_usage_has_to_add_up() -> None:
    (finding,) = counts_usage_on_request(stream_of_chunks(*PLAIN, usage_chunk(total=13)))

    assert finding.actual == "total_tokens = 13"


@pytest.mark.parametrize(
    "extra", [usage_chunk(), chunk(choices=[]), said("") | {"usage": {"a": 1}}]
)
def test_usage_that_nobody_asked_for_is_found(extra: Any) -> None:
    (finding,) = counts_no_usage_unasked(stream_of_chunks(*PLAIN, extra))

    assert finding.actual.startswith("chunk 5: ")


def test_a_story_without_text_is_found() -> None:
    (finding,) = tells_the_guides_story(stream_of_chunks(first(), END))

    assert finding.expected == "some text"
