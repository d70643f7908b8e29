"""Runs the lookup service over a store and its feed until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Coroutine
from random import Random
from typing import Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from lookup.announcement import Announcement
from lookup.changes import ChangeFollower, FlagListener
from lookup.keys import AS_THEY_ARE, KeySpelling
from lookup.placement import ShareLimits
from lookup.placer import PlacementPlan
from lookup.ports import FeedingStore, SharedCache
from lookup.relay import Relay
from lookup.resolver import Resolver, build_resolver
from lookup.service.app import Service
from lookup.service.cells import CellAnswers
from lookup.service.keys import KeyAnswers
from lookup.service.meters import ServiceMeters
from lookup.service.moves import MoveAnswers, Moving
from lookup.service.stream import Streams
from lookup.service.tokens import Tokens
from lookup.service.truth import TruthAnswers
from lookup.settings import LookupSettings
from lookup.tasks import end_tasks

_SHUTDOWN_S = 1.0
_log: Final = logging.getLogger(__name__)
NO_PLAN: Final = PlacementPlan((), {}, ShareLimits())
"""No cell is known: who places a user names its cell."""


@contextlib.asynccontextmanager
async def running(
    store: FeedingStore,
    tokens: Tokens,
    settings: LookupSettings,
    host: str,
    port: int,
    *,
    plan: PlacementPlan = NO_PLAN,
    shared: SharedCache | None = None,
    relay: Relay | None = None,
    spelling: KeySpelling = AS_THEY_ARE,
    moving: Moving | None = None,
    announcement: Announcement | None = None,
) -> AsyncIterator[int]:
    """The service inside the block; its value is the port (`port` 0: any free one). Raises OSError.

    plan     where new users may live
    shared   a cache between memory and the store
    relay    run inside the block, for a store that needs one
    spelling of the keys in the store
    moving   how users are moved to where they may live; None: not at all
    announcement  tells moves that writes go by what is confirmed here; None: no move could hear of it
    """
    resolver = build_resolver(store, settings, Random(), shared)
    follower = _follower(store, resolver, settings)
    meters = ServiceMeters(lambda: time.time() - follower.fresh_as_of_s)
    cells = CellAnswers(store, plan, time.time)
    moves = MoveAnswers(moving, plan, time.time, spelling)
    streams = Streams(store, meters)
    service = Service(
        KeyAnswers(resolver, store, meters, time.time, spelling, announcement),
        TruthAnswers(store, cells, plan, time.time, settings.clock_skew_s, spelling),
        cells,
        moves,
        streams,
        tokens,
        meters,
        lambda: follower.is_caught_up,
    )
    works = [follower.run(), moves.watch(meters.moves)]
    if relay is not None:
        works.append(relay.run())
    try:
        async with _listening(service, works, host, port) as bound:
            yield bound
    finally:
        await streams.close()
        await moves.close()
        await cells.close()
        await resolver.close()


def _follower(store: FeedingStore, resolver: Resolver, settings: LookupSettings) -> ChangeFollower:
    return ChangeFollower(
        feed=store,
        store=store,
        resolver=resolver,
        flags=FlagListener(),
        claim_lifetime_s=settings.claim_lifetime_s,
        clock=time.time,
        random=Random(),
    )


def _is_of_ours(record: logging.LogRecord) -> bool:
    """aiohttp logs a stack for each request that is no HTTP; anybody who reaches the port can send those."""
    failure = record.exc_info[1] if record.exc_info else None
    return not isinstance(failure, HttpProcessingError | web.RequestPayloadError)


_log.addFilter(_is_of_ours)


@contextlib.asynccontextmanager
async def _listening(
    service: Service, works: list[Coroutine[None, None, None]], host: str, port: int
) -> AsyncIterator[int]:
    """The service on its port while the works go on; afterwards neither is left. Raises OSError."""
    runner = web.AppRunner(service.application(), access_log=None, logger=_log, shutdown_timeout=_SHUTDOWN_S)
    tasks = [asyncio.get_running_loop().create_task(work) for work in works]
    try:
        await runner.setup()
        await web.TCPSite(runner, host, port).start()
        yield runner.addresses[0][1]
    finally:
        await end_tasks(tasks)
        await runner.cleanup()
