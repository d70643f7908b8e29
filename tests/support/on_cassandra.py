"""Config sections that name real servers, and a store there that holds nothing."""

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


def empty_keyspace(ring: CassandraRing, keyspace: str) -> None:
    """Its tables exist and hold nothing."""
    asyncio.run(empty(CassandraSettings(tuple(ring.addresses()), ring.port, keyspace, DATACENTRE)))


async def empty(settings: CassandraSettings) -> None:
    """Tables that exist and hold nothing: to truncate them is quicker than to make them anew."""
    session = await CassandraSession.connect(settings)
    try:
        rows = await session.ask_plain(
            f"SELECT table_name FROM system_schema.tables WHERE keyspace_name = '{settings.keyspace}'"
        )
        tables = {str(table) for (table,) in rows} - {"schema_step"}
        if not tables:
            await init(settings, {DATACENTRE: 1})
        await asyncio.gather(
            *(session.ask_plain(f"TRUNCATE {settings.keyspace}.{table}") for table in tables)
        )
    finally:
        await session.close()
