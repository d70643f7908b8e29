"""The log of moves in Cassandra: every change of a move is a compare-and-set on what it was before.

All edges decide in one place, the datacentre that decides first placements (or all together), so that no two
drivers can hold one move wherever they run. Times are the drivers' own: one whose clock is ahead may take a
move over that much too early, and the one before then finds its next change refused.

What this program wrote of a move that it holds it does not read again before the next change: when others
have changed it meanwhile, the compare-and-set says so, and only then it is looked up.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, replace
from typing import Final
from uuid import UUID, uuid4

from lookup.assignment import Assignment
from lookup.move_log import MoveInProgressError, MoveTakenError
from lookup.moves import Event, Move, MoveOrder, Position, advanced, intended
from lookup.ports import StoreUnavailableError
from lookup.stores.cassandra_cluster import confirming, deciding_again
from lookup.stores.cassandra_move_form import read, spell
from lookup.stores.cassandra_move_lists import MoveLists
from lookup.stores.cassandra_session import CassandraSession, Row
from lookup.stores.cassandra_settings import CassandraSettings

_log: Final = logging.getLogger(__name__)

_ATTEMPTS: Final = 10
_WRITE_ATTEMPTS: Final = 3


@dataclass(frozen=True, slots=True)
class _Noted:
    """A move, and the name of its last change."""

    move: Move
    token: UUID


class Moves:
    """Statements about tables `move` and `move_key`."""

    def __init__(self, session: CassandraSession, settings: CassandraSettings) -> None:
        self._session = session
        self._lists = MoveLists(session, settings)
        owner = None if settings.owners is None else settings.owners.placing
        self._deciding, self._confirming = deciding_again(owner), confirming(owner)
        keys, table = f"{settings.keyspace}.move_key", f"{settings.keyspace}.move"
        self._claim = f"INSERT INTO {keys} (operation, key) VALUES (?, ?) IF NOT EXISTS"
        self._key_of = f"SELECT key FROM {keys} WHERE operation = ?"
        self._one = f"SELECT log, change FROM {table} WHERE key = ? AND operation = ?"
        self._of_key = f"SELECT log, change FROM {table} WHERE key = ?"
        self._held: dict[str, _Noted] = {}
        self._begin = (
            f"BEGIN BATCH UPDATE {table} SET open_operation = ? WHERE key = ? IF open_operation = null; "
            f"INSERT INTO {table} (key, operation, log, change) VALUES (?, ?, ?, ?) IF NOT EXISTS; "
            "APPLY BATCH"
        )
        change = f"UPDATE {table} SET log = ?, change = ? WHERE key = ? AND operation = ? IF change = ?"
        self._change = change
        self._end = f"BEGIN BATCH {change}; DELETE open_operation FROM {table} WHERE key = ?; APPLY BATCH"

    async def note(
        self, order: MoveOrder, record: Assignment, now_s: float, holder: str, held_until_s: float
    ) -> Move:
        """MoveLog.note_move."""
        owner_key, is_new = await self._claim_operation(order)
        if owner_key != order.key:
            elsewhere = await self._find_of(owner_key, order.operation)
            if elsewhere is None:
                raise StoreUnavailableError(
                    f"operation {order.operation} was begun for another key; use another operation id"
                )
            return elsewhere.move
        move = intended(order, record, now_s, holder, held_until_s)
        for attempt in range(_ATTEMPTS):
            if attempt or not is_new:
                noted = {known.order.operation: known for known in await self._moves_of(order.key)}
                if order.operation in noted:
                    return noted[order.operation]
                for known in noted.values():
                    if not known.is_over:
                        if attempt:
                            await self._lists.drop(move)
                        raise MoveInProgressError(known)
            await self._lists.add(move)
            if await self._write(move, None):
                return move
        raise StoreUnavailableError(
            f"the moves of {order.key} are being changed by too many at once; try again"
        )

    async def find(self, operation: str) -> Move | None:
        """MoveLog.move."""
        noted = await self._find(operation)
        return None if noted is None else noted.move

    async def listed(self, open_only: bool, limit: int, after: Move | None) -> list[Move]:
        """MoveLog.moves."""
        return await self._lists.listed(open_only, limit, after)

    async def of_key(self, key: str) -> list[Move]:
        """MoveLog.moves_of."""
        found = await self._moves_of(key)
        return sorted(found, key=lambda move: (-move.begun_at_s, move.order.operation))

    async def noted_under(self, bulk: str) -> int:
        """MoveLog.noted_under."""
        return await self._lists.count_under(f"{bulk}/")

    async def hold(self, operation: str, holder: str, now_s: float, until_s: float, steal: bool) -> Move:
        """MoveLog.hold_move."""
        for _ in range(_ATTEMPTS):
            noted = self._held_by(holder, operation) or await self._find(operation)
            if noted is None:
                raise MoveTakenError(operation, "")
            move = noted.move
            if move.is_over:
                return move
            if not (steal or move.holder in ("", holder) or move.held_until_s <= now_s):
                raise MoveTakenError(operation, move.holder)
            held = replace(move, holder=holder, held_until_s=until_s)
            if await self._write(held, noted):
                return held
        raise _contended(operation)

    async def begin_attempt(self, move: Move, holder: str) -> Move:
        """MoveLog.begin_attempt."""
        for _ in range(_ATTEMPTS):
            noted = await self._find_as(move, holder)
            begun = replace(noted.move, attempt=noted.move.attempt + 1)
            if await self._write(begun, noted):
                return begun
        raise _contended(move.order.operation)

    async def release(self, operation: str, holder: str, detail: str) -> None:
        """MoveLog.release_move."""
        for _ in range(_ATTEMPTS):
            noted = self._held_by(holder, operation) or await self._find(operation)
            if noted is None or noted.move.holder != holder:
                return
            if await self._write(replace(noted.move, holder="", held_until_s=0.0, detail=detail), noted):
                return
        raise _contended(operation)

    async def advance(
        self, move: Move, event: Event, holder: str, now_s: float, detail: str, fence: Position | None
    ) -> Move:
        """MoveLog.advance_move."""
        for _ in range(_ATTEMPTS):
            noted = await self._find_as(move, holder)
            after = advanced(noted.move, event, now_s, detail, fence)
            if await self._write(after, noted):
                if after.is_over:
                    await self._lists.close(after)
                return after
        raise _contended(move.order.operation)

    async def _claim_operation(self, order: MoveOrder) -> tuple[str, bool]:
        """The key that this operation is of, for ever: this one's, unless it is another's already. And
        whether that was decided now, so that nobody has noted its move before."""
        for _ in range(_WRITE_ATTEMPTS):
            try:
                values = (order.operation, order.key)
                claimed = await self._session.ask(self._claim, values, self._deciding)
                if claimed[0][0]:
                    return order.key, True
            except StoreUnavailableError as failure:
                _log.warning("a claim of an operation did not say how it ended, looking it up: %s", failure)
            key = await self._key(order.operation)
            if key is not None:
                return key, False
        raise _contended(order.operation)

    async def _key(self, operation: str) -> str | None:
        rows = await self._session.ask(self._key_of, (operation,), self._confirming)
        return rows[0][0] if rows else None

    async def _find(self, operation: str) -> _Noted | None:
        key = await self._key(operation)
        return None if key is None else await self._find_of(key, operation)

    async def _find_as(self, move: Move, holder: str) -> _Noted:
        """Raises MoveTakenError when its step or holder is another."""
        key, operation = move.order.key, move.order.operation
        noted = self._held_by(holder, operation)
        if noted is None or noted.move.step != move.step:
            noted = await self._find_of(key, operation)
        if noted is None or (noted.move.step, noted.move.holder) != (move.step, holder):
            raise MoveTakenError(operation, noted.move.holder if noted else "")
        return noted

    def _held_by(self, holder: str, operation: str) -> _Noted | None:
        """What this program wrote last of a move that was then held under that name."""
        noted = self._held.get(operation)
        return noted if noted is not None and noted.move.holder == holder else None

    async def _find_of(self, key: str, operation: str) -> _Noted | None:
        rows = await self._session.ask(self._one, (key, operation), self._confirming)
        return _noted(rows[0]) if rows else None

    async def _moves_of(self, key: str) -> list[Move]:
        rows = await self._session.ask(self._of_key, (key,), self._confirming)
        return [noted.move for row in rows if (noted := _noted(row)) is not None]

    async def _write(self, move: Move, former: _Noted | None) -> bool:
        """Put the move in place of `former`; False: that is not what is there. Raises StoreUnavailableError
        when that can't be told: the change may yet be made."""
        token = uuid4()
        self._held.pop(move.order.operation, None)
        is_written = await self._decide(move, former, token)
        if is_written and move.holder:
            self._held[move.order.operation] = _Noted(move, token)
        return is_written

    async def _decide(self, move: Move, former: _Noted | None, token: UUID) -> bool:
        """Whether the change of that name is made. What Cassandra did not say is looked up."""
        for _ in range(_WRITE_ATTEMPTS):
            try:
                if await self._try_write(move, former, token):
                    return True
            except StoreUnavailableError as failure:
                _log.warning("a change of a move did not say how it ended, looking it up: %s", failure)
            present = await self._find_of(move.order.key, move.order.operation)
            if present is not None and present.token == token:
                return True
            if present != former or former is None:
                return False
        raise StoreUnavailableError(
            f"Cassandra did not decide a change of move {move.order.operation}; try again"
        )

    async def _try_write(self, move: Move, former: _Noted | None, token: UUID) -> bool:
        key, operation, log = move.order.key, move.order.operation, spell(move)
        values: tuple[object, ...]
        if former is None:
            statement, values = self._begin, (operation, key, key, operation, log, token)
        elif move.is_over and not former.move.is_over:
            statement, values = self._end, (log, token, key, operation, former.token, key)
        else:
            statement, values = self._change, (log, token, key, operation, former.token)
        rows = await self._session.ask(statement, values, self._deciding, key.encode())
        return bool(rows[0][0])


def _noted(row: Row) -> _Noted | None:
    """None: the row holds no more than which move of the key is open."""
    log, token = row
    return None if log is None else _Noted(read(log), token)


def _contended(operation: str) -> StoreUnavailableError:
    return StoreUnavailableError(f"move {operation} is being changed by too many at once; try again")
