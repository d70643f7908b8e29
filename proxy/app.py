"""The composition root of a worker: wires the parts, starts them, drains them, stops them, in that order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import signal
import socket
import time
from collections.abc import Iterable
from random import Random
from typing import Final

from lookup.changes import ChangeFollower
from lookup.confirm import Confirmations
from lookup.fence import Fence
from lookup.flags import FlagRecord
from lookup.lease_keeper import LeaseKeeper
from lookup.memory import Memory
from lookup.moved import MovedSet
from lookup.observer import LookupObserver
from lookup.ports import FeedingStore, Store, StoreUnavailableError
from lookup.resolver import Resolver
from lookup.snapshot import Knowledge
from lookup.stores.sqlite import SqliteStore
from lookup.stores.sqlite_feed import FeedBounds
from lookup.warm_start import WarmStart
from proxy import wiring
from proxy.cells.addresses import Addresses
from proxy.config.models import Settings
from proxy.flag_switch import FlagSwitch
from proxy.forward.downstream import Downstream
from proxy.forward.edge import Edge
from proxy.forward.outbox import Outbox
from proxy.forward.wheel import TICK_S, DeadlineWheel
from proxy.observe.access_log import AccessLog
from proxy.observe.meters import Meters

_BACKLOG: Final = 4096
_LOG_FLUSH_TICKS: Final = 2
_TRIM_TICKS: Final = 5
_KEYS_TICKS: Final = 20
_QUIET_S: Final = 1.0
_DRAIN_STEP_S: Final = 0.05
_FIRST_WORD_S: Final = 2.0
"""So long a worker that has a snapshot waits for the store before it starts from the snapshot."""
_LAST_SNAPSHOT_S: Final = 0.5
_LAST_WORD_S: Final = 0.5
"""So long a worker that ends waits until its lease is given back; else it runs out."""

_log = logging.getLogger("homecell")


class _MeteredLookups(LookupObserver):
    """Counts what the resolver tells of itself."""

    def __init__(self, meters: Meters) -> None:
        self._meters = meters

    def lookup(self, tier: int, outcome: int, seconds: float) -> None:
        self._meters.lookup(tier, outcome, seconds)


def end_without(task: asyncio.Task[None]) -> None:
    """A part that should run for ever has failed: end this worker in order, for the supervisor to replace."""
    failure = None if task.cancelled() else task.exception()
    if failure is not None:
        _log.critical("a part of this worker failed; it ends, to be replaced", exc_info=failure)
        signal.raise_signal(signal.SIGTERM)


class RunningEdge:
    """One worker's data plane, from `start` to `drain`."""

    def __init__(
        self,
        edge: Edge,
        store: Store,
        switch: FlagSwitch,
        follower: ChangeFollower,
        keeper: LeaseKeeper | None,
        addresses: Addresses,
        warm_start: WarmStart | None,
        snapshot_interval_s: float,
    ) -> None:
        self._edge = edge
        self._store = store
        self._switch = switch
        self._follower = follower
        self._keeper = keeper
        self._servers: dict[int, asyncio.Server] = {}
        self._ticks = 0
        self._warm_start = warm_start
        works = [self._tick(), follower.run(), addresses.keep_fresh()]
        if keeper is not None:
            works.append(keeper.run())
        if warm_start is not None:
            works.append(warm_start.keep(snapshot_interval_s, self._feed_as_of_s, self._flags))
        self._tasks = [edge.loop.create_task(work) for work in works]
        for task in self._tasks:
            task.add_done_callback(end_without)

    def flag_versions(self) -> dict[str, int]:
        """For each flagged cell: the version of the flag that this worker applies."""
        return dict(self._edge.snapshot.board.versions)

    def _feed_as_of_s(self) -> float:
        return self._follower.fresh_as_of_s

    def _flags(self) -> Iterable[FlagRecord]:
        return self._edge.snapshot.board.records

    def reopen_logs(self) -> None:
        """Write the access log to a fresh file of the same name (rotation)."""
        self._edge.access_log.reopen()

    async def adopt(self, listener: socket.socket) -> int:
        """Accept on this listener as well, as long as `release` is not called with the number returned."""
        number = listener.fileno()
        # uvloop closes its own descriptor; the supervisor's duplicate keeps what is queued
        self._servers[number] = await self._edge.loop.create_server(
            self._connection,  # type: ignore[arg-type]
            sock=listener,
            backlog=_BACKLOG,
        )
        return number

    def _connection(self) -> Downstream:
        return Downstream(self._edge)

    def release(self, number: int) -> None:
        """Accept no more on a listener that was adopted."""
        server = self._servers.pop(number, None)
        if server is not None:
            server.close()

    # Time.

    async def _tick(self) -> None:
        """Move the wheel on; trim, flush and look at the key files now and then."""
        edge = self._edge
        while True:
            await asyncio.sleep(TICK_S)
            self._ticks += 1
            edge.wheel.advance(edge.loop.time())
            try:
                self._chores()
            except Exception:
                _log.exception("a periodic chore failed")

    def _chores(self) -> None:
        edge = self._edge
        if self._ticks % _LOG_FLUSH_TICKS == 0:
            edge.access_log.flush()
            if self._follower.fresh_as_of_s > 0.0:
                edge.meters.feed_seen(self._follower.fresh_as_of_s)
        if self._ticks % _TRIM_TICKS == 0:
            self._switch.expire()
            for link in edge.snapshot.links.values():
                link.pool.trim()
        if self._ticks % _KEYS_TICKS == 0:
            edge.identify.reload(time.time())

    # The end.

    async def drain(self, timeout_s: float) -> None:
        """Stop accepting, let requests and replies under way finish (at most `timeout_s`), then close all."""
        edge = self._edge
        edge.stopping = True
        for server in self._servers.values():
            server.close()
        begun_s = edge.loop.time()
        while edge.connections and edge.loop.time() - begun_s < timeout_s:
            if edge.loop.time() - begun_s > _QUIET_S and all(c.idle for c in edge.connections):
                break
            await asyncio.sleep(_DRAIN_STEP_S)
        for connection in list(edge.connections):
            if connection.idle:
                connection.close()
            else:
                connection.abort()
        await self._stop()

    async def _stop(self) -> None:
        for task in self._tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await self._keep_last_snapshot()
        await self._end_lease()
        await self._edge.confirmations.close()
        await self._edge.resolver.close()
        for link in self._edge.snapshot.links.values():
            link.pool.close_idle()
        await self._store.close()
        self._edge.access_log.close()

    async def _end_lease(self) -> None:
        if self._keeper is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_WORD_S):
                    await self._keeper.end()

    async def _keep_last_snapshot(self) -> None:
        if self._warm_start is not None:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LAST_SNAPSHOT_S):
                    await self._warm_start.write(self._feed_as_of_s(), self._flags())


