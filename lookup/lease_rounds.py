"""Looks at the leases for all moves that wait for them: one reading a round, however many wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

from lookup.leases import Lease, LeaseBook
from lookup.moves import Position
from lookup.tasks import take_note

_ROUND_S: Final = 0.025


@dataclass(frozen=True, slots=True)
class Seen:
    """All leases, and where the feed stood before they were read."""

    position: Position
    leases: Sequence[Lease]


class LeaseRounds:
    """For one event loop. `pause` waits for some seconds."""

    def __init__(self, book: LeaseBook, pause: Callable[[float], Awaitable[None]]) -> None:
        self._book = book
        self._pause = pause
        self._round: asyncio.Future[Seen] | None = None

    async def next(self) -> Seen:
        """What the next round finds. Raises StoreUnavailableError."""
        if self._round is None or self._round.done():
            self._round = asyncio.ensure_future(self._look())
            self._round.add_done_callback(take_note)
        return await asyncio.shield(self._round)

    async def _look(self) -> Seen:
        await self._pause(_ROUND_S)
        position = await self._book.position()
        return Seen(position, await self._book.leases())
