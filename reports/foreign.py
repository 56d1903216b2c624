"""Makes text of unknown origin fit to be shown: no secrets, no control characters, no megabytes.

A server under test chooses part of what a report prints; it must not be able to drive the
reader's terminal, break a file format or bury the rest.
"""

from __future__ import annotations

import re
from typing import Any

from fixtures.model.redact import is_secret_name, redact, redact_named

LIMIT = 4000

_ANSI = re.compile(r"\x1b(?:\[[0-?]*+[ -/]*+[@-~]|\][^\x07\x1b]*+(?:\x07|\x1b\\)|[@-Z\\^_])")
# Control characters, lone surrogates, non-characters and text direction overrides: XML 1.0
# forbids most of them, terminals obey the others.
_UNSHOWABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)


def presentable(text: str, limit: int = LIMIT) -> str:
    """The text as it may be shown, cut after `limit` characters with a note that says so."""
    text = _ANSI.sub("", text.replace("\r\n", "\n"))
    text = _UNSHOWABLE.sub(_visible, redact(text))
    return text if len(text) <= limit else _cut(text, limit)


def one_line(text: str, limit: int = LIMIT) -> str:
    """The text as it may be shown, its line breaks and tabs folded into spaces."""
    return " ".join(presentable(text, limit).split())


def presentable_tree(value: Any, limit: int = LIMIT) -> Any:
    """JSON data with every string in it made presentable."""
    if isinstance(value, str):
        return presentable(value, limit)
    if isinstance(value, list):
        return [presentable_tree(item, limit) for item in value]
    if isinstance(value, dict):
        return {presentable(key): _named(key, item, limit) for key, item in value.items()}
    return value


def _named(name: str, value: Any, limit: int) -> Any:
    if isinstance(value, str) and is_secret_name(name):
        return presentable(redact_named(name, value), limit)
    return presentable_tree(value, limit)


def _visible(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


# The note is part of the text, so cutting a cut text again must leave it as it is.
_NOTE = re.compile(r" … \[cut: \d+ of \d+ characters shown\]\Z")


def _cut(text: str, limit: int) -> str:
    if (note := _NOTE.search(text)) and note.start() <= limit:
        return text
    return f"{text[:limit]} … [cut: {limit} of {len(text)} characters shown]"
