"""Hand-made evidence for selftests of judges: answers and streams out of literal bytes."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

from fixtures.model.evidence import Exchange

MODEL = "deepseek-r1"
DONE = "data: [DONE]\n\n"

# Values that stand where something else belongs.
ODD_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    7,
    1.5,
    1e999,
    10**30,
    "",
    "text",
    "5",
    [],
    [1, 2],
    [None],
    ["a"],
    [[]],
    [{}],
    {},
    {"a": 1},
    {"message": None},
    {"delta": None},
)

# Bodies that are not even the JSON object that everybody expects.
ODD_BODIES: tuple[bytes, ...] = (
    b"",
    b" ",
    b"null",
    b"true",
    b"5",
    b"NaN",
    b'"text"',
    b"[]",
    b"[1, 2]",
    b"{}",
    b"{",
    b"<html>502</html>",
    b"\xff\xfe\x00",
    b"\xef\xbb\xbf{}",
    b"9" * 5000,
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b'{"choices": [{"message": {"content": "\\ud800"}}]}',
)


def exchange_of(
    body: bytes | str = b"",
    *,
    status: int | None = 200,
    kind: str = "application/json",
    error: str = "",
) -> Exchange:
    """What a client would have recorded for such an answer."""
    raw = body if isinstance(body, bytes) else body.encode()
    headers = (("content-type", kind),) if kind else ()
    return Exchange("POST", "http://x/", (), "", "n1", status, headers, raw, raw, (), error, 1.25)


def answer_of(document: Any, **options: Any) -> Exchange:
    """An answer with this JSON document."""
    return exchange_of(json.dumps(document), **options)


def stream_of_text(text: str, **options: Any) -> Exchange:
    """A stream with exactly this text."""
    return exchange_of(text, **{"kind": "text/event-stream", **options})


def stream_of_chunks(*chunks: Any, end: str = DONE) -> Exchange:
    """A stream with one event per chunk, and [DONE]."""
    return stream_of_text("".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + end)


def completion(content: Any = "Hello.", **changes: Any) -> dict[str, Any]:
    """A well-formed chat completion; `changes` replace fields of it."""
    choice = {
        "index": 0,
        "message": {"role": "assistant", "content": content, "refusal": None},
        "logprobs": None,
        "finish_reason": "stop",
    }
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12}
    document = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_790_000_000,
        "model": MODEL,
        "choices": [choice],
        "usage": usage,
    }
    return document | changes


def with_choice(**changes: Any) -> dict[str, Any]:
    """A completion whose only choice differs as told."""
    document = completion()
    document["choices"][0] |= changes
    return document


def with_message(**changes: Any) -> dict[str, Any]:
    """A completion whose message differs as told."""
    document = completion()
    document["choices"][0]["message"] |= changes
    return document


def with_usage(prompt: Any, generated: Any, total: Any) -> dict[str, Any]:
    """A completion with these counts."""
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    return completion(usage=dict(zip(names, (prompt, generated, total), strict=True)))


def chunk(delta: Any = None, finish: Any = None, *, index: Any = 0, **changes: Any) -> Any:
    """A well-formed chunk with one choice; `changes` replace fields of the chunk."""
    choice = {"index": index, "delta": {} if delta is None else delta, "finish_reason": finish}
    document = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1_790_000_000,
        "model": MODEL,
        "choices": [choice],
    }
    return document | changes


def first(content: str = "") -> Any:
    """The first chunk, which says who is speaking."""
    return chunk({"role": "assistant", "content": content})


def said(content: str) -> Any:
    """A chunk with some text."""
    return chunk({"content": content})


def usage_chunk(total: int = 12) -> Any:
    """The chunk that `include_usage` asks for."""
    usage = {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": total}
    return chunk(choices=[], usage=usage)


def text_of_chunks(*chunks: Any) -> str:
    """The text of a stream with one event per chunk, and [DONE]."""
    return stream_of_chunks(*chunks).text


def reasoning(text: str) -> Any:
    """A chunk whose text a reasoning parser moved aside."""
    return chunk({"reasoning_content": text, "content": None})


END = chunk(None, "stop")
PLAIN = (first(), said("Hel"), said("lo."), END)
"""A well-formed stream that says "Hello."."""


def mutations(document: Any) -> Iterator[Any]:
    """The document with each single value in it replaced by each odd one."""
    for path in _paths(document, ()):
        for odd in ODD_VALUES:
            changed = copy.deepcopy(document)
            holder = changed
            for key in path[:-1]:
                holder = holder[key]
            holder[path[-1]] = odd
            yield changed


def _paths(node: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    if isinstance(node, dict | list):
        keys = node if isinstance(node, dict) else range(len(node))
        for key in keys:
            yield from _paths(node[key], (*path, key))
