"""Keeps what a worker knows on disk, and gives a new worker what the former ones knew.

What comes from disk is no answer by itself: each tier is asked first, and only when none answers does it
serve safe methods. Once the feed is followed, it is replaced by what the store says.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from heapq import nlargest
from math import inf
from typing import Final

from lookup.assignment import Alias, Assignment
from lookup.flags import FlagRecord
from lookup.memory import Entry, Memory, SecondChance
from lookup.moved import Move, MovedSet, latest_s
from lookup.ports import KeyMove
from lookup.snapshot import (
    Ignored,
    Knowledge,
    KnownAlias,
    KnownHome,
    Reason,
    encode_aliases,
    encode_feed,
    encode_flags,
    encode_homes,
    encode_moves,
    seal,
)
from lookup.snapshot_file import SnapshotFiles, read_snapshot

_log: Final = logging.getLogger(__name__)

_FIRST_S: Final = 5.0
"""The first snapshot of a worker does not wait for a long interval."""


class WarmStart:
    """Of one worker; only its loop's thread uses it.

    origin   names the store: a snapshot of another one is not used
    entries  most homes in the snapshot: those used lately, then those read lately
    """

    def __init__(
        self, files: SnapshotFiles, origin: str, memory: Memory, moved: MovedSet, entries: int
    ) -> None:
        self._files = files
        self._origin = origin
        self._memory = memory
        self._moved = moved
        self._entries = entries
        self._written_as_of_s: float = -inf
        self._failure = ""

    async def restore(self, now_s: float) -> Knowledge | None:
        """Give memory and moved-set what the snapshots know; the latest of them, None when there is none.

        Whatever is wrong with a file is logged and the file is left alone. `now_s` is Unix seconds.
        """
        found: list[Knowledge] = []
        for path in await asyncio.to_thread(self._files.all):
            read = await asyncio.to_thread(read_snapshot, path, self._origin)
            if isinstance(read, Knowledge) and read.as_of_s > latest_s(now_s):
                read = Ignored(Reason.YET_TO_COME)
            if isinstance(read, Knowledge):
                found.append(read)
            elif read.reason is not Reason.MISSING:
                _log.warning("%s: not used, as it is %s", path, _told(read))
        if not found:
            return None
        latest = max(found, key=lambda knowledge: knowledge.as_of_s)
        restore_moves(self._moved, latest, now_s)
        for knowledge in found:
            restore_homes(self._memory, self._moved, knowledge.homes, now_s)
            restore_aliases(self._memory, self._moved, knowledge.aliases, now_s)
        self._written_as_of_s = latest.as_of_s
        return latest

    async def keep(
        self,
        interval_s: float,
        as_of_s: Callable[[], float],
        flags: Callable[[], Iterable[FlagRecord]],
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Write regularly until cancelled. `as_of_s` is when the feed was last heard (-inf: never)."""
        await pause(min(_FIRST_S, interval_s))
        while True:
            try:
                await self.write(as_of_s(), flags())
            except Exception:  # whatever is wrong with a snapshot, requests go on
                _log.exception("%s: no snapshot could be made", self._files.own)
            await pause(interval_s)

    async def write(self, as_of_s: float, flags: Iterable[FlagRecord]) -> bool:
        """Write what is known now; whether that was done. Without news from the feed the file stays.

        A disk that is full, or gone, is logged once, and tried again the next time.
        """
        if as_of_s in (-inf, self._written_as_of_s):
            return False
        moved = self._moved
        parts = [
            encode_feed(self._origin, as_of_s, moved.covers_since_s, moved.left_at_s),
            encode_flags(flags),
        ]
        parts.append(await asyncio.to_thread(_encode_moves, moved.known()))
        parts += await self._encode_all(self._memory.known, _encode_homes)
        parts += await self._encode_all(self._memory.aliases, _encode_aliases)
        try:
            await asyncio.to_thread(lambda: self._files.write(seal(b"".join(parts))))
        except OSError as error:
            self._failed(error)
            return False
        self._failure = ""
        self._written_as_of_s = as_of_s
        return True

    async def _encode_all(
        self, cache: SecondChance, encode: Callable[[Iterable[Entry]], bytes]
    ) -> list[bytes]:
        """The hot ones of each part of the cache."""
        most = max(1, self._entries // cache.parts)
        parts: list[bytes] = []
        for number in range(cache.parts):
            entries = cache.part(number)
            if entries:
                parts.append(await asyncio.to_thread(_encode_hot, entries, most, encode))
        return parts

    def _failed(self, error: OSError) -> None:
        failure = error.strerror or str(error)
        if failure != self._failure:
            _log.warning("%s: no snapshot can be written: %s", self._files.own, failure)
        self._failure = failure


def restore_moves(moved: MovedSet, knowledge: Knowledge, now_s: float) -> None:
    """The moved-set as it was; no claim is believed by it until the feed is followed again."""
    moved.restart(knowledge.covers_since_s)
    for cell, at_s in knowledge.left_at_s.items():
        moved.note_left(cell, at_s)
    for move in knowledge.moves:
        moved.note(move.key, move.epoch, move.moved_at_s, move.left_cell)
    moved.fresh_until_s = min(knowledge.as_of_s, now_s)


def restore_homes(memory: Memory, moved: MovedSet, homes: Iterable[KnownHome], now_s: float) -> None:
    """The homes that may still be used some time: not too old, and not known to have changed since."""
    oldest_s = now_s - memory.lifetimes.hard_stale_s
    for key, cell, jurisdiction, epoch, state, read_at_s in homes:
        if read_at_s > oldest_s and epoch >= moved.epoch_of(key):
            memory.restore(Assignment(key, cell, jurisdiction, epoch, state), min(read_at_s, now_s))


def restore_aliases(memory: Memory, moved: MovedSet, aliases: Iterable[KnownAlias], now_s: float) -> None:
    """The names that may still be used some time, as `restore_homes`."""
    oldest_s = now_s - memory.lifetimes.hard_stale_s
    for key, home, epoch, read_at_s in aliases:
        if read_at_s > oldest_s and epoch >= moved.alias_epoch_of(key):
            memory.restore_alias(Alias(key, home, epoch), min(read_at_s, now_s))


def told_moves(known: Mapping[str, Move]) -> list[KeyMove]:
    """Those by which another moved-set comes to know the same."""
    moves: list[KeyMove] = []
    for key, move in known.items():
        moves += [KeyMove(key, move.epoch - 1, at_s, cell) for cell, at_s in move.earlier]
        moves.append(KeyMove(key, move.epoch, move.moved_at_s, move.left_cell))
    return moves


def _encode_moves(known: Mapping[str, Move]) -> bytes:
    return encode_moves(told_moves(known))


def _encode_hot(entries: list[Entry], most: int, encode: Callable[[Iterable[Entry]], bytes]) -> bytes:
    if len(entries) <= most:
        return encode(entries)
    return encode(nlargest(most, entries, key=lambda entry: (entry.referenced, entry.loaded_at_s)))


def _encode_homes(entries: Iterable[Entry]) -> bytes:
    return encode_homes(
        [KnownHome(e.key, e.cell, e.jurisdiction, e.epoch, e.state, e.read_at_s) for e in entries]
    )


def _encode_aliases(entries: Iterable[Entry]) -> bytes:
    return encode_aliases([KnownAlias(e.key, e.cell, e.epoch, e.read_at_s) for e in entries])


def _told(ignored: Ignored) -> str:
    return f"{ignored.reason} ({ignored.detail})" if ignored.detail else str(ignored.reason)
