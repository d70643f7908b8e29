"""The service's answers to "where is home?": from memory where it can, without waiting."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from lookup.announcement import Announcement
from lookup.assignment import Assignment
from lookup.flight import Flight
from lookup.keys import AS_THEY_ARE, InvalidKeyError, KeySpelling
from lookup.ports import Store, StoreUnavailableError
from lookup.resolution import Outcome, Resolution
from lookup.resolver import Resolver
from lookup.service.forms import MAX_BATCH_KEYS, MOST_WRITE_S, Json, found_form, record_form
from lookup.service.meters import ServiceMeters
from lookup.service.problems import ProblemError

_FOUND: Final = Outcome.FOUND
_UNKNOWN: Final = Outcome.UNKNOWN
_STORE_READINGS: Final = 8
"""At once, of those who ask for the truth: more would only flood the store."""


@dataclass(slots=True)
class _Batch:
    """The parts of a reply."""

    homes: list[Mapping[str, Json]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    unavailable: list[str] = field(default_factory=list)
    tally: Counter[tuple[int, int]] = field(default_factory=Counter)

    def add(self, found: Resolution, texts: Sequence[str]) -> None:
        self.tally[found.tier, found.outcome] += 1
        if found.outcome is _FOUND:
            self.homes += [found_form(found, asked) for asked in texts]
        elif found.outcome is _UNKNOWN:
            self.unknown += texts
        else:
            self.unavailable += texts


class Source(Enum):
    """Who is asked: the resolver's TIERS, or the store itself, to read (FRESH) or to confirm (CONFIRMED)."""

    TIERS = "tiers"
    FRESH = "fresh"
    CONFIRMED = "confirmed"


class KeyAnswers:
    """Lookups by the resolver's tiers, or straight from the store."""

    def __init__(
        self,
        resolver: Resolver,
        store: Store,
        meters: ServiceMeters,
        clock: Callable[[], float],
        spelling: KeySpelling = AS_THEY_ARE,
        announcement: Announcement | None = None,
    ) -> None:
        self._spelling = spelling
        self._resolver = resolver
        self._store = store
        self._meters = meters
        self._clock = clock
        self._announcement = announcement
        self._readings = asyncio.Semaphore(_STORE_READINGS)

    async def one(self, text: str, source: Source, write_takes_s: float) -> Mapping[str, Json]:
        """The home of one key; `write_takes_s` as `_asked` says. Raises InvalidKeyError, ProblemError or
        StoreUnavailableError."""
        asked = self._spelling.parse(text)
        key = self._spelling.admit(asked)
        if source is not Source.TIERS:
            record = (await self._read([key], source, write_takes_s)).get(key)
            if record is None:
                raise ProblemError("unknown-home", f"{asked} has no home")
            return record_form(record, text)
        now_s = self._clock()
        found = self._resolver.recall(key, None, now_s, True)
        if found is None:
            found = await self._resolver.landing(self._resolver.board(key, None, now_s), None, now_s, True)
        self._meters.looked_up(Counter({(found.tier, found.outcome): 1}))
        if found.outcome is _FOUND:
            return found_form(found, text)
        if found.outcome is _UNKNOWN:
            raise ProblemError("unknown-home", f"{asked} has no home")
        raise StoreUnavailableError("no tier answered")

    async def many(self, form: object) -> Mapping[str, Json]:
        """The homes of up to MAX_BATCH_KEYS keys, those that have none, those that can't be told now."""
        keys, source, write_takes_s = _asked(form, self._spelling)
        if source is not Source.TIERS:
            records = await self._read(list(keys), source, write_takes_s)
            homes = [
                record_form(records[key], asked) for key in keys if key in records for asked in keys[key]
            ]
            unknown = [asked for key in keys if key not in records for asked in keys[key]]
            return {"homes": homes, "unknown": unknown, "unavailable": []}
        batch = _Batch()
        now_s = self._clock()
        recall, board, landing = self._resolver.recall, self._resolver.board, self._resolver.landing
        waiting: dict[str, Flight] = {}
        for key, texts in keys.items():
            found = recall(key, None, now_s, True)
            if found is None:
                waiting[key] = board(key, None, now_s)
            else:
                batch.add(found, texts)
        if waiting:
            answers = await asyncio.gather(
                *(landing(flight, None, now_s, True) for flight in waiting.values())
            )
            for key, found in zip(waiting, answers, strict=True):
                batch.add(found, keys[key])
        self._meters.looked_up(batch.tally)
        return {"homes": batch.homes, "unknown": batch.unknown, "unavailable": batch.unavailable}

    async def _read(
        self, keys: Sequence[str], source: Source, write_takes_s: float
    ) -> Mapping[str, Assignment]:
        async with self._readings:
            if source is Source.CONFIRMED:
                if self._announcement is not None:
                    await self._announcement.announce(write_takes_s)
                return await self._store.confirm(keys)
            return await self._store.read(keys)


def source_of(fresh: object, confirmed: object) -> Source:
    """Whom these two options ask; both together mean CONFIRMED. Raises ValueError."""
    for name, value in (("fresh", fresh), ("confirmed", confirmed)):
        if not isinstance(value, bool):
            raise ValueError(f"`{name}` is neither true nor false")
    if confirmed:
        return Source.CONFIRMED
    return Source.FRESH if fresh else Source.TIERS


def seconds_of(value: object) -> float:
    """How long a write may take that goes by a confirmed answer. Raises ValueError."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_WRITE_S:
        raise ValueError(f"`write_takes_s` is no number of seconds from 0 to {MOST_WRITE_S:g}")
    return float(value)


def _asked(form: object, spelling: KeySpelling) -> tuple[dict[str, list[str]], Source, float]:
    """The stored keys of a batch, each with the texts that ask for it; whom to ask; how long a write may take
    that goes by the answer. Raises InvalidKeyError, ValueError."""
    match form:
        case {"keys": list() as texts, **rest}:
            source = source_of(rest.get("fresh", False), rest.get("confirmed", False))
            write_takes_s = seconds_of(rest.get("write_takes_s", 0.0))
        case _:
            raise ValueError("the body is no object with a list `keys`")
    if len(texts) > MAX_BATCH_KEYS:
        raise ValueError(f"{len(texts)} keys are asked for; at most {MAX_BATCH_KEYS} at once")
    keys: dict[str, list[str]] = {}
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise ValueError(f"keys[{place}] is no text")
        try:
            asking = keys.setdefault(spelling.admit(text), [])
        except InvalidKeyError as error:
            raise InvalidKeyError(f"keys[{place}]: {error}") from None
        if text not in asking:
            asking.append(text)
    return keys, source, write_takes_s
