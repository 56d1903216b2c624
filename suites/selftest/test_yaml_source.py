"""Whatever stands in a file, reading it ends soon: in plain data, or in an answer with a line."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import yaml

from fixtures.config.errors import ConfigError
from fixtures.config.paths import CONFIGS_DIR
from fixtures.config.yaml_source import load_yaml, load_yaml_documents, parse_yaml_documents

pytestmark = pytest.mark.selftest

SHIPPED = sorted(CONFIGS_DIR.rglob("*.yaml"))


def written(tmp_path: Path, content: str | bytes) -> Path:
    """A file of its own with that content."""
    path = tmp_path / "broken.yaml"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refusal(path: Path) -> str:
    """The text of the ConfigError that reading `path` raises."""
    with pytest.raises(ConfigError, match=r"^\S+: ") as caught:
        load_yaml(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("content", "answer"),
    [
        ("", "broken.yaml:1:1: the file holds no YAML value"),
        ("# only a comment\n", "the file holds no YAML value"),
        ("- 1\n", "the file must hold a mapping"),
        ("a: 1\n---\nb: 2\n", "broken.yaml:2:1: a second document starts here"),
        ("a: [1\n", "that began in line 1"),
        ("a:\n\tb: 1\n", "fix: indent with spaces"),
        ("a: *nothing\n", "undefined alias"),
        ("a: 1\nb: 2\na: 3\n", 'broken.yaml:3:1: duplicate key "a", first given in line 1'),
        ("a: {b: 1, b: 2}\n", 'broken.yaml:1:11: duplicate key "b"'),
        ("? [a]\n: x\n", "a key must be plain text"),
        ("a: &x [1]\nc: {<<: *x}\n", "only a mapping can be merged"),
        ("a: !!python/object:os.system x\n", "is not supported"),
        ("a: !!bool maybe\n", "is not a value of its tag"),
        ('a: "\\UFFFFFFFF"\n', "an escape names no character"),
        ('a: "\\ud800"\n', "lone surrogate"),
        ("a: " + "9" * 5000, "a number of 5000 characters is out of range"),
        ("a: 18446744073709551616\n", "does not fit into 64 bits"),
        ("a: 1.0e+999\n", "is not a finite number"),
        (b"a: \xff\xfe\n", "broken.yaml:1:4: not UTF-8 text (byte 0xff)"),
        (bytes(range(256)), "not UTF-8 text"),
        (b"ok: 1\na: \x00\n", "broken.yaml:2:4: character U+0000 is not allowed"),
        (b"a: " + b"x" * 1024 * 1024, "larger than 1 MiB"),
        ("[" * 1000, "broken.yaml:1:51: nested deeper than 50 levels"),
        ("a: [" + "1," * 30_000 + "]", "more than 20000 values"),
        ("a: &a [*a]\n", "aliases expand"),
        ("a: " + "1:" * 500_000 + "1", None),
    ],
    ids=range(26),
)
def test_broken_yaml_gets_a_line_and_no_traceback(
    tmp_path: Path, content: str | bytes, answer: str | None
) -> None:
    path = written(tmp_path, content)

    if answer is None:
        assert isinstance(load_yaml(path).data["a"], str)
    else:
        text = refusal(path)
        assert "broken.yaml:" in text
        assert answer in text


def test_an_alias_bomb_is_refused_before_it_expands(tmp_path: Path) -> None:
    levels = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 30)]
    path = written(tmp_path, "\n".join(["a0: &a0 [x]", *levels]))
    started = time.monotonic()

    text = refusal(path)

    assert "aliases expand to more than 20000 values" in text
    assert time.monotonic() - started < 5


def test_aliases_in_moderation_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, "a: &x [1, 2]\nb: *x\n")

    assert load_yaml(path).data == {"a": [1, 2], "b": [1, 2]}


@pytest.mark.parametrize("kind", ["directory", "fifo", "nul", "too long"])
def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "thing.yaml"
    if kind == "directory":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "nul":
        path = tmp_path / "a\0b.yaml"
    else:
        path = tmp_path / ("x" * 300)

    assert "thing.yaml is " in refusal(path) or kind in ("nul", "too long")


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: str(path.relative_to(CONFIGS_DIR)))
def test_both_scanners_read_the_same_at_the_same_places(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    quick = [(each.data, each.positions) for each in load_yaml_documents(path)]
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    plain = [(each.data, each.positions) for each in load_yaml_documents(path)]

    assert quick == plain


def test_a_file_of_several_documents_keeps_the_lines_of_each(tmp_path: Path) -> None:
    path = written(tmp_path, "a: 1\n---\n# nothing\n---\nb:\n  c: 2\n")

    first, second = load_yaml_documents(path)

    assert (first.data, second.data) == ({"a": 1}, {"b": {"c": 2}})
    assert (second.at("b.c").line, second.at("b.c").column) == (6, 3)


def test_a_block_inside_another_text_keeps_the_lines_of_that_text(tmp_path: Path) -> None:
    (found,) = parse_yaml_documents("a: 1\nb: 2\n", tmp_path / "guide.md", first_line=40)

    assert found.at("b").line == 41


def test_a_number_or_a_word_of_yaml_is_a_name_where_it_stands_as_a_key(tmp_path: Path) -> None:
    assert load_yaml(written(tmp_path, "3: [1]\non: 2\n")).data == {"3": [1], "on": 2}


def test_merged_keys_keep_the_places_where_they_were_written(tmp_path: Path) -> None:
    text = "base: &b\n  x: 1\n  y: 2\nother: &o {y: 3, z: 4}\nuse:\n  <<: [*b, *o]\n  x: 5\n"

    found = load_yaml(written(tmp_path, text))

    assert found.data["use"] == {"x": 5, "y": 2, "z": 4}
    lines = {key: found.positions[f"use.{key}"].line for key in "xyz"}
    assert lines == {"x": 7, "y": 3, "z": 4}


def test_merges_that_multiply_are_refused(tmp_path: Path) -> None:
    text = "a0: &a0 {x: 1}\n"
    for step in range(1, 40):
        text += f"a{step}: &a{step} {{<<: [*a{step - 1}, *a{step - 1}]}}\n"

    assert "aliases expand" in refusal(written(tmp_path, text))
