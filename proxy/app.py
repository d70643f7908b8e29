"""The composition root of a worker: wires the parts and starts them."""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import socket
import time
from collections.abc import Iterable
from random import Random
from typing import Final

from lookup.flags import FlagRecord
from lookup.key_mark import KeySpellingError, insist_on_spelling
from lookup.keys import KeySpelling
from lookup.placer import PlacementPlan
from lookup.ports import StoreUnavailableError
from lookup.snapshot import Knowledge
from proxy import wiring
from proxy.cells.addresses import Addresses
from proxy.census import Census
from proxy.config.models import Settings
from proxy.flag_switch import FlagSwitch
from proxy.forward.edge import Edge
from proxy.forward.outbox import Outbox
from proxy.forward.wheel import DeadlineWheel
from proxy.kernel.freed_memory import keep_freed_memory
from proxy.kernel.huge_pages import HugePages
from proxy.kernel.open_files import raise_limit, room_for_clients
from proxy.key_watch import look_at_keys
from proxy.lookups import Lookups, make_following, make_lookups, make_memory
from proxy.metered_lookups import MeteredLookups
from proxy.observe.access_log import AccessLog
from proxy.observe.meters import Meters
from proxy.rooms.identify import Identify
from proxy.rooms.routing_cookie import RoutingCookies
from proxy.running_edge import RunningEdge
from proxy.tiers import Tiers, open_tiers

_FIRST_WORD_S: Final = 2.0
"""So long a worker that has a snapshot waits for the store before it starts from the snapshot."""
_FIRST_ADDRESSES_S: Final = 2.0
"""So long a worker that starts waits for the cells' names; a cell without an address is unreachable."""
_JOIN_PAGES_S: Final = 0.2

_log = logging.getLogger("homecell")


async def start(
    settings: Settings, slot: int, listener: socket.socket, row: memoryview, key_set: bytes
) -> RunningEdge:
    """Start one worker's data plane and accept on `listener`.

    slot    number of the worker, for the log
    row     the worker's counters, see proxy.observe.layout
    key_set the last good JWK Set of workers before, b"" if there was none
    Raises StoreUnavailableError, KeyMistakeError, LogTargetError or OSError: what can't be had, and why.
    """
    keep_freed_memory()
    meters = Meters(row)
    addresses = Addresses(endpoint.host for cell in settings.cells for endpoint in cell.endpoints)
    await addresses.refresh(_FIRST_ADDRESSES_S)
    spelling = wiring.key_spelling(settings)
    cookies = wiring.routing_cookies(settings, spelling)
    identify = wiring.identify(settings, cookies, spelling, key_set)
    look_at_keys(identify, meters, time.time(), tell_all_well=False)
    random = Random()
    lookup_settings = wiring.lookup_settings(settings)
    memory, moved = make_memory(lookup_settings, random)
    warm_start = wiring.warm_start(settings, slot, memory, moved)
    known = await warm_start.restore(time.time()) if warm_start is not None else None
    tiers = open_tiers(settings)
    flags = await _first_flags(tiers, spelling, known, meters)
    worker = f"{settings.edge.name}/{slot}/{os.getpid()}-{secrets.token_hex(4)}"
    observer = MeteredLookups(meters, lookup_settings)
    lookups = make_lookups(settings, tiers, memory, moved, worker, observer, random)
    edge = _edge(settings, slot, addresses, identify, cookies, lookups, flags, meters)
    switch = FlagSwitch(edge)
    follower, keeper = make_following(settings, tiers, lookups, worker, switch, random)
    interval_s = settings.snapshot.interval_s if settings.snapshot is not None else 0.0
    census = _census(settings, slot, tiers, meters, lookups.plan)
    pages = HugePages()
    await asyncio.to_thread(pages.join_for, _JOIN_PAGES_S)
    running = RunningEdge(
        edge,
        tiers,
        switch,
        follower,
        keeper,
        addresses,
        lookups.watch,
        warm_start,
        interval_s,
        census,
        pages,
        lambda new: lookups.plan.become(wiring.placement_plan(new)),
    )
    await running.adopt(listener)
    return running


def _edge(
    settings: Settings,
    slot: int,
    addresses: Addresses,
    identify: Identify,
    cookies: RoutingCookies,
    lookups: Lookups,
    flags: Iterable[FlagRecord],
    meters: Meters,
) -> Edge:
    loop = asyncio.get_running_loop()
    wheel = DeadlineWheel(loop.time())
    outbox = Outbox(loop)
    cell_links = wiring.links(settings, addresses, wheel, outbox, meters)
    return Edge(
        loop=loop,
        jurisdiction=settings.edge.jurisdiction,
        snapshot=wiring.first_snapshot(settings, cell_links, flags),
        identify=identify,
        cookies=cookies,
        resolver=lookups.resolver,
        confirmations=lookups.confirmations,
        fence=lookups.fence,
        outbox=outbox,
        meters=meters,
        access_log=AccessLog(str(settings.access_log), settings.edge.name, slot, meters),
        wheel=wheel,
        timeouts=wiring.timeouts(settings),
        connection_limit=_connection_limit(settings, slot),
        trusted_networks=settings.edge.trusted_peers,
    )


def _connection_limit(settings: Settings, slot: int) -> int:
    """This worker's share of the clients, if as many fit under the limit of open files; else it says so."""
    wanted = max(1, settings.limits.connections // settings.edge.workers)
    open_files = raise_limit()
    room = room_for_clients(open_files)
    if room < wanted and slot == 0:
        _log.warning(
            "each worker may have %d open files: room for %d client connections, not for the %d that "
            "limits.connections gives it; raise the limit (ulimit -n, LimitNOFILE=) or lower that",
            open_files,
            room,
            wanted,
        )
    return min(wanted, room)


def _census(
    settings: Settings, slot: int, tiers: Tiers, meters: Meters, plan: PlacementPlan
) -> Census | None:
    """Of one worker only, and not of Cassandra, which would read all homes for it."""
    if slot != 0 or settings.store.kind == "cassandra":
        return None
    names = [cell.name for cell in settings.cells]
    return Census(tiers.store, plan, names, meters)


async def _first_flags(
    tiers: Tiers, spelling: KeySpelling, known: Knowledge | None, meters: Meters
) -> Iterable[FlagRecord]:
    """The store's, if it spells keys so; while it does not answer, those `known` from before, of the same
    spelling. Raises StoreUnavailableError."""
    try:
        async with asyncio.timeout(None if known is None else _FIRST_WORD_S):
            await insist_on_spelling(tiers.store, spelling, time.time())
            return (await tiers.store.flags()).values()
    except (StoreUnavailableError, TimeoutError) as failure:
        if known is None or isinstance(failure, KeySpellingError):
            await tiers.close()
            raise
        age_s = time.time() - known.as_of_s
        reason = str(failure) or f"no answer within {_FIRST_WORD_S:g} s"
        _log.warning(
            "the store can't be reached (%s): starting with what was known %.0f s ago", reason, age_s
        )
        meters.feed_seen(known.as_of_s)
        return known.flags
