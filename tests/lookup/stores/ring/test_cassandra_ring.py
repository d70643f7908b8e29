"""Three nodes: with one of three copies dead or frozen no lookup fails and writes go on; prints the times."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest

from bench.servers.cassandra import CassandraRing
from bench.servers.cassandra_quorum import see_each_other
from bench.servers.process import poll
from lookup.assignment import NO_EPOCH
from lookup.ports import StoreUnavailableError
from lookup.stores.cassandra import CassandraStore
from lookup.stores.cassandra_schema import init
from lookup.stores.cassandra_settings import CassandraSettings
from tests.lookup.asynchronous import until
from tests.lookup.fakes import home
from tests.lookup.stores.cassandra_stage import settings_of
from tests.lookup.stores.ring.replication import COPIES, replicate

pytestmark = pytest.mark.slow

KEYS = [f"user:ring-{number}" for number in range(2000)]
_PERIOD_S = 4.0
_EVERY_S = 0.02


@pytest.fixture
def three_copies(ring: CassandraRing) -> Iterator[CassandraSettings]:
    """Of everything, all near."""
    settings = settings_of(ring, "together")
    asyncio.run(init(settings, COPIES))
    asyncio.run(replicate(settings, {settings.datacentre: 3}))
    yield settings
    asyncio.run(replicate(settings, COPIES))


@dataclass
class Seen:
    """What clients saw in one period."""

    delays_s: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    def line(self, period: str) -> str:
        delays_ms = sorted(1000 * delay for delay in self.delays_s)
        p50, p99 = (delays_ms[int(len(delays_ms) * part)] for part in (0.5, 0.99))
        return (
            f"{period:<28} {len(delays_ms):5} reads, {len(self.failures)} failed, "
            f"p50 {p50:.1f} ms, p99 {p99:.1f} ms, longest {delays_ms[-1]:.1f} ms"
        )


async def read_for_a_while(store: CassandraStore) -> Seen:
    """A reading each 20 ms, whatever became of the one before."""
    seen = Seen()

    async def read(key: str) -> None:
        begun_s = time.monotonic()
        try:
            assert list(await store.read([key])) == [key]
        except StoreUnavailableError as failure:
            seen.failures.append(str(failure))
        seen.delays_s.append(time.monotonic() - begun_s)

    readings: list[asyncio.Task[None]] = []
    end_s = time.monotonic() + _PERIOD_S
    while time.monotonic() < end_s:
        readings.append(asyncio.create_task(read(KEYS[7 * len(readings) % len(KEYS)])))
        await asyncio.sleep(_EVERY_S)
    await asyncio.gather(*readings)
    return seen


def test_with_one_of_three_nodes_killed_or_frozen_no_lookup_fails(
    ring: CassandraRing, three_copies: CassandraSettings
) -> None:
    asyncio.run(asyncio.wait_for(kill_and_freeze(ring, three_copies), 240.0))


async def kill_and_freeze(ring: CassandraRing, settings: CassandraSettings) -> None:
    patient = await CassandraStore.open(replace(settings, request_timeout_s=10.0), None)
    for start in range(0, len(KEYS), 100):  # the nodes are cold
        await patient.load(home(key) for key in KEYS[start : start + 100])
    await patient.close()
    store = await CassandraStore.open(settings, None)
    seen: dict[str, Seen] = {}

    async def period(name: str) -> None:
        seen[name] = await read_for_a_while(store)
        print("", seen[name].line(name), *seen[name].failures[:3], sep="\n", end="")

    async def during(name: str, fault: Callable[[], None]) -> None:
        reading = asyncio.create_task(period(name))
        await asyncio.sleep(_PERIOD_S / 3)
        await asyncio.to_thread(fault)
        await reading

    await period("before, cold")
    await period("before")
    await during("one node killed meanwhile", ring.nodes[1].kill)
    await period("one node dead")
    await store.compare_and_set(home("user:new"), NO_EPOCH)
    await asyncio.to_thread(ring.nodes[1].start)
    await asyncio.to_thread(ring.nodes[1].wait_ready)
    await period("it comes back")
    await all_serve(ring, store)
    await during("one node frozen meanwhile", lambda: ring.nodes[2].signal(signal.SIGSTOP))
    await period("one node frozen")
    await store.compare_and_set(home("user:new", "cell-b", 2), 1)
    ring.nodes[2].signal(signal.SIGCONT)
    await period("it thaws")
    await store.close()
    assert {name: period.failures for name, period in seen.items()} == {name: [] for name in seen}


async def all_serve(ring: CassandraRing, store: CassandraStore) -> None:
    """Return when a second fault would be one of one node: three copies bear no more."""
    assert await asyncio.to_thread(poll, lambda: see_each_other(ring.addresses(), ring.port), 60.0)
    line = await store._session.connected()
    near = [
        host
        for host in line.cluster.metadata.all_hosts()
        if host.datacenter == ring.nodes[0].settings.datacentre
    ]
    await until(lambda: all(host.is_up for host in near))


def test_keys_of_one_request_share_their_replicas(three_copies: CassandraSettings) -> None:
    async def scenario() -> None:
        settings = three_copies
        await replicate(settings, {settings.datacentre: 2})
        store = await CassandraStore.open(replace(settings, request_timeout_s=10.0), None)
        await store.load(home(key) for key in KEYS[:300])
        assert len(await store.read(KEYS[:300])) == 300
        requests = store._homes._by_replicas(KEYS[:300], settings.keys_at_once)
        for together in requests:
            assert len({store._session.replicas(key.encode()) for key in together}) == 1
            assert len(together) <= settings.keys_at_once
        assert sum(len(together) for together in requests) == 300
        assert len({store._session.replicas(together[0].encode()) for together in requests}) == 3
        await store.close()

    asyncio.run(asyncio.wait_for(scenario(), 60.0))
