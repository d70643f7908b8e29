"""A node that asks for login and TLS: with them everything works, without either of them nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import aclosing
from dataclasses import replace

import pytest

from bench.servers.cassandra import CassandraRing
from bench.servers.certificates import make_certificates
from lookup.assignment import NO_EPOCH
from lookup.flags import Flag
from lookup.ports import StoreUnavailableError
from lookup.redis_clients import RedisSettings
from lookup.stores.cassandra import CassandraStore
from lookup.stores.cassandra_settings import CassandraSettings
from tests.lookup.asynchronous import asynchronous
from tests.lookup.fakes import NOW_S, home
from tests.lookup.stores.cassandra_stage import nothing_pending, opened, settings_of
from tests.lookup.stores.contract import next_change
from tests.support.on_cassandra import empty
from tests.support.servers import needed

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraSettings]:
    with needed():
        folder = tmp_path_factory.mktemp("cassandra")
        certificates = make_certificates(folder / "certificates")
        ring = CassandraRing(folder, authenticates=True, certificates=certificates, short_lived=True)
        ring.start()
    settings = settings_of(ring)
    asyncio.run(empty(settings))
    yield settings
    ring.stop()


@asynchronous
async def test_with_login_and_tls_records_and_flags_are_written_read_confirmed_and_told(
    guarded: CassandraSettings, redis: RedisSettings
) -> None:
    async with opened(guarded, redis) as store, aclosing(store.follow()) as changes:
        await anext(changes)
        await store.load([home("user:1", "cell-a", 1)])
        await store.compare_and_set(home("user:2", "cell-a", 1), NO_EPOCH)
        assert (await next_change(changes)).assignment == home("user:2", "cell-a", 1)
        await store.compare_and_set(home("user:1", "cell-b", 2), 1)
        assert (await next_change(changes)).left_cell == "cell-a"
        flag = await store.set_flag("cell-a", Flag.DOWN, reason="fire", author="ann", now_s=NOW_S)
        assert (await next_change(changes)).flag == flag
        found = {"user:1": home("user:1", "cell-b", 2), "user:2": home("user:2", "cell-a", 1)}
        assert await store.read(["user:1", "user:2"]) == found
        assert await store.confirm(["user:1", "user:2"]) == found
        assert await store.flags() == {"cell-a": flag}
        await nothing_pending(store)


@asynchronous
async def test_a_wrong_login_or_no_tls_is_unavailable(guarded: CassandraSettings) -> None:
    for wrong in (replace(guarded, password="wrong"), replace(guarded, tls=None, connect_timeout_s=1.0)):
        with pytest.raises(StoreUnavailableError):
            await CassandraStore.open(wrong, None)
    assert "cassandra'" not in repr(replace(guarded, username=None))
