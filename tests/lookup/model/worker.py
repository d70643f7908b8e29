"""One worker of an edge: the real resolver, follower, fence and keeper, and the requests it lets through."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from math import inf
from random import Random
from typing import Final, Protocol, cast

from lookup.announcement import Announcement, announced
from lookup.assignment import NO_EPOCH, State
from lookup.changes import ChangeFollower, FlagListener
from lookup.confirm import Confirmations
from lookup.fence import Fence
from lookup.flags import FlagRecord
from lookup.lease_keeper import LeaseKeeper
from lookup.leases import Lease, LeaseBook
from lookup.memory import Memory
from lookup.moved import MovedSet
from lookup.observer import SILENT
from lookup.ports import Store, StoreUnavailableError
from lookup.resolution import Hint, Outcome, Resolution, Tier
from lookup.resolver import Resolver
from lookup.settings import LookupSettings
from lookup.tasks import end_tasks
from tests.lookup.model.cells import Cells, Request
from tests.lookup.model.fates import Crash
from tests.lookup.model.records import Records
from tests.lookup.model.stage import Stage
from tests.lookup.model.tap import Tap
from tests.lookup.model.traffic import Traffic, WatchedCache

SKEW_S: Final = 5.0
LINGER_S: Final = 10.0
REQUEST_S: Final = 3.0
"""A request is sent within this time, or not at all."""

CLAIM_LIFETIME_S: Final = 400.0
"""So far back workers know of changes: no move stays open for longer."""

SETTINGS: Final = LookupSettings(
    deadline_s=0.25,
    memory_entries=2,
    unknown_entries=2,
    moved_keys=1,
    claim_lifetime_s=CLAIM_LIFETIME_S,
    clock_skew_s=SKEW_S,
    failures_to_open=1_000_000,
)
"""Small, so that everything is evicted and spilled now and then."""

_COOKIE_TIERS: Final = (Tier.MEMORY, Tier.SHARED, Tier.STORE)


class Surroundings(Protocol):
    """What a worker sees of the world."""

    now_s: float
    stage: Stage
    traffic: Traffic
    cells: Cells
    records: Records


class Worker:
    """`skew_s` is by how much its clock is ahead. Built inside the running loop.

    leased    whether it renews a lease; else it asks the truth before each write, and moves know that
    deciding  requests of which it is not known yet where they go
    requests  unsafe ones that were let through and have not ended
    cookies   routing cookies that it has issued since they were last collected
    """

    def __init__(self, name: str, skew_s: float, leased: bool, world: Surroundings) -> None:
        self.name = name
        self.leased = leased
        self.requests: list[Request] = []
        self.deciding: list[asyncio.Task[None]] = []
        self.cookies: list[tuple[str, Hint]] = []
        self._skew_s = skew_s
        self._world = world
        stage, traffic = world.stage, world.traffic
        self.fence = Fence(LINGER_S)
        self.tap = Tap(stage, traffic)
        self.memory = Memory(
            SETTINGS.memory_entries, SETTINGS.unknown_entries, SETTINGS.lifetimes(), Random(1)
        )
        self.moved = MovedSet(SETTINGS.moved_keys, SETTINGS.clock_skew_s)
        shared = None if stage.shared is None else WatchedCache(stage.shared, traffic)
        store = cast(Store, _WatchedStore(stage, traffic))  # workers do nothing else with it
        self.resolver = Resolver(self.memory, self.moved, store, shared, SETTINGS, SILENT)
        self.confirmations = Confirmations(
            announced(traffic.watched(stage.confirm), self._announcement(), self.fence), SETTINGS, SILENT
        )
        self.follower = ChangeFollower(
            self.tap,
            store,
            self.resolver,
            FlagListener(),
            CLAIM_LIFETIME_S,
            self.unix_s,
            Random(1),
            fence=self.fence,
            stopwatch=lambda: world.now_s,
        )
        self.keeper = LeaseKeeper(
            name, stage.leases, self.follower, self.fence, self.unix_s, lambda: world.now_s
        )
        self._following = asyncio.get_running_loop().create_task(self.follower.run())
        self._renewing: asyncio.Task[None] | None = None

    def unix_s(self) -> float:
        """What its clock shows."""
        return self._world.now_s + self._skew_s

    async def die(self) -> None:
        """Nothing is said to anybody; what was sent goes on."""
        tasks = [*self.deciding, self._following, *([self._renewing] if self._renewing else [])]
        await end_tasks(tasks)
        await self.resolver.close()
        await self.confirmations.close()
        for request in self.requests:
            if request.sent:
                self._goes_on(request)
        self.requests.clear()

    def begin(self, key: str, hint: Hint | None, *, safe: bool) -> None:
        """A request arrives."""
        deciding = self._read(key, hint) if safe else self._write(key, hint)
        self.deciding.append(asyncio.get_running_loop().create_task(deciding))

    def renew(self) -> None:
        """Renew the lease, if it has one, unless the renewal before is still on its way."""
        if self.leased and (self._renewing is None or self._renewing.done()):
            self._renewing = asyncio.get_running_loop().create_task(self._renew())

    async def _renew(self) -> None:
        async with self._world.traffic.counted():
            with suppress(StoreUnavailableError, Crash):
                await self.keeper.renew()

    def conclude(self) -> None:
        """Take note of requests that are decided; raises what they found wrong."""
        for task in self.deciding:
            if task.done():
                task.result()
        self.deciding = [task for task in self.deciding if not task.done()]

    def end(self, request: Request, *, cut_off: bool) -> None:
        self.requests.remove(request)
        still_running = cut_off and request.sent
        self.fence.leave(request.key, still_running, self._world.now_s)
        if still_running:
            self._goes_on(request)

    def over_at_s(self, request: Request) -> float:
        """By then it has ended, and whatever the cell does for it."""
        last_s = self.fence.lease_until_s if request.leased else request.begun_at_s + REQUEST_S
        return last_s + LINGER_S

    def _goes_on(self, request: Request) -> None:
        until_s = min(self._world.now_s + LINGER_S, self.over_at_s(request))
        self._world.cells.cut_off(request, until_s)

    def _announcement(self) -> Announcement:
        book = cast(LeaseBook, _WatchedBook(self._world.stage, self._world.traffic))  # nothing else is done
        linger_s = REQUEST_S + LINGER_S
        return Announcement(f"{self.name}/confirms", book, linger_s, self.unix_s, lambda: self._world.now_s)

    async def _read(self, key: str, hint: Hint | None) -> None:
        asked_s, told = self.unix_s(), self.tap.told.get(key, NO_EPOCH)
        is_fresh = self.follower.position is not None
        found = await self._resolve(key, hint, safe=True)
        if found.outcome is Outcome.FOUND:
            assert is_fresh or found.tier is not Tier.CLAIM, f"{self.name} believes {found} without a feed"
            if found.epoch != NO_EPOCH:
                self._world.records.check_pair(key, found.cell, found.epoch, unsafe=False)
            if is_fresh and found.tier is not Tier.STALE:
                cells = self._world.records.cells_since(key, told)
                newer = found.epoch >= told or found.epoch == NO_EPOCH
                assert newer, f"{self.name} was told epoch {told} and says {found}"
                assert found.cell in cells, f"{self.name} was told epoch {told} and says {found}"
        self._issue(found, asked_s)

    async def _write(self, key: str, hint: Hint | None) -> None:
        world = self._world
        self.fence.enter(key)
        asked_s, begun_at_s, known = self.unix_s(), world.now_s, world.records.epoch(key)
        leased = begun_at_s < self.fence.lease_until_s
        try:
            if leased:
                found = await self._resolve(key, hint, safe=False)
            else:
                found = await self.confirmations.confirm(key, self.unix_s())
        except asyncio.CancelledError:
            self.fence.leave(key, False, world.now_s)
            raise
        if found.outcome is not Outcome.FOUND or found.state is State.MOVING:
            self.fence.leave(key, False, world.now_s)
            return
        request = Request(key, found.cell, found.epoch, leased, begun_at_s)
        self.requests.append(request)
        if found.epoch != NO_EPOCH:
            world.records.check_pair(key, found.cell, found.epoch, unsafe=True)
        if leased:
            await self._check_home(request, found)
        else:
            assert found.epoch >= known, f"{key} was confirmed as {found}, but had epoch {known} already"
        self._issue(found, asked_s)

    async def _check_home(self, request: Request, found: Resolution) -> None:
        """Let through by what is remembered: the user lives there, and nobody copies it away."""
        key, cell = request.key, request.cell
        home = (await self._world.stage.truth([key]))[key]
        assert home.cell == cell, f"{self.name} sends a write of {key} by {found}, but home is {home}"
        assert (key, cell) not in self._world.cells.copying, f"{key} is being copied from {cell}: {found}"

    async def _resolve(self, key: str, hint: Hint | None, *, safe: bool) -> Resolution:
        found = self.resolver.recall(key, hint, self.unix_s(), safe)
        return found or await self.resolver.resolve(key, hint, self.unix_s(), safe)

    def _issue(self, found: Resolution, asked_s: float) -> None:
        is_placed = found.outcome is Outcome.FOUND and found.state is State.PLACED
        if is_placed and found.tier in _COOKIE_TIERS:
            as_of_s = self.resolver.true_as_of_s(found, asked_s)
            if as_of_s > -inf:
                self.cookies.append((found.key, Hint(found.cell, found.epoch, as_of_s)))


class _WatchedStore:
    """The part of a store that workers use, with its readings counted."""

    def __init__(self, stage: Stage, traffic: Traffic) -> None:
        self._stage = stage
        self._traffic = traffic
        self.read = traffic.watched(stage.store.read)

    async def flags(self) -> Mapping[str, FlagRecord]:
        async with self._traffic.counted():
            return await self._stage.store.flags()


class _WatchedBook:
    """The part of a book of leases that announcements use, with their writings counted."""

    def __init__(self, stage: Stage, traffic: Traffic) -> None:
        self._stage = stage
        self._traffic = traffic

    async def renew_lease(self, lease: Lease) -> bool:
        async with self._traffic.counted():
            return await self._stage.leases.renew_lease(lease)
