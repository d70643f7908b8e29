"""The embedded store's feed table: appended to in the writer's transaction, read on, trimmed."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from lookup.aliases import alias_in, as_record, left_mark
from lookup.assignment import Alias, Assignment, State
from lookup.flags import FlagRecord, flag_read
from lookup.ports import Change, KeyMove

_TRIM_AT_ONCE: Final = 4
"""Rows per write: more than a write adds, so that the table shrinks to its bounds without a long pause."""

_READ_AT_ONCE: Final = 2000
_MOVES_AT_ONCE: Final = 5000

_CHANGE_COLUMNS: Final = (
    "sequence, at_s, cell, version, key, jurisdiction, state, moved_to, left_cell, flag, reason, author, "
    "expires_at_s"
)


@dataclass(frozen=True, slots=True)
class FeedBounds:
    """How much of the feed is kept: rows not older than `keep_s`, and at most `keep_rows`.

    clock   Unix seconds; no time that is more than `skew_s` ahead of it is taken for the present
    """

    keep_s: float = 7 * 86_400.0
    keep_rows: int = 1_000_000
    clock: Callable[[], float] = time.time
    skew_s: float = 5.0

    def latest_s(self) -> float:
        """Whatever happened until now happened before, if clocks are nearly right."""
        return self.clock() + self.skew_s


@dataclass(frozen=True, slots=True)
class FeedHead:
    """Where the feed stands."""

    generation: str
    last_sequence: int


def head(connection: sqlite3.Connection) -> FeedHead:
    """The generation, and the sequence of the last change."""
    return FeedHead(*connection.execute("SELECT generation, last_sequence FROM feed_head").fetchone())


def append_assignment(connection: sqlite3.Connection, record: Assignment, left_cell: str) -> int:
    """Within the transaction that wrote the record; returns the sequence."""
    sequence = _next_sequence(connection)
    connection.execute(
        "INSERT INTO feed (sequence, at_s, cell, version, key, jurisdiction, state, moved_to, left_cell) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            sequence,
            record.updated_at_s,
            record.cell,
            record.epoch,
            record.key,
            record.jurisdiction,
            int(record.state),
            record.moved_to,
            left_cell,
        ),
    )
    return sequence


def append_alias(connection: sqlite3.Connection, alias: Alias) -> int:
    """Within the transaction that wrote the alias; returns the sequence."""
    return append_assignment(connection, as_record(alias), left_mark(alias))


def append_flag(connection: sqlite3.Connection, record: FlagRecord) -> int:
    """Within the transaction that wrote the flag; returns the sequence."""
    sequence = _next_sequence(connection)
    connection.execute(
        "INSERT INTO feed (sequence, at_s, cell, version, flag, reason, author, expires_at_s) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            sequence,
            record.set_at_s,
            record.cell,
            record.version,
            record.word,
            record.reason,
            record.author,
            record.expires_at_s,
        ),
    )
    return sequence


def changes_after(connection: sqlite3.Connection, sequence: int, generation: str) -> list[Change]:
    """The next changes in order, a bounded number of them."""
    rows = connection.execute(
        f"SELECT {_CHANGE_COLUMNS} FROM feed WHERE sequence > ? ORDER BY sequence LIMIT {_READ_AT_ONCE}",
        (sequence,),
    )
    return [_change(generation, row) for row in rows]


@dataclass(frozen=True, slots=True)
class MovesPage:
    """Some moves; others follow after `next_sequence`, None when these are the last."""

    moves: Sequence[KeyMove]
    next_sequence: int | None


def moves_after(connection: sqlite3.Connection, since_s: float, sequence: int) -> MovesPage:
    """The moves after `since_s` and after that sequence, oldest first, a bounded number of them."""
    rows = connection.execute(
        "SELECT sequence, key, version, at_s, left_cell FROM feed WHERE sequence > ? "
        f"AND key IS NOT NULL AND version > 1 AND at_s > ? ORDER BY sequence LIMIT {_MOVES_AT_ONCE}",
        (sequence, since_s),
    ).fetchall()
    next_sequence = rows[-1][0] if len(rows) == _MOVES_AT_ONCE else None
    return MovesPage([KeyMove(*row[1:]) for row in rows], next_sequence)


def covers_since_s(connection: sqlite3.Connection) -> float:
    """Every move after this time is still in the feed."""
    covers_since_s: float = connection.execute("SELECT covers_since_s FROM feed_head").fetchone()[0]
    return covers_since_s


def raise_covers_since(connection: sqlite3.Connection, time_s: float, latest_s: float) -> None:
    """Moves up to this time may be missing from the feed: they happened, so up to `latest_s` at most."""
    connection.execute(
        "UPDATE feed_head SET covers_since_s = max(covers_since_s, ?)", (min(time_s, latest_s),)
    )


def lower_covers_since(connection: sqlite3.Connection, latest_s: float) -> bool:
    """Where a clock that was far ahead has written a time that is yet to come; whether it had."""
    count: int = connection.execute(
        "UPDATE feed_head SET covers_since_s = ? WHERE covers_since_s > ?", (latest_s, latest_s)
    ).rowcount
    return count > 0


def trim(connection: sqlite3.Connection, bounds: FeedBounds, last_sequence: int, written_at_s: float) -> None:
    """Drop a few of the oldest rows when too old or too many, and note how far the history still reaches."""
    oldest: list[tuple[int, float, bool]] = connection.execute(
        "SELECT sequence, at_s, key IS NOT NULL AND version > 1 FROM feed "
        f"ORDER BY sequence LIMIT {_TRIM_AT_ONCE}"
    ).fetchall()
    trimmed = 0
    latest_s = bounds.latest_s()
    now_s = min(written_at_s, latest_s)
    for sequence, at_s, is_move in oldest:
        if at_s >= now_s - bounds.keep_s and sequence > last_sequence - bounds.keep_rows:
            break
        trimmed = sequence
        if is_move:
            raise_covers_since(connection, at_s, latest_s)
    if trimmed:
        connection.execute("DELETE FROM feed WHERE sequence <= ?", (trimmed,))


def _next_sequence(connection: sqlite3.Connection) -> int:
    connection.execute("UPDATE feed_head SET last_sequence = last_sequence + 1")
    return head(connection).last_sequence


_Row = tuple[
    int,
    float,
    str,
    int,
    str | None,
    str,
    int,
    str,
    str,
    str,
    str,
    str,
    float | None,
]


def _change(generation: str, row: _Row) -> Change:
    (
        sequence,
        at_s,
        cell,
        version,
        key,
        jurisdiction,
        state,
        moved_to,
        left,
        flag,
        reason,
        author,
        expires,
    ) = row
    if key is None:
        flagged = flag_read(cell, flag, version, reason, author, at_s, expires)
        return Change(generation, sequence, flag=flagged)
    record = Assignment(key, cell, jurisdiction, version, State(state), moved_to, at_s)
    alias = alias_in(record)
    if alias is not None:
        return Change(generation, sequence, alias=alias)
    return Change(generation, sequence, assignment=record, left_cell=left)
