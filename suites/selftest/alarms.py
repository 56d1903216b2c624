"""An alarm for what must not hang: it is set far above any time that is measured."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType

LONGEST_S = 60


@contextlib.contextmanager
def alarm(seconds: int) -> Iterator[None]:
    """Raises AssertionError in here if it takes longer."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise AssertionError(f"not done after {seconds} s")

    before = signal.signal(signal.SIGALRM, ring)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
