"""What the embedded store says of files it can't use, and how it trims and notices its feed."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import aclosing, closing
from pathlib import Path

import pytest

from lookup.assignment import NO_EPOCH
from lookup.flags import Flag
from lookup.ports import StoreUnavailableError, StoreUnusableError
from lookup.stores.sqlite import SqliteStore
from lookup.stores.sqlite_feed import FeedBounds
from lookup.stores.sqlite_file import port_errors
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home
from tests.lookup.stores.contract import next_change


async def refusal(path: Path, *, create: bool = False) -> str:
    """What opening the path says; always names the path."""
    with pytest.raises(StoreUnusableError) as refused:
        await SqliteStore.open(path, create=create)
    return str(refused.value)


async def seed(path: Path) -> None:
    store = await SqliteStore.open(path, create=True)
    await store.load(home(f"user:{number}") for number in range(1000))
    await store.close()


@asynchronous
async def test_a_missing_file_is_named_with_the_mend(tmp_path: Path) -> None:
    path = tmp_path / "no.sqlite"
    message = await refusal(path)
    assert str(path) in message
    assert "homecell store init" in message
    assert not path.exists()


@asynchronous
async def test_a_missing_folder_is_named_with_the_mend(tmp_path: Path) -> None:
    path = tmp_path / "no" / "home.sqlite"
    message = await refusal(path, create=True)
    assert str(path.parent) in message
    assert "create it" in message


@asynchronous
async def test_an_empty_file_is_no_store_unless_one_is_to_be_created(tmp_path: Path) -> None:
    path = tmp_path / "home.sqlite"
    path.touch()
    assert "homecell store init" in await refusal(path)
    await seed(path)


@asynchronous
async def test_a_file_that_is_no_database_is_named_with_the_mend(tmp_path: Path) -> None:
    path = tmp_path / "home.sqlite"
    path.write_bytes(b"not a database, " * 1000)
    message = await refusal(path)
    assert str(path) in message
    assert "damaged" in message
    assert "backup" in message


@asynchronous
async def test_a_database_of_something_else_is_left_untouched(tmp_path: Path) -> None:
    path = tmp_path / "other.sqlite"
    with sqlite3.connect(path) as other:
        other.execute("CREATE TABLE t (x)")
    other.close()
    before = path.read_bytes()
    assert "no Home Cell store" in await refusal(path, create=True)
    assert path.read_bytes() == before


@asynchronous
async def test_a_store_of_a_newer_version_is_refused_with_both_versions(tmp_path: Path) -> None:
    path = tmp_path / "home.sqlite"
    await seed(path)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 7")
    connection.close()
    message = await refusal(path)
    assert "version 7" in message
    assert "knows 2" in message


@asynchronous
async def test_damage_found_while_reading_is_an_error_of_the_port(tmp_path: Path) -> None:
    path = tmp_path / "home.sqlite"
    await seed(path)
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)
    store = await SqliteStore.open(path)
    with pytest.raises(StoreUnusableError, match=r"home\.sqlite: the store is damaged"):
        await store.read([f"user:{number}" for number in range(1000)])
    await store.close()


@pytest.mark.parametrize("name", ["SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"])
def test_a_full_disk_is_told_as_such_also_to_who_only_opens_the_file(name: str) -> None:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname = name
    with pytest.raises(StoreUnavailableError, match="the disk is full; make room"), port_errors(Path("h")):
        raise error


@asynchronous
async def test_a_feed_trimmed_by_size_says_how_far_its_history_reaches(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "h", create=True, feed_bounds=FeedBounds(1e9, keep_rows=3))
    await store.compare_and_set(home("user:1", epoch=1, at_s=NOW_S), NO_EPOCH)
    for epoch in range(2, 10):
        await store.compare_and_set(home("user:1", epoch=epoch, at_s=NOW_S + epoch), epoch - 1)
    history = await store.history(0.0)
    assert [move.epoch for move in history.moves] == [7, 8, 9]
    assert history.covers_since_s == NOW_S + 6
    await store.close()


@asynchronous
async def test_a_feed_trimmed_by_age_says_how_far_its_history_reaches(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "h", create=True, feed_bounds=FeedBounds(keep_s=60))
    await store.compare_and_set(home("user:1", epoch=1, at_s=NOW_S), NO_EPOCH)
    await store.compare_and_set(home("user:1", epoch=2, at_s=NOW_S + 1), 1)
    await store.compare_and_set(home("user:2", epoch=2, at_s=NOW_S + 61.5), NO_EPOCH)
    history = await store.history(0.0)
    assert [move.key for move in history.moves] == ["user:2"]
    assert history.covers_since_s == NOW_S + 1
    await store.close()


@asynchronous
async def test_moves_by_a_clock_that_is_far_ahead_hide_no_others_when_they_are_trimmed(
    tmp_path: Path,
) -> None:
    bounds = FeedBounds(keep_s=60, keep_rows=2, clock=lambda: NOW_S, skew_s=5.0)
    store = await SqliteStore.open(tmp_path / "h", create=True, feed_bounds=bounds)
    await store.compare_and_set(home("user:1", epoch=1, at_s=NOW_S), NO_EPOCH)
    await store.compare_and_set(home("user:1", epoch=2, at_s=NOW_S - 1), 1)
    await store.compare_and_set(home("user:2", epoch=2, at_s=NOW_S + 1e8), NO_EPOCH)
    kept = await store.history(0.0)
    assert [move.key for move in kept.moves] == ["user:1", "user:2"], "neither is old"
    for epoch in (3, 4):
        await store.compare_and_set(home("user:1", epoch=epoch, at_s=NOW_S), epoch - 1)
    history = await store.history(0.0)
    assert [move.epoch for move in history.moves] == [3, 4]
    assert history.covers_since_s == NOW_S + 5, "when the one with the wrong time had happened for sure"
    await store.close()


@asynchronous
async def test_a_history_that_begins_in_the_future_is_mended_once(tmp_path: Path) -> None:
    path = tmp_path / "h"
    bounds = FeedBounds(clock=lambda: NOW_S, skew_s=5.0)
    store = await SqliteStore.open(path, create=True, feed_bounds=bounds)
    assert await store.mend() == []
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE feed_head SET covers_since_s = ?", (NOW_S + 1e8,))
    assert await store.mend() == ["the feed's history began at a time that is yet to come"]
    assert (await store.history(0.0)).covers_since_s == NOW_S + 5
    assert await store.mend() == []
    await store.close()


@asynchronous
async def test_a_follower_that_a_trim_overtook_sees_the_hole(tmp_path: Path) -> None:
    path = tmp_path / "home.sqlite"
    store = await SqliteStore.open(path, create=True)
    async with aclosing(store.follow()) as changes:
        start = await anext(changes)
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE feed_head SET last_sequence = last_sequence + 10")
        connection.close()
        while (event := await anext(changes)) == start:
            pass
        assert event.sequence == start.sequence + 10
    await store.close()


@asynchronous
async def test_when_another_file_takes_its_place_the_feed_breaks_and_the_new_one_is_used(
    tmp_path: Path,
) -> None:
    path, new_path = tmp_path / "home.sqlite", tmp_path / "new.sqlite"
    store = await SqliteStore.open(path, create=True)
    new = await SqliteStore.open(new_path, create=True)
    await new.compare_and_set(home("user:1", "cell-new"), NO_EPOCH)
    await new.close()
    async with aclosing(store.follow()) as changes:
        start = await anext(changes)
        await asyncio.to_thread(_replace, path, new_path)
        with pytest.raises(StoreUnavailableError, match="another file"):
            await next_change(changes)
    async with aclosing(store.follow()) as changes:
        assert (await anext(changes)).generation != start.generation
    assert (await store.read(["user:1"]))["user:1"].cell == "cell-new"
    await store.close()


@asynchronous
async def test_a_row_that_cannot_be_understood_breaks_the_feed_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "home.sqlite"
    store = await SqliteStore.open(path, create=True)
    await store.compare_and_set(home("user:1", "cell-a"), NO_EPOCH)
    async with aclosing(store.follow()) as changes:
        await anext(changes)
        await store.set_flag("cell-a", Flag.DOWN, reason="", author="ann", now_s=NOW_S)
        await next_change(changes)
        await asyncio.to_thread(_state_from_the_future, path)
        with pytest.raises(StoreUnavailableError, match="99"):
            await next_change(changes)
    assert (await store.read(["user:1"]))["user:1"].cell == "cell-a"
    async with aclosing(store.follow()) as changes:
        assert (await anext(changes)).sequence == 3
    await store.close()


def _state_from_the_future(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("UPDATE feed_head SET last_sequence = last_sequence + 1")
        connection.execute(
            "INSERT INTO feed (sequence, at_s, cell, version, key, jurisdiction, state, moved_to, left_cell) "
            "SELECT last_sequence, ?, 'cell-a', 2, 'user:1', 'eu', 99, '', '' FROM feed_head",
            (NOW_S,),
        )
        connection.execute("COMMIT")


def _replace(path: Path, new_path: Path) -> None:
    for ending in ("-wal", "-shm"):
        path.with_name(path.name + ending).unlink(missing_ok=True)
    new_path.replace(path)
