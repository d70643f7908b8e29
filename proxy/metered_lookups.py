"""Counts what the resolver tells of itself, and logs now and then which tier fails, and by which setting."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from math import inf
from typing import Final

from lookup.observer import LATE, OPEN, LookupObserver
from lookup.printable import printable
from lookup.resolution import TIER_LABELS, Tier
from lookup.settings import LookupSettings
from proxy.observe.meters import Meters

_TELL_AGAIN_S: Final = 30.0
_MAX_CAUSE_CHARS: Final = 300

_log = logging.getLogger("homecell")


class MeteredLookups(LookupObserver):
    """Of one worker. `settings`: what its tiers are held to."""

    def __init__(
        self, meters: Meters, settings: LookupSettings, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._meters = meters
        self._late = _words_for_late(settings)
        self._clock = clock
        self._told_at_s = dict.fromkeys(range(len(TIER_LABELS)), -inf)

    def lookup(self, tier: int, outcome: int, seconds: float) -> None:
        self._meters.lookup(tier, outcome, seconds)

    def hedged(self, tier: int) -> None:
        self._meters.hedged(tier)

    def compared(self, tier: int) -> None:
        self._meters.compared(tier)

    def misrouted(self, tier: int) -> None:
        self._meters.misrouted(tier)

    def circuit(self, tier: int, is_open: bool) -> None:
        self._meters.circuit(tier, is_open)

    def tier_failed(self, tier: int, reason: str, cause: str = "") -> None:
        self._meters.tier_failed(tier, reason)
        now_s = self._clock()
        if reason != OPEN and now_s - self._told_at_s[tier] > _TELL_AGAIN_S:
            self._told_at_s[tier] = now_s
            words = self._late.get(tier, reason) if reason == LATE else reason
            because = f": {printable(cause[:_MAX_CAUSE_CHARS])}" if cause else ""
            _log.warning("lookups: the tier %s failed (%s%s)", TIER_LABELS[tier], words, because)


def _words_for_late(settings: LookupSettings) -> dict[int, str]:
    """By tier: how long it had, which setting says so, and what else than the tier may be slow."""
    of_cache = f"{settings.shared_share:g} of lookup.deadline_s: {settings.deadline_s:g}"
    return {
        Tier.SHARED: _late(settings.shared_limits().timeout_s, of_cache),
        Tier.STORE: _late(settings.store_limits().timeout_s, f"lookup.deadline_s: {settings.deadline_s:g}"),
    }


def _late(had_s: float, setting: str) -> str:
    return f"late: no answer within {had_s:g} s, {setting}; it is slow, or this machine is too busy"
