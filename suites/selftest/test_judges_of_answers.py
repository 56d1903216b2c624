"""Passing means: each judge of single answers finds what is broken, accepts what is odd but legal,
and never raises, whatever bytes an answer consists of.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from fixtures.judges.answers import (
    document_of,
    finished_with,
    is_a_chat_completion,
    is_not_found,
    matches_schema,
    names_the_model,
    recalls,
    sdk_understood,
    spoken,
    stays_within,
    text_of,
    usage_adds_up,
)
from fixtures.model.evidence import Exchange, SdkAnswer
from fixtures.model.requirement import Finding

from .exchanges import (
    MODEL,
    ODD_BODIES,
    ODD_VALUES,
    answer_of,
    completion,
    exchange_of,
    mutations,
    with_choice,
    with_message,
    with_usage,
)

pytestmark = pytest.mark.selftest

Judge = Callable[[Exchange], list[Finding]]

JUDGES: dict[str, Judge] = {
    "shape": is_a_chat_completion,
    "model": lambda answer: names_the_model(answer, MODEL),
    "usage": usage_adds_up,
    "content": lambda answer: recalls(answer, "Hello", "What was it?"),
    "limit": lambda answer: stays_within(answer, 3),
    "finish": lambda answer: finished_with(answer, "stop"),
}
by_judge = pytest.mark.parametrize("judge", JUDGES.values(), ids=list(JUDGES))


def without(name: str, document: Any) -> Any:
    document.pop(name)
    return document


LEGAL = {
    "plain": completion(),
    "any id": completion(id="😀 / ünïcode"),
    "created just now": completion(created=int(time.time())),
    "vendor fields": completion(nvext={"worker_id": None}, x_vendor=[1]),
    "null and absent options": completion(service_tier=None, system_fingerprint=None),
    "cached tokens": completion(usage=with_usage(9, 3, 12)["usage"] | {"details": {"cached": 4}}),
    "reasoning aside": with_message(reasoning_content="Hmm", content="Hello."),
    "reasoning inline": with_message(content="<think>\nHmm\n</think>\n\nHello."),
    "only the end of reasoning": with_message(content="Hmm</think>Hello."),
    "logprobs": with_choice(logprobs={"content": []}),
    "tool_calls null": with_message(content="Hello.", tool_calls=None),
    "integer as 0.0": with_choice(index=0.0),
}


@pytest.mark.parametrize("document", LEGAL.values(), ids=list(LEGAL))
@by_judge
def test_a_legal_oddity_is_no_finding(judge: Judge, document: Any) -> None:
    assert judge(answer_of(document)) == []


NOT_A_COMPLETION = {
    **{f"no {name}": without(name, completion()) for name in completion()},
    "empty id": completion(id=""),
    "id is a number": completion(id=1),
    "object of a chunk": completion(object="chat.completion.chunk"),
    "created in milliseconds": completion(created=1_790_000_000_000),
    "created is a string": completion(created="1790000000"),
    "created is a boolean": completion(created=True),
    "created is null": completion(created=None),
    "model is null": completion(model=None),
    "model is empty": completion(model=""),
    "no choice": completion(choices=[]),
    "choices null": completion(choices=None),
    "choices a string": completion(choices="Hello"),
    "choices an object": completion(choices={"0": {}}),
    "choice is null": completion(choices=[None]),
    "choice is a number": completion(choices=[1, 2]),
    "finish null": with_choice(finish_reason=None),
    "finish empty": with_choice(finish_reason=""),
    "finish of an engine": with_choice(finish_reason="eos_token"),
    "index negative": with_choice(index=-1),
    "index a boolean": with_choice(index=False),
    "message null": with_choice(message=None),
    "message a string": with_choice(message="Hello"),
    "role user": with_message(role="user"),
    "role null": with_message(role=None),
    "content a list": with_message(content=["Hello"]),
    "usage null": completion(usage=None),
    "usage a string": completion(usage="12"),
    "prompt tokens a string": with_usage("9", 3, 12),
    "prompt tokens a boolean": with_usage(True, 3, 4),
    "completion tokens negative": with_usage(9, -1, 8),
    "completion tokens a fraction": with_usage(9, 3.5, 12.5),
    "total null": with_usage(9, 3, None),
}


@pytest.mark.parametrize("document", NOT_A_COMPLETION.values(), ids=list(NOT_A_COMPLETION))
def test_a_document_of_another_shape_is_no_chat_completion(document: Any) -> None:
    findings = is_a_chat_completion(answer_of(document))

    assert findings
    assert all(each.expected.endswith("as in chat-completion.schema.json") for each in findings)


def test_a_missing_field_is_named_in_the_finding() -> None:
    (finding,) = is_a_chat_completion(answer_of(without("object", completion())))

    assert finding.actual == "'object' is a required property"


def test_the_place_of_a_wrong_value_is_named_in_the_finding() -> None:
    (finding,) = is_a_chat_completion(answer_of(with_choice(finish_reason="eos")))

    assert finding.expected.startswith("$.choices[0].finish_reason")
    assert "'eos'" in finding.actual


@pytest.mark.parametrize("model", [f"/models/{MODEL}", MODEL.upper(), "", None, [MODEL], 5])
def test_an_answer_of_another_model_is_found(model: Any) -> None:
    (finding,) = names_the_model(answer_of(completion(model=model)), MODEL)

    assert (finding.expected, finding.actual) == (f'model "{MODEL}"', f'model "{model}"')


@pytest.mark.parametrize(
    ("counts", "actual"),
    [
        ((9, 3, 13), "total_tokens = 13"),
        ((9, 3, 11), "total_tokens = 11"),
        ((0, 3, 3), "prompt_tokens = 0"),
    ],
)
def test_usage_that_does_not_add_up_is_found(counts: Any, actual: str) -> None:
    (finding,) = usage_adds_up(answer_of(with_usage(*counts)))

    assert finding.actual == actual


@pytest.mark.parametrize("value", [value for value in ODD_VALUES if value not in (7, 10**30, 0)])
@pytest.mark.parametrize("place", range(3))
def test_usage_of_anything_but_counts_is_found(place: int, value: Any) -> None:
    counts: list[Any] = [9, 3, 12]
    counts[place] = value

    (finding,) = usage_adds_up(answer_of(with_usage(*counts)))
    assert finding.expected in ("three whole numbers in usage", "total_tokens = 9 + 3 = 12")


@pytest.mark.parametrize(
    ("document", "wanted"),
    [
        (completion("Good bye."), "Hello"),
        (completion(""), "Hello"),
        (completion(None), "Hello"),
        (completion("<think>Hello</think>Bye"), "Hello"),
        (completion("hello"), "Hello"),
        (completion("It is Hello. What was it?"), "Hello"),
    ],
)
def test_an_answer_without_the_wanted_text_is_found(document: Any, wanted: str) -> None:
    (finding,) = recalls(answer_of(document), wanted, "What was it?")

    assert finding.expected.startswith('an answer containing "Hello"')


def test_what_the_model_thought_is_not_what_it_said() -> None:
    assert spoken("<think>a</think> b </think> c ") == "c"
    assert spoken(" plain ") == "plain"
    assert text_of(answer_of(with_message(reasoning_content="a ", content="b"))) == "a b"
    assert text_of(answer_of(with_message(reasoning_content="only", content=None))) == "only"


@pytest.mark.parametrize("count", [4, 0, -1, True, 3.0, "3", None])
def test_a_count_outside_the_limit_is_found(count: Any) -> None:
    (finding,) = stays_within(answer_of(with_usage(9, count, 12)), 3)

    assert (finding.expected, finding.actual) == (
        "1 to 3 completion_tokens",
        f"completion_tokens = {count!r}",
    )


@pytest.mark.parametrize("reason", ["length", "", None, 1, ["stop"]])
def test_another_reason_to_end_is_found(reason: Any) -> None:
    (finding,) = finished_with(answer_of(with_choice(finish_reason=reason)), "stop")

    assert (finding.expected, finding.actual) == ('finish_reason "stop"', repr(reason))


@pytest.mark.parametrize(
    "body",
    [
        '{"error": {"message": "no model x", "type": "t", "param": null, "code": "c"}}',
        '{"message": "Model not found", "type": "Not Found", "code": 404}',
        '{"error": "Model not found"}',
    ],
    ids=["nested", "flat", "text"],
)
def test_each_known_error_dialect_is_a_not_found(body: str) -> None:
    assert is_not_found(exchange_of(body, status=404)) == []


NO_MESSAGE = ['{"error": {}}', '{"error": null}', '{"error": {"message": ""}}', '{"message": 5}']
NO_MESSAGE += ['{"error": {"message": null}}', '{"error": ["a"]}', '{"detail": "x"}', '{"error":5}']


@pytest.mark.parametrize("body", [*NO_MESSAGE, *ODD_BODIES], ids=lambda body: repr(body[:30]))
def test_a_404_without_a_message_is_found(body: Any) -> None:
    (finding,) = is_not_found(exchange_of(body, status=404))

    assert finding.expected == "a JSON error body with a message"


@pytest.mark.parametrize("status", [200, 400, 500, None])
def test_another_status_is_no_not_found(status: int | None) -> None:
    body = '{"message": "Model not found"}'
    (finding,) = is_not_found(exchange_of(body, status=status))

    assert (finding.expected, finding.actual) == ("status 404", f"status {status}")


@by_judge
def test_no_complete_answer_is_found_with_its_cause(judge: Judge) -> None:
    whole = answer_of(completion()).body
    (cut,) = judge(exchange_of(whole, error="the connection was closed"))
    (failed,) = judge(exchange_of(b'{"message": "engine died"}', status=500))

    assert cut.actual == "the connection was closed after 1.2 s"
    assert failed.actual == 'status 500: {"message": "engine died"}'


@pytest.mark.parametrize("body", ODD_BODIES, ids=lambda body: repr(body[:30]))
@by_judge
def test_a_body_that_is_no_completion_is_found_by_every_judge(judge: Judge, body: bytes) -> None:
    assert judge(exchange_of(body))


@by_judge
def test_no_single_odd_value_makes_a_judge_raise(judge: Judge) -> None:
    for document in mutations(completion(nvext={"worker_id": {"a": 1}})):
        findings = judge(answer_of(document))
        assert all(isinstance(each, Finding) for each in findings)
        text_of(answer_of(document))


def test_the_document_of_a_good_answer_is_itself() -> None:
    assert document_of(answer_of(completion())) == (completion(), [])
    assert matches_schema(completion(), "chat-completion") == []


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (SdkAnswer("Hi", "stop", 3, "", "n"), []),
        (SdkAnswer("Hi", "length", 3, "", "n"), []),
        (SdkAnswer("", "stop", 3, "", "n"), ["some text"]),
        (SdkAnswer("Hi", None, 3, "", "n"), ['finish_reason "length" or "stop"']),
        (SdkAnswer("Hi", "", 3, "", "n"), ['finish_reason "length" or "stop"']),
        (SdkAnswer("Hi", "stop", 3, "APIError: x", "n"), ["no exception from the openai client"]),
    ],
)
def test_what_the_sdk_got_is_judged(answer: SdkAnswer, expected: list[str]) -> None:
    assert [finding.expected for finding in sdk_understood(answer)] == expected
