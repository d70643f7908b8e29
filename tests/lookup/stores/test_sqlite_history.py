"""A long history of the embedded store is read in pages, between which others have their turn."""

from __future__ import annotations

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from lookup.ports import History, KeyMove
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S

MOVES: Final = [KeyMove(f"user:{number}", 2, NOW_S + number, "cell-a") for number in range(12_000)]


async def evacuated(path: Path) -> SqliteStore:
    """Whose feed holds all MOVES."""
    store = await SqliteStore.open(path, create=True)
    rows = [(n + 1, m.moved_at_s, m.epoch, m.key, m.left_cell) for n, m in enumerate(MOVES)]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT INTO feed (sequence, at_s, cell, version, key, jurisdiction, state, moved_to, left_cell) "
            "VALUES (?, ?, 'cell-b', ?, ?, 'eu', 0, '', ?)",
            rows,
        )
        connection.execute("UPDATE feed_head SET last_sequence = ?", (len(rows),))
    return store


@asynchronous
async def test_all_of_it_is_told_in_order_and_others_are_answered_meanwhile(tmp_path: Path) -> None:
    store = await evacuated(tmp_path / "h")
    asking = asyncio.create_task(store.history(NOW_S + 99))
    await asyncio.sleep(0)
    assert await store.read(["user:1"]) == {}
    assert not asking.done()
    assert await asking == History(NOW_S + 99, MOVES[100:])
    await store.close()


@asynchronous
async def test_what_is_trimmed_between_two_pages_shortens_it(tmp_path: Path) -> None:
    store = await evacuated(tmp_path / "h")
    asking = asyncio.create_task(store.history(0.0))
    await asyncio.sleep(0)
    await store.read(["user:1"])
    with closing(sqlite3.connect(tmp_path / "h")) as connection, connection:
        connection.execute("DELETE FROM feed WHERE sequence <= 11000")
        connection.execute("UPDATE feed_head SET covers_since_s = ?", (MOVES[10_999].moved_at_s,))
    history = await asking
    assert history.covers_since_s == MOVES[10_999].moved_at_s
    assert list(history.moves[-1000:]) == MOVES[11_000:]
    await store.close()
