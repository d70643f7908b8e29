"""A store's file of an older version is brought up to date where it lies, once, and keeps what it holds."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

from lookup.aliases import name_home
from lookup.assignment import NO_EPOCH
from lookup.moves import MoveOrder
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home


def make_version_1(path: Path) -> None:
    """Take away what version 2 added."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for table in ("past", "move", "lease", "lease_floor"):
            connection.execute(f"DROP TABLE {table}")
        connection.execute("PRAGMA user_version = 1")


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        number: int = connection.execute("PRAGMA user_version").fetchone()[0]
        return number


@asynchronous
async def test_an_old_file_is_upgraded_by_whoever_opens_it_and_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "home.sqlite"
    store = await SqliteStore.open(path, create=True)
    await store.compare_and_set(home("user:1"), NO_EPOCH)
    await store.close()
    await asyncio.to_thread(make_version_1, path)
    first, second = await asyncio.gather(SqliteStore.open(path), SqliteStore.open(path))
    assert await asyncio.to_thread(version, path) == 2
    record = (await second.read(["user:1"]))["user:1"]
    assert record == home("user:1")
    await first.note_move(MoveOrder("op-1", "user:1", "cell-b"), record, NOW_S)
    await first.compare_and_set(home("user:1", "cell-b", 2), 1)
    assert [old.epoch for old in await second.past("user:1")] == [1, 2]
    assert (await second.position()).sequence == 2
    await first.close()
    await second.close()


@asynchronous
async def test_aliases_need_no_new_version_so_that_programs_without_them_may_open_the_file(
    tmp_path: Path,
) -> None:
    path = tmp_path / "home.sqlite"
    store = await SqliteStore.open(path, create=True)
    await store.load([home("user:1")])
    await store.close()
    await asyncio.to_thread(drop_aliases, path)
    before = await asyncio.to_thread(version, path)
    first, second = await asyncio.gather(SqliteStore.open(path), SqliteStore.open(path))
    await name_home(first, "email:a@x", "user:1", NOW_S)
    assert (await second.read(["email:a@x"]))["email:a@x"].key == "user:1"
    assert await asyncio.to_thread(version, path) == before
    await first.close()
    await second.close()


@asynchronous
async def test_nor_do_attempts_which_moves_of_before_count_from_none(tmp_path: Path) -> None:
    path = tmp_path / "home.sqlite"
    store = await SqliteStore.open(path, create=True)
    await store.load([home("user:1")])
    await store.note_move(MoveOrder("op-1", "user:1", "cell-b"), home("user:1"), NOW_S)
    await store.close()
    await asyncio.to_thread(drop_attempts, path)
    before = await asyncio.to_thread(version, path)
    first, second = await asyncio.gather(SqliteStore.open(path), SqliteStore.open(path))
    move = await first.hold_move("op-1", "ann", NOW_S, NOW_S + 15, False)
    assert (await second.begin_attempt(move, "ann")).attempt == 1
    assert await asyncio.to_thread(version, path) == before
    await first.close()
    await second.close()


def drop_attempts(path: Path) -> None:
    """As a program that does not number them leaves the file."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("ALTER TABLE move DROP COLUMN attempt")


def drop_aliases(path: Path) -> None:
    """As a program that knows no aliases leaves the file."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TABLE alias")
