"""One streamed answer at a time, from its bytes to its text.

Passing means that a client may read the stream as the standard says. Not covered: pace,
cancellation, failures in mid-stream.
"""

from __future__ import annotations

from fixtures.clients.chat import ChatClient
from fixtures.judges.streams import (
    counts_as_the_whole_answer,
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
)
from fixtures.model.requirement import Level
from fixtures.outcome import verify
from fixtures.requirements import requirement

OPENAI = "OpenAI API reference, Chat completion chunk"
EVENTS = "WHATWG HTML 9.2, server-sent events"
PROMPT = "Count from 1 to 12."


@requirement("ST-01", "streaming", source=EVENTS, killed_by=("streams_as_plain_text",))
def test_a_stream_is_an_event_stream(chat: ChatClient) -> None:
    """A streaming request is answered with status 200 and text/event-stream."""
    verify(is_an_event_stream(chat.ask(PROMPT, stream=True)))


@requirement("ST-02", "streaming", source=EVENTS, killed_by=("breaks_the_stream_grammar",))
def test_a_stream_follows_the_grammar(chat: ChatClient) -> None:
    """Every line of a stream is an event field or a comment, every event ends, data is JSON."""
    verify(follows_the_grammar(chat.ask(PROMPT, stream=True)))


@requirement("ST-03", "streaming", source=OPENAI, killed_by=("drops_the_done_marker",))
def test_a_stream_ends_with_one_done(chat: ChatClient) -> None:
    """A stream ends with exactly one [DONE]."""
    verify(ends_with_done(chat.ask(PROMPT, stream=True)))


@requirement("ST-07", "streaming", source=OPENAI, killed_by=("changes_the_id_midway",))
def test_all_chunks_belong_to_one_answer(chat: ChatClient) -> None:
    """All chunks are chat.completion.chunk objects with one id, model and created."""
    verify(is_one_answer(chat.ask(PROMPT, stream=True)))


@requirement("ST-08", "streaming", source=OPENAI, killed_by=("drops_the_role",))
def test_the_first_delta_says_who_is_speaking(chat: ChatClient) -> None:
    """The first delta of a choice has the role assistant."""
    verify(role_comes_first(chat.ask(PROMPT, stream=True)))


@requirement(
    "ST-09",
    "streaming",
    level=Level.SHOULD,
    source="observed with OpenAI; Dynamo 0.4 to 1.0 repeated it",
    killed_by=("repeats_the_role",),
)
def test_the_role_is_said_once(chat: ChatClient) -> None:
    """The role is said once per choice."""
    verify(role_comes_once(chat.ask(PROMPT, stream=True)))


@requirement("ST-11", "streaming", source=OPENAI, killed_by=("sends_two_finish_reasons",))
def test_a_stream_finishes_exactly_once(chat: ChatClient) -> None:
    """Each choice has exactly one finish_reason and no content after it."""
    verify(finishes_once(chat.ask(PROMPT, stream=True)))


@requirement("DT-02", "streaming", source=OPENAI, killed_by=("streams_a_word_twice",))
def test_streamed_text_equals_the_whole_answer(chat: ChatClient) -> None:
    """The deltas of a stream add up to the non-streaming answer to the same greedy request."""
    nonce = chat.new_nonce()
    whole = chat.ask(PROMPT, nonce=nonce)
    streamed = chat.ask(PROMPT, nonce=nonce, stream=True)
    again = chat.ask(PROMPT, nonce=nonce)

    verify(says_the_same(streamed, whole, again))


@requirement(
    "US-05",
    "streaming",
    source=OPENAI + ", CompletionUsage",
    killed_by=("miscounts_streamed_usage", "never_sends_usage"),
)
def test_streamed_usage_equals_that_of_the_whole_answer(chat: ChatClient) -> None:
    """A stream that max_tokens cuts counts the same tokens as the whole answer cut there."""
    nonce, asked = chat.new_nonce(), {"include_usage": True}
    whole = chat.ask(PROMPT, nonce=nonce, max_tokens=9)
    streamed = chat.ask(PROMPT, nonce=nonce, max_tokens=9, stream=True, stream_options=asked)

    verify(counts_as_the_whole_answer(streamed, whole))


@requirement(
    "US-03", "streaming", source=OPENAI + ", stream_options", killed_by=("never_sends_usage",)
)
def test_a_stream_brings_usage_when_asked(chat: ChatClient) -> None:
    """With include_usage, exactly one last chunk without choices carries the usage."""
    options = {"include_usage": True}
    verify(counts_usage_on_request(chat.ask(PROMPT, stream=True, stream_options=options)))


@requirement(
    "US-06", "streaming", source=OPENAI + ", stream_options", killed_by=("sends_usage_unasked",)
)
def test_a_stream_brings_no_usage_unasked(chat: ChatClient) -> None:
    """Without include_usage no chunk carries usage or an empty list of choices."""
    verify(counts_no_usage_unasked(chat.ask(PROMPT, stream=True)))
