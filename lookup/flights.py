"""Takes keys through the tiers behind memory: single flight per key, one deadline, and no outdated answer.

Callers wait on a flight, never on a reading, so that a caller's cancellation touches nobody else.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from math import inf
from typing import Final

from lookup.assignment import NO_EPOCH, Alias, Assignment
from lookup.due_keys import DueKeys
from lookup.first_sight import FirstSight
from lookup.flight import Flight, FlightDeck
from lookup.lateness import loop_turns
from lookup.memory import Memory
from lookup.moved import MovedSet
from lookup.observer import OLDER, LookupObserver
from lookup.ports import HomeReader, SharedCache
from lookup.resolution import Hint, Outcome, Resolution, Tier
from lookup.settings import LookupSettings
from lookup.shared_fill import SharedFill
from lookup.tier_reader import TierReader

_SHARED: Final = Tier.SHARED
_STORE: Final = Tier.STORE
_FOUND: Final = Outcome.FOUND
_UNKNOWN: Final = Outcome.UNKNOWN
"""Found on their classes, members of an enum cost 0.1 µs each time, compiled or not."""

_MAX_STORE_READINGS: Final = 3
"""Of one flight. A store that still gives an outdated answer then can't be believed now."""

_MAX_BACKGROUND: Final = 10_000
"""With so many keys in flight, refreshes wait for a later hit: callers come first."""


