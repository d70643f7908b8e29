"""Writes that share a transaction: each has its effect or none, and nobody is told before it is committed."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from lookup.stores.sqlite_thread import SqliteThread
from tests.lookup.asynchronous import asynchronous


def opening(path: Path) -> Callable[[], sqlite3.Connection]:
    def connect() -> sqlite3.Connection:
        connection = sqlite3.connect(path, isolation_level=None)
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE IF NOT EXISTS told (number INTEGER UNIQUE)")
        return connection

    return connect


def telling(*numbers: int) -> Callable[[sqlite3.Connection], int]:
    def write(connection: sqlite3.Connection) -> int:
        for number in numbers:
            connection.execute("INSERT INTO told VALUES (?)", (number,))
        return sum(numbers)

    return write


def told(path: Path) -> list[int]:
    with closing(sqlite3.connect(path)) as other:
        return [number for (number,) in other.execute("SELECT number FROM told ORDER BY number")]


def hold_back(thread: SqliteThread) -> threading.Event:
    """What is queued from now on begins when the event is set."""
    gate = threading.Event()

    def wait() -> None:
        gate.wait()

    thread.post_if_open(wait)
    return gate


async def held_back(thread: SqliteThread, *writes: Callable[[sqlite3.Connection], int]) -> list[object]:
    """What comes of writes that were all queued before the first one began."""
    gate = hold_back(thread)
    waiting = [asyncio.ensure_future(thread.run_write(write)) for write in writes]
    await asyncio.sleep(0)
    gate.set()
    return list(await asyncio.gather(*waiting, return_exceptions=True))


@asynchronous
async def test_a_write_that_fails_among_others_undoes_only_itself(tmp_path: Path) -> None:
    path = tmp_path / "told.sqlite"
    thread = SqliteThread("test", opening(path))
    commits: list[str] = []
    await thread.run(lambda connection: connection.set_trace_callback(commits.append))
    outcomes = await held_back(thread, telling(1), telling(2, 1), telling(3, 4))
    assert outcomes[0] == 1
    assert isinstance(outcomes[1], sqlite3.IntegrityError)
    assert outcomes[2] == 7
    assert commits.count("COMMIT") == 1
    assert told(path) == [1, 3, 4]
    await thread.close()


@asynchronous
async def test_when_the_transaction_can_not_be_committed_every_writer_hears_it(tmp_path: Path) -> None:
    path = tmp_path / "told.sqlite"
    thread = SqliteThread("test", opening(path))

    def undo_all(connection: sqlite3.Connection) -> int:
        connection.execute("INSERT OR ROLLBACK INTO told VALUES (5)")
        return connection.execute("INSERT OR ROLLBACK INTO told VALUES (5)").rowcount

    outcomes = await held_back(thread, telling(1), undo_all, telling(2))
    assert [type(outcome) for outcome in outcomes] == [sqlite3.IntegrityError] * 3
    assert told(path) == []
    assert await thread.run_write(telling(6)) == 6
    await thread.close()


@asynchronous
async def test_a_reading_sees_nothing_that_is_not_committed(tmp_path: Path) -> None:
    path = tmp_path / "told.sqlite"
    thread = SqliteThread("test", opening(path))
    await thread.run(lambda connection: connection.total_changes)
    gate = hold_back(thread)
    writing = asyncio.ensure_future(thread.run_write(telling(1)))
    await asyncio.sleep(0)
    count = "SELECT count(*) FROM told"
    reading = asyncio.ensure_future(thread.run(lambda connection: connection.execute(count).fetchone()[0]))
    await asyncio.sleep(0)
    gate.set()
    assert await reading == 0
    assert await writing == 1
    await thread.close()


@asynchronous
async def test_what_is_queued_when_the_thread_ends_is_still_written(tmp_path: Path) -> None:
    path = tmp_path / "told.sqlite"
    thread = SqliteThread("test", opening(path))
    waiting = [asyncio.ensure_future(thread.run_write(telling(number))) for number in range(300)]
    await asyncio.sleep(0)
    await thread.close()
    assert await asyncio.gather(*waiting) == list(range(300))
    assert told(path) == list(range(300))
    with pytest.raises(Exception, match="closed"):
        await thread.run_write(telling(1000))
