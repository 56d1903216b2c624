"""Recorded output of Slurm: the texts, and what their index says of them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

SAMPLES = Path(__file__).parent / "recorded" / "slurm"
RECORDED = "22.05"
WRITTEN = "written"


def sample(name: str, group: str = RECORDED) -> str:
    """The text of one sample."""
    return (SAMPLES / group / f"{name}.txt").read_bytes().decode()


def index(group: str) -> Mapping[str, Mapping[str, Any]]:
    """What is known of every sample of a group, by name."""
    document = yaml.safe_load((SAMPLES / group / "index.yaml").read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def names(group: str, prefix: str = "") -> list[str]:
    """The samples of a group whose name begins like that."""
    return sorted(name for name in index(group) if name.startswith(prefix))


def everything() -> list[str]:
    """All texts, recorded and written."""
    return [sample(name, group) for group in (RECORDED, WRITTEN) for name in names(group)]
