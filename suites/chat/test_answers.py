"""One chat answer at a time: its shape, its numbers, its content.

Passing means that a client can rely on single answers. Not covered: streams, load, errors
beyond an unknown model.
"""

from __future__ import annotations

import secrets

from fixtures.clients.chat import ChatClient
from fixtures.judges.answers import (
    counts,
    counts_the_prompt,
    finished_with,
    is_a_chat_completion,
    is_not_found,
    names_the_model,
    recalls,
    sdk_understood,
    stays_within,
    usage_adds_up,
)
from fixtures.judges.streams import tells_the_guides_story
from fixtures.outcome import verify
from fixtures.requirements import requirement

OPENAI = "OpenAI API reference, Create chat completion"
GUIDES = "GB200 deployment guide, chat request; multi-node TRT-LLM on Slurm, Example Request"


@requirement("NS-01", "chat", source=OPENAI, killed_by=("drops_the_object_field",))
def test_an_answer_has_the_shape_of_a_chat_completion(chat: ChatClient) -> None:
    """A request without stream is answered with one well-formed chat completion object."""
    answer = chat.ask("Count from 1 to 5.")

    verify(is_a_chat_completion(answer))


@requirement("NS-04", "chat", source=OPENAI, killed_by=("renames_the_model",))
def test_an_answer_names_the_served_model(chat: ChatClient) -> None:
    """The answer names the served model that was asked for, not a path or another alias."""
    answer = chat.ask("Count from 1 to 5.")

    verify(names_the_model(answer, chat.model))


@requirement(
    "US-01", "chat", source=OPENAI + ", CompletionUsage", killed_by=("adds_usage_wrongly",)
)
def test_usage_adds_up(chat: ChatClient) -> None:
    """Usage counts are whole numbers and total_tokens is their sum."""
    answer = chat.ask("Count from 1 to 5.")

    verify(usage_adds_up(answer))


@requirement(
    "US-02",
    "chat",
    source=OPENAI + ", max_tokens",
    killed_by=("ignores_max_tokens", "reports_made_up_usage"),
)
def test_max_tokens_limits_the_answer(chat: ChatClient) -> None:
    """An answer has no more tokens than max_tokens allows, and exactly that many if cut there."""
    answer = chat.ask("Count from 1 to 200.", max_tokens=12)

    verify(stays_within(answer, 12))


@requirement(
    "US-09",
    "chat",
    source=OPENAI + ", CompletionUsage",
    killed_by=("reports_made_up_usage",),
)
def test_prompt_tokens_grow_with_the_prompt(chat: ChatClient) -> None:
    """A prompt that is 100 words longer has at least 100 prompt tokens more."""
    nonce = chat.new_nonce()
    short = chat.ask("Count from 1 to 5.", nonce=nonce, max_tokens=8)
    long = chat.ask(f"{'river stone ' * 50}Count from 1 to 5.", nonce=nonce, max_tokens=8)

    verify(counts_the_prompt(short, long, 100))


@requirement(
    "FR-01", "chat", source=OPENAI + ", finish_reason", killed_by=("says_stop_at_the_limit",)
)
def test_an_answer_cut_by_max_tokens_says_length(chat: ChatClient) -> None:
    """An answer that max_tokens cut off finishes with the reason length."""
    answer = chat.ask("Count from 1 to 200.", max_tokens=12)

    verify(finished_with(answer, "length"))


@requirement(
    "CT-01", "chat", source=OPENAI, killed_by=("answers_every_prompt_alike", "echoes_the_prompt")
)
def test_the_answer_depends_on_the_prompt(chat: ChatClient) -> None:
    """The model counts from a number of this prompt's own; an echo cannot."""
    first = secrets.randbelow(8000) + 1000
    answer = chat.ask(f"Count from {first} to {first + 6}. Write the numbers only.")

    verify(counts(answer, first, first + 6))


@requirement(
    "CT-02",
    "chat",
    source=OPENAI + ", messages",
    killed_by=("forgets_the_conversation", "answers_every_prompt_alike", "echoes_the_prompt"),
)
def test_earlier_turns_reach_the_model(chat: ChatClient) -> None:
    """A code word from an earlier turn is known when it is asked for later."""
    word = chat.new_nonce()
    history = [
        ("user", f"Please remember: the code word is {word}."),
        ("assistant", "I will remember it."),
    ]
    question = "What was the code word?"
    answer = chat.ask(question, history=history)

    verify(recalls(answer, word, question))


@requirement(
    "ER-01",
    "chat",
    source="OpenAI API reference, Error codes",
    killed_by=("answers_unknown_models",),
)
def test_an_unknown_model_is_not_found(chat: ChatClient) -> None:
    """A request for a model that is not served gets 404 with an error body."""
    answer = chat.ask("Count from 1 to 5.", model=f"no-such-model-{chat.new_nonce()}")

    verify(is_not_found(answer))


@requirement("GDE-001", "chat", source=GUIDES, killed_by=("refuses_the_guides_curl",))
def test_the_guides_curl_request_works(chat: ChatClient) -> None:
    """The curl request of the public guides brings a story, as raw bytes."""
    verify(tells_the_guides_story(chat.guide_request()))


@requirement("GDE-002", "chat", source=GUIDES, killed_by=("refuses_api_keys",))
def test_the_guides_request_works_with_the_official_client(chat: ChatClient) -> None:
    """The guides' request works through the official openai client."""
    verify(sdk_understood(chat.guide_request_with_sdk()))
