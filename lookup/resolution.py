"""What a lookup says, and what a verified credential claims: the value types between resolver and callers.

Hot: compiled where a compiler is at hand.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from lookup.assignment import NO_EPOCH, State


class Tier(IntEnum):
    """Which tier answered. STALE: none did, and an older answer is served to a safe method."""

    CLAIM = 0
    MEMORY = 1
    SHARED = 2
    STORE = 3
    STALE = 4


TIER_LABELS: Final = ("claim", "memory", "redis", "store", "stale")
"""Metric and log labels, indexed by Tier."""


class Outcome(IntEnum):
    """FOUND: `cell` is the home. UNKNOWN: the truth has no such key. UNAVAILABLE: not to be known now."""

    FOUND = 0
    UNKNOWN = 1
    UNAVAILABLE = 2


OUTCOME_LABELS: Final = ("found", "unknown", "unavailable")
"""Metric and log labels, indexed by Outcome."""


class Resolution:
    """The answer to one lookup. Callers read it and never change it: caches share one object among callers.

    cell          the home cell, "" unless FOUND
    jurisdiction  whose law the user's bytes are under, "" when only a claim named the cell
    epoch         of the record or the claim, NO_EPOCH when neither has one
    state         MOVING: unsafe methods must wait
    """

    __slots__ = ("cell", "epoch", "jurisdiction", "key", "outcome", "state", "tier")

    def __init__(
        self,
        outcome: Outcome,
        key: str,
        tier: Tier,
        cell: str = "",
        jurisdiction: str = "",
        epoch: int = NO_EPOCH,
        state: State = State.PLACED,
    ) -> None:
        self.outcome = outcome
        self.key = key
        self.tier = tier
        self.cell = cell
        self.jurisdiction = jurisdiction
        self.epoch = epoch
        self.state = state

    def __repr__(self) -> str:
        found = f"{self.cell!r} epoch {self.epoch} {self.state.name}" if self.cell else "no cell"
        return f"<{self.outcome.name} {self.key!r}: {found}, by {self.tier.name}>"


class Hint:
    """What a verified token or routing cookie claims of one key. One object per credential, kept with it.

    epoch        NO_EPOCH when the credential has none
    issued_at_s  Unix seconds of issue, 0.0 when the credential doesn't say (such a claim is always confirmed)
    answer       the resolver's own: the resolution made of this claim, so that it is made once
    """

    __slots__ = ("answer", "cell", "epoch", "issued_at_s")

    def __init__(self, cell: str, epoch: int, issued_at_s: float) -> None:
        self.cell = cell
        self.epoch = epoch
        self.issued_at_s = issued_at_s
        self.answer: Resolution | None = None
