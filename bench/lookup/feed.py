"""The row of the change feed: how long after a move begins to be written does the last worker know it?

Each worker is a process of its own with a resolver, following the feed as a worker of the proxy does.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack, aclosing, contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from random import Random
from typing import Final, TypeAlias

from bench.lookup.figures import Figure, percentile
from bench.lookup.stage import HOMES, Stage, homes, run
from lookup.assignment import Assignment
from lookup.changes import ChangeFollower, FlagListener
from lookup.database import Database
from lookup.fence import Fence
from lookup.memory import Memory
from lookup.moved import MovedSet
from lookup.observer import SILENT
from lookup.ports import Change, ChangeFeed, History
from lookup.present_feed import PresentFeed
from lookup.redis_clients import RedisSettings
from lookup.redis_feed_scripts import FeedNames
from lookup.redis_publisher import RedisPublisher
from lookup.relay import Relay
from lookup.resolver import Resolver
from lookup.settings import LookupSettings
from lookup.stores.cassandra_fed import FedCassandra
from lookup.stores.cassandra_settings import CassandraSettings
from lookup.stores.sqlite import SqliteStore

WORKERS: Final = 4
MOVES: Final = 400
MOVES_PER_S: Final = 40.0
TARGET_MS: Final = 100.0

_READY_S: Final = 60.0
_ARRIVED_S: Final = 10.0
_LOOK_S: Final = 0.05

Heard: TypeAlias = dict[str, float]
"""By key: time.monotonic() when a worker's resolver had learnt its move."""


@dataclass(frozen=True, slots=True)
class OnFile:
    """The embedded store in this file."""

    path: Path


@dataclass(frozen=True, slots=True)
class OnServers:
    """Cassandra, with its feed on Redis."""

    cassandra: CassandraSettings
    redis: RedisSettings


Place: TypeAlias = OnFile | OnServers


@dataclass(frozen=True, slots=True)
class Written:
    """One move: when its write began and when it had ended, by time.monotonic()."""

    key: str
    begun_s: float
    ended_s: float


def feed(stage: Stage) -> list[Figure]:
    """Moves at a steady pace on the embedded store, then on Cassandra with the feed on Redis."""
    keys = [f"user:moved-{number}" for number in range(MOVES)]
    path = stage.folder / "feed.sqlite"
    run(_seed(path, keys))
    stage.tell("moves on SQLite")
    figures = _measure("SQLite", OnFile(path), keys)
    servers = OnServers(stage.cassandra(homes(keys)), stage.redis())
    stage.tell("moves on Cassandra, fed by Redis")
    return figures + _measure("Cassandra and Redis", servers, keys)


def delays_ms(moves: Sequence[Written], heard: Sequence[Mapping[str, float]]) -> list[float]:
    """From the beginning of each move's write until the last worker knew. Raises KeyError for a move that a
    worker has not heard of."""
    return [(max(worker[move.key] for worker in heard) - move.begun_s) * 1e3 for move in moves]


def _measure(what: str, place: Place, keys: Sequence[str]) -> list[Figure]:
    with ExitStack() as stack:
        workers = [stack.enter_context(_worker(place)) for _ in range(WORKERS)]
        moves = run(_move_all(place, keys, workers))
        heard = [_collect(worker) for worker in workers]
    late_ms = delays_ms(moves, heard)
    took_ms = [(move.ended_s - move.begun_s) * 1e3 for move in moves]
    note = f"{MOVES} moves at {MOVES_PER_S:g}/s, {WORKERS} workers"
    return [
        Figure(f"{what}: last worker knows, p50", percentile(late_ms, 0.5), "ms"),
        Figure(f"{what}: last worker knows, p99", percentile(late_ms, 0.99), "ms", TARGET_MS, note),
        Figure(f"{what}: the slowest", max(late_ms), "ms"),
        Figure(f"{what}: the write itself, p99", percentile(took_ms, 0.99), "ms"),
    ]


async def _move_all(place: Place, keys: Sequence[str], workers: Sequence[Connection]) -> list[Written]:
    async with AsyncExitStack() as stack:
        store = await _opened(place, stack)
        if isinstance(place, OnServers):
            _relay(place, stack)
        ready = [asyncio.to_thread(_expect, worker, "ready", _READY_S) for worker in workers]
        await asyncio.gather(*ready)
        return await _at_a_pace(store, keys)


