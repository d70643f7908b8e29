"""Cassandra as the whole truth: the store together with the log of moves and the book of leases."""

from __future__ import annotations

from collections.abc import Sequence

from lookup.assignment import NO_EPOCH, Assignment
from lookup.feed_event import FeedEvent
from lookup.leases import Lease
from lookup.moves import Event, Move, MoveOrder, Position
from lookup.outbox import Publisher
from lookup.ports import StoreUnusableError
from lookup.scan import AliasPage, Page
from lookup.stores.cassandra import CassandraStore
from lookup.stores.cassandra_leases import Leases
from lookup.stores.cassandra_moves import Moves
from lookup.stores.cassandra_scan import HomeScanner
from lookup.stores.cassandra_session import CassandraSession
from lookup.stores.cassandra_settings import CassandraSettings


class CassandraTruth(CassandraStore):
    """Implements ports.Store, outbox.Outbox, MoveLog and LeaseBook. Made by `open` or `at`, like any
    CassandraStore; for moves and leases it needs the feed's publisher."""

    def __init__(
        self, session: CassandraSession, settings: CassandraSettings, publisher: Publisher | None
    ) -> None:
        super().__init__(session, settings, publisher)
        self._moves = Moves(session, settings)
        self._scanner = HomeScanner(session, settings)
        self._leases = Leases(session, settings, publisher)

    def _statements(self) -> list[str]:
        return [*super()._statements(), *self._leases.statements()]

    async def scan(self, cursor: str, limit: int) -> Page:
        """HomeScan.scan."""
        return await self._scanner.scan(cursor, limit)

    async def scan_aliases(self, cursor: str, limit: int) -> AliasPage:
        """HomeScan.scan_aliases."""
        return await self._scanner.scan_aliases(cursor, limit)

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
        return await self._moves.note(order, record, now_s, holder, held_until_s)

    async def move(self, operation: str) -> Move | None:
        """MoveLog.move."""
        return await self._moves.find(operation)

    async def moves(self, *, open_only: bool, limit: int, after: Move | None = None) -> Sequence[Move]:
        """MoveLog.moves."""
        return await self._moves.listed(open_only, limit, after)

    async def moves_of(self, key: str) -> Sequence[Move]:
        """MoveLog.moves_of."""
        return await self._moves.of_key(key)

    async def noted_under(self, bulk: str) -> int:
        """MoveLog.noted_under; reads the list of all moves."""
        return await self._moves.noted_under(bulk)

    async def hold_move(self, operation: str, holder: str, now_s: float, until_s: float, steal: bool) -> Move:
        """MoveLog.hold_move."""
        return await self._moves.hold(operation, holder, now_s, until_s, steal)

    async def begin_attempt(self, move: Move, holder: str) -> Move:
        """MoveLog.begin_attempt."""
        return await self._moves.begin_attempt(move, holder)

    async def release_move(self, operation: str, holder: str, detail: str) -> None:
        """MoveLog.release_move."""
        await self._moves.release(operation, holder, detail)

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
        return await self._moves.advance(move, event, holder, now_s, detail, fence)

    async def past(self, key: str) -> Sequence[Assignment]:
        """MoveLog.past; records loaded in bulk are remembered from their first change on."""
        records = {record.epoch: record for record in await self._past.of(key)}
        present = await self._homes.read_row(key)
        if present is not None:
            records[present.record.epoch] = present.record
        return [records[epoch] for epoch in sorted(records)]

    # LeaseBook

    async def position(self, key: str = "", epoch: int = NO_EPOCH) -> Position:
        """LeaseBook.position. The key's record is brought to the feed by its own operation id, as its writer
        does: who may have died before, in a datacentre whose outbox is not known here yet. What this program
        has told the feed just now needs neither."""
        if self._publisher is None:
            raise StoreUnusableError("this store was opened without its feed, which moves and leases need")
        told_epoch, told_in = self._told.pop(key, (NO_EPOCH, ""))
        if told_in and told_epoch == epoch:
            position = await self._publisher.position()
            if position.generation == told_in:
                return position
        if key:
            row = await self._homes.read_surely(key)
            if row is not None and row.operation is not None:
                event = FeedEvent(row.operation.hex, assignment=row.record, left_cell=row.left_cell)
                await self._publisher.publish([event])
        return await self._publisher.position()

    async def renew_lease(self, lease: Lease) -> bool:
        """LeaseBook.renew_lease."""
        return await self._leases.renew(lease)

    async def end_lease(self, worker: str) -> None:
        """LeaseBook.end_lease."""
        await self._leases.end(worker)

    async def leases(self) -> Sequence[Lease]:
        """LeaseBook.leases."""
        return await self._leases.all()

    async def in_the_way(self, key: str, fence: Position, now_s: float, skew_s: float) -> Sequence[Lease]:
        """LeaseBook.in_the_way."""
        return await self._leases.in_the_way(key, fence, now_s, skew_s)
