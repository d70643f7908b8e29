"""The embedded store's count of users by cell: kept in the transaction of each write, so that asking for it
reads one row for each cell, however many users there are."""

from __future__ import annotations

import sqlite3
from typing import Final

from lookup.key_mark import NO_CELL
from lookup.stores.sqlite_file import reading, writing

_TABLE: Final = "home_count"
_BY_CELL: Final = "SELECT cell, count(*) FROM home GROUP BY cell"
_MENDED: Final = "\0mended"
"""The row that tells how often counts were put right, below zero: no program takes it for a cell's."""

_COUNTING: Final = (
    f"CREATE TABLE {_TABLE} (cell TEXT PRIMARY KEY, users INTEGER NOT NULL) WITHOUT ROWID",
    f"INSERT INTO {_TABLE} {_BY_CELL}",
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


def recount(connection: sqlite3.Connection) -> list[tuple[str, int, int]]:
    """Count anew; returns cells whose count was wrong, what it was, and what it should have been.

    Programs that know no counts leave them behind when they write to the file. Others write meanwhile and
    count on: what is wrong is found in one state of the file, and added in another one.
    """
    while True:
        with reading(connection):
            kept = _kept(connection)
            counted = dict(connection.execute(_BY_CELL))
        times = kept.pop(_MENDED, 0)
        cells = sorted(kept.keys() | counted.keys())
        pairs = [(cell, kept.get(cell, 0), counted.get(cell, 0)) for cell in cells]
        wrong = [(cell, before, users) for cell, before, users in pairs if before != users]
        if not wrong:
            return []
        with writing(connection):
            if _kept(connection).get(_MENDED, 0) == times:  # nobody else has added it
                for cell, before, users in wrong:
                    arrived(connection, cell, users - before)
                arrived(connection, _MENDED, -1)
                return wrong


def arrived(connection: sqlite3.Connection, cell: str, users: int) -> None:
    """So many more live there now; less than none: they left. Within the transaction that made it so."""
    if users:
        connection.execute(
            f"INSERT INTO {_TABLE} VALUES (?, ?) "
            "ON CONFLICT (cell) DO UPDATE SET users = users + excluded.users",
            (cell, users),
        )


def _kept(connection: sqlite3.Connection) -> dict[str, int]:
    return dict(connection.execute(f"SELECT cell, users FROM {_TABLE}"))


def _is_counting(connection: sqlite3.Connection) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (_TABLE,)).fetchone()
    return found is not None
