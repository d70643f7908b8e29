"""Cassandra and Redis under the demo: those of `make up`, or some of its own, which it ends."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import redis

from bench.demo.processes import DemoError
from bench.servers import development
from bench.servers.cassandra import DATACENTRE, CassandraRing
from bench.servers.process import ServerError
from bench.servers.redis import RedisServer
from lookup.stores.cassandra_schema import init
from lookup.stores.cassandra_session import CassandraSession
from proxy.config import Settings
from proxy.tiers import cassandra_settings

_KEYSPACE: Final = "homecell_demo"
_PREFIX: Final = "homecell-demo"
_KEYS_AT_ONCE: Final = 1000


@dataclass(frozen=True, slots=True)
class OwnServers:
    """Processes that the demo started, and may kill."""

    redis: RedisServer
    cassandra: CassandraRing

    def start(self) -> None:
        """Blocks until both serve. Raises ServerError."""
        self.redis.start()
        self.redis.wait_ready()
        self.cassandra.start()

    def stop(self) -> None:
        """End what runs of them."""
        self.cassandra.stop()
        self.redis.stop()


@dataclass(frozen=True, slots=True)
class Servers:
    """Where they serve on loopback; `own` is None for those of `make up`."""

    redis_port: int
    cassandra_port: int
    own: OwnServers | None

    def config(self) -> str:
        """The sections of an edge's config that name them."""
        return f"""store:
  kind: cassandra
  cassandra:
    contact_points: ["127.0.0.1"]
    port: {self.cassandra_port}
    datacentre: {DATACENTRE}
    keyspace: {_KEYSPACE}
    replication: {{{DATACENTRE}: 1}}
redis:
  addresses: ["127.0.0.1:{self.redis_port}"]
  prefix: {_PREFIX}
"""

    async def empty(self, settings: Settings) -> None:
        """An empty store and nothing in the cache: homes and epochs of an earlier demo don't count."""
        cassandra = settings.store.cassandra
        assert cassandra is not None, "by our own config"
        session = await CassandraSession.connect(cassandra_settings(cassandra))
        try:
            await session.ask_plain(f"DROP KEYSPACE IF EXISTS {_KEYSPACE}")
        finally:
            await session.close()
        await init(cassandra_settings(cassandra), cassandra.replication)
        await asyncio.to_thread(self._empty_redis)

    def _empty_redis(self) -> None:
        with redis.Redis(port=self.redis_port) as client:
            for pattern in (f"{_PREFIX}:*", f"{{{_PREFIX}:*"):
                for name in client.scan_iter(pattern, _KEYS_AT_ONCE):
                    client.delete(name)


def choice(*, others_run: bool, may_kill: bool) -> str:
    """Which servers it will be, told before the wait for them."""
    if others_run and not may_kill:
        return "using the Redis and Cassandra of `make up`"
    own = "starting a Redis and a Cassandra of its own"
    return f"{own}, as it kills them; those of `make up` are left alone ..." if others_run else f"{own} ..."


@asynccontextmanager
async def servers(folder: Path, say: Callable[[str], None], *, may_kill: bool) -> AsyncIterator[Servers]:
    """Both serve inside the block.

    say       is told which
    may_kill  own ones, also where those of `make up` run
    Raises DemoError, which says what to install.
    """
    others_run = development.running()
    say(choice(others_run=others_run, may_kill=may_kill))
    if others_run and not may_kill:
        yield Servers(development.REDIS_PORT, development.CASSANDRA_PORT, None)
        return
    shutil.rmtree(folder, ignore_errors=True)
    try:
        own = OwnServers(
            RedisServer(folder / "redis"), CassandraRing(folder / "cassandra", spares_cores=True)
        )
    except ServerError as error:
        raise DemoError(str(error)) from error
    starting = asyncio.create_task(asyncio.to_thread(own.start))
    try:
        await asyncio.shield(starting)
        yield Servers(own.redis.port, own.cassandra.port, own)
    except ServerError as error:
        raise DemoError(str(error)) from error
    finally:
        await asyncio.to_thread(own.stop)
        await asyncio.wait([starting])  # a demo that is ended while they start
        await asyncio.to_thread(own.stop)
