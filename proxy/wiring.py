"""From settings to the parts of one worker: reads key files, opens no socket and no store."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from lookup.announcement import Announcement
from lookup.first_sight import FirstSight
from lookup.flags import FlagRecord
from lookup.keys import AS_THEY_ARE, KeySpelling
from lookup.leases import LeaseBook
from lookup.memory import Memory
from lookup.misroute_watch import WatchSettings
from lookup.moved import MovedSet
from lookup.placement import CellRoom, ShareLimits
from lookup.placer import PlacementPlan, Placer
from lookup.ports import Store, StoreUnusableError
from lookup.settings import LookupSettings
from lookup.snapshot_file import SnapshotFiles
from lookup.warm_start import WarmStart
from proxy.cells.addresses import Addresses
from proxy.cells.flags import FlagBoard
from proxy.config.identity_models import TokenKey as TokenKeySettings
from proxy.config.models import Settings
from proxy.forward.edge import Timeouts
from proxy.forward.link import CellLink
from proxy.forward.outbox import Outbox
from proxy.forward.pool import Pool
from proxy.forward.snapshot import Snapshot
from proxy.forward.wheel import DeadlineWheel
from proxy.model import Source
from proxy.observe.meters import Meters
from proxy.rooms.claims import ClaimRules
from proxy.rooms.identify import Identify
from proxy.rooms.jwks import TokenKeys
from proxy.rooms.keys import KeyMistakeError, VerificationKey, load_key, secret_in_file
from proxy.rooms.residency import permitted_users
from proxy.rooms.routes import Route, Routes, StaticReply
from proxy.rooms.routing_cookie import RoutingCookies, load_cookie_key
from proxy.rooms.tokens import TokenVerifier

KeyT = TypeVar("KeyT")
SettingT = TypeVar("SettingT")

_log = logging.getLogger("homecell")

_COUNT_S = 0.1
"""So long a new user's home waits for the first count of all users; the lookup's deadline is short."""

_SOURCES: Mapping[str, Source] = {
    "bearer": Source.BEARER,
    "session_cookie": Source.SESSION_COOKIE,
    "routing_cookie": Source.ROUTING_COOKIE,
}


def key_spelling(settings: Settings) -> KeySpelling:
    """How keys are spelled in the store; raises StoreUnusableError for a bad secret file."""
    hashing = settings.lookup.key_hash
    if hashing is None:
        return AS_THEY_ARE
    try:
        return KeySpelling(secret_in_file(hashing.secret_file.read_bytes()))
    except (OSError, ValueError, KeyMistakeError) as error:
        raise StoreUnusableError(f"{hashing.secret_file}: no secret to hash keys with ({error})") from error


def routing_cookies(settings: Settings, spelling: KeySpelling = AS_THEY_ARE) -> RoutingCookies:
    """The signer and verifier of routing cookies; raises KeyMistakeError when no secret file is good."""
    cookie = settings.routing_cookie
    keys = _usable(lambda key: load_cookie_key(key.id, key.secret_file), cookie.keys)
    if not keys:
        raise KeyMistakeError("routing_cookie.keys: no secret file can be used")
    secure = settings.residency[settings.edge.jurisdiction].edge_url.startswith("https:")
    return RoutingCookies(cookie.name, keys, int(cookie.lifetime_s), secure=secure, spelling=spelling)


def identify(
    settings: Settings,
    cookies: RoutingCookies,
    spelling: KeySpelling = AS_THEY_ARE,
    earlier_key_set: bytes = b"",
) -> Identify:
    """Room 3. `earlier_key_set` holds until the JWK Set file has been read and is good."""
    identity = settings.identity
    rules = ClaimRules(
        issuer=identity.issuer,
        audience=identity.audience,
        leeway_s=identity.leeway_s,
        user=identity.claims.user,
        cell=identity.claims.cell,
        epoch=identity.claims.epoch,
        spelling=spelling,
    )
    keys = TokenKeys(_usable(_token_key, identity.keys), identity.jwks_file, earlier_key_set)
    order = tuple(_SOURCES[source] for source in identity.order)
    return Identify(order, TokenVerifier(rules, keys), identity.session_cookie, cookies)


def _usable(load: Callable[[SettingT], KeyT], keys: Iterable[SettingT]) -> tuple[KeyT, ...]:
    """Each key whose file can be used. At the edge's start all could: a worker that is started later serves
    with the others rather than not at all."""
    usable = []
    for key in keys:
        try:
            usable.append(load(key))
        except KeyMistakeError as error:
            _log.warning("a key is left out until a worker is started anew: %s", error)
    return tuple(usable)


def _token_key(key: TokenKeySettings) -> VerificationKey:
    path = key.secret_file or key.public_key_file
    if path is None:
        raise RuntimeError(f"key {key.id} has no file; the configuration's check lets no such key pass")
    return load_key(key.id, key.algorithm, path)


def lookup_settings(settings: Settings) -> LookupSettings:
    """How the lookup behaves."""
    lookup = settings.lookup
    return LookupSettings(
        deadline_s=lookup.deadline_s,
        memory_entries=lookup.memory_entries,
        refresh_s=lookup.refresh_s,
        expiry_s=lookup.expiry_s,
        hard_stale_s=lookup.hard_stale_s,
        unknown_entries=lookup.unknown_entries,
        unknown_ttl_s=lookup.unknown_ttl_s,
    )


def placement_plan(settings: Settings) -> PlacementPlan:
    """Where new users may live: under their own law before the others that may carry their traffic."""
    rooms = [
        CellRoom(cell.name, cell.jurisdiction, cell.weight, cell.capacity, cell.tenants)
        for cell in settings.cells
    ]
    laws = {
        user: sorted(rule.allow, key=lambda law: law != user) for user, rule in settings.residency.items()
    }
    placement = settings.placement
    return PlacementPlan(rooms, laws, ShareLimits(placement.share_warning, placement.share_cap))


def watch_settings(settings: Settings) -> WatchSettings:
    """How much of memory is compared with the store."""
    return WatchSettings(settings.lookup.watch_keys, settings.lookup.watch_lag_s)


def first_sight(settings: Settings, store: Store, plan: PlacementPlan) -> FirstSight | None:
    """What gives new users their home, where this edge may."""
    if not settings.placement.first_sight:
        return None
    placer = Placer(store, plan, time.time, _COUNT_S)
    return FirstSight(placer, settings.edge.jurisdiction)


def announcement(settings: Settings, holder: str, book: LeaseBook) -> Announcement:
    """Tells moves of writes that are confirmed one by one; they wait for as long as one of those may take."""
    longest_s = settings.limits.longest_write_s
    return Announcement(f"{holder}/confirms", book, longest_s, time.time, time.perf_counter)


def warm_start(settings: Settings, slot: int, memory: Memory, moved: MovedSet) -> WarmStart | None:
    """What keeps and restores a worker's knowledge, where the configuration says so."""
    snapshot, store = settings.snapshot, settings.store
    if snapshot is None:
        return None
    files = SnapshotFiles(snapshot.folder, settings.edge.name, slot)
    return WarmStart(
        files, f"{store.kind} {store.place}{_spelled(settings)}", memory, moved, snapshot.entries
    )


