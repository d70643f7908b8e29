"""A ring that all tests here share: three nodes in datacentre `eu` and one in `us`."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from bench.servers.cassandra import CassandraRing
from lookup.stores.cassandra_schema import STEPS
from lookup.stores.cassandra_session import CassandraSession
from lookup.stores.cassandra_settings import CassandraSettings
from tests.lookup.stores.cassandra_stage import settings_of
from tests.lookup.stores.ring.replication import COPIES, replicate
from tests.support.servers import needed


def shared_keyspaces(ring: CassandraRing) -> list[CassandraSettings]:
    """One for users whose jurisdictions are owned, one for those whom all datacentres decide together."""
    return [settings_of(ring, keyspace) for keyspace in ("owned", "together")]


async def make_tables(settings: CassandraSettings) -> None:
    """Without a row: that the tables are of the present version says an init when all nodes are there."""
    session = await CassandraSession.connect(settings)
    try:
        replication = f"{{'class': 'NetworkTopologyStrategy', '{settings.datacentre}': 1}}"
        await session.ask_plain(f"CREATE KEYSPACE {settings.keyspace} WITH replication = {replication}")
        for step in STEPS:
            for statement in step.statements:
                await session.ask_plain(statement.format(keyspace=settings.keyspace))
    finally:
        await session.close()


def make_both(ring: CassandraRing) -> None:
    for settings in shared_keyspaces(ring):
        asyncio.run(make_tables(settings))


@pytest.fixture(scope="package")
def started_ring(tmp_path_factory: pytest.TempPathFactory) -> Iterator[CassandraRing]:
    """Its nodes keep nothing for one that is away: what that one missed, it has missed."""
    with needed():
        started = CassandraRing(
            tmp_path_factory.mktemp("ring"),
            datacentres=["eu", "eu", "eu", "us"],
            hints=False,
            short_lived=True,
        )
        started.start(lambda: make_both(started))
    for settings in shared_keyspaces(started):
        asyncio.run(replicate(settings, COPIES))
    yield started
    started.stop()


@pytest.fixture
def ring(started_ring: CassandraRing) -> Iterator[CassandraRing]:
    """Any node may be killed or frozen; afterwards it serves again."""
    yield started_ring
    for node in started_ring.nodes:
        node.revive()
