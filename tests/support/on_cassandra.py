"""Config sections that name real servers, and a store there that is new."""

from __future__ import annotations

import asyncio

from bench.servers.cassandra import DATACENTRE, CassandraRing
from bench.servers.redis import RedisServer
from lookup.stores.cassandra_schema import init
from lookup.stores.cassandra_session import CassandraSession
from lookup.stores.cassandra_settings import CassandraSettings


def sections(ring: CassandraRing, redis: RedisServer, keyspace: str) -> dict[str, object]:
    """`store` and `redis` of an edge's config, for both servers in plain."""
    cassandra = {
        "contact_points": ring.addresses(),
        "port": ring.port,
        "datacentre": DATACENTRE,
        "keyspace": keyspace,
        "replication": {DATACENTRE: 1},
    }
    return {
        "store": {"kind": "cassandra", "cassandra": cassandra},
        "redis": {"addresses": [f"{redis.host}:{redis.port}"]},
    }


def new_keyspace(ring: CassandraRing, keyspace: str) -> None:
    """The keyspace with its tables, and nothing in them."""
    asyncio.run(_renew(CassandraSettings(tuple(ring.addresses()), ring.port, keyspace, DATACENTRE)))


async def _renew(settings: CassandraSettings) -> None:
    session = await CassandraSession.connect(settings)
    try:
        await session.ask_plain(f"DROP KEYSPACE IF EXISTS {settings.keyspace}")
    finally:
        await session.close()
    await init(settings, {DATACENTRE: 1})
