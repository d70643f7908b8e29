"""The embedded store answers readings while a write waits: for the disk, or for another process's write."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path

import pytest

from lookup.assignment import NO_EPOCH
from lookup.flags import Flag
from lookup.leases import Lease
from lookup.moves import Position
from lookup.ports import StoreUnavailableError
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import home
from tests.lookup.stores.contract import next_change

_SOON_S = 2.0
"""A write waits 5 s for another process's, so that no reading within this has waited with it."""


@contextmanager
def writes_held_up(path: Path) -> Iterator[None]:
    """No write ends meanwhile: as on a disk that takes its time."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.execute("ROLLBACK")
        other.close()


@asynchronous
async def test_a_look_up_does_not_wait_for_a_write_that_waits(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "home.sqlite", create=True)
    await store.compare_and_set(home("user:1", "eu-1", 1), NO_EPOCH)
    with writes_held_up(tmp_path / "home.sqlite"):
        writing = asyncio.create_task(
            store.renew_lease(Lease("w", 1, Position("g", 0), frozenset(), 1e10, 0.0))
        )
        async with asyncio.timeout(_SOON_S):
            for _ in range(10):
                assert (await store.read(["user:1"]))["user:1"].cell == "eu-1"
                assert (await store.confirm(["user:1"]))["user:1"].cell == "eu-1"
        assert not writing.done()
    await writing
    await store.close()


@asynchronous
async def test_the_feed_is_heard_while_a_write_waits(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "home.sqlite", create=True)
    async with aclosing(store.follow()) as changes:
        await anext(changes)
        with writes_held_up(tmp_path / "home.sqlite"):
            writing = asyncio.create_task(
                store.set_flag("eu-1", Flag.DOWN, reason="r", author="a", now_s=1.0)
            )
            async with asyncio.timeout(_SOON_S):
                assert (await anext(changes)).flag is None, "a heartbeat: nothing is committed"
            assert not writing.done()
        assert (await writing).version == 1
        assert (await next_change(changes)).flag is not None
    await store.close()


@asynchronous
async def test_what_was_written_is_read_at_once(tmp_path: Path) -> None:
    store = await SqliteStore.open(tmp_path / "home.sqlite", create=True)
    for epoch in range(1, 51):
        await store.compare_and_set(home("user:1", f"eu-{epoch}", epoch), epoch - 1 or NO_EPOCH)
        assert (await store.read(["user:1"]))["user:1"].epoch == epoch
    await store.close()


@asynchronous
async def test_after_another_file_took_the_stores_place_writes_go_there_too(tmp_path: Path) -> None:
    path, other = tmp_path / "home.sqlite", tmp_path / "other.sqlite"
    store = await SqliteStore.open(path, create=True)
    await (await SqliteStore.open(other, create=True)).close()
    async with aclosing(store.follow()) as changes:
        await anext(changes)
        other.replace(path)
        with pytest.raises(StoreUnavailableError, match="another file"):
            await next_change(changes)
    await store.compare_and_set(home("user:1", "eu-1", 1), NO_EPOCH)
    assert (await store.read(["user:1"]))["user:1"].cell == "eu-1"
    await store.close()
