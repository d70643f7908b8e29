from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from lookup.aliases import name_home
from lookup.leases import CONFIRMING, LEASE_S
from lookup.stores.sqlite import SqliteStore
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home
from tests.lookup.stores.alias_contract import AliasContract, OpenAliasedStore
from tests.lookup.stores.contract import OpenStore, StoreContract
from tests.lookup.stores.leases_contract import (
    LINGER_S,
    SKEW_S,
    LeaseBookContract,
    after,
    lease,
    workers,
)
from tests.lookup.stores.moves_contract import MoveLogContract
from tests.lookup.stores.pages_contract import PagesContract
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

    @asynchronous
    async def test_a_lease_of_a_clock_that_was_far_ahead_is_over_as_soon_as_one_that_is_given_now(
        self, open_truth: OpenTruth
    ) -> None:
        async with open_truth() as truth:
            position = await truth.position()
            await truth.renew_lease(lease("w1", position, expires_at_s=NOW_S + 86_400))
            await truth.renew_lease(lease("w1", position, number=2))
            await truth.renew_lease(lease("w2/confirms", CONFIRMING, expires_at_s=NOW_S + 86_400))
            fence = after(position)
            over_s = NOW_S + LEASE_S + SKEW_S + LINGER_S + SKEW_S
            for now_s in (NOW_S, over_s - 0.01):
                assert workers(await truth.in_the_way("user:1", fence, now_s, SKEW_S)) == ["w1"]
            assert [said.expires_at_s for said in await truth.leases()] == [
                NOW_S + LEASE_S + SKEW_S,
                NOW_S + 86_400,
            ]
            assert await truth.in_the_way("user:1", fence, over_s, SKEW_S) == []


class TestSqliteAliases(AliasContract):
    """Its aliases."""


class TestSqlitePages(PagesContract):
    """Its records, page by page."""

    @asynchronous
    async def test_a_reading_of_the_home_brings_its_aliases_along(self, open_store: OpenAliasedStore) -> None:
        async with open_store() as store:
            await store.load([home("user:1")])
            mail = await name_home(store, "email:a@x", "user:1", NOW_S)
            key = await name_home(store, "apikey:k", "user:1", NOW_S)
            assert set((await store.read(["user:1"]))["user:1"].aliases) == {mail, key}
            await name_home(store, "apikey:k", "", NOW_S)
            assert (await store.read(["user:1"]))["user:1"].aliases == (mail,)
