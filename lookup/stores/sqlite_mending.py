"""Mends what programs of an older version, or with a wrong clock, have left wrong in an embedded store."""

from __future__ import annotations

import sqlite3

from lookup.stores import sqlite_counts, sqlite_feed
from lookup.stores.sqlite_feed import FeedBounds


def mend(connection: sqlite3.Connection, bounds: FeedBounds) -> list[str]:
    """BackupStore.mend. Reads all homes; others read and write meanwhile."""
    found = [
        f"{kept:,} users were counted in {cell}, where {users:,} live"
        for cell, kept, users in sqlite_counts.recount(connection)
    ]
    if sqlite_feed.lower_covers_since(connection, bounds.latest_s()):
        found.append("the feed's history began at a time that is yet to come")
    return found
