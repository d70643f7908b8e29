"""How the lookup behaves, with reasoned defaults. Holds numbers; reads no file and no environment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from lookup.memory import Lifetimes
from lookup.tier_reader import TierLimits

CLAIM_LIFETIME_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class LookupSettings:
    """deadline_s        of a whole lookup behind memory
    memory_entries    known keys remembered per worker (about 250 bytes each)
    refresh_s, expiry_s, hard_stale_s, unknown_entries, unknown_ttl_s   see lookup.memory
    moved_keys        changed keys remembered per worker (about 250 bytes each), beyond that one time per cell
    claim_lifetime_s  longest lifetime of a credential that claims a home: how far back moves are loaded
    clock_skew_s      how far the clocks of those who issue credentials and those who move users may differ
    batch_keys        most keys in one reading of a tier
    readings          most readings of a tier at once: more would not be faster, only flood a cold store
    shared_share      part of the deadline that the shared cache may use up
    hedge_share       part of the deadline after which the store is asked as well: of 0.25 s that is 12.5 ms,
                      more than twice the aimed-at p99, so that few readings of a healthy cache take so long
    hedged_share      most of the cache's readings for which that is done
    failures_to_open  failures of a tier in a row, after which it is skipped
    open_s            for so long
    """

    deadline_s: float = 0.25
    memory_entries: int = 200_000
    refresh_s: float = 60.0
    expiry_s: float = 300.0
    hard_stale_s: float = 86_400.0
    unknown_entries: int = 10_000
    unknown_ttl_s: float = 5.0
    moved_keys: int = 100_000
    claim_lifetime_s: float = CLAIM_LIFETIME_S
    clock_skew_s: float = 5.0
    batch_keys: int = 128
    readings: int = 4
    shared_share: float = 0.4
    hedge_share: float = 0.05
    hedged_share: float = 0.05
    failures_to_open: int = 5
    open_s: float = 1.0

    def lifetimes(self) -> Lifetimes:
        """Of what memory holds. Raises ValueError when they contradict each other."""
        return Lifetimes(self.refresh_s, self.expiry_s, self.hard_stale_s, self.unknown_ttl_s)

    def store_limits(self) -> TierLimits:
        """The store is asked last, so it may use all that is left of the deadline."""
        return self._limits(self.deadline_s)

    def shared_limits(self) -> TierLimits:
        """The shared cache must leave the store its time."""
        hedge_after_s = self.deadline_s * self.hedge_share
        return self._limits(self.deadline_s * self.shared_share, hedge_after_s)

    def _limits(self, timeout_s: float, hedge_after_s: float | None = None) -> TierLimits:
        return TierLimits(
            timeout_s=timeout_s,
            batch_keys=self.batch_keys,
            concurrency=self.readings,
            failures_to_open=self.failures_to_open,
            open_s=self.open_s,
            hedge_after_s=hedge_after_s,
            hedged_share=self.hedged_share,
        )
