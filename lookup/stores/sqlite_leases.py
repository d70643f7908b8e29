"""The embedded store's leases of workers: each function one transaction on the given connection."""

from __future__ import annotations

import json
import sqlite3
from typing import Final

from lookup.leases import CONFIRMING, Lease, latest_expiry_s, stands_in_way
from lookup.moves import Position
from lookup.stores import sqlite_feed
from lookup.stores.sqlite_file import writing

_COLUMNS: Final = "worker, number, generation, sequence, held, expires_at_s, linger_s"
_FORGET_AFTER_S: Final = 3600.0
"""A lease that is over for so long, by the clock of whoever renews, is of no use even to one who looks."""


def position(connection: sqlite3.Connection) -> Position:
    """LeaseBook.position."""
    head = sqlite_feed.head(connection)
    return Position(head.generation, head.last_sequence)


def renew(connection: sqlite3.Connection, lease: Lease) -> bool:
    """LeaseBook.renew_lease."""
    with writing(connection):
        if not lease.confirms and _is_behind(connection, lease.position):
            return False
        connection.execute(
            f"INSERT INTO lease ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?) "
            "ON CONFLICT (worker) DO UPDATE SET number = excluded.number, generation = excluded.generation, "
            "sequence = excluded.sequence, held = excluded.held, linger_s = excluded.linger_s, "
            "expires_at_s = max(expires_at_s, excluded.expires_at_s) WHERE excluded.number > number",
            (
                lease.worker,
                lease.number,
                lease.position.generation,
                lease.position.sequence,
                json.dumps(sorted(lease.held)),
                lease.expires_at_s,
                lease.linger_s,
            ),
        )
        connection.execute(
            "DELETE FROM lease WHERE expires_at_s + linger_s < ?", (lease.expires_at_s - _FORGET_AFTER_S,)
        )
    return True


def end(connection: sqlite3.Connection, worker: str) -> None:
    """LeaseBook.end_lease."""
    with writing(connection):
        connection.execute("DELETE FROM lease WHERE worker = ?", (worker,))


def leases(connection: sqlite3.Connection) -> list[Lease]:
    """LeaseBook.leases."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM lease ORDER BY worker")
    return [
        Lease(
            worker,
            number,
            Position(generation, sequence),
            frozenset(json.loads(held)),
            expires_at_s,
            linger_s,
        )
        for worker, number, generation, sequence, held, expires_at_s, linger_s in rows
    ]


def in_the_way(
    connection: sqlite3.Connection, key: str, fence: Position, now_s: float, skew_s: float
) -> list[Lease]:
    """The leases that a move must wait for."""
    return [lease for lease in leases(connection) if stands_in_way(lease, key, fence, now_s, skew_s)]


def cap(connection: sqlite3.Connection, now_s: float, skew_s: float) -> None:
    """Let no lease end later than a clock that is nearly right can have said."""
    latest_s = latest_expiry_s(now_s, skew_s)
    with writing(connection):
        connection.execute(
            "UPDATE lease SET expires_at_s = ? WHERE expires_at_s > ? AND generation <> ?",
            (latest_s, latest_s, CONFIRMING.generation),
        )


def pass_by(
    connection: sqlite3.Connection, key: str, fence: Position, now_s: float, skew_s: float
) -> list[Lease]:
    """LeaseBook.in_the_way."""
    with writing(connection):
        found = in_the_way(connection, key, fence, now_s, skew_s)
        if not found:
            connection.execute("DELETE FROM lease_floor WHERE generation <> ?", (fence.generation,))
            connection.execute(
                "INSERT INTO lease_floor (generation, sequence) VALUES (?, ?) "
                "ON CONFLICT (generation) DO UPDATE SET sequence = max(sequence, excluded.sequence)",
                (fence.generation, fence.sequence),
            )
    return found


def _is_behind(connection: sqlite3.Connection, where: Position) -> bool:
    row = connection.execute("SELECT generation, sequence FROM lease_floor").fetchone()
    return row is not None and (row[0] != where.generation or row[1] > where.sequence)
