"""Brings to the feed what was decided in the truth, also after a crash in between, and keeps the feed alive.

Several relays may run at once: what one has published the others' attempts don't repeat. Since one is enough,
each asks before every turn whether it is the one.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from random import Random
from typing import Final

from lookup.chunks import chunks
from lookup.feed_event import FeedEvent
from lookup.outage import Outage
from lookup.outbox import FeedLostError, FeedNotBegunError, GenerationPublisher, Intent, Outbox
from lookup.ports import StoreUnavailableError

_log: Final = logging.getLogger(__name__)

TURN_S: Final = 0.25
"""Between two looks into the outbox; each ends with a heartbeat. The port promises one per second."""

SETTLE_S: Final = 60.0
"""An intent older than this whose write isn't in the truth came to nothing. Writers give up much sooner."""

_LONGEST_PAUSE_S: Final = 5.0
_LATELY_S: Final = 6.0
"""Longer than an outbox may take from one full look to the next."""

_DANGER_EVERY_S: Final = 30.0
"""An operator who mended it, or brought it about, sees that so soon."""

_MOST_LOOKS: Final = 64
_REBUILD_AT_ONCE: Final = 500
_FINISHED_AT_ONCE: Final = 32


@dataclass(frozen=True, slots=True)
class Backlog:
    """Writes that may not be in the feed yet: how many, and the age of the oldest in seconds."""

    pending: int
    lag_s: float


@dataclass(frozen=True, slots=True)
class _Look:
    at_s: float
    pending: int
    lag_s: float


class Relay:
    """`run` works until cancelled.

    on_duty    whether this relay is the one that works now; StoreUnavailableError when that can't be told
    finished   intents that this relay brought to their end
    rebuilt    generations that it began
    dangers    why the feed may be lost where it is kept, when that was asked last; "": nothing is known
    """

    def __init__(
        self,
        outbox: Outbox,
        publisher: GenerationPublisher,
        clock: Callable[[], float],
        random: Random,
        keep_s: float = 7 * 86_400.0,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        on_duty: Callable[[], Awaitable[bool]] | None = None,
    ) -> None:
        self.finished = 0
        self.rebuilt = 0
        self.dangers = ""
        self._outbox = outbox
        self._publisher = publisher
        self._clock = clock
        self._random = random
        self._keep_s = keep_s
        self._pause = pause
        self._on_duty = on_duty
        self._failures = 0
        self._outage = Outage(clock)
        self._danger_due_s = -inf
        self._looks: deque[_Look] = deque(maxlen=_MOST_LOOKS)

    async def run(self) -> None:
        """One turn after the other; while they fail, ever more rarely."""
        while True:
            try:
                if self._on_duty is None or await self._on_duty():
                    await self.turn()
                else:
                    self._looks.clear()
                self._failures = 0
                if self._outage.mended():
                    _log.warning("the relay does its work again")
            except StoreUnavailableError as failure:
                if self._outage.failed():
                    _log.warning("the relay could not do its work: %s", failure)
                self._failures = min(self._failures + 1, 30)
            except Exception:  # whatever it is: without a relay no edge believes its feed
                if self._outage.failed():
                    _log.exception("the relay could not do its work")
                self._failures = min(self._failures + 1, 30)
            longest_s = min(_LONGEST_PAUSE_S, TURN_S * 2.0**self._failures)
            await self._pause(longest_s * (1 if not self._failures else 0.5 + self._random.random() / 2))

    async def lag_s(self) -> float:
        """Age of the oldest write that may not be in the feed yet, 0 when there is none. Raises
        StoreUnavailableError."""
        now_s = self._clock()
        return max((now_s - intent.noted_at_s for intent in await self._outbox.pending(now_s)), default=0.0)

    def backlog(self, now_s: float) -> Backlog | None:
        """What was seen in the outbox lately (`now_s` in Unix seconds); None while another relay works.

        Not only by the last look: an outbox may tell of older intents now and then only. And when the outbox
        can't be looked into, whatever waited there is taken to wait on.
        """
        if not self._looks:
            return None
        while len(self._looks) > 1 and self._looks[0].at_s < now_s - _LATELY_S:
            self._looks.popleft()
        last = self._looks[-1]
        unseen_s = now_s - last.at_s if last.pending and now_s - last.at_s > _LATELY_S else 0.0
        pending = max(look.pending for look in self._looks)
        return Backlog(pending, max(look.lag_s for look in self._looks) + unseen_s)

    async def turn(self) -> None:
        """Finish what is pending, then beat. Raises StoreUnavailableError.

        What may cost the feed is told in the log when it is found, and again when the feed was lost.
        """
        try:
            await self._finish_pending()
            await self._publisher.beat()
        except FeedLostError as failure:
            await self._rebuild(is_first=isinstance(failure, FeedNotBegunError))
        if not self._danger_due_s - _DANGER_EVERY_S <= self._clock() < self._danger_due_s:
            await self._look_for_danger()

    async def danger(self) -> str:
        """outbox.GenerationPublisher.danger."""
        return await self._publisher.danger()

    async def _look_for_danger(self) -> None:
        found = await self._publisher.danger()
        if found and found != self.dangers:
            _log.warning("%s", found)
        self.dangers = found
        self._danger_due_s = self._clock() + _DANGER_EVERY_S

    async def _finish_pending(self) -> None:
        """Several at once: the feed does not beat before all are in it, and its outage leaves many. Where
        two are of one key, followers keep the later epoch, whichever comes first."""
        now_s = self._clock()
        intents = await self._outbox.pending(now_s)
        lag_s = max((now_s - intent.noted_at_s for intent in intents), default=0.0)
        self._looks.append(_Look(now_s, len(intents), max(0.0, lag_s)))
        for together in chunks(intents, _FINISHED_AT_ONCE):
            finishing = (self._finish(intent, now_s) for intent in together)
            for outcome in await asyncio.gather(*finishing, return_exceptions=True):
                if isinstance(outcome, BaseException):
                    raise outcome

    async def _finish(self, intent: Intent, now_s: float) -> None:
        is_settled = now_s - intent.noted_at_s > SETTLE_S
        event = await self._outbox.present(intent.event, surely=is_settled)
        if event is not None:
            await self._publisher.publish([event])
        if event is not None or is_settled:
            await self._outbox.finish(intent, event)
            self.finished += 1

    async def _rebuild(self, *, is_first: bool) -> None:
        """Begin a new generation and tell it the moves that credentials may not know yet.

        The outbox is read before the record of what was published: whoever finishes an intent meanwhile adds
        it to the second before it leaves the first, so that none falls in between.
        """
        now_s = self._clock()
        covers_since_s = max(now_s - self._keep_s, await self._outbox.covers_since_s())
        if not await self._publisher.begin(covers_since_s):
            return
        if is_first:
            _log.info("the change feed of this store begins")
        else:
            _log.warning("the change feed was lost: a new generation begins")
        self.dangers, self._danger_due_s = "", -inf
        await self._finish_pending()
        moves: list[FeedEvent] = []
        async for event in self._outbox.moves_since(covers_since_s):
            moves.append(event)
            if len(moves) == _REBUILD_AT_ONCE:
                await self._publisher.publish(moves)
                moves = []
        await self._publisher.publish(moves)
        await self._publisher.complete()
        await self._publisher.beat()
        self.rebuilt += 1
