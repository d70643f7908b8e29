"""The embedded store's homes and flags: each function one transaction on the given connection."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from lookup.aliases import by_key, may_be_alias
from lookup.assignment import NO_EPOCH, Assignment, State
from lookup.flags import Flag, FlagRecord, flag_read
from lookup.ports import EpochConflictError
from lookup.stores import sqlite_aliases, sqlite_counts, sqlite_feed
from lookup.stores.sqlite_feed import FeedBounds
from lookup.stores.sqlite_file import writing

_HOME_COLUMNS: Final = "key, cell, jurisdiction, epoch, state, moved_to, updated_at_s"
_FLAG_COLUMNS: Final = "cell, flag, version, reason, author, set_at_s, expires_at_s"
_MAX_PARAMETERS: Final = 8192
"""Of one statement; SQLite itself allows 32766."""


def read_homes(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Assignment]:
    """ports.Store.read."""
    found: dict[str, Assignment] = {}
    for start in range(0, len(keys), _MAX_PARAMETERS):
        found |= _read_with_aliases(connection, keys[start : start + _MAX_PARAMETERS])
    return found


def write_home(
    connection: sqlite3.Connection, new: Assignment, expected_epoch: int, bounds: FeedBounds
) -> None:
    """Compare-and-set, with its event in the feed. Raises EpochConflictError."""
    with writing(connection):
        current = next(iter(_read_some(connection, (new.key,))), None)
        if current is None and may_be_alias(new.key):
            named = read_homes(connection, (new.key,)).get(new.key)
            if named is not None:
                raise EpochConflictError(new.key, expected_epoch, named)
        if (NO_EPOCH if current is None else current.epoch) != expected_epoch:
            raise EpochConflictError(new.key, expected_epoch, current)
        _insert(connection, "REPLACE", (new,))
        if current is None or current.cell != new.cell:
            sqlite_counts.arrived(connection, new.cell, 1)
            if current is not None:
                sqlite_counts.arrived(connection, current.cell, -1)
        _insert(connection, "IGNORE", (new,) if current is None else (current, new), "past")
        left_cell = "" if current is None else current.cell
        sequence = sqlite_feed.append_assignment(connection, new, left_cell)
        sqlite_feed.trim(connection, bounds, sequence, new.updated_at_s)


def insert_new(connection: sqlite3.Connection, records: Sequence[Assignment], bounds: FeedBounds) -> int:
    """Insert those whose key has no record yet; returns how many. Their earlier moves are not in the feed."""
    with writing(connection):
        kinds = [record.key for record in records if may_be_alias(record.key)]
        named = {alias.key for alias in sqlite_aliases.homes_named(connection, kinds)} if kinds else ()
        inserted = _insert_counting(connection, [record for record in records if record.key not in named])
        moved_at_s = max((record.updated_at_s for record in records if record.epoch > 1), default=0.0)
        if inserted and moved_at_s:
            sqlite_feed.raise_covers_since(connection, moved_at_s, bounds.latest_s())
    return inserted


def read_flags(connection: sqlite3.Connection) -> dict[str, FlagRecord]:
    """The current flag of each cell that ever had one."""
    rows = connection.execute(f"SELECT {_FLAG_COLUMNS} FROM flag")
    return {cell: flag_read(cell, flag, *rest) for cell, flag, *rest in rows}


def write_flag(
    connection: sqlite3.Connection,
    cell: str,
    flag: Flag,
    reason: str,
    author: str,
    now_s: float,
    expires_at_s: float | None,
    bounds: FeedBounds,
) -> FlagRecord:
    """Store the cell's next flag version, with its event in the feed."""
    with writing(connection):
        row = connection.execute("SELECT version FROM flag WHERE cell = ?", (cell,)).fetchone()
        version = 1 if row is None else row[0] + 1
        record = FlagRecord(cell, flag, version, reason, author, now_s, expires_at_s)
        connection.execute(
            f"INSERT OR REPLACE INTO flag ({_FLAG_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
            (cell, flag.value, version, reason, author, now_s, expires_at_s),
        )
        sequence = sqlite_feed.append_flag(connection, record)
        sqlite_feed.trim(connection, bounds, sequence, now_s)
    return record


def _read_with_aliases(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Assignment]:
    records = _read_some(connection, keys)
    known = {record.key for record in records}
    others = [key for key in keys if key not in known and may_be_alias(key)]
    named = sqlite_aliases.homes_named(connection, others) if others else []
    records += _read_some(connection, list({alias.home for alias in named} - known)) if named else []
    return by_key(sqlite_aliases.with_aliases(connection, records, named), keys)


def _read_some(connection: sqlite3.Connection, keys: Sequence[str]) -> list[Assignment]:
    rows = connection.execute(
        f"SELECT {_HOME_COLUMNS} FROM home WHERE key IN ({sqlite_aliases.marks(keys)})",
        sqlite_aliases.padded(keys),
    )
    return [
        Assignment(key, cell, jurisdiction, epoch, State(state), moved_to, updated_at_s)
        for key, cell, jurisdiction, epoch, state, moved_to, updated_at_s in rows
    ]


def _insert_counting(connection: sqlite3.Connection, records: Sequence[Assignment]) -> int:
    """Cell by cell, so that SQLite says how many of each were new."""
    by_cell: defaultdict[str, list[Assignment]] = defaultdict(list)
    for record in records:
        by_cell[record.cell].append(record)
    inserted = 0
    for cell, arriving in by_cell.items():
        before = connection.total_changes
        _insert(connection, "IGNORE", arriving)
        new = connection.total_changes - before
        sqlite_counts.arrived(connection, cell, new)
        inserted += new
    return inserted


def _insert(
    connection: sqlite3.Connection, on_conflict: str, records: Sequence[Assignment], table: str = "home"
) -> None:
    connection.executemany(
        f"INSERT OR {on_conflict} INTO {table} ({_HOME_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)",
        ((r.key, r.cell, r.jurisdiction, r.epoch, int(r.state), r.moved_to, r.updated_at_s) for r in records),
    )