def _spelled(settings: Settings) -> str:
    """So that no snapshot of other hashes is used."""
    spelling = key_spelling(settings)
    return f" keys {spelling.fingerprint}" if spelling.is_hashed else ""


def links(
    settings: Settings, addresses: Addresses, wheel: DeadlineWheel, outbox: Outbox, meters: Meters
) -> dict[str, CellLink]:
    """One link for each cell of the inventory."""
    limits = settings.limits
    allow = {user: rule.allow for user, rule in settings.residency.items()}
    made: dict[str, CellLink] = {}
    for cell in settings.cells:
        pool = Pool(
            cell.endpoints,
            addresses,
            wheel,
            outbox,
            limits.cell_idle_timeout_s,
            limits.connect_timeout_s,
            limits.cell_connections,
        )
        permitted = permitted_users(allow, settings.edge.jurisdiction, cell.jurisdiction)
        made[cell.name] = CellLink(cell, permitted, meters.cells[cell.index], pool)
    return made


def routes(settings: Settings) -> Routes:
    """The routes of the configuration."""
    return Routes(
        [
            Route(
                prefix=route.prefix.encode(),
                anonymous=route.identity == "anonymous",
                static=StaticReply(route.static.status, route.static.content_type, route.static.body.encode())
                if route.fallback == "static" and route.static is not None
                else None,
                body_limit_bytes=route.body_limit_bytes,
                redirects=route.home_changed == "redirect",
            )
            for route in settings.routes
        ]
    )


def first_snapshot(
    settings: Settings, cell_links: Mapping[str, CellLink], flags: Iterable[FlagRecord]
) -> Snapshot:
    """The generation that a worker starts with."""
    edge_urls = {user: rule.edge_url for user, rule in settings.residency.items()}
    return Snapshot(1, cell_links, routes(settings), FlagBoard(flags, time.time()), edge_urls)


def timeouts(settings: Settings) -> Timeouts:
    """The time limits of client connections and exchanges."""
    limits = settings.limits
    return Timeouts(
        limits.head_timeout_s, limits.body_timeout_s, limits.idle_timeout_s, limits.request_timeout_s
    )
