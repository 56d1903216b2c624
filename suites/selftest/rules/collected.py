"""All cases and broken quantities of the families of rules, in one place."""

from __future__ import annotations

import importlib
from pathlib import Path

from .cases import Case
from .pairs import Breaks

_HERE = Path(__file__).resolve().parent


def _modules(prefix: str) -> list[object]:
    names = sorted(path.stem for path in _HERE.glob(f"{prefix}_*.py"))
    return [importlib.import_module(f".{name}", __package__) for name in names]


CASES: list[Case] = [case for module in _modules("cases") for case in getattr(module, "CASES")]  # noqa: B009
BREAKS: Breaks = {
    id_: strategy
    for module in _modules("broken")
    for id_, strategy in getattr(module, "BREAKS").items()  # noqa: B009
}
