"""Secrets never reach a record or a report; what only looks like one stays readable."""

from __future__ import annotations

import time

import pytest

from fixtures.model.redact import MASK, redact, redact_named, redact_tree
from reports.foreign import one_line, presentable

pytestmark = pytest.mark.selftest

SECRETS = {
    "bearer token": ("Bearer S3cretValue.abc-1", "S3cretValue"),
    "authorization header": ("Authorization: Basic dXNlcjpwdw==", "dXNlcjpwdw"),
    "digest header": ('Authorization: Digest username="u", response="S3cret"', "S3cret"),
    "header in JSON": ('{"Authorization": "Bearer S3cretValue"}', "S3cretValue"),
    "header in JSON in JSON": (r"{\"authorization\": \"S3cretValue\"}", "S3cretValue"),
    "header of curl": ("curl -H 'X-Api-Key: S3cretValue' http://n1/", "S3cretValue"),
    "key of OpenAI kind": ("key sk-proj-S3cretValue_1 refused", "S3cretValue"),
    "key of Hugging Face": ("cloning with hf_S3cretValueS3cretValue", "S3cret"),
    "key of NVIDIA": ("nvapi-S3cretValue", "S3cretValue"),
    "password in a URL": ("etcd at http://root:S3cret@n1:2379", "S3cret"),
    "password with an at sign": ("nats://u:S3c@ret@n1:4222", "ret@"),
    "environment": ("HF_TOKEN=S3cretValue python3", "S3cretValue"),
    "quoted environment": ("DB_PASSWORD='S3cret value' x", "value"),
    "secret in the middle of a name": ("MY_SECRET_2=S3cret", "S3cret"),
    "API key variable": ("NGC_API_KEY=S3cret;", "S3cret"),
    "escaped environment": (r"{\"env\": \"HF_TOKEN=S3cret\"}", "S3cret"),
    "pair in JSON": ('"HF_TOKEN": "S3cret\'Value", "a": 1', "Value"),
    "pair in JSON with an escaped quote": (r'"HF_TOKEN": "S3\"cret"', "cret"),
    "option": ("serve --api-key S3cret --port 1", "S3cret"),
    "query": ("GET /v1?api_key=S3cret&x=1", "S3cret"),
}

HARMLESS = (
    "total_tokens = prompt_tokens + completion_tokens = 31",
    "MAX_NUM_TOKENS=8448 MAX_TOKENS='16'",
    "max_tokens=31, eos_token=</s>, time_to_first_token=0.4",
    '{"prompt_tokens": "31"}',
    "expected a Bearer token in the request",
    "http://n1:2379/v3/kv and http://user@n1/ and deadbeef@host:/path",
    "vllm --hf_overrides x hf_transfer task-12345678 sk-short",
    "suites/chat/test_answers.py::test_usage_adds_up[deepseek-r1-wide-ep-agg]",
)


@pytest.mark.parametrize("kind", SECRETS)
def test_a_secret_is_masked(kind: str) -> None:
    text, secret = SECRETS[kind]

    masked = redact(text)

    assert secret not in masked
    assert MASK in masked


@pytest.mark.parametrize("text", HARMLESS)
def test_what_is_no_secret_is_left_as_it_is(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize("kind", SECRETS)
def test_masking_twice_changes_nothing_more(kind: str) -> None:
    once = redact(SECRETS[kind][0])

    assert redact(once) == once


def test_what_stands_around_a_secret_stays_readable() -> None:
    text = (
        "curl -H 'Authorization: Bearer abc123' 'http://u:pw@n1:80/v1?token=xyz&n=2' HF_TOKEN=q z"
    )

    assert redact(text) == (
        "curl -H 'Authorization: [redacted]' 'http://u:[redacted]@n1:80/v1?token=[redacted]&n=2'"
        " HF_TOKEN=[redacted] z"
    )


def test_a_setting_with_a_secret_name_is_masked_whole() -> None:
    assert redact_named("HF_TOKEN", "two words") == MASK
    assert redact_named("MAX_NUM_TOKENS", "8448") == "8448"
    assert redact_named("HF_TOKEN", "") == ""
    assert redact_named("partition", "gb200") == "gb200"


def test_a_tree_is_masked_in_keys_values_and_lists() -> None:
    tree = {"env": {"HF_TOKEN": "plain", "RANK": 3}, "log": ["ok", "nvapi-S3cretValue"], "p": 0.5}

    masked = redact_tree(tree)

    assert masked == {"env": {"HF_TOKEN": MASK, "RANK": 3}, "log": ["ok", MASK], "p": 0.5}


def test_colour_codes_cannot_hide_a_secret() -> None:
    assert presentable("HF_TO\x1b[1mKEN=S3cret") == f"HF_TOKEN={MASK}"


def test_control_characters_become_visible() -> None:
    shown = presentable("a\x00b\x1bc\ud800d\u202ee\r\nf\tg\x9b")

    assert shown == "a\\x00b\\x1bc\\ud800d\\u202ee\nf\tg\\x9b"


def test_line_breaks_are_folded_where_one_line_is_wanted() -> None:
    assert one_line(" a\n\n b\tc ") == "a b c"


def test_a_long_line_is_cut_with_a_note_and_a_second_cut_keeps_it() -> None:
    shown = presentable("x" * 1_048_576, 100)

    assert shown == "x" * 100 + " … [cut: 100 of 1048576 characters shown]"
    assert presentable(shown, 100) == shown


@pytest.mark.parametrize(
    "unit",
    ["x", "TOKEN", "://", "://a:", "A':\"", "--a-", "Bearer ", "hf_", "?token=", "\x1b[0", '\\"A'],
)
def test_one_megabyte_of_anything_is_masked_in_a_few_seconds(unit: str) -> None:
    text = unit * (1_048_576 // len(unit))
    started = time.process_time()

    presentable(text)

    assert time.process_time() - started < 10
