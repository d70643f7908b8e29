"""Picks one request in so many, to learn which users ask most. HOT: `left` is counted down on every request.

What is picked is counted later, a second's worth at once, by proxy.observe.heavy.
"""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple

_LEAST_GAP: Final = 32
_MOST: Final = 512
"""Picked at most between two calls of `collect`: what costs a microsecond each then costs nothing at all."""

Item = tuple[str, str]
"""A cell and a home key, as the store spells it."""


class Picked(NamedTuple):
    """What was picked, each for `weight` requests."""

    items: list[Item]
    weight: int


class Samples:
    """One worker's picker. The caller counts `left` down and calls `take` when nothing is left.

    left  requests until one is picked: at random, about one in `gap`, so that no rhythm of requests escapes
    """

    __slots__ = ("_gap", "_random", "_taken", "left")

    def __init__(self, random: Random) -> None:
        self._random = random
        self._gap: int = _LEAST_GAP
        self._taken: list[Item] = []
        self.left: int = 1 + int(random.random() * (2 * _LEAST_GAP - 1))

    def take(self, cell: str, key: str) -> None:
        """Pick this request."""
        taken = self._taken
        taken.append((cell, key))
        if len(taken) == _MOST:  # more than usual: pick fewer from here on, and fewer of those before
            del taken[::2]
            self._gap *= 2
        self.left = 1 + int(self._random.random() * (2 * self._gap - 1))

    def collect(self) -> Picked:
        """What was picked since the last call; to be called about once a second."""
        picked = Picked(self._taken, self._gap)
        if len(self._taken) * 4 < _MOST and self._gap > _LEAST_GAP:
            self._gap //= 2
        self._taken = []
        return picked
