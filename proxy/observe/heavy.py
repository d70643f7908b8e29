"""Which users ask most, among millions, in a few hundred counters; mergeable over workers. Pure, no clock.

The space-saving sketch (Metwally et al. 2005) in the form in which sketches can be merged (Agarwal et al.,
Mergeable Summaries, 2012): every counter falls short of the truth by at most one common `error`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from proxy.observe.samples import Item

CAPACITY: Final = 256
_ENOUGH: Final = 640.0
"""Requests of a cell from which on a share of them says something: about twenty that were picked."""


@dataclass(frozen=True, slots=True)
class Heavy:
    """A user's part of its cell's requests, lately: `share` of them at least, `share_at_most` at most."""

    cell: str
    key: str
    share: float
    share_at_most: float


@dataclass(frozen=True, slots=True)
class Tally:
    """A sketch as workers send it: counters by cell and key, the common error, requests by cell."""

    counts: Sequence[tuple[str, str, float]]
    error: float
    totals: Mapping[str, float]


NOTHING: Final = Tally((), 0.0, {})


class HeavyHitters:
    """For each item, truth - error <= count <= truth, where error <= total / (capacity + 1).

    What has no counter counts as 0: the truth of it is at most `error`.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        if capacity < 1:
            raise ValueError(f"a sketch of {capacity} counters can count nothing")
        self._capacity = capacity
        self._counts: dict[Item, float] = {}
        self._totals: dict[str, float] = {}
        self.error = 0.0

    def add(self, items: Iterable[Item], weight: float = 1.0) -> None:
        """Count these items, each for so many requests."""
        counted = {item: count * weight for item, count in Counter(items).items()}
        for (cell, _), count in counted.items():
            self._totals[cell] = self._totals.get(cell, 0.0) + count
        self._combine(counted)

    def merge(self, tally: Tally) -> None:
        """Count what another sketch has counted."""
        for cell, count in tally.totals.items():
            self._totals[cell] = self._totals.get(cell, 0.0) + count
        self.error += tally.error
        self._combine({(cell, key): count for cell, key, count in tally.counts})

    def fade(self, factor: float) -> None:
        """Let everything so far weigh less: what lies back far is forgotten."""
        self._counts = {item: count * factor for item, count in self._counts.items()}
        self._totals = {cell: count * factor for cell, count in self._totals.items() if count * factor >= 1.0}
        self.error *= factor

    def count(self, item: Item) -> float:
        """At least as often the item came, and at most `error` more often."""
        return self._counts.get(item, 0.0)

    def tally(self) -> Tally:
        """All of it, to be sent and merged."""
        counts = [(cell, key, count) for (cell, key), count in self._counts.items()]
        return Tally(counts, self.error, dict(self._totals))

    def heaviest(self, most: int) -> list[Heavy]:
        """Of each cell with enough requests at most so many users, the largest share first; cells by name."""
        found: dict[str, list[Heavy]] = {}
        for (cell, key), count in sorted(self._counts.items(), key=lambda entry: (-entry[1], entry[0])):
            total = self._totals.get(cell, 0.0)
            users = found.setdefault(cell, [])
            if total >= _ENOUGH and len(users) < most:
                users.append(Heavy(cell, key, count / total, min(1.0, (count + self.error) / total)))
        return [user for cell in sorted(found) for user in found[cell]]

    def _combine(self, more: Mapping[Item, float]) -> None:
        counts = self._counts
        for item, count in more.items():
            counts[item] = counts.get(item, 0.0) + count
        if len(counts) <= self._capacity:
            return
        # Taken from each of capacity + 1 counters at least: that is what bounds the error.
        surplus = sorted(counts.values(), reverse=True)[self._capacity]
        self.error += surplus
        self._counts = {item: count - surplus for item, count in counts.items() if count > surplus}
