"""Which keys moved, as lines of JSON: read, folded and written once for all who ask together, in short turns.

After an evacuation there are a million moves, and every edge that comes back asks for them at the same time.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

from lookup.chunks import chunks
from lookup.ports import ChangeFeed, KeyMove
from lookup.service.forms import history_head_form, moves_form
from lookup.tasks import end_tasks, take_note

LINES_TYPE: Final = "application/jsonl"
LINE_MOVES: Final = 1000
_LOOKED_AT_ONCE: Final = 1000

Lines: TypeAlias = Sequence[bytes]


class Histories:
    """For one event loop."""

    def __init__(self, feed: ChangeFeed) -> None:
        self._feed = feed
        self._since_s = 0.0
        self._reading: asyncio.Task[Lines] | None = None
        self._next: asyncio.Task[Lines] | None = None

    async def lines(self, since_s: float) -> Lines:
        """The head and the moves after `since_s`, perhaps some earlier ones, of a reading that begins now or
        later: whoever asks while one is under way shares the next one. Raises StoreUnavailableError."""
        if self._next is None:
            self._since_s = since_s
            self._next = asyncio.get_running_loop().create_task(self._read_after(self._reading))
            self._next.add_done_callback(take_note)
        self._since_s = min(self._since_s, since_s)
        return await asyncio.shield(self._next)

    async def close(self) -> None:
        """End the readings; who waits for one is cancelled."""
        await end_tasks([task for task in (self._next, self._reading) if task is not None])

    async def _read_after(self, former: asyncio.Task[Lines] | None) -> Lines:
        if former is not None:
            await asyncio.wait((former,))
        self._reading, self._next = self._next, None
        try:
            history = await self._feed.history(self._since_s)
            return await _written(history.covers_since_s, history.moves)
        finally:
            self._reading = None


async def _written(covers_since_s: float, moves: Sequence[KeyMove]) -> Lines:
    folded = await _folded(moves)
    lines = [_line(history_head_form(covers_since_s, len(folded)))]
    for some in chunks(folded, LINE_MOVES):
        lines.append(_line(moves_form(some)))
        await asyncio.sleep(0)
    return lines


async def _folded(moves: Iterable[KeyMove]) -> list[KeyMove]:
    """Of a key's moves away from one cell the latest, in their order: what lookup.moved would keep of all.

    The others stay: an old claim may name any cell that the key has left.
    """
    latest: dict[tuple[str, str], KeyMove] = {}
    for some in chunks(moves, _LOOKED_AT_ONCE):
        for move in some:
            name = (move.key, move.left_cell)
            former = latest.get(name)
            if former is None:
                latest[name] = move
            elif move.epoch > former.epoch:
                del latest[name]
                latest[name] = move
        await asyncio.sleep(0)
    return list(latest.values())


def _line(form: object) -> bytes:
    return json.dumps(form, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"
