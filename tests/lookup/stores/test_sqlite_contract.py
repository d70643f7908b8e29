from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lookup.stores.sqlite import SqliteStore
from tests.lookup.stores.contract import FeedingStore, OpenStore, StoreContract


@pytest.fixture
def open_store(tmp_path: Path) -> OpenStore:
    @asynccontextmanager
    async def opened() -> AsyncIterator[FeedingStore]:
        store = await SqliteStore.open(tmp_path / "home.sqlite", create=True)
        try:
            yield store
        finally:
            await store.close()

    return opened


class TestSqliteStore(StoreContract):
    """The embedded store, each on a file of its own."""
