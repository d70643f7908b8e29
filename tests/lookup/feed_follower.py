"""A worker that follows a feed, as tests of what it learns from it want it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from random import Random

from lookup.assignment import Assignment
from lookup.changes import ChangeFollower, FlagListener
from lookup.fence import Fence
from lookup.flags import Flag, FlagRecord
from lookup.ports import Change, ChangeFeed, Store
from lookup.resolution import Hint, Tier
from lookup.resolver import Resolver, build_resolver
from lookup.settings import LookupSettings
from lookup.tasks import end_tasks
from tests.lookup.fakes import NOW_S


class Board(FlagListener):
    """Remembers the flags and how they came."""

    def __init__(self) -> None:
        self.flags: dict[str, Flag] = {}
        self.replacements = 0
        self.changes: list[FlagRecord] = []

    def replaced(self, flags: Mapping[str, FlagRecord]) -> None:
        self.replacements += 1
        self.flags = {cell: record.flag for cell, record in flags.items()}

    def changed(self, record: FlagRecord) -> None:
        self.changes.append(record)
        self.flags[record.cell] = record.flag


class Worker:
    """What one worker has: resolver, flags, follower; `pauses_s` are what it waited, `now_s` and
    `stopwatch_s` are its clocks."""

    def __init__(self, store: Store, feed: ChangeFeed) -> None:
        self.now_s = NOW_S
        self.stopwatch_s = 100.0
        self.pauses_s: list[float] = []
        self.board = Board()
        self.resolver: Resolver = build_resolver(store, LookupSettings(deadline_s=10.0), Random(1))
        self.fence = Fence(linger_s=30.0)
        self.follower = ChangeFollower(
            feed,
            store,
            self.resolver,
            self.board,
            3600.0,
            lambda: self.now_s,
            Random(2),
            self.pause,
            self.fence,
            lambda: self.stopwatch_s,
        )

    async def pause(self, pause_s: float) -> None:
        self.pauses_s.append(pause_s)
        await asyncio.sleep(0)

    def believes(self, key: str, hint: Hint) -> bool:
        found = self.resolver.recall(key, hint, self.now_s, safe=True)
        return found is not None and found.tier is Tier.CLAIM


@asynccontextmanager
async def following(store: Store, feed: ChangeFeed) -> AsyncIterator[Worker]:
    worker = Worker(store, feed)
    task = asyncio.create_task(worker.follower.run())
    try:
        yield worker
    finally:
        await end_tasks([task])
        await worker.resolver.close()


def beat(sequence: int, generation: str = "g1") -> Change:
    return Change(generation, sequence)


def moved(sequence: int, record: Assignment, left_cell: str = "cell-a") -> Change:
    return Change("g1", sequence, assignment=record, left_cell=left_cell)


def flagged(sequence: int, version: int, flag: Flag) -> Change:
    return Change("g1", sequence, flag=FlagRecord("cell-a", flag, version, "", "ann", NOW_S))


def claim() -> Hint:
    return Hint("cell-a", 1, NOW_S - 100)
