"""One worker's data plane while it runs: accepts, does the periodic chores, drains, and stops in order."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, NamedTuple

from lookup.changes import ChangeFollower
from lookup.flags import FlagRecord
from lookup.lease_keeper import LeaseKeeper
from lookup.misroute_watch import MisrouteWatch
from lookup.tasks import end_tasks
from lookup.warm_start import WarmStart
from proxy.cells.addresses import Addresses
from proxy.census import Census
from proxy.config.models import Settings
from proxy.flag_switch import FlagSwitch
from proxy.forward.downstream import Downstream
from proxy.forward.edge import Edge
from proxy.forward.wheel import TICK_S
from proxy.kernel.accept_queue import waiting
from proxy.kernel.huge_pages import HugePages
from proxy.key_watch import look_at_keys
from proxy.observe.heavy import HeavyHitters, Tally
from proxy.tiers import Tiers

_BACKLOG: Final = 4096
_LOG_FLUSH_TICKS: Final = 2
_TRIM_TICKS: Final = 5
_KEYS_TICKS: Final = 20
_TALLY_TICKS: Final = 10
_FADE_TICKS: Final = 600
_FADE: Final = 0.5
"""Who asks most: of the last two minutes or so."""

_SUSPENDED_S: Final = 1.0
"""Between two ticks: the worker, or its loop, stood still."""

_QUIET_S: Final = 1.0
_DRAIN_STEP_S: Final = 0.05
_SETTLE_S: Final = 0.2
"""Two round trips of a distant client."""

_LAST_SNAPSHOT_S: Final = 0.5
_LAST_WORD_S: Final = 0.5
"""So long a worker that ends waits until its lease is given back; else it runs out."""

_log = logging.getLogger("homecell")


def end_without(task: asyncio.Task[None]) -> None:
    """A part that should run for ever has failed: end this worker in order, for the supervisor to replace."""
    failure = None if task.cancelled() else task.exception()
    if failure is not None:
        _log.critical("a part of this worker failed; it ends, to be replaced", exc_info=failure)
        signal.raise_signal(signal.SIGTERM)


class Ending(NamedTuple):
    """How far a drain has come: what it waits for, and how many connections it broke off at its limit."""

    waits_for: str
    cut: int


class RunningEdge:
    """One worker's data plane, from `start` to `drain`."""

    def __init__(
        self,
        edge: Edge,
        tiers: Tiers,
        switch: FlagSwitch,
        follower: ChangeFollower,
        keeper: LeaseKeeper | None,
        addresses: Addresses,
        watch: MisrouteWatch,
        warm_start: WarmStart | None,
        snapshot_interval_s: float,
        census: Census | None,
        pages: HugePages,
        place_by: Callable[[Settings], None],
    ) -> None:
        self._edge = edge
        self._tiers = tiers
        self._switch = switch
        self._follower = follower
        self._keeper = keeper
        self._place_by = place_by
        self._servers: dict[int, tuple[asyncio.Server, socket.socket]] = {}
        self._ticks = 0
        self._heavy = HeavyHitters()
        self._warm_start = warm_start
        self._ending = Ending("its connections", 0)
        works = [self._tick(), follower.run(), addresses.keep_fresh(), watch.run(), pages.keep()]
        if keeper is not None:
            works.append(keeper.run())
        if census is not None:
            works.append(census.run())
        if tiers.relay is not None:
            works.append(tiers.relay.run())
        if warm_start is not None:
            works.append(warm_start.keep(snapshot_interval_s, self._feed_as_of_s, self._flags))
        self._tasks = [edge.loop.create_task(work) for work in works]
        for task in self._tasks:
            task.add_done_callback(end_without)

    def flag_versions(self) -> dict[str, int]:
        """For each flagged cell: the version of the flag that this worker applies."""
        return dict(self._edge.snapshot.board.versions)

    def tally(self) -> Tally:
        """Who asked most lately."""
        return self._heavy.tally()

    def _feed_as_of_s(self) -> float:
        return self._follower.fresh_as_of_s

    def _flags(self) -> Iterable[FlagRecord]:
        return self._edge.snapshot.board.records

    def key_set(self) -> bytes:
        """The JWK Set file's content when it was last good; b"" before, and without such a file."""
        return self._edge.identify.token_keys.good

    def reopen_logs(self) -> None:
        """Write the access log to a fresh file of the same name (rotation)."""
        self._edge.access_log.reopen()

    def place_by(self, settings: Settings) -> None:
        """Give new users their homes by these from now on."""
        self._place_by(settings)

    async def adopt(self, listener: socket.socket) -> int:
        """Accept on this listener as well, as long as `release` is not called with the number returned."""
        number = listener.fileno()
        # uvloop closes its own descriptor; the supervisor's duplicate keeps what is queued
        server = await self._edge.loop.create_server(
            self._connection,  # type: ignore[arg-type]
            sock=listener,
            backlog=_BACKLOG,
        )
        self._servers[number] = (server, listener)
        return number

    def _connection(self) -> Downstream:
        return Downstream(self._edge)

    def release(self, number: int) -> None:
        """Accept no more on a listener that was adopted."""
        if number in self._servers:
            server, _ = self._servers.pop(number)
            server.close()

    # Time.

    async def _tick(self) -> None:
        """Move the wheel on; trim, flush and look at the key files now and then.

        While this worker was suspended it heard nobody, so that time is no cell's and no client's slowness.
        """
        edge = self._edge
        now_s = edge.loop.time()
        while True:
            await asyncio.sleep(TICK_S)
            self._ticks += 1
            before_s, now_s = now_s, edge.loop.time()
            step_s = now_s - before_s
            if step_s > _SUSPENDED_S:
                step_s = TICK_S
                self._close_idle()  # cells may have had enough of them meanwhile
            edge.wheel.advance(edge.wheel.now_s + step_s)
            try:
                self._chores()
            except Exception:
                _log.exception("a periodic chore failed")

    def _close_idle(self) -> None:
        for link in self._edge.snapshot.links.values():
            link.pool.close_idle()

    def _chores(self) -> None:
        edge = self._edge
        edge.meters.publish()
        if self._ticks % _LOG_FLUSH_TICKS == 0:
            edge.access_log.flush()
            if self._follower.fresh_as_of_s > 0.0:
                edge.meters.feed_seen(self._follower.fresh_as_of_s)
        if self._ticks % _TRIM_TICKS == 0:
            self._switch.expire()
            for link in edge.snapshot.links.values():
                link.pool.trim()
        if self._ticks % _TALLY_TICKS == 0 and self._tiers.relay is not None:
            backlog = self._tiers.relay.backlog(time.time())
            if backlog is None:
                edge.meters.relay(False, 0, 0.0, False)
            else:
                endangered = self._tiers.relay.dangers != ""
                edge.meters.relay(True, backlog.pending, backlog.lag_s, endangered)
        if self._ticks % _TALLY_TICKS == 0:
            picked = edge.samples.collect()
            self._heavy.add(picked.items, picked.weight)
        if self._ticks % _FADE_TICKS == 0:
            self._heavy.fade(_FADE)
        if self._ticks % _KEYS_TICKS == 0:
            look_at_keys(edge.identify, edge.meters, time.time())

    # The end.

    def ending(self) -> Ending:
        """How far `drain` has come, for who gives it up."""
        return self._ending

    async def drain(self, timeout_s: float) -> None:
        """Accept who is queued already and no more, let requests and replies under way finish, close all.

        All this takes at most `timeout_s`; what has not finished by then is cut.
        """
        edge = self._edge
        edge.stopping = True
        until_s = edge.loop.time() + timeout_s
        await self._accept_the_queued(until_s)
        for server, _ in self._servers.values():
            server.close()
        closed_s = edge.loop.time()
        while edge.connections and edge.loop.time() < until_s:
            if edge.loop.time() - closed_s > _QUIET_S and all(c.idle for c in edge.connections):
                break
            await asyncio.sleep(_DRAIN_STEP_S)
        self._end_connections(timeout_s)
        await self._stop()

    def _end_connections(self, timeout_s: float) -> None:
        connections = list(self._edge.connections)
        busy = [connection for connection in connections if not connection.idle]
        for connection in connections:
            if connection.idle:
                connection.close()
        for connection in busy:
            connection.cut()
        self._ending = Ending("", len(busy))
        if busy:
            _log.warning(
                "broke off %d of %d connections: not done within limits.drain_timeout_s (%g s)",
                len(busy),
                len(connections),
                timeout_s,
            )

    async def _accept_the_queued(self, until_s: float) -> None:
        """Until nobody waits, at least _SETTLE_S: by then the handshakes that were under way are done.

        Where the supervisor lets nobody in any more, as the whole edge stops, the queues shrink from look to
        look. Where they don't, it serves on, and who is queued waits for this worker's successor.
        """
        loop = self._edge.loop
        await asyncio.sleep(min(_SETTLE_S, until_s - loop.time()))
        before, left = -1, self._queued()
        while left and loop.time() < until_s and (before < 0 or left < before):
            await asyncio.sleep(_DRAIN_STEP_S)
            before, left = left, self._queued()

    def _queued(self) -> int:
        return sum(waiting(listener) for _, listener in self._servers.values())

    async def _stop(self) -> None:
        edge = self._edge
        steps: tuple[tuple[str, Callable[[], Awaitable[None]]], ...] = (
            ("its background work", lambda: end_tasks(self._tasks)),
            ("its last snapshot", self._keep_last_snapshot),
            ("its lease to be returned", self._end_lease),
            ("confirmations under way", edge.confirmations.close),
            ("lookups under way", edge.resolver.close),
            ("its store and its cache to close", self._tiers.close),
        )
        try:
            for waits_for, step in steps:
                self._ending = self._ending._replace(waits_for=waits_for)
                await step()
        finally:  # who has no more patience has the last lines and counts all the same
            self._close_idle()
            edge.access_log.close()
            edge.meters.publish()

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
