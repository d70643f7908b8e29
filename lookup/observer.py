"""What the resolver tells of itself: a base class whose methods do nothing, for metrics to override."""

from __future__ import annotations

from typing import Final

LATE: Final = "late"
ERROR: Final = "error"
OLDER: Final = "older"
WRONG_KEY: Final = "wrong-key"
OPEN: Final = "open"
FAILURES: Final = (LATE, ERROR, OLDER, WRONG_KEY, OPEN)
"""Metric labels of what `tier_failed` is told."""


class LookupObserver:
    """Called on the loop's thread; must be quick and must not raise."""

    def lookup(self, tier: int, outcome: int, seconds: float) -> None:
        """One `resolve` ended (Tier, Outcome). Hits of `recall` are counted by its caller."""

    def hedged(self, tier: int) -> None:
        """A reading of this tier was late, and the next tier was asked as well (once for all its keys)."""

    def compared(self, tier: int) -> None:
        """The misroute watch compared an answer that this tier would give with the store."""

    def misrouted(self, tier: int) -> None:
        """It was another one than the store's for longer than allowed."""

    def tier_failed(self, tier: int, reason: str, cause: str = "") -> None:
        """A tier failed (LATE, ERROR), answered wrongly (OLDER, WRONG_KEY), or was skipped (OPEN).

        cause  in words of who asked the tier, "" where there are none
        """

    def circuit(self, tier: int, is_open: bool) -> None:
        """From now on the tier is skipped because it kept failing; or (not `is_open`) it is asked again."""


SILENT: Final = LookupObserver()
