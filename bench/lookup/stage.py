"""Real servers for the rows, each started when a row first needs it, and the users that they hold."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from random import Random
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import uvloop

from bench.servers.cassandra import DATACENTRE, CassandraRing
from bench.servers.redis import RedisServer, start_redis
from lookup.assignment import Assignment
from lookup.redis_clients import RedisSettings
from lookup.redis_tier import RedisTier
from lookup.stores.cassandra import CassandraStore
from lookup.stores.cassandra_schema import init
from lookup.stores.cassandra_settings import CassandraSettings
from lookup.writer import spread

T = TypeVar("T")
Tell = Callable[[str], None]

HOMES: Final = tuple((f"eu-west-1-cell-{number:02}", "eu") for number in range(1, 5))
HEAP_MB: Final = 1000

_SEED_TIMEOUT_S: Final = 30.0
_SEED_AT_ONCE: Final = 4096


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line wants of the rows.

    entries    homes to remember for their size
    users      of the platform, in the row with skewed traffic
    seconds    that one run at a fixed rate takes
    processes  that ask, in the row with skewed traffic
    """

    entries: int = 1_000_000
    users: int = 1_000_000
    seconds: int = 10
    processes: int = 2


class Stage:
    """Leaving the `with` block ends what was started. Cassandra is one node, Redis one server."""

    def __init__(self, asked: Asked, tell: Tell) -> None:
        self.asked: Final = asked
        self.tell: Final = tell
        self._open = ExitStack()
        self.folder: Final = Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="homecell-")))
        self._keyspaces = 0
        self._rings: dict[bool, CassandraRing] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.close()

    @cached_property
    def _redis(self) -> RedisServer:
        self.tell("starting Redis")
        server = start_redis(self.folder / "redis")
        self._open.callback(server.stop)
        return server

    def _ring(self, spares_cores: bool) -> CassandraRing:
        ring = self._rings.get(spares_cores)
        if ring is None:
            self.tell("starting Cassandra")
            folder = self.folder / f"cassandra-{len(self._rings) + 1}"
            ring = self._rings[spares_cores] = CassandraRing(
                folder, heap_mb=HEAP_MB, spares_cores=spares_cores
            )
            self._open.callback(ring.stop)
            ring.start()
        return ring

    def pids(self, *, spares_cores: bool = False) -> dict[str, int]:
        """The servers' processes; of the Cassandra that `cassandra` gave."""
        return {"Redis": self._redis.pid, "Cassandra": self._ring(spares_cores).nodes[0].pid}

    def redis(self, records: Iterable[Assignment] = ()) -> RedisSettings:
        """A Redis that holds nothing but these records."""
        server = self._redis
        with server.client() as client:
            client.flushall()
        settings = RedisSettings(((server.host, server.port),))
        run(_fill(settings, list(records)))
        return settings

    def cassandra(self, records: Sequence[Assignment], *, spares_cores: bool = False) -> CassandraSettings:
        """A keyspace of its own that holds exactly these records.

        spares_cores  where who asks has no core of its own: another Cassandra, with threads that idle cheaply
        """
        ring = self._ring(spares_cores)
        self._keyspaces += 1
        keyspace = f"bench_{self._keyspaces}"
        settings = CassandraSettings(tuple(ring.addresses()), ring.port, keyspace, DATACENTRE)
        self.tell(f"giving {len(records):,} users a home in Cassandra")
        run(_load(settings, records))
        return settings


def run(work: Coroutine[Any, Any, T]) -> T:
    """On the event loop that a worker of the proxy has."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(work)


def homes(keys: Iterable[str]) -> list[Assignment]:
    """The first record of each."""
    return list(spread(keys, HOMES, time.time()))


async def _fill(settings: RedisSettings, records: Sequence[Assignment]) -> None:
    tier = RedisTier(replace(settings, reply_timeout_s=_SEED_TIMEOUT_S), Random(1))
    try:
        now_s = time.time()
        for start in range(0, len(records), _SEED_AT_ONCE):
            some = records[start : start + _SEED_AT_ONCE]
            await tier.fill([replace(record, read_at_s=now_s) for record in some])
    finally:
        await tier.close()


async def _load(settings: CassandraSettings, records: Sequence[Assignment]) -> None:
    await init(settings, {DATACENTRE: 1})
    patient = replace(settings, request_timeout_s=_SEED_TIMEOUT_S)  # a node that was just started is slow
    store = await CassandraStore.open(patient, None)
    try:
        await store.load(records)
    finally:
        await store.close()
