"""Whatever a file holds, loading it gives topologies or one clear refusal, and soon.

Broken input is nobody's excuse for a traceback or a hang. Not covered: what the rules say about
files that mean something; those have cases of their own.
"""

from __future__ import annotations

import re
import tempfile
import unicodedata
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fixtures.lint import lint
from fixtures.loaders.read import FORMATS
from reports.lint import as_github, as_text
from reports.lint.result import LintResult

from .alarms import LONGEST_S, alarm
from .broken_files import (
    HOSTILE,
    SUFFIXES,
    VALID,
    changed_lines,
    changed_values,
    documents,
    shell_like,
    variables,
)

pytestmark = pytest.mark.selftest

"""Far beyond what any file of the allowed size takes: only a hang lasts as long."""

MANY = settings(
    max_examples=200,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
_UNSAFE = ("Cc", "Cs", "Zl", "Zp")
_NAME = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")


def survives(files: Mapping[str, str | bytes], as_format: str | None = None) -> int:
    """Examine the first of these files and show the result; returns how many topologies it gave."""
    with tempfile.TemporaryDirectory() as name, alarm(LONGEST_S):
        for file, content in files.items():
            path = Path(name) / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else _encoded(content))
        result = lint([Path(name) / next(iter(files))], as_format=as_format)
        judged(result)
        return len(result.examined)


def judged(result: LintResult) -> None:
    """What there is to say can be said: deployments have names, remarks have lines."""
    for each in result.examined:
        assert _NAME.fullmatch(each.name)
    for problem in result.unreadable:
        assert problem.where
    for remark in result.remarks:
        assert remark.violation.expected
        assert remark.violation.actual
        for place in (remark.where, *remark.violation.related):
            assert place.line >= 1, remark
            assert place.column >= 1, remark
    printable(as_text.render(result, verbose=True))
    printable(as_github.render(result))


def printable(text: str) -> None:
    """Nothing in it could move a cursor, or cannot be encoded."""
    bad = {each for each in set(text) - {"\n"} if unicodedata.category(each) in _UNSAFE}
    assert bad == set(), ascii(text)


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


@given(st.binary(max_size=600), st.sampled_from(SUFFIXES))
@MANY
def test_random_bytes(content: bytes, suffix: str) -> None:
    survives({f"file{suffix}": content})


@given(st.text(max_size=400), st.sampled_from(SUFFIXES), st.sampled_from((None, *FORMATS)))
@MANY
def test_random_text(content: str, suffix: str, as_format: str | None) -> None:
    survives({f"file{suffix}": content}, as_format)


@given(shell_like(), st.sampled_from((".sh", ".env", ".md", ".yaml")))
@MANY
def test_words_of_shell_scripts_in_any_order(content: str, suffix: str) -> None:
    survives({f"file{suffix}": content})


@given(documents(), st.sampled_from((None, *FORMATS)))
@MANY
def test_yaml_with_the_keys_of_every_format(content: str, as_format: str | None) -> None:
    survives({"file.yaml": content}, as_format)


@pytest.mark.parametrize("part", range(4))
@given(data=st.data())
@MANY
def test_valid_files_with_a_value_of_another_type(part: int, data: st.DataObject) -> None:
    files = data.draw(st.sampled_from(VALID[part::4]))
    survives(data.draw(changed_values(files)))


@given(data=st.data())
@MANY
def test_valid_files_with_a_line_gone_twice_or_changed(data: st.DataObject) -> None:
    files = data.draw(st.sampled_from(VALID))
    survives(data.draw(changed_lines(files)))


@given(st.sampled_from(VALID), st.sampled_from(FORMATS))
@MANY
def test_valid_files_read_as_another_format(files: Mapping[str, str], as_format: str) -> None:
    survives(files, as_format)


@given(variables())
@MANY
def test_the_environment_of_a_shell(environment: Mapping[str, str]) -> None:
    with alarm(LONGEST_S):
        judged(lint([], environment=environment))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_whatever_they_are_called(name: str) -> None:
    for suffix in SUFFIXES:
        survives({f"file{suffix}": HOSTILE[name]})


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_whatever_they_are_said_to_be(name: str) -> None:
    for as_format in FORMATS:
        survives({"file.yaml": HOSTILE[name]}, as_format)


def test_the_files_that_get_broken_are_valid_to_begin_with() -> None:
    refused = [next(iter(files.items())) for files in VALID if not survives(files)]

    assert refused == []


def test_the_alarm_ends_what_never_would() -> None:
    with pytest.raises(AssertionError, match="not done after 1 s"), alarm(1):
        _never_ends()


def _never_ends() -> None:
    while True:
        pass
