"""What this worker remembers of homes: bounded, with second chance; unknown users kept apart. Reads nothing.

Hot: compiled where a compiler is at hand. `python -m bench.lookup` shows time per hit and bytes per entry.
"""

from __future__ import annotations

from random import Random
from sys import intern
from typing import Final

from lookup.assignment import Alias, Assignment, State
from lookup.resolution import Outcome, Resolution, Tier

_FOUND: Final = Outcome.FOUND
_UNKNOWN: Final = Outcome.UNKNOWN
_MEMORY: Final = Tier.MEMORY
_PLACED: Final = State.PLACED
_NO_EPOCH: Final = -1

RESTORED: Final = -1
"""Generation of entries from before this process: each tier is asked before one of them serves."""

_SHARD_ENTRIES: Final = 1024
"""A dict is rebuilt now and then as entries come and go: microseconds at this size, 50 ms at a million."""

_MAX_SECOND_CHANCES: Final = 8
"""Per eviction, so that it takes bounded time when everything was used lately."""


class Lifetimes:
    """For how long an answer counts, in seconds after it was read. A hit never extends any of them.

    refresh_s     then it is served and re-read in the background
    expiry_s      then it must be re-read first
    hard_stale_s  until then it may serve safe methods when no tier answers
    unknown_s     for how long "no such key" counts
    """

    __slots__ = ("expiry_s", "hard_stale_s", "refresh_s", "spread_s", "unknown_s")

    def __init__(self, refresh_s: float, expiry_s: float, hard_stale_s: float, unknown_s: float) -> None:
        if not 0 < refresh_s < expiry_s < hard_stale_s:
            raise ValueError(
                f"refresh {refresh_s} s < expiry {expiry_s} s < hard stale {hard_stale_s} s must hold"
            )
        if unknown_s <= 0:
            raise ValueError(f"the lifetime of unknown keys is {unknown_s} s; it must be positive")
        self.refresh_s = refresh_s
        self.expiry_s = expiry_s
        self.hard_stale_s = hard_stale_s
        self.unknown_s = unknown_s
        self.spread_s: float = min(refresh_s / 2, expiry_s / 10)


class Entry(Resolution):
    """A remembered answer, handed out as it is on a hit.

    loaded_at_s  when it was read, less a random part of the spread: all its times derive from it, so that
                 entries read together don't fall due together
    read_at_s    when the truth was asked for it, of a cached copy by who copied it: it may have moved since
    generation   of the memory when the reading began; of an older one = due for re-reading
    referenced   used since the eviction hand last passed
    """

    __slots__ = ("generation", "loaded_at_s", "read_at_s", "referenced")

    def __init__(
        self,
        outcome: Outcome,
        key: str,
        cell: str,
        jurisdiction: str,
        epoch: int,
        state: State,
        loaded_at_s: float,
        read_at_s: float,
        generation: int,
    ) -> None:
        # One is made for each answer of a tier: by super().__init__ that takes half as long again.
        self.outcome = outcome
        self.key = key
        self.tier = _MEMORY
        self.cell = cell
        self.jurisdiction = jurisdiction
        self.epoch = epoch
        self.state = state
        self.loaded_at_s = loaded_at_s
        self.read_at_s = read_at_s
        self.generation = generation
        self.referenced = False


class SecondChance:
    """A bounded map of entries by key. What was used since its last turn gets another one before it goes.

    Split into small dicts: a dict keeps insertion order, which is the queue, and no operation touches more
    than one small dict.

    shards, mask    for `find` where a call is too dear: the entry is in shards[hash(key) & mask]
    """

    __slots__ = ("_capacity", "_count", "mask", "shards")

    def __init__(self, capacity: int) -> None:
        if capacity < 1:
            raise ValueError(f"a cache of {capacity} entries can hold nothing")
        shards = 1
        while shards * _SHARD_ENTRIES < capacity:
            shards *= 2
        self._capacity = capacity
        self._count = 0
        self.mask = shards - 1
        self.shards: list[dict[str, Entry]] = [{} for _ in range(shards)]

    def __len__(self) -> int:
        return self._count

    @property
    def parts(self) -> int:
        """Of how many parts it consists."""
        return self.mask + 1

    def part(self, number: int) -> list[Entry]:
        """The entries of one part, 0 to `parts` - 1: about a thousand, so that walking takes no long turn."""
        return list(self.shards[number].values())

    def find(self, key: str) -> Entry | None:
        """The entry, however old; doesn't mark it as used."""
        return self.shards[hash(key) & self.mask].get(key)

    def put(self, entry: Entry) -> None:
        """Keep the entry in place of the key's former one, or of the one whose turn it is to go."""
        key = entry.key
        shard = self.shards[hash(key) & self.mask]
        former = shard.get(key)
        if former is not None:
            entry.referenced = former.referenced
        elif self._count < self._capacity:
            self._count += 1
        else:
            self._evict(shard if shard else self._next_with_entries(hash(key)))
        shard[key] = entry

    def drop(self, key: str) -> None:
        """Forget the key, if it is known."""
        if self.shards[hash(key) & self.mask].pop(key, None) is not None:
            self._count -= 1

    def _evict(self, shard: dict[str, Entry]) -> None:
        for _ in range(_MAX_SECOND_CHANCES):
            key = next(iter(shard))
            entry = shard.pop(key)
            if not entry.referenced:
                return
            entry.referenced = False
            shard[key] = entry
        del shard[next(iter(shard))]

    def _next_with_entries(self, start: int) -> dict[str, Entry]:
        """A shard with something to evict: of a full cache nearly every one, so that the first will do."""
        while True:
            start += 1
            shard = self.shards[start & self.mask]
            if shard:
                return shard


