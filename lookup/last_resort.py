"""What may still be said of a home when no tier answers, or after a gap of the feed: nothing that has left.

Hot: compiled where a compiler is at hand, with the resolver that it serves.
"""

from __future__ import annotations

from typing import Final

from lookup.aliases import ALWAYS_HOME
from lookup.assignment import NO_EPOCH
from lookup.leases import LEASE_S
from lookup.memory import Entry, Memory
from lookup.moved import MovedSet
from lookup.resolution import Hint, Outcome, Resolution, Tier

_ALWAYS_HOME: Final = ALWAYS_HOME
_FOUND: Final = Outcome.FOUND
_UNAVAILABLE: Final = Outcome.UNAVAILABLE
_STALE: Final = Tier.STALE
_STORE: Final = Tier.STORE


class LastResort:
    """Memory and claims, judged by what is known of moves."""

    __slots__ = ("_hard_stale_s", "_memory", "_moved")

    def __init__(self, memory: Memory, moved: MovedSet) -> None:
        self._memory = memory
        self._moved = moved
        self._hard_stale_s = memory.lifetimes.hard_stale_s

    def answer(self, key: str, hint: Hint | None, now_s: float, safe: bool) -> Resolution:
        """No tier answered: what is known from before, to safe methods; the newer of memory and claim."""
        if not safe:
            return Resolution(_UNAVAILABLE, key, _STORE)
        entry = self._memory.known.find(key) or self._home_named(key, now_s)
        if entry is not None and (now_s - entry.loaded_at_s >= self._hard_stale_s or self.has_left(entry)):
            entry = None
        epoch = NO_EPOCH - 1 if entry is None else entry.epoch
        if hint is not None and hint.epoch > epoch:
            if self._claim_outlives_feed(key, hint, now_s):
                return Resolution(_FOUND, key, _STALE, hint.cell, "", hint.epoch)
            entry = None  # whoever issued the credential knew a later one
        if entry is None:
            return Resolution(_UNAVAILABLE, key, _STORE)
        return Resolution(_FOUND, entry.key, _STALE, entry.cell, entry.jurisdiction, entry.epoch, entry.state)

    def has_left(self, entry: Entry) -> bool:
        """Whether the home changed, or may have, since the entry was read: in a gap of the feed, which the
        history has told of meanwhile. Changes after the gap the feed tells by their keys."""
        if entry.generation == self._memory.generation:
            return entry.epoch < self._moved.epoch_of(entry.key)
        return self._moved.overrules(entry.key, Hint(entry.cell, entry.epoch, entry.read_at_s - LEASE_S))

    def is_renamed(self, alias: Entry) -> bool:
        """The same of whom the key names."""
        if alias.generation == self._memory.generation:
            return alias.epoch < self._moved.alias_epoch_of(alias.key)
        return self._moved.overrules_name(alias.key, alias.epoch, alias.read_at_s - LEASE_S)

    def _home_named(self, key: str, now_s: float) -> Entry | None:
        """What is known of the home that the key names, if that name may still be used."""
        alias = self._memory.aliases.find(key)
        if alias is None or now_s - alias.loaded_at_s >= self._hard_stale_s or self.is_renamed(alias):
            return None
        return self._memory.known.find(alias.cell)

    def _claim_outlives_feed(self, key: str, hint: Hint, now_s: float) -> bool:
        """Whether the claim held when the feed was last alive, and that is not too long ago."""
        moved = self._moved
        if (
            not key.startswith(_ALWAYS_HOME)
            or not moved.reaches_back_to(hint)
            or now_s - moved.fresh_until_s >= self._hard_stale_s
        ):
            return False
        return not moved.overrules(key, hint)
