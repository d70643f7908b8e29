"""What can be said of a config's store, its feed and its cache: each by itself, whatever the others say.

Changes nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, TypeVar

from lookup.move_log import MoveLog
from lookup.outbox import FeedNotBegunError
from lookup.ports import StoreUnavailableError, StoreUnusableError
from lookup.service.move_watch import lacks_driver
from proxy.tiers import Tiers, cassandra_settings, open_tiers

if TYPE_CHECKING:
    from proxy.config import Settings

T = TypeVar("T")

_PATIENCE_S: Final = 4.0
"""A heartbeat comes every second; connecting to servers takes one or two."""

_MOST_MOVES: Final = 1000
_COUNT_S: Final = 120.0
_NOBODY: Final = "user:0000000000-probe"


@dataclass(frozen=True, slots=True)
class Schema:
    """Version found (0: none) and known to this program; `trouble` is "" when it can be used as it is."""

    found: int
    known: int
    trouble: str


@dataclass(frozen=True, slots=True)
class Feed:
    """Where the feed stands, and how long the oldest change has been waiting to get into it."""

    generation: str
    event: int
    lag_s: float


@dataclass(frozen=True, slots=True)
class StoreReport:
    """Each part, or None and in `troubles` why not; `redis` None: the config has no cache.

    reached  the server answers, or the file can be read, and holds a store; it may still be of no use
    usable   lookups are answered
    fresh    no edge or lookup service has run on it: the first one begins its feed
    keys     how many live in each cell, if that was asked for
    moves_without_driver  they stand still; of the last _MOST_MOVES open ones; None of a lookup service
    """

    kind: str
    place: str
    reached: bool
    usable: bool
    fresh: bool
    schema: Schema | None
    feed: Feed | None
    redis: bool | None
    keys: Mapping[str, int] | None
    moves_without_driver: int | None
    troubles: tuple[str, ...]

    @property
    def is_well(self) -> bool:
        """Whether edges can work with it."""
        return not self.troubles


async def report_on(settings: Settings, count: bool) -> StoreReport:
    """Asks each part. Raises StoreUnusableError for a file of passwords or tokens that can't be used."""
    parts = _Parts()
    schema = await parts.answer("store", lambda: read_schema(settings))
    tiers = open_tiers(settings)
    try:
        is_there = schema is None or schema.found > 0
        usable = is_there and await parts.answer("store", tiers.store.flags) is not None
        feed = await parts.answer("feed", lambda: _feed(tiers)) if usable else None
        if feed is not None and tiers.relay is not None:
            parts.troubles += [await parts.answer("feed", tiers.relay.danger) or ""]
        redis = None
        if tiers.shared is not None:
            shared = tiers.shared
            redis = await parts.answer("redis", lambda: shared.read([_NOBODY])) is not None
        without_driver = None
        if usable and tiers.database is not None and (schema is None or not schema.trouble):
            without_driver = await parts.answer("moves", partial(_moves_without_driver, tiers.database))
        keys = None
        if count and usable:
            keys = await parts.answer("keys", tiers.store.count_by_cell, _COUNT_S)
    finally:
        await tiers.close()
    if schema is not None and schema.trouble:
        parts.troubles.insert(0, schema.trouble)
    return StoreReport(
        settings.store.kind,
        settings.store.place,
        usable or (schema is not None and schema.found > 0),
        usable,
        parts.fresh,
        schema,
        feed,
        redis,
        keys,
        without_driver,
        tuple(dict.fromkeys(trouble for trouble in parts.troubles if trouble)),
    )


class _Parts:
    """Gathers why what has no answer has none."""

    def __init__(self) -> None:
        self.troubles: list[str] = []
        self.fresh = False

    async def answer(
        self, name: str, ask: Callable[[], Awaitable[T]], patience_s: float = _PATIENCE_S
    ) -> T | None:
        try:
            async with asyncio.timeout(patience_s):
                return await ask()
        except TimeoutError:
            self.troubles.append(f"{name}: no answer within {patience_s:g} s")
        except FeedNotBegunError:
            self.fresh = True
        except StoreUnavailableError as error:
            self.troubles.append(str(error))
        return None


async def read_schema(settings: Settings) -> Schema | None:
    """None of a lookup service. Raises StoreUnavailableError."""
    place = settings.store
    if place.path is not None:
        from lookup.stores.sqlite_file import SCHEMA_VERSION
        from lookup.stores.sqlite_status import read_version

        found = await asyncio.to_thread(read_version, place.path)
        return Schema(found, SCHEMA_VERSION, _file_trouble(str(place.path), found, SCHEMA_VERSION))
    if place.cassandra is None:
        return None
    from lookup.stores.cassandra_schema import status

    told = await status(cassandra_settings(place.cassandra))
    trouble = ""
    try:
        told.check(place.cassandra.keyspace)
    except StoreUnusableError as error:
        trouble = str(error)
    return Schema(told.found, told.known, trouble)


def _file_trouble(path: str, found: int, known: int) -> str:
    if found == 0:
        return f"{path} holds no store yet: homecell store init"
    if found > known:
        return f"{path} has schema version {found}, this program knows {known}: use a newer program"
    return "" if found == known else f"{path} has schema version {found}: homecell store migrate"


async def _moves_without_driver(log: MoveLog) -> int:
    moves = await log.moves(open_only=True, limit=_MOST_MOVES)
    now_s = time.time()
    return sum(lacks_driver(move, now_s) for move in moves)


async def _feed(tiers: Tiers) -> Feed:
    async with aclosing(tiers.store.follow()) as changes:
        first = await anext(changes)
    lag_s = 0.0 if tiers.relay is None else await tiers.relay.lag_s()
    return Feed(first.generation, first.sequence, round(lag_s, 3))