def _relay(place: OnServers, stack: AsyncExitStack) -> None:
    """The one that keeps the feed alive."""
    store = FedCassandra.over(place.cassandra, place.redis, FeedNames())
    publisher = RedisPublisher(place.redis, FeedNames())
    feed = PresentFeed(publisher, lambda: store.generation)
    for part in (store, publisher):
        stack.push_async_callback(part.close)
    stack.callback(asyncio.create_task(Relay(store, feed, time.time, Random(1)).run()).cancel)


async def _at_a_pace(store: Database, keys: Sequence[str]) -> list[Written]:
    """Gaps are random, so that moves don't fall into step with whoever looks now and then."""
    chance = Random(6)
    moves = []
    cell, jurisdiction = HOMES[-1]
    for key in keys:
        await asyncio.sleep(chance.expovariate(MOVES_PER_S))
        begun_s = time.monotonic()
        await store.compare_and_set(Assignment(key, cell, jurisdiction, 2, updated_at_s=time.time()), 1)
        moves.append(Written(key, begun_s, time.monotonic()))
    return moves


async def _seed(path: Path, keys: Sequence[str]) -> None:
    store = await SqliteStore.open(path, create=True)
    try:
        await store.load(homes(keys))
    finally:
        await store.close()


async def _opened(place: Place, stack: AsyncExitStack) -> Database:
    store: Database
    if isinstance(place, OnFile):
        store = await SqliteStore.open(place.path)
    else:
        store = FedCassandra.over(place.cassandra, place.redis, FeedNames())
    stack.push_async_callback(store.close)
    return store


# The workers


class _Noted:
    """A feed that notes when each move has been learnt of: when its follower comes for the next change. (A
    resolver that notes it would have to be derived from one that is compiled, which can't be done.)"""

    def __init__(self, feed: ChangeFeed) -> None:
        self.heard: Heard = {}
        self._feed = feed

    async def follow(self) -> AsyncGenerator[Change, None]:
        """ports.ChangeFeed.follow, noted."""
        async with aclosing(self._feed.follow()) as changes:
            async for change in changes:
                yield change
                if change.assignment is not None:
                    self.heard[change.assignment.key] = time.monotonic()

    async def history(self, since_s: float) -> History:
        """ports.ChangeFeed.history."""
        return await self._feed.history(since_s)


@contextmanager
def _worker(place: Place) -> Iterator[Connection]:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, place), daemon=True)
    process.start()
    try:
        yield ours
    finally:
        ours.close()
        process.join(_ARRIVED_S)
        if process.is_alive():
            process.kill()
            process.join()


def _work(parent: Connection, place: Place) -> None:
    """In a process of its own."""
    run(_follow(parent, place))


async def _follow(parent: Connection, place: Place) -> None:
    async with AsyncExitStack() as stack:
        store = await _opened(place, stack)
        settings, chance = LookupSettings(), Random()
        memory = Memory(1000, 1000, settings.lifetimes(), chance)
        moved = MovedSet(settings.moved_keys, settings.clock_skew_s)
        lookup, noted = Resolver(memory, moved, store, None, settings, SILENT), _Noted(store)
        stack.push_async_callback(lookup.close)
        follower = ChangeFollower(
            noted,
            store,
            lookup,
            FlagListener(),
            settings.claim_lifetime_s,
            time.time,
            chance,
            fence=Fence(0.0),
        )
        following = asyncio.create_task(follower.run())
        stack.callback(following.cancel)
        await _until(lambda: follower.is_caught_up, _READY_S)
        parent.send("ready")
        await asyncio.to_thread(parent.poll, None)
        wanted: int = parent.recv()
        await _until(lambda: len(noted.heard) >= wanted, _ARRIVED_S)
        parent.send(noted.heard)


async def _until(holds: Callable[[], bool], timeout_s: float) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not holds() and time.monotonic() < deadline_s:  # noqa: ASYNC110 -- what makes it so is far away
        await asyncio.sleep(_LOOK_S)


def _expect(worker: Connection, word: str, timeout_s: float) -> None:
    assert worker.poll(timeout_s), f"a worker is not {word} after {timeout_s:g} s"
    assert worker.recv() == word


def _collect(worker: Connection) -> Heard:
    worker.send(MOVES)
    heard: Heard = worker.recv()
    return heard
