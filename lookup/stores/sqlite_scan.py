"""Walks through the embedded store's homes and aliases in the order of their keys."""

from __future__ import annotations

import sqlite3

from lookup.assignment import Alias, Assignment, State
from lookup.scan import AliasPage, Page


def scan(connection: sqlite3.Connection, cursor: str, limit: int) -> Page:
    """HomeScan.scan. The cursor is the last key."""
    rows = connection.execute(
        "SELECT key, cell, jurisdiction, epoch, state, moved_to, updated_at_s FROM home "
        "WHERE key > ? ORDER BY key LIMIT ?",
        (cursor, limit),
    )
    records = [
        Assignment(key, cell, jurisdiction, epoch, State(state), moved_to, updated_at_s)
        for key, cell, jurisdiction, epoch, state, moved_to, updated_at_s in rows
    ]
    return Page(records, records[-1].key if len(records) == limit else None)


def scan_aliases(connection: sqlite3.Connection, cursor: str, limit: int) -> AliasPage:
    """HomeScan.scan_aliases. The cursor is the last key."""
    rows = connection.execute(
        "SELECT key, home, epoch, updated_at_s FROM alias WHERE key > ? ORDER BY key LIMIT ?", (cursor, limit)
    )
    aliases = [Alias(*row) for row in rows]
    return AliasPage(aliases, aliases[-1].key if len(aliases) == limit else None)
