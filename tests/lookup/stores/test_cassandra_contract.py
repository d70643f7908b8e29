from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from lookup.assignment import NO_EPOCH
from lookup.redis_clients import RedisSettings
from lookup.stores.cassandra import CassandraStore
from lookup.stores.cassandra_cluster import SHARED_NOTE, confirming
from lookup.stores.cassandra_fed import FedCassandra
from lookup.stores.cassandra_session import CassandraSession, Row
from lookup.stores.cassandra_settings import CassandraSettings
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home
from tests.lookup.stores.alias_contract import AliasContract
from tests.lookup.stores.cassandra_stage import opened
from tests.lookup.stores.contract import OpenStore, StoreContract
from tests.lookup.stores.leases_contract import SKEW_S, LeaseBookContract, after, lease, workers
from tests.lookup.stores.moves_contract import MoveLogContract
from tests.lookup.stores.pages_contract import PagesContract
from tests.lookup.stores.truth import OpenTruth

pytestmark = pytest.mark.slow


@pytest.fixture
def open_truth(settings: CassandraSettings, redis: RedisSettings) -> OpenTruth:
    return lambda: opened(settings, redis)


@pytest.fixture
def open_store(open_truth: OpenTruth) -> OpenStore:
    return open_truth


class TestCassandraStore(StoreContract):
    """The truth in a real Cassandra, its feed on a real Redis."""

    very_many = 5_000  # of whom no request may hold all


class TestCassandraMoveLog(MoveLogContract):
    """Its log of moves."""


class TestCassandraLeaseBook(LeaseBookContract):
    """Its book of leases."""

    @asynchronous
    async def test_it_tells_how_long_a_lease_was_not_renewed_by_no_workers_clock(
        self, open_truth: OpenTruth
    ) -> None:
        async with open_truth() as truth:
            position = await truth.position()
            await truth.renew_lease(lease("w1", position, expires_at_s=NOW_S + 10 * 86_400))

            async def unrenewed_s() -> float:
                return (await truth.leases())[0].unrenewed_s

            assert -1.0 <= await unrenewed_s() <= 2.0
            while await unrenewed_s() < 3.0:  # noqa: ASYNC110 - by the clock of Cassandra
                await asyncio.sleep(0.2)
            await truth.renew_lease(lease("w1", position, number=2))
            assert await unrenewed_s() <= 2.0
            assert list(await truth.leases()) == [
                lease("w1", position, number=2, expires_at_s=NOW_S + 10 * 86_400)
            ]

    @asynchronous
    async def test_a_lease_of_which_the_expiry_was_forgotten_still_stands_in_the_way(
        self, open_truth: OpenTruth, settings: CassandraSettings
    ) -> None:
        async with open_truth() as truth:
            assert isinstance(truth, FedCassandra)
            position = await truth.position()
            await truth.renew_lease(lease("w1", position, expires_at_s=NOW_S + 10 * 86_400))
            wrong_us = round((NOW_S + 10 * 86_400) * 1e6)
            forget = (
                f"DELETE expires_at_s FROM {settings.keyspace}.lease USING TIMESTAMP {wrong_us} "
                "WHERE fleet = 'all' AND worker = ?"
            )
            await truth._session.ask(forget, ("w1",), SHARED_NOTE)  # as its time to live does
            await truth.renew_lease(lease("w1", position, number=2))  # by a right clock
            assert workers(await truth.in_the_way("user:1", after(position), NOW_S, SKEW_S)) == ["w1"]


class TestCassandraPages(PagesContract):
    """Its records, page by page."""


class TestCassandraAliases(AliasContract):
    """Its aliases."""


class NotingSession(CassandraSession):
    """`profiles` are those of what was asked."""

    def __init__(self, settings: CassandraSettings) -> None:
        super().__init__(settings)
        self.profiles: list[str] = []

    async def ask(
        self, statement: str, values: Sequence[object], profile: str, routing_key: bytes | None = None
    ) -> list[Row]:
        self.profiles.append(profile)
        return await super().ask(statement, values, profile, routing_key)


@asynchronous
async def test_a_home_is_confirmed_by_those_who_decide_its_writes(settings: CassandraSettings) -> None:
    session = NotingSession(settings)
    store = CassandraStore(session, settings, None)
    await store.compare_and_set(home("user:1"), NO_EPOCH)
    session.profiles.clear()
    assert await store.confirm(["user:1"]) == {"user:1": home("user:1")}
    assert session.profiles == [confirming(None)]
    await store.close()
