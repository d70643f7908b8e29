"""Compares a few remembered homes, and names of homes, with the store, in the background: does anybody serve
what is not true any more? What is found is counted, logged and mended. Touches no request.

The store being ahead for a moment is no fault: a disagreement counts when it is still there after the allowed
lag. Whatever else notices changes (feed, gaps, refreshing) has then failed for this key.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Final, NamedTuple

from lookup.assignment import Alias, Assignment
from lookup.memory import Entry, Memory
from lookup.moved import MovedSet
from lookup.observer import LookupObserver
from lookup.ports import HomeReader, SharedCache, StoreUnavailableError
from lookup.resolution import TIER_LABELS, Tier
from lookup.resolver import Resolver

_log: Final = logging.getLogger(__name__)

_TURN_S: Final = 1.0
_PATIENCE_S: Final = 2.0
_PARTS_PER_TURN: Final = 16
"""Of memory; each has about a thousand entries when it is full."""

_SUSPECTS_PER_KEY: Final = 20
"""So many times the keys of a turn: when everything disagrees, a part of it is enough to say so."""


class _Says(NamedTuple):
    """What a tier says of a key: which cell is its home, or (`is_name`) which key it names."""

    is_name: bool
    where: str
    epoch: int

    def __str__(self) -> str:
        """Without the key that is named, for logs."""
        return f"{'the name of a home' if self.is_name else self.where}, epoch {self.epoch}"


@dataclass(frozen=True, slots=True)
class WatchSettings:
    """keys_per_s   remembered homes and names compared per second, in each worker; 0 compares none
    lag_s        for so long the store may be ahead of a cache
    """

    keys_per_s: int = 5
    lag_s: float = 5.0


class MisrouteWatch:
    """Built inside the running loop; only its thread uses it. `clock` gives Unix seconds."""

    def __init__(
        self,
        memory: Memory,
        moved: MovedSet,
        resolver: Resolver,
        store: HomeReader,
        shared: SharedCache | None,
        settings: WatchSettings,
        observer: LookupObserver,
        clock: Callable[[], float],
        random: Random,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._memory = memory
        self._moved = moved
        self._resolver = resolver
        self._store = store
        self._shared = shared
        self._settings = settings
        self._observer = observer
        self._clock = clock
        self._random = random
        self._pause = pause
        self._next_part = 0
        self._suspects: dict[tuple[Tier, str], float] = {}

    async def run(self) -> None:
        """A turn each second, until cancelled. A tier that does not answer is not watched meanwhile."""
        while True:
            await self._pause(_TURN_S)
            with contextlib.suppress(StoreUnavailableError, TimeoutError):
                await self.turn()

    async def turn(self) -> None:
        """Compare a sample, and again what disagreed before. Raises StoreUnavailableError, TimeoutError."""
        due = self._due_suspects()
        keys = list(dict.fromkeys([*(key for _, key in due), *self._sample()]))
        if not keys:
            return
        async with asyncio.timeout(_PATIENCE_S):
            shared = await self._read_shared(keys)
            asked_s = self._clock()
            truth = await self._store.read(keys)
        to_fill: list[Assignment] = []
        for key in keys:
            record, entry, cached = truth.get(key), self._served(key), shared.get(key)
            if entry is not None and self._is_wrong(Tier.MEMORY, key, self._remembered(entry), record):
                self._mend_memory(entry, record)
            if cached is not None and self._is_believed(key, cached):
                says = _said(cached, key)
                if self._is_wrong(Tier.SHARED, key, says, record) and record is not None:
                    to_fill.append(replace(record, read_at_s=asked_s))
        for suspect in due:  # whatever became of them: gone, in time again, or counted
            self._suspects.pop(suspect, None)
        if to_fill and self._shared is not None:
            await self._shared.fill(to_fill)

    def _is_wrong(self, tier: Tier, key: str, says: _Says, record: Assignment | None) -> bool:
        """Whether the cached answer still disagrees with the store after the lag; then it is counted."""
        self._observer.compared(tier)
        truth = None if record is None else _said(record, key)
        if (
            truth is not None
            and truth.is_name is says.is_name
            and (truth.epoch < says.epoch or truth == says)
        ):
            return False  # the same, or a replica of the store that lags itself
        now_s = self._clock()
        since_s = self._suspects.setdefault((tier, key), now_s)
        if now_s - since_s < self._settings.lag_s:
            self._forget_surplus()
            return False
        self._observer.misrouted(tier)
        _log.error(
            "a misroute: %s said %s, %.0f s after the store said %s; it is mended",
            TIER_LABELS[tier],
            says,
            now_s - since_s,
            "no home" if truth is None else truth,
        )
        return True

    def _mend_memory(self, entry: Entry, record: Assignment | None) -> None:
        key, now_s = entry.key, self._clock()
        alias = None if record is None else _name_in(record, key)
        if self._memory.known.find(key) is not entry:
            if alias is not None and alias.epoch > entry.epoch:
                self._resolver.learn_alias(alias, now_s)
            else:
                self._memory.aliases.drop(key)
        elif record is not None and alias is None and record.epoch > entry.epoch:
            self._resolver.learn_change(record, entry.cell, now_s)
        else:
            self._memory.known.drop(key)

    def _due_suspects(self) -> list[tuple[Tier, str]]:
        before_s = self._clock() - self._settings.lag_s
        due = [suspect for suspect, since_s in self._suspects.items() if since_s <= before_s]
        return due[: max(1, self._settings.keys_per_s)]

    def _forget_surplus(self) -> None:
        while len(self._suspects) > _SUSPECTS_PER_KEY * max(1, self._settings.keys_per_s):
            del self._suspects[next(iter(self._suspects))]

    def _sample(self) -> list[str]:
        """Some keys of which memory would answer; it walks on through memory from turn to turn, a part of the
        homes and one of the names by turns."""
        wanted = self._settings.keys_per_s
        keys: list[str] = []
        caches = (self._memory.known, self._memory.aliases)
        parts = sum(cache.parts for cache in caches)
        for _ in range(min(_PARTS_PER_TURN, parts)):
            if len(keys) >= wanted:
                break
            cache = caches[self._next_part % 2]
            entries = cache.part(self._next_part // 2 % cache.parts)
            self._next_part = (self._next_part + 1) % parts
            some = self._random.sample(entries, min(wanted - len(keys), len(entries)))
            keys += [entry.key for entry in some if self._served(entry.key) is not None]
        return keys

    def _served(self, key: str) -> Entry | None:
        """What memory would answer to any request; what is due after a gap it does not answer to all."""
        entry = self._memory.known.find(key) or self._memory.aliases.find(key)
        if entry is None or entry.generation != self._memory.generation:
            return None
        age_s = self._clock() - entry.loaded_at_s
        return entry if age_s < self._memory.lifetimes.expiry_s else None

    def _remembered(self, entry: Entry) -> _Says:
        return _Says(self._memory.known.find(entry.key) is not entry, entry.cell, entry.epoch)

    def _is_believed(self, key: str, cached: Assignment) -> bool:
        """Whether what the feed said does not speak against the cached copy."""
        says = _said(cached, key)
        return says.epoch >= (self._moved.alias_epoch_of(key) if says.is_name else self._moved.epoch_of(key))

    async def _read_shared(self, keys: Sequence[str]) -> Mapping[str, Assignment]:
        if self._shared is None:
            return {}
        try:
            return await self._shared.read(keys)
        except StoreUnavailableError:
            return {}


def _said(record: Assignment, key: str) -> _Says:
    alias = _name_in(record, key)
    if alias is not None:
        return _Says(True, alias.home, alias.epoch)
    return _Says(False, record.cell, record.epoch)


def _name_in(record: Assignment, key: str) -> Alias | None:
    """The name by which the record answers the key; None where it is the key's own."""
    return None if record.key == key else next((a for a in record.aliases if a.key == key), None)
