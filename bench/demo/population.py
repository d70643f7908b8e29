"""Who lives where in the demo: 100,000 users, spread evenly over the cells by number."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from lookup.assignment import Assignment
from lookup.keys import user_key
from lookup.writer import spread
from proxy.model import Cell

USERS: Final = 100_000
FREE_TO_TRY: Final = 1_000
"""Users with lower numbers send nothing by themselves: they can be moved without being missed at home."""

UNKNOWN_USER: Final = USERS + 1
"""A number that no user has."""


def home_of(number: int, cells: Sequence[Cell]) -> Cell:
    """The home cell of user `number`."""
    return cells[number % len(cells)]


def resident(cell: Cell, cells: Sequence[Cell], nth: int = 0) -> int:
    """The number of the nth user at home in `cell`."""
    return cell.index + nth * len(cells)


def assignments(cells: Sequence[Cell], now_s: float) -> Iterator[Assignment]:
    """The record of every user, as the store is seeded with it."""
    homes = [(cell.name, cell.jurisdiction) for cell in cells]
    return spread((user_key(str(number)) for number in range(USERS)), homes, now_s)
