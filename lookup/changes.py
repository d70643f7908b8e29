"""Follows the change feed for one worker: keeps the resolver and the flags current, notices what was missed.

Whatever breaks continuity (a hole, a trim, another generation, a reconnect that lost changes) makes all of
memory due for re-reading, and history and flags are read again.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from math import inf
from random import Random
from typing import Final

from lookup.fence import Fence
from lookup.flags import FlagRecord
from lookup.moves import Position
from lookup.outage import Outage
from lookup.outbox import FeedNotBegunError
from lookup.ports import Change, ChangeFeed, Store, StoreUnavailableError
from lookup.resolver import Resolver
from lookup.tasks import end_tasks

_log: Final = logging.getLogger(__name__)

FRESH_FOR_S: Final = 3.0
"""After the last event the feed counts as alive for so long; heartbeats come at least every second."""

_FIRST_PAUSE_S: Final = 0.05
_LONGEST_PAUSE_S: Final = 1.0
"""A store that is back must not wait long to be heard: that is when operators flip flags."""

_DOUBT_EVERY_S: Final = 1.0
"""Less than FRESH_FOR_S: so long after an event at most it is known when to doubt."""

_YIELD_EVERY: Final = 128
"""Changes taken in a row before the loop gets its turn."""


class FlagListener:
    """Told of cells' flags, on the loop's thread; does nothing by itself."""

    def replaced(self, flags: Mapping[str, FlagRecord]) -> None:
        """These are all flags there are: at the start and after a gap."""

    def changed(self, record: FlagRecord) -> None:
        """One cell's flag is this now."""


class ChangeFollower:
    """`run` follows until cancelled. Only the loop's thread uses it.

    fresh_as_of_s   Unix seconds of the last event that was taken: for readiness. -inf before the first
    gaps            how often continuity was lost, the start not counted
    fence           of a worker that lets requests through; told what it must know of moves
    stopwatch       seconds that never go back, as the clock may when it is set: an event was taken lately
                    only by both
    """

    def __init__(
        self,
        feed: ChangeFeed,
        store: Store,
        resolver: Resolver,
        flags: FlagListener,
        claim_lifetime_s: float,
        clock: Callable[[], float],
        random: Random,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        fence: Fence | None = None,
        stopwatch: Callable[[], float] = time.perf_counter,
    ) -> None:
        self.fresh_as_of_s: float = -inf
        self.gaps = 0
        self._feed = feed
        self._store = store
        self._resolver = resolver
        self._flags = flags
        self._fence = Fence(0.0) if fence is None else fence
        self._claim_lifetime_s = claim_lifetime_s
        self._clock = clock
        self._random = random
        self._pause = pause
        self._stopwatch = stopwatch
        self._taken_at_s: float = -inf
        self._believed_until_s: float = -inf
        self._generation = ""
        self._sequence = -1
        self._flag_versions: dict[str, int] = {}
        self._failures = 0
        self._outage = Outage(stopwatch)

    @property
    def is_caught_up(self) -> bool:
        """Whether the feed is alive and everything it said was taken."""
        return self._clock() < self.fresh_as_of_s + FRESH_FOR_S and self._silent_for_s() < FRESH_FOR_S

    @property
    def position(self) -> Position | None:
        """Every change up to there is taken; None while the feed is not fresh."""
        if self._sequence < 0 or not self.is_caught_up:
            return None
        return Position(self._generation, self._sequence)

    async def run(self) -> None:
        """Follow, and after a failure follow again, ever more patiently while it keeps failing."""
        doubting = asyncio.create_task(self._doubt())
        try:
            while True:
                try:
                    await self._follow()
                except FeedNotBegunError as failure:
                    if self._outage.failed():
                        _log.warning("%s", failure)
                except StoreUnavailableError as failure:
                    if self._outage.failed():
                        _log.warning("the change feed broke, and is tried again and again: %s", failure)
                except Exception:  # whatever it is: who stops following would never hear of a flag again
                    if self._outage.failed():
                        _log.exception("the change feed could not be followed")
                await self._pause(self._next_pause_s())
        finally:
            await end_tasks([doubting])

    async def _doubt(self) -> None:
        """End the belief in claims when the feed was silent for too long, where the clock was set back and
        would let it last."""
        while True:
            left_s = FRESH_FOR_S - self._silent_for_s()
            if left_s <= 0.0 and self._clock() < self._believed_until_s:
                self._believe_until(self._clock())
            await asyncio.sleep(left_s if left_s > 0.0 else _DOUBT_EVERY_S)

    def _believe_until(self, time_s: float) -> None:
        self._believed_until_s = time_s
        self._resolver.believe_claims_until(time_s)

    def _silent_for_s(self) -> float:
        return self._stopwatch() - self._taken_at_s

    async def _follow(self) -> None:
        async with aclosing(self._feed.follow()) as changes:
            taken = 0
            while True:
                try:
                    async with asyncio.timeout(FRESH_FOR_S):
                        change = await anext(changes)
                except TimeoutError:
                    raise StoreUnavailableError(f"no heartbeat for {FRESH_FOR_S:g} s") from None
                except StopAsyncIteration:
                    return
                await self._take(change)
                taken += 1
                if taken % _YIELD_EVERY == 0:
                    await asyncio.sleep(0)

    async def _take(self, change: Change) -> None:
        expected = self._sequence if change.is_heartbeat else self._sequence + 1
        if change.generation != self._generation or change.sequence != expected:
            await self._resync(change)
        now_s, taken_at_s = self._clock(), self._stopwatch()
        if change.assignment is not None:
            self._resolver.learn_change(change.assignment, change.left_cell, now_s)
            self._fence.changed(change.assignment)
        elif change.flag is not None:
            self._take_flag(change.flag)
        elif change.alias is not None:
            self._resolver.learn_alias(change.alias, now_s)
        else:
            self._resolver.forget_moves_before(now_s - self._claim_lifetime_s)
        self._sequence = change.sequence
        if self._failures:
            self._failures = 0
            if self._outage.mended():
                _log.warning("the change feed is followed again")
        self.fresh_as_of_s = now_s
        self._taken_at_s = taken_at_s
        self._believe_until(now_s + FRESH_FOR_S)

    async def _resync(self, change: Change) -> None:
        """Read what the feed can't tell any more. When that fails, the next attempt begins here again."""
        if self._generation:
            self.gaps += 1
            _log.warning(
                "continuity of the change feed was lost: after %s/%d came %s/%d",
                self._generation,
                self._sequence,
                change.generation,
                change.sequence,
            )
        self._sequence = -1
        self._believed_until_s = -inf
        self._resolver.lose_continuity()
        since_s = self._clock() - self._claim_lifetime_s
        history = await self._feed.history(since_s)
        flags = await self._store.flags()
        for _ in self._resolver.learning_history(history, self._clock()):
            await asyncio.sleep(0)  # after an evacuation it tells of a million moves
        self._resolver.forget_moves_before(since_s)
        self._fence.lose_continuity()  # not earlier: until here writes may have gone by an old copy
        self._flag_versions = {cell: record.version for cell, record in flags.items()}
        self._flags.replaced(flags)
        self._generation = change.generation

    def _take_flag(self, record: FlagRecord) -> None:
        if record.version > self._flag_versions.get(record.cell, 0):
            self._flag_versions[record.cell] = record.version
            self._flags.changed(record)

    def _next_pause_s(self) -> float:
        longest_s = min(_LONGEST_PAUSE_S, _FIRST_PAUSE_S * 2.0**self._failures)
        self._failures = min(self._failures + 1, 30)
        return longest_s * (0.5 + self._random.random() / 2)
