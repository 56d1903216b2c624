"""Passing means: arrows point one way, files stay small, generated files are up to date."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from fixtures.checks import SIGNAL_OWNERS
from fixtures.model.deployment import SIGNALS
from fixtures.requirements import LOCK, collect, load_lock, lock_text, table_text

from .runs import ROOT

pytestmark = pytest.mark.selftest

SOURCES = sorted(
    path
    for top in ("fixtures", "reports", "suites")
    for path in (ROOT / top).rglob("*.py")
    if "runs" not in path.relative_to(ROOT).parts
)
STANDARD_ONLY = {"fixtures.model"}
# What each part may import of the project; longer names win.
ALLOWED: dict[str, tuple[str, ...]] = {
    "fixtures.model": ("fixtures.model",),
    "fixtures.config": ("fixtures.config", "fixtures.model"),
    "fixtures.rules": ("fixtures.rules", "fixtures.model"),
    "fixtures.rules.__main__": ("fixtures", "reports"),
    "fixtures.loaders": ("fixtures.loaders", "fixtures.config", "fixtures.model"),
    "fixtures.judges": ("fixtures.judges", "fixtures.clients", "fixtures.config", "fixtures.model"),
    "fixtures.clients": ("fixtures.clients", "fixtures.evidence", "fixtures.model"),
    "fixtures.services": (
        "fixtures.services",
        "fixtures.identity",
        "fixtures.ledger",
        "fixtures.ports",
        "fixtures.processes",
        "fixtures.model",
    ),
    "reports": ("reports", "fixtures.model"),
    "suites": ("fixtures", "reports", "suites"),
    "fixtures": ("fixtures", "reports"),
}
FORBIDDEN_IN_PURE = {"socket", "subprocess", "time", "http", "urllib", "psutil", "asyncio"}


def name_of(path: Path) -> str:
    """The dotted name of a module."""
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def imports_of(path: Path) -> set[str]:
    """Every module that a file names in an import."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


def under(name: str, package: str) -> bool:
    """Whether a module is that package or inside it."""
    return name == package or name.startswith(f"{package}.")


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_imports_follow_the_arrows(path: Path) -> None:
    name = name_of(path)
    part = max((key for key in ALLOWED if under(name, key)), key=len)
    ours = {each for each in imports_of(path) if each.split(".")[0] in ("fixtures", "reports")}
    strangers = {each for each in ours if not any(under(each, ok) for ok in ALLOWED[part])}
    assert strangers == set()
    assert not any(under(each, "suites") for each in imports_of(path)) or under(name, "suites")


@pytest.mark.parametrize(
    "path",
    [
        p
        for p in SOURCES
        if under(name_of(p), "fixtures.model") or under(name_of(p), "fixtures.rules")
    ],
    ids=name_of,
)
def test_values_and_rules_touch_no_network_process_or_clock(path: Path) -> None:
    assert {each.split(".")[0] for each in imports_of(path)} & FORBIDDEN_IN_PURE == set()


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_files_stay_under_300_lines(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) < 300


def test_the_lock_is_what_the_checks_declare() -> None:
    assert LOCK.read_text(encoding="utf-8") == lock_text(collect())
    assert load_lock() == collect()


def test_the_page_of_requirements_is_what_the_checks_declare() -> None:
    page = (ROOT / "docs" / "requirements.md").read_text(encoding="utf-8")
    assert page == table_text(collect())


def test_every_readiness_signal_has_a_requirement_that_judges_it() -> None:
    assert set(SIGNAL_OWNERS) == set(SIGNALS)
    assert set(SIGNAL_OWNERS.values()) <= set(load_lock())
