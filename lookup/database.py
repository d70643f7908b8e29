"""What a database is to those who may do everything with it: store, feed, aliases, pages, moves, leases."""

from __future__ import annotations

from typing import Protocol

from lookup.backup import BackupStore
from lookup.leases import LeaseBook
from lookup.move_log import MoveLog


class Database(BackupStore, MoveLog, LeaseBook, Protocol):
    """A lookup service is a store with its feed, and no more; SQLite and Cassandra are this."""
