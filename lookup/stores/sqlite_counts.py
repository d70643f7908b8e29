"""The embedded store's count of users by cell: kept in the transaction of each write, so that asking for it
reads one row for each cell, however many users there are."""

from __future__ import annotations

import sqlite3
from typing import Final

from lookup.key_mark import NO_CELL
from lookup.stores.sqlite_file import writing

_TABLE: Final = "home_count"
_COUNTING: Final = (
    f"CREATE TABLE {_TABLE} (cell TEXT PRIMARY KEY, users INTEGER NOT NULL) WITHOUT ROWID",
    f"INSERT INTO {_TABLE} SELECT cell, count(*) FROM home GROUP BY cell",
)
"""Of no version: a program that does not know these works with the file as before, and counts nothing."""


def keep_counts(connection: sqlite3.Connection) -> None:
    """Count from now on, if nobody does yet; the first time that reads the whole table once."""
    if not _is_counting(connection):
        with writing(connection):
            if not _is_counting(connection):  # another process may have been quicker
                for statement in _COUNTING:
                    connection.execute(statement)


def count_by_cell(connection: sqlite3.Connection) -> dict[str, int]:
    """How many keys each cell is home to."""
    rows = connection.execute(f"SELECT cell, users FROM {_TABLE} WHERE users > 0 AND cell <> ?", (NO_CELL,))
    return dict(rows)


def arrived(connection: sqlite3.Connection, cell: str, users: int) -> None:
    """So many more live there now; less than none: they left. Within the transaction that made it so."""
    if users:
        connection.execute(
            f"INSERT INTO {_TABLE} VALUES (?, ?) "
            "ON CONFLICT (cell) DO UPDATE SET users = users + excluded.users",
            (cell, users),
        )


def _is_counting(connection: sqlite3.Connection) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (_TABLE,)).fetchone()
    return found is not None
