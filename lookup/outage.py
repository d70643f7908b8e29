"""Decides what of something that fails again and again is told in the log. Pure."""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Final

AGAIN_S: Final = 60.0
"""While it lasts it is told once a minute."""

_APART_S: Final = 10.0
"""Of what fails and works by turns, not each turn is told."""


class Outage:
    """One thing that may fail. `clock` tells seconds; where it is set back, it is told once more."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._told_at_s = -inf
        self._is_told = False

    def failed(self) -> bool:
        """It failed (again); whether to tell."""
        now_s = self._clock()
        quiet_s = AGAIN_S if self._is_told else _APART_S
        if 0.0 <= now_s - self._told_at_s < quiet_s:
            return False
        self._told_at_s = now_s
        self._is_told = True
        return True

    def mended(self) -> bool:
        """It works (still); whether to tell that it does so again."""
        was_told = self._is_told
        self._is_told = False
        return was_told
