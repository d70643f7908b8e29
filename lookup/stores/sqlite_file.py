"""Opens the embedded store's file: finds, creates and checks it, and says in words what is wrong with it."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

from lookup.ports import StoreUnavailableError, StoreUnusableError

SCHEMA_VERSION: Final = 2
BUSY_TIMEOUT_S: Final = 5.0
"""How long one writer waits for another process's write. Each write takes milliseconds."""

APPLICATION_ID: Final = 0x48436C6C  # "HCll": tells our files from other SQLite databases

_SCHEMA: Final = (
    """CREATE TABLE home (
        key TEXT PRIMARY KEY, cell TEXT NOT NULL, jurisdiction TEXT NOT NULL, epoch INTEGER NOT NULL,
        state INTEGER NOT NULL, moved_to TEXT NOT NULL, updated_at_s REAL NOT NULL
    ) WITHOUT ROWID""",
    """CREATE TABLE flag (
        cell TEXT PRIMARY KEY, flag TEXT NOT NULL, version INTEGER NOT NULL, reason TEXT NOT NULL,
        author TEXT NOT NULL, set_at_s REAL NOT NULL, expires_at_s REAL
    ) WITHOUT ROWID""",
    # One row per change; `key` is NULL in those that change a flag, `flag` in those that change a home.
    """CREATE TABLE feed (
        sequence INTEGER PRIMARY KEY, at_s REAL NOT NULL, cell TEXT NOT NULL, version INTEGER NOT NULL,
        key TEXT, jurisdiction TEXT, state INTEGER, moved_to TEXT, left_cell TEXT,
        flag TEXT, reason TEXT, author TEXT, expires_at_s REAL
    )""",
    # One row: where the feed stands, and since when every move is still in it.
    """CREATE TABLE feed_head (
        generation TEXT NOT NULL, last_sequence INTEGER NOT NULL, covers_since_s REAL NOT NULL
    )""",
)
"""Version 1. What came later is in _UPGRADES, so that a new file and an old one go the same way."""

_UPGRADES: Final = {
    1: (
        # One row per epoch of a record, kept when the feed is trimmed.
        """CREATE TABLE past (
            key TEXT NOT NULL, epoch INTEGER NOT NULL, cell TEXT NOT NULL, jurisdiction TEXT NOT NULL,
            state INTEGER NOT NULL, moved_to TEXT NOT NULL, updated_at_s REAL NOT NULL,
            PRIMARY KEY (key, epoch)
        ) WITHOUT ROWID""",
        """CREATE TABLE move (
            operation TEXT PRIMARY KEY, key TEXT NOT NULL, target TEXT NOT NULL, copy_hook TEXT NOT NULL,
            verify_hook TEXT NOT NULL, author TEXT NOT NULL, reason TEXT NOT NULL, source TEXT NOT NULL,
            jurisdiction TEXT NOT NULL, epoch INTEGER NOT NULL, step TEXT NOT NULL, begun_at_s REAL NOT NULL,
            changed_at_s REAL NOT NULL, detail TEXT NOT NULL, holder TEXT NOT NULL,
            held_until_s REAL NOT NULL, fence_generation TEXT, fence_sequence INTEGER
        ) WITHOUT ROWID""",
        "CREATE UNIQUE INDEX open_move ON move (key) WHERE step NOT IN ('done', 'aborted')",
        "CREATE INDEX move_of_key ON move (key, begun_at_s)",
        """CREATE TABLE lease (
            worker TEXT PRIMARY KEY, number INTEGER NOT NULL, generation TEXT NOT NULL,
            sequence INTEGER NOT NULL, held TEXT NOT NULL, expires_at_s REAL NOT NULL, linger_s REAL NOT NULL
        ) WITHOUT ROWID""",
        # One row: no lease is granted to a worker that has not taken the feed up to here.
        """CREATE TABLE lease_floor (
            generation TEXT PRIMARY KEY, sequence INTEGER NOT NULL
        ) WITHOUT ROWID""",
    ),
}
"""What brings a file from that version to the next. Only ever adds, so that programs of the older version
which have the file open go on working."""


_ALIASES: Final = (
    # One row per key that names, or once named, another one. `home` is '' once it is freed.
    """CREATE TABLE IF NOT EXISTS alias (
        key TEXT PRIMARY KEY, home TEXT NOT NULL, epoch INTEGER NOT NULL, updated_at_s REAL NOT NULL
    ) WITHOUT ROWID""",
    "CREATE INDEX IF NOT EXISTS alias_of_home ON alias (home) WHERE home <> ''",
)
_ATTEMPTS: Final = "ALTER TABLE move ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0"
"""Both of no version: programs that know neither work with the file as before, and may go on opening it."""


