"""What the relay needs of a truth that can't write to the feed itself, and of the feed it writes to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from lookup.feed_event import FeedEvent
from lookup.moves import Position
from lookup.ports import StoreUnavailableError


class FeedLostError(StoreUnavailableError):
    """There is no feed, or one of a server that may have missed events: a new generation must begin."""


class FeedNotBegunError(FeedLostError):
    """Nobody who keeps a feed has run on this truth yet."""

    def __init__(self) -> None:
        super().__init__(
            "this store's change feed has not begun yet: the first edge or lookup service that runs begins it"
        )


@dataclass(frozen=True, slots=True)
class Intent:
    """That somebody was about to write this, and did not say how it ended.

    noted_at_s   Unix seconds, by the writer's clock
    """

    event: FeedEvent
    noted_at_s: float


class Outbox(Protocol):
    """The truth's own list of writes under way. Every method raises StoreUnavailableError."""

    async def pending(self, now_s: float) -> Sequence[Intent]:
        """Every intent that was noted and not finished; `now_s` is Unix seconds."""

    async def present(self, event: FeedEvent, *, surely: bool) -> FeedEvent | None:
        """What the truth holds of the event's key or cell, if it is as new as the event or newer.

        `surely`: also a write on its way is then decided, so that None means that it will never be.
        """

    async def finish(self, intent: Intent, published: FeedEvent | None) -> None:
        """The intent is done: this is in the feed because of it, or None: it came to nothing."""

    def moves_since(self, since_s: float) -> AsyncIterator[FeedEvent]:
        """The published moves after that time (Unix seconds), perhaps some earlier ones."""

    async def covers_since_s(self) -> float:
        """Unix seconds: `moves_since` can't tell moves up to then."""


class Publisher(Protocol):
    """The feed's writing side. Every method raises FeedLostError, or StoreUnavailableError."""

    async def publish(self, events: Sequence[FeedEvent]) -> str:
        """Append in this order what was not appended before; the generation that has all of them, "" where
        there were none."""

    async def cover_since(self, time_s: float) -> str:
        """Moves up to this time (Unix seconds) may be missing from the feed; the generation that says so."""

    async def position(self) -> Position:
        """Where the feed stands: what was published before is at or before it."""


class GenerationPublisher(Publisher, Protocol):
    """The part of it that relays use."""

    async def beat(self) -> None:
        """Tell followers that everything which was committed is in the feed."""

    async def begin(self, covers_since_s: float) -> bool:
        """Begin a new generation, unless another relay does."""

    async def complete(self) -> None:
        """The generation that was begun holds all moves since then."""

    async def danger(self) -> str:
        """Why the feed may be lost where it is kept, and the mend; "": nothing is known against it."""