class Memory:
    """Known homes, keys that name them, unknown keys; each bounded by itself, so that probing can't push real
    users out.

    An alias's entry has the home key in place of the cell, and the alias's epoch: what is known of the home
    itself is in the home's entry only, so that a move is seen through every alias at once.

    Only the loop's thread uses it. `generation` grows when continuity with the change feed was lost: every
    entry read before that is then due for re-reading, without touching any of them.
    """

    __slots__ = ("_random", "aliases", "generation", "known", "lifetimes", "unknown")

    def __init__(self, entries: int, unknown_entries: int, lifetimes: Lifetimes, random: Random) -> None:
        self.known = SecondChance(entries)
        self.aliases = SecondChance(entries)
        self.unknown = SecondChance(unknown_entries)
        self.lifetimes = lifetimes
        self.generation = 0
        self._random = random

    def mark_all_due(self) -> None:
        """Every entry must be read again before it counts as fresh."""
        self.generation += 1

    def learn(self, record: Assignment, now_s: float, generation: int) -> None:
        """Remember a record whose reading began at `now_s` under `generation`.

        The same record again only renews its time: long-lived objects stay, which keeps the collector idle.
        """
        key = record.key
        loaded_at_s = now_s - self._random.random() * self.lifetimes.spread_s
        read_at_s = _asked_at_s(record.read_at_s, now_s)
        entry = self.known.find(key)
        if entry is not None and same_record(entry, record):
            entry.loaded_at_s = loaded_at_s
            entry.read_at_s = read_at_s
            entry.generation = generation
            return
        self.unknown.drop(key)
        cell, jurisdiction = intern(record.cell), intern(record.jurisdiction)
        epoch, state = record.epoch, record.state
        self.known.put(
            Entry(_FOUND, key, cell, jurisdiction, epoch, state, loaded_at_s, read_at_s, generation)
        )

    def learn_alias(self, alias: Alias, now_s: float, generation: int) -> None:
        """Remember which key is named, as of a reading that began at `now_s` under `generation`."""
        key = alias.key
        loaded_at_s = now_s - self._random.random() * self.lifetimes.spread_s
        read_at_s = _asked_at_s(alias.read_at_s, now_s)
        entry = self.aliases.find(key)
        if entry is not None and entry.epoch == alias.epoch and entry.cell == alias.home:
            entry.loaded_at_s = loaded_at_s
            entry.read_at_s = read_at_s
            entry.generation = generation
            return
        self.unknown.drop(key)
        home, epoch = alias.home, alias.epoch
        self.aliases.put(Entry(_FOUND, key, home, "", epoch, _PLACED, loaded_at_s, read_at_s, generation))

    def restore(self, record: Assignment, read_at_s: float) -> None:
        """Remember a record that was read before this process began, unless a newer one is known."""
        key, epoch = record.key, record.epoch
        former = self.known.find(key)
        if former is not None and (former.epoch, former.loaded_at_s) >= (epoch, read_at_s):
            return
        cell, jurisdiction = intern(record.cell), intern(record.jurisdiction)
        self.known.put(
            Entry(_FOUND, key, cell, jurisdiction, epoch, record.state, read_at_s, read_at_s, RESTORED)
        )

    def restore_alias(self, alias: Alias, read_at_s: float) -> None:
        """Remember a name that was read before this process began, unless a newer one is known."""
        former = self.aliases.find(alias.key)
        if former is None or (former.epoch, former.loaded_at_s) < (alias.epoch, read_at_s):
            self.aliases.put(
                Entry(_FOUND, alias.key, alias.home, "", alias.epoch, _PLACED, read_at_s, read_at_s, RESTORED)
            )

    def learn_unknown(self, key: str, now_s: float, generation: int) -> None:
        """Remember that the truth has no such key."""
        self.known.drop(key)
        self.aliases.drop(key)
        self.unknown.put(Entry(_UNKNOWN, key, "", "", _NO_EPOCH, _PLACED, now_s, now_s, generation))

    def epoch_of(self, key: str) -> int:
        """The highest epoch that an answer for this key must have at least, as far as memory can tell."""
        entry = self.known.find(key)
        if entry is None or entry.generation != self.generation:
            return _NO_EPOCH
        return entry.epoch


def _asked_at_s(copied_at_s: float, now_s: float) -> float:
    """`copied_at_s` is 0.0 of what is no cached copy."""
    return min(copied_at_s, now_s) if copied_at_s else now_s


def same_record(entry: Entry, record: Assignment) -> bool:
    """Whether the entry says what the record says."""
    return (
        entry.epoch == record.epoch
        and entry.cell == record.cell
        and entry.jurisdiction == record.jurisdiction
        and entry.state == record.state
    )
