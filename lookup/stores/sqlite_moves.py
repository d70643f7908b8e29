"""The embedded store's log of moves: each function one transaction on the given connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from lookup.assignment import Assignment, State
from lookup.move_log import MoveInProgressError, MoveTakenError
from lookup.moves import Event, Move, MoveOrder, Position, Step, advanced, intended
from lookup.stores.sqlite_file import writing

_COLUMNS: Final = (
    "operation, key, target, copy_hook, verify_hook, author, reason, source, jurisdiction, epoch, step, "
    "begun_at_s, changed_at_s, detail, holder, held_until_s, fence_generation, fence_sequence, attempt"
)
_IS_OPEN: Final = "step NOT IN ('done', 'aborted')"
"""As the index of the schema says it."""


def note(
    connection: sqlite3.Connection,
    order: MoveOrder,
    record: Assignment,
    now_s: float,
    holder: str,
    held_until_s: float,
) -> Move:
    """MoveLog.note_move."""
    with writing(connection):
        known = find(connection, order.operation)
        if known is not None:
            return known
        rows = _select(connection, f"key = ? AND {_IS_OPEN}", (order.key,))
        if rows:
            raise MoveInProgressError(rows[0])
        move = intended(order, record, now_s, holder, held_until_s)
        connection.execute(
            f"INSERT INTO move ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            _row(move),
        )
    return move


def find(connection: sqlite3.Connection, operation: str) -> Move | None:
    """The move of this operation id."""
    return next(iter(_select(connection, "operation = ?", (operation,))), None)


def listed(connection: sqlite3.Connection, open_only: bool, limit: int, after: Move | None) -> list[Move]:
    """MoveLog.moves."""
    is_wanted = _IS_OPEN if open_only else "1"
    if after is None:
        return _select(connection, is_wanted, (), limit)
    at_s = after.begun_at_s
    is_after = "begun_at_s <= ? AND (begun_at_s < ? OR operation > ?)"
    return _select(connection, f"{is_wanted} AND {is_after}", (at_s, at_s, after.order.operation), limit)


def of_key(connection: sqlite3.Connection, key: str) -> list[Move]:
    """One key's moves, the one noted last first."""
    return _select(connection, "key = ?", (key,))


def noted_under(connection: sqlite3.Connection, bulk: str) -> int:
    """MoveLog.noted_under."""
    found: int = connection.execute(
        "SELECT count(*) FROM move WHERE operation >= ? || '/' AND operation < ? || '0'", (bulk, bulk)
    ).fetchone()[0]
    return found


def hold(
    connection: sqlite3.Connection, operation: str, holder: str, now_s: float, until_s: float, steal: bool
) -> Move:
    """MoveLog.hold_move."""
    with writing(connection):
        connection.execute(
            "UPDATE move SET holder = ?, held_until_s = ? "
            f"WHERE operation = ? AND {_IS_OPEN} AND (? OR holder IN ('', ?) OR held_until_s <= ?)",
            (holder, until_s, operation, steal, holder, now_s),
        )
        move = find(connection, operation)
        if move is None or not (move.is_over or move.holder == holder):
            raise MoveTakenError(operation, move.holder if move else "")
    return move


def begin_attempt(connection: sqlite3.Connection, move: Move, holder: str) -> Move:
    """MoveLog.begin_attempt."""
    with writing(connection):
        connection.execute(
            "UPDATE move SET attempt = attempt + 1 WHERE operation = ? AND step = ? AND holder = ?",
            (move.order.operation, move.step.value, holder),
        )
        return _changed(connection, move)


def release(connection: sqlite3.Connection, operation: str, holder: str, detail: str) -> None:
    """MoveLog.release_move."""
    with writing(connection):
        connection.execute(
            "UPDATE move SET holder = '', held_until_s = 0, detail = ? WHERE operation = ? AND holder = ?",
            (detail, operation, holder),
        )


def advance(
    connection: sqlite3.Connection,
    move: Move,
    event: Event,
    holder: str,
    now_s: float,
    detail: str,
    fence: Position | None,
) -> Move:
    """MoveLog.advance_move."""
    after = advanced(move, event, now_s, detail, fence)
    fence = after.fence
    with writing(connection):
        connection.execute(
            "UPDATE move SET step = ?, changed_at_s = ?, detail = ?, "
            "fence_generation = ?, fence_sequence = ?, "
            "holder = CASE WHEN ? THEN '' ELSE holder END, "
            "held_until_s = CASE WHEN ? THEN 0 ELSE held_until_s END "
            "WHERE operation = ? AND step = ? AND holder = ?",
            (
                after.step.value,
                now_s,
                detail,
                fence.generation if fence else None,
                fence.sequence if fence else None,
                after.is_over,
                after.is_over,
                move.order.operation,
                move.step.value,
                holder,
            ),
        )
        return _changed(connection, move)


def past(connection: sqlite3.Connection, key: str) -> list[Assignment]:
    """MoveLog.past: what writes have left behind, and what the record is now."""
    rows = connection.execute(
        "SELECT key, cell, jurisdiction, epoch, state, moved_to, updated_at_s FROM past WHERE key = ? "
        "UNION SELECT key, cell, jurisdiction, epoch, state, moved_to, updated_at_s FROM home WHERE key = ? "
        "ORDER BY epoch",
        (key, key),
    )
    return [
        Assignment(key, cell, jurisdiction, epoch, State(state), moved_to, updated_at_s)
        for key, cell, jurisdiction, epoch, state, moved_to, updated_at_s in rows
    ]


def _changed(connection: sqlite3.Connection, move: Move) -> Move:
    """The move after the statement before. Raises MoveTakenError when that changed none."""
    count = connection.execute("SELECT changes()").fetchone()[0]
    current = find(connection, move.order.operation)
    if count != 1 or current is None:
        raise MoveTakenError(move.order.operation, current.holder if current else "")
    return current


def _select(
    connection: sqlite3.Connection, condition: str, parameters: Sequence[str | float], limit: int = -1
) -> list[Move]:
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM move WHERE {condition} ORDER BY begun_at_s DESC, operation LIMIT {limit}",
        parameters,
    )
    return [_move(*row) for row in rows]


def _row(move: Move) -> tuple[object, ...]:
    order, fence = move.order, move.fence
    return (
        order.operation,
        order.key,
        order.target,
        order.copy_hook,
        order.verify_hook,
        order.author,
        order.reason,
        move.source,
        move.jurisdiction,
        move.epoch,
        move.step.value,
        move.begun_at_s,
        move.changed_at_s,
        move.detail,
        move.holder,
        move.held_until_s,
        fence.generation if fence else None,
        fence.sequence if fence else None,
        move.attempt,
    )


def _move(
    operation: str,
    key: str,
    target: str,
    copy_hook: str,
    verify_hook: str,
    author: str,
    reason: str,
    source: str,
    jurisdiction: str,
    epoch: int,
    step: str,
    begun_at_s: float,
    changed_at_s: float,
    detail: str,
    holder: str,
    held_until_s: float,
    fence_generation: str | None,
    fence_sequence: int | None,
    attempt: int,
) -> Move:
    fence = None
    if fence_generation is not None and fence_sequence is not None:
        fence = Position(fence_generation, fence_sequence)
    order = MoveOrder(operation, key, target, copy_hook, verify_hook, author, reason)
    return Move(
        order,
        source,
        jurisdiction,
        epoch,
        Step(step),
        begun_at_s,
        changed_at_s,
        detail,
        holder,
        held_until_s,
        fence,
        attempt,
    )
