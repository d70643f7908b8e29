"""Which schema version an embedded store's file has, told without changing the file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from lookup.ports import StoreUnusableError
from lookup.stores.sqlite_file import APPLICATION_ID, BUSY_TIMEOUT_S, port_errors


def read_version(path: Path) -> int:
    """0 when there is nothing yet. Raises StoreUnusableError for a file that is no Home Cell store."""
    if not path.exists():
        return 0
    target = f"file:{quote(str(path))}?mode=ro"
    with port_errors(path), closing(sqlite3.connect(target, uri=True, timeout=BUSY_TIMEOUT_S)) as connection:
        version, kind, tables = (
            int(connection.execute(question).fetchone()[0])
            for question in (
                "PRAGMA user_version",
                "PRAGMA application_id",
                "SELECT count(*) FROM sqlite_master",
            )
        )
    if tables and kind != APPLICATION_ID:
        raise StoreUnusableError(f"{path}: an SQLite database, but no Home Cell store; correct the path")
    return version