def open_file(path: Path, create: bool) -> sqlite3.Connection:
    """A connection in autocommit mode. Raises StoreUnusableError or StoreUnavailableError with the path."""
    if not path.parent.is_dir():
        raise StoreUnusableError(
            f"{path.parent}: no such folder for the store; create it, or correct the store's path"
        )
    if not create and not path.exists():
        raise StoreUnusableError(f"{path}: no such store; homecell store init makes one, or correct the path")
    with port_errors(path):
        mode = "rwc" if create else "rw"
        connection = sqlite3.connect(
            f"file:{quote(str(path))}?mode={mode}", uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None
        )
        try:
            _prepare(connection, path, create)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def port_errors(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into the port's."""
    try:
        yield
    except sqlite3.Error as error:
        raise _port_error(path, error) from error


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction that holds the file's write lock from its beginning: all of it happens, or nothing.

    Within another one a part of it, which can be undone by itself.
    """
    nested = connection.in_transaction
    connection.execute("SAVEPOINT part" if nested else "BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("RELEASE part" if nested else "COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK TO part" if nested else "ROLLBACK")
            if nested:
                connection.execute("RELEASE part")
        raise


@contextmanager
def reading(connection: sqlite3.Connection) -> Iterator[None]:
    """One transaction, so that several reads see the same state."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _prepare(connection: sqlite3.Connection, path: Path, create: bool) -> None:
    if _is_empty(connection):
        if not create:
            raise StoreUnusableError(f"{path}: the store is empty; homecell store init mends that")
        _create_schema(connection)
    _check_version(connection, path)
    _upgrade(connection)
    _add_aliases(connection)
    _add_attempts(connection)
    if _pragma(connection, "journal_mode") != "wal":
        connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")  # a committed move must survive a power cut
    connection.execute("PRAGMA cache_size = -32768")  # KiB


def _create_schema(connection: sqlite3.Connection) -> None:
    with writing(connection):
        if not _is_empty(connection):  # another process was quicker
            return
        for statement in _SCHEMA:
            connection.execute(statement)
        connection.execute("INSERT INTO feed_head VALUES (?, 0, 0)", (secrets.token_hex(8),))
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute("PRAGMA user_version = 1")


def _upgrade(connection: sqlite3.Connection) -> None:
    """Bring an older file up to date, all of it or nothing."""
    if _version(connection) == SCHEMA_VERSION:
        return
    with writing(connection):
        while (version := _version(connection)) < SCHEMA_VERSION:  # another process may have been quicker
            for statement in _UPGRADES[version]:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {version + 1}")


def _add_aliases(connection: sqlite3.Connection) -> None:
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alias_of_home'").fetchone() is None:
        with writing(connection):
            for statement in _ALIASES:
                connection.execute(statement)


def _add_attempts(connection: sqlite3.Connection) -> None:
    if not _has_attempts(connection):
        with writing(connection):
            if not _has_attempts(connection):  # another process may have been quicker
                connection.execute(_ATTEMPTS)


def _has_attempts(connection: sqlite3.Connection) -> bool:
    columns = connection.execute("SELECT 1 FROM pragma_table_info('move') WHERE name = 'attempt'")
    return columns.fetchone() is not None


def _check_version(connection: sqlite3.Connection, path: Path) -> None:
    if _pragma(connection, "application_id") != APPLICATION_ID:
        raise StoreUnusableError(f"{path}: an SQLite database, but no Home Cell store; correct the path")
    version = _version(connection)
    if not 1 <= version <= SCHEMA_VERSION:
        raise StoreUnusableError(
            f"{path}: the store has schema version {version}, this program knows {SCHEMA_VERSION}; "
            "use the program version that wrote it"
        )


def _is_empty(connection: sqlite3.Connection) -> bool:
    return connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None


def _version(connection: sqlite3.Connection) -> int:
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def _pragma(connection: sqlite3.Connection, name: str) -> object:
    value: object = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def _port_error(path: Path, error: sqlite3.Error) -> StoreUnavailableError:
    name = getattr(error, "sqlite_errorname", "")
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return StoreUnusableError(
            f"{path}: the store is damaged ({error}); put a backup in its place, or remove it together with "
            "its -wal and -shm files and seed it again"
        )
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return StoreUnavailableError(f"{path}: another process has been writing for {BUSY_TIMEOUT_S:g} s")
    if name.startswith(("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE")):  # the latter by who opens it, to read
        return StoreUnavailableError(f"{path}: the disk is full; make room")
    if name.startswith(("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_PERM")):
        return StoreUnusableError(
            f"{path}: not to be opened for writing ({error}); check the permissions of file and folder"
        )
    return StoreUnavailableError(f"{path}: {error}")
