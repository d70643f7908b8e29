"""Walks through the embedded store's homes, a bounded number of records at a time."""

from __future__ import annotations

import sqlite3
from typing import Final

from lookup.key_pages import KeyPage

_LOOKED_AT: Final = 20_000
"""Records looked at for one page: about 10 ms, in which the store does nothing else."""


def keys_of(connection: sqlite3.Connection, cell: str, after: str, limit: int) -> KeyPage:
    """KeyPages.keys_of, in the order of the keys; `after` is the last key that was looked at."""
    rows = connection.execute(
        "SELECT key, cell FROM home WHERE key > ? ORDER BY key LIMIT ?", (after, _LOOKED_AT)
    )
    keys: list[str] = []
    looked_at = 0
    for key, home in rows:
        looked_at += 1
        after = key
        if home == cell:
            keys.append(key)
            if len(keys) == limit:
                return KeyPage(tuple(keys), after)
    return KeyPage(tuple(keys), after if looked_at == _LOOKED_AT else None)


def count_under(connection: sqlite3.Connection, prefix: str) -> int:
    """How many moves were ever noted whose operation ids begin so; `prefix` is ASCII."""
    behind = prefix[:-1] + chr(ord(prefix[-1]) + 1)
    found: int = connection.execute(
        "SELECT count(*) FROM move WHERE operation >= ? AND operation < ?", (prefix, behind)
    ).fetchone()[0]
    return found
