"""How often, and where, a keyspace that exists is kept: one statement, where a new keyspace takes twenty."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from lookup.stores.cassandra_session import CassandraSession
from lookup.stores.cassandra_settings import CassandraSettings

COPIES: Final = {"eu": 2, "us": 1}
"""Of the keyspaces that the tests share; each test has users of its own. Who needs others puts it back."""


async def replicate(settings: CassandraSettings, copies: Mapping[str, int]) -> None:
    """So many copies in each of these datacentres, and none elsewhere."""
    await alter(settings, "NetworkTopologyStrategy", copies)


async def alter(settings: CassandraSettings, strategy: str, options: Mapping[str, int]) -> None:
    """Any strategy, with its options."""
    session = await CassandraSession.connect(settings)
    try:
        replication = f"{{'class': '{strategy}', {_listed(options)}}}"
        await session.ask_plain(f"ALTER KEYSPACE {settings.keyspace} WITH replication = {replication}")
    finally:
        await session.close()


def _listed(options: Mapping[str, int]) -> str:
    return ", ".join(f"'{name}': {value}" for name, value in options.items())
