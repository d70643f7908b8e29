"""Which users ask most, among millions, in a few hundred counters; mergeable over workers. Pure, no clock.

What is counted is a sample of the requests, so that a share is told as an interval: Wilson's for the sample,
widened by what the counters may fall short.

The space-saving sketch (Metwally et al. 2005) in the form in which sketches can be merged (Agarwal et al.,
Mergeable Summaries, 2012): every counter falls short of the truth by at most one common `error`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

from proxy.observe.samples import Item

CAPACITY: Final = 256
_ENOUGH: Final = 640.0
"""Requests of a cell from which on a share of them says something: about twenty that were picked."""

_DEVIATIONS: Final = 2.576
"""Of the normal distribution: the truth lies in the interval 99 times of 100."""

_LEAST_SAMPLES: Final = 10.0
"""Of a user: less is chance."""

_MUCH: Final = 0.1
"""So large a share is told however few users there are; a smaller one if it is twice an even share."""


@dataclass(frozen=True, slots=True)
class Heavy:
    """A user's part of its cell's requests, lately, and of how many picked requests that was learnt.

    The truth lies between the shares, sampling error included, 99 times of 100.
    """

    cell: str
    key: str
    share_at_least: float
    share_at_most: float
    samples: int
    samples_of_cell: int


@dataclass(frozen=True, slots=True)
class Tally:
    """A sketch as workers send it: counters by cell and key, the common error, requests by cell.

    squares  by cell the sum of the squares of what each picked request counts for
    """

    counts: Sequence[tuple[str, str, float]]
    error: float
    totals: Mapping[str, float]
    squares: Mapping[str, float]


NOTHING: Final = Tally((), 0.0, {}, {})


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
        self._squares: dict[str, float] = {}
        self.error = 0.0

    def add(self, items: Iterable[Item], weight: float = 1.0) -> None:
        """Count these items, each for so many requests."""
        counted = {item: count * weight for item, count in Counter(items).items()}
        for (cell, _), count in counted.items():
            self._totals[cell] = self._totals.get(cell, 0.0) + count
            self._squares[cell] = self._squares.get(cell, 0.0) + count * weight
        self._combine(counted)

    def merge(self, tally: Tally) -> None:
        """Count what another sketch has counted."""
        for cell, count in tally.totals.items():
            self._totals[cell] = self._totals.get(cell, 0.0) + count
        for cell, square in tally.squares.items():
            self._squares[cell] = self._squares.get(cell, 0.0) + square
        self.error += tally.error
        self._combine({(cell, key): count for cell, key, count in tally.counts})

    def fade(self, factor: float) -> None:
        """Let everything so far weigh less: what lies back far is forgotten."""
        self._counts = {item: count * factor for item, count in self._counts.items()}
        self._totals = {cell: count * factor for cell, count in self._totals.items() if count * factor >= 1.0}
        self._squares = {cell: self._squares[cell] * factor * factor for cell in self._totals}
        self.error *= factor

    def count(self, item: Item) -> float:
        """At least as often the item came, and at most `error` more often."""
        return self._counts.get(item, 0.0)

    def tally(self) -> Tally:
        """All of it, to be sent and merged."""
        counts = [(cell, key, count) for (cell, key), count in self._counts.items()]
        return Tally(counts, self.error, dict(self._totals), dict(self._squares))

    def heaviest(self, most: int) -> list[Heavy]:
        """Of each cell at most so many who ask much, the largest share first; cells by name."""
        found: dict[str, list[Heavy]] = {}
        users_of = self._users_at_least()
        for (cell, key), count in sorted(self._counts.items(), key=lambda entry: (-entry[1], entry[0])):
            if self._totals.get(cell, 0.0) < _ENOUGH:
                continue
            user, users = self._judged(cell, key, count), found.setdefault(cell, [])
            much = min(_MUCH, 2 / users_of[cell])
            if user.samples >= _LEAST_SAMPLES and user.share_at_least >= much and len(users) < most:
                users.append(user)
        return [user for cell in sorted(found) for user in found[cell]]

    def _users_at_least(self) -> dict[str, float]:
        """How many have asked each cell: none of them hides more requests than `error`."""
        counted: dict[str, float] = {}
        counters, least = Counter[str](), dict[str, float]()
        for (cell, _), count in self._counts.items():
            counted[cell] = counted.get(cell, 0.0) + count
            counters[cell] += 1
        for cell, number in counters.items():
            hidden = self._totals.get(cell, 0.0) - counted[cell]
            least[cell] = max(float(number), hidden / self.error if self.error else 0.0)
        return least

    def _judged(self, cell: str, key: str, count: float) -> Heavy:
        total = self._totals[cell]
        samples = total * total / self._squares[cell]  # of equal weight, that would tell as much (Kish)
        share, at_most = count / total, min(1.0, (count + self.error) / total)
        return Heavy(
            cell,
            key,
            _wilson(share, samples)[0],
            _wilson(at_most, samples)[1],
            round(share * samples),
            round(samples),
        )

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


def _wilson(share: float, samples: float) -> tuple[float, float]:
    """Between what shares the truth lies when so many samples showed this one (Wilson's score interval)."""
    square = _DEVIATIONS * _DEVIATIONS / samples
    middle = share + square / 2
    reach = sqrt(square * (share * (1.0 - share) + square / 4))
    return max(0.0, (middle - reach) / (1.0 + square)), min(1.0, (middle + reach) / (1.0 + square))
