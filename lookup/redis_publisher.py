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
    EVICTION,
    FeedNames,
    read_position,
    run_script,
)

_LOST: Final = -1
_INCOMPLETE: Final = -2
_APPEND_AT_ONCE: Final = 200
_GO_ON_WITHIN_S: Final = 5.0
"""A relay that completes a generation and adds nothing to it for so long is taken to have died."""


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
        self._settings = settings
        self._client = open_client(settings)
        self._names = names or FeedNames()
        self._keeping = keeping or FeedKeeping()
        self._generation = ""
        self._asked = ""  # a generation that may be begun: nobody answered
        self._begun = ""
        self._is_completing = False
        self._places = asyncio.Semaphore(settings.connections)  # who finds no connection free, waits for one

    @property
    def begun(self) -> str:
        """The generation that this one began last."""
        return self._begun

    async def redial(self) -> None:
        """Use no connection again that was made before: it may lead to a Redis that another one replaced."""
        former, self._client = self._client, open_client(self._settings)
        self._generation = ""
        await former.aclose()

    async def publish(self, events: Sequence[FeedEvent]) -> str:
        """outbox.Publisher.publish. Raises FeedLostError, StoreUnavailableError."""
        keeping = self._keeping
        bounds = [str(keeping.keep_s), str(keeping.keep_events), str(keeping.operations_s)]
        bounds.append(str(int(self._is_completing)))
        told_in: set[str] = set()
        for start in range(0, len(events), _APPEND_AT_ONCE):
            spelled = [part for event in events[start : start + _APPEND_AT_ONCE] for part in _spell(event)]
            told_in.add(await self._change(APPEND, ["events", "operations"], [*bounds, *spelled]))
        if len(told_in) > 1:
            raise FeedLostError("the feed was begun anew meanwhile")
        return next(iter(told_in), "")

    async def beat(self) -> None:
        """Tell followers that everything which was committed is in the feed."""
        await self._change(BEAT, ["beats"], [])

    async def cover_since(self, time_s: float) -> str:
        """outbox.Publisher.cover_since."""
        return await self._change(COVER, [], [repr(time_s)])

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
        self._is_completing = False
        generation = self._asked = self._asked or secrets.token_hex(8)
        arguments = [generation, repr(covers_since_s), str(_GO_ON_WITHIN_S), self._begun]
        is_begun = await self._run(BEGIN, [self._names.head], arguments) == 1
        self._asked = ""
        self._is_completing = is_begun
        self._generation = generation if is_begun else ""
        self._begun = generation if is_begun else self._begun
        return is_begun

    async def complete(self) -> None:
        """The generation that was begun, and no other, holds every move since its `covers_since_s`."""
        if await self._run(COMPLETE, [self._names.head], [self._begun]) == _LOST:
            raise FeedLostError("the feed's new generation was lost or replaced before it was complete")
        self._is_completing = False

    async def danger(self) -> str:
        """outbox.GenerationPublisher.danger."""
        answer = await self._run(EVICTION, [self._names.head], [])
        policy = answer.decode() if isinstance(answer, bytes) else ""
        if not policy.startswith("allkeys-"):
            return ""
        return (
            f"Redis may evict the change feed: its maxmemory-policy is {policy}. Each time edges confirm "
            "every write with the store until the feed is rebuilt. Set it to volatile-lru, which evicts "
            "entries of the cache but never the feed, or name a Redis that evicts nothing"
        )

    async def abandon(self) -> None:
        """Let the feed count as lost, so that a relay begins a new generation from what the truth says."""
        with port_errors():
            await self._client.hset(self._names.head, "run_id", "")

    async def close(self) -> None:
        """End the connections."""
        await self._client.aclose()

    async def _change(self, script: str, kinds: Sequence[str], arguments: list[str]) -> str:
        async with self._places:
            return await self._change_now(script, kinds, arguments)

    async def _change_now(self, script: str, kinds: Sequence[str], arguments: list[str]) -> str:
        for _ in range(2):
            if not self._generation:
                self._generation = (await read_position(self._client, self._names)).generation
            generation = self._generation
            names = [self._names.head, *(self._name(generation, kind) for kind in kinds)]
            outcome = await self._run(script, names, [generation, *arguments])
            if outcome == _INCOMPLETE:
                raise FeedLostError("the feed's new generation is not complete")
            if outcome != _LOST:
                return generation
            self._generation = ""
        raise FeedLostError("the feed in Redis was lost or replaced")

    async def _run(self, script: str, names: list[str], arguments: list[str]) -> object:
        return await run_script(self._client, script, names, arguments)

    def _name(self, generation: str, kind: str) -> str:
        return f"{self._names.head.removesuffix('head')}{generation}:{kind}"


def _spell(event: FeedEvent) -> tuple[str, str, str]:
    moved_at_s = event.moved_at_s
    return event.operation, feed_event.encode(event), "" if moved_at_s is None else repr(moved_at_s)
