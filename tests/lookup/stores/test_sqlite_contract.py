from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lookup.stores.sqlite import SqliteStore
from tests.lookup.stores.alias_contract import AliasContract
from tests.lookup.stores.contract import OpenStore, StoreContract
from tests.lookup.stores.leases_contract import LeaseBookContract
from tests.lookup.stores.moves_contract import MoveLogContract
from tests.lookup.stores.truth import OpenTruth, Truth


@pytest.fixture
def open_truth(tmp_path: Path) -> OpenTruth:
    @asynccontextmanager
    async def opened() -> AsyncIterator[Truth]:
        store = await SqliteStore.open(tmp_path / "home.sqlite", create=True)
        try:
            yield store
        finally:
            await store.close()

    return opened


@pytest.fixture
def open_store(open_truth: OpenTruth) -> OpenStore:
    return open_truth


class TestSqliteStore(StoreContract):
    """The embedded store, each on a file of its own."""


class TestSqliteMoveLog(MoveLogContract):
    """Its log of moves."""


class TestSqliteLeaseBook(LeaseBookContract):
    """Its book of leases."""


class TestSqliteAliases(AliasContract):
    """Its aliases."""