async def start(settings: Settings, slot: int, listener: socket.socket, row: memoryview) -> RunningEdge:
    """Start one worker's data plane and accept on `listener`.

    slot    number of the worker, for the log
    row     the worker's counters, see proxy.observe.layout
    Raises StoreUnavailableError, KeyMistakeError, LogTargetError or OSError: what can't be had, and why.
    """
    loop = asyncio.get_running_loop()
    meters = Meters(row)
    wheel = DeadlineWheel(loop.time())
    outbox = Outbox(loop)
    addresses = Addresses(endpoint.host for cell in settings.cells for endpoint in cell.endpoints)
    await addresses.refresh()
    cookies = wiring.routing_cookies(settings)
    identify = wiring.identify(settings, cookies)
    identify.reload(time.time())
    lookup_settings = wiring.lookup_settings(settings)
    random = Random()
    memory = Memory(
        lookup_settings.memory_entries, lookup_settings.unknown_entries, lookup_settings.lifetimes(), random
    )
    moved = MovedSet(lookup_settings.moved_keys, lookup_settings.clock_skew_s)
    warm_start = wiring.warm_start(settings, slot, memory, moved)
    known = await warm_start.restore(time.time()) if warm_start is not None else None
    store = _store(settings)
    flags = await _first_flags(store, known, meters)
    observer = _MeteredLookups(meters)
    resolver = Resolver(memory, moved, store, None, lookup_settings, observer)
    fence = Fence(settings.limits.cell_request_limit_s)
    cell_links = wiring.links(settings, addresses, wheel, outbox, meters)
    edge = Edge(
        loop=loop,
        jurisdiction=settings.edge.jurisdiction,
        snapshot=wiring.first_snapshot(settings, cell_links, flags),
        identify=identify,
        cookies=cookies,
        resolver=resolver,
        confirmations=Confirmations(store.confirm, lookup_settings, observer),
        fence=fence,
        outbox=outbox,
        meters=meters,
        access_log=AccessLog(str(settings.access_log), settings.edge.name, slot, meters),
        wheel=wheel,
        timeouts=wiring.timeouts(settings),
        connection_limit=max(1, settings.limits.connections // settings.edge.workers),
        trusted_networks=settings.edge.trusted_peers,
    )
    switch = FlagSwitch(edge)
    follower = ChangeFollower(
        store, store, resolver, switch, lookup_settings.claim_lifetime_s, time.time, random, fence=fence
    )
    keeper: LeaseKeeper | None = None
    if isinstance(store, SqliteStore):  # without a book of leases every write is confirmed
        worker = f"{settings.edge.name}/{slot}/{os.getpid()}-{secrets.token_hex(4)}"
        keeper = LeaseKeeper(worker, store, follower, fence, time.time, time.perf_counter)
    interval_s = settings.snapshot.interval_s if settings.snapshot is not None else 0.0
    running = RunningEdge(edge, store, switch, follower, keeper, addresses, warm_start, interval_s)
    await running.adopt(listener)
    return running


def _store(settings: Settings) -> FeedingStore:
    """The store, not asked yet. Raises StoreUnusableError."""
    place = settings.store
    if place.url is not None and place.token_file is not None:
        from lookup.stores.remote import RemoteStore  # with the HTTP client, which no other worker needs

        return RemoteStore.at(place.url, place.token_file)
    assert place.path is not None, "checked when the config was read"
    return SqliteStore(place.path, create=False, feed_bounds=FeedBounds())


async def _first_flags(store: Store, known: Knowledge | None, meters: Meters) -> Iterable[FlagRecord]:
    """The store's; while it does not answer, those `known` from before. Raises StoreUnavailableError."""
    try:
        async with asyncio.timeout(None if known is None else _FIRST_WORD_S):
            return (await store.flags()).values()
    except (StoreUnavailableError, TimeoutError) as failure:
        if known is None:
            await store.close()
            raise
        age_s = time.time() - known.as_of_s
        reason = str(failure) or f"no answer within {_FIRST_WORD_S:g} s"
        _log.warning(
            "the store can't be reached (%s): starting with what was known %.0f s ago", reason, age_s
        )
        meters.feed_seen(known.as_of_s)
        return known.flags
