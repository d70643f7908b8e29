"""How many late readings may be raced by the next tier: a small share, so that a slow cache can't flood the
store. Pure."""

from __future__ import annotations

from typing import Final

_BURST: Final = 10.0
"""Hedges that may come at once after a quiet time."""


class HedgeBudget:
    """Each reading earns `share` of a hedge; a hedge spends a whole one. Begins with a full purse."""

    def __init__(self, share: float) -> None:
        if not 0 <= share <= 1:
            raise ValueError(f"a share of {share} of the readings can't be hedged")
        self._share = share
        self._purse = _BURST if share else 0.0

    def earn(self) -> None:
        """A reading begins."""
        self._purse = min(_BURST, self._purse + self._share)

    def spend(self) -> bool:
        """Whether a reading that is late may be hedged."""
        if self._purse < 1.0:
            return False
        self._purse -= 1.0
        return True
