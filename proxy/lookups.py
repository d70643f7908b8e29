"""A worker's way to homes, wired from settings: finding, confirming, following changes. Starts nothing."""

from __future__ import annotations

import time
from dataclasses import dataclass
from random import Random

from lookup.announcement import announced
from lookup.changes import ChangeFollower, FlagListener
from lookup.confirm import Confirmations
from lookup.fence import Fence
from lookup.lease_keeper import LeaseKeeper
from lookup.memory import Memory
from lookup.misroute_watch import MisrouteWatch
from lookup.moved import MovedSet
from lookup.observer import LookupObserver
from lookup.placer import PlacementPlan
from lookup.resolver import Resolver
from lookup.settings import LookupSettings
from lookup.tier_reader import Read
from proxy import wiring
from proxy.config.models import Settings
from proxy.tiers import Tiers


@dataclass(frozen=True, slots=True)
class Lookups:
    """How a worker finds homes, learns that it was wrong, and may write by what it has found.

    plan  by which it gives new users a home
    """

    resolver: Resolver
    confirmations: Confirmations
    watch: MisrouteWatch
    fence: Fence
    plan: PlacementPlan


def make_memory(settings: LookupSettings, random: Random) -> tuple[Memory, MovedSet]:
    """What a worker remembers: homes, and who has moved."""
    memory = Memory(settings.memory_entries, settings.unknown_entries, settings.lifetimes(), random)
    return memory, MovedSet(settings.moved_keys, settings.clock_skew_s)


def make_lookups(
    settings: Settings,
    tiers: Tiers,
    memory: Memory,
    moved: MovedSet,
    worker: str,
    observer: LookupObserver,
    random: Random,
) -> Lookups:
    """`worker`: a name that no other worker ever has."""
    lookup_settings = wiring.lookup_settings(settings)
    plan = wiring.placement_plan(settings)
    new = wiring.first_sight(settings, tiers.store, plan)
    resolver = Resolver(memory, moved, tiers.store, tiers.shared, lookup_settings, observer, new)
    watching = wiring.watch_settings(settings)
    watch = MisrouteWatch(
        memory, moved, resolver, tiers.store, tiers.shared, watching, observer, time.time, random
    )
    fence = Fence(settings.limits.cell_request_limit_s)
    confirm: Read = tiers.store.confirm
    if tiers.database is not None:
        confirm = announced(confirm, wiring.announcement(settings, worker, tiers.database), fence)
    return Lookups(resolver, Confirmations(confirm, lookup_settings, observer, new), watch, fence, plan)


def make_following(
    settings: Settings, tiers: Tiers, lookups: Lookups, worker: str, flags: FlagListener, random: Random
) -> tuple[ChangeFollower, LeaseKeeper | None]:
    """What tells the lookups of changes, and what keeps their lease: None where there is no book of leases;
    there each write is confirmed."""
    follower = ChangeFollower(
        tiers.store,
        tiers.store,
        lookups.resolver,
        flags,
        wiring.lookup_settings(settings).claim_lifetime_s,
        time.time,
        random,
        fence=lookups.fence,
    )
    if tiers.database is None:
        return follower, None
    return follower, LeaseKeeper(
        worker, tiers.database, follower, lookups.fence, time.time, time.perf_counter
    )
