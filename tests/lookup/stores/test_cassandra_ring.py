"""Three nodes, two copies of each record: which keys go together in one request."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace

import pytest

from bench.servers.cassandra import DATACENTRE, CassandraRing
from lookup.stores.cassandra import CassandraStore
from lookup.stores.cassandra_schema import init
from tests.lookup.fakes import home
from tests.lookup.stores.cassandra_stage import settings_of
from tests.support.servers import needed

pytestmark = pytest.mark.slow

KEYS = [f"user:{number}" for number in range(300)]


@pytest.fixture(scope="module")
def ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraRing]:
    with needed():
        started = CassandraRing(tmp_path_factory.mktemp("cassandra"), size=3)
        started.start()
    yield started
    started.stop()


def test_keys_of_one_request_share_their_replicas(ring: CassandraRing) -> None:
    async def scenario() -> None:
        settings = settings_of(ring, "two_copies")
        await init(settings, {DATACENTRE: 2})
        store = await CassandraStore.open(replace(settings, request_timeout_s=10.0), None)
        await store.load(home(key) for key in KEYS)
        assert len(await store.read(KEYS)) == 300
        requests = store._homes._by_replicas(KEYS, settings.keys_at_once)
        for together in requests:
            assert len({store._session.replicas(key.encode()) for key in together}) == 1
            assert len(together) <= settings.keys_at_once
        assert sum(len(together) for together in requests) == 300
        assert 3 <= len({store._session.replicas(together[0].encode()) for together in requests}) <= 6
        await store.close()

    asyncio.run(asyncio.wait_for(scenario(), 60.0))
