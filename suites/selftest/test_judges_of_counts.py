"""Passing means: numbers that a model counts, and tokens that are counted, cannot be made up."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from fixtures.judges.answers import counts, counts_the_prompt, stays_within
from fixtures.judges.streams import chunks_of, counts_as_the_whole_answer, says_the_same
from fixtures.model.evidence import Exchange

from .exchanges import (
    END,
    answer_of,
    completion,
    first,
    said,
    stream_of_chunks,
    with_usage,
)

pytestmark = pytest.mark.selftest


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("417, 418, 419", True),
        ("<think>5</think>Sure: 417\n418\n419.", True),
        ("1) 417 418 419", True),
        ("Count from 417 to 419.", False),
        ("417, 419", False),
        ("419, 418, 417", False),
        ("", False),
    ],
)
def test_counting_is_proven_by_the_numbers_between(text: str, right: bool) -> None:
    assert (counts(answer_of(completion(text)), 417, 419) == []) is right


@pytest.mark.parametrize(
    ("short", "long", "right"), [(9, 120, True), (9, 109, True), (9, 108, False), (1, 1, False)]
)
def test_prompt_tokens_have_to_grow_with_the_prompt(short: int, long: int, right: bool) -> None:
    answers = [answer_of(with_usage(count, 3, count + 3)) for count in (short, long)]

    assert (counts_the_prompt(*answers, 100) == []) is right


def test_an_answer_that_was_cut_counts_exactly_the_limit() -> None:
    cut = with_usage(9, 2, 11)
    cut["choices"][0]["finish_reason"] = "length"

    (finding,) = stays_within(answer_of(cut), 3)
    assert finding.expected == "3 completion_tokens in an answer that was cut there"


@pytest.mark.parametrize(
    ("text", "right"),
    [("1, 2, 3", True), ("Here: 1 2 3!", True), ("1, 2", False), ("", False)],
)
def test_where_greedy_answers_differ_the_numbers_they_count_decide(text: str, right: bool) -> None:
    whole, again = answer_of(completion("1, 2, 3.")), answer_of(completion("1 2 3"))
    streamed = stream_of_chunks(first(), said(text), END)

    assert (says_the_same(streamed, whole, again) == []) is right


def test_where_greedy_answers_differ_and_count_nothing_nothing_is_proven() -> None:
    whole, again = answer_of(completion("Hello.")), answer_of(completion("Hi."))

    assert says_the_same(stream_of_chunks(first(), said("Hello"), END), whole, again)


@pytest.mark.parametrize("tail", [b'data: {"message": "x"}\n\n', b": x\n\n", b"\n"])
def test_an_event_named_error_is_found_whatever_it_carries(tail: bytes) -> None:
    honest = stream_of_chunks(first(), said("Hello."), END)
    body = honest.body.replace(b"data: [DONE]", b"event: error\n" + tail + b"data: [DONE]")

    found = [finding.actual for finding in chunks_of(replace(honest, body=body))[1]]
    assert found == ['an event named "error"']


def test_streamed_usage_that_differs_from_the_whole_answers_is_found() -> None:
    whole = answer_of(completion("Hello."))
    counts = json.loads(whole.body)["usage"]
    more = {**counts, "completion_tokens": counts["completion_tokens"] + 1}

    def stream(usage: object) -> Exchange:
        return stream_of_chunks(
            first(), said("Hello."), END, {**END, "choices": [], "usage": usage}
        )

    assert counts_as_the_whole_answer(stream(counts), whole) == []
    assert counts_as_the_whole_answer(stream(more), whole)
    assert counts_as_the_whole_answer(stream(None), whole)
