"""Begins the embedded store's feed anew, so that whoever follows it reads again what it knows."""

from __future__ import annotations

import secrets
import sqlite3

from lookup.stores import sqlite_feed
from lookup.stores.sqlite_file import writing


def begin_anew(connection: sqlite3.Connection, now_s: float) -> None:
    """BackupStore.begin_anew. Leases are then given to those only who follow the new generation."""
    with writing(connection):
        generation = secrets.token_hex(8)
        connection.execute("DELETE FROM feed")
        connection.execute("UPDATE feed_head SET generation = ?", (generation,))
        sqlite_feed.raise_covers_since(connection, now_s, now_s)
        connection.execute("DELETE FROM lease_floor")
        connection.execute(
            "INSERT INTO lease_floor (generation, sequence) SELECT generation, last_sequence FROM feed_head"
        )
