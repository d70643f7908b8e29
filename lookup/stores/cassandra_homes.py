"""The home records in Cassandra: read by replica set, changed by compare-and-set, loaded, counted."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID, uuid4

from lookup import feed_event
from lookup.assignment import NO_EPOCH, Assignment, State
from lookup.feed_event import FeedEvent
from lookup.ports import StoreUnavailableError
from lookup.stores.cassandra_cluster import READ, confirming, deciding, deciding_again
from lookup.stores.cassandra_session import CassandraSession, Row
from lookup.stores.cassandra_settings import CassandraSettings
from lookup.tasks import gather_all

_OPERATIONS_KEPT: Final = 8
_LOAD_TIMESTAMP_BITS: Final = 48
"""Microseconds since 1970 of a loaded record: 1978 at the latest, so that every decided write is newer."""

_LOADED_TOGETHER: Final = 10
"""Records per request; Cassandra warns of more."""

_SCAN_PARTS: Final = 16
_SCANS_AT_ONCE: Final = 4
_FIRST_TOKEN: Final = -(2**63)
_TOKENS: Final = 2**64


@dataclass(frozen=True, slots=True)
class HomeRow:
    """A record with what only this store keeps.

    left_cell     where the key lived before
    operations    the last writes' names, newest first
    operation     the write that made the record; None: loaded in bulk, or by a program of schema version 1
    decided_by    datacentre that decided it, "" for all together, None as above
    written_at_s  Unix seconds by the node that decided the last write
    """

    record: Assignment
    left_cell: str
    operations: tuple[UUID, ...]
    operation: UUID | None
    decided_by: str | None
    written_at_s: float


class Homes:
    """Statements about table `home`."""

    def __init__(self, session: CassandraSession, settings: CassandraSettings) -> None:
        self._session = session
        self._owners = settings.owners
        self._keys_at_once = settings.keys_at_once
        self._clock_skew_s = settings.clock_skew_s
        table = f"{settings.keyspace}.home"
        columns = "key, cell, jurisdiction, epoch, state, moved_to, updated_at_s"
        self._read = f"SELECT {columns} FROM {table} WHERE key IN ?"
        self._read_row = (
            f"SELECT {columns}, left_cell, operations, operation, decided_by, WRITETIME(operations) "
            f"FROM {table} WHERE key = ?"
        )
        self._scan = f"SELECT cell FROM {table} WHERE token(key) >= ? AND token(key) <= ?"
        every = f"{columns}, left_cell, operations"
        self._place = (
            f"INSERT INTO {table} ({every}, operation, decided_by) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) IF NOT EXISTS"
        )
        self._load = f"INSERT INTO {table} ({every}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?"
        self._change = (
            f"UPDATE {table} SET cell = ?, jurisdiction = ?, epoch = ?, state = ?, moved_to = ?, "
            "updated_at_s = ?, left_cell = ?, operations = ?, operation = ?, decided_by = ? WHERE key = ? "
            "IF epoch = ? AND operations = ?"
        )
        self._fence = f"UPDATE {table} SET operations = ? WHERE key = ? IF epoch = ? AND operations = ?"

    def statements(self) -> list[str]:
        """All that are used often."""
        return [self._read, self._read_row, self._place, self._change, self._load]

    async def read(self, keys: Sequence[str]) -> dict[str, Assignment]:
        """The records of those keys that have one; one request per replica set and `keys_at_once`."""
        answers = await gather_all(
            self._session.ask(self._read, (together,), READ, together[0].encode())
            for together in self._by_replicas(keys, self._keys_at_once)
        )
        return {row[0]: _record(row) for answer in answers for row in answer}

    async def read_row(self, key: str) -> HomeRow | None:
        """What a quorum knows; a write that was decided just now may be missing."""
        return _only(await self._session.ask(self._read_row, (key,), READ))

    async def confirm(self, key: str, known: Assignment | None) -> HomeRow | None:
        """What is decided, writes on their way included: those then either are in it, or never will be.

        known   what was read nearby: it tells which datacentre to ask first. Where another one owns what that
                one says, the record was handed over, and that other one is asked in turn.
        Raises StoreUnavailableError also while a record that was handed over has not arrived there yet.
        """
        row: HomeRow | None = None
        jurisdiction = None if known is None else known.jurisdiction
        epoch = NO_EPOCH if known is None else known.epoch
        asked: str | None = None
        while row is None or self._owner(jurisdiction) != asked:
            asked = self._owner(jurisdiction)
            row = _only(await self._session.ask(self._read_row, (key,), confirming(asked)))
            found = NO_EPOCH if row is None else row.record.epoch
            if found < epoch:
                raise StoreUnavailableError(f"epoch {epoch} has not arrived in datacentre {asked}; try again")
            if row is None:
                return None
            jurisdiction, epoch = row.record.jurisdiction, found
        return row

    async def read_surely(self, key: str) -> HomeRow | None:
        """`confirm`, where nothing is known yet."""
        known = await self.read_row(key)
        return await self.confirm(key, None if known is None else known.record)

    async def confirm_all(self, keys: Sequence[str]) -> dict[str, Assignment]:
        """`confirm` for many; each is a request of its own."""
        known: dict[str, Assignment] = {}
        if self._owners is not None and len(self._owners.datacentres()) > 1:
            known = await self.read(keys)
        rows = await gather_all(self.confirm(key, known.get(key)) for key in keys)
        return {row.record.key: row.record for row in rows if row is not None}

    def handover_wait_s(self, former: HomeRow | None, now_s: float) -> float:
        """How long a change of the record must wait now (Unix seconds)."""
        if former is None:
            return 0.0
        return handover_wait_s(former, self._owner(former.record.jurisdiction), now_s, self._clock_skew_s)

    async def change(
        self, new: Assignment, former: HomeRow | None, operation: UUID, *, again: bool = False
    ) -> bool:
        """Compare-and-set on `former`, decided where its record is owned. False: refused.

        `again`: the attempt before did not say how it ended.
        """
        names = _remembering(operation, former)
        owner = self._owner(None if former is None else former.record.jurisdiction)
        left_cell = "" if former is None else former.record.cell
        fields = (
            new.cell,
            new.jurisdiction,
            new.epoch,
            int(new.state),
            new.moved_to,
            new.updated_at_s,
            left_cell,
            names,
            operation,
            owner or "",
        )
        profile = deciding_again(owner) if again else deciding(owner)
        if former is None:
            rows = await self._session.ask(self._place, (new.key, *fields), profile)
        else:
            condition = (new.key, former.record.epoch, list(former.operations))
            rows = await self._session.ask(self._change, (*fields, *condition), profile)
        return bool(rows[0][0])

    async def fence(self, present: HomeRow) -> bool:
        """See to it that no write that was begun before is decided from now on. False: the row has changed,
        or was handed over just now.

        A request that waits in a frozen node, or a writer that was stopped, may come back at any time.
        """
        if self.handover_wait_s(present, time.time()) > 0:
            return False
        record = present.record
        values = (
            _remembering(uuid4(), present),
            record.key,
            record.epoch,
            list(present.operations),
        )
        profile = deciding(self._owner(record.jurisdiction))
        rows = await self._session.ask(self._fence, values, profile)
        return bool(rows[0][0])

    async def insert_new(self, records: Sequence[Assignment]) -> int:
        """Insert those whose key has no record; returns how many. Never overwrites a decided write: it is
        older than all of them. Of several loads of one key one wins whole, by a timestamp of its content."""
        new = {record.key: record for record in records}
        for key in await self.read(list(new)):
            del new[key]
        await asyncio.gather(
            *(
                self._session.write_together(self._load, [_loading(new[key]) for key in together])
                for together in self._by_replicas(list(new), _LOADED_TOGETHER)
            )
        )
        return len(new)

    async def count_by_cell(self) -> dict[str, int]:
        """Reads the whole table, a part of the ring after the other."""
        counts: Counter[str] = Counter()
        parts = iter(_ring_parts())

        async def count() -> None:
            for part in parts:
                async for page in self._session.scan(self._scan, part):
                    counts.update(row[0] for row in page)

        await asyncio.gather(*(count() for _ in range(_SCANS_AT_ONCE)))
        return dict(counts)

    def _owner(self, jurisdiction: str | None) -> str | None:
        return None if self._owners is None else self._owners.of(jurisdiction)

    def _by_replicas(self, keys: Sequence[str], at_once: int) -> list[list[str]]:
        if len(keys) == 1:
            return [list(keys)]
        sets: dict[frozenset[object], list[str]] = {}
        for key in keys:
            sets.setdefault(self._session.replicas(key.encode()), []).append(key)
        return [some[i : i + at_once] for some in sets.values() for i in range(0, len(some), at_once)]


def handover_wait_s(former: HomeRow, owner: str | None, now_s: float, skew_s: float) -> float:
    """How long `owner` must wait before it changes a record, because another datacentre decided it.

    A change carries its node's time, and the later time wins: by a node whose clock is behind the other one's
    the change would be lost without a word. `skew_s` is the most by which clocks differ.
    """
    if former.decided_by == (owner or ""):
        return 0.0
    return max(0.0, former.written_at_s + skew_s - now_s)


def _remembering(operation: UUID, former: HomeRow | None) -> list[UUID]:
    return [operation, *(() if former is None else former.operations)][:_OPERATIONS_KEPT]


def _record(row: Row) -> Assignment:
    key, cell, jurisdiction, epoch, state, moved_to, updated_at_s = row[:7]
    return Assignment(key, cell, jurisdiction, epoch, State(state), moved_to, updated_at_s)


def _only(rows: list[Row]) -> HomeRow | None:
    if not rows:
        return None
    row = rows[0]
    left_cell, operations, operation, decided_by, written_us = row[7:]
    return HomeRow(
        _record(row), left_cell or "", tuple(operations or ()), operation, decided_by, (written_us or 0) / 1e6
    )


def _loading(record: Assignment) -> tuple[Any, ...]:
    spelled = feed_event.encode(FeedEvent("", assignment=record)).encode()
    digest = int.from_bytes(blake2b(spelled, digest_size=8).digest(), "big")
    timestamp_us = 1 + digest % (1 << _LOAD_TIMESTAMP_BITS)
    return (
        record.key,
        record.cell,
        record.jurisdiction,
        record.epoch,
        int(record.state),
        record.moved_to,
        record.updated_at_s,
        "",
        [],
        timestamp_us,
    )


def _ring_parts() -> Iterator[tuple[int, int]]:
    """The token ring in equal parts, both ends included."""
    step = _TOKENS // _SCAN_PARTS
    for part in range(_SCAN_PARTS):
        first = _FIRST_TOKEN + part * step
        yield first, first + step - 1
