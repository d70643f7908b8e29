"""A worker whose answers the misroute watch compares; time is the test's."""

from __future__ import annotations

from collections import Counter
from random import Random

from lookup.assignment import Alias
from lookup.memory import Memory
from lookup.misroute_watch import MisrouteWatch, WatchSettings
from lookup.moved import MovedSet
from lookup.observer import LookupObserver
from lookup.resolver import Resolver
from lookup.settings import LookupSettings
from tests.lookup.fakes import NOW_S, FakeStore, home

LOOKUP = LookupSettings(deadline_s=10.0)


WATCH = WatchSettings(keys_per_s=5, lag_s=5.0)


class Seen(LookupObserver):
    def __init__(self) -> None:
        self.checks: Counter[int] = Counter()
        self.misroutes: Counter[int] = Counter()

    def compared(self, tier: int) -> None:
        self.checks[tier] += 1

    def misrouted(self, tier: int) -> None:
        self.misroutes[tier] += 1


class Site:
    """A worker's memory, a store, perhaps a shared cache, and the watch over them; time is the test's."""

    def __init__(self, shared: FakeStore | None = None, settings: WatchSettings = WATCH) -> None:
        self.now_s = NOW_S
        self.seen = Seen()
        self.store = FakeStore(home("user:1"))
        self.memory = Memory(1000, 10, LOOKUP.lifetimes(), Random(1))
        self.moved = MovedSet(100, 5.0)
        self.lookup = Resolver(self.memory, self.moved, self.store, shared, LOOKUP, self.seen)
        self.watch = MisrouteWatch(
            self.memory,
            self.moved,
            self.lookup,
            self.store,
            shared,
            settings,
            self.seen,
            lambda: self.now_s,
            Random(2),
        )

    async def turns(self, seconds: float) -> None:
        end_s = self.now_s + seconds
        while self.now_s < end_s:
            self.now_s += 1.0
            await self.watch.turn()

    def remember_name(self, key: str, home_key: str, epoch: int = 1) -> None:
        self.memory.learn_alias(Alias(key, home_key, epoch), self.now_s, self.memory.generation)

    def remember(self, key: str, cell: str = "cell-a", epoch: int = 1) -> None:
        self.memory.learn(home(key, cell, epoch), self.now_s, self.memory.generation)
