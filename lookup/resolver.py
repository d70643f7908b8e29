"""Which cell is this key's home? Claim, memory, shared cache, store: in this order, and never a guess.

Hot: `recall` runs once per request and is compiled where a compiler is at hand; `python -m bench.lookup`
shows its time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from math import inf
from random import Random
from typing import Final

from lookup.aliases import ALWAYS_HOME, FREED, NAMES
from lookup.assignment import NO_EPOCH, Alias, Assignment
from lookup.first_sight import FirstSight
from lookup.flight import Flight
from lookup.flights import Flights
from lookup.last_resort import LastResort
from lookup.leases import LEASE_S
from lookup.memory import RESTORED, Entry, Memory
from lookup.moved import MovedSet, latest_s
from lookup.observer import SILENT, LookupObserver
from lookup.ports import History, HomeReader, SharedCache
from lookup.resolution import Hint, Outcome, Resolution, Tier
from lookup.settings import LookupSettings

_MOVES_AT_ONCE: Final = 512
_ALWAYS_HOME: Final = ALWAYS_HOME
_FOUND: Final = Outcome.FOUND
_UNAVAILABLE: Final = Outcome.UNAVAILABLE
_CLAIM: Final = Tier.CLAIM
_STALE: Final = Tier.STALE
_STORE: Final = Tier.STORE


class Resolver:
    """Built inside the running loop; only its thread uses it.

    first_sight  gives those a home whom the store does not know. None: they are unknown
    """

    def __init__(
        self,
        memory: Memory,
        moved: MovedSet,
        store: HomeReader,
        shared: SharedCache | None,
        settings: LookupSettings,
        observer: LookupObserver,
        first_sight: FirstSight | None = None,
    ) -> None:
        self._memory = memory
        self._known = memory.known
        self._moved = moved
        self._last_resort = LastResort(memory, moved)
        self._flights = Flights(memory, moved, store, shared, settings, observer, first_sight)
        self._observer = observer
        self._loop = asyncio.get_running_loop()
        self._refresh_s = memory.lifetimes.refresh_s
        self._earliest_age_s = -memory.lifetimes.refresh_s  # a clock set back by more makes ages doubtful
        self._expiry_s = memory.lifetimes.expiry_s
        self._unknown_s = memory.lifetimes.unknown_s

    def recall(self, key: str, hint: Hint | None, now_s: float, safe: bool) -> Resolution | None:
        """The answer without waiting: from the claim or memory. None: `board` now, and await `landing`.

        A key that names another one is answered with that one's home: the answer's key is the home key.
        `now_s` is Unix seconds; `safe` says that the request's method is safe (RFC 9110, 9.2.1). The caller
        counts what this returns; `landing` and `resolve` count themselves.
        """
        known = self._known
        entry = known.shards[hash(key) & known.mask].get(key)
        if (
            hint is not None
            # one epoch has one home: a record that says otherwise than the claim, and isn't older, rules
            and (entry is None or entry.cell == hint.cell or entry.epoch < hint.epoch)
            and self._moved.holds(key, hint, now_s)
            and (safe or not self._moved.may_be_moving(key, hint))
            and key.startswith(_ALWAYS_HOME)  # the moves of an alias's home are not known under its own key
        ):
            answer = hint.answer
            return answer if answer is not None else _adopt(key, hint)
        if entry is None:
            return self._recall_named(key, now_s, safe)
        if hint is not None and hint.epoch > entry.epoch:
            return None
        age_s = now_s - entry.loaded_at_s
        if self._earliest_age_s < age_s < self._refresh_s and entry.generation == self._memory.generation:
            entry.referenced = True
            return entry
        return self._recall_due(entry, age_s, now_s, safe)

    async def resolve(self, key: str, hint: Hint | None, now_s: float, safe: bool) -> Resolution:
        """The answer, from whichever tier has it within the deadline; UNAVAILABLE when none has.

        A stale answer (tier STALE) is given to safe methods only. Cancelling the caller harms nobody else.
        """
        found = self.recall(key, hint, now_s, safe)
        if found is None:
            return await self.landing(self.board(key, hint, now_s), hint, now_s, safe)
        self._observer.lookup(found.tier, found.outcome, 0.0)
        return found

    def board(self, key: str, hint: Hint | None, now_s: float) -> Flight:
        """Have the tiers asked for the key, of which `recall` has just known nothing: in the same turn of the
        loop, or an answer that comes in between is not seen, and the key read once more."""
        return self._flights.board(key, now_s, NO_EPOCH if hint is None else hint.epoch)

    async def landing(self, flight: Flight, hint: Hint | None, now_s: float, safe: bool) -> Resolution:
        """What `resolve` gives, for who has boarded with the same words."""
        begun_s = self._loop.time()
        if not flight.landed:
            waiter: asyncio.Future[None] = self._loop.create_future()
            flight.waiters.append(waiter)
            await waiter
        found = flight.answer or self._last_resort.answer(flight.key, hint, now_s, safe)
        self._observer.lookup(found.tier, found.outcome, self._loop.time() - begun_s)
        return found

    def true_as_of_s(self, answer: Resolution, asked_s: float) -> float:
        """Until when the truth surely was as answered to who asked at `asked_s` (both Unix seconds): what a
        new credential may say. -inf: nobody knows, e.g. of an entry from before a gap in the feed."""
        if answer.tier == _STORE:
            return asked_s
        if asked_s >= self._moved.fresh_until_s:
            return -inf
        if isinstance(answer, Entry) and answer.generation != self._memory.generation:
            return -inf
        return asked_s - LEASE_S  # as old may be what the feed said last

    def learn_change(self, record: Assignment, left_cell: str, now_s: float) -> None:
        """The feed says that the key's record is this now. A first placement overrules no claim."""
        key, epoch = record.key, record.epoch
        if epoch > 1:
            moved_at_s = min(record.updated_at_s, latest_s(now_s))
            self._moved.note(key, epoch, moved_at_s, left_cell)
        self._flights.raise_floor(key, epoch)
        self._memory.unknown.drop(key)
        entry = self._known.find(key)
        if entry is not None and entry.epoch < epoch:
            self._memory.learn(record, now_s, self._memory.generation)

    def learn_alias(self, alias: Alias, now_s: float) -> None:
        """The feed says that the key names that home, or nobody, from now on."""
        key, epoch = alias.key, alias.epoch
        if epoch > 1:
            moved_at_s = min(alias.updated_at_s, latest_s(now_s))
            self._moved.note(key, epoch, moved_at_s, NAMES if alias.home else FREED)
        self._flights.raise_alias_floor(key, epoch)
        self._memory.unknown.drop(key)
        entry = self._memory.aliases.find(key)
        if entry is None or entry.epoch >= epoch:
            return
        if alias.home:
            self._memory.learn_alias(alias, now_s, self._memory.generation)
        else:
            self._memory.aliases.drop(key)

    def knows_newer(self, key: str, epoch: int) -> bool:
        """Whether the home key is known to have changed since the epoch that an answer had."""
        return self._newest_epoch(key) > epoch

    @property
    def generation(self) -> int:
        """For `learn_truth`: what is known counts until continuity is lost, as of this moment."""
        return self._memory.generation

    def learn_truth(self, record: Assignment, left_cell: str, asked_s: float, generation: int) -> None:
        """The truth itself said so, to who asked at `asked_s` (Unix seconds) past every cache, because it was
        doubted that the home is `left_cell`. `generation` is of the moment before that."""
        self.learn_change(record, left_cell, asked_s)
        key = record.key
        if record.epoch >= self._newest_epoch(key):
            self._flights.learn(record, asked_s, generation, _STORE)

    def forget(self, key: str) -> None:
        """The truth has no such key."""
        self._memory.known.drop(key)
        self._memory.aliases.drop(key)

    def lose_continuity(self) -> None:
        """Changes may have been missed: memory must be read again, claims must be confirmed."""
        self._memory.mark_all_due()
        self._moved.fresh_until_s = -inf

    def learn_history(self, history: History, now_s: float) -> None:
        """Replace what is known of moves by what was told until now (Unix seconds)."""
        for _ in self.learning_history(history, now_s):
            pass

    def learning_history(self, history: History, now_s: float) -> Iterator[None]:
        """Likewise, in parts that take no long turn; until the last one, all stays as it was known before.

        What caches said meanwhile was compared with that, so that it must be read again. Times that lie ahead
        are not believed: else no claim would count until then.
        """
        fresh = self._moved.blank()
        until_s = latest_s(now_s)
        fresh.restart(min(history.covers_since_s, until_s))
        for count, move in enumerate(history.moves, 1):
            fresh.note(move.key, move.epoch, min(move.moved_at_s, until_s), move.left_cell)
            if count % _MOVES_AT_ONCE == 0:
                yield
        self._moved.become(fresh)
        self._memory.mark_all_due()

    def believe_claims_until(self, time_s: float) -> None:
        """The feed is alive: until then (Unix seconds) claims count, unless a move overrules them."""
        self._moved.fresh_until_s = time_s

    def forget_moves_before(self, time_s: float) -> None:
        """Claims issued before that time (Unix seconds) will be confirmed instead of compared with moves."""
        self._moved.forget_before(time_s)

    async def close(self) -> None:
        """End every lookup on its way; their callers get UNAVAILABLE."""
        await self._flights.close()

    def _newest_epoch(self, key: str) -> int:
        return max(self._moved.epoch_of(key), self._memory.epoch_of(key))

    def _recall_named(self, key: str, now_s: float, safe: bool) -> Resolution | None:
        """The answer for a key without a home of its own: both must be fresh enough, name and home."""
        if key.startswith(_ALWAYS_HOME):
            return self._recall_unknown(key, now_s)
        alias = self._memory.aliases.find(key)
        if alias is None:
            return self._recall_unknown(key, now_s)
        entry = self._known.find(alias.cell)
        if entry is None or not self._is_usable(alias, now_s - alias.loaded_at_s, now_s, safe):
            return None
        if self._last_resort.is_renamed(alias):
            return None
        return self._recall_due(entry, now_s - entry.loaded_at_s, now_s, safe)

    def _recall_unknown(self, key: str, now_s: float) -> Resolution | None:
        entry = self._memory.unknown.find(key)
        if entry is None or entry.generation != self._memory.generation:
            return None
        if not -self._unknown_s < now_s - entry.loaded_at_s < self._unknown_s:
            return None
        entry.referenced = True
        return entry

    def _recall_due(self, entry: Entry, age_s: float, now_s: float, safe: bool) -> Resolution | None:
        is_usable = self._is_usable(entry, age_s, now_s, safe) and not self._last_resort.has_left(entry)
        return entry if is_usable else None

    def _is_usable(self, entry: Entry, age_s: float, now_s: float, safe: bool) -> bool:
        """Whether to use it: it may be due for re-reading (in the background), but not too old, nor due in a
        way that unsafe methods mind."""
        is_current = entry.generation == self._memory.generation
        if not (is_current and self._earliest_age_s < age_s < self._refresh_s):
            if not -self._expiry_s < age_s < self._expiry_s:
                return False
            if not is_current and (not safe or entry.generation == RESTORED):
                return False
            self._flights.refresh(entry.key, now_s)
        entry.referenced = True
        return True


def _adopt(key: str, hint: Hint) -> Resolution:
    """Make the claim's resolution once; later requests with the same credential find it on the hint."""
    answer = Resolution(_FOUND, key, _CLAIM, hint.cell, "", hint.epoch)
    hint.answer = answer
    return answer


def build_resolver(
    store: HomeReader,
    settings: LookupSettings,
    random: Random,
    shared: SharedCache | None = None,
    observer: LookupObserver = SILENT,
) -> Resolver:
    """A resolver with an empty memory. Claims are confirmed until lookup.changes feeds it."""
    memory = Memory(settings.memory_entries, settings.unknown_entries, settings.lifetimes(), random)
    moved = MovedSet(settings.moved_keys, settings.clock_skew_s)
    return Resolver(memory, moved, store, shared, settings, observer)
