"""Appends to the feed in Redis, beats its heart, and begins a new generation when Redis lost it."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lookup import feed_event
from lookup.feed_event import FeedEvent
from lookup.moves import Position
from lookup.outbox import FeedLostError
from lookup.redis_clients import RedisSettings, open_client, port_errors
from lookup.redis_feed_scripts import (
    APPEND,
    BEAT,
    BEGIN,
    COMPLETE,
    COVER,
    FeedNames,
    read_position,
    run_script,
)

_LOST: Final = -1
_INCOMPLETE: Final = -2
_APPEND_AT_ONCE: Final = 200
_COMPLETE_WITHIN_S: Final = 60.0


@dataclass(frozen=True, slots=True)
class FeedKeeping:
    """How much of the feed is kept: events of the last `keep_s`, at most `keep_events`.

    operations_s   for how long a repeated operation is known to be one
    """

    keep_s: float = 7 * 86_400.0
    keep_events: int = 1_000_000
    operations_s: float = 3600.0


class RedisPublisher:
    """Implements outbox.Publisher. Built inside the running loop."""

    def __init__(
        self, settings: RedisSettings, names: FeedNames | None = None, keeping: FeedKeeping | None = None
    ) -> None:
        self._client = open_client(settings)
        self._names = names or FeedNames()
        self._keeping = keeping or FeedKeeping()
        self._generation = ""
        self._begun = ""
        self._places = asyncio.Semaphore(settings.connections)  # who finds no connection free, waits for one

    async def publish(self, events: Sequence[FeedEvent]) -> None:
        """Append in this order what was not appended before. Raises FeedLostError, StoreUnavailableError."""
        keeping = self._keeping
        bounds = [str(keeping.keep_s), str(keeping.keep_events), str(keeping.operations_s)]
        for start in range(0, len(events), _APPEND_AT_ONCE):
            spelled = [part for event in events[start : start + _APPEND_AT_ONCE] for part in _spell(event)]
            await self._change(APPEND, ["events", "operations"], [*bounds, *spelled])

    async def beat(self) -> None:
        """Tell followers that everything which was committed is in the feed."""
        await self._change(BEAT, ["beats"], [])

    async def cover_since(self, time_s: float) -> None:
        """Moves up to this time (Unix seconds) may be missing from the feed."""
        await self._change(COVER, [], [repr(time_s)])

    async def position(self) -> Position:
        """Where the feed stands. Raises FeedLostError, also while a new generation is not complete."""
        async with self._places:
            found = await read_position(self._client, self._names)
        if not found.is_complete:
            raise FeedLostError("the feed's new generation is not complete")
        return Position(found.generation, found.sequence)

    async def begin(self, covers_since_s: float) -> bool:
        """Begin a new generation; False when another relay did. Its older moves must be published, then
        `complete` be called; until then it has no heartbeat."""
        generation = secrets.token_hex(8)
        arguments = [generation, repr(covers_since_s), str(_COMPLETE_WITHIN_S), self._begun]
        if await run_script(self._client, BEGIN, [self._names.head], arguments) != 1:
            self._generation = ""
            return False
        self._generation = self._begun = generation
        return True

    async def complete(self) -> None:
        """The generation that was begun holds every move since its `covers_since_s`."""
        await self._change(COMPLETE, [], [], renew=False)

    async def abandon(self) -> None:
        """Let the feed count as lost, so that a relay begins a new generation from what the truth says."""
        with port_errors():
            await self._client.hset(self._names.head, "run_id", "")

    async def close(self) -> None:
        """End the connections."""
        await self._client.aclose()

    async def _change(
        self, script: str, kinds: Sequence[str], arguments: list[str], *, renew: bool = True
    ) -> None:
        async with self._places:
            await self._change_now(script, kinds, arguments, renew)

    async def _change_now(self, script: str, kinds: Sequence[str], arguments: list[str], renew: bool) -> None:
        for attempt in range(2):
            if not self._generation:
                self._generation = (await read_position(self._client, self._names)).generation
            names = [self._names.head, *map(self._name, kinds)]
            outcome = await run_script(self._client, script, names, [self._generation, *arguments])
            if outcome == _INCOMPLETE:
                raise FeedLostError("the feed's new generation is not complete")
            if outcome != _LOST:
                return
            self._generation = ""
            if attempt or not renew:
                raise FeedLostError("the feed in Redis was lost or replaced")

    def _name(self, kind: str) -> str:
        return f"{self._names.head.removesuffix('head')}{self._generation}:{kind}"


def _spell(event: FeedEvent) -> tuple[str, str, str]:
    moved_at_s = event.moved_at_s
    return event.operation, feed_event.encode(event), "" if moved_at_s is None else repr(moved_at_s)
