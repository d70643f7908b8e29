"""Tells changes to the feed that counts, and to no other one.

After a failover the former Redis may go on for a while, or for as long as a network is split: connections to
it are still good, and no follower hears what is told there. So the truth notes which generation counts,
before that is rebuilt from what writers noted; and who told a change asks for it, before the intent is
dropped. Whoever finds another generation there has told nobody, dials anew, and tells it again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from math import inf
from time import monotonic
from typing import Final, Protocol

from lookup.feed_event import FeedEvent
from lookup.moves import Position
from lookup.outbox import FeedLostError, FeedNotBegunError
from lookup.ports import StoreUnavailableError
from lookup.redis_publisher import RedisPublisher

_LOOK_EVERY_S: Final = 1.0
_BEGIN_ANEW_S: Final = 30.0
"""A feed to which new connections lead, and that does not count, has then waited long enough for another."""


class PresentGeneration(Protocol):
    """The truth's word on which generation counts. Every method raises StoreUnavailableError."""

    async def begin(self, generation: str) -> None:
        """This one counts from now on: who asks when this has returned is told so."""

    async def read(self) -> str:
        """Which one counts; "" when that was never said."""


class OtherFeedError(StoreUnavailableError):
    """This Redis keeps a feed that does not count any more."""


async def lost_or_not_begun(failure: FeedLostError, present: PresentGeneration) -> FeedLostError:
    """The failure; FeedNotBegunError where the truth says that there never was a feed."""
    with suppress(StoreUnavailableError):
        if not await present.read():
            return FeedNotBegunError()
    return failure


class PresentFeed:
    """Implements outbox.GenerationPublisher upon one that only knows its Redis.

    present    gives the truth's word, once there is a truth to ask
    stopwatch  seconds that never go back
    """

    def __init__(
        self,
        publisher: RedisPublisher,
        present: Callable[[], PresentGeneration],
        stopwatch: Callable[[], float] = monotonic,
    ) -> None:
        self._publisher = publisher
        self._present = present
        self._stopwatch = stopwatch
        self._unnoted = ""
        self._look_due_s = -inf
        self._other_since_s: float | None = None

    async def publish(self, events: Sequence[FeedEvent]) -> str:
        """Publisher.publish."""
        try:
            return await self._counting(await self._publisher.publish(events))
        except OtherFeedError:
            return await self._counting(await self._publisher.publish(events))
        except FeedLostError as failure:
            raise await lost_or_not_begun(failure, self._present()) from failure

    async def cover_since(self, time_s: float) -> str:
        """Publisher.cover_since."""
        try:
            return await self._counting(await self._publisher.cover_since(time_s))
        except OtherFeedError:
            return await self._counting(await self._publisher.cover_since(time_s))

    async def position(self) -> Position:
        """Publisher.position."""
        return await self._publisher.position()

    async def beat(self) -> None:
        """GenerationPublisher.beat; a feed that does not count any more falls silent, so that its followers
        look for the other one. While the truth can't be asked it goes on."""
        try:
            await self._beat()
        except FeedLostError as failure:
            raise await lost_or_not_begun(failure, self._present()) from failure

    async def _beat(self) -> None:
        if self._stopwatch() >= self._look_due_s:
            generation = (await self._publisher.position()).generation
            try:
                await self._counting(generation)
            except (OtherFeedError, FeedLostError):
                raise
            except StoreUnavailableError:
                pass
            self._look_due_s = self._stopwatch() + _LOOK_EVERY_S
        await self._publisher.beat()

    async def begin(self, covers_since_s: float) -> bool:
        """GenerationPublisher.begin."""
        if not await self._publisher.begin(covers_since_s):
            return False
        self._unnoted = self._publisher.begun
        await self._note()
        return True

    async def complete(self) -> None:
        """GenerationPublisher.complete."""
        await self._publisher.complete()

    async def danger(self) -> str:
        """GenerationPublisher.danger."""
        return await self._publisher.danger()

    async def _note(self) -> None:
        await self._present().begin(self._unnoted)
        self._unnoted = ""

    async def _counting(self, generation: str) -> str:
        """The generation, if it is the one that counts; else the next try is by a new connection.

        Raises OtherFeedError; FeedLostError when this one must be begun anew.
        """
        if generation and generation == self._unnoted:
            await self._note()
        present = await self._present().read()
        if present in ("", generation) or not generation:
            self._other_since_s = None
            return generation
        now_s = self._stopwatch()
        self._other_since_s = now_s if self._other_since_s is None else self._other_since_s
        if now_s >= self._other_since_s + _BEGIN_ANEW_S:
            self._other_since_s = None
            await self._publisher.abandon()
            raise FeedLostError("the feed that counts can't be found; it is begun anew here")
        await self._publisher.redial()
        raise OtherFeedError("this Redis keeps a former feed: nobody who follows the present one hears of it")
