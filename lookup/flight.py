"""One key being looked up, and who waits for it: however many callers, one reading per tier."""

from __future__ import annotations

import asyncio
from typing import Final

from lookup.assignment import NO_EPOCH, Assignment
from lookup.resolution import Resolution, Tier

_STORE: Final = Tier.STORE


class Flight:
    """The lookup of one key in the tiers.

    now_s          Unix seconds when the key was first asked for; the age of the answer counts from here
    deadline_s     loop time at which waiting ends
    generation     of the memory when the reading at the current tier began
    floor          an answer below this epoch is outdated, whichever tier gives it: the feed knows better
    alias_floor    the same, of the key as an alias
    claimed_epoch  a verified credential names this epoch: a cache below it is outdated, the truth is not
    tier           where it is being read now
    is_raced       the shared cache, asked before the store, may still answer first
    readings       how often the store was asked
    answer         None when no tier answered
    """

    __slots__ = (
        "alias_floor",
        "answer",
        "claimed_epoch",
        "deadline_s",
        "floor",
        "generation",
        "is_raced",
        "key",
        "landed",
        "now_s",
        "readings",
        "tier",
        "waiters",
    )

    def __init__(self, key: str, now_s: float, deadline_s: float) -> None:
        self.key = key
        self.now_s = now_s
        self.deadline_s = deadline_s
        self.generation = 0
        self.floor = NO_EPOCH
        self.alias_floor = NO_EPOCH
        self.claimed_epoch = NO_EPOCH
        self.tier: Tier = _STORE
        self.readings = 0
        self.is_raced = False
        self.landed = False
        self.answer: Resolution | None = None
        self.waiters: list[asyncio.Future[None]] = []

    def land(self, answer: Resolution | None) -> None:
        """End the waiting. A waiter that was cancelled meanwhile is passed over."""
        self.landed = True
        self.answer = answer
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)
        self.waiters.clear()


class FlightDeck:
    """Where a tier's reader delivers: the resolver."""

    def departing(self, flight: Flight) -> None:
        """The reading at a tier begins now."""

    def answered(self, flight: Flight, record: Assignment | None, tier: Tier) -> None:
        """The tier says the key's record, or that it has none. The flight may have landed by then."""

    def overdue(self, flight: Flight, tier: Tier) -> None:
        """The tier takes unusually long; it may still answer. Told of few readings: see HedgeBudget."""

    def unanswered(self, flight: Flight, tier: Tier) -> None:
        """The tier failed, was late or was skipped."""
