"""The truth in Cassandra. Each write goes: intent, compare-and-set, feed, intent done.

A writer that dies in between leaves its intent, and lookup.relay finishes it. A write of which Cassandra did
not say how it ended is looked up by its operation id, never guessed.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Final, Self
from uuid import UUID, uuid4

from lookup.aliases import check_alias, may_be_alias
from lookup.assignment import NO_EPOCH, Alias, Assignment, State, check_epoch
from lookup.chunks import chunks
from lookup.feed_event import FeedEvent
from lookup.flags import Flag, FlagRecord
from lookup.key_mark import NO_CELL
from lookup.outbox import FeedNotBegunError, Intent, Publisher
from lookup.ports import EpochConflictError, StoreUnavailableError
from lookup.stores.cassandra_aliases import Aliases, insist_on_home
from lookup.stores.cassandra_flags import FlagRow, Flags
from lookup.stores.cassandra_generation import GenerationRow
from lookup.stores.cassandra_homes import HomeRow, Homes
from lookup.stores.cassandra_outbox import OutboxTables
from lookup.stores.cassandra_owners import agree_on_owners, check_keyspace
from lookup.stores.cassandra_past import Past
from lookup.stores.cassandra_schema import read_status
from lookup.stores.cassandra_session import CassandraSession
from lookup.stores.cassandra_settings import CassandraSettings
from lookup.tasks import gather_all

_log: Final = logging.getLogger(__name__)

_FLAG_ATTEMPTS: Final = 10
_WRITE_ATTEMPTS: Final = 3
_LOAD_AT_ONCE: Final = 4096


class CassandraStore:
    """Implements ports.Store and outbox.Outbox. Made by `open`; used by one event loop."""

    def __init__(
        self, session: CassandraSession, settings: CassandraSettings, publisher: Publisher | None
    ) -> None:
        self._session = session
        self._publisher = publisher
        self._told_of_beginning = False
        self._told: dict[str, tuple[int, str]] = {}
        self._hashed_keys = settings.hashed_keys
        self._clock_skew_s = settings.clock_skew_s
        self._homes = Homes(session, settings)
        self._flags = Flags(session, settings)
        self._aliases = Aliases(session, settings)
        self._outbox = OutboxTables(session, settings)
        self._past = Past(session, settings)
        self.generation: Final = GenerationRow(session, settings)

    @classmethod
    def at(cls, settings: CassandraSettings, publisher: Publisher | None) -> Self:
        """The store, not asked yet: it connects when first used, and tries again when that fails.

        `publisher` brings each change to the feed at once; without one, or when it fails, a relay does.
        """
        session = CassandraSession(settings, lambda new: store._greet(new, settings))
        store = cls(session, settings, publisher)
        return store

    @classmethod
    async def open(cls, settings: CassandraSettings, publisher: Publisher | None) -> Self:
        """As `at`, and connected. Raises StoreUnusableError, with the mend, or StoreUnavailableError."""
        store = cls.at(settings, publisher)
        try:
            await store._session.connected()
        except BaseException:
            await store.close()
            raise
        return store

    async def _greet(self, session: CassandraSession, settings: CassandraSettings) -> None:
        (await read_status(session, settings)).check(settings.keyspace)
        await check_keyspace(session, settings)
        await agree_on_owners(session, settings)
        await session.prepare(self._statements())

    def _statements(self) -> list[str]:
        parts = (self._homes, self._outbox, self._past, self.generation)
        return [statement for part in parts for statement in part.statements()]

    async def read(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        """ports.Store.read, at LOCAL_QUORUM."""
        self._check_keys(keys)
        return await self._aliases.follow(keys, self._homes.read, surely=False)

    async def confirm(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        """ports.Store.confirm: each key's record as the datacentre that decides its writes has it."""
        self._check_keys(keys)
        return await self._aliases.follow(keys, self._homes.confirm_all, surely=True)

    async def compare_and_set(self, new: Assignment, expected_epoch: int) -> None:
        """ports.Store.compare_and_set.

        Raises ValueError when the new epoch is not higher, or the time of the change is missing.
        """
        check_epoch(new, expected_epoch)
        self._check_keys((new.key,))
        former = await self._homes.read_row(new.key)
        if _epoch(former) != expected_epoch:
            former = await self._homes.confirm(new.key, _record(former))
            if _epoch(former) != expected_epoch:
                raise EpochConflictError(new.key, expected_epoch, _record(former))
        if former is None and may_be_alias(new.key):
            named = (await self.read([new.key])).get(new.key)
            if named is not None:
                raise EpochConflictError(new.key, expected_epoch, named)
        await self._await_handover(former)
        operation = uuid4()
        intent = await self._intend(new, former, operation)
        if not await self._decide(new, former, operation):
            await self._outbox.finish(intent, None)
            present = await self._homes.confirm(new.key, _record(former))
            if _epoch(present) == expected_epoch:
                raise StoreUnavailableError(f"the relay has ended the write of epoch {new.epoch}; try again")
            raise EpochConflictError(new.key, expected_epoch, _record(present))
        told_in = await self._announce(intent)
        if new.state is State.MOVING:
            self._told[new.key] = (new.epoch, told_in)

    async def load(self, assignments: Iterable[Assignment]) -> int:
        """ports.Store.load; repeating it after an interruption completes it. Needs the feed when there are
        records that have moved: it must first know that its history lacks them."""
        loaded = 0
        for records in chunks(assignments, _LOAD_AT_ONCE):
            self._check_keys([record.key for record in records])
            moved_at_s = max((record.updated_at_s for record in records if record.epoch > 1), default=0.0)
            moved_at_s = min(moved_at_s, time.time() + self._clock_skew_s)
            if moved_at_s:
                await self._outbox.cover_since(moved_at_s)
                if self._publisher is not None:
                    await self._publisher.cover_since(moved_at_s)
            loaded += await self._homes.insert_new(records)
        return loaded

    async def count_by_cell(self) -> Mapping[str, int]:
        """ports.Store.count_by_cell; reads the whole table."""
        counts = await self._homes.count_by_cell()
        return {cell: users for cell, users in counts.items() if cell != NO_CELL}

    async def flags(self) -> Mapping[str, FlagRecord]:
        """ports.Store.flags."""
        return await self._flags.read_all()

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
        """ports.Store.set_flag."""
        for _ in range(_FLAG_ATTEMPTS):
            present = await self._flags.confirm(cell)
            version = 1 if present is None else present.record.version + 1
            record = FlagRecord(cell, flag, version, reason, author, now_s, expires_at_s)
            operation = uuid4()
            intent = await self._outbox.note(FeedEvent(operation.hex, flag=record))
            if await self._decide_flag(record, present, operation):
                await self._announce(intent)
                return record
            await self._outbox.finish(intent, None)
        raise StoreUnavailableError(f"the flag of {cell} is being changed by too many at once; try again")

    # AliasBook

    async def alias(self, key: str) -> Alias | None:
        """AliasBook.alias: as it is decided."""
        row = await self._aliases.confirm(key)
        return None if row is None or row.alias.epoch == 0 else row.alias

    async def set_alias(self, new: Alias, expected_epoch: int) -> None:
        """AliasBook.set_alias. That a key is placed, and named by another one, at the same time can't be
        excluded: a reading takes one step, from the alias to a home, so that it then finds no home."""
        check_alias(new.key, new.home)
        check_epoch(new, expected_epoch)
        self._check_keys([key for key in (new.key, new.home) if key])
        if new.home:
            insist_on_home(new, await self.read([new.key, new.home]))
        former = await self._aliases.confirm(new.key)
        present = NO_EPOCH if former is None or former.alias.epoch == 0 else former.alias.epoch
        if present != expected_epoch:
            raise EpochConflictError(new.key, expected_epoch, None)
        operation = uuid4()
        intent = await self._outbox.note(FeedEvent(operation.hex, alias=new))
        if not await self._aliases.decide(new, former, operation):
            await self._outbox.finish(intent, None)
            raise EpochConflictError(new.key, expected_epoch, None)
        await self._announce(intent)

    async def close(self) -> None:
        """ports.Store.close."""
        await self._session.close()

    # outbox.Outbox

    async def pending(self, now_s: float) -> Sequence[Intent]:
        """outbox.Outbox.pending."""
        return await self._outbox.pending(now_s)

    async def present(self, event: FeedEvent, *, surely: bool) -> FeedEvent | None:
        """outbox.Outbox.present. Of a first placement that may be decided yet nobody needs to hear: no cache
        holds an older record; so a key without a record is not fenced."""
        if event.flag is not None:
            return await self._present_flag(event.operation, event.flag, surely)
        if event.alias is not None:
            return await self._aliases.present(event.operation, event.alias, surely=surely)
        assert event.assignment is not None
        key, epoch = event.assignment.key, event.assignment.epoch
        row = await self._homes.read_row(key)
        if surely and _epoch(row) < epoch:
            row = await self._homes.confirm(key, _record(row))
            if row is not None and row.record.epoch < epoch and not await self._homes.fence(row):
                raise StoreUnavailableError("a record is being changed just now")
        if row is None or row.record.epoch < epoch:
            return None
        return FeedEvent(event.operation, assignment=row.record, left_cell=row.left_cell)

    async def finish(self, intent: Intent, published: FeedEvent | None) -> None:
        """outbox.Outbox.finish."""
        await self._outbox.finish(intent, published)

    def moves_since(self, since_s: float) -> AsyncIterator[FeedEvent]:
        """outbox.Outbox.moves_since."""
        return self._outbox.moves_since(since_s)

    async def covers_since_s(self) -> float:
        """outbox.Outbox.covers_since_s."""
        return await self._outbox.covers_since_s()

    async def _present_flag(self, operation: str, noted: FlagRecord, surely: bool) -> FeedEvent | None:
        held = await self._flags.confirm(noted.cell)
        if held is not None and held.record.version >= noted.version:
            return FeedEvent(operation, flag=held.record)
        if surely and not await self._flags.fence(noted.cell, held):
            raise StoreUnavailableError(f"the flag of {noted.cell} is being changed just now")
        return None

    async def _await_handover(self, former: HomeRow | None) -> None:
        wait_s = self._homes.handover_wait_s(former, time.time())
        if wait_s > 2 * self._clock_skew_s:
            raise StoreUnavailableError(
                f"a record was written {wait_s - self._clock_skew_s:.0f} s in the future of this machine; "
                "set the clocks right, of Cassandra's nodes and of this machine"
            )
        if wait_s > 0:
            await asyncio.sleep(wait_s)

    async def _intend(self, new: Assignment, former: HomeRow | None, operation: UUID) -> Intent:
        """Before the write: that it is about to happen, and what it replaces."""
        left_cell = "" if former is None else former.record.cell
        noting = self._outbox.note(FeedEvent(operation.hex, assignment=new, left_cell=left_cell))
        if former is None:
            return await noting
        intent, _ = await gather_all((noting, self._past.note(former.record)))
        assert intent is not None
        return intent

    async def _decide(self, new: Assignment, former: HomeRow | None, operation: UUID) -> bool:
        """Whether this operation is in the truth. Raises StoreUnavailableError when that can't be told: then
        it may yet be decided, so its intent stays, and the relay settles it."""
        for attempt in range(_WRITE_ATTEMPTS):
            try:
                if await self._homes.change(new, former, operation, again=attempt > 0):
                    return True
            except StoreUnavailableError as failure:
                _log.warning("a write did not say how it ended, looking it up: %s", failure)
            row = await self._homes.confirm(new.key, _record(former))
            if row is not None and operation in row.operations:
                return True
            if row != former:
                return False
        raise StoreUnavailableError(f"Cassandra did not decide the write of epoch {new.epoch}; try again")

    async def _decide_flag(self, record: FlagRecord, former: FlagRow | None, operation: UUID) -> bool:
        for _ in range(_WRITE_ATTEMPTS):
            try:
                if await self._flags.change(record, former, operation):
                    return True
            except StoreUnavailableError as failure:
                _log.warning("a write did not say how it ended, looking it up: %s", failure)
            present = await self._flags.confirm(record.cell)
            if present is not None and present.operation == operation:
                return True
            if present != former:
                return False
        raise StoreUnavailableError(f"Cassandra did not decide the flag of {record.cell}; try again")

    async def _announce(self, intent: Intent) -> str:
        """What is committed is committed: when the feed can't be reached now, a relay tells it later.

        Returns the generation of the feed that was told, "" when none was.
        """
        told_in = ""
        if self._publisher is None:
            return told_in
        try:
            told_in = await self._publisher.publish([intent.event])
            await self._outbox.finish(intent, intent.event)
        except FeedNotBegunError as failure:
            if not self._told_of_beginning:
                _log.warning("the change is stored; %s", failure)
            self._told_of_beginning = True
        except StoreUnavailableError as failure:
            _log.warning("the change is stored, an edge or lookup service tells it later: %s", failure)
        return told_in

    def _check_keys(self, keys: Sequence[str]) -> None:
        if self._hashed_keys:
            for key in keys:
                if ":#" not in key:
                    raise ValueError(
                        f"this store holds hashed keys only, not {key.partition(':')[0]} keys as they are"
                    )


def _record(row: HomeRow | None) -> Assignment | None:
    return None if row is None else row.record


def _epoch(row: HomeRow | None) -> int:
    return NO_EPOCH if row is None else row.record.epoch
