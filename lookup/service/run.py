"""Runs the lookup service over a store and its feed until it is told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Coroutine
from random import Random
from typing import Final

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
from lookup.service.door import USUAL_LIMITS, DoorLimits, opened
from lookup.service.keys import KeyAnswers
from lookup.service.meters import ServiceMeters
from lookup.service.moves import MoveAnswers, Moving
from lookup.service.stream import Streams
from lookup.service.tokens import Tokens
from lookup.service.truth import TruthAnswers
from lookup.settings import LookupSettings
from lookup.tasks import end_tasks

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
    limits: DoorLimits = USUAL_LIMITS,
) -> AsyncIterator[int]:
    """The service inside the block; its value is the port (`port` 0: any free one). Raises OSError.

    plan     where new users may live
    shared   a cache between memory and the store
    relay    run inside the block, for a store that needs one
    spelling of the keys in the store
    moving   how users are moved to where they may live; None: not at all
    announcement  tells moves that writes go by what is confirmed here; None: no move could hear of it
    limits   for who connects
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
        async with _going_on(works), opened(service.application(), host, port, meters, limits) as bound:
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


@contextlib.asynccontextmanager
async def _going_on(works: list[Coroutine[None, None, None]]) -> AsyncIterator[None]:
    """The works go on inside the block; afterwards none is left."""
    tasks = [asyncio.get_running_loop().create_task(work) for work in works]
    try:
        yield
    finally:
        await end_tasks(tasks)