class Flights(FlightDeck):
    """All keys being read now. Built inside the running loop; only its thread uses it."""

    def __init__(
        self,
        memory: Memory,
        moved: MovedSet,
        store: HomeReader,
        shared: SharedCache | None,
        settings: LookupSettings,
        observer: LookupObserver,
        first_sight: FirstSight | None,
    ) -> None:
        self._memory = memory
        self._moved = moved
        self._observer = observer
        self._deadline_s = settings.deadline_s
        self._loop = asyncio.get_running_loop()
        self._flights: dict[str, Flight] = {}
        self._due = DueKeys(self._refresh_now)
        self._timer: asyncio.TimerHandle | None = None
        self._ending: asyncio.Task[None] | None = None
        limits = settings.store_limits()
        self._store = TierReader(_STORE, store.read, limits, self, observer, first_sight)
        self._shared: TierReader | None = None
        self._fill: SharedFill | None = None
        if shared is not None:
            self._shared = TierReader(_SHARED, shared.read, settings.shared_limits(), self, observer)
            self._fill = SharedFill(shared, observer)

    def board(self, key: str, now_s: float, claimed_epoch: int) -> Flight:
        """The key's flight, begun if there is none. `claimed_epoch` of a verified credential, or NO_EPOCH."""
        flight = self._flights.get(key)
        if flight is None:
            self._due.drop(key)
            flight = self._begin(key, now_s)
        if claimed_epoch > flight.claimed_epoch:
            flight.claimed_epoch = claimed_epoch
        return flight

    def refresh(self, key: str, now_s: float) -> None:
        """Read the key again in the background, with others that fall due in this moment."""
        if key not in self._flights:
            self._due.add(key, now_s)

    def raise_floor(self, key: str, epoch: int) -> None:
        """The feed says that the key has this epoch: a reading on its way may not know yet."""
        flight = self._flights.get(key)
        if flight is not None and epoch > flight.floor:
            flight.floor = epoch

    def raise_alias_floor(self, key: str, epoch: int) -> None:
        """The same of the key as an alias."""
        flight = self._flights.get(key)
        if flight is not None and epoch > flight.alias_floor:
            flight.alias_floor = epoch

    async def close(self) -> None:
        """End every flight without an answer, and the readings."""
        self._due.close()
        if self._timer is not None:
            self._timer.cancel()
        if self._ending is not None:
            self._ending.cancel()
        for flight in list(self._flights.values()):
            self._land(flight, None)
        for part in (self._shared, self._fill, self._store):
            if part is not None:
                await part.close()

    def departing(self, flight: Flight) -> None:
        """Answers count as known from before this moment. What is raced left before: an answer that may have
        missed a gap of the feed in between is no longer waited for."""
        if flight.is_raced and flight.generation != self._memory.generation:
            flight.is_raced = False
        flight.generation = self._memory.generation

    def answered(self, flight: Flight, record: Assignment | None, tier: Tier) -> None:
        """Use the answer if it is not outdated; a late one still serves the next caller."""
        is_raced = flight.tier is not tier
        if is_raced and (flight.landed or not flight.is_raced or tier is not _SHARED):
            return
        if is_raced and (record is None or self._is_outdated(flight, record, tier)):
            flight.is_raced = False  # the store is asked already
        elif record is None and tier is _SHARED:
            self._ask_store(flight)
        elif self._is_outdated(flight, record, tier):
            self._observer.tier_failed(tier, OLDER)
            self._ask_again(flight)
        elif record is not None:
            self._found(flight, record, tier)
        elif not flight.landed:
            self._memory.learn_unknown(flight.key, flight.now_s, flight.generation)
            self._land(flight, Resolution(_UNKNOWN, flight.key, tier))

    def unanswered(self, flight: Flight, tier: Tier) -> None:
        """The next tier, if there is one; of two that race, the other one."""
        if flight.landed:
            return
        if flight.is_raced:
            flight.is_raced = False
            if tier is _STORE:
                flight.tier = _SHARED
            return
        if flight.tier is not tier:
            return
        if tier is _SHARED:
            self._ask_store(flight)
        else:
            self._land(flight, None)

    def overdue(self, flight: Flight, tier: Tier) -> None:
        """Let the store race the shared cache: the first valid answer counts."""
        if not flight.landed and tier is _SHARED and flight.tier is tier:
            flight.is_raced = True
            self._ask_store(flight)

    def _refresh_now(self, key: str, now_s: float) -> None:
        if len(self._flights) < _MAX_BACKGROUND:
            self._begin(key, now_s)

    def _begin(self, key: str, now_s: float) -> Flight:
        flight = Flight(key, now_s, self._loop.time() + self._deadline_s)
        self._flights[key] = flight
        if self._timer is None:
            self._timer = self._loop.call_at(flight.deadline_s, self._end_overdue)
        if self._shared is None:
            self._ask_store(flight)
        else:
            flight.tier = _SHARED
            self._shared.submit(flight)
        return flight

    def _ask_store(self, flight: Flight) -> None:
        flight.tier = _STORE
        flight.readings += 1
        self._store.submit(flight)

    def _ask_again(self, flight: Flight) -> None:
        if flight.landed:
            return
        if flight.readings < _MAX_STORE_READINGS:
            self._ask_store(flight)
        else:
            self._land(flight, None)

    def _is_outdated(self, flight: Flight, record: Assignment | None, tier: Tier) -> bool:
        """Whether the reading may have missed a change: the feed, or memory fed by it, knows a later one."""
        if flight.generation != self._memory.generation:
            return True
        if record is None:
            named_epoch = max(flight.alias_floor, self._moved.alias_epoch_of(flight.key))
            is_named = named_epoch > NO_EPOCH and not self._moved.is_freed(flight.key)
            return is_named or self._known_epoch(flight.key, flight.floor) > NO_EPOCH
        if tier is _SHARED and (record.epoch < flight.claimed_epoch or self._outlived_feed(record)):
            return True
        if record.key == flight.key:
            return (
                record.epoch < flight.floor
                or record.epoch < self._moved.epoch_of(record.key)
                or record.epoch < self._memory.epoch_of(record.key)
            )
        named = [alias for alias in record.aliases if alias.key == flight.key]
        return record.epoch < self._known_epoch(record.key, NO_EPOCH) or any(
            alias.epoch < flight.alias_floor or not self._is_current(alias) for alias in named
        )

    def _outlived_feed(self, record: Assignment) -> bool:
        """Whether a cached copy, or that of a name it was found by, was read before a change that may be its
        own, and is not remembered as such.

        Until the feed was followed at all nothing is known against copies, and no write is sent by them.
        """
        moved = self._moved
        if moved.covers_since_s == inf:
            return False
        copied = Hint(record.cell, record.epoch, record.read_at_s)
        if not moved.reaches_back_to(copied) or moved.overrules(record.key, copied):
            return True
        return any(
            not moved.reaches_back_to(Hint(alias.home, alias.epoch, alias.read_at_s))
            or moved.overrules_name(alias.key, alias.epoch, alias.read_at_s)
            for alias in record.aliases
        )

    def _known_epoch(self, key: str, floor: int) -> int:
        return max(floor, self._moved.epoch_of(key), self._memory.epoch_of(key))

    def _is_current(self, alias: Alias) -> bool:
        """As far as the feed and memory can tell."""
        known = self._memory.aliases.find(alias.key)
        known_epoch = NO_EPOCH if known is None else known.epoch
        return alias.epoch >= max(known_epoch, self._moved.alias_epoch_of(alias.key))

    def learn(self, record: Assignment, asked_s: float, generation: int, tier: Tier) -> None:
        """Remember what the tier said to who asked at `asked_s`; share what the store said."""
        self._memory.learn(record, asked_s, generation)
        for alias in record.aliases:
            if self._is_current(alias):
                self._memory.learn_alias(alias, asked_s, generation)
        if tier is _STORE and self._fill is not None:
            self._fill.offer(replace(record, read_at_s=asked_s))

    def _found(self, flight: Flight, record: Assignment, tier: Tier) -> None:
        self.learn(record, flight.now_s, flight.generation, tier)
        if not flight.landed:
            answer = Resolution(
                _FOUND,
                record.key,
                tier,
                record.cell,
                record.jurisdiction,
                record.epoch,
                record.state,
            )
            self._land(flight, answer)

    def _land(self, flight: Flight, answer: Resolution | None) -> None:
        del self._flights[flight.key]
        flight.land(answer)

    def _end_overdue(self) -> None:
        """Flights begin in the order of their deadlines, so one timer serves all."""
        self._ending = self._loop.create_task(self._end_overdue_after_turns())

    async def _end_overdue_after_turns(self) -> None:
        await loop_turns()
        self._timer = None
        now_s = self._loop.time()
        overdue: list[Flight] = []
        for flight in self._flights.values():
            if flight.deadline_s > now_s:
                self._timer = self._loop.call_at(flight.deadline_s, self._end_overdue)
                break
            overdue.append(flight)
        for flight in overdue:
            self._land(flight, None)
