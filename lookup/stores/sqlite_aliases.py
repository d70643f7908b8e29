"""The embedded store's aliases: keys that name a home key. Works on the given connection."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from lookup.aliases import MAX_ALIASES, AliasRefusedError
from lookup.assignment import NO_EPOCH, Alias, Assignment
from lookup.ports import EpochConflictError
from lookup.stores import sqlite_feed
from lookup.stores.sqlite_feed import FeedBounds
from lookup.stores.sqlite_file import writing

_COLUMNS: Final = "key, home, epoch, updated_at_s"


def homes_named(connection: sqlite3.Connection, keys: Sequence[str]) -> list[Alias]:
    """Of those keys the ones that name another key."""
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM alias WHERE key IN ({marks(keys)}) AND home <> ''", padded(keys)
    )
    return [Alias(*row) for row in rows]


def aliases_of(connection: sqlite3.Connection, homes: Sequence[str]) -> Mapping[str, tuple[Alias, ...]]:
    """By home key: the keys that name it."""
    found: defaultdict[str, list[Alias]] = defaultdict(list)
    rows = connection.execute(
        f"SELECT {_COLUMNS} FROM alias WHERE home IN ({marks(homes)}) AND home <> ''", padded(homes)
    )
    for row in rows:
        alias = Alias(*row)
        found[alias.home].append(alias)
    return {home: tuple(aliases) for home, aliases in found.items()}


def find(connection: sqlite3.Connection, key: str) -> Alias | None:
    """AliasBook.alias."""
    row = connection.execute(f"SELECT {_COLUMNS} FROM alias WHERE key = ?", (key,)).fetchone()
    return None if row is None else Alias(*row)


def write(connection: sqlite3.Connection, new: Alias, expected_epoch: int, bounds: FeedBounds) -> None:
    """AliasBook.set_alias: alias and feed event, all of it or nothing."""
    with writing(connection):
        present = find(connection, new.key)
        if (NO_EPOCH if present is None else present.epoch) != expected_epoch:
            raise EpochConflictError(new.key, expected_epoch, None)
        if new.home:
            _insist_on_home(connection, new)
        connection.execute(f"INSERT OR REPLACE INTO alias ({_COLUMNS}) VALUES (?, ?, ?, ?)", _row(new))
        sequence = sqlite_feed.append_alias(connection, new)
        sqlite_feed.trim(connection, bounds, sequence, new.updated_at_s)


def with_aliases(
    connection: sqlite3.Connection, records: Iterable[Assignment], asked: Iterable[Alias]
) -> list[Assignment]:
    """The records, each with all keys that name it; `asked` were found to do so a moment ago."""
    found = {record.key: record for record in records}
    for home, aliases in aliases_of(connection, list(found)).items():
        found[home].aliases = aliases
    for alias in asked:
        record = found.get(alias.home)
        if record is not None and all(other.key != alias.key for other in record.aliases):
            record.aliases += (alias,)
    return list(found.values())


def marks(values: Sequence[str]) -> str:
    """Question marks: as many as the next power of two, so that few statements are ever compiled."""
    return ",".join("?" * _slots(values))


def padded(values: Sequence[str]) -> list[str | None]:
    """The values for those marks."""
    return [*values, *[None] * (_slots(values) - len(values))]


def _slots(values: Sequence[str]) -> int:
    return 1 << (len(values) - 1).bit_length() if values else 0


def _insist_on_home(connection: sqlite3.Connection, new: Alias) -> None:
    if connection.execute("SELECT 1 FROM home WHERE key = ?", (new.key,)).fetchone():
        raise AliasRefusedError(f"{new.key} has a home of its own, it can't name {new.home}")
    named = find(connection, new.home)
    if named is not None and named.home:
        raise AliasRefusedError(f"{new.home} names {named.home}: name that one")
    if not connection.execute("SELECT 1 FROM home WHERE key = ?", (new.home,)).fetchone():
        raise AliasRefusedError(f"{new.home} has no home yet: place it first")
    (others,) = connection.execute(
        "SELECT count(*) FROM alias WHERE home = ? AND home <> '' AND key <> ?", (new.home, new.key)
    ).fetchone()
    if others >= MAX_ALIASES:
        raise AliasRefusedError(f"{new.home} has {others} aliases already, the most there can be")


def _row(alias: Alias) -> tuple[str, str, int, float]:
    return alias.key, alias.home, alias.epoch, alias.updated_at_s
