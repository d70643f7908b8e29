"""Which workers are alive and how far each follows the feed: what a move waits for before it copies.

A worker holds a lease that it renews while its feed is fresh. While it holds one, it may let unsafe methods
through by what it remembers, because a move waits for it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from lookup.assignment import NO_EPOCH
from lookup.moves import Position

LEASE_S: Final = 3.0
"""As long as the feed counts as alive after its last event."""

RENEW_EVERY_S: Final = 1.0

CONFIRMING: Final = Position("", 0)
"""The position of who holds no lease and confirms each unsafe request: see lookup.announcement."""


@dataclass(frozen=True, slots=True)
class Lease:
    """What a worker says of itself.

    worker        a name that no other worker ever has
    number        of this renewal: a later one has a higher number
    position      every change up to there is taken
    held          keys known to be MOVING whose unsafe requests are still under way
    expires_at_s  Unix seconds; from then on the worker confirms every unsafe method
    linger_s      how long a cell may go on with a request that was cut off
    unrenewed_s   for how long the book has had no renewal, if it can tell by a clock that isn't the worker's:
                  what ends the lease of one whose clock was far ahead
    """

    worker: str
    number: int
    position: Position
    held: frozenset[str]
    expires_at_s: float
    linger_s: float
    unrenewed_s: float = field(default=0.0, compare=False)

    def is_gone(self, now_s: float, skew_s: float) -> bool:
        """Whether nothing that the worker had sent can still be running; `skew_s` as in `stands_in_way`."""
        if not self.confirms and self.unrenewed_s >= LEASE_S + self.linger_s + 2 * skew_s:
            return True
        return now_s >= self.expires_at_s + self.linger_s + skew_s

    @property
    def confirms(self) -> bool:
        """Whether this is no lease: it says that unsafe requests go by what the truth had answered."""
        return self.position.generation == ""

    def runs_until_s(self, fenced_at_s: float) -> float:
        """If `confirms`: when the last write ends that had been confirmed before the record was MOVING."""
        return min(self.expires_at_s, fenced_at_s) + self.linger_s


def stands_in_way(lease: Lease, key: str, fence: Position, now_s: float, skew_s: float) -> bool:
    """Whether a request that this worker let through may still change the key's home after `fence`.

    A lease that is over counts for another `linger_s`: what a dead worker had sent may still be running.
    `skew_s` is the most by which clocks differ. Who confirms each request follows no feed: of them see
    `Lease.runs_until_s`.
    """
    if lease.confirms or lease.is_gone(now_s, skew_s):
        return False
    if lease.position.generation != fence.generation or lease.position.sequence < fence.sequence:
        return True
    return key in lease.held


def latest_expiry_s(now_s: float, skew_s: float) -> float:
    """No lease ends later that was given until `now_s` by a clock which is right but for `skew_s`."""
    return now_s + LEASE_S + skew_s


class LeaseBook(Protocol):
    """Every worker's lease. Every method raises StoreUnavailableError."""

    async def position(self, key: str = "", epoch: int = NO_EPOCH) -> Position:
        """Where the feed stands: the last change of this key, of every other one what the feed was told.

        epoch   if given, the change that made this epoch is enough: the caller has just written it
        """

    async def renew_lease(self, lease: Lease) -> bool:
        """Grant it, unless a move has gone on without this worker: then it must catch up first.

        A renewal that a later one has overtaken changes nothing, and none brings the expiry nearer.
        """

    async def end_lease(self, worker: str) -> None:
        """The worker lets nothing through any more, and nothing that it sent is still running."""

    async def leases(self) -> Sequence[Lease]:
        """All leases, those included that are over."""

    async def in_the_way(self, key: str, fence: Position, now_s: float, skew_s: float) -> Sequence[Lease]:
        """The leases that a move must wait for.

        None left: in the same transaction leases are from now on granted only to workers that are at
        `fence` or beyond, so that no late renewal lets a write through.
        """
