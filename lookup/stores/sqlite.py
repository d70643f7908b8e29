"""The embedded store: the truth and its change feed in one SQLite file, which several processes may share."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Final, Self, TypeVar

from lookup.aliases import check_alias
from lookup.assignment import NO_EPOCH, Alias, Assignment, check_epoch
from lookup.chunks import chunks
from lookup.flags import Flag, FlagRecord
from lookup.leases import Lease, latest_expiry_s
from lookup.moves import Event, Move, MoveOrder, Position
from lookup.ports import Change, History, KeyMove
from lookup.scan import AliasPage, Page
from lookup.stores import (
    sqlite_aliases,
    sqlite_anew,
    sqlite_counts,
    sqlite_feed,
    sqlite_leases,
    sqlite_mending,
    sqlite_moves,
    sqlite_records,
    sqlite_scan,
)
from lookup.stores.sqlite_feed import FeedBounds
from lookup.stores.sqlite_file import open_file, port_errors
from lookup.stores.sqlite_following import Following
from lookup.stores.sqlite_thread import SqliteThread

T = TypeVar("T")

_LOAD_AT_ONCE: Final = 10_000
"""Records per transaction of a bulk load; other processes can write in between."""


class SqliteStore:
    """Implements ports.Store, ChangeFeed, AliasBook, MoveLog and LeaseBook. By `open`; for one event loop.

    Writes have a thread and a connection, readings another: a write waits for the disk, or for another
    process's, and what is read never waits with it.
    """

    def __init__(self, path: Path, create: bool, feed_bounds: FeedBounds) -> None:
        self._path = path
        self._feed_bounds = feed_bounds
        self._writer = SqliteThread(f"{path.name} writes", lambda: _opened(path, create))
        self._reader = SqliteThread(f"{path.name} reads", lambda: _opened_for_reading(path))
        self._following = Following(path, self._reader, self._leave_file)

    @classmethod
    async def open(cls, path: Path, *, create: bool = False, feed_bounds: FeedBounds | None = None) -> Self:
        """Open the file, with `create` also one that is missing or empty.

        Raises StoreUnusableError, which names the path and the mend, or StoreUnavailableError when busy.
        """
        store = cls(path, create, feed_bounds or FeedBounds())
        try:
            await store._beside_writes(lambda _: None)
            await store._read(lambda _: None)
        except BaseException:
            await store.close()
            raise
        return store

    async def read(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        """ports.Store.read: few statements, however many keys."""
        return await self._read(lambda connection: sqlite_records.read_homes(connection, keys))

    async def confirm(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        """ports.Store.confirm: every reading of the file sees what was committed before."""
        return await self.read(keys)

    async def compare_and_set(self, new: Assignment, expected_epoch: int) -> None:
        """ports.Store.compare_and_set: record and feed event in one transaction.

        Raises ValueError when the new epoch is not higher, or the time of the change is missing.
        """
        check_epoch(new, expected_epoch)
        await self._write(
            lambda connection: sqlite_records.write_home(connection, new, expected_epoch, self._feed_bounds)
        )

    async def load(self, assignments: Iterable[Assignment]) -> int:
        """ports.Store.load, in several transactions: repeating it after an interruption completes it."""
        loaded = 0
        for records in chunks(assignments, _LOAD_AT_ONCE):
            loaded += await self._write(_inserting(records, self._feed_bounds))
        return loaded

    async def scan(self, cursor: str, limit: int) -> Page:
        """HomeScan.scan."""
        return await self._read(lambda connection: sqlite_scan.scan(connection, cursor, limit))

    async def scan_aliases(self, cursor: str, limit: int) -> AliasPage:
        """HomeScan.scan_aliases."""
        return await self._read(lambda connection: sqlite_scan.scan_aliases(connection, cursor, limit))

    async def begin_anew(self, now_s: float) -> None:
        """BackupStore.begin_anew."""
        await self._write(lambda connection: sqlite_anew.begin_anew(connection, now_s))

    async def mend(self) -> Sequence[str]:
        """BackupStore.mend."""
        return await self._beside_writes(
            lambda connection: sqlite_mending.mend(connection, self._feed_bounds)
        )

    async def count_by_cell(self) -> Mapping[str, int]:
        """ports.Store.count_by_cell, kept with each write."""
        return await self._read(sqlite_counts.count_by_cell)

    async def flags(self) -> Mapping[str, FlagRecord]:
        """ports.Store.flags."""
        return await self._read(sqlite_records.read_flags)

    async def set_flag(
        self,
        cell: str,
        flag: Flag,
        *,
        reason: str,
        author: str,
        now_s: float,
        expires_at_s: float | None = None,
    ) -> FlagRecord:
        """ports.Store.set_flag: record and feed event in one transaction."""
        return await self._write(
            lambda connection: sqlite_records.write_flag(
                connection, cell, flag, reason, author, now_s, expires_at_s, self._feed_bounds
            )
        )

    async def follow(self) -> AsyncGenerator[Change, None]:
        """ports.ChangeFeed.follow; sees other processes' changes within a few looks (25 ms each)."""
        async with aclosing(self._following.follow()) as changes:
            async for change in changes:
                yield change

    async def history(self, since_s: float) -> History:
        """ports.ChangeFeed.history; others are answered between its pages."""
        moves: list[KeyMove] = []
        page = sqlite_feed.MovesPage((), 0)
        while (after := page.next_sequence) is not None:
            page = await self._read(partial(sqlite_feed.moves_after, since_s=since_s, sequence=after))
            moves += page.moves
        covers_since_s = await self._read(sqlite_feed.covers_since_s)  # knows what was trimmed meanwhile
        return History(max(since_s, covers_since_s), moves)

    # AliasBook

    async def alias(self, key: str) -> Alias | None:
        """AliasBook.alias."""
        return await self._read(lambda connection: sqlite_aliases.find(connection, key))

    async def set_alias(self, new: Alias, expected_epoch: int) -> None:
        """AliasBook.set_alias. Raises ValueError when the new epoch is not higher, or the time is missing."""
        check_alias(new.key, new.home)
        check_epoch(new, expected_epoch)
        await self._write(
            lambda connection: sqlite_aliases.write(connection, new, expected_epoch, self._feed_bounds)
        )

    # MoveLog

    async def note_move(
        self,
        order: MoveOrder,
        record: Assignment,
        now_s: float,
        holder: str = "",
        held_until_s: float = 0.0,
    ) -> Move:
        """MoveLog.note_move."""
        return await self._write(
            lambda connection: sqlite_moves.note(connection, order, record, now_s, holder, held_until_s)
        )

    async def move(self, operation: str) -> Move | None:
        """MoveLog.move."""
        return await self._read(lambda connection: sqlite_moves.find(connection, operation))

    async def moves(self, *, open_only: bool, limit: int, after: Move | None = None) -> Sequence[Move]:
        """MoveLog.moves."""
        return await self._read(lambda connection: sqlite_moves.listed(connection, open_only, limit, after))

    async def moves_of(self, key: str) -> Sequence[Move]:
        """MoveLog.moves_of."""
        return await self._read(lambda connection: sqlite_moves.of_key(connection, key))

    async def noted_under(self, bulk: str) -> int:
        """MoveLog.noted_under."""
        return await self._read(lambda connection: sqlite_moves.noted_under(connection, bulk))

    async def hold_move(self, operation: str, holder: str, now_s: float, until_s: float, steal: bool) -> Move:
        """MoveLog.hold_move."""
        return await self._write(
            lambda connection: sqlite_moves.hold(connection, operation, holder, now_s, until_s, steal)
        )

    async def begin_attempt(self, move: Move, holder: str) -> Move:
        """MoveLog.begin_attempt."""
        return await self._write(lambda connection: sqlite_moves.begin_attempt(connection, move, holder))

    async def release_move(self, operation: str, holder: str, detail: str) -> None:
        """MoveLog.release_move."""
        await self._write(lambda connection: sqlite_moves.release(connection, operation, holder, detail))

    async def advance_move(
        self,
        move: Move,
        event: Event,
        holder: str,
        now_s: float,
        detail: str = "",
        fence: Position | None = None,
    ) -> Move:
        """MoveLog.advance_move."""
        return await self._write(
            lambda connection: sqlite_moves.advance(connection, move, event, holder, now_s, detail, fence)
        )

    async def past(self, key: str) -> Sequence[Assignment]:
        """MoveLog.past; records loaded in bulk are remembered from their first change on."""
        return await self._read(lambda connection: sqlite_moves.past(connection, key))

    # LeaseBook

    async def position(self, key: str = "", epoch: int = NO_EPOCH) -> Position:  # noqa: ARG002
        """LeaseBook.position; each change is in the feed at once."""
        return await self._read(sqlite_leases.position)

    async def renew_lease(self, lease: Lease) -> bool:
        """LeaseBook.renew_lease."""
        return await self._write(lambda connection: sqlite_leases.renew(connection, lease))

    async def end_lease(self, worker: str) -> None:
        """LeaseBook.end_lease."""
        await self._write(lambda connection: sqlite_leases.end(connection, worker))

    async def leases(self) -> Sequence[Lease]:
        """LeaseBook.leases."""
        return await self._read(sqlite_leases.leases)

    async def in_the_way(self, key: str, fence: Position, now_s: float, skew_s: float) -> Sequence[Lease]:
        """LeaseBook.in_the_way; writes only when none is left, or one ends later than any that is right."""
        found = await self._read(
            lambda connection: sqlite_leases.in_the_way(connection, key, fence, now_s, skew_s)
        )
        if any(lease.expires_at_s > latest_expiry_s(now_s, skew_s) for lease in found):
            await self._write(lambda connection: sqlite_leases.cap(connection, now_s, skew_s))
        return found or await self._write(
            lambda connection: sqlite_leases.pass_by(connection, key, fence, now_s, skew_s)
        )

    async def close(self) -> None:
        """ports.Store.close; followers get StoreUnavailableError."""
        self._following.end()
        await asyncio.gather(self._reader.close(), self._writer.close())

    async def _beside_writes(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Where writes are, with no transaction around it."""
        with port_errors(self._path):
            return await self._writer.run(job)

    async def _read(self, job: Callable[[sqlite3.Connection], T]) -> T:
        with port_errors(self._path):
            return await self._reader.run(job)

    async def _write(self, job: Callable[[sqlite3.Connection], T]) -> T:
        with port_errors(self._path):
            return await self._writer.run_write(job)

    def _leave_file(self) -> None:
        """On the reading thread: leave the file, which another one may have replaced."""
        self._reader.disconnect()
        self._writer.post_if_open(self._writer.disconnect)


def _opened(path: Path, create: bool) -> sqlite3.Connection:
    connection = open_file(path, create)
    try:
        with port_errors(path):
            sqlite_counts.keep_counts(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _opened_for_reading(path: Path) -> sqlite3.Connection:
    connection = open_file(path, create=False)
    connection.execute("PRAGMA query_only = ON")
    return connection


def _inserting(records: Sequence[Assignment], bounds: FeedBounds) -> Callable[[sqlite3.Connection], int]:
    return lambda connection: sqlite_records.insert_new(connection, records, bounds)
