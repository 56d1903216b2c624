"""Refuses to run half installed: without its plugin the suite would collect and prove nothing."""

from __future__ import annotations

import pytest

pytest_plugins = ["pytester"]


def pytest_configure(config: pytest.Config) -> None:
    """Stop with one line where the plugin is not active."""
    if not config.pluginmanager.has_plugin("acceptance"):
        raise pytest.UsageError("the suite is not installed: run `pip install -e .` first")
